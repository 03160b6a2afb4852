//! Rooms: an entity per room, with members, occupants and the ranges of the timeline that a member misses beside the head. A range opens when the member
//! leaves and closes when it comes, so a message writes nothing per member; counters in the head say how many.

mod members;
mod presence;
mod settle;
mod timeline;

use std::collections::{BTreeMap, HashMap, HashSet};

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use im_api::room::{Affiliation, Feedback, ReceiptKind, Room, RoomMemberState, RoomMessages, RoomPosted};
use serde::{Deserialize, Serialize};

pub use self::members::Say;
use super::part::end_of;
use super::schema::{NODES, RECEIPTS, ROOMS};
use super::users::NodeDoc;
use super::{AT_ONCE, Cassandra};
use crate::clock::Millis;
use crate::jid::UserId;
use crate::store::room::{MAX_MEMBERS, Occupancy, Rooms, Settlement, Spoken};
use crate::store::{Cause, Result, StoreError};

/// Positions of one stretch of a timeline.
const STRETCH: i64 = 5_000;
/// Messages, or members, of one commit.
const PIECE: usize = 64;

/// A room's head.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RoomDoc {
    /// The next message's position.
    pub next: i64,
    pub members: i64,
    /// Members who are there.
    pub present: i64,
    pub occupants: i64,
    /// Nodes with occupants, and the life that these belong to.
    pub nodes: BTreeMap<String, i64>,
    /// The messages of the last commit.
    pub tail: Vec<Line>,
}

impl Default for RoomDoc {
    fn default() -> Self {
        Self { next: 1, members: 0, present: 0, occupants: 0, nodes: BTreeMap::new(), tail: Vec::new() }
    }
}

/// A message on the timeline, without its text.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Line {
    pub seq: i64,
    /// Its number, with which it was committed and its text is kept.
    pub id: i64,
    pub key: String,
    pub stanza_id: String,
    pub from: String,
    pub nick: String,
    pub sent_at: Millis,
    pub at: Millis,
}

/// The first answer under a key, and whose message it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Posted {
    pub posted: RoomPosted,
    pub from: String,
}

impl Posted {
    /// What stands under the key of a message that the room refused.
    pub fn refused(key: &str) -> Self {
        let posted = RoomPosted { key: key.into(), seq: 0, stanza_id: String::new(), present: 0, absent: 0 };
        Self { posted, from: String::new() }
    }

    /// A message on the timeline has a position from 1 on.
    pub fn is_refused(&self) -> bool {
        self.posted.seq == 0
    }
}

/// An occupant.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Occupant {
    pub life: i64,
    pub seq: i64,
    pub nick: String,
    pub open: bool,
    pub at: Millis,
}

/// Counts of a message's receipts.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Counts {
    pub delivered: u64,
    pub read: u64,
}

/// What a closed occupant's seq is kept for.
const TOMBSTONE: i32 = 600;

pub fn member_row(user: &str) -> String {
    format!("m/{user}")
}

pub fn occupant_row(user: &str, resource: &str, node: &str) -> String {
    format!("o/{user}\0{resource}\0{node}")
}

fn occupants_of(user: &str) -> (String, String) {
    (format!("o/{user}\0"), format!("o/{user}\u{1}"))
}

pub fn missed_row(user: &str, from: i64) -> String {
    format!("x/{user}\0{from:020}")
}

pub fn key_row(key: &str) -> String {
    format!("k/{key}")
}

/// The name under which a room keeps its texts.
fn home(room: &str) -> String {
    format!("room/{room}")
}

pub fn stretch(seq: i64) -> i64 {
    seq / STRETCH
}

#[async_trait]
impl Rooms for Cassandra {
    async fn put_room(&self, room: &UserId, members: Vec<(UserId, Affiliation)>, cause: Cause) -> Result<()> {
        self.open_or()?;
        self.write_room(room, &members, &cause).await
    }

