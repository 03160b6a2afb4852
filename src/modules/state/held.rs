//! Changes that wait until the platform has stored them (design, "IQ and presence"): at most one per session, a newer one takes its place.
//!
//! The shim has the last word at a release: it drops what belongs to a session that has ended or of which something newer was seen.

use std::time::{Duration, Instant};

use im_api::state::Session;

use super::{Belief, PAUSE, Reading, Sessions, reaches};
use crate::ffi::frame::Outcome;

/// How far a held change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Waits for the pause of its session to end.
    Paused,
    /// To be told now.
    Queued,
    /// In the request under way.
    Asked,
    /// Decided, behind an earlier one whose release is under way.
    Decided(Fate),
}

#[derive(Debug, Clone)]
pub(super) struct Held {
    pub token: u64,
    /// The state that the session will have.
    pub target: Session,
    pub stage: Stage,
    /// When it was first asked for; its time limit counts from here.
    pub asked_at: Option<Instant>,
    /// What the platform would know without it, if that is certain.
    pub before: Option<Belief>,
}

/// How an offered change is to be treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Held until the platform has stored it.
    Ask,
    /// Not held.
    Pass,
    /// Dropped: the platform cannot be asked, and the setting says closed.
    Refuse,
}

/// What became of an offered change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offered {
    /// It goes its way; if it is a change, a reading will say so.
    Passed,
    /// It is held or refused.
    Taken,
}

/// Why a held change ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The platform has stored it.
    Released,
    /// Released without the platform.
    Alone,
    /// Dropped, because the platform does not answer.
    Refused,
    /// Dropped, because the session sent a newer one.
    Superseded,
    /// Dropped, because the session has closed or is not available any more.
    Gone,
    /// Dropped, because Openfire failed to route it.
    Failed,
}

/// An effect that follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// Its number.
    pub effect: u64,
    /// Of the held presence.
    pub token: u64,
    /// Whether it is released or dropped, and why.
    pub fate: Fate,
}

impl Fate {
    /// Whether the presence is routed.
    #[must_use]
    pub fn releases(self) -> bool {
        matches!(self, Fate::Released | Fate::Alone)
    }
}

impl Sessions {
    /// A session sends presence without `to` and `type`; `reading` says what it would be (its sequence does not count). An older one that is still
    /// held is dropped in any case: this one is newer. Only a change of show or status is held.
    pub fn offer(&mut self, token: u64, reading: &Reading, how: How, now: Instant) -> (Offered, Vec<Move>) {
        let jid = &reading.jid;
        let mut moves: Vec<Move> = self.unhold(jid, Fate::Superseded).into_iter().collect();
        let target = super::session(reading);
        let waits = match (self.known.get(jid), &target) {
            (Some(known), Some(target)) if known.open && known.session.available => {
                let (show, status) = (&known.session.show, &known.session.status);
                reaches(&known.session) == reaches(target)
                    // Behind one whose release is under way, or it would overtake it.
                    && (known.releasing.is_some() || (show, status) != (&target.show, &target.status))
            }
            _ => false,
        };
        let offered = match (how, target) {
            (How::Ask, Some(target)) if waits => {
                if let Some(known) = self.known.get_mut(jid) {
                    let stage = Stage::Paused;
                    known.held = Some(Held { token, target, stage, asked_at: None, before: None });
                    self.holding.insert(jid.clone());
                    self.ask_for_held(jid, now);
                }
                Offered::Taken
            }
            (How::Refuse, _) if waits => {
                moves.push(self.effect(token, Fate::Refused));
                Offered::Taken
            }
            _ => Offered::Passed,
        };
        if offered == Offered::Passed || how == How::Refuse {
            self.tell_soon(jid, now);
        }
        (offered, moves)
    }

    /// How many changes are held.
    #[must_use]
    pub fn holding(&self) -> usize {
        self.holding.len()
    }

    /// How many changes are held or being released.
    #[must_use]
    pub fn held(&self) -> usize {
        self.holding.len() + self.effects.len()
    }

