//! Lanes: order. One lane per conversation (sender and recipient bare JIDs); what stands in it leaves in the order it came.
//!
//! An entry goes Waiting → Asking → Decided → InEffect → gone. A lane asks for its next messages only when everything it asked for before has
//! left, so that a verdict never outlives the state it was made for; within one request it asks for many. If a released message turns out
//! undeliverable, it and everything decided behind it is judged anew, in order.
//!
//! This is a data structure: it does no I/O, knows no HTTP and no clock but the `Instant`s it is given. The host's threads drive it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::ffi::frame::Outcome;
use crate::mapping::Row;

/// How long to wait before asking the shim again about a recipient who is just connecting.
const CONNECTING_PAUSE: Duration = Duration::from_millis(50);

/// What is done with a message in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Route it; `force` = whether the recipient is there or not (Openfire's own rules apply).
    Release {
        /// See above.
        force: bool,
    },
    /// The platform keeps it.
    Stored,
    /// Drop it: it has been handed over already.
    Drop,
    /// Route this in its place.
    Replace {
        /// XML.
        xml: Arc<str>,
    },
    /// Answer the sender with an error.
    Refuse {
        /// Stanza error type.
        kind: String,
        /// Defined condition.
        condition: String,
        /// Text, may be empty.
        text: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Waiting,
    Asking,
    Decided(Action),
    InEffect(u64, Action),
}

/// A stanza that was taken.
#[derive(Debug, Clone)]
pub struct Held {
    /// Its sequence in the journal.
    pub seq: u64,
    /// Key of its decision.
    pub key: Arc<str>,
    /// Lane: `sender>recipient`, bare JIDs.
    pub lane: Arc<str>,
    /// Under which the shim keeps the packet; None after a restart.
    pub token: Option<u64>,
    /// Complete stanza as XML.
    pub bytes: Arc<[u8]>,
    /// Size of its journal entry.
    pub journal_bytes: usize,
    /// When it was sent (Unix ms).
    pub sent_ms: u64,
    /// Whether the platform is asked; otherwise it only keeps its place.
    pub ask: bool,
    /// Whether it may be stored (XEP-0160, XEP-0334).
    pub storable: bool,
    /// It may have been asked before.
    pub again: bool,
    /// The recipient was seen to be away.
    pub gone: bool,
    /// When the bridge decides alone.
    pub deadline: Instant,
    /// The row that claimed it; None: a message of the chat module.
    pub row: Option<Arc<Row>>,
}

impl Held {
    /// Whether it goes on as bytes without its packet.
    fn has_bytes(&self) -> bool {
        self.row.as_ref().is_none_or(|row| row.on.kind == "message")
    }
}

#[derive(Debug)]
struct Entry {
    held: Held,
    state: State,
    /// A request for it may have reached the platform.
    asked: bool,
    not_before: Option<Instant>,
    failed: bool,
    /// The bridge decided alone: never asked again.
    alone: bool,
}

#[derive(Debug, Default)]
struct Lane {
    entries: VecDeque<Entry>,
    /// It stands in `ready`.
    queued: bool,
}

/// An effect to be carried out for the head of a lane.
#[derive(Debug, Clone)]
pub struct Emit {
    /// Number of the effect.
    pub effect: u64,
    /// The stanza.
    pub held: Held,
    /// What to do.
    pub action: Action,
}

/// A stanza that is over: its journal entry can go.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The stanza.
    pub held: Held,
    /// What was done.
    pub action: Action,
    /// Whether the bridge decided alone.
    pub alone: bool,
}

/// What a change led to.
#[derive(Debug, Default)]
pub struct Moves {
    /// To be carried out, in this order.
    pub emit: Vec<Emit>,
    /// Over.
    pub finished: Vec<Finished>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Lanes {
    lanes: HashMap<Arc<str>, Lane>,
    /// Which lane an effect belongs to.
    effects: HashMap<u64, Arc<str>>,
    /// Lanes that may have something to ask.
    ready: VecDeque<Arc<str>>,
    /// Lanes with an entry that waits for its time.
    later: Vec<Arc<str>>,
    next_effect: u64,
    held: usize,
    /// No new effects (the host stops).
    frozen: bool,
}

impl Lanes {
    /// Effect numbers start at `first`.
    #[must_use]
    pub fn new(first: u64) -> Self {
        Lanes { next_effect: first, ..Default::default() }
    }

