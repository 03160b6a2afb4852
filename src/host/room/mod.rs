//! Rooms at work in the host (room module): one lane per room holds joins, leaves and messages in their order; a message is journaled before it is
//! taken, released when the platform has it, and what the room really did is put right afterwards where it differs.
//!
//! Leaves out: asking (`ask`), what members missed (`catchup`), what is told afterwards and receipts (`settle`), and what a message to a room is
//! (`modules::room`).

pub mod ask;
pub mod catchup;
pub mod settle;

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, RwLock};
use std::time::{Duration, Instant};

use im_api::room::{OccupantSnapshot, RoomOutcome, RoomSettleItem};
use im_api::routes;
use serde_json::{Value, json};

use crate::config::{ModuleMode, Policy};
use crate::ffi::frame::{Flags, Outcome, Writer, effect};
use crate::journal::Stream;
use crate::lanes::{Action, Finished, Held, Lanes, Moves};
use crate::modules::chat;
use crate::modules::events::Reason;
use crate::modules::room::{self, Kind, Receipts, Rooms, Said};
use crate::platform::{Headers, PlatformError};
use crate::stanza::{Limits, Stanza, jid};

pub use crate::modules::room::Reading;

use super::core::{Core, lock, now_ms};
use super::intake::{encode_held, parsed};
use super::rows::on_failure;

/// Effects of rooms are numbered from here on, up to those of rows.
pub const ROOM_EFFECTS: u64 = 1 << 60;
/// Threads that ask, and threads that hand over what was missed.
pub const WORKERS: usize = 2;
/// Names of the rows that are carried out here.
const SAY: &str = "room.say";
const ENTER: &str = "room.enter";
const LEAVE: &str = "room.leave";
const RECEIPT: &str = "room.receipt";
/// How long the shim may take to list all occupants.
const LIST_LIMIT: Duration = Duration::from_secs(10);

/// What the threads share about rooms.
#[derive(Debug)]
pub struct State {
    /// A lane per room.
    pub lanes: Mutex<Lanes>,
    table: Mutex<Rooms>,
    receipts: Mutex<Receipts>,
    /// Joins and leaves in the lanes, by their sequence there.
    readings: Mutex<HashMap<u64, Reading>>,
    catchups: Mutex<VecDeque<catchup::CatchUp>>,
    /// What asks holds it for reading, so that a snapshot never comes between what was told and what is judged by it.
    asking: RwLock<()>,
    settling: Mutex<()>,
    /// The platform missed joins or leaves: it gets the whole list again.
    occupants_due: AtomicBool,
    ask_wake: Condvar,
    catchup_wake: Condvar,
    settle_wake: Condvar,
}

impl Default for State {
    fn default() -> Self {
        State {
            lanes: Mutex::new(Lanes::new(ROOM_EFFECTS)),
            table: Mutex::default(),
            receipts: Mutex::default(),
            readings: Mutex::default(),
            catchups: Mutex::default(),
            asking: RwLock::default(),
            settling: Mutex::default(),
            occupants_due: AtomicBool::new(false),
            ask_wake: Condvar::new(),
            catchup_wake: Condvar::new(),
            settle_wake: Condvar::new(),
        }
    }
}

impl State {
    /// Wakes the threads.
    pub fn wake(&self) {
        self.ask_wake.notify_all();
        self.catchup_wake.notify_all();
        self.settle_wake.notify_all();
    }
}

