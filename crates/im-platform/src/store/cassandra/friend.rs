//! Friends and blocks: an entity per owner, so that list and version change together. Who is in whose list is noted beside it, for erasure.

use std::collections::HashSet;

use async_trait::async_trait;
use im_api::friend::{Blocks, Friend, FriendEntry, Friends as Page, FriendsChanged, Subscription};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Cassandra;
use super::part::end_of;
use super::schema::LISTS;
use crate::jid::UserId;
use crate::store::friend::{Friends, MAX_FRIENDS};
use crate::store::{Cause, Result, StoreError};

/// A list's head.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ListDoc {
    pub ver: u64,
    pub friends: i64,
    pub blocks: i64,
}

pub fn friend_row(friend: &str) -> String {
    format!("f/{friend}")
}

pub fn block_row(blocked: &str) -> String {
    format!("b/{blocked}")
}

#[async_trait]
impl Friends for Cassandra {
    async fn friends(&self, user: &UserId, limit: u32, after: Option<String>) -> Result<Page> {
        self.known_user(user.as_str()).await?;
        let from = after.map_or("f/".into(), |after| format!("f/{after}\0"));
        let most = i32::try_from(limit).unwrap_or(i32::MAX - 1) + 1;
        let rows: Vec<(String, FriendEntry)> =
            self.rows(LISTS, user.as_str(), (&from, &end_of("f/")), most, false).await?;
        let ver = self.head::<ListDoc>(LISTS, user.as_str()).await?.unwrap_or_default().ver;
        let mut items: Vec<Friend> = rows
            .into_iter()
            .map(|(sort, entry)| Friend { friend: sort.trim_start_matches("f/").into(), entry })
            .collect();
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let next = (items.len() > limit).then(|| {
            items.truncate(limit);
            items.last().map(|f| f.friend.clone()).unwrap_or_default()
        });
        Ok(Page { ver, items, next })
    }

    async fn put_friend(
        &self,
        user: &UserId,
        friend: &UserId,
        entry: FriendEntry,
        cause: Cause,
    ) -> Result<FriendsChanged> {
        self.write_friend(user, friend, Some(entry), &cause).await
    }

    async fn remove_friend(&self, user: &UserId, friend: &UserId, cause: Cause) -> Result<FriendsChanged> {
        self.write_friend(user, friend, None, &cause).await
    }

    async fn sees_presence(&self, owner: &UserId, viewer: &UserId) -> Result<bool> {
        self.known_user(owner.as_str()).await?;
        self.known_user(viewer.as_str()).await?;
        if owner == viewer {
            return Ok(true);
        }
        let entry = self.row::<FriendEntry>(LISTS, owner.as_str(), &friend_row(viewer.as_str())).await?;
        let sees = entry.is_some_and(|e| matches!(e.subscription, Subscription::From | Subscription::Both));
        Ok(sees && !self.blocks_either(owner.as_str(), viewer.as_str()).await?)
    }

    async fn blocks(&self, user: &UserId) -> Result<Blocks> {
        self.known_user(user.as_str()).await?;
        let rows: Vec<(String, bool)> =
            self.rows(LISTS, user.as_str(), ("b/", &end_of("b/")), i32::MAX, false).await?;
        Ok(Blocks { items: rows.into_iter().map(|(sort, _)| sort.trim_start_matches("b/").into()).collect() })
    }

    async fn set_block(
        &self,
        user: &UserId,
        blocked: &UserId,
        on: bool,
        cause: Cause,
    ) -> Result<FriendsChanged> {
        self.write_block(user, blocked, on, &cause).await
    }
}

