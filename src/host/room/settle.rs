//! What rooms really did is told in order, before anything later of the same room; and receipts, collected for a moment, become feedback.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use im_api::room::{Receipts, ReceiptsAnswer, RoomSettle, RoomSettleItem, RoomSettled};
use im_api::{problem, routes};
use serde::{Deserialize, Serialize};

use crate::ffi::frame::{Writer, effect};
use crate::journal::Stream;
use crate::platform::PlatformError;

use super::super::core::{Core, lock};
use super::RECEIPT;

/// Settlements in one request.
const BATCH: usize = 256;
/// How often the thread looks by itself.
const LOOK: Duration = Duration::from_millis(100);
/// How long the shim may take for one message.
const LIMIT: Duration = Duration::from_secs(30);

/// An entry of the journal.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    room: String,
    item: RoomSettleItem,
}

impl Core {
    /// Journals what a room did; it is told soon.
    pub fn to_settle(&self, room: &str, item: RoomSettleItem) {
        let entry = Entry { room: room.to_owned(), item };
        let Ok(value) = serde_json::to_vec(&entry) else { return };
        if let Err(error) = self.journal.append(Stream::Rooms, self.journal.next_seq(), &value) {
            self.failed("journal", error.to_string());
        }
        self.rooms.settle_wake.notify_all();
    }
}

/// The thread that tells what is left to tell.
pub fn run(core: &Core) {
    let mut pause = LOOK;
    while !core.ending.load(Ordering::Acquire) {
        {
            let asleep = lock(&core.rooms.settling);
            drop(core.rooms.settle_wake.wait_timeout(asleep, pause).unwrap_or_else(PoisonError::into_inner));
        }
        let able = core.client.url().is_some() && core.breaker.closed() && core.ready.load(Ordering::Acquire);
        if !able {
            continue;
        }
        match flush(core, None).and_then(|()| receipts(core)) {
            Ok(()) => pause = LOOK,
            Err(error) => {
                core.failed("room", error.to_string());
                if error.platform_is_ill() {
                    core.breaker.failure(&error.to_string(), error.refused_credential());
                }
                pause = (pause * 2).min(Duration::from_secs(5));
            }
        }
    }
}

/// Tells what rooms did (`room`: this one alone), in order.
///
/// # Errors
/// The platform's; then it is told again later.
pub fn flush(core: &Core, room: Option<&str>) -> Result<(), PlatformError> {
    if core.journal.depth(Stream::Rooms).entries == 0 {
        return Ok(());
    }
    let _alone = lock(&core.rooms.settling);
    let entries = core.journal.read(Stream::Rooms, 0, 10_000, 16 << 20).unwrap_or_else(|error| {
        core.failed("journal", error.to_string());
        Vec::new()
    });
    let mut rooms: BTreeMap<String, Vec<(u64, usize, RoomSettleItem)>> = BTreeMap::new();
    for (seq, value) in entries {
        match serde_json::from_slice::<Entry>(&value) {
            Ok(entry) if room.is_none_or(|room| room == entry.room) => {
                rooms.entry(entry.room).or_default().push((seq, value.len(), entry.item));
            }
            Ok(_) => {}
            Err(error) => {
                core.failed("journal", format!("entry {seq} of a room cannot be read: {error}"));
                forget(core, &[(seq, value.len())]);
            }
        }
    }
    for (room, items) in rooms {
        for some in items.chunks(BATCH) {
            let gone: Vec<_> = some.iter().map(|(seq, bytes, _)| (*seq, *bytes)).collect();
            let settle = RoomSettle {
                node: core.node.clone(),
                items: some.iter().map(|(_, _, item)| item.clone()).collect(),
            };
            let key = format!("{}-room-{:x}-{}", core.node, gone[0].0, gone.len());
            let path = routes::path(routes::ROOM_SETTLE, &[&room]);
            match core.client.json::<_, RoomSettled>("POST", &path, &settle, Some(&key)) {
                Ok(_) => {
                    core.breaker.success();
                    forget(core, &gone);
                }
                Err(error) if error.platform_is_ill() => return Err(error),
                Err(error) => {
                    core.failed("room", format!("the platform will not have what a room did: {error}"));
                    forget(core, &gone);
                }
            }
        }
    }
    Ok(())
}

fn forget(core: &Core, gone: &[(u64, usize)]) {
    if let Err(error) = core.journal.remove(Stream::Rooms, gone) {
        core.failed("journal", error.to_string());
    }
}

/// Tells receipts that have been collected, and speakers what came of them.
fn receipts(core: &Core) -> Result<(), PlatformError> {
    let due = lock(&core.rooms.receipts).due(Instant::now());
    let mut failed = None;
    for collected in due {
        if failed.is_some() {
            lock(&core.rooms.receipts).give_back(collected, Instant::now());
            continue;
        }
        let path = routes::path(routes::RECEIPTS, &[&collected.room]);
        let body = Receipts { items: collected.items.clone() };
        let key = uuid::Uuid::now_v7().to_string();
        match core.client.json::<_, ReceiptsAnswer>("POST", &path, &body, Some(&key)) {
            Ok(answer) => {
                core.row_counts.add(RECEIPT, "calls");
                let messages = lock(&core.rooms.receipts).messages(&collected.room, &answer.feedback);
                for (to, xml) in messages {
                    let told = core.effects.perform(LIMIT, |number| {
                        Writer::new(effect::HANDOVER).long(number).str(&to).str(&xml).finish()
                    });
                    core.row_counts.add(RECEIPT, if told.is_some() { "fed_back" } else { "failed" });
                }
            }
            Err(error) if error.is(problem::NOT_FOUND) => core.row_counts.add(RECEIPT, "refused"),
            Err(error) => {
                lock(&core.rooms.receipts).give_back(collected, Instant::now());
                failed = Some(error);
            }
        }
    }
    failed.map_or(Ok(()), Err)
}
