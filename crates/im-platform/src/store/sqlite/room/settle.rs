//! What a room really did, where that differs from what was judged: a refused message leaves the timeline, and the ranges of what members missed are put
//! right for one position.

use std::collections::HashSet;

use rusqlite::{OptionalExtension, Row, params};

use im_api::room::RoomOutcome;

use super::presence::is_member;
use super::speak;
use crate::jid::UserId;
use crate::store::room::Settlement;
use crate::store::sqlite::space::Space;
use crate::store::sqlite::writer::Tx;
use crate::store::{Result, StoreError};

/// Settles one; true when the message stands on the timeline then.
pub fn settle(tx: Tx<'_>, node: &str, room: i64, item: &Settlement, limits: Space) -> Result<bool> {
    let mut found = position(tx, room, &item.key)?;
    if item.outcome == RoomOutcome::Refused {
        if let Some(seq) = found {
            for table in ["room_receipts", "room_messages"] {
                let sql = format!("DELETE FROM {table} WHERE room = ?1 AND seq = ?2");
                tx.conn.prepare_cached(&sql)?.execute([room, seq])?;
            }
        }
        let sql = "INSERT OR REPLACE INTO room_refused (key, at) VALUES (?1, ?2)";
        tx.conn.prepare_cached(sql)?.execute(params![item.key, tx.now])?;
        return Ok(false);
    }
    if found.is_none()
        && let Some(message) = &item.message
    {
        found = i64::try_from(speak(tx, room, message, limits)?.seq).ok().filter(|seq| *seq > 0);
    }
    let Some(seq) = found else { return Ok(false) };
    for user in &item.reached {
        not_missed(tx, room, user.as_str(), seq)?;
    }
    for user in &item.unreached {
        missed(tx, room, user.as_str(), seq)?;
    }
    if item.all {
        let reached: HashSet<&str> = item.reached.iter().map(UserId::as_str).collect();
        let sql = "SELECT m.user FROM room_members m WHERE m.room = ?1
                AND m.user <> (SELECT from_user FROM room_messages WHERE room = ?1 AND seq = ?2)
                AND NOT EXISTS (SELECT 1 FROM occupants o WHERE o.room = m.room AND o.user = m.user AND o.open = 1 AND o.node <> ?3)";
        let mut sql = tx.conn.prepare_cached(sql)?;
        let others = sql.query_map(params![room, seq, node], |r| r.get(0))?;
        for user in others.collect::<rusqlite::Result<Vec<String>>>()? {
            if !reached.contains(user.as_str()) {
                missed(tx, room, &user, seq)?;
            }
        }
    }
    Ok(true)
}

fn position(tx: Tx<'_>, room: i64, key: &str) -> Result<Option<i64>> {
    let sql = "SELECT room, seq FROM room_messages WHERE key = ?1";
    let read = |r: &Row<'_>| Ok((r.get::<_, i64>(0)?, r.get::<_, i64>(1)?));
    match tx.conn.prepare_cached(sql)?.query_row([key], read).optional()? {
        Some((of, _)) if of != room => Err(StoreError::Conflict("this key was used in another room")),
        found => Ok(found.map(|(_, seq)| seq)),
    }
}

/// The range of what this member missed that holds a position.
fn range(tx: Tx<'_>, room: i64, user: &str, seq: i64) -> Result<Option<(i64, Option<i64>)>> {
    let sql = "SELECT from_seq, to_seq FROM room_missed WHERE room = ?1 AND user = ?2 AND from_seq <= ?3
        AND (to_seq IS NULL OR to_seq >= ?3)";
    let read = |r: &Row<'_>| Ok((r.get(0)?, r.get(1)?));
    Ok(tx.conn.prepare_cached(sql)?.query_row(params![room, user, seq], read).optional()?)
}

fn missed(tx: Tx<'_>, room: i64, user: &str, seq: i64) -> Result<()> {
    if !is_member(tx, room, user)? || range(tx, room, user, seq)?.is_some() {
        return Ok(());
    }
    add(tx, room, user, (seq, Some(seq)))
}

fn not_missed(tx: Tx<'_>, room: i64, user: &str, seq: i64) -> Result<()> {
    let Some((from, to)) = range(tx, room, user, seq)? else { return Ok(()) };
    let sql = "DELETE FROM room_missed WHERE room = ?1 AND user = ?2 AND from_seq = ?3";
    tx.conn.prepare_cached(sql)?.execute(params![room, user, from])?;
    if from < seq {
        add(tx, room, user, (from, Some(seq - 1)))?;
    }
    if to.is_none_or(|to| to > seq) {
        add(tx, room, user, (seq + 1, to))?;
    }
    Ok(())
}

fn add(tx: Tx<'_>, room: i64, user: &str, (from, to): (i64, Option<i64>)) -> Result<()> {
    let sql = "INSERT INTO room_missed (room, user, from_seq, to_seq) VALUES (?1, ?2, ?3, ?4)";
    tx.conn.prepare_cached(sql)?.execute(params![room, user, from, to])?;
    Ok(())
}
