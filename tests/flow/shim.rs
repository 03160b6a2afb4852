//! A stand-in for the shim and Openfire: sessions, routing, and effects carried out as docs/boundary.md says.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::time::{Duration, Instant};

use cloudbridge::ffi::frame::{Flags, Reader, Writer, effect, notice};
use cloudbridge::host::{Host, Start};
use cloudbridge::stanza::{Limits, Stanza};

use crate::pep::Pep;

/// The room that there is.
pub const HALL: &str = "hall@rooms.example.org";
const PATIENCE: Duration = Duration::from_secs(60);

pub fn message(from: &str, to: &str, id: &str, body: &str) -> String {
    format!(
        "<message xmlns=\"jabber:client\" from=\"{from}\" to=\"{to}\" id=\"{id}\" type=\"chat\"><body>{body}</body></message>"
    )
}

pub fn platform_binary() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT
        .get_or_init(|| {
            let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
            let mut command = std::process::Command::new(cargo);
            command.args(["build", "--quiet", "-p", "im-platform"]).current_dir(env!("CARGO_MANIFEST_DIR"));
            // What cargo tells a test about its own package would make it build crates anew whose build scripts look at that.
            for (name, _) in std::env::vars_os() {
                let text = name.to_string_lossy();
                if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                    command.env_remove(&name);
                }
            }
            assert!(command.status().expect("cargo").success(), "im-platform builds");
            // target/<profile>/deps/flow-… -> target/debug/im-platform
            let exe = std::env::current_exe().expect("own path");
            let target = exe.ancestors().nth(3).expect("target").to_owned();
            target.join("debug/im-platform")
        })
        .clone()
}

#[derive(Default)]
struct World {
    /// Full JID to its state.
    sessions: BTreeMap<String, Session>,
    inbox: HashMap<String, Vec<String>>,
    held: HashMap<u64, String>,
    outcomes: Vec<(String, &'static str)>,
    /// Presence that was broadcast: full JID, show and status.
    shown: Vec<(String, String)>,
    /// Held presence: token to full JID, the number it was seen under, its state.
    presences: HashMap<u64, (String, u64, Session)>,
    /// What APPLY did: verb and arguments.
    applied: Vec<(String, Vec<String>)>,
    /// What the verbs that read give.
    lists: HashMap<String, String>,
    /// What `pep.ask` asks.
    pep: Pep,
    /// What `route` routed.
    routed: Vec<String>,
    /// Ids and conditions of what was refused.
    refusals: HashMap<String, String>,
    /// Verbs, with the argument that tells which, that do not end well: their outcome.
    failing: HashMap<String, i32>,
    /// A verb with an argument at which a file of the data folder is looked at, while it is under way; and what stood there.
    looks: Option<(String, PathBuf)>,
    looked: Option<Vec<u8>>,
    /// Who is in the room: full JID to nickname.
    room: BTreeMap<String, String>,
    /// Those of them who are owed older messages first, and the notice of their join.
    fresh: BTreeMap<String, u64>,
}

/// The state of an available session.
#[derive(Default, Clone)]
struct Session {
    priority: i32,
    show: String,
    status: String,
    /// Presences seen of it; a held one is released only if it is the last.
    seen: u64,
}

struct Shared {
    world: Mutex<World>,
    changed: Condvar,
    seq: AtomicU64,
    ending: AtomicBool,
}

pub struct Server {
    home: tempfile::TempDir,
    settings: Vec<(String, String)>,
    host: Option<Arc<Host>>,
    pumps: Vec<std::thread::JoinHandle<()>>,
    shared: Arc<Shared>,
    tokens: AtomicU64,
    killed: AtomicU64,
}

impl Server {
    pub fn start(settings: &[(&str, &str)]) -> Server {
        Server::prepared(settings, |_| {})
    }

