//! The console's lists: each walks names in order, or what came by day, from its cursor on, and looks up what it finds.

mod items;

use async_trait::async_trait;
use im_api::friend::FriendEntry;
use im_api::group::Group;
use im_api::state::Presence;
use serde_json::value::RawValue;
use tokio::sync::watch;

use self::items::{friend_item, medium_item};
use super::Cassandra;
use super::accounts::Note;
use super::chat::place_row;
use super::footprint::Print;
use super::group::GroupDoc;
use super::import::ImportDoc;
use super::media::MediumDoc;
use super::part::{end_of, read_json};
use super::room::{Occupant, RoomDoc};
use super::schema::{GROUPS, IMPORTS, LISTS, MEDIA, PRINTS, ROOMS, USERS};
use super::users::Nodes;
use crate::clock;
use crate::jid::UserId;
use crate::store::Result;
use crate::store::console::{
    AuditItem, COUNTED, Console, Count, DownItem, EventItem, FriendItem, ImportItem, LOOK, MediumItem,
    MessageItem, NodeItem, OccupantItem, Page, PendingUser, RoomItem, SessionItem, UserItem,
};

/// Entries of a walk that are read at once.
const PIECE: usize = 100;

/// A page of what a walk finds: items with their cursors.
struct Walk<T> {
    items: Vec<(String, T)>,
    limit: usize,
    looked: u32,
}

impl<T> Walk<T> {
    fn new(limit: u32) -> Self {
        Self { items: Vec::new(), limit: usize::try_from(limit).unwrap_or(usize::MAX), looked: 0 }
    }

    /// One more than a page holds: that there is more.
    fn full(&self) -> bool {
        self.items.len() > self.limit
    }

    fn page(mut self) -> Page<T> {
        let more = self.full();
        self.items.truncate(self.limit);
        let next = self.items.last().filter(|_| more).map(|(cursor, _)| cursor.clone());
        Page { items: self.items.into_iter().map(|(_, item)| item).collect(), next }
    }
}

/// A list of names with what each stands for.
macro_rules! walk {
    ($store:expr, $list:expr, $prefix:expr, $after:expr, $limit:expr, $name:ident, $body:ident => $found:expr) => {{
        let (mut walk, mut after) = (Walk::new($limit), $after.unwrap_or_default());
        'all: loop {
            let piece = $store.list_walk($list, $prefix, &after, PIECE).await?;
            let Some((last, _)) = piece.last() else { break };
            after = last.clone();
            for ($name, $body) in piece {
                if let Some(item) = $found {
                    walk.items.push(($name, item));
                }
                if walk.full() {
                    break 'all;
                }
            }
        }
        Ok(walk.page())
    }};
}

#[async_trait]
impl Console for Cassandra {
    fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    async fn counts(&self) -> Result<Vec<Count>> {
        self.open_or()?;
        let most = usize::try_from(COUNTED).unwrap_or(usize::MAX);
        let mut counts = Vec::new();
        let mut add = |name, count: usize| {
            counts.push(Count { name, count: u32::try_from(count.min(most)).unwrap_or(COUNTED) });
        };
        add("users", self.list_walk("users", "", "", most).await?.len());
        let mut sessions = 0;
        for (node, _) in self.list_walk("nodes", "", "", most).await? {
            if sessions < most {
                sessions += self.list_walk(&format!("at/{node}"), "", "", most - sessions).await?.len();
            }
        }
        add("sessions", sessions + self.list_walk("at/", "", "", most).await?.len());
        add("friends", self.count_rows::<FriendEntry>("owners", LISTS, "f/").await?);
        add("messages", self.log_walk("talk", None, most).await?.len());
        let mut waiting = 0;
        for (_, doc) in self.waiting(most, "").await? {
            waiting += usize::try_from(doc.pending).unwrap_or(0);
        }
        add("waiting", waiting);
        add("groups", self.list_walk("groups", "", "", most).await?.len());
        add("rooms", self.list_walk("rooms", "", "", most).await?.len());
        add("footprints", self.count_rows::<Print>("sharers", PRINTS, "f/").await?);
        add("media", self.list_walk("media", "", "", most).await?.len());
        add("events", self.log_walk("events", None, most).await?.len());
        add("nodes", self.list_walk("nodes", "", "", most).await?.len());
        Ok(counts)
    }

