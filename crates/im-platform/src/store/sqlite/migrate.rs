//! Formats: `user_version` counts the scripts that were applied. A newer format is refused, never touched.

use rusqlite::Connection;

use crate::store::{Result, StoreError};

/// Marks a file as ours ("IMPF").
const APPLICATION_ID: i64 = 0x494D_5046;

/// Every format that was ever released, in order; a script is never changed once released.
const SCRIPTS: &[&str] = &[
    include_str!("migrations/0001.sql"),
    include_str!("migrations/0002.sql"),
    include_str!("migrations/0003.sql"),
    include_str!("migrations/0004.sql"),
    include_str!("migrations/0005.sql"),
    include_str!("migrations/0006.sql"),
    include_str!("migrations/0007.sql"),
    include_str!("migrations/0008.sql"),
];

/// The newest format this build reads.
pub const FORMAT: i64 = SCRIPTS.len() as i64;

/// Brings the file to [`FORMAT`], each step in a transaction of its own; gives the format it had.
///
/// # Errors
/// [`StoreError::Newer`], or what SQLite reports.
pub fn migrate(conn: &mut Connection) -> Result<i64> {
    let found: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let owner: i64 = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if found > FORMAT {
        return Err(StoreError::Newer { found, known: FORMAT });
    }
    if found > 0 && owner != APPLICATION_ID {
        let source = format!("its application id is {owner:#x}").into();
        return Err(StoreError::Failed { doing: "opening a database that is not im-platform's", source });
    }
    for (step, script) in (1..).zip(SCRIPTS).skip(usize::try_from(found).unwrap_or(0)) {
        let tx = conn.transaction()?;
        tx.execute_batch(script)?;
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
        tx.pragma_update(None, "user_version", step)?;
        tx.commit()?;
        tracing::info!(format = step, "database brought to a newer format");
    }
    Ok(found)
}
