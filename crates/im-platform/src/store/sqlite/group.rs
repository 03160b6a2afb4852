//! Groups in SQLite; counters of members and owners in the group's row. A group that was made here keeps an owner; one that a bridge reported may be
//! without, and stays so.

use std::collections::HashSet;

use async_trait::async_trait;
use im_api::group::{
    CreateGroup, Group, GroupChanged, Groups as Page, Member, PatchGroup, ReportGroup, Role,
};
use rusqlite::{OptionalExtension, Row, params};
use serde_json::json;

use super::downlink::announce;
use super::once::once;
use super::writer::Tx;
use super::{Sqlite, erase, room, users};
use crate::jid::UserId;
use crate::store::group::{Groups, MAX_MEMBERS};
use crate::store::{Cause, Result, StoreError};

#[async_trait]
impl Groups for Sqlite {
    async fn create_group(&self, new: CreateGroup, cause: Cause) -> Result<Group> {
        self.write(move |tx| once(tx, &cause, &new.id, || create(tx, &new, &cause))).await
    }

    async fn group(&self, id: &str, limit: u32, after: Option<String>) -> Result<Group> {
        let id = id.to_owned();
        self.read(move |tx| {
            let mut group = read(tx, &id)?;
            let mut sql = tx.conn.prepare_cached(
                "SELECT u.jid, m.role FROM group_members m JOIN users u ON u.id = m.user
                 WHERE m.grp = ?1 AND m.user > ?2 ORDER BY m.user LIMIT ?3",
            )?;
            // The cursor is the member's address; its number orders the page, so that a page costs what it holds.
            let after = match after.and_then(|a| UserId::parse(&a).ok()) {
                Some(user) => users::find(tx, &user)?.map_or(0, |u| u.id),
                None => 0,
            };
            let rows = sql.query_map(params![id, after, limit + 1], |r| {
                Ok(Member { user: r.get(0)?, role: read_role(r.get_ref(1)?.as_str()?) })
            })?;
            group.members = rows.collect::<rusqlite::Result<_>>()?;
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            if group.members.len() > limit {
                group.members.truncate(limit);
                group.next = group.members.last().map(|m| m.user.clone());
            }
            Ok(group)
        })
        .await
    }

    async fn groups_of(&self, user: &UserId, limit: u32, after: Option<String>) -> Result<Page> {
        let user = user.clone();
        self.read(move |tx| {
            let row = users::known(tx, &user)?;
            let mut sql = tx.conn.prepare_cached(
                "SELECT g.id, g.name, g.description, g.room, g.version, g.size FROM group_members m
                 JOIN groups g ON g.id = m.grp WHERE m.user = ?1 AND m.grp > ?2 ORDER BY m.grp LIMIT ?3",
            )?;
            let values = params![row.id, after.unwrap_or_default(), limit + 1];
            let mut items = sql.query_map(values, to_group)?.collect::<rusqlite::Result<Vec<_>>>()?;
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            let next = (items.len() > limit).then(|| {
                items.truncate(limit);
                items.last().map(|g| g.id.clone()).unwrap_or_default()
            });
            Ok(Page { items, next })
        })
        .await
    }

    async fn patch_group(&self, id: &str, patch: PatchGroup, cause: Cause) -> Result<GroupChanged> {
        let id = id.to_owned();
        self.write(move |tx| {
            let before = read(tx, &id)?;
            if patch.if_version.is_some_and(|v| v != before.version) {
                return Err(StoreError::Conflict("the group has another version"));
            }
            let mut group = before.clone();
            if let Some(name) = patch.name {
                group.name = name;
            }
            if let Some(description) = patch.description {
                group.description = Some(description).filter(|d| !d.is_empty());
            }
            if group == before {
                return Ok(GroupChanged { version: before.version, changed: false });
            }
            let sql = "UPDATE groups SET name = ?2, description = ?3 WHERE id = ?1";
            tx.conn.prepare_cached(sql)?.execute(params![id, group.name, group.description])?;
            let answer = changed(tx, &id)?;
            announce(tx, &cause, "im.group.changed", &id, &read(tx, &id)?)?;
            Ok(answer)
        })
        .await
    }

    async fn report_group(&self, id: &str, report: ReportGroup, cause: Cause) -> Result<GroupChanged> {
        let id = id.to_owned();
        self.write(move |tx| reported(tx, &id, &report, &cause)).await
    }