    async fn room(&self, room: &UserId, limit: u32, after: Option<String>) -> Result<Room> {
        let (doc, nodes) = self.known_room(room.as_str()).await?;
        let from = after.map_or("m/".into(), |after| format!("m/{after}\0"));
        let most = i32::try_from(limit).unwrap_or(i32::MAX - 1) + 1;
        let rows: Vec<(String, Affiliation)> =
            self.rows(ROOMS, room.as_str(), (&from, &end_of("m/")), most, false).await?;
        let nodes = &nodes;
        let mut members: Vec<RoomMemberState> = stream::iter(rows)
            .map(|(sort, affiliation)| async move {
                let user = sort.trim_start_matches("m/").to_owned();
                let present = self.is_there(room.as_str(), &user, nodes).await?;
                Ok::<_, StoreError>(RoomMemberState { user, affiliation, present })
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let next = (members.len() > limit).then(|| {
            members.truncate(limit);
            members.last().map(|m| m.user.clone()).unwrap_or_default()
        });
        Ok(Room {
            room: room.to_string(),
            members,
            next,
            occupants: u64::try_from(doc.occupants).unwrap_or(0),
            last: u64::try_from(doc.next - 1).unwrap_or(0),
        })
    }

    async fn remove_room(&self, room: &UserId, cause: Cause) -> Result<()> {
        self.open_or()?;
        self.remove_room_and_group(room.as_str(), &cause).await
    }

    async fn set_affiliation(
        &self,
        room: &UserId,
        user: &UserId,
        affiliation: Option<Affiliation>,
        cause: Cause,
    ) -> Result<()> {
        let (doc, _) = self.known_room(room.as_str()).await?;
        if affiliation.is_some() && usize::try_from(doc.members).is_ok_and(|n| n >= MAX_MEMBERS) {
            return Err(StoreError::Limit("the room has as many members as it may have"));
        }
        let one = [(user.to_string(), affiliation)];
        self.change_room(room.as_str(), &one, false, &Say::Each(&cause)).await
    }

    async fn occupy(&self, node: &str, epoch: &str, seq: i64, who: Occupancy, open: bool) -> Result<u64> {
        let lease = self.epoch(node, epoch).await?;
        if seq > lease.room_floor {
            self.occupy_one(node, &lease, seq, &who, open).await?;
        }
        self.missed_count(who.room.as_str(), who.user.as_str()).await
    }

    async fn occupants(&self, node: &str, epoch: &str, seq: i64, all: Vec<Occupancy>) -> Result<()> {
        let lease = self.epoch(node, epoch).await?;
        if seq < lease.room_floor {
            return Ok(());
        }
        let name = |o: &Occupancy| format!("{}\0{}\0{}", o.room, o.user, o.resource);
        let named: HashSet<String> = all.iter().map(name).collect();
        for (entry, life) in self.list_walk(&format!("in-room/{node}"), "", "", usize::MAX >> 33).await? {
            if named.contains(&entry) || life != lease.life.to_string() {
                continue;
            }
            let mut parts = entry.splitn(3, '\0');
            let (Some(room), Some(user), Some(resource)) = (parts.next(), parts.next(), parts.next()) else {
                continue;
            };
            let (Ok(room), Ok(user)) = (UserId::parse(room), UserId::parse(user)) else { continue };
            let gone = Occupancy { room, user, resource: resource.into(), nick: String::new() };
            self.occupy_one(node, &lease, seq, &gone, false).await?;
        }
        for here in &all {
            self.occupy_one(node, &lease, seq, here, true).await?;
        }
        let mut turn = self.turn(NODES, node).await;
        loop {
            let mut part = turn.load::<NodeDoc>().await?;
            let Some(doc) = part.doc.as_mut().filter(|doc| doc.life == lease.life) else { return Ok(()) };
            doc.room_floor = doc.room_floor.max(seq);
            if turn.commit(part).await? {
                return Ok(());
            }
        }
    }

    async fn speak(
        &self,
        node: &str,
        epoch: &str,
        room: &UserId,
        messages: Vec<Spoken>,
    ) -> Result<Vec<RoomPosted>> {
        self.epoch(node, epoch).await?;
        let mut posted = Vec::with_capacity(messages.len());
        for piece in messages.chunks(PIECE) {
            posted.extend(self.speak_piece(room.as_str(), piece).await?);
        }
        Ok(posted)
    }

    async fn settle_room(&self, node: &str, room: &UserId, items: Vec<Settlement>) -> Result<u64> {
        self.open_or()?;
        let mut kept = 0;
        for item in &items {
            kept += u64::from(self.settle_said(node, room.as_str(), item).await?);
        }
        Ok(kept)
    }

    async fn timeline(
        &self,
        room: &UserId,
        viewer: Option<&UserId>,
        limit: u32,
        before: Option<i64>,
    ) -> Result<RoomMessages> {
        let (doc, nodes) = self.known_room(room.as_str()).await?;
        if let Some(viewer) = viewer {
            let member: Option<Affiliation> =
                self.row(ROOMS, room.as_str(), &member_row(viewer.as_str())).await?;
            if member.is_none() && !self.is_there(room.as_str(), viewer.as_str(), &nodes).await? {
                return Err(StoreError::NotFound("room"));
            }
        }
        let before = before.unwrap_or(i64::MAX).min(doc.next);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let lines = self.lines(room.as_str(), &doc, (1, before - 1), limit.saturating_add(1), true).await?;
        self.cut(room.as_str(), lines, limit).await
    }

    async fn missed(&self, room: &UserId, user: &UserId, limit: u32) -> Result<RoomMessages> {
        let (doc, _) = self.known_room(room.as_str()).await?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut lines = Vec::new();
        for (from, to) in self.ranges(room.as_str(), user.as_str()).await? {
            let left = limit + 1 - lines.len();
            let to = to.unwrap_or(i64::MAX).min(doc.next - 1);
            lines.extend(self.lines(room.as_str(), &doc, (from, to), left, false).await?);
            if lines.len() > limit {
                break;
            }
        }
        self.cut(room.as_str(), lines, limit).await
    }

    async fn caught_up(&self, room: &UserId, user: &UserId, upto: i64) -> Result<u64> {
        self.known_room(room.as_str()).await?;
        let mut turn = self.turn(ROOMS, room.as_str()).await;
        loop {
            let mut part = turn.load::<RoomDoc>().await?;
            let doc = part.doc.clone().ok_or(StoreError::NotFound("room"))?;
            // Never beyond what has been said: what comes later is missed all the same.
            let upto = upto.min(doc.next - 1);
            for (from, to) in self.ranges(room.as_str(), user.as_str()).await? {
                if from > upto {
                    continue;
                }
                part.remove(missed_row(user.as_str(), from));
                if to.is_none_or(|to| to > upto) {
                    part.put(missed_row(user.as_str(), upto + 1), &to, None)?;
                }
            }
            if turn.commit(part).await? {
                break;
            }
        }
        drop(turn);
        self.missed_count(room.as_str(), user.as_str()).await
    }

    async fn receipts(
        &self,
        room: &UserId,
        items: Vec<(String, UserId, ReceiptKind)>,
    ) -> Result<Vec<Feedback>> {
        self.known_room(room.as_str()).await?;
        let rows: HashSet<String> = items.iter().map(|(key, _, _)| key_row(key)).collect();
        let rows: Vec<String> = rows.into_iter().collect();
        let known: Vec<(String, Posted)> = self.rows_of(ROOMS, room.as_str(), &rows).await?;
        let known: HashMap<String, Posted> = known.into_iter().collect();
        let mut order: Vec<(&str, Vec<(&UserId, ReceiptKind)>)> = Vec::new();
        for (key, user, kind) in &items {
            match order.iter_mut().find(|(known, _)| known == key) {
                Some((_, all)) => all.push((user, *kind)),
                None => order.push((key, vec![(user, *kind)])),
            }
        }
        let mut feedback = Vec::new();
        for (key, all) in order {
            let found = known.get(&key_row(key)).filter(|entry| !entry.is_refused());
            let Some(Posted { posted, from }) = found else { continue };
            if let Some(counts) = self.count_receipts(room.as_str(), posted.seq, from, &all).await? {
                let Counts { delivered, read } = counts;
                feedback.push(Feedback { key: key.into(), from: from.clone(), delivered, read });
            }
        }
        Ok(feedback)
    }
}
impl Cassandra {
    /// Removes a message of somebody who is erased; true when it was there.
    pub(super) async fn forget_spoken(&self, room: &str, seq: i64, user: &str) -> Result<bool> {
        let mut turn = self.turn(ROOMS, room).await;
        loop {
            let mut part = turn.load::<RoomDoc>().await?;
            let n = part.n;
            let Some(doc) = part.doc.as_mut() else { return Ok(false) };
            let found = self.lines(room, doc, (seq, seq), 1, false).await?;
            let Some(line) = found.into_iter().find(|line| line.from == user) else { return Ok(false) };
            doc.tail.retain(|other| other.seq != seq);
            part.remove(key_row(&line.key));
            if !turn.commit(part).await? {
                continue;
            }
            let sql = "DELETE FROM timeline USING TIMESTAMP ? WHERE room = ? AND bucket = ? AND seq = ?";
            self.cql.write(sql, (n, self.key(room), stretch(seq), seq)).await?;
            self.remove_text(room, &line).await?;
            let sql = "DELETE FROM keys WHERE key = ? IF owner = ?";
            self.cql.cas(sql, (self.key(&format!("said\0{}", line.key)), room)).await?;
            return Ok(true);
        }
    }

    /// Takes a receipt of somebody who is erased out of a message's; the counts stay.
    pub(super) async fn forget_receipt(&self, id: &str, user: &str) -> Result<()> {
        let mut turn = self.turn(RECEIPTS, id).await;
        loop {
            let mut part = turn.load::<Counts>().await?;
            part.remove(user);
            if turn.commit(part).await? {
                return Ok(());
            }
        }
    }

    /// Takes an erased user out of a room; true when it was a member.
    pub(super) async fn forget_occupant(&self, room: &str, user: &str) -> Result<bool> {
        let was = self.row::<Affiliation>(ROOMS, room, &member_row(user)).await?.is_some();
        if was {
            self.affiliate(room, &[(user.into(), None)], false, None, &Say::Nothing).await?;
        }
        let mut turn = self.turn(ROOMS, room).await;
        loop {
            let mut part = turn.load::<RoomDoc>().await?;
            let (from, to) = occupants_of(user);
            let rows: Vec<(String, Occupant)> = self.rows(ROOMS, room, (&from, &to), 1_000, false).await?;
            let Some(doc) = part.doc.as_mut() else { return Ok(was) };
            for (_, occupant) in &rows {
                doc.occupants -= i64::from(occupant.open);
            }
            for (sort, _) in &rows {
                part.remove(sort.clone());
            }
            if turn.commit(part).await? {
                for (sort, _) in rows {
                    let mut parts = sort.splitn(3, '\0');
                    if let (Some(_), Some(resource), Some(node)) = (parts.next(), parts.next(), parts.next())
                    {
                        let entry = format!("{room}\0{user}\0{resource}");
                        self.list_remove(&format!("in-room/{node}"), &entry, self.tick(0)).await?;
                    }
                }
                return Ok(was);
            }
        }
    }

    /// Removes a room with everything that hangs on it, its messages first; the last piece takes the head.
    pub(super) async fn drop_room(&self, room: &str, cause: &Cause) -> Result<()> {
        let Some(doc) = self.head::<RoomDoc>(ROOMS, room).await? else { return Ok(()) };
        for line in self.lines(room, &doc, (1, doc.next), usize::MAX >> 33, false).await? {
            self.remove_text(room, &line).await?;
            self.drop_entity(RECEIPTS, &receipts(room, line.seq)).await?;
            let sql = "DELETE FROM keys WHERE key = ? IF owner = ?";
            self.cql.cas(sql, (self.key(&format!("said\0{}", line.key)), room)).await?;
        }
        let members: Vec<(String, Affiliation)> =
            self.rows(ROOMS, room, ("m/", &end_of("m/")), i32::MAX, false).await?;
        self.drop_entity_saying(ROOMS, room, Some((cause, "im.room.removed"))).await?;
        let n = self.tick(0);
        for bucket in 0..=stretch(doc.next) {
            let sql = "DELETE FROM timeline USING TIMESTAMP ? WHERE room = ? AND bucket = ?";
            self.cql.write(sql, (n, self.key(room), bucket)).await?;
        }
        for (sort, _) in members {
            self.list_remove(&format!("rooms/{}", sort.trim_start_matches("m/")), room, n).await?;
        }
        self.list_remove("rooms", room, n).await
    }
}

/// The entity of a message's receipts.
pub fn receipts(room: &str, seq: i64) -> String {
    format!("{room}\0{seq}")
}
