//! Rows at work in the host: what they claim is held in memory until the platform has answered (an IQ dies with its client's connection, so there is
//! nothing to replay, and secrets are never written); what they observe is journaled and told in order, at least once.
//!
//! Leaves out: which row, which request, what an answer means (`mapping`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::config::{ModuleMode, Policy};
use crate::ffi::frame::{Flags, Writer, effect};
use crate::journal::Stream;
use crate::lanes::{Action, Held, Moves};
use crate::mapping::answer::Made;
use crate::mapping::{self, Does, Outcome, Own, Response, Row, Source};
use crate::modules::chat::{history, timestamp};
use crate::modules::events::Reason;
use crate::modules::{footprint, user};
use crate::platform::{Breaker, Headers, PlatformError};
use crate::stanza::{Limits, Stanza, jid};

use super::core::{Core, lock, now_ms};
use super::feed::{About, What};
use super::group;
use super::history::{Page, hand_page, refused};
use super::login::Login;

/// Effects of rows are numbered from here on.
pub const ROW_EFFECTS: u64 = 1 << 61;
/// Threads that ask for what rows claim.
pub const WORKERS: usize = 4;
/// How long a row's stanza may wait for the shim to carry out what was decided.
const RETRY: Duration = Duration::from_millis(100);
/// Pauses between attempts to tell what was observed.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// What the page and the tests read of each row.
#[derive(Debug, Default)]
pub struct Counts(std::sync::Mutex<BTreeMap<String, BTreeMap<&'static str, u64>>>);

impl Counts {
    /// Counts one thing of a row.
    pub fn add(&self, row: &str, what: &'static str) {
        *lock(&self.0).entry(row.to_owned()).or_default().entry(what).or_default() += 1;
    }

    /// All rows of a module.
    #[must_use]
    pub fn of(&self, module: &str) -> Value {
        let all = lock(&self.0);
        all.iter()
            .filter(|(row, _)| row.split('.').next() == Some(module))
            .map(|(row, counts)| (row.clone(), json!(counts)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }
}

impl Core {
    /// An IQ, a presence or an event passes by. True: taken.
    pub fn offer_row(&self, token: u64, flags: Flags, bytes: &[u8]) -> bool {
        let Ok(stanza) = Stanza::parse(bytes, &Limits::default()) else { return false };
        let source = match stanza.to() {
            _ if flags.event() => Source::Event,
            _ if flags.room() => Source::Room,
            Some(to) if to == format!("{}.{}", self.config().subdomain, self.start.domain) => {
                Source::Component
            }
            _ => Source::Client,
        };
        let registry = self.registry();
        let Some((row, value)) = registry.find(&stanza, source) else { return false };
        let settings = self.config().module(row.module());
        let stopping = self.stopping.load(Ordering::Acquire);
        let mode = match source {
            Source::Room if row.folder == 0 => group::room_requests(self),
            _ => settings.mode,
        };
        if mode == ModuleMode::Off {
            return false;
        }
        self.row_counts.add(&row.name, "seen");
        if row.batch.as_deref() == Some(super::presence::BATCH) {
            return settings.mode == ModuleMode::Decide && self.offer_presence(row, token, flags, &stanza);
        }
        if row.batch.as_deref() == Some(history::BATCH) {
            return self.config().history
                && history::own(&stanza)
                && flags.hold()
                && self.claim_row(row, token, &value, bytes, stopping);
        }
        if row.batch.as_deref() == Some(footprint::BATCH) {
            return self.offer_footprint(row, token, flags, &stanza, &value, bytes);
        }
        match (row.does, mode) {
            (_, ModuleMode::Off | ModuleMode::Watch) => false,
            (Does::Observe, _) => {
                if row.name == "room.destroyed" {
                    self.room_is_gone(stanza.from().unwrap_or_default());
                }
                let said = self.folder_of(row).is_some_and(|running| super::heard::is_echo(&running, &value));
                match said || self.echoes.is_one(&row.name, stanza.from().unwrap_or_default()) {
                    true => self.row_counts.add(&row.name, "echo"),
                    false => self.observe(row, bytes),
                }
                false
            }
            (Does::Claim, ModuleMode::Mirror) => {
                if !row.secret && matches!(source, Source::Client | Source::Room) && row.folder == 0 {
                    self.mirror(Reason::Mirror, bytes);
                }
                false
            }
            (Does::Claim, ModuleMode::Decide) => {
                flags.hold() && self.claim_row(row, token, &value, bytes, stopping)
            }
        }
    }

    /// Journals what is to be told.
    pub fn observe(&self, row: &Row, bytes: &[u8]) {
        let mut entry = now_ms().to_be_bytes().to_vec();
        entry.extend_from_slice(&u16::try_from(row.name.len()).unwrap_or(0).to_be_bytes());
        entry.extend_from_slice(row.name.as_bytes());
        entry.extend_from_slice(bytes);
        match self.journal.append(Stream::Calls, self.journal.next_seq(), &entry) {
            Ok(()) => {
                self.row_counts.add(&row.name, "observed");
                self.feed.tell(About::Observed, || What::Observed {
                    row: row.name.clone(),
                    secret: row.secret,
                    bytes: Arc::from(bytes),
                });
                drop(lock(&self.calls_wake.0));
                self.calls_wake.1.notify_all();
            }
            Err(error) => {
                self.row_counts.add(&row.name, "lost");
                self.failed("journal", error.to_string());
            }
        }
    }

    /// A stanza that a row claims, held in memory for at most `limit`.
    pub fn held_by(&self, row: &Arc<Row>, token: u64, lane: Arc<str>, bytes: &[u8], limit: Duration) -> Held {
        Held {
            seq: self.journal.next_seq(),
            key: self.keys.next(),
            lane,
            token: Some(token),
            bytes: Arc::from(bytes),
            journal_bytes: 0,
            sent_ms: now_ms(),
            ask: true,
            storable: false,
            again: false,
            gone: false,
            deadline: Instant::now() + limit,
            row: Some(Arc::clone(row)),
        }
    }

    fn claim_row(&self, row: &Arc<Row>, token: u64, value: &Value, bytes: &[u8], stopping: bool) -> bool {
        let settings = self.config().module(row.module());
        let sender = value.get("from").and_then(Value::as_str).unwrap_or_default();
        let who = jid::bare_with_local(sender).unwrap_or(sender.into());
        // What is changed in a room keeps its order, whoever changes it.
        let who = match row.on.source {
            Source::Room => value.get("to").and_then(Value::as_str).unwrap_or_default().into(),
            _ => who,
        };
        let lane: Arc<str> = format!("{} {who}", row.module()).into();
        let busy = lock(&self.row_lanes).busy(&lane);
        let unable = !self.with_breaker_of(row, Breaker::closed)
            || stopping
            || lock(&self.row_lanes).held() >= self.config().held_max;
        let policy = self.policy(row);
        if unable && !busy && policy == Policy::Open {
            self.row_counts.add(&row.name, "native");
            return false;
        }
        let held = self.held_by(row, token, lane, bytes, Duration::from_millis(settings.timeout_ms));
        self.row_counts.add(&row.name, "taken");
        let alone = (unable && row.request.is_some()).then(|| on_failure(policy));
        let moves = lock(&self.row_lanes).push(held, alone);
        self.carry_out_rows(moves);
        true
    }

    /// What happens to what a row claimed when there is no answer.
    fn policy(&self, row: &Row) -> Policy {
        match row.batch.as_deref() {
            // Openfire has no history to give in its place.
            Some(history::BATCH) => Policy::Closed,
            // As it was written it might say where somebody is to who must not know; what `open` means is done by `footprint`.
            Some(footprint::BATCH) => Policy::Closed,
            _ => self.config().module(row.module()).on_failure,
        }
    }

    /// Carries out what a change of the rows' lanes led to.
    pub fn carry_out_rows(&self, moves: Moves) {
        for finished in moves.finished {
            let Some(row) = &finished.held.row else { continue };
            self.folders.over(finished.held.seq);
            let outcome = match finished.action {
                Action::Release { .. } => "native",
                Action::Replace { .. } => "answered",
                Action::Refuse { .. } => "refused",
                Action::Stored | Action::Drop => "dropped",
            };
            self.row_counts.add(&row.name, outcome);
            self.feed.tell(About::Decided, || What::Decided {
                row: row.name.clone(),
                secret: row.secret,
                outcome,
                alone: finished.alone,
                bytes: Arc::clone(&finished.held.bytes),
            });
            if finished.alone {
                self.row_counts.add(&row.name, "alone");
            }
        }
        for emit in moves.emit {
            let Some(token) = emit.held.token else { continue };
            let w = |op| Writer::new(op).long(emit.effect).long(token);
            self.effects.push(
                match &emit.action {
                    Action::Release { force } => w(effect::RELEASE).bool(*force),
                    Action::Stored | Action::Drop => w(effect::STORED),
                    Action::Replace { xml } => w(effect::REPLACE).str(xml).bool(false),
                    Action::Refuse { kind, condition, text } => {
                        w(effect::REFUSE).str(kind).str(condition).str(text)
                    }
                }
                .finish(),
            );
        }
        self.rows_wake.notify_all();
    }

    /// Answers what is over its time, and what waits for somebody who does not answer (`everything`: all that waits).
    pub fn decide_rows_alone(&self, everything: bool) {
        let now = Instant::now();
        let mut moves = Moves::default();
        let mut slow: Vec<Arc<Row>> = Vec::new();
        let all = everything || !self.breaker.closed() || self.folders.any_open();
        {
            let mut lanes = lock(&self.row_lanes);
            for held in lanes.overdue(now, all) {
                let Some(row) = &held.row else { continue };
                let closed = self.with_breaker_of(row, Breaker::closed);
                // A footprint's thread knows what to do without the platform.
                let stays =
                    row.batch.as_deref() == Some(footprint::BATCH) && !self.stopping.load(Ordering::Acquire);
                if (!everything && closed || stays) && held.deadline > now {
                    continue;
                }
                let policy = self.policy(row);
                let counts = lanes.decide_alone(&held.lane, held.seq, on_failure(policy), &mut moves);
                if counts && closed && !everything && !slow.iter().any(|other| other.folder == row.folder) {
                    slow.push(Arc::clone(row));
                }
            }
        }
        for row in slow {
            self.with_breaker_of(&row, |breaker| {
                breaker.failure("no answer within the time limit of a row", false);
            });
        }
        self.carry_out_rows(moves);
    }

    /// What the bridge knows, for a row.
    pub fn own(&self, key: &str, sent_ms: u64) -> Own {
        Own {
            domain: self.start.domain.clone(),
            node: self.node.clone(),
            key: key.to_owned(),
            sent: timestamp(sent_ms),
            epoch: self.epoch.to_string(),
            seq: 0,
            here: false,
            nick: String::new(),
        }
    }

    /// Sends a row's request, known by our node and its key.
    pub fn call_row(&self, row: &Row, stanza: &Value, own: &Own) -> Result<Option<Response>, CallError> {
        self.send_row(row, stanza, own, Sending { origin: true, limit: None })
    }

    /// Sends a row's request.
    pub fn send_row(
        &self,
        row: &Row,
        stanza: &Value,
        own: &Own,
        sending: Sending,
    ) -> Result<Option<Response>, CallError> {
        let made = row.made(stanza, own).map_err(CallError::Unusable)?;
        let Some(made) = made else { return Ok(None) };
        if row.folder != 0 {
            return self.call_folder(row, &made).map(Some);
        }
        let method = ["GET", "POST", "PUT", "PATCH", "DELETE"].into_iter().find(|m| *m == made.method);
        let method = method.ok_or_else(|| CallError::Unusable(format!("method {}", made.method)))?;
        let body = made.encoded();
        let origin = format!("{}/{}", own.node, own.key);
        let headers = Headers {
            key: (method == "POST").then_some(own.key.as_str()),
            origin: (sending.origin && method != "GET").then_some(origin.as_str()),
            limit: sending.limit,
            ..Headers::default()
        };
        let body = body.as_ref().map(|(body, _)| body.as_bytes());
        let (status, bytes) = self.client.exchange_bytes(method, &made.path, body, headers)?;
        let body = match serde_json::from_slice(&bytes) {
            Ok(body) => body,
            Err(_) if bytes.is_empty() => Value::Null,
            Err(_) => Value::String(String::from_utf8_lossy(&bytes).into_owned()),
        };
        Ok(Some(Response { status, body }))
    }
}

impl Core {
    /// Asks the backend of a row's folder.
    fn call_folder(&self, row: &Row, made: &Made) -> Result<Response, CallError> {
        let gone = || PlatformError::Absent("the folder of this row has gone".into());
        let running = self.folder_of(row).ok_or_else(gone)?;
        let limit = Duration::from_millis(self.config().module(row.module()).timeout_ms);
        Ok(running.call(made, limit)?)
    }
}

/// How a row's request is sent.
#[derive(Debug, Clone, Copy)]
pub struct Sending {
    /// It is known by our node and its key, to the platform and to us when what it changed comes back.
    pub origin: bool,
    /// How long all of it may take, instead of the usual limits.
    pub limit: Option<Duration>,
}

/// Why there is no answer.
pub enum CallError {
    /// The row cannot make a request of this stanza.
    Unusable(String),
    /// The platform.
    Platform(PlatformError),
}

impl From<PlatformError> for CallError {
    fn from(error: PlatformError) -> CallError {
        CallError::Platform(error)
    }
}

/// What a claimed stanza gets without an answer.
pub fn on_failure(policy: Policy) -> Action {
    match policy {
        Policy::Open => Action::Release { force: true },
        Policy::Closed => Action::Refuse {
            kind: "wait".into(),
            condition: "remote-server-timeout".into(),
            text: "The service is not available at the moment. Please try again later.".into(),
        },
    }
}

/// A thread that asks for what rows claim.
pub fn work(core: &Core) {
    while !core.ending.load(Ordering::Acquire) {
        let next = {
            let mut lanes = lock(&core.row_lanes);
            let next = lanes.take(1, Instant::now()).pop();
            if next.is_none() {
                drop(
                    core.rows_wake
                        .wait_timeout(lanes, Duration::from_millis(100))
                        .unwrap_or_else(PoisonError::into_inner),
                );
            }
            next
        };
        if let Some(held) = next {
            ask(core, held);
        }
    }
}

fn ask(core: &Core, held: Held) {
    let Some(row) = held.row.clone() else { return };
    if row.batch.as_deref() == Some(footprint::BATCH) {
        return super::footprint::ask(core, &held, &row);
    }
    let Ok(stanza) = Stanza::parse(&held.bytes, &Limits::default()) else { return };
    let mut value = mapping::value(&stanza, true);
    let own = core.own(&held.key, held.sent_ms);
    let archive = row.batch.as_deref() == Some(history::BATCH) && row.request.is_some();
    let mut page = Page::default();
    if archive {
        match history::question(&mut value) {
            Ok(messages) => page.only_the_end = !messages,
            Err(refusal) => return answer(core, &held, refused(refusal), None),
        }
    }
    let asked = match core.folders.later(held.seq) {
        Some(later) => core.call_folder(&row, &later.made).map(Some),
        None => core.call_row(&row, &value, &own),
    };
    let outcome = match asked {
        Ok(mut response) => {
            if let Some(response) = response.as_mut().filter(|r| archive && r.status == 200) {
                page.read(&value, response);
            }
            let outcome = match page.wrong.take() {
                Some(why) => Outcome::Ill(why),
                None => row.outcome(&value, &own, response.as_ref()),
            };
            match (&outcome, response) {
                (Outcome::Ill(why), Some(response)) => {
                    let credential = matches!(response.status, 401 | 403);
                    core.failed("row", format!("{}: {why}", row.name));
                    core.with_breaker_of(&row, |breaker| breaker.failure(why, credential));
                    again(core, &held, &row, true);
                    return;
                }
                (_, Some(_)) => drop(core.with_breaker_of(&row, Breaker::success)),
                _ => {}
            }
            outcome
        }
        Err(CallError::Unusable(why)) => {
            core.failed("row", format!("{} cannot make its request: {why}", row.name));
            Outcome::Error { kind: "modify".into(), condition: "bad-request".into(), text: why }
        }
        Err(CallError::Platform(error)) => {
            if core.ending.load(Ordering::Acquire) {
                return;
            }
            core.failed("row", format!("{}: {error}", row.name));
            core.with_breaker_of(&row, |b| b.failure(&error.to_string(), error.refused_credential()));
            again(core, &held, &row, error.maybe_executed());
            return;
        }
    };
    let follows = match outcome {
        Outcome::Native => user::follows(&row.name, &value, &core.start.domain),
        _ => None,
    };
    if matches!(outcome, Outcome::Reply(_)) && !hand_page(core, &held, &value, &page.messages) {
        return;
    }
    let action = match outcome {
        // Openfire's own word on a name that exists here too.
        Outcome::Error { condition, .. } if condition == "conflict" && is_ours(core, &row, &value) => {
            Action::Release { force: true }
        }
        Outcome::Later { made, every } => {
            let running = core.folder_of(&row);
            if !running.is_some_and(|running| core.postpone(&running, &held, made)) {
                core.failed("row", format!("{}: an answer does not say where its answer will be", row.name));
                return again(core, &held, &row, true);
            }
            core.row_counts.add(&row.name, "later");
            let at = Instant::now() + every;
            return lock(&core.row_lanes).unasked(&held.lane, held.seq, true, at);
        }
        Outcome::Native | Outcome::Done => Action::Release { force: true },
        Outcome::Reply(xml) => Action::Replace { xml: xml.into() },
        Outcome::Error { kind, condition, text } => Action::Refuse { kind, condition, text },
        Outcome::Ill(why) => {
            core.failed("row", format!("{}: {why}", row.name));
            on_failure(core.policy(&row))
        }
    };
    answer(core, &held, action, follows);
}

/// The answer to a stanza, unless the bridge has decided alone meanwhile. `follows`: the event that Openfire will report of it, by our own doing.
pub fn answer(core: &Core, held: &Held, action: Action, follows: Option<(&'static str, String)>) {
    let mut moves = Moves::default();
    lock(&core.row_lanes).answer(&held.lane, held.seq, action, &mut moves);
    if moves.emit.iter().any(|emit| emit.held.seq == held.seq)
        && let Some((event, bare)) = follows
    {
        core.echoes.expect(event, &bare);
    }
    core.carry_out_rows(moves);
}

/// Whether a conflict is about the account that an earlier attempt of the same person made.
fn is_ours(core: &Core, row: &Row, stanza: &Value) -> bool {
    user::registered(&row.name, stanza)
        .is_some_and(|(name, password)| core.verify(&name.to_lowercase(), &password).0 == Login::Right)
}

/// It waits again, or is answered without the platform if the breaker is open.
fn again(core: &Core, held: &Held, row: &Row, executed: bool) {
    lock(&core.row_lanes).unasked(&held.lane, held.seq, executed, Instant::now() + RETRY);
    if !core.with_breaker_of(row, Breaker::closed) {
        core.decide_rows_alone(false);
    }
}

/// The thread that tells what was observed: to each who is to be told in order, each until it has been taken or will not be had. One who does not
/// answer keeps nobody else waiting.
pub fn tell(core: &Core) {
    let mut interrupted = core.interrupted_footprints();
    let mut pauses: BTreeMap<String, (Instant, Duration)> = BTreeMap::new();
    // What is before this has been looked at, and is for those who are waited for: nothing behind it may overtake it.
    let mut from = 0;
    let mut waited_for: BTreeSet<String> = BTreeSet::new();
    while !core.ending.load(Ordering::Acquire) {
        core.recover_footprints(&mut interrupted);
        group::picture_if_due(core);
        let entries = match core.journal.depth(Stream::Calls).entries {
            0 => Vec::new(),
            _ => core.journal.read(Stream::Calls, from, 64, 1 << 20).unwrap_or_else(|error| {
                core.failed("journal", error.to_string());
                Vec::new()
            }),
        };
        if entries.is_empty() {
            from = 0;
            waited_for.clear();
            let asleep = lock(&core.calls_wake.0);
            drop(
                core.calls_wake
                    .1
                    .wait_timeout(asleep, Duration::from_millis(100))
                    .unwrap_or_else(PoisonError::into_inner),
            );
            continue;
        }
        for (seq, entry) in entries {
            if core.ending.load(Ordering::Acquire) {
                return;
            }
            from = seq + 1;
            let row = observed_row(core, &entry);
            // The platform, or a folder by its name.
            let whose = row.as_ref().filter(|r| r.folder != 0).map_or("", |r| r.module()).to_owned();
            let waits = waited_for.contains(&whose)
                || pauses.get(&whose).is_some_and(|(until, _)| *until > Instant::now())
                || row.as_ref().is_some_and(|row| !able(core, row));
            if waits {
                waited_for.insert(whose);
                continue;
            }
            if let Err(error) = told(core, seq, &entry) {
                core.failed("row", error.to_string());
                let refused = error.refused_credential();
                if let Some(row) = &row {
                    core.with_breaker_of(row, |breaker| breaker.failure(&error.to_string(), refused));
                }
                let pause = pauses.get(&whose).map_or(PAUSES.0, |(_, pause)| (*pause * 2).min(PAUSES.1));
                pauses.insert(whose.clone(), (Instant::now() + pause, pause));
                waited_for.insert(whose);
                continue;
            }
            pauses.remove(&whose);
            if let Err(error) = core.journal.remove(Stream::Calls, &[(seq, entry.len())]) {
                core.failed("journal", error.to_string());
            }
        }
    }
}

/// Whether those can be told now whom a row tells.
fn able(core: &Core, row: &Row) -> bool {
    match core.folder_of(row) {
        Some(running) => running.breaker.closed(),
        None => core.client.url().is_some() && core.breaker.closed() && core.ready.load(Ordering::Acquire),
    }
}

/// One entry: told, or given up with a word on the page. `Err`: who is to be told is ill, it is told again later.
fn told(core: &Core, seq: u64, entry: &[u8]) -> Result<(), PlatformError> {
    let Some((sent_ms, row, stanza)) = observed(core, entry) else {
        core.failed("row", "an entry of the journal belongs to no row any more and is given up".into());
        return Ok(());
    };
    if row.batch.as_deref() == Some(footprint::BATCH) {
        return super::footprint::told(core, &row, &stanza, &format!("{seq:x}"), sent_ms);
    }
    // A folder noted it and has gone; the built-in row of its name asks, it does not tell.
    if row.folder == 0 && row.on.kind != "iq" {
        core.failed("row", format!("what was noted for {} is given up: its folder has gone", row.name));
        return Ok(());
    }
    let value = mapping::value(&stanza, true);
    let own = core.own(&format!("{seq:x}"), sent_ms);
    let outcome = match core.call_row(&row, &value, &own) {
        Ok(response) => row.outcome(&value, &own, response.as_ref()),
        Err(CallError::Unusable(why)) => {
            Outcome::Error { kind: String::new(), condition: why, text: String::new() }
        }
        Err(CallError::Platform(error)) => return Err(error),
    };
    match outcome {
        Outcome::Ill(reason) => return Err(PlatformError::Malformed { status: 0, reason }),
        Outcome::Error { condition, text, .. } => {
            core.row_counts.add(&row.name, "refused");
            core.failed("row", format!("{}: it is not taken: {condition} {text}", row.name));
        }
        // Taken: when it is done is of no consequence here.
        Outcome::Native | Outcome::Done | Outcome::Reply(_) | Outcome::Later { .. } => {
            core.row_counts.add(&row.name, "told");
        }
    }
    core.with_breaker_of(&row, Breaker::success);
    Ok(())
}

/// An entry of what is to be told.
pub fn observed(core: &Core, entry: &[u8]) -> Option<(u64, Arc<Row>, Stanza)> {
    let (time, name, bytes) = parts(entry)?;
    let row = core.registry().row(name).map(Arc::clone)?;
    let stanza = Stanza::parse(bytes, &Limits::default()).ok()?;
    Some((time, row, stanza))
}

fn observed_row(core: &Core, entry: &[u8]) -> Option<Arc<Row>> {
    let (_, name, _) = parts(entry)?;
    core.registry().row(name).map(Arc::clone)
}

/// Time, row, stanza of an entry.
fn parts(entry: &[u8]) -> Option<(u64, &str, &[u8])> {
    let (time, rest) = entry.split_at_checked(8)?;
    let (length, rest) = rest.split_at_checked(2)?;
    let (name, bytes) = rest.split_at_checked(usize::from(u16::from_be_bytes(length.try_into().ok()?)))?;
    Some((u64::from_be_bytes(time.try_into().ok()?), std::str::from_utf8(name).ok()?, bytes))
}
