//! What all threads of one host share, and how a stanza's fate is carried out.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::config::{Config, MODULES, ModuleMode, PREFIX, WrongSetting};
use crate::error::HostError;
use crate::ffi::frame::{Outcome, Writer, effect};
use crate::journal::{Journal, Stream};
use crate::lanes::{Action, Emit, Finished, Lanes, Moves};
use crate::mapping::Source;
use crate::modules::chat;
use crate::modules::chat::history;
use crate::modules::footprint;
use crate::modules::state::{Reading, Sessions};
use crate::platform::embedded::Embedded;
use crate::platform::{Breaker, Client};
use crate::stanza::{Limits, Stanza};

use super::Start;
use super::effects::{Effects, WAITED};
use super::feed::{About, What};
use super::handover::Handovers;
use super::{cursor, group, presence, rows};

/// Locks; a poisoned lock is used on: every critical section here leaves whole states behind.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Unix time in milliseconds.
pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(0))
}

/// The journal's mark behind [`Core::owes`].
const OWES: &str = "owes";

/// Counters of the chat module, in the order of [`COUNTERS`].
#[derive(Debug, Default)]
pub struct Counters([AtomicU64; COUNTERS.len()]);

/// Names of the counters.
pub const COUNTERS: [&str; 15] = [
    "seen",
    "bytes",
    "passed",
    "taken",
    "mirrored",
    "released",
    "stored",
    "refused",
    "replaced",
    "already_handed_over",
    "alone",
    "native",
    "handed_over",
    "failed",
    "mirror_dropped",
];

impl Counters {
    /// Adds to a counter; its name must be one of [`COUNTERS`].
    pub fn add(&self, name: &str, count: u64) {
        if let Some(at) = COUNTERS.iter().position(|n| *n == name) {
            self.0[at].fetch_add(count, Ordering::Relaxed);
        }
    }
    /// All of them.
    pub fn all(&self) -> BTreeMap<&'static str, u64> {
        COUNTERS.iter().zip(&self.0).map(|(name, count)| (*name, count.load(Ordering::Relaxed))).collect()
    }
}

/// One failure, for the status page.
#[derive(Debug, Clone)]
pub struct Failure {
    /// When (Unix ms).
    pub at_ms: u64,
    /// Where: `decide`, `handover`, `link`, `mirror`, `journal`, `child`, `settings`, `panic`.
    pub place: &'static str,
    /// What.
    pub text: String,
    /// How often in a row.
    pub times: u64,
}

/// Events of the embedded platform's supervisor on their way to the host.
#[derive(Debug, Default)]
pub struct ChildInbox {
    pub events: Mutex<VecDeque<crate::platform::embedded::Event>>,
    pub wake: Condvar,
}

