//! Erasure: everything that names a user, table by table, a bounded piece at a time. The list here is the list of where a user can be.
//!
//! What was said between two users is erased for both; other users' announcements that name the user go, or lose the name where it is an item of a
//! list. What stays: the event that tells bridges (until the downlink's retention), and the audit's rows without the name.

use im_api::user::Erased;
use ring::digest;
use rusqlite::{OptionalExtension, params};
use serde_json::json;

use super::downlink::{self, announce};
use super::writer::Tx;
use super::{room, users};
use crate::clock::Millis;
use crate::jid::UserId;
use crate::store::{Cause, Result, StoreError};

/// How long reports about an erased user are not believed: longer than any can be under way.
pub const REMEMBERED: Millis = 10 * 60_000;
/// Rows per table and piece.
const PIECE: i64 = 500;

/// From here on nobody knows the user: the address is free, what is left hangs on the number.
pub fn begin(tx: Tx<'_>, user: &UserId, cause: &Cause) -> Result<i64> {
    let row = users::known(tx, user)?;
    let sql = "UPDATE users SET erasing = jid, jid = char(1) || id WHERE id = ?1";
    tx.conn.prepare_cached(sql)?.execute([row.id])?;
    for table in ["sessions", "claims", "verifiers", "attempts", "blocks"] {
        tx.conn.prepare_cached(&format!("DELETE FROM {table} WHERE user = ?1"))?.execute([row.id])?;
    }
    for sql in [
        "DELETE FROM downlink WHERE subject = ?1",
        "DELETE FROM blocks WHERE blocked = ?1",
        "DELETE FROM once WHERE subject = ?1",
        "UPDATE audit SET subject = '' WHERE subject = ?1",
    ] {
        tx.conn.prepare_cached(sql)?.execute([user.as_str()])?;
    }
    let sql = "INSERT OR REPLACE INTO erased (hash, at) VALUES (?1, ?2)";
    tx.conn.prepare_cached(sql)?.execute(params![hash(user), tx.now])?;
    announce(tx, cause, "im.user.removed", user.as_str(), &json!({}))?;
    Ok(row.id)
}

/// Whether the user was erased so short a while ago that reports from a bridge may still be about the one that was.
pub fn recently(tx: Tx<'_>, user: &UserId) -> Result<bool> {
    let sql = "SELECT 1 FROM erased WHERE hash = ?1 AND at > ?2";
    Ok(tx.conn.prepare_cached(sql)?.exists(params![hash(user), tx.now - REMEMBERED])?)
}

fn hash(user: &UserId) -> Vec<u8> {
    digest::digest(&digest::SHA256, user.as_str().as_bytes()).as_ref().to_vec()
}

/// Somebody whose erasure was begun and not finished.
pub fn unfinished(tx: Tx<'_>) -> Result<Option<i64>> {
    let sql = "SELECT id FROM users WHERE erasing IS NOT NULL LIMIT 1";
    Ok(tx.conn.prepare_cached(sql)?.query_row([], |r| r.get(0)).optional()?)
}

