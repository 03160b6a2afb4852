//! Nodes, sessions, leases in SQLite.
//!
//! All rows of a node belong to its current epoch. A session counts when its node's lease holds at the moment of reading, so an expired lease ends
//! its sessions at once; the sweeper only tidies up.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use im_api::state::{Show, UserState};
use rusqlite::{OptionalExtension, Row, params};

use super::downlink::announce;
use super::users::UserRow;
use super::writer::Tx;
use super::{Sqlite, erase, room, users};
use crate::clock::{self, Millis};
use crate::jid::UserId;
use crate::store::judge::{self, Live};
use crate::store::state::{Change, NodeSnapshot, SessionState, State};
use crate::store::{Cause, Result, StoreError};

/// Users to drain per answer.
const DRAIN: i64 = 1_000;

#[async_trait]
impl State for Sqlite {
    async fn renew(&self, node: &str, epoch: &str, ttl: Millis) -> Result<Vec<String>> {
        let (node, epoch) = (node.to_owned(), epoch.to_owned());
        self.write(move |tx| {
            let sql = "UPDATE nodes SET expires_at = ?3 WHERE node = ?1 AND epoch = ?2 AND expires_at > ?4";
            if tx.conn.prepare_cached(sql)?.execute(params![node, epoch, tx.now + ttl, tx.now])? == 0 {
                return Err(StoreError::UnknownEpoch);
            }
            drain_of_node(tx, &node)
        })
        .await
    }

    async fn snapshot(&self, node: &str, snapshot: NodeSnapshot) -> Result<Vec<String>> {
        let node = node.to_owned();
        self.write(move |tx| apply_snapshot(tx, &node, &snapshot)).await
    }

    async fn change(&self, node: &str, epoch: &str, changes: Vec<Change>) -> Result<Vec<String>> {
        let (node, epoch) = (node.to_owned(), epoch.to_owned());
        self.write(move |tx| {
            let floor = require_epoch(tx, &node, &epoch)?;
            let mut touched = Vec::new();
            for change in changes.iter().filter(|c| c.seq > floor) {
                touched.extend(apply_change(tx, &node, change, From::Node)?);
            }
            drain_among(tx, &touched)
        })
        .await
    }

    async fn set_state(&self, change: Change, ttl: Millis, cause: Cause) -> Result<()> {
        self.write(move |tx| {
            let user = &change.session.user;
            let row = users::known(tx, user)?;
            let before = aggregate(tx, row, user)?;
            apply_change(tx, "", &change, From::Api { expires_at: tx.now + ttl })?;
            let after = aggregate(tx, row, user)?;
            let seen = |s: &UserState| (s.state, s.show, s.status.clone());
            let there = |s: &UserState| {
                s.resources.iter().filter(|r| r.available && r.resource == change.session.resource).count()
            };
            // Its end is said also where another one leads: whoever shows it must take it away.
            if seen(&before) != seen(&after) || there(&before) > there(&after) {
                announce(tx, &cause, "im.state.changed", user.as_str(), &after)?;
            }
            Ok(())
        })
        .await
    }

    async fn user_state(&self, user: &UserId) -> Result<UserState> {
        let user = user.clone();
        self.read(move |tx| {
            let row = users::known(tx, &user)?;
            aggregate(tx, row, &user)
        })
        .await
    }
}

fn aggregate(tx: Tx<'_>, row: UserRow, user: &UserId) -> Result<UserState> {
    let (sessions, since) = sessions_of(tx, row.id, user)?;
    let leading = judge::leading(&sessions);
    Ok(UserState {
        user: user.to_string(),
        state: judge::presence(&sessions),
        reachable: row.pending == 0 && judge::takes_messages(&sessions),
        show: leading.and_then(|s| s.session.show),
        status: leading.and_then(|s| s.session.status.clone()),
        since: clock::format(since.max(row.state_since)),
        resources: sessions.into_iter().map(|s| s.session.into_api()).collect(),
    })
}