    async fn list_users(
        &self,
        prefix: Option<String>,
        limit: u32,
        after: Option<String>,
    ) -> Result<Page<UserItem>> {
        self.open_or()?;
        let prefix = prefix.unwrap_or_default().to_lowercase();
        walk!(self, "users", &prefix, after, limit, name, _body => self.user_item(&name).await?)
    }

    async fn list_sessions(
        &self,
        state: Option<Presence>,
        limit: u32,
        after: Option<String>,
    ) -> Result<Page<SessionItem>> {
        self.open_or()?;
        let (from_node, from): (String, String) = parts(after.as_deref());
        let mut nodes: Vec<String> =
            self.list_walk("nodes", "", "", 10_000).await?.into_iter().map(|(node, _)| node).collect();
        // Those of no node come first.
        nodes.insert(0, String::new());
        let mut walk = Walk::new(limit);
        let mut last = (from_node.clone(), from.clone());
        for node in nodes.into_iter().filter(|node| *node >= from_node) {
            let mut after = if node == from_node { from.clone() } else { String::new() };
            loop {
                let piece = self.list_walk(&format!("at/{node}"), "", &after, PIECE).await?;
                let Some((end, _)) = piece.last() else { break };
                after = end.clone();
                for (entry, _) in piece {
                    if walk.items.len() >= walk.limit || walk.looked == LOOK {
                        let items = walk.items.into_iter().map(|(_, item)| item).collect();
                        return Ok(Page { items, next: Some(several(&last)) });
                    }
                    walk.looked += 1;
                    last = (node.clone(), entry.clone());
                    let found = self.session_item(&node, &entry).await?;
                    if let Some(item) = found.filter(|item| state.is_none_or(|state| state == item.state)) {
                        walk.items.push((entry, item));
                    }
                }
            }
        }
        Ok(walk.page())
    }

    async fn list_friends(&self, limit: u32, after: Option<String>) -> Result<Page<FriendItem>> {
        self.open_or()?;
        let (from_owner, from): (String, String) = parts(after.as_deref());
        let mut walk = Walk::new(limit);
        let mut owners = Vec::new();
        if !from_owner.is_empty() {
            owners.push((from_owner.clone(), String::new()));
        }
        let mut after = from_owner.clone();
        loop {
            owners.extend(self.list_walk("owners", "", &after, PIECE).await?);
            let Some((last, _)) = owners.last() else { return Ok(walk.page()) };
            after = last.clone();
            for (owner, _) in std::mem::take(&mut owners) {
                let start = if owner == from_owner { format!("f/{from}\0") } else { "f/".into() };
                let most = i32::try_from(walk.limit + 1).unwrap_or(i32::MAX);
                let rows: Vec<(String, FriendEntry)> =
                    self.rows(LISTS, &owner, (&start, &end_of("f/")), most, false).await?;
                for (sort, entry) in rows {
                    let friend = sort.trim_start_matches("f/").to_owned();
                    let cursor = several(&(&owner, &friend));
                    walk.items.push((cursor, friend_item(&owner, friend, entry)));
                }
                if walk.full() {
                    return Ok(walk.page());
                }
            }
        }
    }

    async fn list_conversations(
        &self,
        text: bool,
        limit: u32,
        before: Option<i64>,
    ) -> Result<Page<MessageItem>> {
        self.open_or()?;
        let (mut walk, mut before) = (Walk::new(limit), before);
        loop {
            let piece = self.log_walk("talk", before, PIECE).await?;
            let Some((end, _)) = piece.last() else { return Ok(walk.page()) };
            let end = *end;
            for (id, body) in piece {
                walk.looked += 1;
                if let Some(item) = self.newest(id, &body, text).await? {
                    walk.items.push((id.to_string(), item));
                }
                if walk.full() {
                    return Ok(walk.page());
                }
                if walk.looked >= LOOK {
                    let items = walk.items.into_iter().map(|(_, item)| item).collect();
                    return Ok(Page { items, next: Some(id.to_string()) });
                }
            }
            before = Some(end);
        }
    }

