//! Messages. Two partitions know of a message: its key's, which says whose it is or that it was settled before it came, and its recipient's, which holds
//! what was decided, the queue, and whether anything is pending. A key gets its owner by a conditional write before anything is decided, so a
//! settlement finds either nothing, and is noted for a late request, or the owner, in whose partition it and the decision are one after the other.
//!
//! Everything that is decided about one recipient in one request is one conditional write on the recipient's head. Bodies are written before it.

mod decide;
mod settle;

use std::collections::BTreeMap;

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use im_api::chat::{Claim, History, Outcome, Pending, PendingItem, Settled, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::schema::USERS;
use super::users::{ClaimDoc, Nodes, UserDoc};
use super::{AT_ONCE, Cassandra};
use crate::clock::{self, Millis};
use crate::jid::UserId;
use crate::store::chat::{CLAIM_TTL, Chat, Claimant, HistoryPage, Message};
use crate::store::{Result, StoreError};

/// Decisions of one commit.
const PIECE: usize = 64;

/// What was decided about a key, in its recipient's partition.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Decision {
    pub status: String,
    /// Its place in the queue, when it was stored: handed over once the queue's floor has reached it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<i64>,
    /// Its number in every history.
    pub id: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<String>,
    pub decided_at: Millis,
    /// Absent when its text is not kept; then it names nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub letter: Option<Letter>,
}

/// The outside of a message that is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Letter {
    pub from: String,
    pub to: String,
    pub sent_at: Millis,
    pub bytes: usize,
}

impl Decision {
    /// `handed_over` follows from the queue's floor, so a hand-over is one write however much it hands over.
    pub fn status(&self, floor: i64) -> &str {
        match self.place {
            Some(place) if self.status == "pending" && place <= floor => "handed_over",
            _ => &self.status,
        }
    }
}

/// An entry of a queue.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Queued {
    pub key: String,
    pub id: i64,
    pub sent_at: Millis,
}

pub fn decision_row(key: &str) -> String {
    format!("k/{key}")
}

pub fn place_row(place: i64) -> String {
    format!("q/{place:020}")
}

#[async_trait]
impl Chat for Cassandra {
    async fn decide(&self, node: &str, epoch: &str, messages: Vec<Message>) -> Result<Vec<Verdict>> {
        self.epoch(node, epoch).await?;
        let mut by_user: BTreeMap<Option<String>, Vec<usize>> = BTreeMap::new();
        for (i, message) in messages.iter().enumerate() {
            by_user.entry(UserId::of(&message.to).map(|u| u.to_string())).or_default().push(i);
        }
        let messages = &messages;
        let decided: Vec<Vec<(usize, Verdict)>> = stream::iter(by_user)
            .map(|(user, places)| async move { self.decide_for(user.as_deref(), messages, &places).await })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        let mut verdicts: Vec<(usize, Verdict)> = decided.into_iter().flatten().collect();
        verdicts.sort_by_key(|(i, _)| *i);
        Ok(verdicts.into_iter().map(|(_, verdict)| verdict).collect())
    }