    /// How many stanzas are held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held
    }

    /// How many effects are under way.
    #[must_use]
    pub fn in_effect(&self) -> usize {
        self.effects.len()
    }

    /// When the oldest held stanza was sent (Unix ms).
    #[must_use]
    pub fn oldest_ms(&self) -> Option<u64> {
        self.lanes.values().filter_map(|l| l.entries.front()).map(|e| e.held.sent_ms).min()
    }

    /// Whether something stands in this lane.
    #[must_use]
    pub fn busy(&self, lane: &str) -> bool {
        self.lanes.get(lane).is_some_and(|l| !l.entries.is_empty())
    }

    /// Puts a stanza at the end of its lane. `alone` = the decision has been made already.
    pub fn push(&mut self, held: Held, alone: Option<Action>) -> Moves {
        let lane = Arc::clone(&held.lane);
        let decided_alone = alone.is_some();
        let state = match alone {
            Some(action) => State::Decided(action),
            None if held.ask => State::Waiting,
            None => State::Decided(Action::Release { force: true }),
        };
        self.held += 1;
        let entry =
            Entry { held, state, asked: false, not_before: None, failed: false, alone: decided_alone };
        self.lanes.entry(Arc::clone(&lane)).or_default().entries.push_back(entry);
        let mut moves = Moves::default();
        self.advance(&lane, &mut moves);
        moves
    }

    /// Takes up to `max` stanzas to ask the platform about; they are Asking until [`Lanes::answer`] or [`Lanes::unasked`].
    pub fn take(&mut self, max: usize, now: Instant) -> Vec<Held> {
        let mut batch = Vec::new();
        while batch.len() < max {
            let Some(name) = self.ready.pop_front() else { break };
            let Some(lane) = self.lanes.get_mut(&name) else { continue };
            lane.queued = false;
            if !lane.may_ask() {
                continue;
            }
            for entry in lane.entries.iter_mut().filter(|e| e.state == State::Waiting) {
                if batch.len() >= max {
                    break;
                }
                if entry.not_before.is_some_and(|at| at > now) {
                    if !self.later.contains(&name) {
                        self.later.push(Arc::clone(&name));
                    }
                    break;
                }
                entry.state = State::Asking;
                entry.asked = true;
                batch.push(entry.held.clone());
            }
        }
        batch
    }

    /// Whether [`Lanes::take`] may find something.
    #[must_use]
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The platform's verdict on a stanza. Ignored when the bridge has decided alone meanwhile. True when it counted.
    pub fn answer(&mut self, lane: &Arc<str>, seq: u64, action: Action, moves: &mut Moves) -> bool {
        let Some(entry) = self.entry(lane, seq) else { return false };
        if entry.state != State::Asking {
            return false;
        }
        entry.state = State::Decided(action);
        self.advance(lane, moves);
        true
    }

    /// The request failed: the stanza waits again, not before `at`. `executed` = the platform may have seen it.
    pub fn unasked(&mut self, lane: &Arc<str>, seq: u64, executed: bool, at: Instant) {
        if let Some(entry) = self.entry(lane, seq)
            && entry.state == State::Asking
        {
            entry.state = State::Waiting;
            entry.held.again |= executed;
            entry.not_before = Some(at);
            self.schedule_later(lane);
        }
    }

    /// Stanzas the bridge has to decide alone: over their deadline at `now`, or all (`everything`, the breaker is open). Oldest first.
    #[must_use]
    pub fn overdue(&self, now: Instant, everything: bool) -> Vec<Held> {
        let mut out: Vec<Held> = self
            .lanes
            .values()
            .flat_map(|l| &l.entries)
            .filter(|e| {
                matches!(e.state, State::Waiting | State::Asking) && (everything || e.held.deadline <= now)
            })
            .map(|e| e.held.clone())
            .collect();
        out.sort_by_key(|held| held.seq);
        out
    }

    /// What is being done about this stanza may take until then. False when the bridge has decided alone already.
    pub fn prolong(&mut self, lane: &Arc<str>, seq: u64, deadline: Instant) -> bool {
        let Some(entry) = self.entry(lane, seq).filter(|entry| entry.state == State::Asking) else {
            return false;
        };
        entry.held.deadline = deadline;
        true
    }

