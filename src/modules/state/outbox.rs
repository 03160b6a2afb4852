//! What the platform is told, and when. The first change of a session at once, later ones at most one per [`PAUSE`], the last one wins; what others
//! can reach somebody by is never delayed.
//!
//! The numbers under which the platform orders changes are given here, when a change leaves, and only here. The shim's own sequence orders readings
//! in the table and goes no further: so a held change that is told early takes nothing away from the notice that closes its session, and a
//! notice that was overtaken by another session's is not below a snapshot's number.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::time::{Duration, Instant};

use im_api::state::{Session, StateChange};

use super::held::{Fate, Move, Stage};
use super::{Known, Sessions, reaches};

/// Between two changes of one session that can wait.
pub const PAUSE: Duration = Duration::from_millis(2500);
/// Above this many waiting changes only the last of each session is kept.
const COALESCE_ABOVE: usize = 4096;

/// Something to be told.
#[derive(Debug, Clone)]
enum Entry {
    /// A state that a session has.
    State { jid: String, open: bool, session: Session, urgent: bool },
    /// The change that is held for a session; which one is looked up when it leaves.
    Held { jid: String },
}

impl Entry {
    fn jid(&self) -> &str {
        match self {
            Entry::State { jid, .. } | Entry::Held { jid } => jid,
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Outbox {
    queue: VecDeque<Entry>,
    /// Sessions to look at again, and when.
    later: BTreeSet<(Instant, String)>,
    /// The one request under way; with the token of a held change.
    flight: Vec<(Entry, Option<u64>)>,
    number: u64,
    /// Nothing leaves any more.
    ended: bool,
}

impl Outbox {
    /// An empty one that goes on with its numbers.
    pub fn emptied(&self) -> Outbox {
        Outbox { number: self.number, ended: self.ended, ..Default::default() }
    }

    fn next(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    fn last_of(&mut self, jid: &str) -> Option<&mut Entry> {
        self.queue.iter_mut().rev().find(|entry| entry.jid() == jid)
    }

    pub fn pause(&mut self, jid: &str, known: &mut Known, until: Instant) {
        if known.paused.is_none() {
            known.paused = Some(until);
            self.later.insert((until, jid.to_owned()));
        }
    }

    /// The held change of this session does not leave.
    pub fn recall(&mut self, jid: &str) {
        self.queue.retain(|entry| !matches!(entry, Entry::Held { jid: of } if of == jid));
    }

    /// Queues the held change of a session. True when it takes the place of something that need not be told any more.
    pub fn queue_held(&mut self, jid: &str) -> bool {
        let before = self.queue.len();
        self.queue.retain(|e| e.jid() != jid || matches!(e, Entry::State { urgent: true, .. }));
        let replaces = self.queue.len() != before;
        self.queue.push_back(Entry::Held { jid: jid.to_owned() });
        replaces
    }

    /// Keeps the last change of each session only, so that a dead platform costs no more memory than there are sessions.
    fn coalesce(&mut self) {
        let mut seen = HashSet::new();
        let mut kept: VecDeque<Entry> = VecDeque::new();
        while let Some(entry) = self.queue.pop_back() {
            if seen.insert((entry.jid().to_owned(), matches!(entry, Entry::Held { .. }))) {
                kept.push_front(entry);
            }
        }
        self.queue = kept;
    }
}

impl Sessions {
    /// Tells what is known of a session, at once.
    pub(super) fn tell_at_once(&mut self, jid: &str) {
        let Some(known) = self.known.get_mut(jid) else { return };
        // Told before is a close or login that the platform needs as well (claims, rooms); a mere show is not.
        self.outbox.queue.retain(|e| e.jid() != jid || matches!(e, Entry::State { urgent: true, .. }));
        known.told = Some(known.belief());
        let (open, session) = known.belief();
        self.outbox.queue.push_back(Entry::State { jid: jid.to_owned(), open, session, urgent: true });
        if self.outbox.queue.len() > COALESCE_ABOVE {
            self.outbox.coalesce();
        }
    }

    /// Tells what is known of a session, if the platform does not know it, as soon as its pause is over.
    pub(super) fn tell_soon(&mut self, jid: &str, now: Instant) {
        let Some(known) = self.known.get_mut(jid) else { return };
        if known.is_told() {
            return;
        }
        let belief = known.belief();
        let until = match self.outbox.last_of(jid) {
            Some(Entry::State { open, session, .. })
                if *open == known.open && reaches(session) == reaches(&known.session) =>
            {
                *session = belief.1.clone();
                known.told = Some(belief);
                return;
            }
            Some(Entry::Held { .. }) => Some(now + PAUSE),
            _ => known.paced.map(|at| at + PAUSE).filter(|until| *until > now),
        };
        match until {
            Some(until) => self.outbox.pause(jid, known, until),
            None => {
                let (open, session) = belief.clone();
                known.told = Some(belief);
                let jid = jid.to_owned();
                self.outbox.queue.push_back(Entry::State { jid, open, session, urgent: false });
            }
        }
    }

    /// Looks at sessions whose pause is over.
    fn wake(&mut self, now: Instant) {
        while self.outbox.later.first().is_some_and(|(at, _)| *at <= now) {
            let Some((at, jid)) = self.outbox.later.pop_first() else { break };
            let Some(known) = self.known.get_mut(&jid) else { continue };
            if known.paused != Some(at) {
                continue;
            }
            known.paused = None;
            match known.held.as_ref().map(|held| held.stage) {
                Some(Stage::Paused) => self.ask_for_held(&jid, now),
                // Its end looks again.
                _ if known.held.is_some() || known.releasing.is_some() => {}
                _ => self.tell_soon(&jid, now),
            }
        }
    }

    /// Looks at a session at a time when what was told of it must have become true.
    pub(super) fn look_again(&mut self, jid: &str, at: Instant) {
        if let Some(known) = self.known.get_mut(jid) {
            self.outbox.pause(jid, known, at);
        }
    }

    /// Whether something is to be told now.
    #[must_use]
    pub fn has_changes(&self, now: Instant) -> bool {
        !self.outbox.ended
            && (!self.outbox.queue.is_empty() || self.outbox.later.first().is_some_and(|(at, _)| *at <= now))
    }

    /// When something that pauses is to be told.
    #[must_use]
    pub fn next_change(&self) -> Option<Instant> {
        self.outbox.later.first().map(|(at, _)| *at)
    }

    /// Up to `max` changes, in order, for one request. The next call is [`Sessions::stored`] or [`Sessions::give_back`].
    pub fn changes(&mut self, max: usize, now: Instant) -> Vec<StateChange> {
        let mut batch = Vec::new();
        if self.outbox.ended {
            return batch;
        }
        self.wake(now);
        while batch.len() < max {
            let Some(entry) = self.outbox.queue.pop_front() else { break };
            let Some(known) = self.known.get_mut(entry.jid()) else { continue };
            let (open, session, token) = match &entry {
                Entry::State { open, session, urgent, .. } => {
                    if !urgent {
                        known.paced = Some(now);
                    }
                    (*open, session.clone(), None)
                }
                Entry::Held { .. } => {
                    let Some(held) = known.held.as_mut() else { continue };
                    held.stage = Stage::Asked;
                    known.paced = Some(now);
                    (true, held.target.clone(), Some(held.token))
                }
            };
            batch.push(StateChange { seq: self.outbox.next(), open, session });
            self.outbox.flight.push((entry, token));
        }
        batch
    }

    /// The platform has stored what [`Sessions::changes`] gave. Gives what can be released now.
    pub fn stored(&mut self) -> Vec<Move> {
        let mut moves = Vec::new();
        for (entry, token) in std::mem::take(&mut self.outbox.flight) {
            let held = self.known.get(entry.jid()).and_then(|known| known.held.as_ref());
            if token.is_some() && held.is_some_and(|held| Some(held.token) == token) {
                let held = self.take_held(entry.jid());
                moves.extend(held.and_then(|held| self.release(entry.jid(), held, Fate::Released)));
            }
        }
        moves
    }

    /// What [`Sessions::changes`] gave could not be told, or nobody knows whether it was: it is told again, unless something newer is.
    pub fn give_back(&mut self, now: Instant) {
        for (entry, token) in std::mem::take(&mut self.outbox.flight).into_iter().rev() {
            let jid = entry.jid().to_owned();
            let newer = self.outbox.last_of(&jid).is_some();
            let Some(known) = self.known.get_mut(&jid) else { continue };
            if let Some(held) = known.held.as_mut() {
                held.before = None;
            }
            let back = match (&entry, token) {
                (Entry::State { urgent, .. }, _) => *urgent || !newer,
                (Entry::Held { .. }, token) => match known.held.as_mut() {
                    Some(held) if Some(held.token) == token => {
                        held.stage = Stage::Queued;
                        true
                    }
                    _ => false,
                },
            };
            if back {
                self.outbox.queue.push_front(entry);
            } else if !newer {
                known.told = None;
                self.tell_soon(&jid, now);
            }
        }
    }

    /// The number of a snapshot and all open sessions in it; changes before it need not be told any more. None after [`Sessions::end`].
    pub fn snapshot(&mut self, now: Instant) -> Option<(u64, Vec<Session>)> {
        if self.outbox.ended {
            return None;
        }
        let number = self.outbox.next();
        self.outbox.queue.clear();
        self.outbox.flight.clear();
        self.outbox.later.clear();
        for known in self.known.values_mut() {
            known.told = Some(known.belief());
            known.paused = None;
        }
        // They are not among the states that sessions have; they are told behind it.
        for jid in self.holding.iter().cloned().collect::<Vec<_>>() {
            self.ask_for_held(&jid, now);
        }
        let open = self.known.values().filter(|k| k.open);
        Some((number, open.map(|k| k.session.clone()).collect()))
    }

    /// The number of the last thing that is told: that all sessions are gone. None when it has been given.
    pub fn end(&mut self) -> Option<u64> {
        (!std::mem::replace(&mut self.outbox.ended, true)).then(|| self.outbox.next())
    }
}
