//! The threads that ask the platform about what stands in the lanes of rooms: messages are put on the timeline, joins and leaves are told, each room
//! in its order.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use im_api::room::{Join, Joined, RoomItem, RoomPost, RoomPostAnswer};
use im_api::{problem, routes};
use serde_json::json;

use crate::lanes::{Action, Held, Moves};
use crate::mapping::{self, Outcome, Response};
use crate::modules::room as module;
use crate::platform::{Headers, PlatformError};
use crate::stanza::{Limits, Stanza, jid};

use super::super::core::{Core, lock};
use super::{Reading, SAY, nothing_more, settle};

/// Entries asked about at a time.
const BATCH: usize = 256;
/// Pause before a failed request is tried again.
const RETRY: Duration = Duration::from_millis(100);

/// A thread that asks.
pub fn run(core: &Core) {
    while !core.ending.load(Ordering::Acquire) {
        let batch = {
            let mut lanes = lock(&core.rooms.lanes);
            let able =
                core.ready.load(Ordering::Acquire) && core.breaker.closed() && core.client.url().is_some();
            if !able || !lanes.has_ready() {
                drop(
                    core.rooms
                        .ask_wake
                        .wait_timeout(lanes, Duration::from_millis(100))
                        .unwrap_or_else(PoisonError::into_inner),
                );
                continue;
            }
            lanes.take(BATCH, Instant::now())
        };
        let mut rooms: Vec<Vec<Held>> = Vec::new();
        for held in batch {
            match rooms.last_mut().filter(|room| room[0].lane == held.lane) {
                Some(room) => room.push(held),
                None => rooms.push(vec![held]),
            }
        }
        for room in rooms {
            ask(core, room);
        }
    }
}

/// Asks about the next entries of one room, in order. What cannot be asked waits again, with everything behind it.
fn ask(core: &Core, entries: Vec<Held>) {
    let asking = core.rooms.asking.read();
    let room = entries[0].lane.to_string();
    let mut left = entries.into_iter().peekable();
    // What the room did before counts before what comes now.
    let mut failed = settle::flush(core, Some(&room)).err();
    while failed.is_none()
        && let Some(held) = left.next()
    {
        if !is_said(&held) {
            failed = tell(core, &held).err().inspect(|_| again(core, &held));
            continue;
        }
        let mut run = vec![held];
        while let Some(next) = left.next_if(is_said) {
            run.push(next);
        }
        failed = say(core, &room, run).err();
    }
    drop(asking);
    let Some(error) = failed else { return };
    left.for_each(|held| again(core, &held));
    if error.is(problem::UNKNOWN_EPOCH) {
        core.ready.store(false, Ordering::Release);
        core.snapshot_due.store(true, Ordering::Release);
        core.link_wake.notify_all();
        return;
    }
    core.failed("room", error.to_string());
    core.breaker.failure(&error.to_string(), error.refused_credential());
    if !core.breaker.closed() {
        core.decide_rooms_alone_now(true);
    }
}

fn is_said(held: &Held) -> bool {
    held.row.as_ref().is_some_and(|row| row.name == SAY)
}

fn again(core: &Core, held: &Held) {
    lock(&core.rooms.lanes).unasked(&held.lane, held.seq, true, Instant::now() + RETRY);
}

fn answer(core: &Core, held: &Held, action: Action) {
    let mut moves = Moves::default();
    lock(&core.rooms.lanes).answer(&held.lane, held.seq, action, &mut moves);
    core.carry_out_rooms(moves);
}

/// Tells of one join or leave.
fn tell(core: &Core, held: &Held) -> Result<(), PlatformError> {
    let Some(reading) = lock(&core.rooms.readings).get(&held.seq).cloned() else {
        answer(core, held, Action::Drop);
        return Ok(());
    };
    let action = if reading.open { enter(core, &reading)? } else { leave(core, &reading)? };
    lock(&core.rooms.table).tell(&reading);
    core.breaker.success();
    answer(core, held, action);
    Ok(())
}

fn enter(core: &Core, reading: &Reading) -> Result<Action, PlatformError> {
    let join = Join {
        node: core.node.clone(),
        epoch: core.epoch.clone(),
        seq: reading.seq,
        nick: reading.nick.clone(),
    };
    let Some(path) = path(reading) else { return Ok(Action::Drop) };
    let joined: Joined = core.client.json("PUT", &path, &join, None)?;
    core.row_counts.add("room.enter", "told");
    Ok(if joined.missed > 0 { Action::Release { force: false } } else { Action::Drop })
}

