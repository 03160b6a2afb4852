//! The hand-over: what is pending for a user who is here goes to one session, oldest first, and is deleted after that session accepted it.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use im_api::chat::{Claim, ClaimRequest, Pending, PendingItem, PendingLeft};
use im_api::{problem, routes};

use crate::ffi::frame::{Outcome, Writer, effect};
use crate::modules::chat;
use crate::platform::PlatformError;
use crate::stanza::json;

use super::core::{Core, lock};
use super::{by_row, kept};

/// Messages fetched and deleted at a time. What was handed over is marked in the journal one by one.
const BATCH: usize = 50;
/// How long the shim may take for one message.
const LIMIT: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
struct Queue {
    users: VecDeque<(Instant, String)>,
    active: HashSet<String>,
    /// Asked for while active: once more afterwards.
    again: HashSet<String>,
}

/// Users whose pending messages are to be handed over.
#[derive(Debug, Default)]
pub struct Handovers {
    queue: Mutex<Queue>,
    wake: Condvar,
}

impl Handovers {
    /// Hand over to this user soon.
    pub fn add(&self, user: &str) {
        self.add_at(user, Instant::now());
    }

    fn add_at(&self, user: &str, at: Instant) {
        let mut queue = lock(&self.queue);
        if queue.active.contains(user) {
            queue.again.insert(user.to_owned());
        } else if let Some(waiting) = queue.users.iter_mut().find(|(_, u)| u == user) {
            waiting.0 = waiting.0.min(at);
        } else {
            queue.users.push_back((at, user.to_owned()));
        }
        drop(queue);
        self.wake.notify_all();
    }

    /// Wakes the threads.
    pub fn wake(&self) {
        self.wake.notify_all();
    }

    /// How many are under way or wait.
    pub fn count(&self) -> (usize, usize) {
        let queue = lock(&self.queue);
        (queue.active.len(), queue.users.len())
    }

    fn next(&self) -> Option<String> {
        let mut queue = lock(&self.queue);
        let now = Instant::now();
        let Some(at) = queue.users.iter().position(|(at, _)| *at <= now) else {
            drop(
                self.wake
                    .wait_timeout(queue, Duration::from_millis(50))
                    .unwrap_or_else(PoisonError::into_inner),
            );
            return None;
        };
        let (_, user) = queue.users.remove(at)?;
        queue.active.insert(user.clone());
        Some(user)
    }

    fn finished(&self, user: &str) {
        let mut queue = lock(&self.queue);
        queue.active.remove(user);
        let again = queue.again.remove(user);
        drop(queue);
        if again {
            self.add(user);
        }
    }
}

/// Why a hand-over ended early.
enum End {
    /// The session is gone, or does not take it.
    Gone,
    /// Somebody else has the claim, or the platform does not know the session yet.
    Later(Duration),
    Platform(PlatformError),
    /// What the platform gave is no stanza.
    Malformed(String),
    /// A folder's backend.
    Backend(String),
}

impl From<PlatformError> for End {
    fn from(error: PlatformError) -> Self {
        match &error {
            _ if error.is(problem::CLAIMED) => End::Later(Duration::from_millis(500)),
            _ if error.is(problem::CONFLICT) => End::Later(Duration::from_millis(100)),
            _ => End::Platform(error),
        }
    }
}

/// A hand-over thread.
pub fn run(core: &Core) {
    while !core.ending.load(Ordering::Acquire) {
        if core.stopping.load(Ordering::Acquire) {
            std::thread::park_timeout(Duration::from_millis(20));
            continue;
        }
        let Some(user) = core.handovers.next() else { continue };
        let result = all(core, &user);
        core.handovers.finished(&user);
        match result {
            Ok(()) => {}
            // Another session may take it.
            Err(End::Gone) if lock(&core.sessions).best(&user).is_some() => {
                core.handovers.add_at(&user, Instant::now() + Duration::from_millis(200));
            }
            Err(End::Gone) => {}
            Err(End::Later(pause)) => core.handovers.add_at(&user, Instant::now() + pause),
            Err(End::Platform(error)) => {
                core.failed("handover", error.to_string());
                if error.platform_is_ill() {
                    core.breaker.failure(&error.to_string(), error.refused_credential());
                }
                core.handovers.add_at(&user, Instant::now() + Duration::from_secs(1));
            }
            Err(End::Backend(why)) => {
                core.failed("handover", why);
                core.handovers.add_at(&user, Instant::now() + Duration::from_secs(1));
            }
            Err(End::Malformed(why)) => {
                core.failed("handover", why);
                core.handovers.add_at(&user, Instant::now() + Duration::from_secs(30));
            }
        }
    }
}