    /// Ends what has been asked for longer than `limit`, or everything that is held, without the platform: released, or dropped if `refuse`. The
    /// platform learns what the session really is as soon as it can.
    pub fn decide_alone(&mut self, limit: Option<Duration>, refuse: bool, now: Instant) -> Vec<Move> {
        let over = |held: &Held| match (limit, held.stage) {
            (_, Stage::Decided(_)) => false,
            (None, _) => true,
            (Some(limit), _) => held.asked_at.is_some_and(|at| at + limit <= now),
        };
        let due: Vec<String> = self
            .holding
            .iter()
            .filter(|jid| self.known.get(*jid).and_then(|known| known.held.as_ref()).is_some_and(over))
            .cloned()
            .collect();
        let mut moves = Vec::new();
        for jid in due {
            let Some(held) = self.take_held(&jid) else { continue };
            self.forget_asking(&jid, &held);
            if refuse {
                moves.push(self.effect(held.token, Fate::Refused));
            } else {
                moves.extend(self.release(&jid, held, Fate::Alone));
            }
            self.tell_soon(&jid, now);
        }
        moves
    }

    /// The shim reports the end of a release. Gives what follows.
    pub fn done(&mut self, effect: u64, outcome: Outcome, now: Instant) -> Vec<Move> {
        let mut moves = Vec::new();
        let Some((jid, token)) = self.effects.remove(&effect) else { return moves };
        if outcome == Outcome::Failed {
            // It is still in the shim's hands.
            moves.push(self.effect(token, Fate::Failed));
        }
        let Some(known) = self.known.get_mut(&jid).filter(|k| k.releasing == Some(effect)) else {
            return moves;
        };
        known.releasing = None;
        if let Some(Stage::Decided(fate)) = known.held.as_ref().map(|held| held.stage)
            && let Some(held) = self.take_held(&jid)
        {
            moves.extend(self.release(&jid, held, fate));
        } else if outcome == Outcome::Ok {
            // A reading says so soon; if not, what is known is told again.
            self.look_again(&jid, now + PAUSE);
        } else {
            // What the platform was told has not happened.
            self.tell_soon(&jid, now);
        }
        moves
    }

    /// The shim has let go of a held presence.
    pub fn lost(&mut self, token: u64, now: Instant) {
        let of = |jid: &&String| {
            self.known.get(*jid).and_then(|k| k.held.as_ref()).is_some_and(|held| held.token == token)
        };
        let Some(jid) = self.holding.iter().find(of).cloned() else { return };
        if let Some(held) = self.take_held(&jid) {
            self.forget_asking(&jid, &held);
            self.tell_soon(&jid, now);
        }
    }

    /// Drops what is held for a session, if something is.
    pub(super) fn unhold(&mut self, jid: &str, fate: Fate) -> Option<Move> {
        let held = self.take_held(jid)?;
        self.forget_asking(jid, &held);
        Some(self.effect(held.token, fate))
    }

    /// Has the held change of a session told, now or when its pause is over.
    pub(super) fn ask_for_held(&mut self, jid: &str, now: Instant) {
        let Some(known) = self.known.get_mut(jid) else { return };
        if known.held.as_ref().is_none_or(|held| matches!(held.stage, Stage::Decided(_))) {
            return;
        }
        let begun = known.held.as_ref().is_some_and(|held| held.asked_at.is_some());
        let until = known.paced.map(|at| at + PAUSE).filter(|until| *until > now && !begun);
        if let Some(until) = until {
            self.outbox.pause(jid, known, until);
            return;
        }
        let replaces = self.outbox.queue_held(jid);
        let Some(held) = known.held.as_mut() else { return };
        held.stage = Stage::Queued;
        held.asked_at.get_or_insert(now);
        held.before = known.told.take().filter(|_| !replaces);
        known.told = Some((true, held.target.clone()));
    }

    pub(super) fn take_held(&mut self, jid: &str) -> Option<Held> {
        self.holding.remove(jid);
        self.known.get_mut(jid)?.held.take()
    }

    /// It does not leave any more. If it has left already, the answer to its request says what the platform knows.
    fn forget_asking(&mut self, jid: &str, held: &Held) {
        if held.stage == Stage::Queued
            && let Some(known) = self.known.get_mut(jid)
        {
            self.outbox.recall(jid);
            known.told = held.before.clone();
        }
    }

    /// Releases, or waits for the release of an earlier one.
    pub(super) fn release(&mut self, jid: &str, mut held: Held, fate: Fate) -> Option<Move> {
        let known = self.known.get_mut(jid)?;
        if known.releasing.is_some() {
            held.stage = Stage::Decided(fate);
            known.held = Some(held);
            self.holding.insert(jid.to_owned());
            return None;
        }
        known.releasing = Some(self.next_effect);
        self.effects.insert(self.next_effect, (jid.to_owned(), held.token));
        Some(self.effect(held.token, fate))
    }

    fn effect(&mut self, token: u64, fate: Fate) -> Move {
        self.next_effect += 1;
        Move { effect: self.next_effect - 1, token, fate }
    }
}
