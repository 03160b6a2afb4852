//! Rooms: an entity per room, with members, occupants and the ranges of the timeline that a member misses beside the head. A range opens when the member
//! leaves and closes when it comes, so a message writes nothing per member; counters in the head say how many.
//!
//! The timeline itself is in stretches of its own. A commit that puts messages on it keeps them in the head; they are copied to their stretch after it,
//! and by whoever commits next. An occupant hangs on a life of its node, as a session does; before anything is judged, those of ended lives leave.

use std::collections::{BTreeMap, HashMap, HashSet};

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use im_api::group::Role;
use im_api::room::{
    Affiliation, Feedback, ReceiptKind, Room, RoomMemberState, RoomMessage, RoomMessages, RoomPosted,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::chat::text;
use super::cql::Cas;
use super::group::GroupDoc;
use super::list::ttl;
use super::pair::affiliation;
use super::part::{self, Part, Turn, end_of, read_json};
use super::schema::GROUPS;
use super::schema::{NODES, RECEIPTS, ROOMS};
use super::users::{NodeDoc, Nodes};
use super::{AT_ONCE, Cassandra, DAY_MICROS};
use crate::clock::{self, Millis};
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
    delivered: u64,
    read: u64,
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
    /// A room's head as it is now: those whose node's life has ended have left.
    pub(super) async fn known_room(&self, room: &str) -> Result<(RoomDoc, Nodes)> {
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

    pub(super) async fn nodes_of(&self, doc: &RoomDoc) -> Result<Nodes> {
        let mut nodes = Nodes::default();
        self.add_nodes_named(doc.nodes.keys().cloned().collect(), &mut nodes).await?;
        Ok(nodes)
    }

    fn has_ended(&self, doc: &RoomDoc, nodes: &Nodes) -> bool {
        let now = self.clock.now();
        doc.nodes.iter().any(|(node, life)| !nodes.lives(node, *life, now))
    }

    /// Reads the head for a change, after those have left whose node's life has ended.
    pub(super) async fn room_now(&self, turn: &mut Turn<'_>) -> Result<Part<RoomDoc>> {
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
    pub(super) async fn is_there(&self, room: &str, user: &str, nodes: &Nodes) -> Result<bool> {
        let (from, to) = occupants_of(user);
        let rows: Vec<(String, Occupant)> = self.rows(ROOMS, room, (&from, &to), 1_000, false).await?;
        let now = self.clock.now();
        Ok(rows.iter().any(|(sort, occupant)| {
            let node = sort.rsplit('\0').next().unwrap_or_default();
            occupant.open && nodes.lives(node, occupant.life, now)
        }))
    }

    /// What a member misses: from, to (None: still absent), in order.
    pub(super) async fn ranges(&self, room: &str, user: &str) -> Result<Vec<(i64, Option<i64>)>> {
        let (from, to) = (format!("x/{user}\0"), format!("x/{user}\u{1}"));
        let rows: Vec<(String, Option<i64>)> = self.rows(ROOMS, room, (&from, &to), i32::MAX, false).await?;
        let range = |(sort, to): (String, Option<i64>)| Some((sort.rsplit('\0').next()?.parse().ok()?, to));
        Ok(rows.into_iter().filter_map(range).collect())
    }

    /// Sets or takes affiliations, a piece at a time. Those of a room that is a group are the group's, as they are when each piece is committed. True
    /// when that changed anything.
    pub(super) async fn affiliate(
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
        part.say(self.saying(cause, "im.room.changed", room, &json!({ "members": members })).await?);
        Ok(())
    }

    /// Writes one join or leave unless a later one is known, and what follows from it for a member.
    async fn occupy_one(
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
    pub(super) async fn leave_rooms(&self, user: &str, resource: &str, node: &str) -> Result<()> {
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

    pub(super) async fn speak_piece(&self, room: &str, messages: &[Spoken]) -> Result<Vec<RoomPosted>> {
        for message in messages {
            self.own_room_key(room, &message.key).await?;
        }
        let life = ttl(self.settings.rooms);
        let rows: Vec<String> = messages.iter().map(|m| key_row(&m.key)).collect();
        let mut turn = self.turn(ROOMS, room).await;
        loop {
            let mut part = self.room_now(&mut turn).await?;
            let n = part.n;
            let mut doc = part.doc.take().unwrap_or_default();
            let known: Vec<(String, Posted)> = self.rows_of(ROOMS, room, &rows).await?;
            let mut known: HashMap<String, Posted> = known.into_iter().collect();
            let nodes = self.nodes_of(&doc).await?;
            let (mut answers, mut tail) = (Vec::new(), Vec::new());
            for message in messages {
                if let Some(first) = known.get(&key_row(&message.key)) {
                    answers.push(first.posted.clone());
                    continue;
                }
                let from = message.from.as_str();
                let member = self.row::<Affiliation>(ROOMS, room, &member_row(from)).await?.is_some();
                let there = member && self.is_there(room, from, &nodes).await?;
                let id = n + i64::try_from(tail.len()).unwrap_or(0);
                let count = |n: i64| u64::try_from(n).unwrap_or(0);
                let posted = RoomPosted {
                    key: message.key.clone(),
                    seq: count(doc.next),
                    stanza_id: Uuid::now_v7().to_string(),
                    // The speaker is neither of both.
                    present: count(doc.present - i64::from(there)),
                    absent: count(doc.members - doc.present - i64::from(member && !there)),
                };
                let line = Line {
                    seq: doc.next,
                    id,
                    key: message.key.clone(),
                    stanza_id: posted.stanza_id.clone(),
                    from: from.into(),
                    nick: message.nick.clone(),
                    sent_at: message.sent_at,
                    at: self.clock.now(),
                };
                doc.next += 1;
                self.write_text(room, &line, &message.stanza, life).await?;
                let entry = Posted { posted: posted.clone(), from: from.into() };
                part.put(key_row(&message.key), &entry, Some(life))?;
                known.insert(key_row(&message.key), entry);
                tail.push(line);
                answers.push(posted);
            }
            if tail.is_empty() {
                return Ok(answers);
            }
            part.n = n + i64::try_from(tail.len()).unwrap_or(0);
            self.flush(room, &doc.tail).await?;
            doc.tail.clone_from(&tail);
            part.doc = Some(doc);
            self.list_put("rooms", room, "", n, None).await?;
            if turn.commit(part).await? {
                drop(turn);
                self.flush(room, &tail).await?;
                return Ok(answers);
            }
            for line in &tail {
                self.remove_text(room, line).await?;
            }
        }
    }

    async fn write_text(&self, room: &str, line: &Line, stanza: &str, life: i32) -> Result<()> {
        let spoke = format!("{room}\0{:020}", line.seq);
        self.list_put(&format!("spoke/{}", line.from), &spoke, "", line.id, Some(life)).await?;
        let sql = "INSERT INTO bodies (owner, bucket, id, key, body) VALUES (?, ?, ?, ?, ?) USING TTL ?";
        let bucket = line.id / (30 * DAY_MICROS);
        self.cql.write(sql, (self.key(&home(room)), bucket, line.id, &line.key, stanza, life)).await
    }

    pub(super) async fn remove_text(&self, room: &str, line: &Line) -> Result<()> {
        let sql = "DELETE FROM bodies WHERE owner = ? AND bucket = ? AND id = ? AND key = ?";
        let bucket = line.id / (30 * DAY_MICROS);
        self.cql.write(sql, (self.key(&home(room)), bucket, line.id, &line.key)).await
    }

    /// Copies messages to their stretch. With their own numbers as timestamps: what was removed since stays removed.
    async fn flush(&self, room: &str, lines: &[Line]) -> Result<()> {
        let sql =
            "INSERT INTO timeline (room, bucket, seq, body) VALUES (?, ?, ?, ?) USING TIMESTAMP ? AND TTL ?";
        let life = ttl(self.settings.rooms);
        for line in lines {
            let values = (self.key(room), stretch(line.seq), line.seq, part::json(line)?, line.id, life);
            self.cql.write(sql, values).await?;
        }
        Ok(())
    }

    /// Makes a key this room's.
    pub(super) async fn own_room_key(&self, room: &str, key: &str) -> Result<()> {
        let mut tried = 0;
        loop {
            let sql = "INSERT INTO keys (key, owner) VALUES (?, ?) IF NOT EXISTS USING TTL ?";
            let values = (self.key(&format!("said\0{key}")), room, ttl(self.settings.rooms));
            match self.looked_up(self.cql.cas(sql, values).await, &mut tried).await? {
                None => {}
                Some(Cas::Refused(row)) if text(&row, 1) != room => {
                    return Err(StoreError::Conflict("this key was used in another room"));
                }
                Some(_) => return Ok(()),
            }
        }
    }

    /// Messages of a timeline between two positions, both included; what is past its time is left out.
    pub(super) async fn lines(
        &self,
        room: &str,
        doc: &RoomDoc,
        between: (i64, i64),
        limit: usize,
        newest: bool,
    ) -> Result<Vec<Line>> {
        let (from, to) = between;
        if from > to {
            return Ok(Vec::new());
        }
        let order = if newest { "DESC" } else { "ASC" };
        let sql = format!(
            "SELECT body FROM timeline WHERE room = ? AND bucket = ? AND seq >= ? AND seq <= ? ORDER BY seq {order} LIMIT ?"
        );
        let mut stretches: Vec<i64> = (stretch(from)..=stretch(to)).collect();
        if newest {
            stretches.reverse();
        }
        let fits = |line: &Line| (from..=to).contains(&line.seq);
        let mut tail: Vec<Line> = doc.tail.iter().filter(|line| fits(line)).cloned().collect();
        let after = self.clock.now() - self.settings.rooms;
        let mut found: Vec<Line> = Vec::new();
        for bucket in stretches {
            let left = i32::try_from(limit.saturating_sub(found.len())).unwrap_or(i32::MAX);
            let rows: Vec<(Option<String>,)> =
                self.cql.read(&sql, (self.key(room), bucket, from, to, left)).await?;
            for text in rows.into_iter().filter_map(|row| row.0) {
                found.push(read_json(&text)?);
            }
            if found.len() >= limit {
                break;
            }
        }
        // What was said last may not have come to its stretch.
        tail.retain(|line| !found.iter().any(|known| known.seq == line.seq));
        found.extend(tail);
        found.retain(|line| line.at > after);
        found.sort_by_key(|line| if newest { -line.seq } else { line.seq });
        found.truncate(limit);
        Ok(found)
    }

    async fn missed_count(&self, room: &str, user: &str) -> Result<u64> {
        let ranges = self.ranges(room, user).await?;
        if ranges.is_empty() {
            return Ok(0);
        }
        let Some(doc) = self.head::<RoomDoc>(ROOMS, room).await? else { return Ok(0) };
        let mut count = 0;
        for (from, to) in ranges {
            let to = to.unwrap_or(i64::MAX).min(doc.next - 1);
            count += self.lines(room, &doc, (from, to), usize::MAX >> 33, false).await?.len() as u64;
        }
        Ok(count)
    }

    /// One page; the cursor is the position of its last message.
    async fn cut(&self, room: &str, mut lines: Vec<Line>, limit: usize) -> Result<RoomMessages> {
        let next = (lines.len() > limit).then(|| {
            lines.truncate(limit);
            lines.last().map(|line| line.seq.to_string()).unwrap_or_default()
        });
        let items: Vec<Option<RoomMessage>> = stream::iter(lines)
            .map(|line| async move {
                let counts =
                    self.head::<Counts>(RECEIPTS, &receipts(room, line.seq)).await?.unwrap_or_default();
                let Some(stanza) = self.body(&home(room), line.id, &line.key).await? else {
                    return Ok::<_, StoreError>(None);
                };
                Ok(Some(RoomMessage {
                    seq: u64::try_from(line.seq).unwrap_or(0),
                    key: line.key,
                    stanza_id: line.stanza_id,
                    from: line.from,
                    nick: line.nick,
                    sent_at: clock::format(line.sent_at),
                    delivered: counts.delivered,
                    read: counts.read,
                    stanza,
                }))
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        Ok(RoomMessages { items: items.into_iter().flatten().collect(), next })
    }

    /// Counts receipts of one message; None when nothing changed.
    async fn count_receipts(
        &self,
        room: &str,
        seq: u64,
        from: &str,
        all: &[(&UserId, ReceiptKind)],
    ) -> Result<Option<Counts>> {
        let id = receipts(room, i64::try_from(seq).unwrap_or(0));
        let mut turn = self.turn(RECEIPTS, &id).await;
        loop {
            let mut part = turn.load::<Counts>().await?;
            let n = part.n;
            let users: Vec<String> = all.iter().map(|(user, _)| user.to_string()).collect();
            let known: Vec<(String, bool)> = self.rows_of(RECEIPTS, &id, &users).await?;
            let mut known: HashMap<String, bool> = known.into_iter().collect();
            let mut counts = part.doc.unwrap_or_default();
            let mut changed = false;
            for (user, kind) in all.iter().filter(|(user, _)| user.as_str() != from) {
                let before = known.get(user.as_str()).copied();
                let is_read = *kind == ReceiptKind::Read;
                if before.is_some_and(|was_read| was_read || !is_read) {
                    continue;
                }
                counts.delivered += u64::from(before.is_none());
                counts.read += u64::from(is_read);
                known.insert(user.to_string(), is_read);
                let life = ttl(self.settings.rooms);
                self.list_put(&format!("receipts/{user}"), &id, "", n, Some(life)).await?;
                part.put(user.as_str(), &is_read, Some(life))?;
                changed = true;
            }
            if !changed {
                return Ok(None);
            }
            part.doc = Some(counts);
            if turn.commit(part).await? {
                return Ok(Some(counts));
            }
        }
    }

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
