//! Random walks: clients, an Openfire whose notices overtake each other, a shim that carries out effects late, a link that loses answers and sends
//! requests that arrive late, a platform that goes by the contract's rules. When all is quiet nobody is a ghost and the last state has won.

use std::collections::{HashMap, VecDeque};

use super::*;

const JIDS: [&str; 3] = ["a@b/1", "a@b/2", "x@b/1"];
const SHOWS: [&str; 4] = ["", "away", "dnd", "xa"];
const LIMIT: Duration = Duration::from_secs(2);

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }
    fn choose<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }
}

/// What is true of a session in Openfire.
#[derive(Debug, Clone, PartialEq)]
struct Truth {
    reading: Reading,
    /// Presences of it that were seen.
    seen: u64,
}

impl PartialEq for Reading {
    fn eq(&self, other: &Self) -> bool {
        (self.open, self.available, self.priority, &self.show)
            == (other.open, other.available, other.priority, &other.show)
    }
}

/// A request on its way.
#[derive(Debug, Clone)]
enum Request {
    Snapshot(u64, Vec<Session>),
    Changes(Vec<im_api::state::StateChange>),
}

/// The platform's rules (im-api `state.rs`).
#[derive(Debug, Default)]
struct Platform {
    floor: u64,
    sessions: HashMap<String, (u64, bool, Session)>,
}

impl Platform {
    fn execute(&mut self, request: &Request) {
        match request {
            Request::Snapshot(seq, _) if *seq < self.floor => {}
            Request::Snapshot(seq, all) => {
                self.floor = *seq;
                for (jid, known) in &mut self.sessions {
                    if known.0 <= *seq && !all.iter().any(|s| key(s) == *jid) {
                        (known.0, known.1) = (*seq, false);
                    }
                }
                for s in all {
                    let known = self.sessions.get(&key(s)).map(|k| k.0);
                    if known.is_none_or(|known| known <= *seq) {
                        self.sessions.insert(key(s), (*seq, true, s.clone()));
                    }
                }
            }
            Request::Changes(changes) => {
                for c in changes.iter().filter(|c| c.seq > self.floor) {
                    let known = self.sessions.get(&key(&c.session)).map(|k| k.0);
                    if known.is_none_or(|known| known < c.seq) {
                        self.sessions.insert(key(&c.session), (c.seq, c.open, c.session.clone()));
                    }
                }
            }
        }
    }
}

fn key(session: &Session) -> String {
    format!("{}/{}", session.user, session.resource)
}

struct World {
    random: Random,
    now: Instant,
    sessions: Sessions,
    truth: HashMap<&'static str, Truth>,
    seq: u64,
    notices: Vec<Reading>,
    /// Token to its presence and the number of presences seen with it.
    held: HashMap<u64, (&'static str, Reading, u64)>,
    tokens: u64,
    fates: HashMap<u64, u32>,
    effects: VecDeque<Move>,
    platform: Platform,
    late: Vec<Request>,
    snapshot_due: bool,
    /// Writes that could have waited, of the session that an address has now.
    waited: HashMap<String, Vec<Instant>>,
    last: HashMap<String, (bool, Session)>,
}

impl World {
    fn new(seed: u64) -> World {
        let closed = |jid: &&'static str| {
            (*jid, Truth { reading: Reading { open: false, ..super::reading(jid, 0, false, 0) }, seen: 0 })
        };
        World {
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            now: Instant::now(),
            sessions: Sessions::new(1),
            truth: JIDS.iter().map(closed).collect(),
            seq: 0,
            notices: Vec::new(),
            held: HashMap::new(),
            tokens: 0,
            fates: HashMap::new(),
            effects: VecDeque::new(),
            platform: Platform::default(),
            late: Vec::new(),
            snapshot_due: true,
            waited: HashMap::new(),
            last: HashMap::new(),
        }
    }