    async fn remove_group(&self, id: &str, cause: Cause) -> Result<GroupChanged> {
        let id = id.to_owned();
        self.write(move |tx| {
            let Ok(group) = read(tx, &id) else {
                return Ok(GroupChanged { version: 0, changed: false });
            };
            delete(tx, &id, &cause)?;
            if let Some(room) = &group.room {
                room::dissolved(tx, room, &cause)?;
            }
            Ok(GroupChanged { version: 0, changed: true })
        })
        .await
    }

    async fn set_member(
        &self,
        id: &str,
        user: &UserId,
        role: Option<Role>,
        reported: bool,
        cause: Cause,
    ) -> Result<GroupChanged> {
        let (id, user) = (id.to_owned(), user.clone());
        self.write(move |tx| set_member(tx, &id, &user, role, reported, &cause)).await
    }
}

pub fn create(tx: Tx<'_>, new: &CreateGroup, cause: &Cause) -> Result<Group> {
    let sql = "SELECT 1 FROM groups WHERE id = ?1 UNION ALL SELECT 1 FROM groups WHERE room = ?2";
    if tx.conn.prepare_cached(sql)?.exists(params![new.id, new.room])? {
        return Err(StoreError::Conflict("a group of this id or room exists"));
    }
    let sql = "INSERT INTO groups (id, name, description, room, version, size, owners) VALUES (?1, ?2, ?3, ?4, 1, 0, 0)";
    tx.conn.prepare_cached(sql)?.execute(params![new.id, new.name, new.description, new.room])?;
    for member in &new.members {
        let user = UserId::parse(&member.user).map_err(|_| StoreError::NotFound("user"))?;
        write_member(tx, &new.id, users::known(tx, &user)?.id, Some(member.role), None)?;
    }
    if let Some(room) = &new.room {
        room::became_a_group(tx, room, cause)?;
    }
    let mut group = read(tx, &new.id)?;
    group.members.clone_from(&new.members);
    announce(tx, cause, "im.group.changed", &new.id, &group)?;
    Ok(group)
}

/// The group without what it may be beside that. What was shared with it alone is nobody's but its owner's now; a later group of this id must not
/// inherit it.
fn delete(tx: Tx<'_>, id: &str, cause: &Cause) -> Result<()> {
    for sql in [
        "DELETE FROM groups WHERE id = ?1",
        "DELETE FROM group_members WHERE grp = ?1",
        "UPDATE footprints SET audience = 'me', grp = NULL WHERE grp = ?1",
        "UPDATE media SET audience = 'me', grp = NULL WHERE grp = ?1",
    ] {
        tx.conn.prepare_cached(sql)?.execute([id])?;
    }
    announce(tx, cause, "im.group.removed", id, &json!({}))?;
    Ok(())
}

/// The room that a group is was removed: the group goes with it.
pub fn room_gone(tx: Tx<'_>, room: &UserId) -> Result<()> {
    let sql = "SELECT id FROM groups WHERE room = ?1";
    let id: Option<String> =
        tx.conn.prepare_cached(sql)?.query_row([room.as_str()], |r| r.get(0)).optional()?;
    id.map_or(Ok(()), |id| delete(tx, &id, &Cause::by("room")))
}

/// What the room that a group is has done to a member.
pub fn follow(tx: Tx<'_>, id: &str, user: &UserId, role: Option<Role>) -> Result<()> {
    let row = match role {
        // Somebody who was erased a moment ago stays so.
        Some(_) => match reported_user(tx, user) {
            Ok(row) => row,
            Err(_) => return Ok(()),
        },
        None => match users::find(tx, user)? {
            Some(row) => row,
            None => return Ok(()),
        },
    };
    if count_member(tx, id, row.id, role)? {
        changed(tx, id)?;
        let data = json!({ "user": user.as_str(), "role": role });
        announce(tx, &Cause::by("room"), "im.group.member", id, &data)?;
    }
    Ok(())
}

fn set_member(
    tx: Tx<'_>,
    id: &str,
    user: &UserId,
    role: Option<Role>,
    reported: bool,
    cause: &Cause,
) -> Result<GroupChanged> {
    let group = read(tx, id)?;
    let row = match role {
        Some(_) if reported => reported_user(tx, user)?,
        _ => users::known(tx, user)?,
    };
    let before = role_of(tx, id, row.id)?;
    let role = if reported { as_reported(before, role) } else { role };
    if before == role {
        return Ok(GroupChanged { version: group.version, changed: false });
    }
    if before.is_none() && i64::try_from(group.size).unwrap_or(i64::MAX) >= MAX_MEMBERS {
        return Err(StoreError::Limit("the group has as many members as it may have"));
    }
    write_member(tx, id, row.id, role, Some(cause))?;
    if before == Some(Role::Owner) && owners(tx, id)? == 0 && !reported {
        return Err(StoreError::Conflict("a group keeps at least one owner"));
    }
    let answer = changed(tx, id)?;
    announce(tx, cause, "im.group.member", id, &json!({ "user": user.as_str(), "role": role }))?;
    Ok(answer)
}

