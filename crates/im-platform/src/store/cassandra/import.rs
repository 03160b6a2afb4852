//! Import: items one after the other, then how far that is. An item is done once however often it is asked for, so a request that broke in the middle
//! can be repeated.

use async_trait::async_trait;
use im_api::import::{ImportAnswer, ImportPosition, Imported};
use serde::{Deserialize, Serialize};

use super::Cassandra;
use super::schema::IMPORTS;
use crate::clock::Millis;
use crate::store::import::{Imports, Item};
use crate::store::{Cause, Result, StoreError};

/// How far a source has come.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct ImportDoc {
    pub position: i64,
    pub at: Millis,
}

#[async_trait]
impl Imports for Cassandra {
    async fn import(&self, source: &str, from: i64, items: Vec<Item>) -> Result<ImportAnswer> {
        self.open_or()?;
        let stands = self.position(source).await?;
        if from > stands {
            return Err(StoreError::Conflict("there is a gap between what was imported and this"));
        }
        let mut results = Vec::with_capacity(items.len());
        let mut end = from;
        for item in items {
            results.push(if end < stands { Imported::Skipped } else { self.import_one(item).await? });
            end += 1;
        }
        let mut turn = self.turn(IMPORTS, source).await;
        loop {
            let mut part = turn.load::<ImportDoc>().await?;
            let position = part.doc.map_or(0, |doc| doc.position).max(end);
            part.doc = Some(ImportDoc { position, at: self.clock.now() });
            self.list_put("imports", source, "", part.n, None).await?;
            if turn.commit(part).await? {
                return Ok(ImportAnswer { results, position: u64::try_from(position).unwrap_or(0) });
            }
        }
    }

    async fn import_position(&self, source: &str) -> Result<ImportPosition> {
        self.open_or()?;
        Ok(ImportPosition { position: u64::try_from(self.position(source).await?).unwrap_or(0) })
    }
}

impl Cassandra {
    async fn position(&self, source: &str) -> Result<i64> {
        Ok(self.head::<ImportDoc>(IMPORTS, source).await?.map_or(0, |doc| doc.position))
    }

    async fn import_one(&self, item: Item) -> Result<Imported> {
        let cause = Cause { quiet: true, ..Cause::by("import") };
        let done = match item {
            Item::User(new) => self.import_user(&new, &cause).await,
            Item::Friend(user, friend, entry) => {
                self.write_friend(&user, &friend, Some(entry), &cause).await.map(|c| c.changed)
            }
            Item::Block(user, blocked) => {
                self.write_block(&user, &blocked, true, &cause).await.map(|c| c.changed)
            }
            Item::Group(new) => self.make_group(&new, &cause).await.map(|_| true),
            Item::Room(room, members) => self.write_room(&room, &members, &cause).await.map(|()| true),
            Item::Wrong(detail) => return Ok(Imported::Failed { detail }),
        };
        match done {
            Ok(true) => Ok(Imported::Done),
            Ok(false) | Err(StoreError::Conflict(_)) => Ok(Imported::Exists),
            Err(e @ StoreError::NotFound(_)) => Ok(Imported::Failed { detail: e.to_string() }),
            Err(e) => Err(e),
        }
    }
}
