//! Members: set and taken by this interface, by the room that the group is, or by an erasure.

use std::collections::HashMap;

use im_api::group::{GroupChanged, Role};
use serde_json::json;

use super::{FOLLOWED, GroupDoc, as_reported, member_row};
use crate::jid::UserId;
use crate::store::cassandra::Cassandra;
use crate::store::cassandra::pair::Begun;
use crate::store::cassandra::part::{Part, end_of};
use crate::store::cassandra::room::Say;
use crate::store::cassandra::schema::GROUPS;
use crate::store::group::MAX_MEMBERS;
use crate::store::{Cause, Result, StoreError};

impl Cassandra {
    pub(super) async fn change_member(
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
    pub(in super::super) async fn group_follows(
        &self,
        id: &str,
        all: &[(String, Option<Role>)],
    ) -> Result<()> {
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

    /// Puts a membership into the commit; where it can be found from the user's side is noted before.
    pub(super) async fn write_member(
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
    pub(in super::super) async fn role_of(&self, group: &str, user: &str) -> Result<Option<Role>> {
        self.row::<Role>(GROUPS, group, &member_row(user)).await
    }

    /// Takes an erased user out; true when it was a member. A group that loses its last owner by that goes if nobody is left in it, else an admin or a
    /// member is the next. One that was without an owner (a server's) stays as it is.
    pub(in super::super) async fn forget_member(&self, id: &str, user: &str) -> Result<bool> {
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
}