    /// As [`Server::start`], with something done to the data folder before.
    pub fn prepared(settings: &[(&str, &str)], prepare: impl FnOnce(&std::path::Path)) -> Server {
        let settings =
            settings.iter().map(|(k, v)| (format!("plugin.cloudbridge.{k}"), (*v).to_owned())).collect();
        let shared = Arc::new(Shared {
            world: Mutex::default(),
            changed: Condvar::new(),
            seq: AtomicU64::new(1),
            ending: AtomicBool::new(false),
        });
        let mut server = Server {
            home: tempfile::tempdir().expect("scratch"),
            settings,
            host: None,
            pumps: Vec::new(),
            shared,
            tokens: AtomicU64::new(1),
            killed: AtomicU64::new(0),
        };
        prepare(&server.data());
        server.start_again();
        server
    }

    /// The folder of everything durable.
    pub fn data(&self) -> PathBuf {
        self.home.path().join("cloudbridge")
    }

    /// What folders have the filter table say at its end.
    pub fn flags(&self) -> Vec<String> {
        let frame = self.host().describe("filter").expect("filter");
        let mut r = Reader::new(&frame);
        r.u8().expect("opcode");
        let row = |r: &mut Reader<'_>| {
            let _ = (r.str()?, r.str()?, r.str()?, r.int()?, r.bool()?);
            Ok(())
        };
        r.list(row).expect("rows");
        r.bool().and_then(|_| r.bool()).expect("sessions, login");
        let mut names = r.list(|r| Ok(format!("{} {}", r.str()?, r.str()?))).expect("names");
        names.retain(|name| !name.starts_with("pubsub.node"));
        names
    }

    pub fn start_again(&mut self) {
        let start = Start {
            openfire: "none".into(),
            domain: "example.org".into(),
            home: self.home.path().to_owned(),
            plugin: "0.0.0".into(),
            platform_binary: Some(platform_binary()),
            test: true,
            settings: self.settings.clone(),
        };
        self.shared.ending.store(false, Ordering::Release);
        let host = Arc::new(Host::start(start).expect("host"));
        for _ in 0..4 {
            let (host, shared) = (Arc::clone(&host), Arc::clone(&self.shared));
            self.pumps.push(std::thread::spawn(move || pump(&host, &shared)));
        }
        self.host = Some(host);
    }

    pub fn stop(&mut self, drain: Duration) {
        if let Some(host) = self.host.take() {
            host.stop(drain);
        }
        self.pumps.drain(..).for_each(|pump| pump.join().expect("pump"));
        self.shared.world.lock().expect("world").held.clear();
    }

