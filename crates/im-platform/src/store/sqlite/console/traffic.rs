//! Conversations, what is pending, media, events, the downlink, nodes.

use rusqlite::{OptionalExtension, Row, params};
use serde_json::value::RawValue;

use super::{counted, number, page};
use crate::clock;
use crate::jid::UserId;
use crate::store::Result;
use crate::store::console::{
    DownItem, EventItem, LOOK, MediumItem, MessageItem, NodeItem, Page, PendingUser,
};
use crate::store::sqlite::users;
use crate::store::sqlite::writer::Tx;
use im_api::downlink::Origin;

/// A column of JSON; left out when it is not ours to show.
fn json(r: &Row<'_>, column: usize) -> rusqlite::Result<Option<Box<RawValue>>> {
    let text: Option<String> = r.get(column)?;
    Ok(text.and_then(|text| RawValue::from_string(text).ok()))
}

/// Whether a later message of the same two is there.
const NEWER: &str =
    "SELECT 1 FROM messages WHERE min(from_user, to_user) = ?1 AND max(from_user, to_user) = ?2
    AND id > ?3 AND stanza IS NOT NULL";
/// The same for a sender who is no user here.
const NEWER_UNKNOWN: &str = "SELECT 1 FROM messages WHERE from_jid = ?1 AND from_user IS NULL AND to_jid = ?2
    AND id > ?3 AND stanza IS NOT NULL";

/// Walks back from the newest message and keeps those that are the newest of their conversation.
pub fn conversations(tx: Tx<'_>, text: bool, limit: u32, before: Option<i64>) -> Result<Page<MessageItem>> {
    let mut sql = tx.conn.prepare_cached(
        "SELECT id, from_jid, to_jid, sent_at, status, octet_length(stanza), CASE WHEN ?3 THEN stanza END,
                from_user, to_user, key FROM messages WHERE id < ?1 ORDER BY id DESC LIMIT ?2",
    )?;
    let mut rows = sql.query(params![before.unwrap_or(i64::MAX), LOOK, text])?;
    let (mut items, mut looked, mut last) = (Vec::new(), 0, 0);
    while let Some(r) = rows.next()? {
        if items.len() >= usize::try_from(limit).unwrap_or(usize::MAX) {
            return Ok(Page { items, next: Some(last.to_string()) });
        }
        looked += 1;
        last = r.get::<_, i64>(0)?;
        let Some(bytes) = r.get::<_, Option<i64>>(5)? else { continue };
        let newer = match (r.get::<_, Option<i64>>(7)?, r.get::<_, Option<i64>>(8)?) {
            (Some(a), Some(b)) => tx.conn.prepare_cached(NEWER)?.exists(params![a.min(b), a.max(b), last])?,
            _ => {
                let (from, to): (String, String) = (r.get(1)?, r.get(2)?);
                tx.conn.prepare_cached(NEWER_UNKNOWN)?.exists(params![from, to, last])?
            }
        };
        if !newer {
            items.push(MessageItem {
                key: r.get(9)?,
                from: r.get(1)?,
                to: r.get(2)?,
                sent_at: clock::format(r.get(3)?),
                status: r.get(4)?,
                bytes: number(bytes),
                stanza: json(r, 6)?,
            });
        }
    }
    Ok(Page { items, next: (looked == LOOK).then(|| last.to_string()) })
}

/// Jumps from user to user in the index of pending messages.
pub fn pending(tx: Tx<'_>, limit: u32, after: Option<&str>) -> Result<Page<PendingUser>> {
    let mut at: i64 = after.and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
    let mut items = Vec::new();
    loop {
        let sql = "SELECT to_user FROM messages INDEXED BY messages_pending
            WHERE seq IS NOT NULL AND to_user > ?1 ORDER BY to_user LIMIT 1";
        let next: Option<i64> = tx.conn.prepare_cached(sql)?.query_row([at], |r| r.get(0)).optional()?;
        let Some(user) = next else { return Ok(Page { items, next: None }) };
        if items.len() >= usize::try_from(limit).unwrap_or(usize::MAX) {
            return Ok(Page { items, next: Some(at.to_string()) });
        }
        at = user;
        let sql = "SELECT u.jid, u.pending,
                (SELECT sent_at FROM messages WHERE to_user = u.id AND seq IS NOT NULL ORDER BY seq LIMIT 1),
                (SELECT resource FROM claims WHERE user = u.id AND expires_at > ?2)
            FROM users u WHERE u.id = ?1";
        let read = |r: &Row<'_>| {
            Ok(PendingUser {
                user: r.get(0)?,
                count: number(r.get(1)?),
                oldest: clock::format(r.get::<_, Option<i64>>(2)?.unwrap_or(0)),
                claimed_by: r.get(3)?,
            })
        };
        items.extend(tx.conn.prepare_cached(sql)?.query_row(params![user, tx.now], read).optional()?);
    }
}