impl Core {
    /// A group chat message passes by, or has been said without us. True: taken.
    pub fn offer_room(&self, token: u64, flags: Flags, bytes: &[u8]) -> bool {
        let settings = self.config().module("room");
        if settings.mode == ModuleMode::Off {
            return false;
        }
        if flags.event() {
            self.said_without_us(settings.mode, bytes);
            return false;
        }
        self.row_counts.add(SAY, "seen");
        if settings.mode != ModuleMode::Decide || !flags.hold() {
            return false;
        }
        let Some(claim) = parsed(bytes, room::claim) else { return false };
        self.collect_receipts(&claim);
        if claim.kind == Kind::ReceiptOnly {
            // Nobody waits for the end of it.
            self.effects.push(Writer::new(effect::STORED).long(u64::MAX).long(token).finish());
            return true;
        }
        let (busy, held) = {
            let lanes = lock(&self.rooms.lanes);
            (lanes.busy(&claim.room), lanes.held())
        };
        let ask = claim.kind == Kind::Message;
        if !busy && (!ask || self.stopping.load(Ordering::Acquire)) {
            return false;
        }
        let Some(nick) = lock(&self.rooms.table).nick(&claim.room, &claim.from).map(str::to_owned) else {
            return false;
        };
        let config = self.config();
        let unable = !self.breaker.closed() || held >= config.held_max;
        if unable && !busy && settings.on_failure == Policy::Open {
            // The shim tells what the room has made of it.
            self.row_counts.add(SAY, "native");
            return false;
        }
        let mut held = Held {
            seq: self.journal.next_seq(),
            key: self.keys.next(),
            lane: claim.room.as_str().into(),
            token: Some(token),
            bytes: Arc::from(bytes),
            journal_bytes: 0,
            sent_ms: now_ms(),
            ask,
            storable: false,
            again: false,
            gone: false,
            deadline: Instant::now() + Duration::from_millis(settings.timeout_ms),
            row: self.registry().row(SAY).cloned(),
        };
        let alone = (unable && ask).then(|| on_failure(settings.on_failure));
        let value = encode_held(
            &Held { lane: format!("{}/{nick}", claim.room).into(), ..held.clone() },
            alone.as_ref(),
        );
        held.journal_bytes = value.len();
        if let Err(error) = self.journal.append(Stream::Held, held.seq, &value) {
            self.failed("journal", error.to_string());
            return false;
        }
        self.row_counts.add(SAY, "taken");
        lock(&self.rooms.table).said.insert(held.seq, Said { nick, told: None });
        let moves = lock(&self.rooms.lanes).push(held, alone);
        self.carry_out_rooms(moves);
        true
    }

    /// What the last run left: it is asked about again, and told to whoever is there.
    pub fn replay_room(&self, mut held: Held, alone: Option<Action>) {
        let lane = held.lane.to_string();
        let (room, nick) = lane.split_once('/').unwrap_or((&lane, "?"));
        held.lane = room.into();
        held.row = self.registry().row(SAY).cloned();
        lock(&self.rooms.table).said.insert(held.seq, Said { nick: nick.to_owned(), told: None });
        let moves = lock(&self.rooms.lanes).push(held, alone);
        self.carry_out_rooms(moves);
    }

    /// Receipts and markers in a message, for messages that are known.
    fn collect_receipts(&self, claim: &room::Claim) {
        let Some(user) = jid::bare_with_local(&claim.from) else { return };
        for (id, read) in &claim.receipts {
            let known = lock(&self.rooms.receipts).add(&claim.room, id, &user, *read, Instant::now());
            self.row_counts.add(RECEIPT, if known { "taken" } else { "unknown" });
        }
        if !claim.receipts.is_empty() {
            self.rooms.settle_wake.notify_all();
        }
    }

    /// A room has accepted a message that was not held.
    fn said_without_us(&self, mode: ModuleMode, bytes: &[u8]) {
        let Ok(stanza) = Stanza::parse(bytes, &Limits::default()) else { return };
        let Some((clean, nick, reached)) = room::reached(&stanza) else { return };
        let xml = clean.to_xml_string();
        match mode {
            ModuleMode::Mirror => {
                self.row_counts.add(SAY, "mirrored");
                self.mirror(Reason::Mirror, xml.as_bytes());
            }
            ModuleMode::Decide => {
                let Some(claim) = room::claim(&clean) else { return };
                self.collect_receipts(&claim);
                let key = self.keys.next();
                let Some(message) = room::item(&clean, &key, &nick, now_ms()) else { return };
                if claim.kind != Kind::Message || nick.is_empty() {
                    return;
                }
                self.row_counts.add(SAY, "reported");
                self.know(&claim.room, &key, "", &clean);
                let reached = reached.into_iter().collect();
                self.to_settle(&claim.room, accepted(&key, reached, Vec::new(), true, Some(message)));
            }
            ModuleMode::Off | ModuleMode::Watch => {}
        }
    }

    /// Receipts for this message are recognised.
    fn know(&self, room: &str, key: &str, stanza_id: &str, stanza: &Stanza) {
        let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
        let known = room::Known {
            key: key.to_owned(),
            id: text(stanza.id()),
            stanza_id: stanza_id.to_owned(),
            from: text(stanza.from()),
        };
        lock(&self.rooms.receipts).know(room, known);
    }

