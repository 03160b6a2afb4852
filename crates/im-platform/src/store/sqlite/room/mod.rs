//! Rooms in SQLite. What a member missed is kept as ranges of the timeline that open when the member leaves and close when it comes, so a message
//! costs the same however many are absent; counters in the room's row say how many.

mod group;
mod presence;
mod settle;

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use im_api::room::{
    Affiliation, Feedback, ReceiptKind, Room, RoomMemberState, RoomMessage, RoomMessages, RoomPosted,
};
use rusqlite::{OptionalExtension, Row, params};
use serde_json::json;
use serde_json::value::RawValue;
use uuid::Uuid;

pub use self::group::{became_a_group, dissolved, room_follows};
use self::presence::{affiliate, is_member, is_present, occupy};
pub use self::presence::{forget_user, node_gone, session_gone};
use super::Sqlite;
use super::downlink::announce;
use super::space::{self, Interface, Space};
use super::state::{expire_due, require_epoch};
use super::writer::Tx;
use crate::clock;
use crate::jid::UserId;
use crate::store::room::{MAX_MEMBERS, Occupancy, Rooms, Settlement, Spoken};
use crate::store::{Cause, Result, StoreError};

#[async_trait]
impl Rooms for Sqlite {
    async fn put_room(&self, room: &UserId, members: Vec<(UserId, Affiliation)>, cause: Cause) -> Result<()> {
        let room = room.clone();
        self.write(move |tx| put(tx, &room, &members, Some(&cause))).await
    }

