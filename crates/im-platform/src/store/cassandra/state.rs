//! Nodes, sessions, leases. A session lives in its user's head and hangs on a life of its node: a lease that runs out, or a new epoch, ends all
//! sessions of a node without a write to any of its users.

use std::collections::{BTreeMap, HashSet};

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use im_api::state::UserState;

use super::schema::{NODES, USERS};
use super::users::{NodeDoc, Nodes, Sess, UserDoc};
use super::{AT_ONCE, Cassandra};
use crate::clock::{self, Millis};
use crate::jid::UserId;
use crate::store::judge;
use crate::store::state::{Change, NodeSnapshot, SessionState, State};
use crate::store::{Cause, Result, StoreError};

/// Users to drain per answer.
const DRAIN: usize = 1_000;
/// How long an ended epoch is remembered.
const ENDED: Millis = super::DAY;

#[async_trait]
impl State for Cassandra {
    async fn renew(&self, node: &str, epoch: &str, ttl: Millis) -> Result<Vec<String>> {
        self.open_or()?;
        let mut turn = self.turn(NODES, node).await;
        loop {
            let mut part = turn.load::<NodeDoc>().await?;
            let now = self.clock.now();
            let holds = |doc: &&mut NodeDoc| doc.epoch.as_deref() == Some(epoch) && doc.expires_at > now;
            let doc = part.doc.as_mut().filter(holds).ok_or(StoreError::UnknownEpoch)?;
            doc.expires_at = now + ttl;
            if turn.commit(part).await? {
                break;
            }
        }
        drop(turn);
        self.drain_of_node(node).await
    }

    async fn snapshot(&self, node: &str, snapshot: NodeSnapshot) -> Result<Vec<String>> {
        self.open_or()?;
        self.list_put("nodes", node, "", 1, None).await?;
        let mut turn = self.turn(NODES, node).await;
        let (doc, floor) = loop {
            let mut part = turn.load::<NodeDoc>().await?;
            let now = self.clock.now();
            let new = NodeDoc { room_floor: -1, floor: i64::MIN, ..NodeDoc::default() };
            let mut doc = part.doc.take().unwrap_or(new);
            doc.ended.retain(|(_, at)| *at > now - ENDED);
            if doc.ended.iter().any(|(ended, _)| *ended == snapshot.epoch) {
                return Err(StoreError::Conflict("a later epoch of this node has ended this one"));
            }
            let same = doc.epoch.as_ref() == Some(&snapshot.epoch);
            let floor = (same && doc.expires_at > now).then_some(doc.floor);
            if floor.is_none() {
                if let Some(epoch) = doc.epoch.clone().filter(|_| !same) {
                    doc.ended.push((epoch, now));
                }
                doc.end(doc.expires_at.min(now));
            }
            doc.epoch = Some(snapshot.epoch.clone());
            doc.expires_at = now + snapshot.ttl;
            doc.floor = floor.unwrap_or(snapshot.seq).max(snapshot.seq);
            part.doc = Some(doc.clone());
            if turn.commit(part).await? {
                break (doc, floor);
            }
        };
        drop(turn);
        if floor.is_some_and(|floor| snapshot.seq < floor) {
            // An older picture than the one we have: good as a sign of life only.
            return Ok(Vec::new());
        }
        let mut changes =
            if floor.is_some() { self.absent(node, doc.life, &snapshot).await? } else { Vec::new() };
        let seq = snapshot.seq;
        changes.extend(snapshot.sessions.into_iter().map(|session| Change { seq, open: true, session }));
        self.apply(node, doc, changes, From::Snapshot).await
    }

    async fn change(&self, node: &str, epoch: &str, changes: Vec<Change>) -> Result<Vec<String>> {
        let doc = self.epoch(node, epoch).await?;
        let floor = doc.floor;
        let changes = changes.into_iter().filter(|change| change.seq > floor).collect();
        self.apply(node, doc, changes, From::Node).await
    }

