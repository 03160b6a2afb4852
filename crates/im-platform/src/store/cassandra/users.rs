//! A user's head: the account, the sessions, the queue's ends, the claim; and the leases that sessions hang on.

use std::collections::{HashMap, HashSet};

use futures::{StreamExt, TryStreamExt, stream};
use im_api::state::Show;
use im_api::user::Verifier;
use serde::{Deserialize, Serialize};

use super::schema::{NODES, USERS};
use super::{AT_ONCE, Cassandra};
use crate::clock::Millis;
use crate::jid::UserId;
use crate::store::judge::Live;
use crate::store::state::SessionState;
use crate::store::{Result, StoreError};

/// A closed session keeps its seq for so long: longer than any change can be under way.
const TOMBSTONE: Millis = 10 * 60_000;

/// A user.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct UserDoc {
    /// `bridge` or `api`.
    pub origin: String,
    pub name: Option<String>,
    pub email: Option<String>,
    pub created_at: Millis,
    pub state_since: Millis,
    pub verifiers: Vec<Verifier>,
    pub attempts: Option<Attempts>,
    pub sessions: Vec<Sess>,
    /// How many are pending.
    pub pending: i64,
    /// The next one's place in the queue.
    pub next: i64,
    /// Handed over up to here.
    pub floor: i64,
    pub claim: Option<ClaimDoc>,
    /// Is being erased: nobody knows it any more.
    pub erasing: bool,
}

/// Wrong passwords in a row.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Attempts {
    pub failures: i64,
    pub last_at: Millis,
    pub locked_until: Millis,
}

/// A session, also one that has ended a short while ago.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sess {
    pub resource: String,
    /// Its node; empty: none.
    pub node: String,
    /// Which of the node's lives it belongs to.
    pub life: i64,
    pub seq: i64,
    pub open: bool,
    pub available: bool,
    pub priority: i8,
    pub show: Option<Show>,
    pub status: Option<String>,
    pub changed_at: Millis,
    pub expires_at: Option<Millis>,
}

/// Who drains.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ClaimDoc {
    pub claim: String,
    pub node: String,
    pub epoch: String,
    pub life: i64,
    pub resource: String,
    pub idempotency: Option<String>,
    pub expires_at: Millis,
}

/// A bridge node. Each epoch, and each return after its lease ran out, is a new life; what hangs on an earlier one is over with it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeDoc {
    /// None: it must send a snapshot.
    pub epoch: Option<String>,
    pub life: i64,
    pub expires_at: Millis,
    /// Changes up to this seq are contained in its snapshot.
    pub floor: i64,
    /// The same of occupants.
    pub room_floor: i64,
    /// Epochs that later ones have ended.
    pub ended: Vec<(String, Millis)>,
    /// When its last lives ended.
    pub ends: Vec<(i64, Millis)>,
}

impl NodeDoc {
    /// Ends the life that it has.
    pub fn end(&mut self, at: Millis) {
        if self.epoch.take().is_some() {
            self.ends.push((self.life, at));
            let old = self.ends.len().saturating_sub(16);
            self.ends.drain(..old);
            self.life += 1;
        }
        self.room_floor = -1;
    }

    pub fn lives(&self, life: i64, now: Millis) -> bool {
        self.epoch.is_some() && self.life == life && self.expires_at > now
    }
}

/// Nodes, looked up once.
#[derive(Debug, Default)]
pub struct Nodes(pub HashMap<String, Option<NodeDoc>>);

impl Nodes {
    pub fn lives(&self, node: &str, life: i64, now: Millis) -> bool {
        self.0.get(node).and_then(Option::as_ref).is_some_and(|node| node.lives(life, now))
    }

    /// When a life ended, as far as that is known.
    fn ended(&self, node: &str, life: i64) -> Millis {
        let Some(Some(node)) = self.0.get(node) else { return 0 };
        if node.epoch.is_some() && node.life == life {
            return node.expires_at;
        }
        node.ends.iter().find(|(l, _)| *l == life).map_or(0, |(_, at)| *at)
    }

    /// Whether a session counts now.
    pub fn counts(&self, s: &Sess, now: Millis) -> bool {
        s.open
            && if s.node.is_empty() {
                s.expires_at.is_some_and(|at| at > now)
            } else {
                self.lives(&s.node, s.life, now)
            }
    }
}

