//! Friends and blocks in SQLite. What does not change anything is not announced: an echo dies here.

use async_trait::async_trait;
use im_api::friend::{Blocks, Friend, FriendEntry, Friends as Page, FriendsChanged, Subscription};
use rusqlite::{OptionalExtension, Row, params};
use serde_json::json;

use super::downlink::announce;
use super::users::UserRow;
use super::writer::Tx;
use super::{Sqlite, footprint, users};
use crate::jid::{Jid, UserId};
use crate::store::footprint::Viewer;
use crate::store::friend::{Friends, MAX_FRIENDS};
use crate::store::{Cause, Result, StoreError};

#[async_trait]
impl Friends for Sqlite {
    async fn friends(&self, user: &UserId, limit: u32, after: Option<String>) -> Result<Page> {
        let user = user.clone();
        self.read(move |tx| {
            let row = users::known(tx, &user)?;
            let mut sql = tx.conn.prepare_cached(
                "SELECT friend, name, subscription, ask, approved, groups FROM friends
                 WHERE user = ?1 AND friend > ?2 ORDER BY friend LIMIT ?3",
            )?;
            let values = params![row.id, after.unwrap_or_default(), limit + 1];
            let mut items = sql.query_map(values, to_friend)?.collect::<rusqlite::Result<Vec<_>>>()?;
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            let next = (items.len() > limit).then(|| {
                items.truncate(limit);
                items.last().map(|f| f.friend.clone()).unwrap_or_default()
            });
            Ok(Page { ver: version(tx, row)?, items, next })
        })
        .await
    }

    async fn put_friend(
        &self,
        user: &UserId,
        friend: &UserId,
        entry: FriendEntry,
        cause: Cause,
    ) -> Result<FriendsChanged> {
        let (user, friend) = (user.clone(), friend.clone());
        self.write(move |tx| put(tx, &user, &friend, entry, &cause)).await
    }

    async fn remove_friend(&self, user: &UserId, friend: &UserId, cause: Cause) -> Result<FriendsChanged> {
        let (user, friend) = (user.clone(), friend.clone());
        self.write(move |tx| {
            let row = users::known(tx, &user)?;
            let sql = "DELETE FROM friends WHERE user = ?1 AND friend = ?2";
            if tx.conn.prepare_cached(sql)?.execute(params![row.id, friend.as_str()])? == 0 {
                return unchanged(tx, row);
            }
            let data = json!({ "friend": friend.as_str() });
            announce(tx, &cause, "im.friend.removed", user.as_str(), &data)?;
            changed(tx, row)
        })
        .await
    }

    async fn sees_presence(&self, owner: &UserId, viewer: &UserId) -> Result<bool> {
        let (owner, viewer) = (owner.clone(), viewer.clone());
        self.read(move |tx| {
            let row = users::known(tx, &owner)?;
            footprint::admits(tx, &Viewer::User(viewer), (row.id, owner.as_str()), "friends", None, None)
        })
        .await
    }

    async fn blocks(&self, user: &UserId) -> Result<Blocks> {
        let user = user.clone();
        self.read(move |tx| {
            let row = users::known(tx, &user)?;
            let mut sql =
                tx.conn.prepare_cached("SELECT blocked FROM blocks WHERE user = ?1 ORDER BY blocked")?;
            let items = sql.query_map([row.id], |r| r.get(0))?.collect::<rusqlite::Result<_>>()?;
            Ok(Blocks { items })
        })
        .await
    }

    async fn set_block(
        &self,
        user: &UserId,
        blocked: &UserId,
        on: bool,
        cause: Cause,
    ) -> Result<FriendsChanged> {
        let (user, blocked) = (user.clone(), blocked.clone());
        self.write(move |tx| block(tx, &user, &blocked, on, &cause)).await
    }
}