    async fn set_state(&self, change: Change, ttl: Millis, cause: Cause) -> Result<()> {
        self.open_or()?;
        let user = change.session.user.clone();
        let mut turn = self.turn(USERS, user.as_str()).await;
        loop {
            let mut part = turn.load::<UserDoc>().await?;
            let doc = part.doc.as_mut().filter(|doc| !doc.erasing).ok_or(StoreError::NotFound("user"))?;
            let mut nodes = Nodes::default();
            self.add_nodes(doc, &mut nodes).await?;
            let now = self.clock.now();
            let before = aggregate(doc, &user, &nodes, now);
            let expires_at = now + ttl;
            put_session(doc, "", 0, &change, From::Api { expires_at }, now);
            doc.forget_old(&nodes, now);
            let after = aggregate(doc, &user, &nodes, now);
            let seen = |s: &UserState| (s.state, s.show, s.status.clone());
            let there = |s: &UserState| {
                s.resources.iter().filter(|r| r.available && r.resource == change.session.resource).count()
            };
            // Its end is said also where another one leads: whoever shows it must take it away.
            if seen(&before) != seen(&after) || there(&before) > there(&after) {
                part.say(self.saying(&cause, "im.state.changed", user.as_str(), &after).await?);
            }
            let name = due(expires_at, &user, &change.session.resource);
            self.list_put("due/sessions", &name, "", part.n, None).await?;
            self.list_put("at/", &at(&user, &change.session.resource), "0", part.n, None).await?;
            if turn.commit(part).await? {
                return Ok(());
            }
        }
    }

    async fn user_state(&self, user: &UserId) -> Result<UserState> {
        let doc = self.known_user(user.as_str()).await?;
        let mut nodes = Nodes::default();
        self.add_nodes(&doc, &mut nodes).await?;
        Ok(aggregate(&doc, user, &nodes, self.clock.now()))
    }
}

/// When a state that belongs to no node runs out, in order.
fn due(at: Millis, user: &UserId, resource: &str) -> String {
    format!("{at:020}\0{user}\0{resource}")
}

/// A session's name among those of its node.
pub fn at(user: &UserId, resource: &str) -> String {
    format!("{user}\0{resource}")
}

/// What a user's sessions add up to.
pub fn aggregate(doc: &UserDoc, user: &UserId, nodes: &Nodes, now: Millis) -> UserState {
    let (sessions, since) = doc.live(user, nodes, now);
    let leading = judge::leading(&sessions);
    UserState {
        user: user.to_string(),
        state: judge::presence(&sessions),
        reachable: doc.pending == 0 && judge::takes_messages(&sessions),
        show: leading.and_then(|s| s.session.show),
        status: leading.and_then(|s| s.session.status.clone()),
        since: clock::format(since.max(doc.state_since)),
        resources: sessions.into_iter().map(|s| s.session.into_api()).collect(),
    }
}

/// Where a change comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
enum From {
    /// A node's stream: only above what is known.
    Node,
    /// A node's snapshot: replaces what it contains, so the same seq as well.
    Snapshot,
    /// A client that is no bridge: only above what is known and has not expired.
    Api { expires_at: Millis },
}

/// Puts one change in place unless a later one is known; true when it was.
fn put_session(doc: &mut UserDoc, node: &str, life: i64, change: &Change, from: From, now: Millis) -> bool {
    let session = &change.session;
    let known = doc.sessions.iter().position(|s| s.node == node && s.resource == session.resource);
    let mut new = Sess {
        resource: session.resource.clone(),
        node: node.into(),
        life,
        seq: change.seq,
        open: change.open,
        available: change.open && session.available,
        priority: session.priority,
        show: session.show,
        status: session.status.clone(),
        changed_at: now,
        expires_at: if let From::Api { expires_at } = from { Some(expires_at) } else { None },
    };
    match known.map(|i| (i, doc.sessions[i].clone())) {
        Some((i, old)) if old.life == life => {
            let later = change.seq > old.seq
                || from == From::Snapshot && change.seq == old.seq
                || old.expires_at.is_some_and(|at| at <= now);
            if !later {
                return false;
            }
            // The time moves only when something that can be seen changes.
            let seen = |s: &Sess| (s.open, s.available, s.priority, s.show, s.status.clone());
            if seen(&old) == seen(&new) {
                new.changed_at = old.changed_at;
            }
            doc.sessions[i] = new;
        }
        Some((i, old)) => {
            doc.state_since = doc.state_since.max(old.changed_at);
            doc.sessions[i] = new;
        }
        None => doc.sessions.push(new),
    }
    let gone = !(change.open && session.available);
    if gone && doc.claim.as_ref().is_some_and(|c| c.node == node && c.resource == session.resource) {
        doc.claim = None;
    }
    true
}

impl Cassandra {
    /// Applies changes of a node, users side by side and each user's in order; gives the users to drain.
    async fn apply(&self, node: &str, doc: NodeDoc, changes: Vec<Change>, from: From) -> Result<Vec<String>> {
        let mut by_user: BTreeMap<String, Vec<Change>> = BTreeMap::new();
        for change in changes {
            by_user.entry(change.session.user.to_string()).or_default().push(change);
        }
        let doc = &doc;
        let drain: Vec<Option<String>> = stream::iter(by_user.into_values())
            .map(|changes| async move { self.apply_to(node, doc, &changes, from).await })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        Ok(drain.into_iter().flatten().collect())
    }