    /// The deadline of this stanza is over.
    pub fn expire(&mut self, lane: &Arc<str>, seq: u64) {
        if let Some(entry) = self.entry(lane, seq) {
            entry.held.deadline = Instant::now();
        }
    }

    /// The bridge has decided alone (and journaled that). False when a verdict came first.
    pub fn decide_alone(&mut self, lane: &Arc<str>, seq: u64, action: Action, moves: &mut Moves) -> bool {
        let Some(entry) = self.entry(lane, seq) else { return false };
        if !matches!(entry.state, State::Waiting | State::Asking) {
            return false;
        }
        entry.state = State::Decided(action);
        entry.alone = true;
        self.advance(lane, moves);
        true
    }

    /// The shim reports on an effect. `timeout` is the time limit of what has to be judged anew. Unknown effects are ignored.
    pub fn done(&mut self, effect: u64, outcome: Outcome, now: Instant, timeout: Duration) -> Moves {
        let mut moves = Moves::default();
        let Some(lane) = self.effects.remove(&effect) else { return moves };
        let Some(entries) = self.lanes.get_mut(&lane).map(|l| &mut l.entries) else { return moves };
        let Some(at) =
            entries.iter().position(|e| matches!(e.state, State::InEffect(number, _) if number == effect))
        else {
            return moves;
        };
        let State::InEffect(_, action) = entries[at].state.clone() else { return moves };
        let forced = matches!(action, Action::Release { force: true });
        let releases = matches!(action, Action::Release { .. } | Action::Replace { .. });
        match outcome {
            Outcome::Gone | Outcome::FellBack if releases && !forced && entries[at].held.ask => {
                for (offset, entry) in entries.iter_mut().enumerate().skip(at) {
                    let stale = matches!(&entry.state, State::Decided(Action::Release { force: false }));
                    if offset == at || (stale && entry.held.ask && !entry.alone) {
                        entry.state = State::Waiting;
                        entry.held.again = true;
                        entry.held.gone |= offset == at;
                        entry.held.deadline = now + timeout;
                        entry.not_before = None;
                    }
                }
            }
            Outcome::Connecting if releases => {
                entries[at].state = State::Decided(action);
                entries[at].not_before = Some(now + CONNECTING_PAUSE);
                self.schedule_later(&lane);
                return moves;
            }
            // What a row claimed lives in its packet alone, unless it is a message.
            Outcome::Lost if entries[at].held.token.is_some() && entries[at].held.has_bytes() => {
                entries[at].held.token = None;
                entries[at].state = State::Decided(action);
            }
            Outcome::Failed if !entries[at].failed => {
                entries[at].failed = true;
                entries[at].state = State::Decided(action);
            }
            _ => {
                if let Some(entry) = entries.remove(at) {
                    self.held -= 1;
                    moves.finished.push(Finished { held: entry.held, action, alone: entry.alone });
                }
            }
        }
        self.advance(&lane, &mut moves);
        moves
    }

    /// What an effect is about, while it is under way, and whether the bridge decided it alone.
    #[must_use]
    pub fn of_effect(&self, effect: u64) -> Option<(Held, Action, bool)> {
        let lane = self.lanes.get(self.effects.get(&effect)?)?;
        lane.entries.iter().find_map(|e| match &e.state {
            State::InEffect(number, action) if *number == effect => {
                Some((e.held.clone(), action.clone(), e.alone))
            }
            _ => None,
        })
    }

    /// The shim has let go of a packet: its stanza goes on as bytes.
    pub fn forget_token(&mut self, token: u64) {
        for entry in self.lanes.values_mut().flat_map(|l| &mut l.entries) {
            if entry.held.token == Some(token) {
                entry.held.token = None;
            }
        }
    }

    /// Looks again at the lanes with something that waited for its time.
    pub fn tick(&mut self, now: Instant) -> Moves {
        let mut moves = Moves::default();
        for name in std::mem::take(&mut self.later) {
            let Some(lane) = self.lanes.get_mut(&name) else { continue };
            let mut waits = false;
            for entry in &mut lane.entries {
                match entry.not_before {
                    Some(at) if at <= now => entry.not_before = None,
                    Some(_) => waits = true,
                    None => {}
                }
            }
            if waits {
                self.later.push(Arc::clone(&name));
            }
            self.advance(&name, &mut moves);
        }
        moves
    }

