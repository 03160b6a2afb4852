//! The items of the lists, each from what it is made of.

use im_api::footprint::Audience;
use im_api::friend::{FriendEntry, Subscription};
use im_api::state::{Presence, Show};

use super::PIECE;
use crate::clock::{self, Millis};
use crate::jid::{Jid, UserId};
use crate::store::cassandra::Cassandra;
use crate::store::cassandra::history::pair;
use crate::store::cassandra::media::MediumDoc;
use crate::store::cassandra::part::{end_of, read_json};
use crate::store::cassandra::schema::{NODES, Table};
use crate::store::cassandra::users::{NodeDoc, Nodes};
use crate::store::console::{COUNTED, FriendItem, MediumItem, MessageItem, NodeItem, SessionItem, UserItem};
use crate::store::{Result, StoreError, judge};

impl Cassandra {
    /// Counts rows of all entities of a list, up to a limit.
    pub(super) async fn count_rows<B: serde::de::DeserializeOwned>(
        &self,
        list: &str,
        table: Table,
        prefix: &str,
    ) -> Result<usize> {
        let most = usize::try_from(COUNTED).unwrap_or(usize::MAX);
        let (mut count, mut after) = (0, String::new());
        loop {
            let piece = self.list_walk(list, "", &after, PIECE).await?;
            let Some((last, _)) = piece.last() else { return Ok(count) };
            after = last.clone();
            for (id, _) in piece {
                let left = i32::try_from(most - count).unwrap_or(i32::MAX);
                let rows: Vec<(String, B)> =
                    self.rows(table, &id, (prefix, &end_of(prefix)), left, false).await?;
                count += rows.len();
                if count >= most {
                    return Ok(count);
                }
            }
        }
    }

    pub(super) async fn user_item(&self, name: &str) -> Result<Option<UserItem>> {
        let Some(doc) = self.find_user(name).await? else { return Ok(None) };
        let Ok(user) = UserId::parse(name) else { return Ok(None) };
        let mut nodes = Nodes::default();
        self.add_nodes(&doc, &mut nodes).await?;
        let (sessions, _) = doc.live(&user, &nodes, self.clock.now());
        Ok(Some(UserItem {
            user: name.into(),
            name: doc.name.clone(),
            origin: doc.origin.clone(),
            created_at: clock::format(doc.created_at),
            state: judge::presence(&sessions),
            sessions: sessions.len(),
            pending: u64::try_from(doc.pending).unwrap_or(0),
        }))
    }

    pub(super) async fn session_item(&self, node: &str, entry: &str) -> Result<Option<SessionItem>> {
        let Some((user, resource)) = entry.split_once('\0') else { return Ok(None) };
        let Some(doc) = self.find_user(user).await? else { return Ok(None) };
        let mut nodes = Nodes::default();
        self.add_nodes(&doc, &mut nodes).await?;
        let now: Millis = self.clock.now();
        let here =
            doc.sessions.iter().find(|s| s.node == node && s.resource == resource && nodes.counts(s, now));
        Ok(here.map(|s| SessionItem {
            user: user.into(),
            resource: resource.into(),
            node: node.into(),
            state: presence(s.available, s.show),
            priority: s.priority,
            show: s.show,
            status: s.status.clone(),
            since: clock::format(s.changed_at),
        }))
    }

    pub(super) async fn node_item(&self, name: &str) -> Result<Option<NodeItem>> {
        let Some(doc) = self.head::<NodeDoc>(NODES, name).await? else { return Ok(None) };
        let most = usize::try_from(COUNTED).unwrap_or(usize::MAX);
        let sessions = self.list_walk(&format!("at/{name}"), "", "", most).await?;
        let life = doc.life.to_string();
        let sessions = sessions.iter().filter(|(_, of)| *of == life && doc.epoch.is_some()).count();
        Ok(Some(NodeItem {
            node: name.into(),
            alive: doc.epoch.is_some() && doc.expires_at > self.clock.now(),
            epoch: doc.epoch,
            expires_at: clock::format(doc.expires_at),
            sessions: u32::try_from(sessions).unwrap_or(COUNTED),
        }))
    }

    /// A message, if it is the newest one of its conversation.
    pub(super) async fn newest(&self, id: i64, body: &str, text: bool) -> Result<Option<MessageItem>> {
        let (home, key): (String, String) = read_json(body)?;
        let Some(found) = self.look_up(id, &key, &home).await? else { return Ok(None) };
        let from = Jid::new(&found.letter.from).map_err(|e| StoreError::Corrupt(Box::new(e)))?;
        let both = pair(from.to_bare().as_str(), &home);
        for (later, key, home) in self.entries(&both, (id, i64::MAX), false, PIECE).await? {
            if self.look_up(later, &key, &home).await?.is_some() {
                return Ok(None);
            }
        }
        let stanza = if text { self.body(&home, id, &key).await? } else { None };
        Ok(Some(MessageItem {
            key,
            from: found.letter.from,
            to: found.letter.to,
            sent_at: clock::format(found.letter.sent_at),
            status: found.status,
            bytes: found.letter.bytes as u64,
            stanza,
        }))
    }
}

/// One session's own state.
pub fn presence(available: bool, show: Option<Show>) -> Presence {
    match show {
        _ if !available => Presence::Offline,
        Some(Show::Dnd) => Presence::Busy,
        Some(Show::Away | Show::Xa) => Presence::Away,
        _ => Presence::Online,
    }
}

/// An entry of a list of friends.
pub fn friend_item(owner: &str, friend: String, entry: FriendEntry) -> FriendItem {
    let subscription = match entry.subscription {
        Subscription::None => "none",
        Subscription::To => "to",
        Subscription::From => "from",
        Subscription::Both => "both",
    };
    FriendItem {
        user: owner.into(),
        friend,
        name: entry.name,
        subscription: subscription.into(),
        ask: entry.ask,
        groups: entry.groups,
    }
}

/// A medium.
pub fn medium_item(id: &str, doc: MediumDoc) -> MediumItem {
    MediumItem {
        id: id.into(),
        user: doc.user,
        content_type: doc.kind,
        size: doc.size,
        audience: match doc.audience {
            Audience::Me => "me".into(),
            Audience::Friends => "friends".into(),
            Audience::All => "all".into(),
            Audience::People(_) => "people".into(),
            Audience::Group(group) => format!("group:{group}"),
        },
        created_at: clock::format(doc.created_at),
    }
}
