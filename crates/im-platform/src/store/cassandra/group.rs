//! Groups: an entity per group, members beside the head. The group of a room, and the groups of a user, are found by notes that are written first. A
//! group that was made here keeps an owner; one that a bridge reported may be without, and stays so.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use im_api::group::{
    CreateGroup, Group, GroupChanged, Groups as Page, Member, PatchGroup, ReportGroup, Role,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::cql::{Cas, looked_up};
use super::once::answer_row;
use super::pair::Begun;
use super::part::{Part, end_of};
use super::room::Say;
use super::schema::GROUPS;
use super::{AT_ONCE, Cassandra};
use crate::jid::UserId;
use crate::store::group::{Groups, MAX_MEMBERS};
use crate::store::{Cause, Result, StoreError};

/// A group's head.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupDoc {
    pub name: String,
    pub description: Option<String>,
    pub room: Option<String>,
    pub version: u64,
    pub size: u64,
    pub owners: u64,
    /// Told apart from a later group of the same id.
    pub born: i64,
}

impl GroupDoc {
    pub fn group(&self, id: &str) -> Group {
        Group {
            id: id.into(),
            name: self.name.clone(),
            description: self.description.clone(),
            room: self.room.clone(),
            version: self.version,
            size: self.size,
            members: Vec::new(),
            next: None,
        }
    }

    /// Writes a membership and the counters.
    fn set(&mut self, before: Option<Role>, role: Option<Role>) {
        self.size = self.size + u64::from(role.is_some()) - u64::from(before.is_some());
        self.owners =
            self.owners + u64::from(role == Some(Role::Owner)) - u64::from(before == Some(Role::Owner));
    }
}

/// Members of a report that one commit takes.
const REPORTED: usize = 500;
/// Members that one commit takes over from the room that the group is.
const FOLLOWED: usize = 64;

/// Servers know administrators, not owners: who is both stays both.
fn as_reported(before: Option<Role>, role: Option<Role>) -> Option<Role> {
    if before == Some(Role::Owner) && role == Some(Role::Admin) { before } else { role }
}

fn member_row(user: &str) -> String {
    format!("m/{user}")
}

#[async_trait]
impl Groups for Cassandra {
    async fn create_group(&self, new: CreateGroup, cause: Cause) -> Result<Group> {
        self.open_or()?;
        self.is_once(&cause, &new.id).await?;
        let made = self.make_group(&new, &cause).await;
        self.end_once(&cause, made).await
    }

    async fn group(&self, id: &str, limit: u32, after: Option<String>) -> Result<Group> {
        self.open_or()?;
        let doc = self.head::<GroupDoc>(GROUPS, id).await?.ok_or(StoreError::NotFound("group"))?;
        let mut group = doc.group(id);
        let from = after.map_or("m/".into(), |after| format!("m/{after}\0"));
        let most = i32::try_from(limit).unwrap_or(i32::MAX - 1) + 1;
        let rows: Vec<(String, Role)> = self.rows(GROUPS, id, (&from, &end_of("m/")), most, false).await?;
        let member =
            |(sort, role): (String, Role)| Member { user: sort.trim_start_matches("m/").into(), role };
        group.members = rows.into_iter().map(member).collect();
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        if group.members.len() > limit {
            group.members.truncate(limit);
            group.next = group.members.last().map(|m| m.user.clone());
        }
        Ok(group)
    }

    async fn groups_of(&self, user: &UserId, limit: u32, after: Option<String>) -> Result<Page> {
        self.known_user(user.as_str()).await?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let (mut items, mut after) = (Vec::new(), after.unwrap_or_default());
        while items.len() <= limit {
            let piece =
                self.list_walk(&format!("groups/{user}"), "", &after, limit.saturating_add(1)).await?;
            let Some((last, _)) = piece.last() else { break };
            after = last.clone();
            for (id, _) in piece {
                if self.role_of(&id, user.as_str()).await?.is_some()
                    && let Some(doc) = self.head::<GroupDoc>(GROUPS, &id).await?
                {
                    items.push(doc.group(&id));
                }
            }
        }
        let next = (items.len() > limit).then(|| {
            items.truncate(limit);
            items.last().map(|g| g.id.clone()).unwrap_or_default()
        });
        Ok(Page { items, next })
    }