    async fn apply_to(
        &self,
        node: &str,
        lease: &NodeDoc,
        changes: &[Change],
        from: From,
    ) -> Result<Option<String>> {
        let Some(user) = changes.first().map(|change| change.session.user.clone()) else { return Ok(None) };
        let mut turn = self.turn(USERS, user.as_str()).await;
        let (drain, closed) = loop {
            let mut part = turn.load::<UserDoc>().await?;
            if part.doc.as_ref().is_some_and(|doc| doc.erasing) {
                return Ok(None);
            }
            let now = self.clock.now();
            if part.doc.is_none() {
                // Only somebody who creates the account anew makes it known again so soon.
                if self.recently_erased(&user).await? {
                    return Ok(None);
                }
                self.list_put("users", user.as_str(), "", part.n, None).await?;
                let n = part.n;
                part.doc = Some(new_user("bridge", now, n));
            }
            let n = part.n;
            let Some(doc) = part.doc.as_mut() else { return Ok(None) };
            let mut nodes = Nodes::default();
            nodes.0.insert(node.into(), Some(lease.clone()));
            self.add_nodes(doc, &mut nodes).await?;
            let mut closed = Vec::new();
            for change in changes {
                let put = put_session(doc, node, lease.life, change, from, now);
                if put && !change.open {
                    closed.push(change.session.resource.clone());
                } else if put {
                    let name = at(&user, &change.session.resource);
                    self.list_put(&format!("at/{node}"), &name, &lease.life.to_string(), n, None).await?;
                }
            }
            doc.forget_old(&nodes, now);
            let mut drain = false;
            if doc.pending > 0 {
                let able = doc.drains(&nodes, now);
                for node in &able {
                    self.list_put(&format!("drain/{node}"), user.as_str(), "", n, None).await?;
                }
                drain = !able.is_empty() && !doc.claimed(&nodes, now);
            }
            if turn.commit(part).await? {
                for resource in &closed {
                    let is_open = changes
                        .iter()
                        .rev()
                        .find(|c| c.session.resource == *resource)
                        .is_some_and(|c| c.open);
                    if !is_open {
                        self.list_remove(&format!("at/{node}"), &at(&user, resource), n).await?;
                    }
                }
                break (drain, closed);
            }
        };
        drop(turn);
        for resource in closed {
            self.leave_rooms(user.as_str(), &resource, node).await?;
        }
        Ok(drain.then(|| user.to_string()))
    }

    /// Makes a user known whom a bridge reports; false for one who was erased so short a while ago that the report may be older.
    pub(super) async fn make_known(&self, user: &UserId) -> Result<bool> {
        if self.find_user(user.as_str()).await?.is_some() {
            return Ok(true);
        }
        let mut turn = self.turn(USERS, user.as_str()).await;
        loop {
            let mut part = turn.load::<UserDoc>().await?;
            if let Some(doc) = &part.doc {
                return Ok(!doc.erasing);
            }
            if self.recently_erased(user).await? {
                return Ok(false);
            }
            let n = part.n;
            self.list_put("users", user.as_str(), "", n, None).await?;
            part.doc = Some(new_user("bridge", self.clock.now(), n));
            if turn.commit(part).await? {
                return Ok(true);
            }
        }
    }

    /// Sessions that the snapshot does not name, as changes that end them unless something later is known.
    async fn absent(&self, node: &str, life: i64, snapshot: &NodeSnapshot) -> Result<Vec<Change>> {
        let named: HashSet<String> = snapshot.sessions.iter().map(|s| at(&s.user, &s.resource)).collect();
        let mut changes = Vec::new();
        for (name, of) in self.list_walk(&format!("at/{node}"), "", "", usize::MAX >> 33).await? {
            if of != life.to_string() {
                let user = name.split('\0').next().unwrap_or_default();
                let (n, _) = self.head_n::<UserDoc>(USERS, user).await?;
                self.list_remove(&format!("at/{node}"), &name, n).await?;
                continue;
            }
            let Some((user, resource)) = name.split_once('\0') else { continue };
            let Ok(user) = UserId::parse(user) else { continue };
            if !named.contains(&name) {
                let resource = resource.to_owned();
                let session =
                    SessionState { user, resource, available: false, priority: 0, show: None, status: None };
                changes.push(Change { seq: snapshot.seq, open: false, session });
            }
        }
        Ok(changes)
    }