    /// No file of ours holds this text.
    pub fn assert_nowhere(&self, text: &str) {
        let mut folders = vec![self.home.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).expect("folder") {
                let path = entry.expect("entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let bytes = std::fs::read(&path).unwrap_or_default();
                    let found = bytes.windows(text.len()).any(|w| w == text.as_bytes());
                    assert!(!found, "{text} stands in {}", path.display());
                }
            }
        }
    }

    fn host(&self) -> &Host {
        self.host.as_ref().expect("running")
    }

    /// A client sends a message. True when it was taken; otherwise it is routed at once.
    pub fn send(&self, xml: &str) -> bool {
        let token = self.tokens.fetch_add(1, Ordering::Relaxed);
        self.shared.world.lock().expect("world").held.insert(token, xml.to_owned());
        let taken = self.host().offer(token, Flags(1 | 2), xml.as_bytes());
        if !taken {
            let mut world = self.shared.world.lock().expect("world");
            world.held.remove(&token);
            world.route(xml, "passed");
            self.shared.changed.notify_all();
        }
        taken
    }

    /// An IQ for a stood-in handler, a presence, or something that happened. True when it was taken.
    pub fn offer(&self, xml: &str, flags: i32) -> bool {
        let token = self.tokens.fetch_add(1, Ordering::Relaxed);
        self.shared.world.lock().expect("world").held.insert(token, xml.to_owned());
        let token = if flags & 1 == 1 { token } else { 0 };
        self.host().offer(token, Flags(flags), xml.as_bytes())
    }

    /// A member joins the room or leaves it.
    pub fn room(&self, room: &str, jid: &str, nick: &str, open: bool) {
        let seq = self.shared.seq.fetch_add(1, Ordering::SeqCst);
        let mut world = self.shared.world.lock().expect("world");
        if open {
            world.room.insert(jid.to_owned(), nick.to_owned());
            world.fresh.insert(jid.to_owned(), seq);
        } else {
            world.room.remove(jid);
            world.fresh.remove(jid);
        }
        drop(world);
        let w = Writer::new(notice::OCCUPANT).long(seq).str(room).str(jid).str(nick).str("member").bool(open);
        self.host().notify(&w.finish()).expect("notice");
    }

    /// A client says something in a room that it is in. True when it was taken.
    pub fn say(&self, room: &str, from: &str, id: &str) -> bool {
        let xml = format!(
            "<message xmlns=\"jabber:client\" from=\"{from}\" to=\"{room}\" id=\"{id}\" type=\"groupchat\"><body>{id}</body></message>"
        );
        self.offer(&xml, 1 | 32)
    }

    /// What APPLY did, as soon as `count` things were done.
    pub fn applied(&self, count: usize) -> Vec<(String, Vec<String>)> {
        let deadline = Instant::now() + PATIENCE;
        let mut world = self.shared.world.lock().expect("world");
        while world.applied.len() < count && Instant::now() < deadline {
            world = self.shared.changed.wait_timeout(world, Duration::from_millis(50)).expect("world").0;
        }
        world.applied.clone()
    }

    /// Looks at, or changes, what is in PEP.
    pub fn pep<T>(&self, f: impl FnOnce(&mut Pep) -> T) -> T {
        f(&mut self.shared.world.lock().expect("world").pep)
    }

    /// What was routed for users, as XML.
    pub fn routed(&self) -> Vec<String> {
        self.shared.world.lock().expect("world").routed.clone()
    }

    /// The answer or error that a stanza got, by its id, as soon as there is one.
    pub fn answer(&self, wanted: &str) -> String {
        assert_eq!(self.outcome(wanted), "answered", "what became of {wanted}");
        let answers = self.inbox("answers");
        answers.into_iter().find(|xml| id(xml) == wanted).expect("an answer")
    }

    /// The condition that a stanza was refused with.
    pub fn refusal(&self, wanted: &str) -> String {
        assert_eq!(self.outcome(wanted), "refused", "what became of {wanted}");
        self.shared.world.lock().expect("world").refusals[wanted].clone()
    }

    /// What a verb that reads gives from now on; `verb argument`: for that first argument alone.
    pub fn lists(&self, verb: &str, detail: &str) {
        self.shared.world.lock().expect("world").lists.insert(verb.to_owned(), detail.to_owned());
    }

    /// From now on a verb ends like this when it has this argument: `verb argument`.
    pub fn fails(&self, what: &str, outcome: i32) {
        self.shared.world.lock().expect("world").failing.insert(what.to_owned(), outcome);
    }

    /// Looks at a file of the data folder while this is under way: `verb argument`.
    pub fn looks(&self, what: &str, file: &str) {
        let path = self.home.path().join("cloudbridge").join(file);
        self.shared.world.lock().expect("world").looks = Some((what.to_owned(), path));
    }

    /// Puts back what was seen, as a kill at that moment would have left it.
    pub fn put_back(&self) {
        let world = self.shared.world.lock().expect("world");
        let (Some((_, path)), Some(content)) = (&world.looks, &world.looked) else {
            panic!("nothing was seen")
        };
        std::fs::write(path, content).expect("written");
    }

    /// The host, for somebody who calls it from a thread of their own.
    pub fn shared_host(&self) -> Arc<Host> {
        Arc::clone(self.host.as_ref().expect("running"))
    }

    /// What became of the stanza with this id, as soon as something did.
    pub fn outcome(&self, wanted: &str) -> &'static str {
        let deadline = Instant::now() + PATIENCE;
        let mut world = self.shared.world.lock().expect("world");
        loop {
            if let Some((_, outcome)) = world.outcomes.iter().find(|(id, _)| id == wanted) {
                return outcome;
            }
            assert!(Instant::now() < deadline, "nothing became of {wanted}");
            world = self.shared.changed.wait_timeout(world, Duration::from_millis(50)).expect("world").0;
        }
    }

    pub fn log_in(&self, jid: &str, priority: i32) {
        self.shared
            .world
            .lock()
            .expect("world")
            .sessions
            .insert(jid.to_owned(), Session { priority, ..Session::default() });
        self.tell(jid);
    }

    pub fn log_out(&self, jid: &str) {
        self.lose(jid);
        self.tell(jid);
    }

    /// A session sends presence. True when it was taken; otherwise it is broadcast at once.
    pub fn show(&self, jid: &str, show: &str, status: &str) -> bool {
        let token = self.tokens.fetch_add(1, Ordering::Relaxed);
        let priority = {
            let mut world = self.shared.world.lock().expect("world");
            let session = world.sessions.get_mut(jid).expect("logged in");
            session.seen += 1;
            let new = Session { show: show.into(), status: status.into(), ..session.clone() };
            let (priority, seen) = (new.priority, new.seen);
            world.presences.insert(token, (jid.to_owned(), seen, new));
            priority
        };
        let show = if show.is_empty() { String::new() } else { format!("<show>{show}</show>") };
        let xml = format!(
            "<presence xmlns=\"jabber:client\" from=\"{jid}\">{show}<status>{status}</status><priority>{priority}</priority></presence>"
        );
        // The filter says whether the shim looks at presence at all, and whether it may be held.
        let mode = self.presence_mode();
        let flags = Flags(i32::from(mode == 4));
        let taken = mode > 0 && self.host().offer(token, flags, xml.as_bytes());
        if !taken {
            self.shared.world.lock().expect("world").broadcast(token, true);
            self.tell(jid);
        }
        taken
    }

    fn presence_mode(&self) -> i32 {
        let frame = self.host().describe("filter").expect("filter");
        let mut r = Reader::new(&frame);
        r.u8().expect("opcode");
        let rows = r.list(|r| {
            let kind = r.str()?.to_owned();
            let (types, namespace) = (r.str()?.to_owned(), r.str()?.to_owned());
            let (mode, _remote) = (r.int()?, r.bool()?);
            Ok((kind == "presence" && types == "available" && namespace == "*").then_some(mode))
        });
        rows.expect("rows").into_iter().flatten().next().unwrap_or(0)
    }

    /// Presence that a session's contacts have seen: show and status.
    pub fn shown(&self, jid: &str) -> Vec<String> {
        let world = self.shared.world.lock().expect("world");
        world.shown.iter().filter(|(of, _)| of == jid).map(|(_, what)| what.clone()).collect()
    }

    /// Held presences that nobody has decided.
    pub fn tokens_left(&self) -> usize {
        self.shared.world.lock().expect("world").presences.len()
    }

    /// The session ends and nobody is told (yet).
    pub fn lose(&self, jid: &str) {
        self.shared.world.lock().expect("world").sessions.remove(jid);
    }

    fn tell(&self, jid: &str) {
        tell(self.host(), &self.shared, jid);
    }

    pub fn set(&self, key: &str, value: &str) {
        let frame =
            Writer::new(notice::SETTING).str(&format!("plugin.cloudbridge.{key}")).bool(true).str(value);
        self.host().notify(&frame.finish()).expect("setting");
    }

    pub fn ask(&self, frame: &[u8]) -> Vec<u8> {
        self.host().ask(frame).expect("answer")
    }

    pub fn status(&self) -> serde_json::Value {
        serde_json::from_slice(&self.host().describe("status").expect("status")).expect("JSON")
    }

    pub fn until(&self, what: &str, condition: impl Fn(&serde_json::Value) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = self.status();
            if condition(&status) {
                return;
            }
            assert!(Instant::now() < deadline, "{what} did not happen: {status:#}");
            let world = self.shared.world.lock().expect("world");
            drop(self.shared.changed.wait_timeout(world, Duration::from_millis(5)).expect("world"));
        }
    }

    /// Ids a session received, as soon as there are `count`.
    pub fn received(&self, jid: &str, count: usize) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        let mut world = self.shared.world.lock().expect("world");
        while world.inbox.get(jid).map_or(0, Vec::len) < count && Instant::now() < deadline {
            world = self.shared.changed.wait_timeout(world, Duration::from_millis(50)).expect("world").0;
        }
        let ids: Vec<String> = world.inbox.get(jid).into_iter().flatten().map(|xml| id(xml)).collect();
        drop(world);
        if ids.len() < count {
            panic!("{jid} received only {ids:?}: {:#}", self.status());
        }
        ids
    }

    /// Ids of everything that anybody received, as soon as there are `count`.
    pub fn received_or_passed(&self, count: usize) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        let mut world = self.shared.world.lock().expect("world");
        while world.inbox.values().map(Vec::len).sum::<usize>() < count && Instant::now() < deadline {
            world = self.shared.changed.wait_timeout(world, Duration::from_millis(50)).expect("world").0;
        }
        world.inbox.values().flatten().map(|xml| id(xml)).collect()
    }

    /// Everything a session received, as XML; what is kept under `answers` was an answer.
    pub fn inbox(&self, jid: &str) -> Vec<String> {
        self.shared.world.lock().expect("world").inbox.get(jid).cloned().unwrap_or_default()
    }

    pub fn last(&self, jid: &str) -> String {
        self.shared.world.lock().expect("world").inbox[jid].last().cloned().unwrap_or_default()
    }

    pub fn outcomes(&self) -> Vec<(String, &'static str)> {
        self.shared.world.lock().expect("world").outcomes.clone()
    }

    /// The platform's process, as soon as it is one that has not been killed here before: the status names a killed one until its end is noticed.
    fn child(&self) -> u64 {
        let found = std::cell::Cell::new(0);
        self.until("a child", |status| {
            found.set(status["platform"]["child"]["pid"].as_u64().unwrap_or(0));
            found.get() != 0 && found.get() != self.killed.load(Ordering::Relaxed)
        });
        found.get()
    }

    pub fn freeze_platform(&self) {
        freeze(self.child());
    }

    pub fn thaw_platform(&self) {
        signal(self.child(), "-CONT");
    }

    pub fn kill_platform(&self) {
        let pid = self.child();
        signal(pid, "-KILL");
        self.killed.store(pid, Ordering::Relaxed);
    }
}

