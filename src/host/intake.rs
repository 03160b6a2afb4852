//! Intake: a stanza passes by on the router's thread. Microseconds, no network: count, classify, journal, put into a lane.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use im_api::chat::Outcome as Settlement;

use crate::config::{Config, ModuleMode, Policy};
use crate::ffi::frame::Flags;
use crate::journal::Stream;
use crate::lanes::{Action, Held, Moves};
use crate::modules::chat;
use crate::modules::events::{self, Reason};
use crate::platform::Breaker;
use crate::stanza::{Limits, Stanza};

use super::core::{Core, lock, now_ms};
use super::feed::{About, What};

/// Buffers of a stanza larger than this are not kept.
const PARSED_KEPT: usize = 64 << 10;
/// How many recent keys are remembered for stanzas that Openfire routes again.
const RECENT_MAX: usize = 50_000;

thread_local! {
    /// What offered stanzas are parsed into; its buffers stay.
    static PARSED: RefCell<Stanza> = RefCell::default();
}

/// Parses on the router's thread and gives `f` the stanza. None when Openfire took what the parser does not: then it is Openfire's.
pub fn parsed<T>(bytes: &[u8], f: impl FnOnce(&Stanza) -> Option<T>) -> Option<T> {
    let mut stanza = PARSED.take();
    let result = stanza.parse_into(bytes, &Limits::default()).ok().and_then(|()| f(&stanza));
    if bytes.len() <= PARSED_KEPT {
        PARSED.replace(stanza);
    }
    result
}

/// Makes the keys of decisions: UUIDv7 with the time, a counter and a keyed hash of the counter, because asking the system for random bytes
/// costs more than everything else about a key.
#[derive(Debug, Default)]
pub struct Keys {
    hasher: RandomState,
    count: AtomicU64,
}

impl Keys {
    /// The next key.
    pub fn next(&self) -> Arc<str> {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let mut rest = [0; 10];
        rest[..2].copy_from_slice(&(count as u16).to_be_bytes());
        rest[2..].copy_from_slice(&self.hasher.hash_one(count).to_be_bytes());
        let uuid = uuid::Builder::from_unix_timestamp_millis(now_ms(), &rest).into_uuid();
        Arc::from(&*uuid.hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()))
    }
}

/// Keys of stanzas taken lately, by sender, recipient and id: Openfire routes unacknowledged messages again when a XEP-0198 session dies, and
/// that must be the same decision, not a new message.
#[derive(Debug, Default)]
pub struct Recent {
    hasher: RandomState,
    keys: HashMap<u64, Arc<str>>,
    order: VecDeque<u64>,
}

impl Recent {
    fn hash(&self, stanza: &Stanza) -> Option<u64> {
        Some(self.hasher.hash_one((stanza.from()?, stanza.to()?, stanza.id()?)))
    }

    fn remember(&mut self, stanza: &Stanza, key: &Arc<str>) {
        let Some(hash) = self.hash(stanza) else { return };
        if self.keys.insert(hash, Arc::clone(key)).is_none() {
            self.order.push_back(hash);
        }
        if self.order.len() > RECENT_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.keys.remove(&oldest);
        }
    }

    fn recall(&self, stanza: &Stanza) -> Option<Arc<str>> {
        self.keys.get(&self.hash(stanza)?).cloned()
    }
}

/// One look at a message, from before it sees the settings until it is held or passes.
struct Offering<'a>(&'a AtomicUsize);

impl Offering<'_> {
    fn begin(count: &AtomicUsize) -> Offering<'_> {
        count.fetch_add(1, Ordering::SeqCst);
        Offering(count)
    }
}