    async fn room(&self, room: &UserId, limit: u32, after: Option<String>) -> Result<Room> {
        let room = room.clone();
        self.read(move |tx| {
            let row = known(tx, &room)?;
            let mut sql = tx.conn.prepare_cached(
                "SELECT m.user, m.affiliation, EXISTS (SELECT 1 FROM occupants o
                    WHERE o.room = m.room AND o.user = m.user AND o.open = 1)
                 FROM room_members m WHERE m.room = ?1 AND m.user > ?2 ORDER BY m.user LIMIT ?3",
            )?;
            let read = |r: &Row<'_>| {
                let affiliation = read_affiliation(r.get_ref(1)?.as_str()?);
                Ok(RoomMemberState { user: r.get(0)?, affiliation, present: r.get(2)? })
            };
            let rows = sql.query_map(params![row.id, after.unwrap_or_default(), limit + 1], read)?;
            let mut members = rows.collect::<rusqlite::Result<Vec<_>>>()?;
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            let next = (members.len() > limit).then(|| {
                members.truncate(limit);
                members.last().map(|m| m.user.clone()).unwrap_or_default()
            });
            let (occupants, last) = (unsigned(row.occupants), unsigned(row.next_seq - 1));
            Ok(Room { room: room.to_string(), members, next, occupants, last })
        })
        .await
    }

    async fn remove_room(&self, room: &UserId, cause: Cause) -> Result<()> {
        let room = room.clone();
        self.write(move |tx| {
            let Some(row) = find(tx, &room)? else { return Ok(()) };
            delete(tx, row.id)?;
            super::group::room_gone(tx, &room)?;
            announce(tx, &cause, "im.room.removed", room.as_str(), &json!({}))?;
            Ok(())
        })
        .await
    }

    async fn set_affiliation(
        &self,
        room: &UserId,
        user: &UserId,
        affiliation: Option<Affiliation>,
        cause: Cause,
    ) -> Result<()> {
        let (room, user) = (room.clone(), user.clone());
        self.write(move |tx| {
            let row = known(tx, &room)?;
            if affiliation.is_some() && usize::try_from(row.members).is_ok_and(|n| n >= MAX_MEMBERS) {
                return Err(StoreError::Limit("the room has as many members as it may have"));
            }
            if affiliate(tx, row.id, user.as_str(), affiliation)? {
                let data = json!({ "user": user.as_str(), "affiliation": affiliation });
                announce(tx, &cause, "im.room.member", room.as_str(), &data)?;
            }
            Ok(())
        })
        .await
    }

    async fn occupy(&self, node: &str, epoch: &str, seq: i64, who: Occupancy, open: bool) -> Result<u64> {
        let (node, epoch) = (node.to_owned(), epoch.to_owned());
        self.write(move |tx| {
            expire_due(tx)?;
            require_epoch(tx, &node, &epoch)?;
            let room = seen(tx, &who.room)?;
            if seq > room_floor(tx, &node)? {
                occupy(tx, &node, seq, room, &who, open)?;
            }
            missed_count(tx, room, who.user.as_str())
        })
        .await
    }

    async fn occupants(&self, node: &str, epoch: &str, seq: i64, all: Vec<Occupancy>) -> Result<()> {
        let (node, epoch) = (node.to_owned(), epoch.to_owned());
        self.write(move |tx| {
            expire_due(tx)?;
            require_epoch(tx, &node, &epoch)?;
            if seq < room_floor(tx, &node)? {
                return Ok(());
            }
            let named: HashSet<(&str, &str, &str)> =
                all.iter().map(|o| (o.room.as_str(), o.user.as_str(), o.resource.as_str())).collect();
            let mut sql = tx.conn.prepare_cached(
                "SELECT r.jid, o.user, o.resource FROM occupants o JOIN rooms r ON r.id = o.room
                 WHERE o.node = ?1 AND o.open = 1 AND o.seq <= ?2",
            )?;
            let have = sql
                .query_map(params![node, seq], |r| {
                    Ok((r.get::<_, String>(0)?, r.get::<_, String>(1)?, r.get::<_, String>(2)?))
                })?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            for (room, user, resource) in have {
                if named.contains(&(room.as_str(), user.as_str(), resource.as_str())) {
                    continue;
                }
                let (Ok(room), Ok(user)) = (UserId::parse(&room), UserId::parse(&user)) else { continue };
                let gone = Occupancy { room, user, resource, nick: String::new() };
                occupy(tx, &node, seq, seen(tx, &gone.room)?, &gone, false)?;
            }
            for here in &all {
                occupy(tx, &node, seq, seen(tx, &here.room)?, here, true)?;
            }
            tx.conn
                .prepare_cached("UPDATE nodes SET room_floor = ?2 WHERE node = ?1")?
                .execute(params![node, seq])?;
            Ok(())
        })
        .await
    }

    async fn speak(
        &self,
        node: &str,
        epoch: &str,
        room: &UserId,
        messages: Vec<Spoken>,
    ) -> Result<Vec<RoomPosted>> {
        let (node, epoch, room) = (node.to_owned(), epoch.to_owned(), room.clone());
        let limits = self.settings.limits;
        self.write(move |tx| {
            expire_due(tx)?;
            require_epoch(tx, &node, &epoch)?;
            let id = seen(tx, &room)?;
            messages.iter().map(|message| speak(tx, id, message, limits)).collect()
        })
        .await
    }

    async fn settle_room(&self, node: &str, room: &UserId, items: Vec<Settlement>) -> Result<u64> {
        let (node, room) = (node.to_owned(), room.clone());
        let limits = self.settings.limits;
        self.write(move |tx| {
            let id = seen(tx, &room)?;
            let mut kept = 0;
            for item in &items {
                kept += u64::from(settle::settle(tx, &node, id, item, limits)?);
            }
            Ok(kept)
        })
        .await
    }

    async fn timeline(
        &self,
        room: &UserId,
        viewer: Option<&UserId>,
        limit: u32,
        before: Option<i64>,
    ) -> Result<RoomMessages> {
        let (room, viewer) = (room.clone(), viewer.cloned());
        self.read(move |tx| {
            let row = known(tx, &room)?;
            if let Some(viewer) = viewer {
                let sql = "SELECT 1 FROM room_members WHERE room = ?1 AND user = ?2
                    UNION ALL SELECT 1 FROM occupants WHERE room = ?1 AND user = ?2 AND open = 1";
                if !tx.conn.prepare_cached(sql)?.exists(params![row.id, viewer.as_str()])? {
                    return Err(StoreError::NotFound("room"));
                }
            }
            let sql = format!(
                "SELECT {COLUMNS} FROM room_messages x WHERE x.room = ?1 AND x.seq < ?2 ORDER BY x.seq DESC LIMIT ?3"
            );
            page(tx, &sql, params![row.id, before.unwrap_or(i64::MAX), limit + 1], limit)
        })
        .await
    }

    async fn missed(&self, room: &UserId, user: &UserId, limit: u32) -> Result<RoomMessages> {
        let (room, user) = (room.clone(), user.clone());
        self.read(move |tx| {
            let row = known(tx, &room)?;
            missed_page(tx, row.id, user.as_str(), limit)
        })
        .await
    }

    async fn caught_up(&self, room: &UserId, user: &UserId, upto: i64) -> Result<u64> {
        let (room, user) = (room.clone(), user.clone());
        self.write(move |tx| {
            let row = known(tx, &room)?;
            // Never beyond what has been said: what comes later is missed all the same.
            let upto = upto.min(row.next_seq - 1);
            let sql = "DELETE FROM room_missed WHERE room = ?1 AND user = ?2 AND to_seq <= ?3";
            tx.conn.prepare_cached(sql)?.execute(params![row.id, user.as_str(), upto])?;
            let sql =
                "UPDATE room_missed SET from_seq = ?3 + 1 WHERE room = ?1 AND user = ?2 AND from_seq <= ?3";
            tx.conn.prepare_cached(sql)?.execute(params![row.id, user.as_str(), upto])?;
            missed_count(tx, row.id, user.as_str())
        })
        .await
    }

    async fn receipts(
        &self,
        room: &UserId,
        items: Vec<(String, UserId, ReceiptKind)>,
    ) -> Result<Vec<Feedback>> {
        let room = room.clone();
        self.write(move |tx| {
            let row = known(tx, &room)?;
            let (mut order, mut changed) = (Vec::new(), HashMap::new());
            for (key, user, kind) in &items {
                if let Some(feedback) = receipt(tx, row.id, key, user.as_str(), *kind)?
                    && changed.insert(key, feedback).is_none()
                {
                    order.push(key);
                }
            }
            Ok(order.into_iter().filter_map(|key| changed.remove(key)).collect())
        })
        .await
    }
}