/// Shared by all threads.
#[derive(Debug)]
pub struct Core {
    pub start: Start,
    pub data: PathBuf,
    pub node: String,
    pub epoch: String,
    config: RwLock<Arc<Config>>,
    pub wrong: Mutex<Vec<WrongSetting>>,
    pub journal: Journal,
    pub lanes: Mutex<Lanes>,
    /// Something about the lanes has changed that the stop waits for.
    pub lanes_wake: Condvar,
    /// For the deciding threads.
    pub decide_wake: Condvar,
    /// Deciding threads that wait for something to ask; changed only under the lock of `lanes`.
    pub idle_deciders: AtomicUsize,
    pub effects: Effects,
    pub client: Client,
    pub breaker: Breaker,
    pub embedded: Mutex<Option<Embedded>>,
    pub cloud: super::cloud::Cloud,
    pub child_inbox: Arc<ChildInbox>,
    pub platform_version: Mutex<Option<String>>,
    pub sessions: Mutex<Sessions>,
    pub link_wake: Condvar,
    /// The platform has this epoch's snapshot: stanzas may be claimed.
    pub ready: AtomicBool,
    pub snapshot_due: AtomicBool,
    /// The downlink has its place: what the platform says from now on is heard.
    pub listens: AtomicBool,
    /// The senior member of the cluster has changed: the downlink's place is to be read again.
    pub listen_anew: AtomicBool,
    pub reconfigure: AtomicBool,
    /// The mirror sleeps until it is woken, instead of looking by itself.
    pub mirror_sleeps: AtomicBool,
    pub mirror_wake: (Mutex<()>, Condvar),
    pub handovers: Handovers,
    pub counters: Counters,
    /// Folders of somebody else's, and with them the modules and their rows.
    pub folders: super::folders::Folders,
    pub row_counts: rows::Counts,
    pub echoes: super::echoes::Echoes,
    /// What rows claim: a lane per module and sender.
    pub row_lanes: Mutex<Lanes>,
    pub rows_wake: Condvar,
    /// Everything about rooms.
    pub rooms: super::room::State,
    /// There is something in the journal's `calls`.
    pub calls_wake: (Mutex<()>, Condvar),
    pub logins: super::login::Logins,
    pub importer: super::import::Importer,
    pub groups: super::group::Pictures,
    /// Users whose PEP service has had an order in this run.
    pub pep_services: Mutex<HashSet<String>>,
    /// What other plugins are told, and what they call.
    pub feed: super::feed::Feed,
    pub calls: super::api::Calls,
    /// Where the cluster is in the downlink, as Openfire's property says.
    pub shared_cursor: Mutex<Option<String>>,
    /// The ids of the cluster's nodes, as far as they have told them.
    pub members: Mutex<HashSet<String>>,
    pub failures: Mutex<VecDeque<Failure>>,
    pub recent: Mutex<super::intake::Recent>,
    pub keys: super::intake::Keys,
    /// The platform keeps messages that this bridge gave it: sessions are told and hand-overs made whatever the modes say.
    owes: AtomicBool,
    /// Chat has left decide mode while messages were held: until they are gone, what comes behind them keeps its place.
    pub descending: AtomicBool,
    /// Filter tables that were announced.
    filters: AtomicU64,
    /// Messages that are being looked at now, maybe by settings that are exchanged meanwhile.
    pub offering: AtomicUsize,
    /// Takes nothing new but what must keep its place.
    pub stopping: AtomicBool,
    /// The threads end.
    pub ending: AtomicBool,
    /// Calls are refused.
    closed: AtomicBool,
    pub started_ms: u64,
}