/// Sends a process of the test a signal.
pub fn signal(pid: u64, name: &str) {
    let sent = std::process::Command::new("kill").args([name, &pid.to_string()]).status().expect("kill");
    assert!(sent.success());
}

/// Stops a process, and returns when each of its threads stands still: until then one may answer.
pub fn freeze(pid: u64) {
    signal(pid, "-STOP");
    let stands = |task: std::io::Result<std::fs::DirEntry>| {
        let stat = std::fs::read_to_string(task.expect("a thread").path().join("stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('T'))
    };
    while !std::fs::read_dir(format!("/proc/{pid}/task")).expect("its threads").all(stands) {
        std::thread::yield_now();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.ending.store(true, Ordering::Release);
        self.stop(Duration::ZERO);
    }
}

fn id(xml: &str) -> String {
    Stanza::parse(xml.as_bytes(), &Limits::default()).expect("stanza").id().unwrap_or_default().to_owned()
}

/// A session notice: the sequence is taken before the state is read.
fn tell(host: &Host, shared: &Shared, jid: &str) {
    let seq = shared.seq.fetch_add(1, Ordering::SeqCst);
    let session = shared.world.lock().expect("world").sessions.get(jid).cloned();
    let open = session.is_some();
    let w = Writer::new(notice::SESSION).long(seq).str(jid).bool(open).bool(open);
    host.notify(&session.unwrap_or_default().write(w).finish()).expect("notice");
}

impl Session {
    fn write(&self, w: Writer) -> Writer {
        w.int(self.priority).str(&self.show).str(&self.status)
    }
}

impl World {
    /// What a room does with a message: a copy to each who is in it and owed nothing. Gives what the shim says of it.
    fn speak(&mut self, xml: &str) -> String {
        let stanza = Stanza::parse(xml.as_bytes(), &Limits::default()).expect("stanza");
        self.outcomes.push((id(xml), "released"));
        let here = self.room.contains_key(stanza.from().unwrap_or_default());
        let mut detail = if here { "accepted" } else { "handed" }.to_owned();
        for jid in self.room.keys().filter(|jid| !self.fresh.contains_key(*jid)) {
            detail.push('\n');
            detail.push_str(jid);
            self.inbox.entry(jid.clone()).or_default().push(xml.to_owned());
        }
        detail
    }

    /// Routes a presence, unless its session is gone or something newer of it was seen (`force`: whatever was seen). True when it was routed.
    fn broadcast(&mut self, token: u64, force: bool) -> Option<String> {
        let (jid, seen, new) = self.presences.remove(&token)?;
        let session = self.sessions.get_mut(&jid)?;
        if session.seen != seen && !force {
            return None;
        }
        *session = Session { seen: session.seen, ..new };
        let what = format!("{} {}", session.show, session.status);
        self.shown.push((jid.clone(), what));
        Some(jid)
    }

    fn recipient(&self, xml: &str) -> Option<String> {
        let stanza = Stanza::parse(xml.as_bytes(), &Limits::default()).expect("stanza");
        let bare = stanza.to().unwrap_or_default().split('/').next().unwrap_or_default().to_owned();
        self.sessions.keys().find(|jid| jid.split('/').next() == Some(&bare)).cloned()
    }

    fn route(&mut self, xml: &str, outcome: &'static str) {
        self.outcomes.push((id(xml), outcome));
        let to = self.recipient(xml).unwrap_or_else(|| "offline store".into());
        self.inbox.entry(to).or_default().push(xml.to_owned());
    }

    /// Carries out an effect; gives its outcome (docs/boundary.md).
    fn perform(&mut self, op: u8, r: &mut Reader<'_>, detail: &mut String) -> i32 {
        let held = |world: &World, r: &mut Reader<'_>| {
            let token = r.long().expect("token");
            (token, world.held.get(&token).cloned())
        };
        match op {
            effect::RELEASE | effect::ROUTE => {
                let (token, xml) = if op == effect::RELEASE {
                    held(self, r)
                } else {
                    (0, Some(r.str().expect("xml").to_owned()))
                };
                let Some(xml) = xml else { return 5 };
                if xml.contains("type=\"groupchat\"") {
                    self.held.remove(&token);
                    *detail = self.speak(&xml);
                    return 0;
                }
                if !xml.starts_with("<message") {
                    self.held.remove(&token);
                    self.outcomes.push((id(&xml), "native"));
                    return 0;
                }
                if !r.bool().expect("force") && self.recipient(&xml).is_none() {
                    return 1;
                }
                self.held.remove(&token);
                self.route(&xml, "released");
                0
            }
            effect::STORED | effect::REFUSE => {
                let (token, xml) = held(self, r);
                let Some(xml) = xml else { return 5 };
                self.held.remove(&token);
                if op == effect::REFUSE {
                    let (_kind, condition) = (r.str().expect("type"), r.str().expect("condition"));
                    self.refusals.insert(id(&xml), condition.to_owned());
                }
                self.outcomes.push((id(&xml), if op == effect::STORED { "stored" } else { "refused" }));
                0
            }
            effect::STORED_BYTES | effect::REFUSE_BYTES => {
                let xml = r.str().expect("xml").to_owned();
                self.outcomes.push((id(&xml), if op == effect::STORED_BYTES { "stored" } else { "refused" }));
                0
            }
            effect::HANDOVER => {
                let jid = r.str().expect("jid").to_owned();
                if !self.sessions.contains_key(&jid) {
                    return 1;
                }
                self.inbox.entry(jid).or_default().push(r.str().expect("xml").to_owned());
                0
            }
            effect::REPLACE => {
                let (token, xml) = held(self, r);
                let Some(xml) = xml else { return 5 };
                self.held.remove(&token);
                self.outcomes.push((id(&xml), "answered"));
                self.inbox.entry("answers".into()).or_default().push(r.str().expect("xml").to_owned());
                0
            }
            effect::APPLY => {
                let verb = r.str().expect("verb").to_owned();
                let arguments = r.list(|r| Ok(r.str()?.to_owned())).expect("arguments");
                if verb == "pep.ask" {
                    *detail = self.pep.answer(&arguments[0], &arguments[1], &arguments[2]);
                    return 0;
                }
                if verb == "route" {
                    self.routed.push(arguments[0].clone());
                }
                match verb.as_str() {
                    "room.speak" => {
                        *detail = self.speak(&arguments[0]);
                        return 0;
                    }
                    "room.live" => {
                        let join: u64 = arguments[2].parse().expect("a number");
                        if self.fresh.get(&arguments[1]).is_some_and(|told| *told <= join) {
                            self.fresh.remove(&arguments[1]);
                        }
                        return 0;
                    }
                    _ => {}
                }
                // The list of users has one page.
                let more = verb == "read.users" && !arguments[0].is_empty();
                let own = self.lists.get(&format!("{verb} {}", arguments.first().map_or("", String::as_str)));
                *detail = own.or(self.lists.get(&verb)).filter(|_| !more).cloned().unwrap_or_default();
                let failing = |argument: &String| self.failing.get(&format!("{verb} {argument}")).copied();
                let outcome = arguments.iter().find_map(failing).unwrap_or(0);
                if let Some((what, path)) = &self.looks
                    && arguments.iter().any(|argument| *what == format!("{verb} {argument}"))
                {
                    self.looked = Some(std::fs::read(path).expect("there"));
                }
                self.applied.push((verb, arguments));
                outcome
            }
            other => panic!("effect {other}"),
        }
    }
}

fn pump(host: &Host, shared: &Shared) {
    loop {
        let frame = match host.take(Duration::from_millis(200)) {
            Ok(Some(frame)) => frame,
            Ok(None) => continue,
            Err(_) => return,
        };
        let mut r = Reader::new(&frame);
        let op = r.u8().expect("opcode");
        if matches!(op, effect::LOG | effect::FILTER) {
            continue;
        }
        let number = r.long().expect("effect");
        let mut detail = String::new();
        let outcome = if op == effect::APPLY && frame[9..].windows(14).any(|w| w == b"room.occupants") {
            let seq = shared.seq.fetch_add(1, Ordering::SeqCst);
            let room = shared.world.lock().expect("world").room.clone();
            let mut w = Writer::new(notice::OCCUPANTS).long(seq).int(i32::try_from(room.len()).expect("few"));
            for (jid, nick) in &room {
                w = w.str(HALL).str(jid).str(nick).str("member");
            }
            host.notify(&w.finish()).expect("occupants");
            0
        } else if op == effect::SNAPSHOT {
            let seq = shared.seq.fetch_add(1, Ordering::SeqCst);
            let sessions = shared.world.lock().expect("world").sessions.clone();
            let mut w =
                Writer::new(notice::SESSIONS).long(seq).int(i32::try_from(sessions.len()).expect("few"));
            for (jid, session) in &sessions {
                w = session.write(w.str(jid).bool(true));
            }
            host.notify(&w.finish()).expect("sessions");
            0
        } else if let Some(outcome) = presence(host, shared, op, &frame) {
            outcome
        } else {
            shared.world.lock().expect("world").perform(op, &mut r, &mut detail)
        };
        shared.changed.notify_all();
        let done = Writer::new(notice::DONE).long(number).int(outcome).str(&detail).finish();
        host.notify(&done).expect("done");
    }
}

/// Carries out an effect if it is about a held presence.
fn presence(host: &Host, shared: &Shared, op: u8, frame: &[u8]) -> Option<i32> {
    if !matches!(op, effect::RELEASE | effect::REFUSE) {
        return None;
    }
    let mut r = Reader::new(frame);
    r.u8().and_then(|_| r.long()).expect("effect");
    let token = r.long().expect("token");
    let mut world = shared.world.lock().expect("world");
    if !world.presences.contains_key(&token) {
        return None;
    }
    if op == effect::REFUSE {
        world.presences.remove(&token);
        return Some(0);
    }
    let Some(jid) = world.broadcast(token, false) else { return Some(1) };
    drop(world);
    tell(host, shared, &jid);
    Some(0)
}