    /// Users with something pending, a session on the node that could take it, and no claim.
    async fn drain_of_node(&self, node: &str) -> Result<Vec<String>> {
        let list = format!("drain/{node}");
        let hints = self.list_walk(&list, "", "", DRAIN).await?;
        let list = &list;
        let drain: Vec<Option<String>> = stream::iter(hints)
            .map(|(user, _)| async move {
                let (n, doc) = self.head_n::<UserDoc>(USERS, &user).await?;
                let mut nodes = Nodes::default();
                if let Some(doc) = doc.filter(|doc| !doc.erasing && doc.pending > 0) {
                    self.add_nodes(&doc, &mut nodes).await?;
                    let now = self.clock.now();
                    if doc.drains(&nodes, now).contains(node) {
                        return Ok::<_, StoreError>((!doc.claimed(&nodes, now)).then_some(user));
                    }
                }
                self.list_remove(list, &user, n).await?;
                Ok(None)
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        Ok(drain.into_iter().flatten().collect())
    }

    /// Ends leases that ran out; true when one did.
    pub(super) async fn end_leases(&self) -> Result<bool> {
        let mut any = false;
        for (node, _) in self.list_walk("nodes", "", "", 10_000).await? {
            let over = |doc: &NodeDoc, now| doc.epoch.is_some() && doc.expires_at <= now;
            let doc = self.head::<NodeDoc>(NODES, &node).await?;
            if !doc.is_some_and(|doc| over(&doc, self.clock.now())) {
                continue;
            }
            let mut turn = self.turn(NODES, &node).await;
            loop {
                let mut part = turn.load::<NodeDoc>().await?;
                let now = self.clock.now();
                let Some(doc) = part.doc.as_mut().filter(|doc| over(doc, now)) else { break };
                doc.end(doc.expires_at);
                if turn.commit(part).await? {
                    tracing::warn!(node, "the lease of a node ran out; its sessions are closed");
                    any = true;
                    break;
                }
            }
        }
        Ok(any)
    }

    /// Ends states that belonged to no node and have run out; says so where they could be seen.
    pub(super) async fn end_states(&self) -> Result<bool> {
        let now = self.clock.now();
        let due = self.list_walk("due/sessions", "", "", 100).await?;
        let mut any = false;
        for (name, _) in due {
            let mut parts = name.splitn(3, '\0');
            let (Some(at), Some(user), Some(resource)) = (parts.next(), parts.next(), parts.next()) else {
                continue;
            };
            if at.parse::<Millis>().is_ok_and(|at| at > now) {
                break;
            }
            let Ok(user) = UserId::parse(user) else { continue };
            let n = self.end_state(&user, resource).await?;
            self.list_remove("due/sessions", &name, n).await?;
            any = true;
        }
        Ok(any)
    }

    async fn end_state(&self, user: &UserId, resource: &str) -> Result<i64> {
        let mut turn = self.turn(USERS, user.as_str()).await;
        loop {
            let mut part = turn.load::<UserDoc>().await?;
            let (n, now) = (part.n, self.clock.now());
            let Some(doc) = part.doc.as_mut().filter(|doc| !doc.erasing) else { return Ok(n) };
            let over = |s: &Sess| {
                s.node.is_empty() && s.resource == resource && s.expires_at.is_some_and(|at| at <= now)
            };
            let Some(i) = doc.sessions.iter().position(over) else { return Ok(n) };
            let old = doc.sessions.remove(i);
            doc.state_since = doc.state_since.max(old.changed_at).max(old.expires_at.unwrap_or(0));
            if old.open && old.available {
                let mut nodes = Nodes::default();
                self.add_nodes(doc, &mut nodes).await?;
                let state = aggregate(doc, user, &nodes, now);
                let cause = Cause::by("platform");
                part.say(self.saying(&cause, "im.state.changed", user.as_str(), &state).await?);
            }
            if turn.commit(part).await? {
                self.list_remove("at/", &at(user, resource), n).await?;
                return Ok(n);
            }
        }
    }
}

/// A user's head as it begins. Places in the queue begin where no earlier user of this address had any.
pub fn new_user(origin: &str, now: Millis, n: i64) -> UserDoc {
    UserDoc {
        origin: origin.into(),
        created_at: now,
        state_since: now,
        next: n,
        floor: n - 1,
        ..UserDoc::default()
    }
}
