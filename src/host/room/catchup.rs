//! The catch-up: what a member missed goes to the session that has joined, oldest first, from the room, and is deleted at the platform after that
//! session accepted it. Until then nothing new of that room reaches the session: the lane waits for it.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use im_api::room::{MissedLeft, RoomMessages};
use im_api::routes;

use crate::ffi::frame::{Outcome, Writer, effect};
use crate::lanes::Action;
use crate::modules::room as module;
use crate::platform::PlatformError;
use crate::stanza::jid;

use super::super::core::{Core, lock};
use super::{Reading, settle};

/// Messages fetched and deleted at a time. What was handed over is marked in the journal one by one.
const BATCH: usize = 50;
/// How long the shim may take for one message.
const LIMIT: Duration = Duration::from_secs(30);

/// A member who has joined.
#[derive(Debug)]
pub struct CatchUp {
    effect: u64,
    reading: Reading,
    /// Something was missed.
    missed: bool,
    /// The platform could not be asked.
    alone: bool,
}

/// The journal's mark of how far a user was caught up with a room.
pub fn mark(room: &str, user: &str) -> String {
    format!("caught/{room}/{user}")
}

impl Core {
    /// A member has joined; the room's lane waits until it has what it missed.
    pub fn catch_up_later(&self, effect: u64, reading: Reading, action: &Action) {
        let (missed, alone) = match action {
            Action::Release { force } => (!force, *force),
            _ => (false, false),
        };
        lock(&self.rooms.catchups).push_back(CatchUp { effect, reading, missed, alone });
        self.rooms.catchup_wake.notify_all();
    }
}

/// A thread that hands over.
pub fn run(core: &Core) {
    while !core.ending.load(Ordering::Acquire) {
        let next = {
            let mut queue = lock(&core.rooms.catchups);
            let next = queue.pop_front();
            if next.is_none() {
                drop(
                    core.rooms
                        .catchup_wake
                        .wait_timeout(queue, Duration::from_millis(100))
                        .unwrap_or_else(PoisonError::into_inner),
                );
            }
            next
        };
        let Some(one) = next else { continue };
        let owed = one.alone || one.missed && catch_up(core, &one.reading).is_err();
        if owed {
            // Later: when the platform is back it gets the list of occupants, and then this.
            lock(&core.rooms.table).owe(&one.reading);
            core.rooms.occupants_due.store(true, Ordering::Release);
        }
        let join = one.reading.seq.to_string();
        let _ = core.effects.apply(LIMIT, "room.live", &[&one.reading.room, &one.reading.jid, &join]);
        core.room_done(one.effect, Outcome::Ok, "");
    }
}

/// `Err`: it has to be tried again.
fn catch_up(core: &Core, reading: &Reading) -> Result<(), ()> {
    let user = jid::bare_with_local(&reading.jid).ok_or(())?;
    let path = routes::path(routes::MISSED, &[&reading.room]);
    let user = user.as_ref();
    let mark = mark(&reading.room, user);
    let encoded = routes::path("{x}", &[user]);
    let failed = |error: PlatformError| {
        core.failed("room", error.to_string());
        if error.platform_is_ill() {
            core.breaker.failure(&error.to_string(), error.refused_credential());
        }
    };
    settle::flush(core, Some(&reading.room)).map_err(failed)?;
    loop {
        let page: RoomMessages = core
            .client
            .call("GET", &format!("{path}?user={encoded}&limit={BATCH}"), None, None)
            .map_err(failed)?;
        // What a killed host handed over but could not delete any more is not handed over again.
        let mut upto = core.journal.marked(&mark).ok().flatten().unwrap_or(0);
        let mut gone = false;
        for message in page.items.iter().filter(|m| m.seq > upto).collect::<Vec<_>>() {
            if core.ending.load(Ordering::Acquire) || !hand(core, reading, message) {
                gone = true;
                break;
            }
            upto = message.seq;
            core.row_counts.add("room.enter", "handed_over");
            if let Err(error) = core.journal.mark(&mark, upto) {
                core.failed("journal", error.to_string());
            }
        }
        let done = page.items.iter().map(|m| m.seq).filter(|seq| *seq <= upto).max();
        let mut left = None;
        if let Some(done) = done {
            let answer: MissedLeft = core
                .client
                .call("DELETE", &format!("{path}?user={encoded}&upto={done}"), None, None)
                .map_err(failed)?;
            left = Some(answer.left);
        }
        if gone {
            // The session is not there any more; whoever joins next gets the rest.
            return Ok(());
        }
        if left.unwrap_or(0) == 0 {
            let _ = core.journal.unmark(&mark);
            return Ok(());
        }
    }
}

fn hand(core: &Core, reading: &Reading, message: &im_api::room::RoomMessage) -> bool {
    if lock(&core.rooms.table).nick(&reading.room, &reading.jid).is_none() {
        return false;
    }
    let xml = match module::missed(message, &reading.room, &reading.jid, &core.start.domain) {
        Ok(xml) => xml,
        Err(why) => {
            core.failed("room", why);
            return true; // It would stand in the way of all others for ever.
        }
    };
    let outcome = core.effects.perform(LIMIT, |number| {
        Writer::new(effect::HANDOVER).long(number).str(&reading.jid).str(&xml).finish()
    });
    matches!(outcome, Some((Outcome::Ok, _)))
}