    /// No new effects from now on; those under way may still be reported.
    pub fn freeze(&mut self) {
        self.frozen = true;
    }

    fn entry(&mut self, lane: &Arc<str>, seq: u64) -> Option<&mut Entry> {
        self.lanes.get_mut(lane)?.entries.iter_mut().find(|e| e.held.seq == seq)
    }

    fn schedule_later(&mut self, lane: &Arc<str>) {
        if !self.later.contains(lane) {
            self.later.push(Arc::clone(lane));
        }
    }

    /// Starts the head's effect if it is decided; schedules the lane if it has something to ask; forgets it if it is empty.
    fn advance(&mut self, name: &Arc<str>, moves: &mut Moves) {
        let Some(lane) = self.lanes.get_mut(name) else { return };
        let Some(head) = lane.entries.front_mut() else {
            self.lanes.remove(name);
            return;
        };
        if let State::Decided(action) = &head.state
            && head.not_before.is_none()
            && !self.frozen
        {
            let action = action.clone();
            let effect = self.next_effect;
            self.next_effect += 1;
            head.state = State::InEffect(effect, action.clone());
            self.effects.insert(effect, Arc::clone(name));
            moves.emit.push(Emit { effect, held: head.held.clone(), action });
        }
        if !lane.queued && lane.may_ask() {
            lane.queued = true;
            self.ready.push_back(Arc::clone(name));
        }
    }
}

