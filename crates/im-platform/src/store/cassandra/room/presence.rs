//! Who is in a room, and what follows from it for members: the room's counters, and the ranges of the timeline that a member misses. An occupant hangs on
//! a life of its node; before anything is judged, those of ended lives leave.

use std::collections::BTreeMap;

use im_api::room::Affiliation;

use super::{Occupant, RoomDoc, TOMBSTONE, member_row, missed_row, occupant_row, occupants_of};
use crate::store::cassandra::Cassandra;
use crate::store::cassandra::part::{Part, Turn, end_of};
use crate::store::cassandra::schema::ROOMS;
use crate::store::cassandra::users::{NodeDoc, Nodes};
use crate::store::room::Occupancy;
use crate::store::{Result, StoreError};

impl Cassandra {
    /// A room's head as it is now: those whose node's life has ended have left.
    pub(in super::super) async fn known_room(&self, room: &str) -> Result<(RoomDoc, Nodes)> {
        self.open_or()?;
        let doc = self.head::<RoomDoc>(ROOMS, room).await?.ok_or(StoreError::NotFound("room"))?;
        let nodes = self.nodes_of(&doc).await?;
        if !self.has_ended(&doc, &nodes) {
            return Ok((doc, nodes));
        }
        let mut turn = self.turn(ROOMS, room).await;
        let part = self.room_now(&mut turn).await?;
        let doc = part.doc.ok_or(StoreError::NotFound("room"))?;
        let nodes = self.nodes_of(&doc).await?;
        Ok((doc, nodes))
    }

    pub(in super::super) async fn nodes_of(&self, doc: &RoomDoc) -> Result<Nodes> {
        let mut nodes = Nodes::default();
        self.add_nodes_named(doc.nodes.keys().cloned().collect(), &mut nodes).await?;
        Ok(nodes)
    }

    fn has_ended(&self, doc: &RoomDoc, nodes: &Nodes) -> bool {
        let now = self.clock.now();
        doc.nodes.iter().any(|(node, life)| !nodes.lives(node, *life, now))
    }

    /// Reads the head for a change, after those have left whose node's life has ended.
    pub(in super::super) async fn room_now(&self, turn: &mut Turn<'_>) -> Result<Part<RoomDoc>> {
        loop {
            let mut part = turn.load::<RoomDoc>().await?;
            let Some(doc) = part.doc.clone() else { return Ok(part) };
            let nodes = self.nodes_of(&doc).await?;
            if !self.has_ended(&doc, &nodes) {
                return Ok(part);
            }
            let now = self.clock.now();
            let room = turn.id().to_owned();
            let rows: Vec<(String, Occupant)> =
                self.rows(ROOMS, &room, ("o/", &end_of("o/")), i32::MAX, false).await?;
            let mut by_user: BTreeMap<String, (bool, bool)> = BTreeMap::new();
            let mut doc = doc;
            for (sort, occupant) in rows {
                let mut parts = sort.trim_start_matches("o/").splitn(3, '\0');
                let (Some(user), Some(_), Some(node)) = (parts.next(), parts.next(), parts.next()) else {
                    continue;
                };
                let lives = nodes.lives(node, occupant.life, now);
                let (was, is) = by_user.entry(user.to_owned()).or_default();
                *was |= occupant.open;
                *is |= occupant.open && lives;
                if occupant.open && !lives {
                    doc.occupants -= 1;
                    part.remove(sort);
                }
            }
            doc.nodes.retain(|node, life| nodes.lives(node, *life, now));
            for (user, (was, is)) in by_user {
                if was && !is {
                    self.went(&mut part, &mut doc, &room, &user).await?;
                }
            }
            part.doc = Some(doc);
            turn.commit(part).await?;
        }
    }

    /// A user's last occupant has left: a member misses from here on.
    async fn went(&self, part: &mut Part<RoomDoc>, doc: &mut RoomDoc, room: &str, user: &str) -> Result<()> {
        if self.row::<Affiliation>(ROOMS, room, &member_row(user)).await?.is_some() {
            doc.present -= 1;
            part.put(missed_row(user, doc.next), &None::<i64>, None)?;
        }
        Ok(())
    }