impl Core {
    /// Opens the data folder and the journal.
    ///
    /// # Errors
    /// [`HostError::Io`].
    pub fn open(start: Start) -> Result<Core, HostError> {
        let raw = start
            .settings
            .iter()
            .filter_map(|(key, value)| Some((key.strip_prefix(PREFIX)?.to_owned(), value.clone())))
            .collect::<BTreeMap<_, _>>();
        let data = match raw.get("dataDir").map(|d| d.trim()).filter(|d| !d.is_empty()) {
            Some(dir) => PathBuf::from(dir),
            None => start.home.join("cloudbridge"),
        };
        let (config, wrong) = Config::read(raw, None);
        let io = |e: &dyn std::fmt::Display| {
            HostError::Io(format!(
                "the data folder {} cannot be used: {e}; set {PREFIX}dataDir to a folder that Openfire may write",
                data.display()
            ))
        };
        private_folder(&data).map_err(|e| io(&e))?;
        private_folder(&data.join("modules")).map_err(|e| io(&e))?;
        let node = node_id(&data).map_err(|e| io(&e))?;
        let journal = Journal::open(&data.join("journal"), now_ms(), config.journal_max)
            .map_err(|e| HostError::Io(e.to_string()))?;
        let owes = journal.marked(OWES).map_err(|e| HostError::Io(e.to_string()))?.is_some();
        Ok(Core {
            node,
            epoch: uuid::Uuid::now_v7().to_string(),
            wrong: Mutex::new(wrong),
            journal,
            lanes: Mutex::new(Lanes::new(1)),
            lanes_wake: Condvar::new(),
            decide_wake: Condvar::new(),
            idle_deciders: AtomicUsize::new(0),
            effects: Effects::default(),
            client: Client::default(),
            breaker: Breaker::default(),
            embedded: Mutex::new(None),
            cloud: super::cloud::Cloud::default(),
            child_inbox: Arc::default(),
            platform_version: Mutex::new(None),
            sessions: Mutex::new(Sessions::new(presence::PRESENCE_EFFECTS)),
            link_wake: Condvar::new(),
            ready: AtomicBool::new(false),
            snapshot_due: AtomicBool::new(true),
            listens: AtomicBool::new(false),
            listen_anew: AtomicBool::new(false),
            reconfigure: AtomicBool::new(true),
            mirror_sleeps: AtomicBool::new(false),
            mirror_wake: Default::default(),
            handovers: Handovers::default(),
            counters: Counters::default(),
            folders: super::folders::Folders::default(),
            row_counts: rows::Counts::default(),
            echoes: super::echoes::Echoes::default(),
            row_lanes: Mutex::new(Lanes::new(rows::ROW_EFFECTS)),
            rows_wake: Condvar::new(),
            rooms: super::room::State::default(),
            calls_wake: Default::default(),
            logins: super::login::Logins::default(),
            importer: super::import::Importer::default(),
            groups: super::group::Pictures::default(),
            pep_services: Mutex::default(),
            feed: super::feed::Feed::default(),
            calls: super::api::Calls::default(),
            shared_cursor: Mutex::new(config.raw().get(cursor::PROPERTY).cloned()),
            members: Mutex::new(
                config
                    .raw()
                    .keys()
                    .filter_map(|k| k.strip_prefix(cursor::MEMBER))
                    .map(str::to_owned)
                    .collect(),
            ),
            config: RwLock::new(Arc::new(config)),
            failures: Mutex::new(VecDeque::new()),
            recent: Mutex::default(),
            keys: Default::default(),
            owes: AtomicBool::new(owes),
            descending: AtomicBool::new(false),
            filters: AtomicU64::new(0),
            offering: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
            ending: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            started_ms: now_ms(),
            data,
            start,
        })
    }

    /// The settings in force.
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether calls are still answered.
    ///
    /// # Errors
    /// [`HostError::Closed`].
    pub fn open_for_calls(&self) -> Result<(), HostError> {
        if self.closed.load(Ordering::Acquire) { Err(HostError::Closed) } else { Ok(()) }
    }

    /// Puts what the last run left into the lanes, as bytes.
    ///
    /// # Errors
    /// [`HostError::Io`] when the journal cannot be read.
    pub fn replay(&self) -> Result<(), HostError> {
        let entries = self
            .journal
            .read(Stream::Held, 0, usize::MAX, usize::MAX)
            .map_err(|e| HostError::Io(e.to_string()))?;
        let limit = Duration::from_millis(self.config().timeout_ms).max(Duration::from_secs(15));
        for (seq, value) in entries {
            match super::intake::decode_held(seq, &value, Instant::now() + limit) {
                Some((held, alone)) if super::intake::is_room(&value) => self.replay_room(held, alone),
                Some((held, alone)) => {
                    let moves = lock(&self.lanes).push(held, alone);
                    self.carry_out(moves);
                }
                None => self.failed("journal", format!("entry {seq} cannot be read and is left where it is")),
            }
        }
        Ok(())
    }

    /// After start: the filter table, and the list of sessions if somebody wants it.
    pub fn announce(&self) {
        for wrong in lock(&self.wrong).iter() {
            self.effects.log(1, "settings", &wrong.to_string());
        }
        self.announce_filter();
        self.wake_all();
    }

    /// Whether anything is sent to a platform at all.
    pub fn sends(&self) -> bool {
        let config = self.config();
        let sends =
            |module: &&str| config.module(module).mode >= ModuleMode::Mirror && self.folder(module).is_none();
        MODULES.iter().any(sends)
            || self.owes.load(Ordering::Acquire)
            || self.descending.load(Ordering::Acquire)
    }