/// Writes an entry and announces it, unless it is the same.
pub fn put(
    tx: Tx<'_>,
    user: &UserId,
    friend: &UserId,
    entry: FriendEntry,
    cause: &Cause,
) -> Result<FriendsChanged> {
    let row = users::known(tx, user)?;
    let sql = "SELECT friend, name, subscription, ask, approved, groups FROM friends WHERE user = ?1 AND friend = ?2";
    let before =
        tx.conn.prepare_cached(sql)?.query_row(params![row.id, friend.as_str()], to_friend).optional()?;
    let now = Friend { friend: friend.to_string(), entry };
    if before.as_ref() == Some(&now) {
        return unchanged(tx, row);
    }
    if before.is_none() {
        limit(tx, "SELECT count(*) FROM (SELECT 1 FROM friends WHERE user = ?1 LIMIT ?2)", row)?;
    }
    let Friend { friend, entry } = &now;
    let sql = "INSERT OR REPLACE INTO friends (user, friend, name, subscription, ask, approved, groups)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let groups = json!(entry.groups).to_string();
    let subscription = write_subscription(entry.subscription);
    let values = params![row.id, friend, entry.name, subscription, entry.ask, entry.approved, groups];
    tx.conn.prepare_cached(sql)?.execute(values)?;
    announce(tx, cause, "im.friend.changed", user.as_str(), &now)?;
    changed(tx, row)
}

/// Blocks or unblocks and announces it, unless it is so already.
pub fn block(tx: Tx<'_>, user: &UserId, blocked: &UserId, on: bool, cause: &Cause) -> Result<FriendsChanged> {
    let row = users::known(tx, user)?;
    let sql = if on {
        limit(tx, "SELECT count(*) FROM (SELECT 1 FROM blocks WHERE user = ?1 LIMIT ?2)", row)?;
        "INSERT OR IGNORE INTO blocks (user, blocked) VALUES (?1, ?2)"
    } else {
        "DELETE FROM blocks WHERE user = ?1 AND blocked = ?2"
    };
    if tx.conn.prepare_cached(sql)?.execute(params![row.id, blocked.as_str()])? == 0 {
        return unchanged(tx, row);
    }
    let data = json!({ "blocked": blocked.as_str(), "on": on });
    announce(tx, cause, "im.block.changed", user.as_str(), &data)?;
    changed(tx, row)
}

/// Whether the user blocks this one.
pub fn is_blocked(tx: Tx<'_>, user: i64, other: &Jid) -> Result<bool> {
    let sql = "SELECT 1 FROM blocks WHERE user = ?1 AND blocked = ?2";
    Ok(tx.conn.prepare_cached(sql)?.exists(params![user, other.to_bare().as_str()])?)
}

fn version(tx: Tx<'_>, row: UserRow) -> Result<u64> {
    let sql = "SELECT roster_ver FROM users WHERE id = ?1";
    let ver: i64 = tx.conn.prepare_cached(sql)?.query_row([row.id], |r| r.get(0))?;
    Ok(u64::try_from(ver).unwrap_or(0))
}

fn unchanged(tx: Tx<'_>, row: UserRow) -> Result<FriendsChanged> {
    Ok(FriendsChanged { ver: version(tx, row)?, changed: false })
}

fn changed(tx: Tx<'_>, row: UserRow) -> Result<FriendsChanged> {
    tx.conn
        .prepare_cached("UPDATE users SET roster_ver = roster_ver + 1 WHERE id = ?1")?
        .execute([row.id])?;
    Ok(FriendsChanged { ver: version(tx, row)?, changed: true })
}

fn limit(tx: Tx<'_>, count: &str, row: UserRow) -> Result<()> {
    let has: i64 = tx.conn.prepare_cached(count)?.query_row([row.id, MAX_FRIENDS], |r| r.get(0))?;
    if has >= MAX_FRIENDS {
        Err(StoreError::Limit("this list has as many entries as it may have"))
    } else {
        Ok(())
    }
}

fn to_friend(r: &Row<'_>) -> rusqlite::Result<Friend> {
    let entry = FriendEntry {
        name: r.get(1)?,
        subscription: read_subscription(r.get_ref(2)?.as_str()?),
        ask: r.get(3)?,
        approved: r.get(4)?,
        groups: serde_json::from_str(r.get_ref(5)?.as_str()?).unwrap_or_default(),
    };
    Ok(Friend { friend: r.get(0)?, entry })
}

fn write_subscription(subscription: Subscription) -> &'static str {
    match subscription {
        Subscription::None => "none",
        Subscription::To => "to",
        Subscription::From => "from",
        Subscription::Both => "both",
    }
}

fn read_subscription(text: &str) -> Subscription {
    match text {
        "to" => Subscription::To,
        "from" => Subscription::From,
        "both" => Subscription::Both,
        _ => Subscription::None,
    }
}
