//! Groups that are rooms: the room's members and the group's are the same people, whichever interface changes them. What a group changes is announced as
//! the room's change as well, so that whoever keeps rooms need not know of groups.
//!
//! They are two entities, so each change is two commits. The group's comes first, also when the room's interface asks for it; the room follows, always to
//! what the group has when the room's commit is made. So whatever happens at the same time, the last commit on the room makes both equal. What was begun
//! is noted before and struck out after it; what a process that died has left half-done is completed by the repetition of the request or by the sweep.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use im_api::group::Role;
use im_api::room::Affiliation;
use serde_json::json;
use uuid::Uuid;

use super::Cassandra;
use super::group::GroupDoc;
use super::part::end_of;
use super::room::Say;
use super::schema::{GROUPS, ROOMS};
use crate::clock::Millis;
use crate::jid::UserId;
use crate::store::{Cause, Result, StoreError};

/// The list of what was begun.
const BEGUN: &str = "following";

/// What was begun with a group and its room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// The group has become the room.
    New,
    /// Members change.
    Members,
    /// Both go.
    Gone,
}

impl Begun {
    fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Members => "members",
            Self::Gone => "gone",
        }
    }
}

pub fn affiliation(role: Role) -> Affiliation {
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

impl Cassandra {
    /// Creates a room or replaces its members. Announced when that changed anything.
    pub(super) async fn write_room(
        &self,
        room: &UserId,
        members: &[(UserId, Affiliation)],
        cause: &Cause,
    ) -> Result<()> {
        let keep: HashSet<&str> = members.iter().map(|(user, _)| user.as_str()).collect();
        let group = self.group_of(room.as_str()).await?;
        let mut have: BTreeSet<String> = self.members_of_room(room.as_str()).await?.into_keys().collect();
        if let Some(group) = &group {
            have.extend(self.members_of_group(group).await?.into_keys());
        }
        let gone = have.into_iter().filter(|user| !keep.contains(user.as_str())).map(|user| (user, None));
        let all = gone.chain(members.iter().map(|(user, a)| (user.to_string(), Some(*a))));
        let all: Vec<(String, Option<Affiliation>)> = all.collect();
        let said = members.iter().map(|(user, a)| json!({ "user": user.as_str(), "affiliation": a }));
        self.change_room(room.as_str(), &all, true, &Say::Members(cause, said.collect())).await
    }

    /// A change of a room's members by the room's interface; the group that it is, if it is one, changes before.
    pub(super) async fn change_room(
        &self,
        room: &str,
        all: &[(String, Option<Affiliation>)],
        create: bool,
        say: &Say<'_>,
    ) -> Result<()> {
        let mut group = self.group_of(room).await?;
        if group.is_none() {
            self.affiliate(room, all, create, None, say).await?;
            // It may have become one meanwhile: either it found these members, or it is found here.
            group = self.group_of(room).await?;
        }
        let Some(group) = group else { return Ok(()) };
        let begun = self.begin_pair(&group, room, Begun::Members).await?;
        let roles: Vec<(String, Option<Role>)> =
            all.iter().map(|(user, affiliation)| (user.clone(), affiliation.map(role))).collect();
        self.group_follows(&group, &roles).await?;
        self.affiliate(room, all, true, Some(&group), say).await?;
        self.end_pair(&begun).await
    }

    /// These members of a group have other roles: its room follows.
    pub(super) async fn room_follows(
        &self,
        group: &str,
        room: &str,
        users: impl IntoIterator<Item = String>,
        say: &Say<'_>,
    ) -> Result<()> {
        let all: Vec<(String, Option<Affiliation>)> = users.into_iter().map(|user| (user, None)).collect();
        if !all.is_empty() {
            self.affiliate(room, &all, true, Some(group), say).await?;
        }
        Ok(())
    }

    /// A group is this room from now on: those whom the room had before are the group's as well, and the group's the room's.
    pub(super) async fn became_a_group(&self, group: &str, room: &str, cause: &Cause) -> Result<()> {
        let (mut users, had) = (self.members_of_group(group).await?, self.members_of_room(room).await?);
        let more: Vec<(String, Option<Role>)> = had
            .iter()
            .filter(|(user, _)| !users.contains_key(*user))
            .map(|(user, affiliation)| (user.clone(), Some(role(*affiliation))))
            .collect();
        self.group_follows(group, &more).await?;
        users.extend(had.into_iter().map(|(user, affiliation)| (user, role(affiliation))));
        let all: Vec<(String, Option<Affiliation>)> = users.into_keys().map(|user| (user, None)).collect();
        self.affiliate(room, &all, true, Some(group), &Say::Group(cause)).await?;
        Ok(())
    }

    /// Removes a room, and the group that it is.
    pub(super) async fn remove_room_and_group(&self, room: &str, cause: &Cause) -> Result<()> {
        let Some(group) = self.group_of(room).await? else { return self.drop_room(room, cause).await };
        let begun = self.begin_pair(&group, room, Begun::Gone).await?;
        self.drop_group(&group, &Cause::by("room")).await?;
        self.drop_room(room, cause).await?;
        self.end_pair(&begun).await
    }

    /// The group that a room is.
    pub(super) async fn group_of(&self, room: &str) -> Result<Option<String>> {
        let sql = "SELECT owner FROM keys WHERE key = ?";
        let rows: Vec<(Option<String>,)> =
            self.cql.read_serial(sql, (self.key(&format!("room\0{room}")),)).await?;
        let Some(group) = rows.into_iter().next().and_then(|row| row.0) else { return Ok(None) };
        let doc = self.head::<GroupDoc>(GROUPS, &group).await?;
        Ok(doc.is_some_and(|doc| doc.room.as_deref() == Some(room)).then_some(group))
    }

    /// Notes what is begun with a group and its room.
    pub(super) async fn begin_pair(&self, group: &str, room: &str, begun: Begun) -> Result<String> {
        let name = format!("{group}\0{}", Uuid::now_v7());
        let body = format!("{}\0{}\0{room}", self.clock.now(), begun.word());
        self.list_put(BEGUN, &name, &body, self.tick(0), None).await?;
        Ok(name)
    }

    /// Both are as they should be.
    pub(super) async fn end_pair(&self, begun: &str) -> Result<()> {
        self.list_remove(BEGUN, begun, self.tick(0)).await
    }

    /// After a refusal nothing was begun; after a failure it stays noted.
    pub(super) async fn end_refused<T>(&self, begun: Option<&str>, outcome: Result<T>) -> Result<T> {
        let refused = matches!(&outcome, Err(error) if !matches!(error, StoreError::Failed { .. }));
        if let Some(begun) = begun.filter(|_| refused) {
            self.end_pair(begun).await?;
        }
        outcome
    }

    /// Completes what was begun with a group and its room, or with all, unless it is younger than `left`.
    pub(super) async fn finish_pairs(&self, group: Option<&str>, left: Option<Millis>) -> Result<()> {
        let prefix = group.map_or_else(String::new, |group| format!("{group}\0"));
        for (name, body) in self.list_walk(BEGUN, &prefix, "", 1_000).await? {
            let mut parts = body.splitn(3, '\0');
            let (Some(at), Some(word), Some(room)) = (parts.next(), parts.next(), parts.next()) else {
                continue;
            };
            let young = |left: Millis| at.parse::<Millis>().is_ok_and(|at| at > self.clock.now() - left);
            if left.is_some_and(young) {
                continue;
            }
            let Some((group, _)) = name.split_once('\0') else { continue };
            self.finish_pair(group, room, word).await?;
            self.end_pair(&name).await?;
        }
        Ok(())
    }

    async fn finish_pair(&self, group: &str, room: &str, word: &str) -> Result<()> {
        let cause = Cause::by("group");
        let holder = self.group_of(room).await?;
        if holder.as_deref() == Some(group) {
            if word == Begun::New.word() {
                return self.became_a_group(group, room, &cause).await;
            }
            let (wanted, have) = (self.members_of_group(group).await?, self.members_of_room(room).await?);
            let mut users: BTreeSet<String> = wanted.keys().chain(have.keys()).cloned().collect();
            users.retain(|user| wanted.get(user).copied().map(affiliation) != have.get(user).copied());
            return self.room_follows(group, room, users, &Say::Each(&cause)).await;
        }
        if word == Begun::Gone.word() && holder.is_none() {
            self.drop_room(room, &cause).await?;
        }
        Ok(())
    }

    async fn members_of_room(&self, room: &str) -> Result<BTreeMap<String, Affiliation>> {
        let rows: Vec<(String, Affiliation)> =
            self.rows(ROOMS, room, ("m/", &end_of("m/")), i32::MAX, false).await?;
        Ok(rows.into_iter().map(|(sort, a)| (sort.trim_start_matches("m/").to_owned(), a)).collect())
    }

    async fn members_of_group(&self, group: &str) -> Result<BTreeMap<String, Role>> {
        let rows: Vec<(String, Role)> =
            self.rows(GROUPS, group, ("m/", &end_of("m/")), i32::MAX, false).await?;
        Ok(rows.into_iter().map(|(sort, role)| (sort.trim_start_matches("m/").to_owned(), role)).collect())
    }
}
