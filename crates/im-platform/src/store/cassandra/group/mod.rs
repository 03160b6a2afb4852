//! Groups: an entity per group, members beside the head. The group of a room, and the groups of a user, are found by notes that are written first. A
//! group that was made here keeps an owner; one that a bridge reported may be without, and stays so.

mod members;
mod report;

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
use super::part::end_of;
use super::room::Say;
use super::schema::GROUPS;
use super::{AT_ONCE, Cassandra};
use crate::jid::UserId;
use crate::store::group::Groups;
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
