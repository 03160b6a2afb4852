//! A group as a bridge reports it, in pieces.

use std::collections::{HashMap, HashSet};

use im_api::group::{GroupChanged, ReportGroup, Role};

use super::{GroupDoc, REPORTED, as_reported, member_row};
use crate::store::cassandra::Cassandra;
use crate::store::cassandra::part::end_of;
use crate::store::cassandra::schema::GROUPS;
use crate::store::group::MAX_MEMBERS;
use crate::store::{Cause, Result, StoreError};

impl Cassandra {
    /// Brings a group to what it is on a server, or makes it; members a piece at a time, and the version with the last.
    pub(super) async fn take_report(
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
}