    /// Whether sessions are told to the platform.
    pub fn tells_sessions(&self) -> bool {
        let config = self.config();
        (config.chat == ModuleMode::Decide && self.folder("chat").is_none())
            || (config.state >= ModuleMode::Mirror && self.folder("state").is_none())
            || config.module("room").mode == ModuleMode::Decide
            || self.owes.load(Ordering::Acquire)
            || self.descending.load(Ordering::Acquire)
    }

    /// Whether anybody wants to know about sessions.
    pub fn wants_sessions(&self) -> bool {
        let config = self.config();
        self.tells_sessions() || config.chat == ModuleMode::Decide || config.state >= ModuleMode::Mirror
    }

    /// Whether the platform keeps messages that this bridge gave it.
    pub fn owes(&self) -> bool {
        self.owes.load(Ordering::Acquire)
    }

    /// Whether this node hears what others say to the whole server.
    pub fn speaks(&self) -> bool {
        self.config().senior
    }

    /// The platform says whether it still keeps messages for anybody here.
    pub fn pending_at_platform(&self, any: bool) {
        if any == self.owes.load(Ordering::Acquire) || (!any && self.config().chat == ModuleMode::Decide) {
            return;
        }
        self.owes.store(any, Ordering::Release);
        let noted = if any { self.journal.mark(OWES, 1) } else { self.journal.unmark(OWES) };
        if let Err(error) = noted {
            self.failed("journal", error.to_string());
        }
        if !any {
            self.announce_filter();
            self.reconfigure.store(!self.sends(), Ordering::Release);
        }
    }

    /// Ends the descent after chat has left decide mode: nothing is held any more, and nobody who saw the old mode is still at work.
    pub fn descended(&self) {
        let over = self.descending.load(Ordering::SeqCst)
            && self.config().chat != ModuleMode::Decide
            && self.offering.load(Ordering::SeqCst) == 0
            && lock(&self.lanes).held() == 0;
        if over && self.descending.swap(false, Ordering::SeqCst) {
            self.announce_filter();
            self.reconfigure.store(!self.sends(), Ordering::Release);
        }
    }

    /// Sends the filter table, after something changed that it is made of. Its number is taken before the table is made: whichever shim thread is the last to
    /// put one in place, the one with the highest number knows all that the others know.
    pub fn announce_filter(&self) {
        let number = self.filters.fetch_add(1, Ordering::SeqCst) + 1;
        self.effects.push(Writer::new(effect::FILTER).long(number).bytes(&self.filter_frame()).finish());
    }

