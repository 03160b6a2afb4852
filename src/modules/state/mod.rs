//! State: what the bridge knows of its sessions, in the shape the platform wants it (paper: "state management").
//!
//! The table is fed by notices of the shim, which may overtake each other; a reading that is older than what is known is ignored. It is the
//! source of every snapshot, so the platform can forget everything at any time.

use std::collections::{HashMap, VecDeque};

use im_api::state::{Session, Show, StateChange};
use jid::Jid;

/// Above this many waiting changes only the last of each session is kept.
const COALESCE_ABOVE: usize = 4096;

/// One reading of one session.
#[derive(Debug, Clone)]
pub struct Reading {
    /// Full JID.
    pub jid: String,
    /// Taken before the state was read; grows.
    pub seq: u64,
    /// Whether the session exists.
    pub open: bool,
    /// Has sent available presence.
    pub available: bool,
    /// Priority.
    pub priority: i32,
    /// Show, empty for none.
    pub show: String,
    /// Status text.
    pub status: String,
}

#[derive(Debug, Clone)]
struct Known {
    seq: u64,
    open: bool,
    session: Session,
}

/// All sessions of this node.
#[derive(Debug, Default)]
pub struct Sessions {
    known: HashMap<String, Known>,
    /// Bare JID to full JIDs.
    users: HashMap<String, Vec<String>>,
    changes: VecDeque<StateChange>,
    last_seq: u64,
    /// The shim has listed all sessions at least once.
    complete: bool,
}

impl Sessions {
    /// One session changed.
    pub fn apply(&mut self, reading: &Reading) {
        self.last_seq = self.last_seq.max(reading.seq);
        let Some(session) = session(reading) else { return };
        if let Some(known) = self.known.get(&reading.jid) {
            if known.seq >= reading.seq {
                return;
            }
            if known.open == reading.open && known.session == session {
                // Nothing new for the platform, but older readings must still lose.
                if let Some(known) = self.known.get_mut(&reading.jid) {
                    known.seq = reading.seq;
                }
                return;
            }
        }
        let user = session.user.clone();
        self.changes.push_back(StateChange {
            seq: reading.seq,
            open: reading.open,
            session: session.clone(),
        });
        if self.changes.len() > COALESCE_ABOVE {
            self.coalesce();
        }
        self.known.insert(reading.jid.clone(), Known { seq: reading.seq, open: reading.open, session });
        let jids = self.users.entry(user).or_default();
        jids.retain(|jid| *jid != reading.jid);
        if reading.open {
            jids.push(reading.jid.clone());
        }
        self.forget_closed();
    }

    /// The shim listed all sessions: what it did not list and what is not known from a later notice is closed.
    pub fn replace(&mut self, seq: u64, all: &[Reading]) {
        let listed: std::collections::HashSet<&str> = all.iter().map(|r| r.jid.as_str()).collect();
        let gone: Vec<Reading> = self
            .known
            .iter()
            .filter(|(jid, known)| known.open && known.seq < seq && !listed.contains(jid.as_str()))
            .map(|(jid, known)| Reading {
                jid: jid.clone(),
                seq,
                open: false,
                available: false,
                priority: i32::from(known.session.priority),
                show: String::new(),
                status: String::new(),
            })
            .collect();
        all.iter().chain(&gone).for_each(|reading| self.apply(reading));
        self.last_seq = self.last_seq.max(seq);
        self.complete = true;
    }