    async fn list_pending(&self, limit: u32, after: Option<String>) -> Result<Page<PendingUser>> {
        self.open_or()?;
        let mut walk = Walk::new(limit);
        let found = self.waiting(walk.limit.saturating_add(1), &after.unwrap_or_default()).await?;
        for (user, doc) in found {
            let (from, to) = (place_row(doc.floor + 1), place_row(i64::MAX));
            let oldest: Vec<(String, super::chat::Queued)> =
                self.rows(USERS, &user, (&from, &to), 1, false).await?;
            let mut nodes = Nodes::default();
            self.add_nodes(&doc, &mut nodes).await?;
            let claimed = doc.claimed(&nodes, self.clock.now());
            let item = PendingUser {
                user: user.clone(),
                count: u64::try_from(doc.pending).unwrap_or(0),
                oldest: clock::format(oldest.first().map_or(0, |(_, queued)| queued.sent_at)),
                claimed_by: doc.claim.filter(|_| claimed).map(|claim| claim.resource),
            };
            walk.items.push((user, item));
        }
        Ok(walk.page())
    }

    async fn list_groups(&self, limit: u32, after: Option<String>) -> Result<Page<Group>> {
        self.open_or()?;
        walk!(self, "groups", "", after, limit, name, _body => {
            self.head::<GroupDoc>(GROUPS, &name).await?.map(|doc| doc.group(&name))
        })
    }

    async fn list_rooms(&self, limit: u32, after: Option<String>) -> Result<Page<RoomItem>> {
        self.open_or()?;
        let number = |n: i64| u64::try_from(n).unwrap_or(0);
        walk!(self, "rooms", "", after, limit, name, _body => {
            self.head::<RoomDoc>(ROOMS, &name).await?.map(|doc| RoomItem {
                room: name.clone(),
                members: number(doc.members),
                present: number(doc.present),
                occupants: number(doc.occupants),
                messages: number(doc.next - 1),
            })
        })
    }

    async fn list_occupants(
        &self,
        room: &UserId,
        limit: u32,
        after: Option<String>,
    ) -> Result<Page<OccupantItem>> {
        let (_, nodes) = self.known_room(room.as_str()).await?;
        let (mut walk, now) = (Walk::new(limit), self.clock.now());
        let mut from = after.map_or("o/".into(), |after| format!("{after}\0"));
        loop {
            let rows: Vec<(String, Occupant)> =
                self.rows(ROOMS, room.as_str(), (&from, &end_of("o/")), 100, false).await?;
            let Some((last, _)) = rows.last() else { return Ok(walk.page()) };
            from = format!("{last}\0");
            for (sort, occupant) in rows {
                let mut parts = sort.trim_start_matches("o/").splitn(3, '\0');
                let (Some(user), Some(resource), Some(node)) = (parts.next(), parts.next(), parts.next())
                else {
                    continue;
                };
                if !occupant.open || !nodes.lives(node, occupant.life, now) {
                    continue;
                }
                let item = OccupantItem {
                    user: user.into(),
                    resource: resource.into(),
                    nick: occupant.nick,
                    node: node.into(),
                    since: clock::format(occupant.at),
                };
                walk.items.push((sort.clone(), item));
                if walk.full() {
                    return Ok(walk.page());
                }
            }
        }
    }

    async fn list_media(
        &self,
        user: Option<UserId>,
        limit: u32,
        after: Option<String>,
    ) -> Result<Page<MediumItem>> {
        self.open_or()?;
        if let Some(user) = &user {
            self.known_user(user.as_str()).await?;
        }
        let of = user.as_ref().map(UserId::as_str);
        walk!(self, "media", "", after, limit, name, owner => {
            if of.is_none_or(|of| of == owner) {
                self.head::<MediumDoc>(MEDIA, &name).await?.map(|doc| medium_item(&name, doc))
            } else {
                None
            }
        })
    }