    /// The FILTER frame for the settings in force.
    pub fn filter_frame(&self) -> Vec<u8> {
        let config = self.config();
        let mode = if self.descending.load(Ordering::Acquire) { ModuleMode::Decide } else { config.chat };
        let mut table: Vec<(&str, String, &str, ModuleMode, bool)> =
            vec![("message", "chat normal".into(), "*", mode, config.chat >= ModuleMode::Mirror)];
        // A presence is looked at where it may be held or is only counted; in mirror mode notices say everything.
        let held = config.state == ModuleMode::Decide && self.folder("state").is_none();
        if config.state == ModuleMode::Watch || held {
            table.push(("presence", "available".into(), "*", config.state, false));
        }
        let registry = self.registry();
        for row in registry.rows() {
            let mode = match row.batch.as_deref() {
                None | Some(footprint::BATCH) => config.module(row.module()).mode,
                // It is not looked at below deciding: nothing is told by looking at who reads what.
                Some(history::BATCH) if config.history => ModuleMode::Decide,
                Some(_) => continue,
            };
            // Presence that folders are told comes from notices; messages have their line.
            if row.folder != 0 && row.on.kind != "iq" {
                continue;
            }
            let namespace = row.on.namespace.as_deref().unwrap_or("*");
            let types = || row.on.types.join(" ");
            let line = match row.on.source {
                // Nothing is gained by looking at what is not told.
                Source::Event if mode < ModuleMode::Mirror => continue,
                Source::Event => ("event", events_of(namespace).to_owned(), "*", mode, false),
                Source::Component if mode < ModuleMode::Decide => continue,
                Source::Component => ("component", config.subdomain.clone(), namespace, mode, false),
                Source::Room if row.folder == 0 => {
                    ("room", types(), namespace, group::room_requests(self), false)
                }
                Source::Room => ("room", types(), namespace, mode, false),
                Source::Client => (row.on.kind.as_str(), "get set".to_owned(), namespace, mode, false),
            };
            if line.3 != ModuleMode::Off && !table.contains(&line) {
                table.push(line);
            }
        }
        let rooms = config.module("room").mode;
        if rooms != ModuleMode::Off {
            table.push(("message", "groupchat".into(), "*", rooms, rooms >= ModuleMode::Mirror));
        }
        let mut w = Writer::new(1).int(table.len() as i32);
        for (kind, types, namespace, mode, remote) in table {
            w = w.str(kind).str(&types).str(namespace).int(mode.code()).bool(remote);
        }
        // Who has taken accounts over without logins leaves those to Openfire.
        let users = self.folder("user");
        let login = users.as_ref().is_none_or(|users| users.folder.module.login.is_some());
        let login = login && config.module("user").mode == ModuleMode::Decide;
        let mut names: Vec<(&str, String)> =
            footprint::NODES.iter().map(|node| ("pubsub.node", (*node).to_owned())).collect();
        names.extend(self.served().into_iter().map(|namespace| ("serve", namespace)));
        names.extend((login && users.is_some()).then(|| ("login", "plain".to_owned())));
        let w = w.bool(self.wants_sessions()).bool(login).int(names.len() as i32);
        names.iter().fold(w, |w, (name, value)| w.str(name).str(value)).finish()
    }

    /// Carries out what a change of the lanes led to. Waking a thread is a system call, so nobody is woken who has nothing to do: on the
    /// router's thread at most one deciding thread, and only one that sleeps.
    pub fn carry_out(&self, moves: Moves) {
        for finished in moves.finished {
            self.finish(finished);
        }
        for emit in moves.emit {
            let frame = self.frame(&emit);
            self.effects.push(frame);
        }
        if self.idle_deciders.load(Ordering::Acquire) > 0 {
            self.decide_wake.notify_one();
        }
        if self.stopping.load(Ordering::Acquire) {
            self.lanes_wake.notify_all();
        }
    }

    fn finish(&self, finished: Finished) {
        let Finished { held, action, alone } = finished;
        self.folders.over(held.seq);
        if let Err(error) = self.journal.remove(Stream::Held, &[(held.seq, held.journal_bytes)]) {
            self.failed("journal", error.to_string());
        }
        let outcome = match action {
            Action::Release { .. } => "released",
            Action::Stored => "stored",
            Action::Drop => "already_handed_over",
            Action::Replace { .. } => "replaced",
            Action::Refuse { .. } => "refused",
        };
        self.counters.add(outcome, 1);
        self.feed.tell(About::Decided, || What::Decided {
            row: "chat.message".into(),
            secret: false,
            outcome,
            alone,
            bytes: Arc::clone(&held.bytes),
        });
        if alone {
            self.counters.add("alone", 1);
        }
        if action == Action::Stored && self.folder("chat").is_some() {
            // The folder's backend keeps it.
            if let Some((_, recipient)) = held.lane.split_once('>') {
                self.handover_if_here(recipient);
            }
        } else if action == Action::Stored
            && let Some((_, recipient)) = held.lane.split_once('>')
        {
            self.pending_at_platform(true);
            super::kept::stored(self, recipient);
            // Somebody who is here has something pending: whoever came online meanwhile must not wait for the next lease.
            self.handover_if_here(recipient);
        }
    }

