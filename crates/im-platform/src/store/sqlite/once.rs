//! Idempotency keys: looked up and remembered in the same transaction as the change, so a replay finds the first answer also while the first is
//! in line before it, and after a restart. Refusals are not remembered: what was refused changed nothing and is judged anew.

use rusqlite::{OptionalExtension, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::writer::Tx;
use crate::clock::Millis;
use crate::store::{Cause, Result, StoreError, parties};

/// How long a first answer is remembered.
pub const REMEMBERED: Millis = super::DAY;

/// Gives the first answer, or does the work and remembers its answer. `subject`: whom it concerns, so that it can be erased with them.
pub fn once<T: Serialize + DeserializeOwned>(
    tx: Tx<'_>,
    cause: &Cause,
    subject: &str,
    work: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let Some(once) = &cause.once else { return work() };
    let sql = "SELECT fingerprint, answer FROM once WHERE caller = ?1 AND key = ?2";
    let row = |r: &rusqlite::Row<'_>| Ok((r.get::<_, Vec<u8>>(0)?, r.get::<_, String>(1)?));
    let first = tx.conn.prepare_cached(sql)?.query_row([&cause.caller, &once.key], row).optional()?;
    if let Some((fingerprint, answer)) = first {
        if fingerprint != once.fingerprint {
            return Err(StoreError::KeyReused);
        }
        return serde_json::from_str(&answer).map_err(|e| StoreError::Corrupt(Box::new(e)));
    }
    let answer = work()?;
    let text = serde_json::to_string(&answer)
        .map_err(|e| StoreError::Failed { doing: "remembering an answer", source: Box::new(e) })?;
    let sql =
        "INSERT INTO once (caller, key, fingerprint, subject, answer, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    tx.conn.prepare_cached(sql)?.execute(params![
        cause.caller,
        once.key,
        once.fingerprint.as_slice(),
        subject,
        text,
        tx.now
    ])?;
    for party in parties::named(&text, subject) {
        let sql = "INSERT OR IGNORE INTO once_parties (jid, caller, key) VALUES (?1, ?2, ?3)";
        tx.conn.prepare_cached(sql)?.execute(params![party, cause.caller, once.key])?;
    }
    Ok(answer)
}