impl Cassandra {
    /// Writes or removes an entry and announces it, unless it is so already.
    pub(super) async fn write_friend(
        &self,
        user: &UserId,
        friend: &UserId,
        entry: Option<FriendEntry>,
        cause: &Cause,
    ) -> Result<FriendsChanged> {
        self.known_user(user.as_str()).await?;
        let row = friend_row(friend.as_str());
        let mut turn = self.turn(LISTS, user.as_str()).await;
        loop {
            let mut part = turn.load::<ListDoc>().await?;
            let before = self.row::<FriendEntry>(LISTS, user.as_str(), &row).await?;
            let mut doc = part.doc.take().unwrap_or_default();
            if before == entry {
                return Ok(FriendsChanged { ver: doc.ver, changed: false });
            }
            if before.is_none() && doc.friends >= MAX_FRIENDS {
                return Err(too_long());
            }
            let said = match &entry {
                Some(entry) => {
                    self.list_put(&format!("friendof/{friend}"), user.as_str(), "", part.n, None).await?;
                    self.list_put("owners", user.as_str(), "", part.n, None).await?;
                    part.put(row.clone(), entry, None)?;
                    let now = Friend { friend: friend.to_string(), entry: entry.clone() };
                    self.saying(cause, "im.friend.changed", user.as_str(), &now).await?
                }
                None => {
                    part.remove(row.clone());
                    let data = json!({ "friend": friend.as_str() });
                    self.saying(cause, "im.friend.removed", user.as_str(), &data).await?
                }
            };
            doc.friends += i64::from(entry.is_some()) - i64::from(before.is_some());
            doc.ver += 1;
            let ver = doc.ver;
            part.doc = Some(doc);
            part.say(said);
            if turn.commit(part).await? {
                return Ok(FriendsChanged { ver, changed: true });
            }
        }
    }

    /// Blocks or unblocks and announces it, unless it is so already.
    pub(super) async fn write_block(
        &self,
        user: &UserId,
        blocked: &UserId,
        on: bool,
        cause: &Cause,
    ) -> Result<FriendsChanged> {
        self.known_user(user.as_str()).await?;
        let row = block_row(blocked.as_str());
        let mut turn = self.turn(LISTS, user.as_str()).await;
        loop {
            let mut part = turn.load::<ListDoc>().await?;
            let before = self.row::<bool>(LISTS, user.as_str(), &row).await?.is_some();
            let mut doc = part.doc.take().unwrap_or_default();
            if on && doc.blocks >= MAX_FRIENDS {
                return Err(too_long());
            }
            if before == on {
                return Ok(FriendsChanged { ver: doc.ver, changed: false });
            }
            if on {
                self.list_put(&format!("blockedby/{blocked}"), user.as_str(), "", part.n, None).await?;
                part.put(row.clone(), &true, None)?;
            } else {
                part.remove(row.clone());
            }
            doc.blocks += i64::from(on) - i64::from(before);
            doc.ver += 1;
            let ver = doc.ver;
            part.doc = Some(doc);
            let data = json!({ "blocked": blocked.as_str(), "on": on });
            part.say(self.saying(cause, "im.block.changed", user.as_str(), &data).await?);
            if turn.commit(part).await? {
                return Ok(FriendsChanged { ver, changed: true });
            }
        }
    }

    /// Whom of these the user blocks.
    pub(super) async fn blocked_by(&self, user: &str, others: Vec<String>) -> Result<HashSet<String>> {
        let rows: Vec<String> = others.iter().map(|other| block_row(other)).collect();
        let found: Vec<(String, bool)> = self.rows_of(LISTS, user, &rows).await?;
        Ok(found.into_iter().map(|(sort, _)| sort.trim_start_matches("b/").to_owned()).collect())
    }

    /// Whether one of both blocks the other.
    pub(super) async fn blocks_either(&self, a: &str, b: &str) -> Result<bool> {
        Ok(!self.blocked_by(a, vec![b.into()]).await?.is_empty()
            || !self.blocked_by(b, vec![a.into()]).await?.is_empty())
    }

    /// Takes an erased user out of somebody's list; gives how many friends that were.
    pub(super) async fn forget_listed(&self, owner: &str, user: &str) -> Result<u64> {
        let mut turn = self.turn(LISTS, owner).await;
        loop {
            let mut part = turn.load::<ListDoc>().await?;
            let rows = [friend_row(user), block_row(user)];
            let found: Vec<(String, serde_json::Value)> = self.rows_of(LISTS, owner, &rows).await?;
            let Some(doc) = part.doc.as_mut() else { return Ok(0) };
            let mut friends = 0;
            for (sort, _) in &found {
                if sort.starts_with("f/") {
                    doc.friends -= 1;
                    friends += 1;
                } else {
                    doc.blocks -= 1;
                }
            }
            for (sort, _) in found {
                part.remove(sort);
            }
            if turn.commit(part).await? {
                return Ok(friends);
            }
        }
    }
}

fn too_long() -> StoreError {
    StoreError::Limit("this list has as many entries as it may have")
}