    /// Starts a hand-over for a user who has a session here that can take it.
    pub fn handover_if_here(&self, user: &str) {
        if lock(&self.sessions).best(user).is_some() {
            self.handovers.add(user);
        }
    }

    fn frame(&self, emit: &Emit) -> Vec<u8> {
        let Emit { effect: number, held, action } = emit;
        let token = held.token;
        let late = || match Stanza::parse(&held.bytes, &Limits { bytes: usize::MAX, ..Limits::default() }) {
            Ok(stanza) => chat::with_delay(stanza, &self.start.domain, &chat::timestamp(held.sent_ms)),
            Err(_) => String::from_utf8_lossy(&held.bytes).into_owned(),
        };
        let as_it_was = || String::from_utf8_lossy(&held.bytes).into_owned();
        let w = |op| Writer::new(op).long(*number);
        match (action, token) {
            (Action::Release { force }, Some(token)) => w(effect::RELEASE).long(token).bool(*force),
            (Action::Release { force }, None) => w(effect::ROUTE).str(&late()).bool(*force),
            (Action::Stored | Action::Drop, Some(token)) => w(effect::STORED).long(token),
            (Action::Stored | Action::Drop, None) => w(effect::STORED_BYTES).str(&as_it_was()),
            (Action::Replace { xml }, Some(token)) => w(effect::REPLACE).long(token).str(xml).bool(false),
            (Action::Replace { xml }, None) => w(effect::ROUTE).str(xml).bool(false),
            (Action::Refuse { kind, condition, text }, Some(token)) => {
                w(effect::REFUSE).long(token).str(kind).str(condition).str(text)
            }
            (Action::Refuse { kind, condition, text }, None) => {
                w(effect::REFUSE_BYTES).str(&as_it_was()).str(kind).str(condition).str(text)
            }
        }
        .finish()
    }

    /// The shim reports the end of an effect.
    pub fn done(&self, number: u64, outcome: Outcome, detail: &str) {
        if outcome == Outcome::Failed {
            self.failed("decide", format!("Openfire could not carry out an effect: {detail}"));
            self.counters.add("failed", 1);
        }
        if number >= WAITED {
            self.effects.performed(number, outcome, detail);
            return;
        }
        let timeout = Duration::from_millis(self.config().timeout_ms);
        if number >= presence::PRESENCE_EFFECTS {
            self.presence_done(number, outcome);
            return;
        }
        if number >= rows::ROW_EFFECTS {
            let moves = lock(&self.row_lanes).done(number, outcome, Instant::now(), timeout);
            self.carry_out_rows(moves);
            self.lanes_wake.notify_all();
            return;
        }
        if number >= super::room::ROOM_EFFECTS {
            self.room_done(number, outcome, detail);
            self.lanes_wake.notify_all();
            return;
        }
        let moves = lock(&self.lanes).done(number, outcome, Instant::now(), timeout);
        self.carry_out(moves);
    }

    /// The shim lost a held packet.
    pub fn dropped(&self, token: u64) {
        lock(&self.lanes).forget_token(token);
        lock(&self.row_lanes).forget_token(token);
        lock(&self.rooms.lanes).forget_token(token);
        lock(&self.sessions).lost(token, Instant::now());
    }

    /// One session changed.
    pub fn session(&self, reading: &Reading) {
        let now = Instant::now();
        let mut sessions = lock(&self.sessions);
        let moves = sessions.apply(reading, now);
        if sessions.has_changes(now) {
            self.link_wake.notify_all();
        }
        drop(sessions);
        super::by_row::came(self, std::slice::from_ref(reading));
        self.carry_out_presence(moves);
        if self.tells_sessions() {
            self.feed.tell(About::Session, || What::Session {
                jid: reading.jid.clone(),
                open: reading.open,
                available: reading.available,
                priority: reading.priority,
                show: reading.show.clone(),
                status: reading.status.clone(),
            });
        }
    }

