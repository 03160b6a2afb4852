//! Users, sessions, friends, groups, rooms.

use im_api::group::Group;
use im_api::state::{Presence, Show};
use rusqlite::{OptionalExtension, Row, params};

use super::super::{group, state};
use super::{cut, number, page, parts, several};
use crate::clock::{self, Millis};
use crate::jid::UserId;
use crate::store::console::{FriendItem, LOOK, OccupantItem, Page, RoomItem, SessionItem, UserItem};
use crate::store::sqlite::writer::Tx;
use crate::store::{Result, StoreError, judge};

pub fn users(tx: Tx<'_>, prefix: Option<&str>, limit: u32, after: Option<String>) -> Result<Page<UserItem>> {
    let prefix = prefix.unwrap_or_default().to_lowercase();
    // The first text after all that begin so: U+10FFFF is in no address.
    let end = format!("{prefix}\u{10FFFF}");
    let sql = "SELECT jid, id, name, origin, created_at, pending FROM users
        WHERE jid > ?1 AND jid >= ?2 AND jid < ?3 AND erasing IS NULL ORDER BY jid LIMIT ?4";
    let values = params![after.unwrap_or_default(), prefix, end, limit + 1];
    let mut ids = Vec::new();
    let mut sql = tx.conn.prepare_cached(sql)?;
    let mut rows = sql.query(values)?;
    while let Some(r) = rows.next()? {
        let item = UserItem {
            user: r.get(0)?,
            name: r.get(2)?,
            origin: r.get(3)?,
            created_at: clock::format(r.get(4)?),
            state: Presence::Offline,
            sessions: 0,
            pending: number(r.get(5)?),
        };
        ids.push((item.user.clone(), (r.get::<_, i64>(1)?, item)));
    }
    let page = cut(ids, limit);
    let mut items = Vec::with_capacity(page.items.len());
    for (id, mut item) in page.items {
        if let Ok(user) = UserId::parse(&item.user) {
            let (sessions, _) = state::sessions_of(tx, id, &user)?;
            item.state = judge::presence(&sessions);
            item.sessions = sessions.len();
        }
        items.push(item);
    }
    Ok(Page { items, next: page.next })
}

/// One session's own state.
fn presence(available: bool, show: Option<Show>) -> Presence {
    match show {
        _ if !available => Presence::Offline,
        Some(Show::Dnd) => Presence::Busy,
        Some(Show::Away | Show::Xa) => Presence::Away,
        _ => Presence::Online,
    }
}

pub fn sessions(
    tx: Tx<'_>,
    wanted: Option<Presence>,
    limit: u32,
    after: Option<&str>,
) -> Result<Page<SessionItem>> {
    let (user, resource, node): (i64, String, String) = parts(after);
    let mut sql = tx.conn.prepare_cached(
        "SELECT s.user, s.resource, s.node, u.jid, s.available, s.priority, s.show, s.status, s.changed_at,
                s.open = 1 AND coalesce(s.expires_at, n.expires_at, 0) > ?5
         FROM sessions s JOIN users u ON u.id = s.user LEFT JOIN nodes n ON n.node = s.node
         WHERE (s.user, s.resource, s.node) > (?1, ?2, ?3) ORDER BY s.user, s.resource, s.node LIMIT ?4",
    )?;
    let mut rows = sql.query(params![user, resource, node, LOOK, tx.now])?;
    let (mut items, mut looked, mut last) = (Vec::new(), 0, None);
    while let Some(r) = rows.next()? {
        if items.len() >= usize::try_from(limit).unwrap_or(usize::MAX) {
            return Ok(Page { items, next: last });
        }
        looked += 1;
        let item = session(r)?;
        last = Some(several(&(r.get::<_, i64>(0)?, &item.resource, &item.node)));
        if r.get::<_, bool>(9)? && wanted.is_none_or(|wanted| wanted == item.state) {
            items.push(item);
        }
    }
    Ok(Page { items, next: last.filter(|_| looked == LOOK) })
}

fn session(r: &Row<'_>) -> Result<SessionItem> {
    let show = r.get::<_, Option<String>>(6)?.as_deref().and_then(state::read_show);
    Ok(SessionItem {
        user: r.get(3)?,
        resource: r.get(1)?,
        node: r.get(2)?,
        state: presence(r.get(4)?, show),
        priority: r.get(5)?,
        show,
        status: r.get(7)?,
        since: clock::format(r.get::<_, Millis>(8)?),
    })
}

pub fn friends(tx: Tx<'_>, limit: u32, after: Option<&str>) -> Result<Page<FriendItem>> {
    let (user, friend): (i64, String) = parts(after);
    let sql = "SELECT f.user, f.friend, u.jid, f.name, f.subscription, f.ask, f.groups FROM friends f
        JOIN users u ON u.id = f.user
        WHERE (f.user, f.friend) > (?1, ?2) ORDER BY f.user, f.friend LIMIT ?3";
    page(tx, sql, params![user, friend, limit + 1], limit, |r| {
        let item = FriendItem {
            user: r.get(2)?,
            friend: r.get(1)?,
            name: r.get(3)?,
            subscription: r.get(4)?,
            ask: r.get(5)?,
            groups: serde_json::from_str(r.get_ref(6)?.as_str()?).unwrap_or_default(),
        };
        Ok((several(&(r.get::<_, i64>(0)?, &item.friend)), item))
    })
}

pub fn groups(tx: Tx<'_>, limit: u32, after: Option<String>) -> Result<Page<Group>> {
    let sql =
        "SELECT id, name, description, room, version, size FROM groups WHERE id > ?1 ORDER BY id LIMIT ?2";
    page(tx, sql, params![after.unwrap_or_default(), limit + 1], limit, |r| {
        let item = group::to_group(r)?;
        Ok((item.id.clone(), item))
    })
}

pub fn rooms(tx: Tx<'_>, limit: u32, after: Option<String>) -> Result<Page<RoomItem>> {
    let sql = "SELECT jid, members, present, occupants, next_seq - 1 FROM rooms WHERE jid > ?1 ORDER BY jid LIMIT ?2";
    page(tx, sql, params![after.unwrap_or_default(), limit + 1], limit, |r| {
        let item = RoomItem {
            room: r.get(0)?,
            members: number(r.get(1)?),
            present: number(r.get(2)?),
            occupants: number(r.get(3)?),
            messages: number(r.get(4)?),
        };
        Ok((item.room.clone(), item))
    })
}

pub fn occupants(tx: Tx<'_>, room: &UserId, limit: u32, after: Option<&str>) -> Result<Page<OccupantItem>> {
    let id = "SELECT id FROM rooms WHERE jid = ?1";
    let id: Option<i64> = tx.conn.prepare_cached(id)?.query_row([room.as_str()], |r| r.get(0)).optional()?;
    let id = id.ok_or(StoreError::NotFound("room"))?;
    let (user, resource, node): (String, String, String) = parts(after);
    let sql = "SELECT user, resource, nick, node, changed_at FROM occupants
        WHERE room = ?1 AND (user, resource, node) > (?2, ?3, ?4) AND open = 1 ORDER BY user, resource, node LIMIT ?5";
    page(tx, sql, params![id, user, resource, node, limit + 1], limit, |r| {
        let item = OccupantItem {
            user: r.get(0)?,
            resource: r.get(1)?,
            nick: r.get(2)?,
            node: r.get(3)?,
            since: clock::format(r.get(4)?),
        };
        Ok((several(&(&item.user, &item.resource, &item.node)), item))
    })
}
