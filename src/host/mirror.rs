//! The mirror: delivers settlements and copies in the journal's order, at least once, in batches.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use im_api::chat::{SettleAnswer, SettleRequest};
use im_api::event::EventsAnswer;
use im_api::routes;

use crate::journal::Stream;
use crate::modules::events;
use crate::platform::PlatformError;

use super::core::{Core, lock};
use super::intake::decode_settlement;

/// Events and bytes in one request.
const BATCH: (usize, usize) = (500, 1 << 20);
/// How often, and how many times, an idle mirror looks before it sleeps.
const LOOK: Duration = Duration::from_millis(1);
const LOOKS: usize = 20;
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));

/// The mirror thread.
pub fn run(core: &Core) {
    let mut pause = PAUSES.0;
    while !core.ending.load(Ordering::Acquire) {
        if core.client.url().is_none() || !core.breaker.closed() {
            std::thread::park_timeout(Duration::from_millis(50));
            continue;
        }
        match settlements(core).and_then(|settled| Ok(settled | copies(core)?)) {
            Ok(true) => pause = PAUSES.0,
            Ok(false) => wait(core),
            Err(error) => {
                core.failed("mirror", error.to_string());
                if error.platform_is_ill() {
                    core.breaker.failure(&error.to_string(), error.refused_credential());
                }
                std::thread::park_timeout(pause);
                pause = (pause * 2).min(PAUSES.1);
            }
        }
    }
}

/// Waits for something to deliver. For a moment it looks by itself, so that a busy router's thread need not wake it and batches grow; then
/// it sleeps until it is woken, so that the first event after a silence leaves at once.
fn wait(core: &Core) {
    let due = || {
        let entries = |stream| core.journal.depth(stream).entries;
        entries(Stream::Events) + entries(Stream::Settled) > 0 || core.ending.load(Ordering::Acquire)
    };
    for _ in 0..LOOKS {
        std::thread::park_timeout(LOOK);
        if due() {
            return;
        }
    }
    let asleep = lock(&core.mirror_wake.0);
    core.mirror_sleeps.store(true, Ordering::SeqCst);
    if !due() {
        drop(
            core.mirror_wake
                .1
                .wait_timeout_while(asleep, Duration::from_secs(1), |()| {
                    core.mirror_sleeps.load(Ordering::SeqCst)
                })
                .unwrap_or_else(PoisonError::into_inner),
        );
    }
    core.mirror_sleeps.store(false, Ordering::SeqCst);
}

/// Sends what was decided alone. True when there was something.
fn settlements(core: &Core) -> Result<bool, PlatformError> {
    // A folder that has taken messages over is told by its own thread.
    let entries = if core.folder("chat").is_some() { Vec::new() } else { read(core, Stream::Settled, 1000) };
    if entries.is_empty() {
        return Ok(false);
    }
    let items: Vec<_> = entries.iter().filter_map(|(_, value)| decode_settlement(value)).collect();
    let key = format!("{}-settle-{:x}-{}", core.node, entries[0].0, entries.len());
    let _: SettleAnswer = core.client.json("POST", routes::SETTLE, &SettleRequest { items }, Some(&key))?;
    core.breaker.success();
    remove(core, Stream::Settled, &entries);
    Ok(true)
}

/// Sends copies. True when there were some.
fn copies(core: &Core) -> Result<bool, PlatformError> {
    let entries = read(core, Stream::Events, BATCH.0);
    if entries.is_empty() {
        return Ok(false);
    }
    let bodies = core.config().mirror_bodies;
    let mut body = vec![b'['];
    for (seq, value) in &entries {
        let before = body.len();
        if before > 1 {
            body.push(b',');
        }
        if !events::event(&core.node, *seq, value, bodies, &mut body) {
            body.truncate(before);
            core.counters.add("mirror_dropped", 1);
        }
    }
    body.push(b']');
    let key = format!("{}-events-{:x}-{}", core.node, entries[0].0, entries.len());
    let _: EventsAnswer = core.client.send(
        "POST",
        routes::EVENTS,
        Some(&body),
        Some(&key),
        "application/cloudevents-batch+json",
    )?;
    core.breaker.success();
    remove(core, Stream::Events, &entries);
    Ok(true)
}

fn read(core: &Core, stream: Stream, limit: usize) -> Vec<(u64, Vec<u8>)> {
    core.journal.read(stream, 0, limit, BATCH.1).unwrap_or_else(|error| {
        core.failed("journal", error.to_string());
        Vec::new()
    })
}

fn remove(core: &Core, stream: Stream, entries: &[(u64, Vec<u8>)]) {
    let gone: Vec<_> = entries.iter().map(|(seq, value)| (*seq, value.len())).collect();
    if let Err(error) = core.journal.remove(stream, &gone) {
        core.failed("journal", error.to_string());
    }
}
