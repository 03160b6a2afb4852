//! The host's threads: who runs when. A panic in one of them is noted and the thread goes on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use im_api::{problem, routes};

use crate::lanes::{Held, Moves};
use crate::modules::chat;
use crate::platform::{Breaker, PlatformError};

use super::core::{Core, lock};
use super::{by_row, cloud, downlink, folders, handover, import, link, mirror, room, rows};

/// Messages in one request.
const BATCH: usize = 256;
/// Deciding threads that exist; `platform.workers` says how many of them work.
const DECIDERS: usize = 64;
/// Threads that hand over.
const HANDOVERS: usize = 2;
/// Pause before a failed request is tried again.
const RETRY: Duration = Duration::from_millis(100);

/// Starts all threads of a host.
pub fn start(core: &Arc<Core>) -> Vec<JoinHandle<()>> {
    let mut threads = Vec::new();
    let mut spawn = |name: String, body: Box<dyn Fn(&Core) + Send>| {
        let for_thread = Arc::clone(core);
        let spawned =
            std::thread::Builder::new().name(name.clone()).spawn(move || guarded(&for_thread, &*body));
        match spawned {
            Ok(thread) => threads.push(thread),
            Err(error) => core.failed("panic", format!("thread {name} cannot be started: {error}")),
        }
    };
    for number in 0..core.config().workers.min(DECIDERS) {
        spawn(format!("cloudbridge-decide-{number}"), Box::new(decide));
    }
    for number in 0..HANDOVERS {
        spawn(format!("cloudbridge-handover-{number}"), Box::new(handover::run));
    }
    for number in 0..rows::WORKERS {
        spawn(format!("cloudbridge-row-{number}"), Box::new(rows::work));
    }
    for number in 0..room::WORKERS {
        spawn(format!("cloudbridge-room-{number}"), Box::new(room::ask::run));
        spawn(format!("cloudbridge-catchup-{number}"), Box::new(room::catchup::run));
    }
    spawn("cloudbridge-rooms".into(), Box::new(room::settle::run));
    spawn("cloudbridge-tell".into(), Box::new(rows::tell));
    spawn("cloudbridge-downlink".into(), Box::new(downlink::run));
    spawn("cloudbridge-folders".into(), Box::new(folders::run));
    spawn("cloudbridge-import".into(), Box::new(import::run));
    spawn("cloudbridge-clock".into(), Box::new(clock));
    spawn("cloudbridge-link".into(), Box::new(link::run));
    spawn("cloudbridge-keystone".into(), Box::new(cloud::run));
    spawn("cloudbridge-mirror".into(), Box::new(mirror::run));
    spawn("cloudbridge-sync".into(), Box::new(sync));
    spawn("cloudbridge-events".into(), Box::new(Core::apply_child_events));
    threads
}

/// Runs `body` until the host ends; a panic costs a moment, not the thread.
fn guarded(core: &Core, body: &dyn Fn(&Core)) {
    while !core.ending.load(Ordering::Acquire) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| body(core))) {
            core.failed("panic", format!("a thread of the host: {}", panic_text(&*panic)));
            std::thread::park_timeout(Duration::from_millis(200));
        }
    }
}

/// The text of a panic.
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|s| (*s).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no text".to_owned())
}

/// Asks the platform about whatever is ready.
fn decide(core: &Core) {
    while !core.ending.load(Ordering::Acquire) {
        let folder = core.folder("chat");
        let batch = {
            let mut lanes = lock(&core.lanes);
            let able = match &folder {
                Some(folder) => folder.breaker.closed(),
                None => {
                    core.ready.load(Ordering::Acquire) && core.breaker.closed() && core.client.url().is_some()
                }
            };
            if !able || !lanes.has_ready() {
                // An unable one is woken by who makes it able.
                core.idle_deciders.fetch_add(usize::from(able), Ordering::AcqRel);
                let woken = core.decide_wake.wait_timeout(lanes, Duration::from_millis(100));
                core.idle_deciders.fetch_sub(usize::from(able), Ordering::AcqRel);
                drop(woken.unwrap_or_else(PoisonError::into_inner));
                continue;
            }
            lanes.take(if folder.is_some() { 1 } else { BATCH }, Instant::now())
        };
        match folder {
            Some(folder) => batch.into_iter().for_each(|held| by_row::ask(core, &folder, held)),
            None => ask(core, batch),
        }
    }
}