    async fn settle(&self, items: Vec<(String, Outcome)>) -> Result<Vec<Settled>> {
        self.open_or()?;
        // In order where one key comes twice; the others side by side.
        let mut by_key: Vec<(String, Vec<(usize, Outcome)>)> = Vec::new();
        for (i, (key, outcome)) in items.into_iter().enumerate() {
            match by_key.iter_mut().find(|(known, _)| *known == key) {
                Some((_, all)) => all.push((i, outcome)),
                None => by_key.push((key, vec![(i, outcome)])),
            }
        }
        let settled: Vec<Vec<(usize, Settled)>> = stream::iter(by_key)
            .map(|(key, all)| async move {
                let mut settled = Vec::new();
                for (i, outcome) in all {
                    settled.push((i, self.settle_one(&key, outcome).await?));
                }
                Ok::<_, StoreError>(settled)
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        let mut settled: Vec<(usize, Settled)> = settled.into_iter().flatten().collect();
        settled.sort_by_key(|(i, _)| *i);
        Ok(settled.into_iter().map(|(_, settled)| settled).collect())
    }

    async fn claim(&self, user: &UserId, claimant: Claimant) -> Result<Claim> {
        let node = self.epoch(&claimant.node, &claimant.epoch).await?;
        let mut turn = self.turn(USERS, user.as_str()).await;
        loop {
            let mut part = turn.load::<UserDoc>().await?;
            let doc = part.doc.as_mut().filter(|doc| !doc.erasing).ok_or(StoreError::NotFound("user"))?;
            let mut nodes = Nodes::default();
            self.add_nodes(doc, &mut nodes).await?;
            nodes.0.insert(claimant.node.clone(), Some(node.clone()));
            let now = self.clock.now();
            let pending = u64::try_from(doc.pending).unwrap_or(0);
            let answer =
                |claim| Claim { claim, pending, ttl_ms: u32::try_from(CLAIM_TTL).unwrap_or(u32::MAX) };
            if doc.claimed(&nodes, now) {
                let mine = doc.claim.as_ref().filter(|c| {
                    c.node == claimant.node
                        && c.epoch == claimant.epoch
                        && c.resource == claimant.resource
                        && c.idempotency.is_some()
                        && c.idempotency == claimant.idempotency
                });
                return mine.map(|c| answer(c.claim.clone())).ok_or(StoreError::Claimed);
            }
            let takes = doc.sessions.iter().any(|s| {
                s.node == claimant.node
                    && s.resource == claimant.resource
                    && s.life == node.life
                    && s.open
                    && s.available
                    && s.priority >= 0
            });
            if !takes {
                return Err(StoreError::Conflict(
                    "this session cannot take messages: not available with priority >= 0",
                ));
            }
            let id = Uuid::now_v7().to_string();
            if doc.pending > 0 {
                doc.claim = Some(ClaimDoc {
                    claim: id.clone(),
                    node: claimant.node.clone(),
                    epoch: claimant.epoch.clone(),
                    life: node.life,
                    resource: claimant.resource.clone(),
                    idempotency: claimant.idempotency.clone(),
                    expires_at: now + CLAIM_TTL,
                });
            }
            if turn.commit(part).await? {
                return Ok(answer(id));
            }
        }
    }

    async fn pending(&self, user: &UserId, claim: &str, limit: u32) -> Result<Pending> {
        self.open_or()?;
        let mut turn = self.turn(USERS, user.as_str()).await;
        let floor = loop {
            let mut part = turn.load::<UserDoc>().await?;
            let doc = part.doc.as_mut().filter(|doc| !doc.erasing).ok_or(StoreError::NotFound("user"))?;
            if !self.hold(doc, claim).await? {
                return Ok(Pending { items: Vec::new() });
            }
            let floor = doc.floor;
            if turn.commit(part).await? {
                break floor;
            }
        };
        drop(turn);
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let (from, to) = (place_row(floor + 1), place_row(i64::MAX));
        let queue: Vec<(String, Queued)> =
            self.rows(USERS, user.as_str(), (&from, &to), limit, false).await?;
        let items: Vec<Option<PendingItem>> = stream::iter(queue)
            .map(|(sort, queued)| async move {
                let Some(stanza) = self.body(user.as_str(), queued.id, &queued.key).await? else {
                    // Cancelled or erased since it was listed.
                    return Ok::<_, StoreError>(None);
                };
                Ok(Some(PendingItem {
                    seq: sort.trim_start_matches("q/").trim_start_matches('0').parse().unwrap_or(0),
                    key: queued.key,
                    sent_at: clock::format(queued.sent_at),
                    stanza,
                }))
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        Ok(Pending { items: items.into_iter().flatten().collect() })
    }

    async fn handed_over(&self, user: &UserId, claim: &str, upto: u64) -> Result<u64> {
        self.open_or()?;
        let upto = i64::try_from(upto).unwrap_or(i64::MAX);
        let mut turn = self.turn(USERS, user.as_str()).await;
        let (handed, n, left) = loop {
            let mut part = turn.load::<UserDoc>().await?;
            let n = part.n;
            let doc = part.doc.as_mut().filter(|doc| !doc.erasing).ok_or(StoreError::NotFound("user"))?;
            if !self.hold(doc, claim).await? {
                return Ok(0);
            }
            let upto = upto.min(doc.next - 1);
            let mut handed = Vec::new();
            if upto > doc.floor {
                let (from, to) = (place_row(doc.floor + 1), place_row(upto + 1));
                handed = self.rows::<Queued>(USERS, user.as_str(), (&from, &to), i32::MAX, false).await?;
                doc.pending -= i64::try_from(handed.len()).unwrap_or(0);
                doc.floor = upto;
            }
            if doc.pending <= 0 {
                doc.pending = 0;
                doc.claim = None;
            }
            let left = u64::try_from(doc.pending).unwrap_or(0);
            if turn.commit(part).await? {
                break (handed, n, left);
            }
        };
        drop(turn);
        if left == 0 {
            self.list_remove("pending", user.as_str(), n).await?;
        }
        self.tidy_handed(user.as_str(), handed, n).await?;
        Ok(left)
    }

    async fn give_back(&self, user: &UserId, claim: &str) -> Result<()> {
        self.open_or()?;
        let mut turn = self.turn(USERS, user.as_str()).await;
        loop {
            let mut part = turn.load::<UserDoc>().await?;
            let Some(doc) = part.doc.as_mut() else { return Ok(()) };
            if doc.claim.as_ref().is_none_or(|c| c.claim != claim) {
                return Ok(());
            }
            doc.claim = None;
            if turn.commit(part).await? {
                return Ok(());
            }
        }
    }

    async fn any_pending(&self) -> Result<bool> {
        self.open_or()?;
        Ok(!self.waiting(1, "").await?.is_empty())
    }

    async fn history(&self, page: HistoryPage) -> Result<History> {
        self.open_or()?;
        self.history_page(&page).await
    }
}

impl Cassandra {
    /// Checks the claim and prolongs it. False: nothing is pending, so there is nothing to hold (the repetition of a last DELETE comes here).
    async fn hold(&self, doc: &mut UserDoc, claim: &str) -> Result<bool> {
        if doc.pending == 0 {
            return Ok(false);
        }
        let mut nodes = Nodes::default();
        self.add_nodes(doc, &mut nodes).await?;
        let now = self.clock.now();
        let held = doc.claimed(&nodes, now);
        match doc.claim.as_mut().filter(|c| held && c.claim == claim) {
            Some(mine) => {
                mine.expires_at = now + CLAIM_TTL;
                Ok(true)
            }
            None if held => Err(StoreError::Claimed),
            None => Err(StoreError::Conflict("this claim is over")),
        }
    }

    /// Users for whom something waits, by address, with their heads.
    pub(super) async fn waiting(&self, limit: usize, after: &str) -> Result<Vec<(String, UserDoc)>> {
        let (mut found, mut after) = (Vec::new(), after.to_owned());
        loop {
            let hints = self.list_walk("pending", "", &after, limit.max(20)).await?;
            let Some((last, _)) = hints.last() else { return Ok(found) };
            after = last.clone();
            for (user, _) in hints {
                let (n, doc) = self.head_n::<UserDoc>(USERS, &user).await?;
                match doc.filter(|doc| !doc.erasing && doc.pending > 0) {
                    Some(doc) => found.push((user, doc)),
                    None => self.list_remove("pending", &user, n).await?,
                }
                if found.len() >= limit {
                    return Ok(found);
                }
            }
        }
    }
}

/// JSON, as it was written.
pub fn raw(text: String) -> Result<Box<RawValue>> {
    RawValue::from_string(text).map_err(|e| StoreError::Corrupt(Box::new(e)))
}