pub fn media(
    tx: Tx<'_>,
    user: Option<&UserId>,
    limit: u32,
    after: Option<String>,
) -> Result<Page<MediumItem>> {
    let owner = user.map(|user| users::known(tx, user)).transpose()?.map(|row| row.id);
    let of = if owner.is_some() { "m.user = ?3 AND" } else { "?3 IS NULL AND" };
    let sql = format!(
        "SELECT m.id, u.jid, m.kind, m.size, m.audience, m.grp, m.created_at FROM media m JOIN users u ON u.id = m.user
         WHERE {of} m.id > ?1 ORDER BY m.id LIMIT ?2"
    );
    page(tx, &sql, params![after.unwrap_or_default(), limit + 1, owner], limit, |r| {
        let (audience, group): (String, Option<String>) = (r.get(4)?, r.get(5)?);
        let item = MediumItem {
            id: r.get(0)?,
            user: r.get(1)?,
            content_type: r.get(2)?,
            size: number(r.get(3)?),
            audience: group.map_or(audience, |group| format!("group:{group}")),
            created_at: clock::format(r.get(6)?),
        };
        Ok((item.id.clone(), item))
    })
}

pub fn events(tx: Tx<'_>, text: bool, limit: u32, before: Option<i64>) -> Result<Page<EventItem>> {
    let sql = "SELECT rowid, id, received_at, source, kind, subject, sequence, octet_length(data), CASE WHEN ?3 THEN data END
        FROM events WHERE rowid < ?1 ORDER BY rowid DESC LIMIT ?2";
    page(tx, sql, params![before.unwrap_or(i64::MAX), limit + 1, text], limit, |r| {
        let item = EventItem {
            id: r.get(1)?,
            received_at: clock::format(r.get(2)?),
            source: r.get(3)?,
            kind: r.get(4)?,
            subject: r.get(5)?,
            sequence: r.get(6)?,
            bytes: number(r.get(7)?),
            data: json(r, 8)?,
        };
        Ok((r.get::<_, i64>(0)?.to_string(), item))
    })
}

pub fn downlink(tx: Tx<'_>, text: bool, limit: u32, before: Option<i64>) -> Result<Page<DownItem>> {
    let sql = "SELECT seq, id, at, kind, subject, node, event, octet_length(data), CASE WHEN ?3 THEN data END
        FROM downlink WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2";
    page(tx, sql, params![before.unwrap_or(i64::MAX), limit + 1, text], limit, |r| {
        let (node, event): (Option<String>, Option<String>) = (r.get(5)?, r.get(6)?);
        let item = DownItem {
            seq: r.get(0)?,
            id: r.get(1)?,
            time: clock::format(r.get(2)?),
            kind: r.get(3)?,
            subject: r.get(4)?,
            origin: node.zip(event).map(|(node, event)| Origin { node, event }),
            bytes: number(r.get(7)?),
            data: json(r, 8)?,
        };
        Ok((item.seq.to_string(), item))
    })
}

pub fn nodes(tx: Tx<'_>, limit: u32, after: Option<String>) -> Result<Page<NodeItem>> {
    let sql = "SELECT node, epoch, expires_at FROM nodes WHERE node > ?1 ORDER BY node LIMIT ?2";
    let mut found = page(tx, sql, params![after.unwrap_or_default(), limit + 1], limit, |r| {
        let (epoch, expires_at): (Option<String>, i64) = (r.get(1)?, r.get(2)?);
        let item = NodeItem {
            node: r.get(0)?,
            alive: epoch.is_some() && expires_at > tx.now,
            epoch,
            expires_at: clock::format(expires_at),
            sessions: 0,
        };
        Ok((item.node.clone(), item))
    })?;
    for item in &mut found.items {
        item.sessions = counted(tx, "sessions WHERE node = ?1 AND open = 1", [&item.node])?;
    }
    Ok(found)
}