/// The floor of the node's epoch: changes up to it are contained in its snapshot.
pub fn require_epoch(tx: Tx<'_>, node: &str, epoch: &str) -> Result<i64> {
    let sql = "SELECT floor FROM nodes WHERE node = ?1 AND epoch = ?2 AND expires_at > ?3";
    let floor =
        tx.conn.prepare_cached(sql)?.query_row(params![node, epoch, tx.now], |r| r.get(0)).optional()?;
    floor.ok_or(StoreError::UnknownEpoch)
}

/// The user's open sessions whose lease holds, and when something about any of them last changed.
pub fn sessions_of(tx: Tx<'_>, id: i64, user: &UserId) -> Result<(Vec<Live>, Millis)> {
    let mut rows = tx.conn.prepare_cached(
        "SELECT s.resource, s.node, s.open, s.available, s.priority, s.show, s.status, s.changed_at,
                coalesce(s.expires_at, n.expires_at, 0)
         FROM sessions s LEFT JOIN nodes n ON n.node = s.node WHERE s.user = ?1",
    )?;
    let (mut live, mut since) = (Vec::new(), 0);
    let mut rows = rows.query([id])?;
    while let Some(row) = rows.next()? {
        let (changed_at, expires_at): (Millis, Millis) = (row.get(7)?, row.get(8)?);
        since = since.max(changed_at);
        if !row.get::<_, bool>(2)? {
            continue;
        }
        if expires_at <= tx.now {
            since = since.max(expires_at);
            continue;
        }
        let session = SessionState {
            user: user.clone(),
            resource: row.get(0)?,
            available: row.get(3)?,
            priority: row.get(4)?,
            show: row.get::<_, Option<String>>(5)?.as_deref().and_then(read_show),
            status: row.get(6)?,
        };
        live.push(Live { session, changed_at, bridged: !row.get_ref(1)?.as_str().unwrap_or("").is_empty() });
    }
    Ok((live, since))
}

/// Says that a state that belonged to no node has run out.
pub fn announce_end(tx: Tx<'_>, user: i64) -> Result<()> {
    let sql = "SELECT jid FROM users WHERE id = ?1";
    let jid: Option<String> = tx.conn.prepare_cached(sql)?.query_row([user], |r| r.get(0)).optional()?;
    let Some(user) = jid.and_then(|jid| UserId::parse(&jid).ok()) else { return Ok(()) };
    let state = aggregate(tx, users::known(tx, &user)?, &user)?;
    announce(tx, &Cause::by("platform"), "im.state.changed", user.as_str(), &state)?;
    Ok(())
}

/// Ends all sessions of a node at `at`. It must send a snapshot to come back.
pub fn expire_node(tx: Tx<'_>, node: &str, at: Millis) -> Result<()> {
    let keep = "UPDATE users SET state_since = max(state_since, ?2) WHERE id IN (SELECT user FROM sessions WHERE node = ?1)";
    tx.conn.prepare_cached(keep)?.execute(params![node, at])?;
    tx.conn.prepare_cached("DELETE FROM sessions WHERE node = ?1")?.execute([node])?;
    tx.conn.prepare_cached("DELETE FROM claims WHERE node = ?1")?.execute([node])?;
    tx.conn
        .prepare_cached("UPDATE nodes SET epoch = NULL, room_floor = -1 WHERE node = ?1")?
        .execute([node])?;
    room::node_gone(tx, node)
}

/// Ends what a lease that ran out held, before something is judged by it.
pub fn expire_due(tx: Tx<'_>) -> Result<usize> {
    let sql = "SELECT node, expires_at FROM nodes WHERE epoch IS NOT NULL AND expires_at <= ?1 LIMIT 10";
    let mut sql = tx.conn.prepare_cached(sql)?;
    let ended = sql
        .query_map([tx.now], |row| Ok((row.get::<_, String>(0)?, row.get::<_, Millis>(1)?)))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    for (node, at) in &ended {
        expire_node(tx, node, *at)?;
        tracing::warn!(node, "the lease of a node ran out; its sessions are closed");
    }
    Ok(ended.len())
}