impl Drop for Offering<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Core {
    /// See [`super::Host::offer`].
    pub fn offer(&self, token: u64, flags: Flags, bytes: &[u8]) -> bool {
        if self.ending.load(Ordering::Acquire) {
            return false;
        }
        if flags.room() && bytes.starts_with(b"<message") {
            return self.offer_room(token, flags, bytes);
        }
        if flags.event() || !bytes.starts_with(b"<message") {
            return self.offer_row(token, flags, bytes);
        }
        let _offering = Offering::begin(&self.offering);
        let config = self.config();
        let descending = self.descending.load(Ordering::Acquire) && flags.hold();
        if config.chat == ModuleMode::Off && !descending {
            return false;
        }
        self.counters.add("seen", 1);
        self.counters.add("bytes", bytes.len() as u64);
        let taken = match config.chat {
            _ if descending && self.keep_place(token, bytes) => true,
            ModuleMode::Off | ModuleMode::Watch => false,
            ModuleMode::Mirror => self.mirror(Reason::Mirror, bytes),
            ModuleMode::Decide if flags.hold() && flags.local_user() => {
                self.decide(&config, token, flags, bytes)
            }
            ModuleMode::Decide => self.mirror(Reason::Mirror, bytes),
        };
        self.counters.add(if taken { "taken" } else { "passed" }, 1);
        self.offer_chat_place(bytes);
        taken
    }

    /// Journals a copy to be delivered. Always false: the stanza passes.
    pub fn mirror(&self, reason: Reason, bytes: &[u8]) -> bool {
        if chat::bytes_hold_secret(bytes) {
            return false;
        }
        if let Some(chat) = self.folder("chat").filter(|_| bytes.starts_with(b"<message")) {
            // A folder's backend is told only what Openfire has not been left with because it did not answer.
            match reason {
                Reason::Mirror if self.config().chat == ModuleMode::Mirror => {
                    super::by_row::observe(self, &chat, bytes);
                }
                Reason::Native => self.counters.add("native", 1),
                _ => {}
            }
            return false;
        }
        let entry = events::entry(reason, now_ms(), bytes);
        match self.journal.append(Stream::Events, self.journal.next_seq(), &entry) {
            Ok(()) => {
                self.counters.add(if reason == Reason::Native { "native" } else { "mirrored" }, 1);
                self.wake_mirror();
                let native = reason == Reason::Native;
                self.feed.tell(About::Copied, || What::Copied { native, bytes: Arc::from(bytes) });
            }
            Err(error) => {
                self.counters.add("mirror_dropped", 1);
                self.failed("journal", error.to_string());
            }
        }
        false
    }

    fn decide(&self, config: &Config, token: u64, flags: Flags, bytes: &[u8]) -> bool {
        let taken = parsed(bytes, |stanza| {
            let claim = chat::claim(stanza)?;
            Some(self.claimed(config, &claim, stanza, token, flags, bytes))
        });
        taken.unwrap_or(false)
    }

    fn claimed(
        &self,
        config: &Config,
        claim: &chat::Claim,
        stanza: &Stanza,
        token: u64,
        flags: Flags,
        bytes: &[u8],
    ) -> bool {
        let (busy, held_now) = {
            let lanes = lock(&self.lanes);
            (lanes.busy(&claim.lane), lanes.held())
        };
        // Nobody is ahead of it and nobody has to be asked: it goes its normal way.
        if !busy && (!claim.ask || self.stopping.load(Ordering::Acquire)) {
            return false;
        }
        // While the platform does not know our sessions yet (`ready`) it waits in its lane; a dead platform opens the breaker.
        let unable = !self.with_chat_breaker(Breaker::closed) || held_now >= config.held_max;
        if unable && !busy && config.on_failure == Policy::Open {
            return self.mirror(Reason::Native, bytes);
        }
        let mut recent = lock(&self.recent);
        let known = flags.rerouted().then(|| recent.recall(stanza)).flatten();
        let again = known.is_some();
        let key = known.unwrap_or_else(|| self.keys.next());
        recent.remember(stanza, &key);
        drop(recent);
        let alone = (unable && claim.ask).then(|| chat::alone(config.on_failure, &key).0);
        self.hold(Held { again, ..self.held(key, claim, Some(token), bytes) }, alone)
    }

    /// Chat has left decide mode, but something older of this conversation is still held: this one goes behind it, unasked.
    fn keep_place(&self, token: u64, bytes: &[u8]) -> bool {
        let claim = parsed(bytes, chat::claim);
        let Some(claim) = claim.filter(|claim| lock(&self.lanes).busy(&claim.lane)) else { return false };
        self.hold(Held { ask: false, ..self.held(self.keys.next(), &claim, Some(token), bytes) }, None)
    }