    fn follow(&mut self, moves: Vec<Move>) {
        for made in moves {
            *self.fates.entry(made.token).or_default() += 1;
            self.effects.push_back(made);
        }
    }

    /// A state is reached in Openfire; its notice goes off.
    fn becomes(&mut self, jid: &'static str, reading: Reading) {
        self.seq += 1;
        self.notices.push(Reading { seq: self.seq, ..reading.clone() });
        self.truth.get_mut(jid).expect("known").reading = reading;
    }

    fn client(&mut self) {
        let jid = self.random.choose(&JIDS);
        let truth = self.truth.get_mut(jid).expect("known");
        let mut next = truth.reading.clone();
        match self.random.below(12) {
            0 | 1 => {
                if next.open {
                    truth.seen += 1;
                    next = Reading { open: false, available: false, ..super::reading(jid, 0, false, 0) };
                    self.becomes(jid, next);
                }
            }
            2 if next.available => {
                truth.seen += 1;
                next.available = false;
                self.becomes(jid, next);
            }
            _ if !next.open => self.becomes(jid, super::reading(jid, 0, false, 0)),
            _ => {
                next.show = self.random.choose(&SHOWS).into();
                next.priority = self.random.choose(&[0, 0, 0, 0, 5, -1]);
                truth.seen += 1;
                if !next.available {
                    next.available = true;
                    return self.becomes(jid, next);
                }
                self.tokens += 1;
                let token = self.tokens;
                let seen = truth.seen;
                let how = self.random.choose(&[How::Ask, How::Ask, How::Ask, How::Pass, How::Refuse]);
                let (offered, moves) = self.sessions.offer(token, &next, how, self.now);
                if offered == Offered::Taken {
                    self.held.insert(token, (jid, next.clone(), seen));
                }
                self.follow(moves);
                if offered == Offered::Passed {
                    self.becomes(jid, next);
                }
            }
        }
    }

    fn notice(&mut self) {
        if self.notices.is_empty() {
            return;
        }
        let at = self.random.below(self.notices.len() as u64) as usize;
        let reading = self.notices.swap_remove(at);
        let open = |world: &Self| world.sessions.known.get(&reading.jid).is_some_and(|known| known.open);
        let before = open(self);
        let moves = self.sessions.apply(&reading, self.now);
        if !before && open(self) {
            // Another session, which has told nothing yet.
            self.waited.remove(&reading.jid);
        }
        self.follow(moves);
    }

    fn effect(&mut self) {
        let Some(made) = self.effects.pop_front() else { return };
        let Some((jid, next, seen)) = self.held.remove(&made.token) else {
            assert_eq!(made.fate, Fate::Failed, "each is carried out once");
            return;
        };
        let mut outcome = Outcome::Ok;
        if made.fate.releases() {
            let truth = &self.truth[jid];
            if truth.seen != seen || !truth.reading.available {
                outcome = Outcome::Gone;
            } else if self.random.below(20) == 0 {
                outcome = Outcome::Failed;
                // The drop that follows is of the same presence.
                *self.fates.entry(made.token).or_default() -= 1;
            } else {
                self.becomes(jid, next);
            }
        }
        let moves = self.sessions.done(made.effect, outcome, self.now);
        self.follow(moves);
    }

    fn link(&mut self, healthy: bool) {
        if self.snapshot_due {
            self.snapshot_due = false;
            let Some((seq, all)) = self.sessions.snapshot(self.now) else { return };
            self.last.clear();
            for s in &all {
                self.last.insert(key(s), (true, s.clone()));
            }
            self.snapshot_due = !self.request(&Request::Snapshot(seq, all), healthy);
            // What is held is told again behind it.
            self.waited.clear();
            return;
        }
        let max = 1 + self.random.below(4) as usize;
        let changes = self.sessions.changes(max, self.now);
        if changes.is_empty() {
            return;
        }
        for c in &changes {
            let before = self.last.insert(key(&c.session), (c.open, c.session.clone()));
            let waits = before.is_some_and(|(open, s)| open == c.open && reaches(&s) == reaches(&c.session));
            if waits && c.open {
                self.waited.entry(key(&c.session)).or_default().push(self.now);
            }
        }
        // The answer takes its time; what happens meanwhile happens.
        for _ in 0..self.random.below(4) {
            match self.random.below(3) {
                0 => self.client(),
                1 => self.notice(),
                _ => self.effect(),
            }
        }
        if self.request(&Request::Changes(changes), healthy) {
            let moves = self.sessions.stored();
            self.follow(moves);
        } else {
            self.sessions.give_back(self.now);
            self.waited.clear();
            self.last.clear();
        }
    }