/// A group as it is on a server: made, or brought to that.
fn reported(tx: Tx<'_>, id: &str, report: &ReportGroup, cause: &Cause) -> Result<GroupChanged> {
    let sql = "SELECT 1 FROM groups WHERE room = ?2 AND id <> ?1";
    if tx.conn.prepare_cached(sql)?.exists(params![id, report.room])? {
        return Err(StoreError::Conflict("another group is this room"));
    }
    let before = match read(tx, id) {
        Err(StoreError::NotFound(_)) => None,
        found => Some(found?),
    };
    let mut group = before.clone().unwrap_or_else(|| Group {
        id: id.into(),
        name: id.into(),
        description: None,
        room: None,
        version: 0,
        size: 0,
        members: Vec::new(),
        next: None,
    });
    if let Some(name) = &report.name {
        group.name.clone_from(name);
    }
    if let Some(description) = &report.description {
        group.description = Some(description.clone()).filter(|d| !d.is_empty());
    }
    if let Some(room) = &report.room {
        group.room = Some(room.clone());
    }
    let new_room = report.room.is_some() && before.as_ref().is_none_or(|b| b.room != group.room);
    let mut differs = before.as_ref() != Some(&group);
    let sql = "INSERT INTO groups (id, name, description, room, version, size, owners) VALUES (?1, ?2, ?3, ?4, 0, 0, 0)
        ON CONFLICT (id) DO UPDATE SET name = ?2, description = ?3, room = ?4";
    if differs {
        tx.conn.prepare_cached(sql)?.execute(params![id, group.name, group.description, group.room])?;
    }
    if let Some(members) = &report.members {
        differs |= reported_members(tx, id, members, report.complete, cause)?;
    }
    if let Some(room) = report.room.as_ref().filter(|_| new_room) {
        room::became_a_group(tx, room, cause)?;
    }
    if !differs {
        return Ok(GroupChanged { version: group.version, changed: false });
    }
    let answer = changed(tx, id)?;
    announce(tx, cause, "im.group.changed", id, &read(tx, id)?)?;
    Ok(answer)
}