    /// Whether a snapshot can be made.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.complete
    }

    /// Forgets that the list was complete (nobody told us for a while).
    pub fn reset(&mut self) {
        *self = Sessions::default();
    }

    /// All open sessions and the sequence they reflect; the changes before it are dropped.
    pub fn snapshot(&mut self) -> (u64, Vec<Session>) {
        self.changes.clear();
        (self.last_seq, self.known.values().filter(|k| k.open).map(|k| k.session.clone()).collect())
    }

    /// Up to `max` changes, in order. Give them back with [`Sessions::give_back`] when they could not be sent.
    pub fn changes(&mut self, max: usize) -> Vec<StateChange> {
        let count = self.changes.len().min(max);
        self.changes.drain(..count).collect()
    }

    /// Puts changes back in front.
    pub fn give_back(&mut self, changes: Vec<StateChange>) {
        for change in changes.into_iter().rev() {
            self.changes.push_front(change);
        }
    }

    /// Whether changes wait to be sent.
    #[must_use]
    pub fn has_changes(&self) -> bool {
        !self.changes.is_empty()
    }

    /// The full JID and resource of the session that should take a user's messages: available, priority not negative, the highest first.
    #[must_use]
    pub fn best(&self, user: &str) -> Option<(String, String)> {
        self.users
            .get(user)?
            .iter()
            .filter_map(|jid| self.known.get(jid).map(|known| (jid, &known.session)))
            .filter(|(_, s)| s.available && s.priority >= 0)
            .max_by_key(|(_, s)| s.priority)
            .map(|(jid, s)| (jid.clone(), s.resource.clone()))
    }

    /// Open sessions and how many of them are available.
    #[must_use]
    pub fn count(&self) -> (usize, usize) {
        let open = self.known.values().filter(|k| k.open);
        (open.clone().count(), open.filter(|k| k.session.available).count())
    }

    /// Keeps the last change of each session only, so that a dead platform costs no more memory than there are sessions.
    fn coalesce(&mut self) {
        let mut seen = std::collections::HashSet::new();
        let mut kept: VecDeque<StateChange> = VecDeque::new();
        while let Some(change) = self.changes.pop_back() {
            if seen.insert((change.session.user.clone(), change.session.resource.clone())) {
                kept.push_front(change);
            }
        }
        self.changes = kept;
    }

    /// Closed sessions are kept for a while so that late readings of them lose; not for ever.
    fn forget_closed(&mut self) {
        if self.known.len() > 1024 && self.known.len() > 4 * self.users.values().map(Vec::len).sum::<usize>()
        {
            let old = self.last_seq.saturating_sub(10_000);
            self.known.retain(|_, known| known.open || known.seq > old);
            self.users.retain(|_, jids| !jids.is_empty());
        }
    }
}

fn session(reading: &Reading) -> Option<Session> {
    let jid = Jid::new(&reading.jid).ok()?;
    let resource = jid.resource()?.to_string();
    jid.node()?;
    Some(Session {
        user: jid.to_bare().to_string(),
        resource,
        available: reading.open && reading.available,
        priority: i8::try_from(reading.priority.clamp(-128, 127)).unwrap_or(0),
        show: match reading.show.as_str() {
            "away" => Some(Show::Away),
            "chat" => Some(Show::Chat),
            "dnd" => Some(Show::Dnd),
            "xa" => Some(Show::Xa),
            _ => None,
        },
        status: Some(reading.status.chars().take(1024).collect::<String>()).filter(|s| !s.is_empty()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(jid: &str, seq: u64, available: bool, priority: i32) -> Reading {
        Reading {
            jid: jid.into(),
            seq,
            open: true,
            available,
            priority,
            show: String::new(),
            status: String::new(),
        }
    }

    #[test]
    fn an_older_reading_never_overwrites_a_newer_one() {
        let mut sessions = Sessions::default();
        sessions.apply(&reading("a@b/c", 5, true, 1));
        sessions.apply(&reading("a@b/c", 4, false, 1));
        assert_eq!(sessions.best("a@b"), Some(("a@b/c".into(), "c".into())));
        sessions.replace(3, &[]);
        assert!(sessions.best("a@b").is_some(), "opened after the list was made");
        sessions.replace(6, &[reading("x@b/y", 6, true, 0)]);
        assert_eq!(sessions.best("a@b"), None, "not in a later list");
        assert_eq!(sessions.snapshot().1.len(), 1);
        assert!(sessions.changes(10).is_empty(), "a snapshot contains them");
    }

    #[test]
    fn the_best_session_has_the_highest_priority_that_is_not_negative() {
        let mut sessions = Sessions::default();
        for (jid, priority) in [("a@b/1", 1), ("a@b/2", 7), ("a@b/3", -1)] {
            sessions.apply(&reading(jid, 10, true, priority));
        }
        assert_eq!(sessions.best("a@b"), Some(("a@b/2".into(), "2".into())));
        sessions.apply(&Reading { open: false, ..reading("a@b/2", 50, false, 7) });
        assert_eq!(sessions.best("a@b"), Some(("a@b/1".into(), "1".into())));
    }
}