/// Asks about one batch and applies the answer.
fn ask(core: &Core, batch: Vec<Held>) {
    if batch.is_empty() {
        return;
    }
    let mut body = format!("{{\"node\":{:?},\"epoch\":{:?},\"items\":[", core.node, core.epoch).into_bytes();
    let mut asked = Vec::with_capacity(batch.len());
    for held in batch {
        let before = body.len();
        if !asked.is_empty() {
            body.push(b',');
        }
        match chat::item(&held, &mut body) {
            Ok(()) => asked.push(held),
            Err(error) => {
                body.truncate(before);
                core.failed("decide", format!("a held stanza cannot be read again: {error}"));
                alone(core, &held);
            }
        }
    }
    body.extend_from_slice(b"]}");
    if asked.is_empty() {
        return;
    }
    // A batch is idempotent item by item; the header is what a proxy or another implementation would look at.
    let key = format!("{}-{}", asked[0].key, asked.len());
    let answer: Result<im_api::chat::DecideAnswer, _> =
        core.client.call("POST", routes::MESSAGES, Some(&body), Some(&key));
    match answer {
        Ok(answer) => {
            core.breaker.success();
            let matches = answer.results.len() == asked.len()
                && answer.results.iter().zip(&asked).all(|(result, held)| result.key == *held.key);
            if !matches {
                core.failed("decide", "the platform answered other keys than it was asked".into());
                again(core, &asked, true);
                return;
            }
            let mut moves = Moves::default();
            let mut refused = Vec::new();
            {
                let mut lanes = lock(&core.lanes);
                for (result, held) in answer.results.iter().zip(asked) {
                    match chat::action(&result.verdict) {
                        Ok(action) => drop(lanes.answer(&held.lane, held.seq, action, &mut moves)),
                        Err(why) => refused.push((held, why)),
                    }
                }
            }
            core.carry_out(moves);
            for (held, why) in refused {
                core.failed("decide", format!("the platform could not judge a message: {why}"));
                alone(core, &held);
            }
        }
        Err(error) => failed(core, asked, &error),
    }
}

fn failed(core: &Core, asked: Vec<Held>, error: &PlatformError) {
    if error.is(problem::UNKNOWN_EPOCH) {
        core.ready.store(false, Ordering::Release);
        core.snapshot_due.store(true, Ordering::Release);
        core.link_wake.notify_all();
        again(core, &asked, false);
        return;
    }
    core.failed("decide", error.to_string());
    if error.platform_is_ill() {
        again(core, &asked, error.maybe_executed());
        if core.breaker.failure(&error.to_string(), error.refused_credential()) {
            core.effects.log(
                1,
                "platform",
                "the platform does not answer; decisions are made without it until it does",
            );
        }
        if !core.breaker.closed() {
            core.decide_alone(true);
        }
    } else if asked.len() > 1 {
        // The request as a whole was refused: one bad message must not take the others with it.
        for held in asked {
            ask(core, vec![held]);
        }
    } else {
        for held in &asked {
            alone(core, held);
        }
    }
}

fn again(core: &Core, asked: &[Held], executed: bool) {
    let at = Instant::now() + RETRY;
    let mut lanes = lock(&core.lanes);
    for held in asked {
        lanes.unasked(&held.lane, held.seq, executed, at);
    }
}

/// One message that the platform will not judge: its deadline is now.
fn alone(core: &Core, held: &Held) {
    lock(&core.lanes).expire(&held.lane, held.seq);
    core.decide_alone(false);
}

/// Deadlines, and what waits for its time.
fn clock(core: &Core) {
    while !core.ending.load(Ordering::Acquire) {
        // It looks by itself: waking it would cost the router's thread more than this costs anybody.
        let held = lock(&core.lanes).held();
        let rows = lock(&core.row_lanes).held();
        let presences = lock(&core.sessions).holding();
        let rooms = lock(&core.rooms.lanes).held();
        let busy = held + rows + presences + rooms > 0;
        std::thread::park_timeout(Duration::from_millis(if busy { 10 } else { 50 }));
        if presences > 0 {
            core.presences_over_time();
        }
        if rows > 0 {
            let moves = lock(&core.row_lanes).tick(Instant::now());
            core.carry_out_rows(moves);
            core.decide_rows_alone(false);
        }
        if rooms > 0 {
            core.rooms_over_time();
        }
        if held == 0 {
            core.descended();
            continue;
        }
        let moves = lock(&core.lanes).tick(Instant::now());
        core.carry_out(moves);
        let closed = core.with_chat_breaker(Breaker::closed);
        if core.decide_alone(!closed) > 0 && closed {
            core.with_chat_breaker(|breaker| breaker.failure("no answer within chat.timeoutMillis", false));
        }
    }
}

/// Syncs the journal to the disk.
fn sync(core: &Core) {
    let mut last = Instant::now();
    while !core.ending.load(Ordering::Acquire) {
        std::thread::park_timeout(Duration::from_millis(core.config().sync_ms.min(100)));
        if last.elapsed() >= Duration::from_millis(core.config().sync_ms) {
            last = Instant::now();
            if let Err(error) = core.journal.sync() {
                core.failed("journal", error.to_string());
            }
        }
    }
}