    fn held(&self, key: Arc<str>, claim: &chat::Claim, token: Option<u64>, bytes: &[u8]) -> Held {
        Held {
            seq: self.journal.next_seq(),
            key,
            lane: claim.lane.as_str().into(),
            token,
            bytes: Arc::from(bytes),
            journal_bytes: 0,
            sent_ms: now_ms(),
            ask: claim.ask,
            storable: claim.storable,
            again: false,
            gone: false,
            deadline: Instant::now() + Duration::from_millis(self.config().timeout_ms),
            row: None,
        }
    }

    /// Journals it and puts it into its lane. False when the journal cannot write: then it passes.
    fn hold(&self, mut held: Held, alone: Option<Action>) -> bool {
        let value = encode_held(&held, alone.as_ref());
        held.journal_bytes = value.len();
        if let Err(error) = self.journal.append(Stream::Held, held.seq, &value) {
            self.failed("journal", error.to_string());
            return false;
        }
        let moves = lock(&self.lanes).push(held, alone);
        self.carry_out(moves);
        true
    }

    /// Openfire's offline store took a message of ours at another time than during its effect: it goes into its lane again.
    pub fn fell_back(&self, bytes: &[u8]) {
        let Ok(stanza) = Stanza::parse(bytes, &Limits { bytes: usize::MAX, ..Limits::default() }) else {
            return;
        };
        let Some(claim) = chat::claim(&stanza) else { return };
        let known = lock(&self.recent).recall(&stanza);
        let again = known.is_some();
        let key = known.unwrap_or_else(|| self.keys.next());
        let held =
            Held { again, ask: true, storable: true, gone: true, ..self.held(key, &claim, None, bytes) };
        if !self.hold(held.clone(), None) {
            // It is in nobody's store now: without a journal it is at least held in memory.
            let moves = lock(&self.lanes).push(held, None);
            self.carry_out(moves);
        }
    }

    /// Decides alone, journals it together with its settlement, tells the platform later. Gives how many.
    pub fn decide_alone(&self, everything: bool) -> usize {
        let config = self.config();
        let mut moves = Moves::default();
        let mut reports = Vec::new();
        let mut decided = 0;
        {
            let mut lanes = lock(&self.lanes);
            for held in lanes.overdue(Instant::now(), everything) {
                let (action, settlement) = chat::alone(config.on_failure, &held.key);
                let value = encode_held(&held, Some(&action));
                let settled = encode_settlement(settlement.outcome, &settlement.key);
                if let Err(error) = self.journal.settle(held.seq, &value, &settled) {
                    self.failed("journal", error.to_string());
                }
                if lanes.decide_alone(&held.lane, held.seq, action, &mut moves) {
                    decided += 1;
                    if config.on_failure == Policy::Open {
                        reports.push(held);
                    }
                }
            }
        }
        for held in reports {
            self.mirror(Reason::Native, &held.bytes);
        }
        self.carry_out(moves);
        if decided > 0 {
            self.wake_mirror();
        }
        decided
    }
}

const ASK: u8 = 1;
const STORABLE: u8 = 2;
const ALONE_OPEN: u8 = 4;
const ALONE_CLOSED: u8 = 8;
const ROOM: u8 = 16;