/// One piece; true when there may be more.
pub fn piece(tx: Tx<'_>, id: i64) -> Result<(bool, Erased)> {
    let sql = "SELECT erasing FROM users WHERE id = ?1 AND erasing IS NOT NULL";
    let jid: Option<String> = tx.conn.prepare_cached(sql)?.query_row([id], |r| r.get(0)).optional()?;
    let Some(jid) = jid else { return Ok((false, Erased::default())) };
    let by_id =
        |sql: &str| -> Result<u64> { count(tx.conn.prepare_cached(sql)?.execute(params![id, PIECE])?) };
    let by_jid =
        |sql: &str| -> Result<u64> { count(tx.conn.prepare_cached(sql)?.execute(params![jid, PIECE])?) };
    let erased = Erased {
        messages: messages(tx, id, &jid)?,
        room_messages: by_jid(
            "DELETE FROM room_messages WHERE (room, seq) IN (SELECT room, seq FROM room_messages WHERE from_user = ?1 LIMIT ?2)",
        )?,
        events: by_jid(
            "DELETE FROM events WHERE id IN (SELECT event FROM event_parties WHERE jid = ?1 LIMIT ?2)",
        )?,
        friends: by_id(
            "DELETE FROM friends WHERE user = ?1 AND friend IN (SELECT friend FROM friends WHERE user = ?1 LIMIT ?2)",
        )? + by_jid(
            "DELETE FROM friends WHERE friend = ?1 AND user IN (SELECT user FROM friends WHERE friend = ?1 LIMIT ?2)",
        )?,
        footprints: footprints(tx, id)?,
        media: by_id("DELETE FROM media WHERE id IN (SELECT id FROM media WHERE user = ?1 LIMIT ?2)")?,
        memberships: memberships(tx, id, &jid)?,
    };
    let parties = by_jid(
        "DELETE FROM event_parties WHERE event IN (SELECT p.event FROM event_parties p
            LEFT JOIN events e ON e.id = p.event WHERE p.jid = ?1 AND e.id IS NULL LIMIT ?2)",
    )?;
    let receipts = by_jid(
        "DELETE FROM room_receipts WHERE (room, seq, user) IN
            (SELECT room, seq, user FROM room_receipts WHERE user = ?1 LIMIT ?2)",
    )?;
    let people = count(super::footprint::forget_person(tx, &jid, PIECE)?)?
        + count(super::media::forget_person(tx, &jid, PIECE)?)?;
    let answers = by_jid(
        "DELETE FROM once WHERE (caller, key) IN (SELECT caller, key FROM once_parties WHERE jid = ?1 LIMIT ?2)",
    )?;
    let announced = count(downlink::forget_party(tx, &jid, PIECE)?)?;
    let more = erased != Erased::default() || parties + receipts + people + answers + announced > 0;
    if !more {
        tx.after.erased.set(true);
        tx.conn.prepare_cached("DELETE FROM users WHERE id = ?1")?.execute([id])?;
    }
    Ok((more, erased))
}

fn memberships(tx: Tx<'_>, id: i64, jid: &str) -> Result<u64> {
    let mut sql = tx.conn.prepare_cached("SELECT grp FROM group_members WHERE user = ?1 LIMIT ?2")?;
    let groups = sql.query_map([id, PIECE], |r| r.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
    for group in &groups {
        super::group::forget_member(tx, group, id)?;
    }
    Ok(room::forget_user(tx, jid)? + count(groups.len())?)
}

/// One-to-one messages of the user in both directions. Somebody else's pending counter follows.
fn messages(tx: Tx<'_>, id: i64, jid: &str) -> Result<u64> {
    // The third: sent before the user was known here.
    let sql = "SELECT id, to_user, seq IS NOT NULL FROM messages WHERE from_user = ?1 AND stanza IS NOT NULL
        UNION ALL SELECT id, to_user, seq IS NOT NULL FROM messages WHERE to_user = ?1 AND stanza IS NOT NULL
        UNION ALL SELECT id, to_user, seq IS NOT NULL FROM messages WHERE from_user IS NULL AND stanza IS NOT NULL
            AND from_jid >= ?3 || '/' AND from_jid < ?3 || '0' LIMIT ?2";
    let mut sql = tx.conn.prepare_cached(sql)?;
    let rows = sql
        .query_map(params![id, PIECE, jid], |r| {
            Ok((r.get::<_, i64>(0)?, r.get::<_, Option<i64>>(1)?, r.get::<_, bool>(2)?))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let mut erased = 0;
    for (message, to_user, pending) in rows {
        // One to oneself is listed twice and counted once.
        if tx.conn.prepare_cached("DELETE FROM messages WHERE id = ?1")?.execute([message])? == 0 {
            continue;
        }
        erased += 1;
        if let (true, Some(to)) = (pending, to_user) {
            let sql = "SELECT pending FROM users WHERE id = ?1";
            let before: i64 = tx.conn.prepare_cached(sql)?.query_row([to], |r| r.get(0))?;
            users::set_pending(tx, to, before, before - 1)?;
        }
    }
    Ok(erased)
}

fn footprints(tx: Tx<'_>, id: i64) -> Result<u64> {
    let sql = "SELECT id FROM footprints WHERE user = ?1 LIMIT ?2";
    let mut sql = tx.conn.prepare_cached(sql)?;
    let rows =
        sql.query_map(params![id, PIECE], |r| r.get::<_, i64>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    for footprint in &rows {
        super::footprint::delete(tx, *footprint)?;
    }
    count(rows.len())
}

fn count(n: usize) -> Result<u64> {
    u64::try_from(n).map_err(|e| StoreError::Failed { doing: "counting", source: Box::new(e) })
}