/// Whether anything changed.
fn reported_members(tx: Tx<'_>, id: &str, members: &[Member], complete: bool, cause: &Cause) -> Result<bool> {
    let mut differs = false;
    let mut there = HashSet::with_capacity(members.len());
    for member in members {
        let user = UserId::parse(&member.user).map_err(|_| StoreError::NotFound("user"))?;
        // Somebody who was erased a moment ago stays so.
        let Ok(row) = reported_user(tx, &user) else { continue };
        there.insert(row.id);
        let before = role_of(tx, id, row.id)?;
        let role = as_reported(before, Some(member.role));
        if before != role {
            write_member(tx, id, row.id, role, Some(cause))?;
            differs = true;
        }
    }
    if complete {
        let mut sql = tx.conn.prepare_cached("SELECT user FROM group_members WHERE grp = ?1")?;
        let have = sql.query_map([id], |r| r.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?;
        for user in have.into_iter().filter(|user| !there.contains(user)) {
            write_member(tx, id, user, None, Some(cause))?;
            differs = true;
        }
    }
    if i64::try_from(read(tx, id)?.size).unwrap_or(i64::MAX) > MAX_MEMBERS {
        return Err(StoreError::Limit("the group has as many members as it may have"));
    }
    Ok(differs)
}

/// A member that a bridge reports becomes known, unless it was erased so short a while ago that the report may be older.
fn reported_user(tx: Tx<'_>, user: &UserId) -> Result<users::UserRow> {
    if users::find(tx, user)?.is_none() && erase::recently(tx, user)? {
        return Err(StoreError::NotFound("user"));
    }
    users::seen(tx, user)
}

/// Servers know administrators, not owners: who is both stays both.
fn as_reported(before: Option<Role>, role: Option<Role>) -> Option<Role> {
    if before == Some(Role::Owner) && role == Some(Role::Admin) { before } else { role }
}

fn owners(tx: Tx<'_>, id: &str) -> Result<i64> {
    Ok(tx.conn.prepare_cached("SELECT owners FROM groups WHERE id = ?1")?.query_row([id], |r| r.get(0))?)
}

/// The role of a user in a group.
pub fn role_of(tx: Tx<'_>, group: &str, user: i64) -> Result<Option<Role>> {
    let sql = "SELECT role FROM group_members WHERE grp = ?1 AND user = ?2";
    let read = |r: &Row<'_>| Ok(read_role(r.get_ref(0)?.as_str()?));
    Ok(tx.conn.prepare_cached(sql)?.query_row(params![group, user], read).optional()?)
}

/// Takes an erased user out. A group that loses its last owner by that goes if nobody is left in it, else its longest-known admin or member is the next.
/// One that was without an owner (a server's) stays as it is.
pub fn forget_member(tx: Tx<'_>, group: &str, user: i64) -> Result<()> {
    let owned = role_of(tx, group, user)? == Some(Role::Owner);
    write_member(tx, group, user, None, None)?;
    changed(tx, group)?;
    if !owned {
        return Ok(());
    }
    let sql = "DELETE FROM groups WHERE id = ?1 AND size = 0";
    if tx.conn.prepare_cached(sql)?.execute([group])? > 0 {
        return Ok(());
    }
    let sql = "SELECT m.user FROM group_members m JOIN groups g ON g.id = m.grp
        WHERE m.grp = ?1 AND g.owners = 0 ORDER BY m.role = 'admin' DESC, m.user LIMIT 1";
    let heir: Option<i64> = tx.conn.prepare_cached(sql)?.query_row([group], |r| r.get(0)).optional()?;
    heir.map_or(Ok(()), |heir| write_member(tx, group, heir, Some(Role::Owner), None))
}

/// Writes a membership; the room that the group is, if it is one, follows.
fn write_member(tx: Tx<'_>, group: &str, user: i64, role: Option<Role>, cause: Option<&Cause>) -> Result<()> {
    count_member(tx, group, user, role)?;
    room::room_follows(tx, group, user, role, cause)
}

/// Writes a membership and the group's counters. Whether it was another before.
fn count_member(tx: Tx<'_>, group: &str, user: i64, role: Option<Role>) -> Result<bool> {
    let before = role_of(tx, group, user)?;
    if before == role {
        return Ok(false);
    }
    match role {
        Some(role) => {
            let sql = "INSERT OR REPLACE INTO group_members (grp, user, role) VALUES (?1, ?2, ?3)";
            tx.conn.prepare_cached(sql)?.execute(params![group, user, write_role(role)])?;
        }
        None => {
            let sql = "DELETE FROM group_members WHERE grp = ?1 AND user = ?2";
            tx.conn.prepare_cached(sql)?.execute(params![group, user])?;
        }
    }
    let size = i64::from(role.is_some()) - i64::from(before.is_some());
    let owners = i64::from(role == Some(Role::Owner)) - i64::from(before == Some(Role::Owner));
    let sql = "UPDATE groups SET size = size + ?2, owners = owners + ?3 WHERE id = ?1";
    tx.conn.prepare_cached(sql)?.execute(params![group, size, owners])?;
    Ok(true)
}

fn changed(tx: Tx<'_>, id: &str) -> Result<GroupChanged> {
    let sql = "UPDATE groups SET version = version + 1 WHERE id = ?1 RETURNING version";
    let version: i64 = tx.conn.prepare_cached(sql)?.query_row([id], |r| r.get(0))?;
    Ok(GroupChanged { version: u64::try_from(version).unwrap_or(0), changed: true })
}

fn read(tx: Tx<'_>, id: &str) -> Result<Group> {
    let sql = "SELECT id, name, description, room, version, size FROM groups WHERE id = ?1";
    tx.conn.prepare_cached(sql)?.query_row([id], to_group).optional()?.ok_or(StoreError::NotFound("group"))
}

pub fn to_group(r: &Row<'_>) -> rusqlite::Result<Group> {
    Ok(Group {
        id: r.get(0)?,
        name: r.get(1)?,
        description: r.get(2)?,
        room: r.get(3)?,
        version: u64::try_from(r.get::<_, i64>(4)?).unwrap_or(0),
        size: u64::try_from(r.get::<_, i64>(5)?).unwrap_or(0),
        members: Vec::new(),
        next: None,
    })
}

fn write_role(role: Role) -> &'static str {
    match role {
        Role::Owner => "owner",
        Role::Admin => "admin",
        Role::Member => "member",
    }
}

fn read_role(text: &str) -> Role {
    match text {
        "owner" => Role::Owner,
        "admin" => Role::Admin,
        _ => Role::Member,
    }
}
