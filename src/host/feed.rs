//! The feed: what the bridge sees and decides, for other plugins of this server that want to know (docs/java-api.md). Each subscription is a bounded
//! queue that its owner empties on a thread of its own, so that nobody who listens can hold anything up here.
//!
//! Overflow: the oldest events give way, and the next look begins with how many. Nobody looks for two minutes: the subscription ends.
//! Leaves out: durability. What must not be missed belongs to a platform (`mirror`).

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::error::HostError;
use crate::modules::chat::timestamp;
use crate::modules::events;
use crate::stanza::{Limits, Stanza, jid};

use super::core::{Core, lock, now_ms};

/// What an event is about; its place in [`TYPES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    Copied,
    Decided,
    Observed,
    Applied,
    Session,
}

/// Types of events, with what each tells.
pub const TYPES: [(&str, &str); 5] = [
    ("im.stanza.copied", "a stanza went its normal way; a copy goes to the platform"),
    ("im.stanza.decided", "what became of a stanza that was held: `outcome` in the context"),
    ("im.row.observed", "something happened in Openfire that a row tells the platform"),
    ("im.downlink.applied", "what the platform said, and what became of it in Openfire"),
    ("im.session.changed", "a session opened, closed, or its presence changed"),
];
impl About {
    fn kind(self) -> &'static str {
        TYPES[self as usize].0
    }
}

/// The first event after some were dropped.
const MISSED: &str = "im.feed.missed";
/// Subscriptions that exist at one time.
const MOST: usize = 16;
/// What one subscription keeps.
const KEPT: (usize, usize) = (1000, 8 << 20);
/// A subscription that nobody looked at for this long is forgotten.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long one look may wait.
const LONGEST: Duration = Duration::from_secs(30);

/// What is told.
#[derive(Debug)]
pub enum What {
    /// Whether Openfire decided because the platform did not.
    Copied {
        native: bool,
        bytes: Arc<[u8]>,
    },
    Decided {
        row: String,
        secret: bool,
        outcome: &'static str,
        alone: bool,
        bytes: Arc<[u8]>,
    },
    Observed {
        row: String,
        secret: bool,
        bytes: Arc<[u8]>,
    },
    /// The event as it came.
    Applied {
        kind: String,
        subject: String,
        id: String,
        outcome: &'static str,
        data: String,
    },
    Session {
        jid: String,
        open: bool,
        available: bool,
        priority: i32,
        show: String,
        status: String,
    },
}

impl What {
    fn about(&self) -> About {
        match self {
            What::Copied { .. } => About::Copied,
            What::Decided { .. } => About::Decided,
            What::Observed { .. } => About::Observed,
            What::Applied { .. } => About::Applied,
            What::Session { .. } => About::Session,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            What::Copied { bytes, .. } | What::Decided { bytes, .. } | What::Observed { bytes, .. } => {
                bytes.len()
            }
            What::Applied { data, .. } => data.len(),
            What::Session { .. } => 64,
        }
    }
}

#[derive(Debug)]
struct Item {
    seq: u64,
    at_ms: u64,
    what: What,
}

#[derive(Debug)]
struct Subscription {
    id: u64,
    /// Types, or beginnings of types (with a `*`). Empty: all.
    wanted: Vec<String>,
    queue: VecDeque<Arc<Item>>,
    bytes: usize,
    missed: u64,
    looked: Instant,
    /// Somebody is looking now.
    looking: bool,
}

impl Subscription {
    fn wants(&self, kind: &str) -> bool {
        self.wanted.is_empty() || self.wanted.iter().any(|wanted| covers(wanted, kind))
    }

    fn push(&mut self, item: &Arc<Item>) {
        self.bytes += item.what.bytes();
        self.queue.push_back(Arc::clone(item));
        while self.queue.len() > KEPT.0 || (self.bytes > KEPT.1 && self.queue.len() > 1) {
            let Some(oldest) = self.queue.pop_front() else { break };
            self.bytes -= oldest.what.bytes();
            self.missed += 1;
        }
    }