/// A held stanza as it stands in the journal: flags, time, key, lane, stanza.
pub fn encode_held(held: &Held, alone: Option<&Action>) -> Vec<u8> {
    let mut out = Vec::with_capacity(held.bytes.len() + held.key.len() + held.lane.len() + 16);
    let mut flags = 0;
    for (flag, set) in [
        (ASK, held.ask),
        (STORABLE, held.storable),
        (ALONE_OPEN, matches!(alone, Some(Action::Release { .. }))),
        (ALONE_CLOSED, matches!(alone, Some(Action::Refuse { .. }))),
        // Of all that is journaled only messages to rooms are a row's.
        (ROOM, held.row.is_some()),
    ] {
        flags |= if set { flag } else { 0 };
    }
    out.push(flags);
    out.extend_from_slice(&held.sent_ms.to_be_bytes());
    for text in [&held.key, &held.lane] {
        out.extend_from_slice(&u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
        out.extend_from_slice(text.as_bytes());
    }
    out.extend_from_slice(&held.bytes);
    out
}

/// Whether an entry is a message to a room.
pub fn is_room(value: &[u8]) -> bool {
    value.first().is_some_and(|flags| flags & ROOM != 0)
}

/// Reads what [`encode_held`] wrote: the stanza, and what was decided alone, if it was.
pub fn decode_held(seq: u64, value: &[u8], deadline: Instant) -> Option<(Held, Option<Action>)> {
    let journal_bytes = value.len();
    let (flags, rest) = value.split_first()?;
    let (sent, mut rest) = rest.split_at_checked(8)?;
    let mut text = || {
        let (len, tail) = rest.split_at_checked(2)?;
        let (text, tail) = tail.split_at_checked(usize::from(u16::from_be_bytes([len[0], len[1]])))?;
        rest = tail;
        std::str::from_utf8(text).ok().map(Arc::<str>::from)
    };
    let (key, lane) = (text()?, text()?);
    let policy = match (flags & ALONE_OPEN != 0, flags & ALONE_CLOSED != 0) {
        (true, _) => Some(Policy::Open),
        (_, true) => Some(Policy::Closed),
        _ => None,
    };
    let alone = policy.map(|policy| chat::alone(policy, &key).0);
    let held = Held {
        seq,
        key,
        lane,
        token: None,
        bytes: Arc::from(rest),
        journal_bytes,
        sent_ms: u64::from_be_bytes(sent.try_into().ok()?),
        ask: flags & ASK != 0,
        storable: flags & STORABLE != 0,
        again: true,
        gone: false,
        deadline,
        row: None,
    };
    Some((held, alone))
}

/// A settlement as it stands in the journal.
pub fn encode_settlement(outcome: Settlement, key: &str) -> Vec<u8> {
    let mut out = vec![u8::from(outcome == Settlement::Refused)];
    out.extend_from_slice(key.as_bytes());
    out
}

/// Reads what [`encode_settlement`] wrote.
pub fn decode_settlement(value: &[u8]) -> Option<im_api::chat::SettleItem> {
    let (outcome, key) = value.split_first()?;
    let outcome = if *outcome == 1 { Settlement::Refused } else { Settlement::Delivered };
    Some(im_api::chat::SettleItem { key: std::str::from_utf8(key).ok()?.to_owned(), outcome })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_version_7_in_order_and_never_the_same() {
        let keys = Keys::default();
        let some: Vec<_> = (0..2000).map(|_| keys.next()).collect();
        assert!(some.is_sorted() && some.windows(2).all(|w| w[0] != w[1]));
        assert_eq!(uuid::Uuid::parse_str(&some[0]).expect("a UUID").get_version_num(), 7);
        assert_ne!(some[0][24..], Keys::default().next()[24..], "another start, other keys");
    }

    #[test]
    fn a_held_entry_reads_as_it_was_written() {
        let held = Held {
            seq: 9,
            key: "k".into(),
            lane: "a@b>c@d".into(),
            token: Some(1),
            bytes: Arc::from(&b"<message/>"[..]),
            journal_bytes: 0,
            sent_ms: 42,
            ask: true,
            storable: false,
            again: false,
            gone: false,
            deadline: Instant::now(),
            row: None,
        };
        let (action, _) = chat::alone(Policy::Closed, "k");
        for alone in [None, Some(Action::Release { force: true }), Some(action)] {
            let value = encode_held(&held, alone.as_ref());
            let (back, decided) = decode_held(9, &value, Instant::now()).expect("readable");
            assert_eq!(
                (back.key, back.lane, back.sent_ms, back.ask, back.storable),
                (held.key.clone(), held.lane.clone(), 42, true, false)
            );
            assert_eq!((&*back.bytes, back.token, decided), (&b"<message/>"[..], None, alone));
            for cut in 0..20 {
                assert!(decode_held(9, &value[..cut], Instant::now()).is_none(), "cut at {cut}");
            }
        }
        let settled = decode_settlement(&encode_settlement(Settlement::Refused, "k")).expect("readable");
        assert_eq!((settled.key.as_str(), settled.outcome), ("k", Settlement::Refused));
    }
}