/// Everything of a room.
fn delete(tx: Tx<'_>, room: i64) -> Result<()> {
    for table in ["room_members", "occupants", "room_missed", "room_receipts", "room_messages"] {
        tx.conn.prepare_cached(&format!("DELETE FROM {table} WHERE room = ?1"))?.execute([room])?;
    }
    tx.conn.prepare_cached("DELETE FROM rooms WHERE id = ?1")?.execute([room])?;
    Ok(())
}

/// Creates a room or replaces its members. Announced when that changed anything and somebody wants it announced.
pub fn put(
    tx: Tx<'_>,
    room: &UserId,
    members: &[(UserId, Affiliation)],
    cause: Option<&Cause>,
) -> Result<()> {
    let mut changed = find(tx, room)?.is_none();
    let id = seen(tx, room)?;
    let keep: HashSet<&str> = members.iter().map(|(user, _)| user.as_str()).collect();
    let mut sql = tx.conn.prepare_cached("SELECT user FROM room_members WHERE room = ?1")?;
    let have = sql.query_map([id], |r| r.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
    for user in have.iter().filter(|user| !keep.contains(user.as_str())) {
        changed |= affiliate(tx, id, user, None)?;
    }
    for (user, affiliation) in members {
        changed |= affiliate(tx, id, user.as_str(), Some(*affiliation))?;
    }
    if let Some(cause) = cause.filter(|_| changed) {
        let all = members
            .iter()
            .map(|(user, affiliation)| json!({ "user": user.as_str(), "affiliation": affiliation }));
        let mut data = json!({ "members": all.collect::<Vec<_>>() });
        if let Some(group) = self::group::group_of(tx, id)? {
            data["group"] = group.into();
        }
        announce(tx, cause, "im.room.changed", room.as_str(), &data)?;
    }
    Ok(())
}

struct RoomRow {
    id: i64,
    next_seq: i64,
    members: i64,
    occupants: i64,
}

fn find(tx: Tx<'_>, room: &UserId) -> Result<Option<RoomRow>> {
    let sql = "SELECT id, next_seq, members, occupants FROM rooms WHERE jid = ?1";
    let row = |r: &Row<'_>| {
        Ok(RoomRow { id: r.get(0)?, next_seq: r.get(1)?, members: r.get(2)?, occupants: r.get(3)? })
    };
    Ok(tx.conn.prepare_cached(sql)?.query_row([room.as_str()], row).optional()?)
}

fn known(tx: Tx<'_>, room: &UserId) -> Result<RoomRow> {
    find(tx, room)?.ok_or(StoreError::NotFound("room"))
}