    /// Somebody joined, left, or has another name.
    pub fn occupant(&self, reading: &Reading) {
        match self.config().module("room").mode {
            ModuleMode::Mirror => {
                let kind = if reading.open { "" } else { " type=\"unavailable\"" };
                let escape = |text: &str| quick_xml::escape::escape(text).into_owned();
                let xml = format!(
                    "<presence xmlns=\"jabber:client\" from=\"{}\" to=\"{}/{}\"{kind}/>",
                    escape(&reading.jid),
                    escape(&reading.room),
                    escape(&reading.nick)
                );
                self.row_counts.add(if reading.open { ENTER } else { LEAVE }, "mirrored");
                self.mirror(Reason::Mirror, xml.as_bytes());
            }
            ModuleMode::Decide if lock(&self.rooms.table).apply(reading) => {
                self.push_reading(reading.clone())
            }
            _ => {}
        }
    }

    fn push_reading(&self, reading: Reading) {
        let row = self.registry().row(if reading.open { ENTER } else { LEAVE }).cloned();
        let limit = Duration::from_millis(self.config().module("room").timeout_ms);
        let held = Held {
            seq: self.journal.next_seq(),
            key: self.keys.next(),
            lane: reading.room.as_str().into(),
            token: None,
            bytes: Arc::from(&b""[..]),
            journal_bytes: 0,
            sent_ms: now_ms(),
            ask: true,
            storable: false,
            again: false,
            gone: false,
            deadline: Instant::now() + limit,
            row,
        };
        lock(&self.rooms.readings).insert(held.seq, reading);
        let moves = lock(&self.rooms.lanes).push(held, None);
        self.carry_out_rooms(moves);
    }

    /// The shim has listed everybody.
    pub fn occupants(&self, seq: u64, all: Vec<Reading>) {
        lock(&self.rooms.table).replace(seq, all);
    }

    /// Tells the platform who is in which room; false when that is not known (yet).
    ///
    /// # Errors
    /// The platform's.
    pub fn tell_occupants(&self) -> Result<bool, PlatformError> {
        if self.config().module("room").mode != ModuleMode::Decide {
            return Ok(true);
        }
        if !lock(&self.rooms.table).complete() {
            // The answer comes as a notice before this is done.
            let listed = self.effects.apply::<&str>(LIST_LIMIT, "room.occupants", &[]);
            if listed.is_none() || !lock(&self.rooms.table).complete() {
                return Ok(false);
            }
        }
        let asking = self.rooms.asking.write();
        self.rooms.occupants_due.store(false, Ordering::Release);
        let (seq, occupants) = lock(&self.rooms.table).snapshot();
        let snapshot = OccupantSnapshot { epoch: self.epoch.clone(), seq, occupants };
        let body = serde_json::to_vec(&snapshot).unwrap_or_default();
        let path = routes::path(routes::NODE_OCCUPANTS, &[&self.node]);
        let told = self.client.exchange_bytes("PUT", &path, Some(&body), Headers::default());
        drop(asking);
        let told = told.and_then(nothing_more).inspect_err(|_| {
            self.rooms.occupants_due.store(true, Ordering::Release);
        });
        told?;
        let owed = lock(&self.rooms.table).owed();
        for reading in owed {
            self.push_reading(reading);
        }
        Ok(true)
    }

    /// Once more, when the platform missed something. True when it was told.
    ///
    /// # Errors
    /// The platform's.
    pub fn tell_occupants_again(&self) -> Result<bool, PlatformError> {
        Ok(self.rooms.occupants_due.load(Ordering::Acquire)
            && self.ready.load(Ordering::Acquire)
            && self.tell_occupants()?)
    }

    /// The module's mode may be another: before anything is claimed the platform knows who is where.
    pub fn room_mode_changed(&self, before: ModuleMode) {
        let now = self.config().module("room").mode;
        if now == ModuleMode::Decide && before != ModuleMode::Decide {
            lock(&self.rooms.table).reset();
            self.ready.store(false, Ordering::Release);
            self.snapshot_due.store(true, Ordering::Release);
        }
    }

    /// A room has been destroyed.
    pub fn room_is_gone(&self, room: &str) {
        lock(&self.rooms.table).forget(room);
        lock(&self.rooms.receipts).forget(room);
        let prefix = catchup::mark(room, "");
        for (user, _) in self.journal.marks(&prefix) {
            if let Err(error) = self.journal.unmark(&format!("{prefix}{user}")) {
                self.failed("journal", error.to_string());
            }
        }
    }