impl UserDoc {
    /// The open sessions that count, and when something about any of them last changed.
    pub fn live(&self, user: &UserId, nodes: &Nodes, now: Millis) -> (Vec<Live>, Millis) {
        let (mut live, mut since) = (Vec::new(), 0);
        for s in &self.sessions {
            since = since.max(s.changed_at);
            if !s.open {
                continue;
            }
            if !nodes.counts(s, now) {
                since = since.max(s.expires_at.unwrap_or_else(|| nodes.ended(&s.node, s.life)));
                continue;
            }
            let session = SessionState {
                user: user.clone(),
                resource: s.resource.clone(),
                available: s.available,
                priority: s.priority,
                show: s.show,
                status: s.status.clone(),
            };
            live.push(Live { session, changed_at: s.changed_at, bridged: !s.node.is_empty() });
        }
        live.sort_by(|a, b| a.session.resource.cmp(&b.session.resource));
        (live, since)
    }

    /// Nodes with a session that could drain.
    pub fn drains(&self, nodes: &Nodes, now: Millis) -> HashSet<&str> {
        let able = |s: &&Sess| s.available && s.priority >= 0 && !s.node.is_empty() && nodes.counts(s, now);
        self.sessions.iter().filter(able).map(|s| s.node.as_str()).collect()
    }

    /// Whether a claim holds: not timed out, and its session is there in the same life of its node.
    pub fn claimed(&self, nodes: &Nodes, now: Millis) -> bool {
        self.claim.as_ref().is_some_and(|c| {
            c.expires_at > now
                && nodes.lives(&c.node, c.life, now)
                && self.sessions.iter().any(|s| {
                    s.node == c.node && s.resource == c.resource && s.life == c.life && s.open && s.available
                })
        })
    }

    /// Forgets sessions that ended long ago or with an earlier life of their node; what they knew about the last change stays.
    pub fn forget_old(&mut self, nodes: &Nodes, now: Millis) {
        let over = |s: &Sess| {
            let dead = match nodes.0.get(&s.node) {
                Some(Some(node)) => node.epoch.is_none() || node.life != s.life,
                _ => false,
            };
            dead || !s.open && s.changed_at <= now - TOMBSTONE
        };
        for s in self.sessions.iter().filter(|s| over(s)) {
            let ended = if s.open { nodes.ended(&s.node, s.life) } else { 0 };
            self.state_since = self.state_since.max(s.changed_at).max(ended);
        }
        self.sessions.retain(|s| !over(s));
    }
}

impl Cassandra {
    /// A user's head, unless it is unknown or being erased.
    pub(super) async fn find_user(&self, user: &str) -> Result<Option<UserDoc>> {
        Ok(self.head::<UserDoc>(USERS, user).await?.filter(|doc| !doc.erasing))
    }

    pub(super) async fn known_user(&self, user: &str) -> Result<UserDoc> {
        self.open_or()?;
        self.find_user(user).await?.ok_or(StoreError::NotFound("user"))
    }

    /// Looks up the nodes of these sessions that are not known yet.
    pub(super) async fn add_nodes(&self, doc: &UserDoc, nodes: &mut Nodes) -> Result<()> {
        let claim = doc.claim.iter().map(|c| c.node.as_str());
        let names: Vec<String> =
            doc.sessions.iter().map(|s| s.node.as_str()).chain(claim).map(String::from).collect();
        self.add_nodes_named(names, nodes).await
    }

    pub(super) async fn add_nodes_named(&self, names: Vec<String>, nodes: &mut Nodes) -> Result<()> {
        let missing: HashSet<String> =
            names.into_iter().filter(|name| !name.is_empty() && !nodes.0.contains_key(name)).collect();
        let found: Vec<(String, Option<NodeDoc>)> = stream::iter(missing)
            .map(|name| async move {
                let node = self.head::<NodeDoc>(NODES, &name).await?;
                Ok::<_, StoreError>((name, node))
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        nodes.0.extend(found);
        Ok(())
    }

    /// The node, if this is its epoch and its lease holds.
    pub(super) async fn epoch(&self, node: &str, epoch: &str) -> Result<NodeDoc> {
        self.open_or()?;
        let doc = self.head::<NodeDoc>(NODES, node).await?;
        let now = self.clock.now();
        let holds = |doc: &NodeDoc| doc.epoch.as_deref() == Some(epoch) && doc.expires_at > now;
        doc.filter(holds).ok_or(StoreError::UnknownEpoch)
    }
}