fn seen(tx: Tx<'_>, room: &UserId) -> Result<i64> {
    if let Some(row) = find(tx, room)? {
        return Ok(row.id);
    }
    tx.conn.prepare_cached("INSERT INTO rooms (jid) VALUES (?1)")?.execute([room.as_str()])?;
    Ok(tx.conn.last_insert_rowid())
}

fn room_floor(tx: Tx<'_>, node: &str) -> Result<i64> {
    let sql = "SELECT room_floor FROM nodes WHERE node = ?1";
    Ok(tx.conn.prepare_cached(sql)?.query_row([node], |r| r.get(0))?)
}

fn speak(tx: Tx<'_>, room: i64, message: &Spoken, limits: Space) -> Result<RoomPosted> {
    let posted = |r: &Row<'_>| {
        Ok((
            r.get::<_, i64>(0)?,
            RoomPosted {
                key: message.key.clone(),
                seq: unsigned(r.get(1)?),
                stanza_id: r.get(2)?,
                present: unsigned(r.get(3)?),
                absent: unsigned(r.get(4)?),
            },
        ))
    };
    let sql = "SELECT room, seq, stanza_id, present, absent FROM room_messages WHERE key = ?1";
    if let Some((in_room, first)) =
        tx.conn.prepare_cached(sql)?.query_row([&message.key], posted).optional()?
    {
        let elsewhere = StoreError::Conflict("this key was used in another room");
        return if in_room == room { Ok(first) } else { Err(elsewhere) };
    }
    if tx.conn.prepare_cached("SELECT 1 FROM room_refused WHERE key = ?1")?.exists([&message.key])? {
        let key = message.key.clone();
        return Ok(RoomPosted { key, seq: 0, stanza_id: String::new(), present: 0, absent: 0 });
    }
    space::require(tx, limits, Interface::Rooms, message.stanza.len())?;
    let from = message.from.as_str();
    let (member, there) = (is_member(tx, room, from)?, is_present(tx, room, from)?);
    let sql =
        "UPDATE rooms SET next_seq = next_seq + 1 WHERE id = ?1 RETURNING next_seq - 1, members, present";
    let counts = |r: &Row<'_>| Ok((r.get::<_, i64>(0)?, r.get::<_, i64>(1)?, r.get::<_, i64>(2)?));
    let (seq, members, present) = tx.conn.prepare_cached(sql)?.query_row([room], counts)?;
    // The speaker is neither of both.
    let absent = members - present - i64::from(member && !there);
    let present = present - i64::from(member && there);
    let stanza_id = Uuid::now_v7().to_string();
    let sql = "INSERT INTO room_messages (room, seq, key, stanza_id, from_user, nick, sent_at, accepted_at, present, absent, stanza)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    tx.conn.prepare_cached(sql)?.execute(params![
        room,
        seq,
        message.key,
        stanza_id,
        from,
        message.nick,
        message.sent_at,
        tx.now,
        present,
        absent,
        message.stanza
    ])?;
    Ok(RoomPosted {
        key: message.key.clone(),
        seq: unsigned(seq),
        stanza_id,
        present: unsigned(present),
        absent: unsigned(absent),
    })
}

/// The counts after a receipt that changed them.
fn receipt(tx: Tx<'_>, room: i64, key: &str, user: &str, kind: ReceiptKind) -> Result<Option<Feedback>> {
    let sql = "SELECT seq, from_user FROM room_messages WHERE key = ?1 AND room = ?2";
    let read = |r: &Row<'_>| Ok((r.get::<_, i64>(0)?, r.get::<_, String>(1)?));
    let Some((seq, from)) = tx.conn.prepare_cached(sql)?.query_row(params![key, room], read).optional()?
    else {
        return Ok(None);
    };
    if from == user {
        return Ok(None);
    }
    let sql = "SELECT read FROM room_receipts WHERE room = ?1 AND seq = ?2 AND user = ?3";
    let before: Option<bool> =
        tx.conn.prepare_cached(sql)?.query_row(params![room, seq, user], |r| r.get(0)).optional()?;
    let is_read = kind == ReceiptKind::Read;
    if before.is_some_and(|was_read| was_read || !is_read) {
        return Ok(None);
    }
    let sql = "INSERT OR REPLACE INTO room_receipts (room, seq, user, read) VALUES (?1, ?2, ?3, ?4)";
    tx.conn.prepare_cached(sql)?.execute(params![room, seq, user, is_read])?;
    let sql =
        "UPDATE room_messages SET delivered = delivered + ?3, read = read + ?4 WHERE room = ?1 AND seq = ?2
        RETURNING delivered, read";
    let values = params![room, seq, before.is_none(), is_read];
    let counts = |r: &Row<'_>| Ok((unsigned(r.get(0)?), unsigned(r.get(1)?)));
    let (delivered, read) = tx.conn.prepare_cached(sql)?.query_row(values, counts)?;
    Ok(Some(Feedback { key: key.into(), from, delivered, read }))
}

