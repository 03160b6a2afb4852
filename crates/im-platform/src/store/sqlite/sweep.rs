//! What has ended is removed, a bounded piece at a time.

use rusqlite::params;

use super::state::expire_node;
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
    let mut ended = tx.conn.prepare_cached(
        "SELECT node, expires_at FROM nodes WHERE epoch IS NOT NULL AND expires_at <= ?1 LIMIT 10",
    )?;
    let ended = ended
        .query_map([tx.now], |row| Ok((row.get::<_, String>(0)?, row.get::<_, Millis>(1)?)))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    for (node, at) in &ended {
        expire_node(tx, node, *at)?;
        tracing::warn!(node, "the lease of a node ran out; its sessions are closed");
    }
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
            "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE received_at <= ?1 LIMIT ?2)",
            tx.now - settings.events,
        ),
    ] {
        let removed = tx.conn.prepare_cached(sql)?.execute(params![before, PIECE])?;
        more |= i64::try_from(removed).is_ok_and(|n| n >= PIECE);
    }
    tx.conn.prepare_cached("DELETE FROM ended_epochs WHERE ended_at <= ?1")?.execute([tx.now - DAY])?;
    Ok(more || ended.len() == 10)
}