    async fn list_events(&self, text: bool, limit: u32, before: Option<i64>) -> Result<Page<EventItem>> {
        self.open_or()?;
        let mut walk = Walk::new(limit);
        for (seq, id) in self.log_walk("events", before, walk.limit.saturating_add(1)).await? {
            let Some(kept) = self.kept_event(&id).await? else { continue };
            let event = kept.event;
            let item = EventItem {
                id: event.id,
                received_at: clock::format(kept.at),
                source: event.source,
                kind: event.kind,
                subject: event.subject,
                sequence: event.sequence,
                bytes: event.data.get().len() as u64,
                data: Some(event.data).filter(|_| text),
            };
            walk.items.push((seq.to_string(), item));
        }
        Ok(walk.page())
    }

    async fn list_downlink(&self, text: bool, limit: u32, before: Option<i64>) -> Result<Page<DownItem>> {
        self.open_or()?;
        let mut walk = Walk::new(limit);
        let (floor, mut last) = (self.floor().await?, self.last_said().await?);
        last = last.min(before.unwrap_or(i64::MAX).saturating_sub(1));
        let most = u32::try_from(walk.limit).unwrap_or(u32::MAX).saturating_add(1);
        // Backwards in pieces: a few positions are missing where somebody was erased.
        while last > floor && !walk.full() {
            let from = (last - i64::from(most)).max(floor);
            let mut piece = self.said_after(from, last, most).await?;
            piece.reverse();
            for (seq, said) in piece {
                let data = if text {
                    self.data_of(&said).await?.and_then(|d| RawValue::from_string(d).ok())
                } else {
                    None
                };
                let item = DownItem {
                    seq,
                    id: said.id,
                    time: clock::format(said.at),
                    kind: said.kind,
                    subject: said.subject,
                    origin: said.origin,
                    bytes: said.bytes as u64,
                    data,
                };
                walk.items.push((seq.to_string(), item));
            }
            last = from;
        }
        Ok(walk.page())
    }

    async fn list_nodes(&self, limit: u32, after: Option<String>) -> Result<Page<NodeItem>> {
        self.open_or()?;
        walk!(self, "nodes", "", after, limit, name, _body => self.node_item(&name).await?)
    }

    async fn list_imports(&self, limit: u32, after: Option<String>) -> Result<Page<ImportItem>> {
        self.open_or()?;
        walk!(self, "imports", "", after, limit, name, _body => {
            self.head::<ImportDoc>(IMPORTS, &name).await?.map(|doc| ImportItem {
                source: name.clone(),
                position: doc.position,
                at: clock::format(doc.at),
            })
        })
    }

    async fn list_audit(&self, limit: u32, before: Option<i64>) -> Result<Page<AuditItem>> {
        self.open_or()?;
        let mut walk = Walk::new(limit);
        let after = self.clock.now() - self.settings.audit;
        for (id, body) in self.log_walk("audit", before, walk.limit.saturating_add(1)).await? {
            let Note { at, caller, action, subject } = read_json(&body)?;
            if at > after {
                walk.items
                    .push((id.to_string(), AuditItem { at: clock::format(at), caller, action, subject }));
            }
        }
        Ok(walk.page())
    }

    async fn note_read(&self, caller: &str, action: &'static str, subject: &str) -> Result<()> {
        self.open_or()?;
        self.note(caller, action, subject).await
    }
}

/// A cursor of several parts: JSON, since a resource may hold any character.
fn several<T: serde::Serialize>(parts: &T) -> String {
    serde_json::to_string(parts).unwrap_or_default()
}

/// Its parts; the beginning when it is none of ours.
fn parts<T: serde::de::DeserializeOwned + Default>(cursor: Option<&str>) -> T {
    cursor.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}