    /// Whether an answer came.
    fn request(&mut self, request: &Request, healthy: bool) -> bool {
        match if healthy { 9 } else { self.random.below(10) } {
            0 => return false,
            1 => {
                self.platform.execute(request);
                return false;
            }
            2 => {
                self.late.push(request.clone());
                return false;
            }
            _ => self.platform.execute(request),
        }
        true
    }

    fn step(&mut self) {
        self.now += Duration::from_millis(self.random.choose(&[0, 1, 10, 100, 400]));
        match self.random.below(16) {
            0..=4 => self.client(),
            5..=8 => self.notice(),
            9..=10 => self.effect(),
            11..=13 => self.link(false),
            14 if !self.late.is_empty() => {
                let at = self.random.below(self.late.len() as u64) as usize;
                let request = self.late.swap_remove(at);
                self.platform.execute(&request);
            }
            _ => {
                let refuse = self.random.below(2) == 0;
                let limit = (self.random.below(10) > 0).then_some(LIMIT);
                let moves = self.sessions.decide_alone(limit, refuse, self.now);
                self.follow(moves);
                self.snapshot_due |= self.random.below(40) == 0;
                if self.random.below(60) == 0 {
                    self.sessions.lost(self.tokens, self.now);
                }
            }
        }
        let mut last: HashMap<&str, Instant> = HashMap::new();
        for (jid, writes) in &self.waited {
            for at in writes {
                let before = last.insert(jid, *at);
                assert!(
                    before.is_none_or(|before| *at - before >= PAUSE),
                    "{jid} was told too often: {:?}",
                    self.sessions
                );
            }
        }
    }

    fn settle(&mut self) {
        for _ in 0..400 {
            self.notice();
            self.effect();
            self.link(true);
            self.now += Duration::from_millis(100);
        }
        for request in std::mem::take(&mut self.late) {
            self.platform.execute(&request);
        }
    }

    fn check(&self, seed: u64) {
        assert!(self.notices.is_empty() && self.effects.is_empty(), "seed {seed}");
        assert_eq!(self.sessions.held(), 0, "seed {seed}: {:?}", self.sessions);
        assert!(!self.sessions.has_changes(self.now + 10 * PAUSE), "seed {seed}: silence");
        assert!(self.fates.values().all(|times| *times == 1), "seed {seed}: {:?}", self.fates);
        for (jid, truth) in &self.truth {
            let (open, session) = match self.platform.sessions.get(*jid) {
                Some((_, open, session)) => (*open, Some(session)),
                None => (false, None),
            };
            assert_eq!(open, truth.reading.open, "seed {seed}: {jid}");
            if open {
                assert_eq!(session, session_of(&truth.reading).as_ref(), "seed {seed}: {jid}");
            }
        }
    }
}

fn session_of(reading: &Reading) -> Option<Session> {
    super::super::session(reading)
}

#[test]
fn nobody_is_a_ghost_and_the_last_state_wins_whatever_is_lost_late_or_out_of_order() {
    let mut held = 0;
    for seed in 1..=3000 {
        let mut world = World::new(seed);
        for _ in 0..200 {
            world.step();
        }
        world.settle();
        world.check(seed);
        held += world.fates.len();
    }
    assert!(held > 10_000, "the walks hold little: {held}");
}
