//! Import in SQLite: items and position in one transaction, each item in a savepoint of its own.

use async_trait::async_trait;
use im_api::import::{ImportAnswer, ImportPosition, Imported};
use rusqlite::{OptionalExtension, params};

use super::writer::Tx;
use super::{Sqlite, accounts, friend, group, room};
use crate::store::import::{Imports, Item};
use crate::store::{Cause, Result, StoreError};

#[async_trait]
impl Imports for Sqlite {
    async fn import(&self, source: &str, from: i64, items: Vec<Item>) -> Result<ImportAnswer> {
        let source = source.to_owned();
        self.write(move |tx| {
            let stands = position(tx, &source)?;
            if from > stands {
                return Err(StoreError::Conflict("there is a gap between what was imported and this"));
            }
            let mut results = Vec::with_capacity(items.len());
            let mut at = from;
            for item in items {
                results.push(if at < stands { Imported::Skipped } else { one(tx, item)? });
                at += 1;
            }
            let sql = "INSERT OR REPLACE INTO imports (source, position, at) VALUES (?1, ?2, ?3)";
            tx.conn.prepare_cached(sql)?.execute(params![source, at.max(stands), tx.now])?;
            Ok(ImportAnswer { results, position: u64::try_from(at.max(stands)).unwrap_or(0) })
        })
        .await
    }

    async fn import_position(&self, source: &str) -> Result<ImportPosition> {
        let source = source.to_owned();
        self.read(move |tx| {
            Ok(ImportPosition { position: u64::try_from(position(tx, &source)?).unwrap_or(0) })
        })
        .await
    }
}

fn position(tx: Tx<'_>, source: &str) -> Result<i64> {
    let sql = "SELECT position FROM imports WHERE source = ?1";
    Ok(tx.conn.prepare_cached(sql)?.query_row([source], |r| r.get(0)).optional()?.unwrap_or(0))
}

fn one(tx: Tx<'_>, item: Item) -> Result<Imported> {
    let cause = Cause { quiet: true, ..Cause::by("import") };
    tx.conn.prepare_cached("SAVEPOINT item")?.execute([])?;
    let done = match item {
        Item::User(new) => accounts::import(tx, &new, &cause),
        Item::Friend(user, friend, entry) => {
            friend::put(tx, &user, &friend, entry, &cause).map(|c| c.changed)
        }
        Item::Block(user, blocked) => friend::block(tx, &user, &blocked, true, &cause).map(|c| c.changed),
        Item::Group(new) => group::create(tx, &new, &cause).map(|_| true),
        Item::Room(room, members) => room::put(tx, &room, &members, None).map(|()| true),
        Item::Wrong(detail) => {
            tx.conn.prepare_cached("RELEASE item")?.execute([])?;
            return Ok(Imported::Failed { detail });
        }
    };
    if done.is_err() {
        tx.conn.prepare_cached("ROLLBACK TO item")?.execute([])?;
    }
    tx.conn.prepare_cached("RELEASE item")?.execute([])?;
    match done {
        Ok(true) => Ok(Imported::Done),
        Ok(false) | Err(StoreError::Conflict(_)) => Ok(Imported::Exists),
        Err(e @ StoreError::NotFound(_)) => Ok(Imported::Failed { detail: e.to_string() }),
        Err(e) => Err(e),
    }
}