fn missed_count(tx: Tx<'_>, room: i64, user: &str) -> Result<u64> {
    let sql = "SELECT count(*) FROM room_missed m JOIN room_messages x ON x.room = m.room
            AND x.seq BETWEEN m.from_seq AND coalesce(m.to_seq, 9223372036854775807)
        WHERE m.room = ?1 AND m.user = ?2";
    Ok(unsigned(tx.conn.prepare_cached(sql)?.query_row(params![room, user], |r| r.get(0))?))
}

const COLUMNS: &str =
    "x.seq, x.key, x.stanza_id, x.from_user, x.nick, x.sent_at, x.delivered, x.read, x.stanza";

/// A page of what was missed, range by range, so that it costs what it holds and not what was missed in all.
fn missed_page(tx: Tx<'_>, room: i64, user: &str, limit: u32) -> Result<RoomMessages> {
    let sql = "SELECT from_seq, coalesce(to_seq, 9223372036854775807) FROM room_missed WHERE room = ?1 AND user = ?2 ORDER BY from_seq";
    let mut sql = tx.conn.prepare_cached(sql)?;
    let ranges = sql.query_map(params![room, user], |r| Ok((r.get::<_, i64>(0)?, r.get::<_, i64>(1)?)))?;
    let ranges = ranges.collect::<rusqlite::Result<Vec<_>>>()?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut items = Vec::new();
    for (from, to) in ranges {
        let sql = format!(
            "SELECT {COLUMNS} FROM room_messages x WHERE x.room = ?1 AND x.seq BETWEEN ?2 AND ?3 ORDER BY x.seq LIMIT ?4"
        );
        let left = i64::try_from(limit + 1 - items.len()).unwrap_or(1);
        items.extend(messages(tx, &sql, params![room, from, to, left])?);
        if items.len() > limit {
            break;
        }
    }
    Ok(cut(items, limit))
}

/// One page; the cursor is the position of its last message.
fn page(tx: Tx<'_>, sql: &str, values: impl rusqlite::Params, limit: u32) -> Result<RoomMessages> {
    Ok(cut(messages(tx, sql, values)?, usize::try_from(limit).unwrap_or(usize::MAX)))
}

fn cut(mut items: Vec<RoomMessage>, limit: usize) -> RoomMessages {
    let next = (items.len() > limit).then(|| {
        items.truncate(limit);
        items.last().map(|m| m.seq.to_string()).unwrap_or_default()
    });
    RoomMessages { items, next }
}

fn messages(tx: Tx<'_>, sql: &str, values: impl rusqlite::Params) -> Result<Vec<RoomMessage>> {
    let mut sql = tx.conn.prepare_cached(sql)?;
    let mut rows = sql.query(values)?;
    let mut items = Vec::new();
    while let Some(r) = rows.next()? {
        items.push(RoomMessage {
            seq: unsigned(r.get(0)?),
            key: r.get(1)?,
            stanza_id: r.get(2)?,
            from: r.get(3)?,
            nick: r.get(4)?,
            sent_at: clock::format(r.get(5)?),
            delivered: unsigned(r.get(6)?),
            read: unsigned(r.get(7)?),
            stanza: RawValue::from_string(r.get(8)?).map_err(|e| StoreError::Corrupt(Box::new(e)))?,
        });
    }
    Ok(items)
}

fn unsigned(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

fn read_affiliation(text: &str) -> Affiliation {
    match text {
        "owner" => Affiliation::Owner,
        "admin" => Affiliation::Admin,
        _ => Affiliation::Member,
    }
}
