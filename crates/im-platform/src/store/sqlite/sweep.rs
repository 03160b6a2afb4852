//! What has ended is removed, a bounded piece at a time.

use rusqlite::params;

use super::state::expire_due;
use super::writer::Tx;
use super::{DAY, Settings};
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
    // What a removed row knew about the last change moves to the user's row first.
    let keep_since = "UPDATE users SET state_since = max(state_since, s.at) FROM
        (SELECT user, max(changed_at) AS at FROM sessions WHERE {which} GROUP BY user) AS s WHERE users.id = s.user";
    for (which, before) in [
        ("open = 0 AND changed_at <= ?1", tx.now - TOMBSTONE),
        ("expires_at IS NOT NULL AND expires_at <= ?1", tx.now),
    ] {
        tx.conn.prepare_cached(&keep_since.replace("{which}", which))?.execute([before])?;
        tx.conn.prepare_cached(&format!("DELETE FROM sessions WHERE {which}"))?.execute([before])?;
    }
    for (sql, before) in [
        (
            "DELETE FROM messages WHERE id IN (SELECT id FROM messages WHERE decided_at <= ?1 AND seq IS NULL LIMIT ?2)",
            tx.now - settings.history,
        ),
        (
            "DELETE FROM room_messages WHERE (room, seq) IN
                (SELECT room, seq FROM room_messages WHERE accepted_at <= ?1 LIMIT ?2)",
            tx.now - settings.history,
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
    // The downlink in order, and how far it was cut.
    let last_old = "SELECT max(seq) FROM (SELECT seq FROM downlink WHERE at <= ?1 ORDER BY seq LIMIT ?2)";
    let cut: Option<i64> =
        tx.conn.prepare_cached(last_old)?.query_row([tx.now - settings.downlink, PIECE], |r| r.get(0))?;
    if let Some(cut) = cut {
        tx.conn.prepare_cached("DELETE FROM downlink WHERE seq <= ?1")?.execute([cut])?;
        tx.conn.prepare_cached("UPDATE downlink_floor SET seq = max(seq, ?1)")?.execute([cut])?;
        more = true;
    }
    tx.conn
        .prepare_cached("DELETE FROM erased WHERE at <= ?1")?
        .execute([tx.now - super::erase::REMEMBERED])?;
    tx.conn.prepare_cached("DELETE FROM ended_epochs WHERE ended_at <= ?1")?.execute([tx.now - DAY])?;
    Ok(more)
}