    /// The shim listed all sessions.
    pub fn sessions(&self, seq: u64, all: &[Reading]) {
        let moves = lock(&self.sessions).replace(seq, all, Instant::now());
        super::by_row::came(self, all);
        self.carry_out_presence(moves);
        self.snapshot_due.store(true, Ordering::Release);
        self.link_wake.notify_all();
    }

    /// A setting changed.
    pub fn setting(&self, key: &str, value: Option<&str>) {
        let Some(key) = key.strip_prefix(PREFIX) else { return };
        if key == cursor::PROPERTY {
            *lock(&self.shared_cursor) = value.map(str::to_owned);
            return;
        }
        if let Some(node) = key.strip_prefix(cursor::MEMBER) {
            let mut members = lock(&self.members);
            match value {
                Some(_) => drop(members.insert(node.to_owned())),
                None => drop(members.remove(node)),
            }
            return;
        }
        let before = self.config();
        let mut raw = before.raw().clone();
        match value {
            Some(value) => raw.insert(key.to_owned(), value.to_owned()),
            None => raw.remove(key),
        };
        let (config, wrong) = Config::read(raw, Some(&before));
        for wrong in &wrong {
            self.effects.log(1, "settings", &wrong.to_string());
        }
        *lock(&self.wrong) = wrong;
        self.journal.set_max(config.journal_max);
        let reconnect = config.connection() != before.connection();
        let (tells, sends) = (self.tells_sessions(), self.sends());
        // Before the mode changes, and whatever is held: somebody may be about to hold by the old one.
        if before.chat == ModuleMode::Decide && config.chat != ModuleMode::Decide {
            self.descending.store(true, Ordering::SeqCst);
        }
        let decides = config.chat == ModuleMode::Decide;
        let senior = config.senior;
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
        if senior != before.senior {
            self.listen_anew.store(true, Ordering::Release);
        }
        if decides {
            self.descending.store(false, Ordering::SeqCst);
        }
        self.announce_filter();
        if before.state == ModuleMode::Decide && self.config().state != ModuleMode::Decide {
            self.release_presences();
        }
        if reconnect {
            self.ready.store(false, Ordering::Release);
            self.reconfigure.store(true, Ordering::Release);
        }
        self.audience_changed(sends, tells);
        self.room_mode_changed(before.module("room").mode);
        self.folder_setting(key);
        self.wake_all();
    }

    /// After a change of what is sent to the platform at all, or of whether it is told of sessions.
    pub fn audience_changed(&self, sends: bool, tells: bool) {
        if sends != self.sends() {
            self.reconfigure.store(true, Ordering::Release);
        }
        if tells != self.tells_sessions() {
            self.ready.store(false, Ordering::Release);
            self.snapshot_due.store(true, Ordering::Release);
            lock(&self.sessions).reset();
        }
    }

    /// Notes a failure for the page; logs it when it is new.
    pub fn failed(&self, place: &'static str, text: String) {
        let mut failures = lock(&self.failures);
        if let Some(last) = failures.iter_mut().rev().find(|f| f.place == place)
            && last.text == text
        {
            last.times += 1;
            last.at_ms = now_ms();
            return;
        }
        self.effects.log(if matches!(place, "panic" | "journal") { 0 } else { 1 }, place, &text);
        failures.push_back(Failure { at_ms: now_ms(), place, text, times: 1 });
        if failures.len() > 50 {
            failures.pop_front();
        }
    }

    /// Wakes every thread.
    pub fn wake_all(&self) {
        self.lanes_wake.notify_all();
        self.decide_wake.notify_all();
        self.link_wake.notify_all();
        self.rows_wake.notify_all();
        self.rooms.wake();
        self.calls_wake.1.notify_all();
        self.handovers.wake();
        self.wake_mirror();
    }

    /// There is something to deliver. No system call while the mirror is at work.
    pub fn wake_mirror(&self) {
        if self.mirror_sleeps.swap(false, Ordering::SeqCst) {
            drop(lock(&self.mirror_wake.0));
            self.mirror_wake.1.notify_all();
        }
    }

