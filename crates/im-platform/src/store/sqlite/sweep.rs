//! What has ended is removed, a bounded piece at a time.

use rusqlite::params;

use super::state::{announce_end, expire_due};
use super::writer::Tx;
use super::{DAY, Settings, space};
use crate::clock::Millis;
use crate::store::Result;

/// A closed session keeps its seq for so long: longer than any change can be under way.
const TOMBSTONE: Millis = 10 * 60_000;
/// Rows removed per kind and call.
const PIECE: i64 = 500;

/// One round; true when there may be more.
pub fn sweep(tx: Tx<'_>, settings: &Settings) -> Result<bool> {
    let mut more = false;
    if let Some(user) = super::erase::unfinished(tx)? {
        super::erase::piece(tx, user)?;
        more = true;
    }
    more |= expire_due(tx)? > 0;
    more |= old_sessions(tx, "sessions_closed", "open = 0 AND changed_at <= ?1", tx.now - TOMBSTONE)?;
    more |= old_sessions(tx, "sessions_expiry", "expires_at <= ?1", tx.now)?;
    for (sql, before) in [
        (
            "DELETE FROM messages WHERE id IN (SELECT id FROM messages WHERE decided_at <= ?1 AND seq IS NULL LIMIT ?2)",
            tx.now - settings.history,
        ),
        (
            "DELETE FROM room_messages WHERE (room, seq) IN
                (SELECT room, seq FROM room_messages WHERE accepted_at <= ?1 LIMIT ?2)",
            tx.now - settings.rooms,
        ),
        (
            "DELETE FROM event_parties WHERE event IN (SELECT id FROM events WHERE received_at <= ?1 LIMIT ?2)",
            tx.now - settings.events,
        ),
        (
            "DELETE FROM occupants WHERE (room, user, resource, node) IN
                (SELECT room, user, resource, node FROM occupants WHERE open = 0 AND changed_at <= ?1 LIMIT ?2)",
            tx.now - TOMBSTONE,
        ),
        (
            "DELETE FROM room_refused WHERE key IN (SELECT key FROM room_refused WHERE at <= ?1 LIMIT ?2)",
            tx.now - DAY,
        ),
        (
            "DELETE FROM once WHERE (caller, key) IN (SELECT caller, key FROM once WHERE at <= ?1 LIMIT ?2)",
            tx.now - super::once::REMEMBERED,
        ),
        (
            "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at <= ?1 LIMIT ?2)",
            tx.now - settings.audit,
        ),
        (
            "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE received_at <= ?1 LIMIT ?2)",
            tx.now - settings.events,
        ),
    ] {
        let removed = tx.conn.prepare_cached(sql)?.execute(params![before, PIECE])?;
        more |= i64::try_from(removed).is_ok_and(|n| n >= PIECE);
    }
    if settings.footprints > 0 {
        let sql = "SELECT id FROM footprints WHERE created_at <= ?1 LIMIT ?2";
        let mut sql = tx.conn.prepare_cached(sql)?;
        let old = sql.query_map(params![tx.now - settings.footprints, PIECE], |r| r.get(0))?;
        let old = old.collect::<rusqlite::Result<Vec<i64>>>()?;
        for id in &old {
            super::footprint::delete(tx, *id)?;
        }
        more |= !old.is_empty();
    }
    if settings.media > 0 {
        let sql = "DELETE FROM media WHERE id IN (SELECT id FROM media WHERE created_at <= ?1 LIMIT ?2)";
        more |= tx.conn.prepare_cached(sql)?.execute(params![tx.now - settings.media, PIECE])? > 0;
    }
    more |= old_downlink(tx, settings)?;
    more |= space::cut_downlink(tx, settings, PIECE)?;
    tx.conn
        .prepare_cached("DELETE FROM erased WHERE at <= ?1")?
        .execute([tx.now - super::erase::REMEMBERED])?;
    tx.conn.prepare_cached("DELETE FROM ended_epochs WHERE ended_at <= ?1")?.execute([tx.now - DAY])?;
    Ok(more)
}

/// Sessions that are over: what a row knew about the last change moves to the user's row first. The index is named, because the planner would
/// rather read the whole table in the order of users.
fn old_sessions(tx: Tx<'_>, index: &str, which: &str, before: Millis) -> Result<bool> {
    let sql = format!(
        "SELECT user, resource, node, changed_at, open AND available AND node = '' FROM sessions INDEXED BY {index} WHERE {which} LIMIT {PIECE}"
    );
    let mut sql = tx.conn.prepare_cached(&sql)?;
    let read = |r: &rusqlite::Row<'_>| {
        let key = (r.get::<_, i64>(0)?, r.get::<_, String>(1)?, r.get::<_, String>(2)?);
        Ok((key, r.get::<_, Millis>(3)?, r.get::<_, bool>(4)?))
    };
    let old = sql.query_map([before], read)?.collect::<rusqlite::Result<Vec<_>>>()?;
    for ((user, resource, node), changed_at, shown) in &old {
        let sql = "UPDATE users SET state_since = max(state_since, ?2) WHERE id = ?1";
        tx.conn.prepare_cached(sql)?.execute(params![user, changed_at])?;
        let sql = "DELETE FROM sessions WHERE user = ?1 AND resource = ?2 AND node = ?3";
        tx.conn.prepare_cached(sql)?.execute(params![user, resource, node])?;
        if *shown {
            announce_end(tx, *user)?;
        }
    }
    Ok(!old.is_empty())
}

/// The downlink is cut from its beginning, and how far is remembered. Only the oldest events are looked at.
fn old_downlink(tx: Tx<'_>, settings: &Settings) -> Result<bool> {
    let mut sql = tx.conn.prepare_cached("SELECT seq, at FROM downlink ORDER BY seq LIMIT ?1")?;
    let oldest = sql.query_map([PIECE], |r| Ok((r.get::<_, i64>(0)?, r.get::<_, Millis>(1)?)))?;
    let oldest = oldest.collect::<rusqlite::Result<Vec<_>>>()?;
    let old = oldest.iter().take_while(|(_, at)| *at <= tx.now - settings.downlink);
    let Some((cut, _)) = old.last() else { return Ok(false) };
    space::forget_downlink(tx, *cut)?;
    Ok(true)
}