fn leave(core: &Core, reading: &Reading) -> Result<Action, PlatformError> {
    // A room that is gone is not made anew by telling who has left it.
    let known = lock(&core.rooms.table).told(&reading.room).contains(&reading.jid);
    let Some(path) = path(reading).filter(|_| known) else { return Ok(Action::Drop) };
    let path = format!("{path}?node={}&epoch={}&seq={}", core.node, core.epoch, reading.seq);
    core.client.exchange_bytes("DELETE", &path, None, Headers::default()).and_then(nothing_more)?;
    core.row_counts.add("room.leave", "told");
    Ok(Action::Drop)
}

fn path(reading: &Reading) -> Option<String> {
    let (_, resource) = reading.jid.split_once('/')?;
    let user = jid::bare_with_local(&reading.jid)?;
    Some(routes::path(routes::OCCUPANT, &[&reading.room, &user, resource]))
}

/// Puts messages on the timeline: one request for all of them.
fn say(core: &Core, room: &str, run: Vec<Held>) -> Result<(), PlatformError> {
    let mut items: Vec<RoomItem> = Vec::with_capacity(run.len());
    let mut asked: Vec<(Held, Stanza)> = Vec::with_capacity(run.len());
    for held in run {
        let stanza = Stanza::parse(&held.bytes, &Limits { bytes: usize::MAX, ..Limits::default() }).ok();
        let nick = {
            let mut table = lock(&core.rooms.table);
            let told = table.told(room);
            table.said.get_mut(&held.seq).map(|said| {
                said.told = Some(told);
                said.nick.clone()
            })
        };
        let item = stanza.as_ref().and_then(|s| module::item(s, &held.key, &nick?, held.sent_ms));
        match (item, stanza) {
            (Some(item), Some(stanza)) => {
                items.push(item);
                asked.push((held, stanza));
            }
            _ => {
                core.failed("room", "a held message to a room cannot be read again".into());
                answer(core, &held, Action::Release { force: true });
            }
        }
    }
    if asked.is_empty() {
        return Ok(());
    }
    let key = format!("{}-{}", asked[0].0.key, asked.len());
    let post = RoomPost { node: core.node.clone(), epoch: core.epoch.clone(), items };
    let path = routes::path(routes::ROOM_MESSAGES, &[room]);
    let result: Result<RoomPostAnswer, _> = core.client.json("POST", &path, &post, Some(&key));
    core.row_counts.add(SAY, "calls");
    match result {
        Ok(given) => {
            let same = given.results.len() == asked.len()
                && given.results.iter().zip(&asked).all(|(result, (held, _))| result.key == *held.key);
            if !same {
                asked.iter().for_each(|(held, _)| again(core, held));
                let reason = "the platform answered other keys than it was asked".into();
                return Err(PlatformError::Malformed { status: 200, reason });
            }
            core.breaker.success();
            for (result, (held, stanza)) in given.results.iter().zip(asked) {
                core.know(room, &held.key, &result.stanza_id, &stanza);
                // Position 0: it was refused before.
                let action = if result.seq > 0 { Action::Release { force: true } } else { Action::Drop };
                answer(core, &held, action);
            }
            Ok(())
        }
        Err(error) if error.platform_is_ill() || error.is(problem::UNKNOWN_EPOCH) => {
            asked.iter().for_each(|(held, _)| again(core, held));
            Err(error)
        }
        // One bad message must not take the others with it.
        Err(_) if asked.len() > 1 => {
            let mut failed = None;
            for (held, _) in asked {
                match &failed {
                    None => failed = say(core, room, vec![held]).err(),
                    Some(_) => again(core, &held),
                }
            }
            failed.map_or(Ok(()), Err)
        }
        Err(error) => {
            let (held, stanza) = &asked[0];
            answer(core, held, refusal(core, held, stanza, &error));
            Ok(())
        }
    }
}

/// What the row says about the platform's no.
fn refusal(core: &Core, held: &Held, stanza: &Stanza, error: &PlatformError) -> Action {
    let value = mapping::value(stanza, true);
    let own = core.own(&held.key, held.sent_ms);
    let outcome = match (error, &held.row) {
        (PlatformError::Problem(problem), Some(row)) => {
            let body = json!(problem);
            Some(row.outcome(&value, &own, Some(&Response { status: problem.status, body })))
        }
        _ => None,
    };
    match outcome {
        Some(Outcome::Error { kind, condition, text }) => Action::Refuse { kind, condition, text },
        _ => {
            core.failed("room", error.to_string());
            super::on_failure(core.config().module("room").on_failure)
        }
    }
}