fn apply_snapshot(tx: Tx<'_>, node: &str, snapshot: &NodeSnapshot) -> Result<Vec<String>> {
    let ended = "SELECT 1 FROM ended_epochs WHERE node = ?1 AND epoch = ?2";
    if tx.conn.prepare_cached(ended)?.exists(params![node, snapshot.epoch])? {
        return Err(StoreError::Conflict("a later epoch of this node has ended this one"));
    }
    let sql = "SELECT epoch, expires_at, floor FROM nodes WHERE node = ?1";
    let row = |r: &Row<'_>| Ok((r.get::<_, Option<String>>(0)?, r.get::<_, Millis>(1)?, r.get::<_, i64>(2)?));
    let known = tx.conn.prepare_cached(sql)?.query_row([node], row).optional()?;
    let mut floor = None;
    if let Some((Some(epoch), expires_at, seq)) = known {
        let same = epoch == snapshot.epoch;
        if same && expires_at > tx.now {
            floor = Some(seq);
        } else {
            expire_node(tx, node, expires_at.min(tx.now))?;
        }
        if !same {
            let sql = "INSERT OR IGNORE INTO ended_epochs (node, epoch, ended_at) VALUES (?1, ?2, ?3)";
            tx.conn.prepare_cached(sql)?.execute(params![node, epoch, tx.now])?;
        }
    }
    let lease = "INSERT INTO nodes (node, epoch, expires_at, floor) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (node) DO UPDATE SET epoch = excluded.epoch, expires_at = excluded.expires_at, floor = excluded.floor";
    let new_floor = floor.unwrap_or(snapshot.seq).max(snapshot.seq);
    tx.conn.prepare_cached(lease)?.execute(params![
        node,
        snapshot.epoch,
        tx.now + snapshot.ttl,
        new_floor
    ])?;
    if floor.is_some_and(|floor| snapshot.seq < floor) {
        // An older picture than the one we have: good as a sign of life only.
        return Ok(Vec::new());
    }
    if floor.is_some() {
        close_absent(tx, node, snapshot)?;
    }
    let mut touched = Vec::new();
    for session in &snapshot.sessions {
        let change = Change { seq: snapshot.seq, open: true, session: session.clone() };
        touched.extend(apply_change(tx, node, &change, From::Snapshot)?);
    }
    drain_among(tx, &touched)
}

/// Sessions that the snapshot does not name and that no later change has touched are over.
fn close_absent(tx: Tx<'_>, node: &str, snapshot: &NodeSnapshot) -> Result<()> {
    let named: HashSet<(&str, &str)> =
        snapshot.sessions.iter().map(|s| (s.user.as_str(), s.resource.as_str())).collect();
    let mut sql = tx.conn.prepare_cached(
        "SELECT u.jid, s.resource FROM sessions s JOIN users u ON u.id = s.user
         WHERE s.node = ?1 AND s.open = 1 AND s.seq <= ?2",
    )?;
    let have = sql
        .query_map(params![node, snapshot.seq], |r| Ok((r.get::<_, String>(0)?, r.get::<_, String>(1)?)))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    for (user, resource) in have {
        if named.contains(&(user.as_str(), resource.as_str())) {
            continue;
        }
        let Ok(user) = UserId::parse(&user) else { continue };
        let session =
            SessionState { user, resource, available: false, priority: 0, show: None, status: None };
        apply_change(tx, node, &Change { seq: snapshot.seq, open: false, session }, From::Snapshot)?;
    }
    Ok(())
}

/// Where a change comes from.
#[derive(Clone, Copy, PartialEq)]
enum From {
    /// A node's stream: only above what is known.
    Node,
    /// A node's snapshot: replaces what it contains, so the same seq as well.
    Snapshot,
    /// A client that is no bridge: only above what is known and has not expired.
    Api { expires_at: Millis },
}

