//! A room's members, a piece at a time, and what is announced of them.

use std::collections::HashMap;

use im_api::group::Role;
use im_api::room::Affiliation;
use serde_json::json;

use super::{PIECE, RoomDoc, member_row, missed_row};
use crate::store::cassandra::Cassandra;
use crate::store::cassandra::group::GroupDoc;
use crate::store::cassandra::pair::affiliation;
use crate::store::cassandra::part::{Part, end_of};
use crate::store::cassandra::schema::{GROUPS, ROOMS};
use crate::store::{Cause, Result, StoreError};

/// What a change of a room's members says.
pub enum Say<'a> {
    Nothing,
    /// Each change of a member.
    Each(&'a Cause),
    /// Once, if anything changed, the room's members.
    Members(&'a Cause, serde_json::Value),
    /// Once, whether anything changed or not, the members of the group that the room is.
    Group(&'a Cause),
}

impl Cassandra {
    /// Sets or takes affiliations, a piece at a time. Those of a room that is a group are the group's, as they are when each piece is committed. True
    /// when that changed anything.
    pub(in super::super) async fn affiliate(
        &self,
        room: &str,
        all: &[(String, Option<Affiliation>)],
        create: bool,
        group: Option<&str>,
        say: &Say<'_>,
    ) -> Result<bool> {
        let mut pieces: Vec<&[(String, Option<Affiliation>)]> = all.chunks(PIECE).collect();
        if pieces.is_empty() {
            pieces.push(&[]);
        }
        let (mut differs, count) = (false, pieces.len());
        for (i, piece) in pieces.into_iter().enumerate() {
            let mut turn = self.turn(ROOMS, room).await;
            loop {
                let mut part = self.room_now(&mut turn).await?;
                let Some(piece) = self.as_in_group(room, piece, group).await? else { return Ok(differs) };
                let mut changed = part.doc.is_none();
                let mut doc = match part.doc.take() {
                    Some(doc) => doc,
                    None if create => RoomDoc::default(),
                    None => return Err(StoreError::NotFound("room")),
                };
                self.list_put("rooms", room, "", part.n, None).await?;
                for (user, affiliation) in self.put_affiliations(&mut part, &mut doc, room, &piece).await? {
                    changed = true;
                    if let Say::Each(cause) = say {
                        let data = json!({ "user": user, "affiliation": affiliation });
                        part.say(self.saying(cause, "im.room.member", room, &data).await?);
                    }
                }
                if i + 1 == count {
                    self.say_members(&mut part, room, group, differs || changed, say).await?;
                }
                part.doc = Some(doc);
                if turn.commit(part).await? {
                    differs |= changed;
                    break;
                }
            }
        }
        Ok(differs)
    }

    /// The piece as the group that the room is has it now; None when the room is not that group any more.
    async fn as_in_group(
        &self,
        room: &str,
        piece: &[(String, Option<Affiliation>)],
        group: Option<&str>,
    ) -> Result<Option<Vec<(String, Option<Affiliation>)>>> {
        let Some(group) = group else { return Ok(Some(piece.to_vec())) };
        let doc = self.head::<GroupDoc>(GROUPS, group).await?;
        if doc.is_none_or(|doc| doc.room.as_deref() != Some(room)) {
            return Ok(None);
        }
        let rows: Vec<String> = piece.iter().map(|(user, _)| member_row(user)).collect();
        let roles: Vec<(String, Role)> = self.rows_of(GROUPS, group, &rows).await?;
        let roles: HashMap<String, Role> = roles.into_iter().collect();
        let now = |user: &String| roles.get(&member_row(user)).copied().map(affiliation);
        Ok(Some(piece.iter().map(|(user, _)| (user.clone(), now(user))).collect()))
    }

    /// Puts affiliations into the commit; gives those that change.
    async fn put_affiliations(
        &self,
        part: &mut Part<RoomDoc>,
        doc: &mut RoomDoc,
        room: &str,
        piece: &[(String, Option<Affiliation>)],
    ) -> Result<Vec<(String, Option<Affiliation>)>> {
        let nodes = self.nodes_of(doc).await?;
        let rows: Vec<String> = piece.iter().map(|(user, _)| member_row(user)).collect();
        let were: Vec<(String, Affiliation)> = self.rows_of(ROOMS, room, &rows).await?;
        let mut were: HashMap<String, Affiliation> = were.into_iter().collect();
        let mut changed = Vec::new();
        for (user, affiliation) in piece {
            let row = member_row(user);
            let before = were.get(&row).copied();
            if before == *affiliation {
                continue;
            }
            let there = self.is_there(room, user, &nodes).await?;
            match affiliation {
                Some(affiliation) => {
                    self.list_put(&format!("rooms/{user}"), room, "", part.n, None).await?;
                    part.put(row.clone(), affiliation, None)?;
                    were.insert(row, *affiliation);
                    if before.is_none() && !there {
                        part.put(missed_row(user, doc.next), &None::<i64>, None)?;
                    }
                }
                None => {
                    part.remove(row.clone());
                    were.remove(&row);
                    for (from, _) in self.ranges(room, user).await? {
                        part.remove(missed_row(user, from));
                    }
                }
            }
            let more = i64::from(affiliation.is_some()) - i64::from(before.is_some());
            doc.members += more;
            doc.present += if there { more } else { 0 };
            changed.push((user.clone(), *affiliation));
        }
        Ok(changed)
    }

    /// Announces a room's members; that the room is a group is said with them.
    async fn say_members(
        &self,
        part: &mut Part<RoomDoc>,
        room: &str,
        group: Option<&str>,
        differs: bool,
        say: &Say<'_>,
    ) -> Result<()> {
        let (cause, members) = match (say, group) {
            (Say::Members(cause, members), _) if differs => (cause, members.clone()),
            (Say::Group(cause), Some(group)) => {
                let all: Vec<(String, Role)> =
                    self.rows(GROUPS, group, ("m/", &end_of("m/")), i32::MAX, false).await?;
                let member = |(sort, role): (String, Role)| json!({ "user": sort.trim_start_matches("m/"), "affiliation": affiliation(role) });
                (cause, all.into_iter().map(member).collect())
            }
            _ => return Ok(()),
        };
        let mut data = json!({ "members": members });
        if let Some(group) = group {
            data["group"] = group.into();
        }
        part.say(self.saying(cause, "im.room.changed", room, &data).await?);
        Ok(())
    }
}
