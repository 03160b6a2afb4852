//! State: what the bridge knows of its sessions, in the shape the platform wants it (paper: "state management").
//!
//! The table is fed by notices of the shim, which may overtake each other; a reading that is older than what is known is ignored. It is the
//! source of every snapshot, so the platform can forget everything at any time. What the platform is told, and when, is `outbox`; changes that
//! wait until the platform has stored them are `held`.
//!
//! This is a data structure: no I/O, no thread, no clock but the `Instant`s it is given.

mod held;
mod outbox;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use im_api::state::{Session, Show};
use jid::Jid;

pub use self::held::{Fate, How, Move, Offered};
pub use self::outbox::PAUSE;

/// Characters of a status text that the platform takes.
const STATUS_MAX: usize = 1024;

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

/// What somebody believes of a session.
type Belief = (bool, Session);

#[derive(Debug, Clone)]
struct Known {
    /// The shim's, of the last reading.
    seq: u64,
    open: bool,
    session: Session,
    /// What the platform knows when all that is under way has reached it; None: not certain.
    told: Option<Belief>,
    /// When a change that could have waited was last told.
    paced: Option<Instant>,
    /// It is looked at again then.
    paused: Option<Instant>,
    held: Option<held::Held>,
    /// The effect that releases an earlier change.
    releasing: Option<u64>,
}

impl Known {
    fn belief(&self) -> Belief {
        (self.open, self.session.clone())
    }

    fn is_told(&self) -> bool {
        self.told.as_ref().is_some_and(|(open, session)| *open == self.open && *session == self.session)
    }
}

/// All sessions of this node.
#[derive(Debug, Default)]
pub struct Sessions {
    known: HashMap<String, Known>,
    /// Bare JID to full JIDs.
    users: HashMap<String, Vec<String>>,
    last_seq: u64,
    /// The shim has listed all sessions at least once.
    complete: bool,
    outbox: outbox::Outbox,
    /// Sessions with a held change.
    holding: HashSet<String>,
    /// Which session and token a release belongs to.
    effects: HashMap<u64, (String, u64)>,
    next_effect: u64,
}

impl Sessions {
    /// Effects that release or refuse held changes are numbered from `first_effect` on.
    #[must_use]
    pub fn new(first_effect: u64) -> Self {
        Sessions { next_effect: first_effect, ..Default::default() }
    }

    /// One session changed. Gives what becomes of a change that was held for it.
    pub fn apply(&mut self, reading: &Reading, now: Instant) -> Vec<Move> {
        self.last_seq = self.last_seq.max(reading.seq);
        let mut moves = Vec::new();
        let Some(session) = session(reading) else { return moves };
        let mut urgent = true;
        if let Some(known) = self.known.get_mut(&reading.jid) {
            if known.seq >= reading.seq {
                return moves;
            }
            known.seq = reading.seq;
            if known.open == reading.open && known.session == session {
                return moves;
            }
            urgent = known.open != reading.open || reaches(&known.session) != reaches(&session);
        }
        if urgent {
            // It was asked for in another state of the session: whoever changed that has been seen later.
            moves.extend(self.unhold(&reading.jid, Fate::Gone));
        }
        let user = session.user.clone();
        let known = self.known.entry(reading.jid.clone()).or_insert_with(|| Known {
            seq: reading.seq,
            open: reading.open,
            session: session.clone(),
            told: None,
            paced: None,
            paused: None,
            held: None,
            releasing: None,
        });
        if reading.open && !known.open {
            // Another session with the address of one that has ended: what that one told holds up nothing of this.
            known.paced = None;
        }
        (known.open, known.session) = (reading.open, session);
        let jids = self.users.entry(user).or_default();
        jids.retain(|jid| *jid != reading.jid);
        if reading.open {
            jids.push(reading.jid.clone());
        }
        match urgent {
            true => self.tell_at_once(&reading.jid),
            false => self.tell_soon(&reading.jid, now),
        }
        self.forget_closed();
        moves
    }

    /// The shim listed all sessions: what it did not list and what is not known from a later notice is closed.
    pub fn replace(&mut self, seq: u64, all: &[Reading], now: Instant) -> Vec<Move> {
        let listed: HashSet<&str> = all.iter().map(|r| r.jid.as_str()).collect();
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
        let moves = all.iter().chain(&gone).flat_map(|reading| self.apply(reading, now)).collect();
        self.last_seq = self.last_seq.max(seq);
        self.complete = true;
        moves
    }

    /// Whether a snapshot can be made.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.complete
    }

    /// Forgets all sessions (nobody told us for a while). What the platform was told stays below what it will be told. Held changes are for the
    /// caller to end first ([`Sessions::decide_alone`]).
    pub fn reset(&mut self) {
        *self =
            Sessions { outbox: self.outbox.emptied(), next_effect: self.next_effect, ..Default::default() };
    }

    /// The full JID and resource of the session that should take a user's messages: available, priority not negative, the highest first.
    #[must_use]
    pub fn best(&self, user: &str) -> Option<(String, String)> {
        self.sessions_of(user)
            .filter(|(_, s)| s.available && s.priority >= 0)
            .max_by_key(|(_, s)| s.priority)
            .map(|(jid, s)| (jid.to_owned(), s.resource.clone()))
    }

    /// A user's open sessions here, by full JID.
    pub fn sessions_of(&self, user: &str) -> impl Iterator<Item = (&str, &Session)> {
        let jids = self.users.get(user).into_iter().flatten();
        jids.filter_map(|jid| self.known.get(jid).map(|known| (jid.as_str(), &known.session)))
    }

    /// Open sessions and how many of them are available.
    #[must_use]
    pub fn count(&self) -> (usize, usize) {
        let open = self.known.values().filter(|k| k.open);
        (open.clone().count(), open.filter(|k| k.session.available).count())
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

/// What others can reach it by: a change of this is never delayed.
fn reaches(session: &Session) -> (bool, bool) {
    (session.available, session.available && session.priority >= 0)
}

fn session(reading: &Reading) -> Option<Session> {
    let jid = Jid::new(&reading.jid).ok()?;
    let resource = jid.resource()?.to_string();
    jid.node()?;
    Some(Session {
        user: jid.to_bare().to_string(),
        resource,
        available: reading.open && reading.available,
        priority: priority(reading.priority),
        show: show(&reading.show),
        status: status(&reading.status),
    })
}

fn priority(number: i32) -> i8 {
    i8::try_from(number.clamp(-128, 127)).unwrap_or(0)
}

fn show(word: &str) -> Option<Show> {
    match word {
        "away" => Some(Show::Away),
        "chat" => Some(Show::Chat),
        "dnd" => Some(Show::Dnd),
        "xa" => Some(Show::Xa),
        _ => None,
    }
}

fn status(text: &str) -> Option<String> {
    Some(text.chars().take(STATUS_MAX).collect::<String>()).filter(|s| !s.is_empty())
}