/// Writes one change unless a later one is known; gives the user's id and address if something is pending for it.
fn apply_change(tx: Tx<'_>, node: &str, change: &Change, from: From) -> Result<Option<(i64, String)>> {
    let expires_at = if let From::Api { expires_at } = from { Some(expires_at) } else { None };
    let session = &change.session;
    let user = match users::find(tx, &session.user)? {
        Some(user) => user,
        // Only somebody who creates the account anew makes it known again so soon.
        None if erase::recently(tx, &session.user)? => return Ok(None),
        None => users::seen(tx, &session.user)?,
    };
    let available = change.open && session.available;
    let drain = available && session.priority >= 0 && user.pending > 0 && !node.is_empty();
    // changed_at moves only when something that can be seen changes.
    let written = tx
        .conn
        .prepare_cached(
            "INSERT INTO sessions (user, resource, node, seq, open, available, priority, show, status, changed_at, expires_at, drain)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
             ON CONFLICT (user, resource, node) DO UPDATE SET
                seq = excluded.seq, open = excluded.open, available = excluded.available, priority = excluded.priority,
                show = excluded.show, status = excluded.status, expires_at = excluded.expires_at, drain = excluded.drain,
                changed_at = CASE WHEN open = excluded.open AND available = excluded.available AND priority = excluded.priority
                    AND show IS excluded.show AND status IS excluded.status THEN changed_at ELSE excluded.changed_at END
             WHERE excluded.seq > seq OR (?13 AND excluded.seq = seq) OR expires_at <= ?10",
        )?
        .execute(params![
            user.id,
            session.resource,
            node,
            change.seq,
            change.open,
            available,
            session.priority,
            session.show.map(write_show),
            session.status,
            tx.now,
            expires_at,
            drain,
            from == From::Snapshot,
        ])?;
    if written > 0 && !change.open {
        room::session_gone(tx, node, session.user.as_str(), &session.resource)?;
    }
    if written > 0 && !available {
        let sql = "DELETE FROM claims WHERE user = ?1 AND node = ?2 AND resource = ?3";
        tx.conn.prepare_cached(sql)?.execute(params![user.id, node, session.resource])?;
    }
    Ok((user.pending > 0).then(|| (user.id, session.user.to_string())))
}

/// Of these users, those that have something pending that nobody claims, and a session that could take it.
fn drain_among(tx: Tx<'_>, touched: &[(i64, String)]) -> Result<Vec<String>> {
    let unique: HashMap<i64, &String> = touched.iter().map(|(id, jid)| (*id, jid)).collect();
    let mut drain = Vec::new();
    for (id, jid) in unique {
        let sql = "SELECT 1 FROM sessions s JOIN nodes n ON n.node = s.node AND n.expires_at > ?2
            WHERE s.user = ?1 AND s.drain = 1";
        if tx.conn.prepare_cached(sql)?.exists(params![id, tx.now])? && !is_claimed(tx, id)? {
            drain.push(jid.clone());
        }
    }
    drain.sort();
    Ok(drain)
}

fn drain_of_node(tx: Tx<'_>, node: &str) -> Result<Vec<String>> {
    let mut sql = tx.conn.prepare_cached(
        "SELECT DISTINCT s.user, u.jid FROM sessions s JOIN users u ON u.id = s.user
         WHERE s.node = ?1 AND s.drain = 1 LIMIT ?2",
    )?;
    let users = sql
        .query_map(params![node, DRAIN], |r| Ok((r.get::<_, i64>(0)?, r.get::<_, String>(1)?)))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let mut drain = Vec::new();
    for (id, jid) in users {
        if !is_claimed(tx, id)? {
            drain.push(jid);
        }
    }
    Ok(drain)
}

/// Whether a claim on the user's messages holds: not timed out, and its session is there under the same epoch.
pub fn is_claimed(tx: Tx<'_>, user: i64) -> Result<bool> {
    let sql = "SELECT 1 FROM claims c
        JOIN nodes n ON n.node = c.node AND n.epoch = c.epoch AND n.expires_at > ?2
        JOIN sessions s ON s.user = c.user AND s.resource = c.resource AND s.node = c.node AND s.open = 1 AND s.available = 1
        WHERE c.user = ?1 AND c.expires_at > ?2";
    Ok(tx.conn.prepare_cached(sql)?.exists(params![user, tx.now])?)
}

fn write_show(show: Show) -> &'static str {
    match show {
        Show::Away => "away",
        Show::Chat => "chat",
        Show::Dnd => "dnd",
        Show::Xa => "xa",
    }
}

pub fn read_show(text: &str) -> Option<Show> {
    match text {
        "away" => Some(Show::Away),
        "chat" => Some(Show::Chat),
        "dnd" => Some(Show::Dnd),
        "xa" => Some(Show::Xa),
        _ => None,
    }
}