impl Lane {
    /// Something waits, and nothing that was asked for before is still on its way.
    fn may_ask(&self) -> bool {
        let mut waiting = false;
        for entry in self.entries.iter().filter(|e| e.held.ask && !e.alone) {
            match entry.state {
                State::Waiting => waiting = true,
                _ => return false,
            }
        }
        waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(3);

    fn held(lane: &str, seq: u64, ask: bool) -> Held {
        Held {
            seq,
            key: format!("k{seq}").into(),
            lane: lane.into(),
            token: Some(seq),
            bytes: Arc::from(&b"<message/>"[..]),
            journal_bytes: 10,
            sent_ms: seq,
            row: None,
            ask,
            storable: true,
            again: false,
            gone: false,
            deadline: Instant::now() + LIMIT,
        }
    }

    fn seqs(batch: &[Held]) -> Vec<u64> {
        batch.iter().map(|h| h.seq).collect()
    }

    const DELIVER: Action = Action::Release { force: false };

    /// Answers everything that is asked and carries out every effect; gives the order of what left.
    fn run(lanes: &mut Lanes, mut emits: Vec<Emit>) -> Vec<u64> {
        let mut order = Vec::new();
        loop {
            while let Some(emit) = emits.pop() {
                order.push(emit.held.seq);
                emits.extend(lanes.done(emit.effect, Outcome::Ok, Instant::now(), LIMIT).emit);
            }
            let batch = lanes.take(10, Instant::now());
            if batch.is_empty() {
                return order;
            }
            for held in batch {
                let mut moves = Moves::default();
                assert!(lanes.answer(&held.lane, held.seq, DELIVER, &mut moves));
                emits.extend(moves.emit);
            }
        }
    }

    #[test]
    fn a_lane_keeps_order_and_what_is_not_asked_keeps_its_place() {
        let mut lanes = Lanes::new(1);
        let mut emits = Vec::new();
        for seq in 0..30 {
            emits.extend(lanes.push(held("a>b", seq, seq % 3 != 1), None).emit);
        }
        assert!(emits.is_empty());
        assert_eq!(run(&mut lanes, emits), (0..30).collect::<Vec<_>>());
        assert_eq!((lanes.held(), lanes.busy("a>b")), (0, false));
    }

    #[test]
    fn one_slow_effect_does_not_hold_other_lanes() {
        let mut lanes = Lanes::new(1);
        for (lane, seq) in [("a>b", 1), ("a>b", 2), ("c>d", 3)] {
            lanes.push(held(lane, seq, true), None);
        }
        let batch = lanes.take(10, Instant::now());
        assert_eq!(seqs(&batch), [1, 2, 3]);
        let mut moves = Moves::default();
        for held in &batch {
            lanes.answer(&held.lane, held.seq, DELIVER, &mut moves);
        }
        assert_eq!(
            moves.emit.iter().map(|e| e.held.seq).collect::<Vec<_>>(),
            [1, 3],
            "2 waits for 1, 3 for nobody"
        );
    }

    #[test]
    fn an_undeliverable_message_takes_the_verdicts_behind_it_with_it() {
        let mut lanes = Lanes::new(1);
        for seq in 1..=3 {
            lanes.push(held("a>b", seq, true), None);
        }
        let mut moves = Moves::default();
        for held in lanes.take(10, Instant::now()) {
            lanes.answer(&held.lane, held.seq, DELIVER, &mut moves);
        }
        let moves = lanes.done(moves.emit[0].effect, Outcome::Gone, Instant::now(), LIMIT);
        assert!(moves.emit.is_empty() && moves.finished.is_empty());
        let again = lanes.take(10, Instant::now());
        assert_eq!(seqs(&again), [1, 2, 3]);
        assert_eq!(
            again.iter().map(|h| (h.again, h.gone)).collect::<Vec<_>>(),
            [(true, true), (true, false), (true, false)]
        );
    }

    #[test]
    fn whoever_comes_first_decides_verdict_or_deadline() {
        let mut lanes = Lanes::new(1);
        lanes.push(held("a>b", 1, true), None);
        let batch = lanes.take(10, Instant::now());
        assert!(lanes.overdue(Instant::now(), false).is_empty());
        assert_eq!(lanes.overdue(Instant::now() + 2 * LIMIT, false).len(), 1);
        let mut moves = Moves::default();
        assert!(lanes.decide_alone(&batch[0].lane, 1, Action::Release { force: true }, &mut moves));
        assert!(!lanes.answer(&batch[0].lane, 1, Action::Stored, &mut moves), "too late");
        assert_eq!(moves.emit.len(), 1);
        assert!(
            lanes.done(moves.emit[0].effect, Outcome::Gone, Instant::now(), LIMIT).finished[0].alone,
            "forced: nobody is asked again"
        );
    }

    #[test]
    fn a_connecting_recipient_is_tried_again_and_a_lost_packet_goes_on_as_bytes() {
        let mut lanes = Lanes::new(1);
        lanes.push(held("a>b", 1, true), None);
        lanes.push(held("a>b", 2, true), None);
        let mut moves = Moves::default();
        for held in lanes.take(10, Instant::now()) {
            lanes.answer(&held.lane, held.seq, DELIVER, &mut moves);
        }
        let now = Instant::now();
        assert!(lanes.done(moves.emit[0].effect, Outcome::Connecting, now, LIMIT).emit.is_empty());
        assert!(lanes.tick(now).emit.is_empty());
        let later = lanes.tick(now + CONNECTING_PAUSE);
        assert_eq!(later.emit.len(), 1);
        let lost = lanes.done(later.emit[0].effect, Outcome::Lost, now, LIMIT);
        assert_eq!(lost.emit[0].held.token, None);
        let failed = lanes.done(lost.emit[0].effect, Outcome::Failed, now, LIMIT);
        let gave_up = lanes.done(failed.emit[0].effect, Outcome::Failed, now, LIMIT);
        assert_eq!((gave_up.finished.len(), gave_up.emit[0].held.seq), (1, 2));
    }

    #[test]
    fn a_failed_request_is_asked_again_in_its_place() {
        let mut lanes = Lanes::new(1);
        for seq in 1..=2 {
            lanes.push(held("a>b", seq, true), None);
        }
        let now = Instant::now();
        for held in lanes.take(10, now) {
            lanes.unasked(&held.lane, held.seq, true, now + LIMIT);
        }
        assert!(lanes.take(10, now).is_empty());
        assert!(lanes.tick(now + LIMIT).emit.is_empty());
        let batch = lanes.take(10, now + LIMIT);
        assert_eq!(seqs(&batch), [1, 2]);
        assert!(batch.iter().all(|h| h.again));
    }
}