    /// A user's first occupant has come: what a member misses ends here.
    async fn came(&self, part: &mut Part<RoomDoc>, doc: &mut RoomDoc, room: &str, user: &str) -> Result<()> {
        if self.row::<Affiliation>(ROOMS, room, &member_row(user)).await?.is_none() {
            return Ok(());
        }
        doc.present += 1;
        for (from, to) in self.ranges(room, user).await? {
            match to {
                None if from >= doc.next => part.remove(missed_row(user, from)),
                None => part.put(missed_row(user, from), &Some(doc.next - 1), None)?,
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// Whether somebody is an occupant.
    pub(in super::super) async fn is_there(&self, room: &str, user: &str, nodes: &Nodes) -> Result<bool> {
        let (from, to) = occupants_of(user);
        let rows: Vec<(String, Occupant)> = self.rows(ROOMS, room, (&from, &to), 1_000, false).await?;
        let now = self.clock.now();
        Ok(rows.iter().any(|(sort, occupant)| {
            let node = sort.rsplit('\0').next().unwrap_or_default();
            occupant.open && nodes.lives(node, occupant.life, now)
        }))
    }

    /// What a member misses: from, to (None: still absent), in order.
    pub(in super::super) async fn ranges(&self, room: &str, user: &str) -> Result<Vec<(i64, Option<i64>)>> {
        let (from, to) = (format!("x/{user}\0"), format!("x/{user}\u{1}"));
        let rows: Vec<(String, Option<i64>)> = self.rows(ROOMS, room, (&from, &to), i32::MAX, false).await?;
        let range = |(sort, to): (String, Option<i64>)| Some((sort.rsplit('\0').next()?.parse().ok()?, to));
        Ok(rows.into_iter().filter_map(range).collect())
    }

    /// Writes one join or leave unless a later one is known, and what follows from it for a member.
    pub(in super::super) async fn occupy_one(
        &self,
        node: &str,
        lease: &NodeDoc,
        seq: i64,
        who: &Occupancy,
        open: bool,
    ) -> Result<()> {
        let (room, user) = (who.room.as_str(), who.user.as_str());
        let row = occupant_row(user, &who.resource, node);
        let entry = format!("{room}\0{user}\0{}", who.resource);
        let mut turn = self.turn(ROOMS, room).await;
        loop {
            let mut part = self.room_now(&mut turn).await?;
            let n = part.n;
            let mut doc = part.doc.take().unwrap_or_default();
            let (from, to) = occupants_of(user);
            let rows: Vec<(String, Occupant)> = self.rows(ROOMS, room, (&from, &to), 1_000, false).await?;
            let before = rows.iter().find(|(sort, o)| *sort == row && o.life == lease.life).map(|(_, o)| o);
            if before.is_some_and(|o| o.seq > seq) {
                return Ok(());
            }
            let was_open = before.is_some_and(|o| o.open);
            let others = rows.iter().any(|(sort, o)| *sort != row && o.open);
            let (was, is) = (others || was_open, others || open);
            doc.occupants += i64::from(open) - i64::from(was_open);
            let new = Occupant { life: lease.life, seq, nick: who.nick.clone(), open, at: self.clock.now() };
            part.put(row.clone(), &new, (!open).then_some(TOMBSTONE))?;
            if open {
                doc.nodes.insert(node.into(), lease.life);
                self.list_put("rooms", room, "", n, None).await?;
                self.list_put(&format!("rooms/{user}"), room, "", n, None).await?;
                self.list_put(
                    &format!("in/{user}"),
                    &format!("{room}\0{}\0{node}", who.resource),
                    "",
                    n,
                    None,
                )
                .await?;
                self.list_put(&format!("in-room/{node}"), &entry, &lease.life.to_string(), n, None).await?;
            } else {
                self.list_put("rooms", room, "", n, None).await?;
            }
            match (was, is) {
                (false, true) => self.came(&mut part, &mut doc, room, user).await?,
                (true, false) => self.went(&mut part, &mut doc, room, user).await?,
                _ => {}
            }
            part.doc = Some(doc);
            if turn.commit(part).await? {
                if !open {
                    self.list_remove(&format!("in-room/{node}"), &entry, n).await?;
                    self.list_remove(&format!("in/{user}"), &format!("{room}\0{}\0{node}", who.resource), n)
                        .await?;
                }
                return Ok(());
            }
        }
    }

    /// A session that has ended is in no room any more.
    pub(in super::super) async fn leave_rooms(&self, user: &str, resource: &str, node: &str) -> Result<()> {
        for (entry, _) in self.list_walk(&format!("in/{user}"), "", "", 10_000).await? {
            let mut parts = entry.splitn(3, '\0');
            let (Some(room), Some(r), Some(of)) = (parts.next(), parts.next(), parts.next()) else {
                continue;
            };
            if r != resource || of != node {
                continue;
            }
            let mut turn = self.turn(ROOMS, room).await;
            loop {
                let mut part = self.room_now(&mut turn).await?;
                let n = part.n;
                let Some(mut doc) = part.doc.take() else { break };
                let row = occupant_row(user, resource, node);
                let (from, to) = occupants_of(user);
                let rows: Vec<(String, Occupant)> =
                    self.rows(ROOMS, room, (&from, &to), 1_000, false).await?;
                let Some((_, mine)) = rows.iter().find(|(sort, o)| *sort == row && o.open) else { break };
                let gone =
                    Occupant { open: false, nick: String::new(), at: self.clock.now(), ..mine.clone() };
                part.put(row.clone(), &gone, Some(TOMBSTONE))?;
                doc.occupants -= 1;
                if !rows.iter().any(|(sort, o)| *sort != row && o.open) {
                    self.went(&mut part, &mut doc, room, user).await?;
                }
                part.doc = Some(doc);
                if turn.commit(part).await? {
                    self.list_remove(&format!("in/{user}"), &entry, n).await?;
                    self.list_remove(&format!("in-room/{node}"), &format!("{room}\0{user}\0{resource}"), n)
                        .await?;
                    break;
                }
            }
        }
        Ok(())
    }
}