    /// Carries out what a change of the lanes led to.
    pub fn carry_out_rooms(&self, mut moves: Moves) {
        loop {
            moves.finished.drain(..).for_each(|finished| self.room_finished(finished));
            let mut over = Vec::new();
            for emit in moves.emit.drain(..) {
                let name = emit.held.row.as_ref().map_or("", |row| row.name.as_str());
                match name {
                    SAY => self.effects.push(self.said_frame(emit.effect, &emit.held, &emit.action)),
                    ENTER => {
                        let reading = lock(&self.rooms.readings).get(&emit.held.seq).cloned();
                        match reading.filter(|reading| reading.member) {
                            Some(reading) => self.catch_up_later(emit.effect, reading, &emit.action),
                            None => over.push(emit.effect),
                        }
                    }
                    _ => over.push(emit.effect),
                }
            }
            if over.is_empty() {
                break;
            }
            let mut lanes = lock(&self.rooms.lanes);
            for effect in over {
                let more = lanes.done(effect, Outcome::Ok, Instant::now(), Duration::ZERO);
                moves.finished.extend(more.finished);
                moves.emit.extend(more.emit);
            }
        }
        self.rooms.ask_wake.notify_all();
    }

    fn said_frame(&self, number: u64, held: &Held, action: &Action) -> Vec<u8> {
        let as_it_was = || String::from_utf8_lossy(&held.bytes).into_owned();
        let w = |op| Writer::new(op).long(number);
        match (action, held.token) {
            (Action::Release { .. } | Action::Replace { .. }, Some(token)) => {
                w(effect::RELEASE).long(token).bool(true)
            }
            (Action::Release { .. } | Action::Replace { .. }, None) => {
                let nick = lock(&self.rooms.table).said.get(&held.seq).map(|s| s.nick.clone());
                let late = Stanza::parse(&held.bytes, &Limits { bytes: usize::MAX, ..Limits::default() })
                    .map(|s| chat::with_delay(s, &held.lane, &chat::timestamp(held.sent_ms)));
                let xml = late.unwrap_or_else(|_| as_it_was());
                w(effect::APPLY).str("room.speak").int(2).str(&xml).str(&nick.unwrap_or_default())
            }
            (Action::Stored | Action::Drop, Some(token)) => w(effect::STORED).long(token),
            (Action::Stored | Action::Drop, None) => w(effect::STORED_BYTES).str(&as_it_was()),
            (Action::Refuse { kind, condition, text }, Some(token)) => {
                w(effect::REFUSE).long(token).str(kind).str(condition).str(text)
            }
            (Action::Refuse { kind, condition, text }, None) => {
                w(effect::REFUSE_BYTES).str(&as_it_was()).str(kind).str(condition).str(text)
            }
        }
        .finish()
    }

    /// The shim, or a catch-up, reports the end of an effect.
    pub fn room_done(&self, number: u64, outcome: Outcome, detail: &str) {
        let about = lock(&self.rooms.lanes).of_effect(number);
        if outcome == Outcome::Ok
            && let Some((held, Action::Release { .. }, alone)) = &about
            && held.row.as_ref().is_some_and(|row| row.name == SAY)
        {
            self.room_answered(held, *alone, detail);
        }
        let limit = Duration::from_millis(self.config().module("room").timeout_ms);
        let moves = lock(&self.rooms.lanes).done(number, outcome, Instant::now(), limit);
        self.carry_out_rooms(moves);
    }

    /// What the room made of a message, against what the platform thinks.
    fn room_answered(&self, held: &Held, alone: bool, detail: &str) {
        if !held.ask {
            return;
        }
        let mut lines = detail.lines();
        let word = lines.next().unwrap_or_default();
        if word == "refused" {
            self.row_counts.add(SAY, "refused_by_room");
            self.to_settle(&held.lane, refused(&held.key));
            return;
        }
        let reached = room::users(lines);
        let Ok(stanza) = Stanza::parse(&held.bytes, &Limits { bytes: usize::MAX, ..Limits::default() })
        else {
            return;
        };
        let speaker = stanza.from().and_then(jid::bare_with_local).unwrap_or_default().into_owned();
        // A room sends to its speaker too. If that was not seen, the copies go another way, and nothing is known of them.
        let seen = word == "handed" || reached.contains(&speaker);
        let said = lock(&self.rooms.table).said.get(&held.seq).cloned().unwrap_or_default();
        let item = match said.told.filter(|_| !(alone || held.again && held.token.is_none())) {
            Some(_) if !seen => None,
            Some(told) => {
                let (more, less) = room::difference(&told, &reached, &speaker);
                let same = more.is_empty() && less.is_empty();
                (!same).then(|| accepted(&held.key, more, less, false, None))
            }
            None => {
                self.know(&held.lane, &held.key, "", &stanza);
                let message = room::item(&stanza, &held.key, &said.nick, held.sent_ms);
                message.map(|m| accepted(&held.key, reached.into_iter().collect(), Vec::new(), seen, Some(m)))
            }
        };
        if let Some(item) = item {
            self.row_counts.add(SAY, "put_right");
            self.to_settle(&held.lane, item);
        }
    }