    async fn patch_group(&self, id: &str, patch: PatchGroup, cause: Cause) -> Result<GroupChanged> {
        self.open_or()?;
        let mut turn = self.turn(GROUPS, id).await;
        loop {
            let mut part = turn.load::<GroupDoc>().await?;
            let before = part.doc.take().ok_or(StoreError::NotFound("group"))?;
            if patch.if_version.is_some_and(|v| v != before.version) {
                return Err(StoreError::Conflict("the group has another version"));
            }
            let mut doc = before.clone();
            if let Some(name) = &patch.name {
                doc.name.clone_from(name);
            }
            if let Some(description) = &patch.description {
                doc.description = Some(description.clone()).filter(|d| !d.is_empty());
            }
            if doc == before {
                return Ok(GroupChanged { version: before.version, changed: false });
            }
            doc.version += 1;
            let version = doc.version;
            part.say(self.saying(&cause, "im.group.changed", id, &doc.group(id)).await?);
            part.doc = Some(doc);
            if turn.commit(part).await? {
                return Ok(GroupChanged { version, changed: true });
            }
        }
    }

    async fn report_group(&self, id: &str, report: ReportGroup, cause: Cause) -> Result<GroupChanged> {
        self.open_or()?;
        let mut named = Vec::new();
        for member in report.members.iter().flatten() {
            named.push((UserId::parse(&member.user).map_err(|_| StoreError::NotFound("user"))?, member.role));
        }
        // Somebody who was erased a moment ago stays so.
        let known: Vec<Option<(String, Role)>> = stream::iter(named)
            .map(|(user, role)| async move {
                let known = self.make_known(&user).await?;
                Ok::<_, StoreError>(known.then(|| (user.to_string(), role)))
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let members: Vec<(String, Role)> = known.into_iter().flatten().collect();
        let before = self.head::<GroupDoc>(GROUPS, id).await?.and_then(|doc| doc.room);
        let Some(room) = report.room.clone().or_else(|| before.clone()) else {
            return Ok(self.take_report(id, &report, &members, &cause).await?.0);
        };
        let is_new = before.as_ref() != Some(&room);
        let begun = if is_new { Begun::New } else { Begun::Members };
        let begun = self.begin_pair(id, &room, begun).await?;
        let taken = self.take_report(id, &report, &members, &cause).await;
        let (answer, changed) = self.end_refused(Some(&begun), taken).await?;
        if is_new {
            self.became_a_group(id, &room, &cause).await?;
        } else {
            self.room_follows(id, &room, changed, &Say::Each(&cause)).await?;
        }
        self.end_pair(&begun).await?;
        if !answer.changed {
            self.finish_pairs(Some(id), None).await?;
        }
        Ok(answer)
    }

    async fn remove_group(&self, id: &str, cause: Cause) -> Result<GroupChanged> {
        self.open_or()?;
        let room = self.head::<GroupDoc>(GROUPS, id).await?.and_then(|doc| doc.room);
        let begun = match &room {
            Some(room) => Some((self.begin_pair(id, room, Begun::Gone).await?, room)),
            None => None,
        };
        let changed = self.drop_group(id, &cause).await?;
        if let Some((begun, room)) = begun {
            if self.group_of(room).await?.is_none() {
                self.drop_room(room, &cause).await?;
            }
            self.end_pair(&begun).await?;
        } else {
            self.finish_pairs(Some(id), None).await?;
        }
        Ok(GroupChanged { version: 0, changed })
    }

    async fn set_member(
        &self,
        id: &str,
        user: &UserId,
        role: Option<Role>,
        reported: bool,
        cause: Cause,
    ) -> Result<GroupChanged> {
        self.open_or()?;
        let doc = self.head::<GroupDoc>(GROUPS, id).await?.ok_or(StoreError::NotFound("group"))?;
        let known = if reported && role.is_some() {
            self.make_known(user).await?
        } else {
            self.find_user(user.as_str()).await?.is_some()
        };
        if !known {
            return Err(StoreError::NotFound("user"));
        }
        let Some(room) = doc.room else { return self.change_member(id, user, role, reported, &cause).await };
        let begun = self.begin_pair(id, &room, Begun::Members).await?;
        let changed = self.change_member(id, user, role, reported, &cause).await;
        let changed = self.end_refused(Some(&begun), changed).await?;
        // Also when nothing changed: who asked before may not have come so far.
        self.room_follows(id, &room, [user.to_string()], &Say::Each(&cause)).await?;
        self.end_pair(&begun).await?;
        Ok(changed)
    }
}

impl Cassandra {
    /// Makes a group; a replay gives the first answer. The room that it is has the same members from then on.
    pub(super) async fn make_group(&self, new: &CreateGroup, cause: &Cause) -> Result<Group> {
        let Some(room) = &new.room else { return Ok(self.commit_group(new, cause).await?.0) };
        let begun = self.begin_pair(&new.id, room, Begun::New).await?;
        let made = self.commit_group(new, cause).await;
        let (group, first) = self.end_refused(Some(&begun), made).await?;
        if first {
            self.became_a_group(&new.id, room, cause).await?;
            self.end_pair(&begun).await?;
        } else {
            self.end_pair(&begun).await?;
            self.finish_pairs(Some(&new.id), None).await?;
        }
        Ok(group)
    }

    /// The group, and whether it was made now.
    async fn commit_group(&self, new: &CreateGroup, cause: &Cause) -> Result<(Group, bool)> {
        let mut members = Vec::with_capacity(new.members.len());
        for member in &new.members {
            let user = UserId::parse(&member.user).map_err(|_| StoreError::NotFound("user"))?;
            self.known_user(user.as_str()).await?;
            members.push((user, member.role));
        }
        let taken = || StoreError::Conflict("a group of this id or room exists");
        let mut turn = self.turn(GROUPS, &new.id).await;
        loop {
            let mut part = turn.load::<GroupDoc>().await?;
            if let Some(row) = answer_row(cause)
                && let Some(first) = self.row::<Group>(GROUPS, &new.id, &row).await?
            {
                return Ok((first, false));
            }
            if part.doc.is_some() {
                return Err(taken());
            }
            if let Some(room) = &new.room
                && !self.take_room(room, &new.id).await?
            {
                return Err(taken());
            }
            let mut doc = GroupDoc {
                name: new.name.clone(),
                description: new.description.clone(),
                room: new.room.clone(),
                version: 1,
                size: 0,
                owners: 0,
                born: part.n,
            };
            let mut seen: Vec<(&str, Role)> = Vec::new();
            for (user, role) in &members {
                let before =
                    seen.iter().rev().find(|(known, _)| *known == user.as_str()).map(|(_, role)| *role);
                doc.set(before, Some(*role));
                seen.push((user.as_str(), *role));
                self.write_member(&mut part, &new.id, user.as_str(), Some(*role)).await?;
            }
            let mut group = doc.group(&new.id);
            group.members.clone_from(&new.members);
            part.doc = Some(doc);
            self.list_put("groups", &new.id, "", part.n, None).await?;
            part.say(self.saying(cause, "im.group.changed", &new.id, &group).await?);
            self.answer_once(&mut part, (GROUPS, &new.id), cause, &new.id, &group).await?;
            if turn.commit(part).await? {
                return Ok((group, true));
            }
        }
    }

    async fn change_member(
        &self,
        id: &str,
        user: &UserId,
        wanted: Option<Role>,
        reported: bool,
        cause: &Cause,
    ) -> Result<GroupChanged> {
        let mut turn = self.turn(GROUPS, id).await;
        loop {
            let mut part = turn.load::<GroupDoc>().await?;
            let n = part.n;
            let mut doc = part.doc.take().ok_or(StoreError::NotFound("group"))?;
            let before = self.role_of(id, user.as_str()).await?;
            let role = if reported { as_reported(before, wanted) } else { wanted };
            if before == role {
                return Ok(GroupChanged { version: doc.version, changed: false });
            }
            if before.is_none() && i64::try_from(doc.size).unwrap_or(i64::MAX) >= MAX_MEMBERS {
                return Err(StoreError::Limit("the group has as many members as it may have"));
            }
            doc.set(before, role);
            if before == Some(Role::Owner) && doc.owners == 0 && !reported {
                return Err(StoreError::Conflict("a group keeps at least one owner"));
            }
            doc.version += 1;
            let version = doc.version;
            part.doc = Some(doc);
            self.write_member(&mut part, id, user.as_str(), role).await?;
            let data = json!({ "user": user.as_str(), "role": role });
            part.say(self.saying(cause, "im.group.member", id, &data).await?);
            if turn.commit(part).await? {
                if role.is_none() {
                    self.list_remove(&format!("groups/{user}"), id, n).await?;
                }
                return Ok(GroupChanged { version, changed: true });
            }
        }
    }

    /// What the room that a group is does to members.
    pub(super) async fn group_follows(&self, id: &str, all: &[(String, Option<Role>)]) -> Result<()> {
        let mut known = Vec::with_capacity(all.len());
        for (user, role) in all {
            // Somebody who was erased a moment ago stays so.
            let user = UserId::parse(user).map_err(|_| StoreError::NotFound("user"))?;
            if role.is_none() || self.make_known(&user).await? {
                known.push((user.to_string(), *role));
            }
        }
        let cause = Cause::by("room");
        for piece in known.chunks(FOLLOWED) {
            let mut turn = self.turn(GROUPS, id).await;
            loop {
                let mut part = turn.load::<GroupDoc>().await?;
                let n = part.n;
                let Some(mut doc) = part.doc.take() else { return Ok(()) };
                let rows: Vec<String> = piece.iter().map(|(user, _)| member_row(user)).collect();
                let were: Vec<(String, Role)> = self.rows_of(GROUPS, id, &rows).await?;
                let mut were: HashMap<String, Role> = were.into_iter().collect();
                for (user, role) in piece {
                    let row = member_row(user);
                    let before = were.get(&row).copied();
                    if before == *role {
                        continue;
                    }
                    match role {
                        Some(role) => were.insert(row, *role),
                        None => were.remove(&row),
                    };
                    doc.set(before, *role);
                    doc.version += 1;
                    self.write_member(&mut part, id, user, *role).await?;
                    let data = json!({ "user": user, "role": role });
                    part.say(self.saying(&cause, "im.group.member", id, &data).await?);
                }
                part.doc = Some(doc);
                if turn.commit(part).await? {
                    for (user, _) in piece.iter().filter(|(_, role)| role.is_none()) {
                        self.list_remove(&format!("groups/{user}"), id, n).await?;
                    }
                    break;
                }
            }
        }
        Ok(())
    }

    /// Removes a group; whether there was one.
    pub(super) async fn drop_group(&self, id: &str, cause: &Cause) -> Result<bool> {
        let mut turn = self.turn(GROUPS, id).await;
        let mut any = false;
        loop {
            let mut part = turn.load::<GroupDoc>().await?;
            let Some(doc) = part.doc.clone() else { return Ok(any) };
            let n = part.n;
            // A group of many members goes in pieces; the last one takes the head.
            let members: Vec<(String, Role)> =
                self.rows(GROUPS, id, ("m/", &end_of("m/")), 500, false).await?;
            let last = members.len() < 500;
            for (sort, _) in &members {
                part.remove(sort.clone());
            }
            if last {
                part.doc = None;
                let answers: Vec<(String, serde_json::Value)> =
                    self.rows(GROUPS, id, ("1/", &end_of("1/")), 500, false).await?;
                for (sort, _) in answers {
                    part.remove(sort);
                }
                part.say(self.saying(cause, "im.group.removed", id, &json!({})).await?);
            }
            if !turn.commit(part).await? {
                continue;
            }
            any = true;
            for (sort, _) in &members {
                self.list_remove(&format!("groups/{}", sort.trim_start_matches("m/")), id, n).await?;
            }
            if last {
                self.list_remove("groups", id, n).await?;
                if let Some(room) = &doc.room {
                    self.free_room(room, id).await?;
                }
            }
        }
    }

    /// Puts a membership into the commit; where it can be found from the user's side is noted before.
    async fn write_member(
        &self,
        part: &mut Part<GroupDoc>,
        id: &str,
        user: &str,
        role: Option<Role>,
    ) -> Result<()> {
        match role {
            Some(role) => {
                self.list_put(&format!("groups/{user}"), id, "", part.n, None).await?;
                part.put(member_row(user), &role, None)
            }
            None => {
                part.remove(member_row(user));
                Ok(())
            }
        }
    }

    /// The role of a user in a group.
    pub(super) async fn role_of(&self, group: &str, user: &str) -> Result<Option<Role>> {
        self.row::<Role>(GROUPS, group, &member_row(user)).await
    }

    /// Brings a group to what it is on a server, or makes it; members a piece at a time, and the version with the last.
    async fn take_report(
        &self,
        id: &str,
        report: &ReportGroup,
        members: &[(String, Role)],
        cause: &Cause,
    ) -> Result<(GroupChanged, Vec<String>)> {
        if let Some(room) = &report.room
            && !self.take_room(room, id).await?
        {
            return Err(StoreError::Conflict("another group is this room"));
        }
        let mut pieces: Vec<&[(String, Role)]> = members.chunks(REPORTED).collect();
        if pieces.is_empty() {
            pieces.push(&[]);
        }
        let (mut differs, count, mut all) = (false, pieces.len(), Vec::new());
        for (i, piece) in pieces.into_iter().enumerate() {
            let last = i + 1 == count;
            let mut turn = self.turn(GROUPS, id).await;
            loop {
                let mut part = turn.load::<GroupDoc>().await?;
                let (n, before) = (part.n, part.doc.take());
                let mut doc = before.clone().unwrap_or_else(|| GroupDoc {
                    name: id.into(),
                    description: None,
                    room: None,
                    version: 0,
                    size: 0,
                    owners: 0,
                    born: n,
                });
                if let Some(name) = &report.name {
                    doc.name.clone_from(name);
                }
                if let Some(description) = &report.description {
                    doc.description = Some(description.clone()).filter(|d| !d.is_empty());
                }
                if report.room.is_some() {
                    doc.room.clone_from(&report.room);
                }
                let mut changed = before.as_ref() != Some(&doc);
                let rows: Vec<String> = piece.iter().map(|(user, _)| member_row(user)).collect();
                let were: Vec<(String, Role)> = self.rows_of(GROUPS, id, &rows).await?;
                let were: HashMap<String, Role> = were.into_iter().collect();
                let mut touched = Vec::new();
                for (user, role) in piece {
                    let was = were.get(&member_row(user)).copied();
                    let role = as_reported(was, Some(*role));
                    if was != role {
                        doc.set(was, role);
                        self.write_member(&mut part, id, user, role).await?;
                        touched.push(user.clone());
                        changed = true;
                    }
                }
                let mut gone = Vec::new();
                if last && report.complete && report.members.is_some() {
                    let have: Vec<(String, Role)> =
                        self.rows(GROUPS, id, ("m/", &end_of("m/")), i32::MAX, false).await?;
                    let named: HashSet<String> = members.iter().map(|(user, _)| member_row(user)).collect();
                    for (sort, role) in have.into_iter().filter(|(sort, _)| !named.contains(sort)) {
                        doc.set(Some(role), None);
                        part.remove(sort.clone());
                        gone.push(sort);
                        changed = true;
                    }
                }
                if i64::try_from(doc.size).unwrap_or(i64::MAX) > MAX_MEMBERS {
                    return Err(StoreError::Limit("the group has as many members as it may have"));
                }
                if last && (differs || changed) {
                    doc.version += 1;
                    part.say(self.saying(cause, "im.group.changed", id, &doc.group(id)).await?);
                }
                let version = doc.version;
                if changed || last && differs {
                    self.list_put("groups", id, "", n, None).await?;
                    part.doc = Some(doc);
                    if !turn.commit(part).await? {
                        continue;
                    }
                }
                for sort in gone {
                    let user = sort.trim_start_matches("m/");
                    self.list_remove(&format!("groups/{user}"), id, n).await?;
                    touched.push(user.to_owned());
                }
                if let Some(old) = before
                    .and_then(|doc| doc.room)
                    .filter(|old| report.room.as_ref().is_some_and(|room| room != old))
                {
                    self.free_room(&old, id).await?;
                }
                differs |= changed;
                all.extend(touched);
                if last {
                    return Ok((GroupChanged { version, changed: differs }, all));
                }
                break;
            }
        }
        Ok((GroupChanged { version: 0, changed: differs }, all))
    }

    /// Takes an erased user out; true when it was a member. A group that loses its last owner by that goes if nobody is left in it, else an admin or a
    /// member is the next. One that was without an owner (a server's) stays as it is.
    pub(super) async fn forget_member(&self, id: &str, user: &str) -> Result<bool> {
        let room = self.head::<GroupDoc>(GROUPS, id).await?.and_then(|doc| doc.room);
        let Some(room) = room else { return Ok(self.take_out(id, user).await?.is_some()) };
        let begun = self.begin_pair(id, &room, Begun::Members).await?;
        let taken = self.take_out(id, user).await?;
        let users = [user.to_owned()].into_iter().chain(taken.iter().flatten().cloned());
        self.room_follows(id, &room, users, &Say::Nothing).await?;
        self.end_pair(&begun).await?;
        Ok(taken.is_some())
    }

    /// None: it was no member. Else who is the owner now, if that is another one.
    async fn take_out(&self, id: &str, user: &str) -> Result<Option<Option<String>>> {
        let mut turn = self.turn(GROUPS, id).await;
        loop {
            let mut part = turn.load::<GroupDoc>().await?;
            let n = part.n;
            let Some(mut doc) = part.doc.take() else { return Ok(None) };
            let Some(before) = self.role_of(id, user).await? else { return Ok(None) };
            let mut next = None;
            doc.set(Some(before), None);
            doc.version += 1;
            part.remove(member_row(user));
            let owned = before == Role::Owner;
            let (empty, room) = (owned && doc.size == 0, doc.room.clone());
            if owned && !empty && doc.owners == 0 {
                let others: Vec<(String, Role)> =
                    self.rows(GROUPS, id, ("m/", &end_of("m/")), i32::MAX, false).await?;
                let others = others.into_iter().filter(|(sort, _)| *sort != member_row(user));
                if let Some((heir, role)) = others.min_by_key(|(_, role)| *role != Role::Admin) {
                    doc.set(Some(role), Some(Role::Owner));
                    next = Some(heir.trim_start_matches("m/").to_owned());
                    part.put(heir, &Role::Owner, None)?;
                }
            }
            part.doc = (!empty).then_some(doc);
            if turn.commit(part).await? {
                if empty {
                    self.list_remove("groups", id, n).await?;
                    if let Some(room) = room {
                        self.free_room(&room, id).await?;
                    }
                }
                return Ok(Some(next));
            }
        }
    }

    /// Makes a room this group's; false when it is another's.
    async fn take_room(&self, room: &str, group: &str) -> Result<bool> {
        let mut tried = 0;
        loop {
            let sql = "INSERT INTO keys (key, owner) VALUES (?, ?) IF NOT EXISTS";
            let answer = self.cql.cas(sql, (self.key(&format!("room\0{room}")), group)).await;
            match looked_up(answer, &mut tried).await? {
                None => continue,
                Some(Cas::Done) => return Ok(true),
                Some(Cas::Refused(row)) => {
                    let holder = row.text("owner").to_owned();
                    if holder == group {
                        return Ok(true);
                    }
                    // Whoever began to make a group of it and did not come to its end.
                    let made = self.head::<GroupDoc>(GROUPS, &holder).await?;
                    if made.is_some_and(|doc| doc.room.as_deref() == Some(room)) {
                        return Ok(false);
                    }
                    self.free_room(room, &holder).await?;
                }
            }
        }
    }

    async fn free_room(&self, room: &str, group: &str) -> Result<()> {
        let sql = "DELETE FROM keys WHERE key = ? IF owner = ?";
        self.cql.cas(sql, (self.key(&format!("room\0{room}")), group)).await.map(|_| ())
    }
}