    fn forgotten(&self, now: Instant) -> bool {
        !self.looking && now.saturating_duration_since(self.looked) > PATIENCE
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Feed {
    all: Mutex<Vec<Subscription>>,
    wake: Condvar,
    /// How many there are; so that nobody who tells takes the lock for nothing.
    count: AtomicUsize,
    next: AtomicU64,
    ended: std::sync::atomic::AtomicBool,
    given: AtomicU64,
    missed: AtomicU64,
}

impl Feed {
    /// Tells what happened, if anybody wants to know; `what` is made only then. Microseconds.
    pub fn tell(&self, about: About, what: impl FnOnce() -> What) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut all = lock(&self.all);
        self.forget(&mut all);
        let kind = about.kind();
        if !all.iter().any(|one| one.wants(kind)) {
            return;
        }
        let item =
            Arc::new(Item { seq: self.next.fetch_add(1, Ordering::Relaxed), at_ms: now_ms(), what: what() });
        debug_assert_eq!(item.what.about(), about);
        all.iter_mut().filter(|one| one.wants(kind)).for_each(|one| one.push(&item));
        self.wake.notify_all();
    }

    /// Begins a subscription; `wanted`: types separated by space, `im.stanza.*` for all of a kind, empty for all.
    ///
    /// # Errors
    /// A type that there is not; too many subscriptions.
    pub fn subscribe(&self, wanted: &str) -> Result<u64, String> {
        let wanted: Vec<String> =
            wanted.split_whitespace().filter(|w| *w != "*").map(str::to_owned).collect();
        if let Some(unknown) = wanted.iter().find(|w| !TYPES.iter().any(|(kind, _)| covers(w, kind))) {
            let known: Vec<_> = TYPES.iter().map(|(kind, _)| *kind).collect();
            return Err(format!("there is no event {unknown}; there are {}", known.join(", ")));
        }
        let mut all = lock(&self.all);
        self.forget(&mut all);
        if all.len() >= MOST {
            return Err(format!("there are {MOST} subscriptions already"));
        }
        // Not to be guessed, and never again the same: an id of an earlier start must not be somebody else's now.
        let id = (uuid::Uuid::new_v4().as_u128() as u64 >> 1).max(1);
        all.push(Subscription {
            id,
            wanted,
            queue: VecDeque::new(),
            bytes: 0,
            missed: 0,
            looked: Instant::now(),
            looking: false,
        });
        self.count.store(all.len(), Ordering::Release);
        Ok(id)
    }

    /// Ends a subscription; one that is not there has ended already.
    pub fn unsubscribe(&self, id: u64) {
        let mut all = lock(&self.all);
        all.retain(|one| one.id != id);
        self.count.store(all.len(), Ordering::Release);
        self.wake.notify_all();
    }

    /// The next events, at once if there are some, else as soon as there is one, else none after `wait`. The text tells of dropped ones first.
    ///
    /// # Errors
    /// [`HostError::Closed`] when the host stops; inside: there is no such subscription (any more).
    fn next(&self, id: u64, most: usize, wait: Duration) -> Given<(u64, Vec<Arc<Item>>)> {
        let until = Instant::now() + wait.min(LONGEST);
        let mut all = lock(&self.all);
        loop {
            let Some(one) = all.iter_mut().find(|one| one.id == id) else {
                return Ok(Err("there is no such subscription".into()));
            };
            one.looked = Instant::now();
            let left = until.saturating_duration_since(one.looked);
            let ended = self.ended.load(Ordering::Acquire);
            if !one.queue.is_empty() || left.is_zero() {
                one.looking = false;
                let count = one.queue.len().min(most.max(1));
                let items: Vec<_> = one.queue.drain(..count).collect();
                one.bytes -= items.iter().map(|item| item.what.bytes()).sum::<usize>();
                let missed = std::mem::take(&mut one.missed);
                self.given.fetch_add(items.len() as u64, Ordering::Relaxed);
                self.missed.fetch_add(missed, Ordering::Relaxed);
                return Ok(Ok((missed, items)));
            }
            if ended {
                return Err(HostError::Closed);
            }
            one.looking = true;
            all = self.wake.wait_timeout(all, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Ends all waiting: the host stops.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Release);
        drop(lock(&self.all));
        self.wake.notify_all();
    }

    /// For the status.
    pub fn status(&self) -> Value {
        json!({
            "subscriptions": self.count.load(Ordering::Acquire),
            "given": self.given.load(Ordering::Relaxed),
            "missed": self.missed.load(Ordering::Relaxed),
        })
    }

    fn forget(&self, all: &mut Vec<Subscription>) {
        let now = Instant::now();
        all.retain(|one| !one.forgotten(now));
        self.count.store(all.len(), Ordering::Release);
    }
}

impl Core {
    /// Looks for events of a subscription; each is a CloudEvent. Texts are in them when `mirror.bodies` says so, and never those of a secret row.
    ///
    /// # Errors
    /// As [`Feed::next`].
    pub fn feed_next(&self, id: u64, most: usize, wait: Duration) -> Given<Vec<String>> {
        Ok(self.feed.next(id, most, wait)?.map(|(missed, items)| {
            let texts = self.config().mirror_bodies;
            let first = (missed > 0).then(|| {
                json!({
                    "specversion": "1.0", "id": uuid::Uuid::now_v7().to_string(), "source": format!("/nodes/{}", self.node),
                    "type": MISSED, "time": timestamp(now_ms()), "datacontenttype": "application/json",
                    "data": { "v": 1, "count": missed },
                })
                .to_string()
            });
            first.into_iter().chain(items.iter().map(|item| self.written(item, texts))).collect()
        }))
    }

    fn written(&self, item: &Item, texts: bool) -> String {
        let (subject, data) = match &item.what {
            What::Copied { native, bytes } => {
                data(bytes, texts, json!({ "decided": if *native { "native" } else { "none" } }))
            }
            What::Decided { row, secret, outcome, alone, bytes } => {
                data(bytes, texts && !secret, json!({ "row": row, "outcome": outcome, "alone": alone }))
            }
            What::Observed { row, secret, bytes } => data(bytes, texts && !secret, json!({ "row": row })),
            What::Applied { kind, subject, id, outcome, data } => {
                let data = texts.then(|| serde_json::from_str::<Value>(data).unwrap_or_default());
                let event = json!({ "id": id, "type": kind, "data": data });
                (
                    subject.clone(),
                    json!({ "v": 1, "event": event, "context": { "outcome": outcome, "masked": !texts } }),
                )
            }
            What::Session { jid: full, open, available, priority, show, status } => {
                let status = texts.then_some(status);
                let session = json!({
                    "jid": full, "open": open, "available": available, "priority": priority, "show": show, "status": status,
                });
                let bare = jid::bare(full).map_or_else(|| full.clone(), std::borrow::Cow::into_owned);
                (bare, json!({ "v": 1, "session": session, "context": { "masked": !texts } }))
            }
        };
        json!({
            "specversion": "1.0",
            "id": format!("{}-{}-{:x}", self.node, self.epoch, item.seq),
            "source": format!("/nodes/{}", self.node),
            "type": item.what.about().kind(),
            "subject": subject,
            "time": timestamp(item.at_ms),
            "datacontenttype": "application/json",
            "data": data,
        })
        .to_string()
    }
}

/// Subject and data of an event about a stanza.
fn data(bytes: &[u8], texts: bool, mut context: Value) -> (String, Value) {
    context["bytes"] = json!(bytes.len());
    context["masked"] = json!(!texts);
    let Ok(stanza) = Stanza::parse(bytes, &Limits { bytes: usize::MAX, ..Limits::default() }) else {
        return (String::new(), json!({ "v": 1, "stanza": null, "context": context }));
    };
    let to = stanza.to().unwrap_or_default();
    let subject = jid::bare(to).map_or_else(|| to.to_owned(), std::borrow::Cow::into_owned);
    let mut out = Vec::new();
    events::stanza(&stanza, texts, &mut out);
    let stanza: Value = serde_json::from_slice(&out).unwrap_or_default();
    (subject, json!({ "v": 1, "stanza": stanza, "context": context }))
}

/// What somebody who looks is given. Inside: there is no such subscription (any more).
type Given<T> = Result<Result<T, String>, HostError>;

/// Whether a wanted type, or the beginning of one, covers a type.
fn covers(wanted: &str, kind: &str) -> bool {
    match wanted.strip_suffix('*') {
        Some(start) => kind.starts_with(start),
        None => wanted == kind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    fn observed(feed: &Feed, name: &str) {
        feed.tell(About::Observed, || What::Observed {
            row: name.into(),
            secret: false,
            bytes: Arc::from(&b"<iq/>"[..]),
        });
    }

    fn rows(feed: &Feed, id: u64, most: usize) -> (u64, Vec<String>) {
        let (missed, items) = feed.next(id, most, NOW).expect("open").expect("there");
        let name = |item: &Arc<Item>| match &item.what {
            What::Observed { row, .. } => row.clone(),
            other => panic!("{other:?}"),
        };
        (missed, items.iter().map(name).collect())
    }

    #[test]
    fn the_oldest_give_way_and_their_number_is_told_once() {
        let feed = Feed::default();
        observed(&feed, "before anybody listens");
        let id = feed.subscribe("im.row.observed").expect("a subscription");
        for number in 0..KEPT.0 + 5 {
            observed(&feed, &number.to_string());
        }
        let (missed, first) = rows(&feed, id, 2);
        assert_eq!((missed, first), (5, vec!["5".to_owned(), "6".to_owned()]));
        assert_eq!(rows(&feed, id, KEPT.0 * 2).1.len(), KEPT.0 - 2);
        assert_eq!(rows(&feed, id, 1), (0, Vec::new()));
    }

    #[test]
    fn each_gets_what_it_asked_for_until_it_ends() {
        let feed = Feed::default();
        let (all, stanzas) = (feed.subscribe("").expect("one"), feed.subscribe("im.stanza.*").expect("two"));
        observed(&feed, "x");
        assert_eq!(rows(&feed, all, 9).1, ["x"]);
        assert_eq!(rows(&feed, stanzas, 9).1, Vec::<String>::new());
        feed.unsubscribe(all);
        assert!(feed.next(all, 1, NOW).expect("open").is_err());
        assert!(feed.subscribe("im.stanza.lost").expect_err("no such type").contains("im.stanza.copied"));
        for _ in 1..MOST {
            feed.subscribe("").expect("room");
        }
        assert!(feed.subscribe("").is_err(), "{MOST} are enough");
    }

    #[test]
    fn who_waits_is_woken_by_an_event_and_by_the_end() {
        let feed = Arc::new(Feed::default());
        let id = feed.subscribe("*").expect("a subscription");
        let wait = |feed: &Arc<Feed>| {
            let feed = Arc::clone(feed);
            std::thread::spawn(move || feed.next(id, 9, LONGEST))
        };
        let waiting = wait(&feed);
        observed(&feed, "x");
        let (_, items) = waiting.join().expect("thread").expect("open").expect("there");
        assert_eq!(items.len(), 1);
        let waiting = wait(&feed);
        feed.end();
        assert!(matches!(waiting.join().expect("thread"), Err(HostError::Closed)));
    }

    #[test]
    fn what_nobody_looks_at_is_forgotten() {
        let feed = Feed::default();
        let id = feed.subscribe("").expect("a subscription");
        let Some(long_ago) = Instant::now().checked_sub(PATIENCE * 2) else { return };
        lock(&feed.all)[0].looked = long_ago;
        observed(&feed, "x");
        assert!(feed.next(id, 1, NOW).expect("open").is_err());
        assert_eq!(feed.status()["subscriptions"], 0);
    }
}
