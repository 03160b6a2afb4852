//! Rooms that are groups: the room's members and the group's are the same people, whichever interface changes them. What a group changes is announced as
//! the room's change as well, so that whoever keeps rooms need not know of groups.

use im_api::group::Role;
use im_api::room::Affiliation;
use rusqlite::{OptionalExtension, Row, params};
use serde_json::json;

use super::presence::affiliate;
use super::{find, read_affiliation, seen};
use crate::jid::UserId;
use crate::store::sqlite::downlink::announce;
use crate::store::sqlite::group;
use crate::store::sqlite::writer::Tx;
use crate::store::{Cause, Result, StoreError};

/// A member of a group has another role: its room, if it is one, follows. Without a cause nothing is announced; whoever calls does so.
pub fn room_follows(
    tx: Tx<'_>,
    group: &str,
    user: i64,
    role: Option<Role>,
    cause: Option<&Cause>,
) -> Result<()> {
    let sql = "SELECT g.room, coalesce(u.erasing, u.jid) FROM groups g JOIN users u ON u.id = ?2
        WHERE g.id = ?1 AND g.room IS NOT NULL";
    let read = |r: &Row<'_>| Ok((r.get::<_, String>(0)?, r.get::<_, String>(1)?));
    let found = tx.conn.prepare_cached(sql)?.query_row(params![group, user], read).optional()?;
    let Some((room, jid)) = found else { return Ok(()) };
    let id = seen(tx, &address(&room)?)?;
    let affiliation = role.map(affiliation);
    if of(tx, id, &jid)? == affiliation {
        return Ok(());
    }
    affiliate(tx, id, &jid, affiliation)?;
    if let Some(cause) = cause {
        let data = json!({ "user": jid, "affiliation": affiliation });
        announce(tx, cause, "im.room.member", &room, &data)?;
    }
    Ok(())
}

/// A group is this room from now on, and its members are the room's already: those whom the room had before are the group's as well. That it is a group is
/// said with it: such a room is for its members only.
pub fn became_a_group(tx: Tx<'_>, room: &str, cause: &Cause) -> Result<()> {
    let id = seen(tx, &address(room)?)?;
    let sql = "SELECT user, affiliation FROM room_members WHERE room = ?1 ORDER BY user";
    let mut sql = tx.conn.prepare_cached(sql)?;
    let read = |r: &Row<'_>| Ok((r.get::<_, String>(0)?, read_affiliation(r.get_ref(1)?.as_str()?)));
    let all = sql.query_map([id], read)?.collect::<rusqlite::Result<Vec<_>>>()?;
    for (user, affiliation) in &all {
        group_follows(tx, id, user, Some(*affiliation))?;
    }
    let members: Vec<_> =
        all.iter().map(|(user, affiliation)| json!({ "user": user, "affiliation": affiliation })).collect();
    let data = json!({ "members": members, "group": group_of(tx, id)? });
    announce(tx, cause, "im.room.changed", room, &data)?;
    Ok(())
}

/// The group that a room is.
pub fn group_of(tx: Tx<'_>, room: i64) -> Result<Option<String>> {
    let sql = "SELECT g.id FROM groups g JOIN rooms r ON r.jid = g.room WHERE r.id = ?1";
    Ok(tx.conn.prepare_cached(sql)?.query_row([room], |r| r.get(0)).optional()?)
}

/// A room's member has another affiliation: the group that the room is, if it is one, follows.
pub fn group_follows(tx: Tx<'_>, room: i64, user: &str, affiliation: Option<Affiliation>) -> Result<()> {
    let Some(group) = group_of(tx, room)? else { return Ok(()) };
    group::follow(tx, &group, &address(user)?, affiliation.map(role))
}

/// A group is dissolved: the room that it is goes with it.
pub fn dissolved(tx: Tx<'_>, room: &str, cause: &Cause) -> Result<()> {
    let Some(row) = find(tx, &address(room)?)? else { return Ok(()) };
    super::delete(tx, row.id)?;
    announce(tx, cause, "im.room.removed", room, &json!({}))?;
    Ok(())
}

fn of(tx: Tx<'_>, room: i64, user: &str) -> Result<Option<Affiliation>> {
    let sql = "SELECT affiliation FROM room_members WHERE room = ?1 AND user = ?2";
    let read = |r: &Row<'_>| Ok(read_affiliation(r.get_ref(0)?.as_str()?));
    Ok(tx.conn.prepare_cached(sql)?.query_row(params![room, user], read).optional()?)
}

fn address(text: &str) -> Result<UserId> {
    UserId::parse(text).map_err(|_| StoreError::NotFound("address"))
}

fn affiliation(role: Role) -> Affiliation {
    match role {
        Role::Owner => Affiliation::Owner,
        Role::Admin => Affiliation::Admin,
        Role::Member => Affiliation::Member,
    }
}

fn role(affiliation: Affiliation) -> Role {
    match affiliation {
        Affiliation::Owner => Role::Owner,
        Affiliation::Admin => Role::Admin,
        Affiliation::Member => Role::Member,
    }
}
