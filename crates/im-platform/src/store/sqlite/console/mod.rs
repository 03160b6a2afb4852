//! The console's lists in SQLite: each walks an index or a primary key from its cursor on, so a page costs what it looks at.

mod people;
mod traffic;

use async_trait::async_trait;
use im_api::group::Group;
use im_api::state::Presence;
use rusqlite::{Params, Row, params};
use tokio::sync::watch;

use super::Sqlite;
use super::writer::Tx;
use crate::clock;
use crate::jid::UserId;
use crate::store::Result;
use crate::store::console::{
    AuditItem, COUNTED, Console, Count, DownItem, EventItem, FriendItem, ImportItem, MediumItem, MessageItem,
    NodeItem, OccupantItem, Page, PendingUser, RoomItem, SessionItem, UserItem,
};

#[async_trait]
impl Console for Sqlite {
    fn changed(&self) -> watch::Receiver<u64> {
        self.changed.clone()
    }

    async fn counts(&self) -> Result<Vec<Count>> {
        self.read(counts).await
    }

    async fn list_users(
        &self,
        prefix: Option<String>,
        limit: u32,
        after: Option<String>,
    ) -> Result<Page<UserItem>> {
        self.read(move |tx| people::users(tx, prefix.as_deref(), limit, after)).await
    }

    async fn list_sessions(
        &self,
        state: Option<Presence>,
        limit: u32,
        after: Option<String>,
    ) -> Result<Page<SessionItem>> {
        self.read(move |tx| people::sessions(tx, state, limit, after.as_deref())).await
    }

    async fn list_friends(&self, limit: u32, after: Option<String>) -> Result<Page<FriendItem>> {
        self.read(move |tx| people::friends(tx, limit, after.as_deref())).await
    }

    async fn list_conversations(
        &self,
        text: bool,
        limit: u32,
        before: Option<i64>,
    ) -> Result<Page<MessageItem>> {
        self.read(move |tx| traffic::conversations(tx, text, limit, before)).await
    }

    async fn list_pending(&self, limit: u32, after: Option<String>) -> Result<Page<PendingUser>> {
        self.read(move |tx| traffic::pending(tx, limit, after.as_deref())).await
    }

    async fn list_groups(&self, limit: u32, after: Option<String>) -> Result<Page<Group>> {
        self.read(move |tx| people::groups(tx, limit, after)).await
    }

    async fn list_rooms(&self, limit: u32, after: Option<String>) -> Result<Page<RoomItem>> {
        self.read(move |tx| people::rooms(tx, limit, after)).await
    }

    async fn list_occupants(
        &self,
        room: &UserId,
        limit: u32,
        after: Option<String>,
    ) -> Result<Page<OccupantItem>> {
        let room = room.clone();
        self.read(move |tx| people::occupants(tx, &room, limit, after.as_deref())).await
    }

    async fn list_media(
        &self,
        user: Option<UserId>,
        limit: u32,
        after: Option<String>,
    ) -> Result<Page<MediumItem>> {
        self.read(move |tx| traffic::media(tx, user.as_ref(), limit, after)).await
    }

    async fn list_events(&self, text: bool, limit: u32, before: Option<i64>) -> Result<Page<EventItem>> {
        self.read(move |tx| traffic::events(tx, text, limit, before)).await
    }

    async fn list_downlink(&self, text: bool, limit: u32, before: Option<i64>) -> Result<Page<DownItem>> {
        self.read(move |tx| traffic::downlink(tx, text, limit, before)).await
    }

    async fn list_nodes(&self, limit: u32, after: Option<String>) -> Result<Page<NodeItem>> {
        self.read(move |tx| traffic::nodes(tx, limit, after)).await
    }

    async fn list_imports(&self, limit: u32, after: Option<String>) -> Result<Page<ImportItem>> {
        self.read(move |tx| {
            let sql = "SELECT source, position, at FROM imports WHERE source > ?1 ORDER BY source LIMIT ?2";
            let values = params![after.unwrap_or_default(), limit + 1];
            page(tx, sql, values, limit, |r| {
                let item =
                    ImportItem { source: r.get(0)?, position: r.get(1)?, at: clock::format(r.get(2)?) };
                Ok((item.source.clone(), item))
            })
        })
        .await
    }

    async fn list_audit(&self, limit: u32, before: Option<i64>) -> Result<Page<AuditItem>> {
        self.read(move |tx| {
            let sql =
                "SELECT id, at, caller, action, subject FROM audit WHERE id < ?1 ORDER BY id DESC LIMIT ?2";
            page(tx, sql, params![before.unwrap_or(i64::MAX), limit + 1], limit, |r| {
                let (at, caller, action, subject) =
                    (clock::format(r.get(1)?), r.get(2)?, r.get(3)?, r.get(4)?);
                Ok((r.get::<_, i64>(0)?.to_string(), AuditItem { at, caller, action, subject }))
            })
        })
        .await
    }

    async fn note_read(&self, caller: &str, action: &'static str, subject: &str) -> Result<()> {
        let (caller, subject) = (caller.to_owned(), subject.to_owned());
        self.write(move |tx| {
            let sql = "INSERT INTO audit (at, caller, action, subject) VALUES (?1, ?2, ?3, ?4)";
            tx.conn.prepare_cached(sql)?.execute(params![tx.now, caller, action, subject])?;
            Ok(())
        })
        .await
    }
}

/// Rows with their cursors; one more than the limit was asked for, and says whether there is a next page.
fn page<T>(
    tx: Tx<'_>,
    sql: &str,
    values: impl Params,
    limit: u32,
    read: impl Fn(&Row<'_>) -> rusqlite::Result<(String, T)>,
) -> Result<Page<T>> {
    let mut sql = tx.conn.prepare_cached(sql)?;
    let rows = sql.query_map(values, |r| read(r))?.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(cut(rows, limit))
}

fn cut<T>(mut rows: Vec<(String, T)>, limit: u32) -> Page<T> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|(cursor, _)| cursor.clone());
    Page { items: rows.into_iter().map(|(_, item)| item).collect(), next }
}

/// A cursor of several parts: JSON, since a resource may hold any character.
fn several<T: serde::Serialize>(parts: &T) -> String {
    serde_json::to_string(parts).unwrap_or_default()
}

/// Its parts; the beginning when it is none of ours.
fn parts<T: serde::de::DeserializeOwned + Default>(cursor: Option<&str>) -> T {
    cursor.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// Counts rows up to [`COUNTED`].
fn counted(tx: Tx<'_>, from: &str, values: impl Params) -> Result<u32> {
    let sql = format!("SELECT count(*) FROM (SELECT 1 FROM {from} LIMIT {COUNTED})");
    Ok(tx.conn.prepare_cached(&sql)?.query_row(values, |r| r.get(0))?)
}

fn counts(tx: Tx<'_>) -> Result<Vec<Count>> {
    let tables = [
        ("users", "users WHERE erasing IS NULL"),
        ("sessions", "sessions WHERE open = 1"),
        ("friends", "friends"),
        ("messages", "messages INDEXED BY messages_from WHERE stanza IS NOT NULL"),
        ("waiting", "messages INDEXED BY messages_pending WHERE seq IS NOT NULL"),
        ("groups", "groups"),
        ("rooms", "rooms"),
        ("footprints", "footprints"),
        ("media", "media"),
        ("events", "events"),
        ("nodes", "nodes"),
    ];
    tables.iter().map(|(name, from)| Ok(Count { name, count: counted(tx, from, [])? })).collect()
}

fn number(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