    /// Stops taking, waits until nothing is held or `limit` is over, then tells the threads to end.
    pub fn drain(&self, limit: Duration) {
        if self.stopping.swap(true, Ordering::AcqRel) && self.ending.load(Ordering::Acquire) {
            return;
        }
        let deadline = Instant::now() + limit;
        // Whoever waits for an answer to an IQ gets one before this ends.
        let answer_by = Instant::now() + limit / 2;
        self.release_presences();
        self.wake_all();
        let mut lanes = lock(&self.lanes);
        while lanes.held() > 0
            || lock(&self.row_lanes).held() > 0
            || lock(&self.sessions).held() > 0
            || lock(&self.rooms.lanes).held() > 0
        {
            if Instant::now() >= answer_by {
                drop(lanes);
                self.decide_rows_alone(true);
                lanes = lock(&self.lanes);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            lanes = self
                .lanes_wake
                .wait_timeout(lanes, left.min(Duration::from_millis(50)))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        lanes.freeze();
        drop(lanes);
        lock(&self.rooms.lanes).freeze();
        self.decide_rows_alone(true);
        // What the shim has begun it reports; what it has not begun it will not get. Without this a message would come twice.
        let withdrawn = self.effects.withdraw();
        let of_rooms = |n: &&u64| **n >= super::room::ROOM_EFFECTS && **n < rows::ROW_EFFECTS;
        let rooms_withdrawn = withdrawn.iter().filter(of_rooms).count();
        let withdrawn = withdrawn.iter().filter(|n| **n < super::room::ROOM_EFFECTS).count();
        let patience = Instant::now() + Duration::from_secs(10);
        let mut lanes = lock(&self.lanes);
        while (lanes.in_effect() > withdrawn
            || self.effects.waited_for() > 0
            || lock(&self.rooms.lanes).in_effect() > rooms_withdrawn)
            && Instant::now() < patience
        {
            lanes = self
                .lanes_wake
                .wait_timeout(lanes, Duration::from_millis(20))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        drop(lanes);
        if let Some(text) = super::kept::farewell(self) {
            self.effects.log(1, "chat", &text);
        }
        self.ending.store(true, Ordering::Release);
        self.say_goodbye();
        // Requests under way end now; what they were about stays journaled and is asked again under the same key.
        self.client.disconnect("the plugin is stopping");
        self.folders.running().iter().for_each(|running| running.shutdown());
        self.folders.wake();
        self.cloud.end();
        self.wake_all();
    }

    /// After the threads have ended: nothing is answered any more.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.feed.end();
        if let Some(mut embedded) = lock(&self.embedded).take() {
            embedded.stop();
        }
        if let Err(error) = self.journal.sync() {
            self.effects.log(0, "journal", &error.to_string());
        }
        self.effects.close();
    }
}

/// The shim's word for the events that are written as IQs of this namespace (docs/boundary.md).
fn events_of(namespace: &str) -> &'static str {
    match namespace {
        "jabber:iq:roster" => "roster",
        "urn:cloudbridge:group:0" => "group",
        "jabber:iq:register" => "user",
        _ => "room",
    }
}

/// Makes a folder that only this user can read.
fn private_folder(path: &std::path::Path) -> std::io::Result<()> {
    std::fs::create_dir_all(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// This node's id: made once, kept in the data folder.
fn node_id(data: &std::path::Path) -> std::io::Result<String> {
    let path = data.join("node");
    match std::fs::read_to_string(&path) {
        Ok(id) if !id.trim().is_empty() => Ok(id.trim().to_owned()),
        Ok(_) => fresh_node_id(&path),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => fresh_node_id(&path),
        Err(e) => Err(e),
    }
}

fn fresh_node_id(path: &std::path::Path) -> std::io::Result<String> {
    let id = uuid::Uuid::new_v4().to_string();
    std::fs::write(path, &id)?;
    Ok(id)
}