    fn room_finished(&self, finished: Finished) {
        let Finished { held, action, alone } = finished;
        let name = held.row.as_ref().map_or("", |row| row.name.as_str());
        if name != SAY {
            lock(&self.rooms.readings).remove(&held.seq);
            return;
        }
        if let Err(error) = self.journal.remove(Stream::Held, &[(held.seq, held.journal_bytes)]) {
            self.failed("journal", error.to_string());
        }
        lock(&self.rooms.table).said.remove(&held.seq);
        self.row_counts.add(
            SAY,
            match action {
                Action::Release { .. } | Action::Replace { .. } => "released",
                Action::Refuse { .. } => "refused",
                Action::Stored | Action::Drop => "dropped",
            },
        );
        if alone {
            self.row_counts.add(SAY, "alone");
        }
    }

    /// Looks at what waits for its time, and decides what is over it.
    pub fn rooms_over_time(&self) {
        let moves = lock(&self.rooms.lanes).tick(Instant::now());
        self.carry_out_rooms(moves);
        if self.decide_rooms_alone_now(!self.breaker.closed()) > 0 && self.breaker.closed() {
            self.breaker.failure("no answer within room.timeoutMillis", false);
        }
    }

    /// Decides what is over its time (`everything`: all that waits). Gives how many.
    pub fn decide_rooms_alone_now(&self, everything: bool) -> usize {
        let policy = self.config().module("room").on_failure;
        let overdue = lock(&self.rooms.lanes).overdue(Instant::now(), everything);
        let mut decided = 0;
        for held in overdue {
            let says = held.row.as_ref().is_some_and(|row| row.name == SAY);
            let action = if says { on_failure(policy) } else { Action::Release { force: true } };
            if says && policy == Policy::Closed {
                self.to_settle(&held.lane, refused(&held.key));
            } else if !says {
                self.rooms.occupants_due.store(true, Ordering::Release);
            }
            let mut moves = Moves::default();
            let counted = lock(&self.rooms.lanes).decide_alone(&held.lane, held.seq, action, &mut moves);
            decided += usize::from(counted);
            self.carry_out_rooms(moves);
        }
        decided
    }
}

fn accepted(
    key: &str,
    reached: Vec<String>,
    unreached: Vec<String>,
    all: bool,
    message: Option<im_api::room::RoomItem>,
) -> RoomSettleItem {
    RoomSettleItem { key: key.into(), outcome: RoomOutcome::Accepted, reached, unreached, all, message }
}

fn refused(key: &str) -> RoomSettleItem {
    RoomSettleItem { outcome: RoomOutcome::Refused, ..accepted(key, Vec::new(), Vec::new(), false, None) }
}

/// A success without a body; anything else as the client's errors say it.
fn nothing_more((status, bytes): (u16, Vec<u8>)) -> Result<(), PlatformError> {
    match status {
        200..=299 => Ok(()),
        _ => Err(match serde_json::from_slice(&bytes) {
            Ok(problem) => PlatformError::Problem(Box::new(problem)),
            Err(e) => PlatformError::Malformed { status, reason: e.to_string() },
        }),
    }
}

/// What the page and the tests read.
pub fn status(core: &Core) -> Value {
    let (held, in_effect) = {
        let lanes = lock(&core.rooms.lanes);
        (lanes.held(), lanes.in_effect())
    };
    let (occupants, rooms) = lock(&core.rooms.table).count();
    json!({
        "mode": core.config().module("room").mode.as_str(),
        "held": held,
        "in_effect": in_effect,
        "rooms": rooms,
        "occupants": occupants,
        "receipts_waiting": lock(&core.rooms.receipts).waiting(),
        "catching_up": lock(&core.rooms.catchups).len(),
        "rows": core.row_counts.of("room"),
    })
}
