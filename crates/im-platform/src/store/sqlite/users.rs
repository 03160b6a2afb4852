//! Rows of users: found by address, made known, their pending counter.

use rusqlite::{OptionalExtension, params};

use super::writer::Tx;
use crate::jid::UserId;
use crate::store::{Result, StoreError};

/// What a judgement needs of a user.
#[derive(Debug, Clone, Copy)]
pub struct UserRow {
    pub id: i64,
    pub pending: i64,
    pub next_seq: i64,
    pub state_since: i64,
}

pub fn find(tx: Tx<'_>, user: &UserId) -> Result<Option<UserRow>> {
    let sql = "SELECT id, pending, next_seq, state_since FROM users WHERE jid = ?1";
    let row = |row: &rusqlite::Row<'_>| {
        Ok(UserRow { id: row.get(0)?, pending: row.get(1)?, next_seq: row.get(2)?, state_since: row.get(3)? })
    };
    Ok(tx.conn.prepare_cached(sql)?.query_row([user.as_str()], row).optional()?)
}

pub fn known(tx: Tx<'_>, user: &UserId) -> Result<UserRow> {
    find(tx, user)?.ok_or(StoreError::NotFound("user"))
}

/// Finds the user or makes it known because a bridge has a session of it.
pub fn seen(tx: Tx<'_>, user: &UserId) -> Result<UserRow> {
    if let Some(row) = find(tx, user)? {
        return Ok(row);
    }
    tx.conn
        .prepare_cached(
            "INSERT INTO users (jid, origin, created_at, state_since) VALUES (?1, 'bridge', ?2, ?2)",
        )?
        .execute(params![user.as_str(), tx.now])?;
    Ok(UserRow { id: tx.conn.last_insert_rowid(), pending: 0, next_seq: 1, state_since: tx.now })
}

/// Sets the counter. A flip between nothing and something also marks or unmarks the sessions that should drain, and at 0 ends the claim: this is
/// the conditional write that makes the user reachable again.
pub fn set_pending(tx: Tx<'_>, user: i64, before: i64, after: i64) -> Result<()> {
    tx.conn.prepare_cached("UPDATE users SET pending = ?2 WHERE id = ?1")?.execute([user, after])?;
    if before == 0 && after > 0 {
        let sql = "UPDATE sessions SET drain = 1 WHERE user = ?1 AND open = 1 AND available = 1 AND priority >= 0 AND node <> ''";
        tx.conn.prepare_cached(sql)?.execute([user])?;
    }
    if after == 0 {
        tx.conn
            .prepare_cached("UPDATE sessions SET drain = 0 WHERE user = ?1 AND drain = 1")?
            .execute([user])?;
        tx.conn.prepare_cached("DELETE FROM claims WHERE user = ?1")?.execute([user])?;
    }
    Ok(())
}