/// What the platform keeps, then what a folder's backend does that has taken messages over.
fn all(core: &Core, user: &str) -> Result<(), End> {
    let folder = core.folder("chat");
    if folder.is_none() || core.owes() {
        hand_over(core, user)?;
    }
    match folder {
        None => Ok(()),
        Some(folder) => by_row::hand_over(core, &folder, user).map_err(|end| match end {
            by_row::End::Gone => End::Gone,
            by_row::End::Backend(why) => End::Backend(why),
        }),
    }
}

fn hand_over(core: &Core, user: &str) -> Result<(), End> {
    if !core.ready.load(Ordering::Acquire) || !core.breaker.closed() {
        return Err(End::Later(Duration::from_millis(200)));
    }
    let Some((jid, resource)) = lock(&core.sessions).best(user) else { return Ok(()) };
    let claim_path = routes::path(routes::CLAIM, &[user]);
    let request = ClaimRequest { node: core.node.clone(), epoch: core.epoch.clone(), resource };
    let key = uuid::Uuid::now_v7().to_string();
    let claim: Claim = core.client.json("POST", &claim_path, &request, Some(&key))?;
    let result = drain(core, user, &jid, &claim.claim);
    if result.is_err() {
        // The claim would end by itself; giving it back lets the next session have it at once.
        let path = format!("{claim_path}?claim={}", claim.claim);
        let _: Result<serde_json::Value, _> = core.client.call("DELETE", &path, None, None);
    }
    result
}

fn drain(core: &Core, user: &str, jid: &str, claim: &str) -> Result<(), End> {
    let path = routes::path(routes::PENDING, &[user]);
    let mark = format!("handed/{user}");
    loop {
        let pending: Pending =
            core.client.call("GET", &format!("{path}?claim={claim}&limit={BATCH}"), None, None)?;
        // What a killed host handed over but could not delete any more is not handed over again.
        let mut upto = core.journal.marked(&mark).ok().flatten().unwrap_or(0);
        let mut end = None;
        for item in pending.items.iter().filter(|item| item.seq > upto).collect::<Vec<_>>() {
            if core.ending.load(Ordering::Acquire) || core.stopping.load(Ordering::Acquire) {
                end = Some(End::Gone);
                break;
            }
            if let Err(why) = one(core, jid, item) {
                end = Some(why);
                break;
            }
            upto = item.seq;
            core.counters.add("handed_over", 1);
            if let Err(error) = core.journal.mark(&mark, upto) {
                core.failed("journal", error.to_string());
            }
        }
        let upto_here = pending.items.iter().map(|i| i.seq).filter(|seq| *seq <= upto).max();
        let left: Option<PendingLeft> = match (upto_here, pending.items.is_empty()) {
            (None, false) => None,
            (upto, _) => Some(core.client.call(
                "DELETE",
                &format!("{path}?claim={claim}&upto={}", upto.unwrap_or(0)),
                None,
                None,
            )?),
        };
        if let Some(end) = end {
            return Err(end);
        }
        if let Some(left) = &left {
            kept::left(core, user, left.left);
        }
        if left.is_some_and(|left| left.left == 0) {
            let _ = core.journal.unmark(&mark);
            return Ok(());
        }
    }
}

fn one(core: &Core, jid: &str, item: &PendingItem) -> Result<(), End> {
    let stanza = json::decode(item.stanza.get().as_bytes(), json::Mode::Strict)
        .map_err(|e| End::Malformed(format!("a pending message of the platform is no stanza JSON: {e}")))?;
    let xml = chat::with_delay(stanza, &core.start.domain, &item.sent_at);
    let outcome = core
        .effects
        .perform(LIMIT, |number| Writer::new(effect::HANDOVER).long(number).str(jid).str(&xml).finish());
    match outcome {
        Some((Outcome::Ok, _)) => Ok(()),
        Some((Outcome::Failed, _)) => Err(End::Later(Duration::from_secs(5))),
        _ => Err(End::Gone),
    }
}
