//! Messages. Two partitions know of a message: its key's, which says whose it is or that it was settled before it came, and its recipient's, which holds
//! what was decided, the queue, and whether anything is pending. A key gets its owner by a conditional write before anything is decided, so a
//! settlement finds either nothing, and is noted for a late request, or the owner, in whose partition it and the decision are one after the other.
//!
//! Everything that is decided about one recipient in one request is one conditional write on the recipient's head. Bodies are written before it.

use std::collections::{BTreeMap, HashMap, HashSet};

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use im_api::chat::{Claim, History, Outcome, Pending, PendingItem, Settled, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::cql::{Cas, looked_up};
use super::list::ttl;
use super::schema::USERS;
use super::users::{ClaimDoc, Nodes, UserDoc};
use super::{AT_ONCE, Cassandra};
use crate::clock::{self, Millis};
use crate::jid::UserId;
use crate::store::chat::{CLAIM_TTL, Chat, Claimant, HistoryPage, Message};
use crate::store::judge::{self, Judgement, Situation};
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

/// What the sender of a message to somebody who blocks him gets (XEP-0191 5.3).
fn blocked() -> Verdict {
    Verdict::Refuse { kind: "cancel".into(), condition: "service-unavailable".into(), text: None }
}

/// What is known under a key beside its recipient's partition.
#[derive(Debug)]
enum Key {
    /// The decision is in the recipient's partition, or will be.
    Owned,
    /// It was decided for somebody else before.
    Of(String),
    /// It is nobody's.
    Native,
    Settled,
}

impl Cassandra {
    /// Decides about all messages to one recipient, in order.
    async fn decide_for(
        &self,
        user: Option<&str>,
        messages: &[Message],
        places: &[usize],
    ) -> Result<Vec<(usize, Verdict)>> {
        let mut verdicts = Vec::with_capacity(places.len());
        for piece in places.chunks(PIECE) {
            let keys: HashSet<String> = piece.iter().map(|i| messages[*i].key.clone()).collect();
            let keys: HashMap<String, Key> = stream::iter(keys)
                .map(|key| async move {
                    let known = self.own_key(&key, user.unwrap_or_default()).await?;
                    Ok::<_, StoreError>((key, known))
                })
                .buffer_unordered(AT_ONCE)
                .try_collect()
                .await?;
            verdicts.extend(self.decide_piece(user, messages, piece, keys).await?);
        }
        Ok(verdicts)
    }

    /// Makes the recipient the key's owner, unless somebody else is or it was settled.
    async fn own_key(&self, key: &str, owner: &str) -> Result<Key> {
        let ttl = ttl(self.settings.history);
        let mut tried = 0;
        loop {
            let sql = "INSERT INTO keys (key, owner) VALUES (?, ?) IF NOT EXISTS USING TTL ?";
            let answer = self.cql.cas(sql, (self.key(key), owner, ttl)).await;
            match looked_up(answer, &mut tried).await? {
                None => continue,
                Some(Cas::Done) => return Ok(Key::Owned),
                Some(Cas::Refused(row)) => {
                    let known = row.text("owner");
                    return Ok(match row.text("word") {
                        "native" => Key::Native,
                        "" if known == owner => Key::Owned,
                        "" => Key::Of(known.to_owned()),
                        _ => Key::Settled,
                    });
                }
            }
        }
    }

    /// Notes that a key is nobody's; false when it was settled meanwhile.
    async fn native_key(&self, key: &str) -> Result<bool> {
        let ttl = ttl(self.settings.history);
        let mut tried = 0;
        loop {
            let sql = "UPDATE keys USING TTL ? SET word = 'native', owner = '' WHERE key = ? IF word IN (null, 'native')";
            let answer = self.cql.cas(sql, (ttl, self.key(key))).await;
            match looked_up(answer, &mut tried).await? {
                None => continue,
                Some(Cas::Done) => return Ok(true),
                Some(Cas::Refused(_)) => return Ok(false),
            }
        }
    }

    /// A key that was nobody's is the recipient's from now on; false when it was settled meanwhile.
    async fn adopt_key(&self, key: &str, owner: &str) -> Result<bool> {
        let ttl = ttl(self.settings.history);
        let mut tried = 0;
        loop {
            let sql = "UPDATE keys USING TTL ? SET word = null, owner = ? WHERE key = ? IF word IN (null, 'native')";
            let answer = self.cql.cas(sql, (ttl, owner, self.key(key))).await;
            match looked_up(answer, &mut tried).await? {
                None => continue,
                Some(Cas::Done) => return Ok(true),
                Some(Cas::Refused(_)) => return Ok(false),
            }
        }
    }

    async fn decide_piece(
        &self,
        user: Option<&str>,
        messages: &[Message],
        piece: &[usize],
        mut keys: HashMap<String, Key>,
    ) -> Result<Vec<(usize, Verdict)>> {
        let recipient = user.and_then(|user| UserId::parse(user).ok());
        if let Some(recipient) = &recipient {
            // Asked again, what was nobody's is judged anew, by its recipient now.
            for i in piece {
                let message = &messages[*i];
                let anew = message.again
                    && matches!(keys.get(message.key.as_str()), Some(Key::Native))
                    && self.find_user(recipient.as_str()).await?.is_some();
                if anew {
                    let owned = self.adopt_key(&message.key, recipient.as_str()).await?;
                    keys.insert(message.key.clone(), if owned { Key::Owned } else { Key::Settled });
                }
            }
            if let Some(verdicts) = self.decide_known(recipient, messages, piece, &keys).await? {
                return Ok(verdicts);
            }
        }
        // Nobody here.
        let mut verdicts = Vec::with_capacity(piece.len());
        for i in piece {
            let key = messages[*i].key.as_str();
            let verdict = match keys.get(key) {
                Some(Key::Settled) => Verdict::Settled,
                Some(Key::Of(owner)) => self.elsewhere(owner, key).await?,
                _ if self.native_key(key).await? => Verdict::Native,
                _ => Verdict::Settled,
            };
            verdicts.push((*i, verdict));
        }
        Ok(verdicts)
    }

    /// The first answer under a key that was another recipient's.
    async fn elsewhere(&self, owner: &str, key: &str) -> Result<Verdict> {
        let floor = self.find_user(owner).await?.map_or(0, |doc| doc.floor);
        let decision = self.row::<Decision>(USERS, owner, &decision_row(key)).await?;
        Ok(decision.map_or(Verdict::Native, |d| {
            if d.settled.is_some() {
                return Verdict::Settled;
            }
            match d.status(floor) {
                "pending" | "handed_over" => Verdict::Stored,
                "delivered" => Verdict::Deliver,
                "refused" => blocked(),
                _ => Verdict::Native,
            }
        }))
    }

    /// None: there is no such user.
    async fn decide_known(
        &self,
        recipient: &UserId,
        messages: &[Message],
        piece: &[usize],
        keys: &HashMap<String, Key>,
    ) -> Result<Option<Vec<(usize, Verdict)>>> {
        let user = recipient.as_str();
        let rows: Vec<String> = keys.keys().map(|key| decision_row(key)).collect();
        let mut turn = self.turn(USERS, user).await;
        // Bodies that an earlier try has written and nothing refers to.
        let mut stray: Vec<(Letter, i64, String)> = Vec::new();
        loop {
            let mut part = turn.load::<UserDoc>().await?;
            let n = part.n;
            let Some(doc) = part.doc.as_mut().filter(|doc| !doc.erasing) else {
                self.forget_letters(user, &stray).await?;
                return Ok(None);
            };
            let known: Vec<(String, Decision)> = self.rows_of(USERS, user, &rows).await?;
            let mut known: HashMap<String, Decision> =
                known.into_iter().map(|(sort, d)| (sort.trim_start_matches("k/").to_owned(), d)).collect();
            let mut nodes = Nodes::default();
            self.add_nodes(doc, &mut nodes).await?;
            let now = self.clock.now();
            let (sessions, _) = doc.live(recipient, &nodes, now);
            let senders: HashSet<String> =
                piece.iter().map(|i| messages[*i].from.to_bare().into_inner()).collect();
            let blocked_ones = self.blocked_by(user, senders.into_iter().collect()).await?;
            let before = doc.pending;
            let mut verdicts = Vec::with_capacity(piece.len());
            let mut written: Vec<(Decision, usize)> = Vec::new();
            let mut elsewhere = Vec::new();
            for i in piece {
                let message = &messages[*i];
                match keys.get(message.key.as_str()) {
                    Some(Key::Settled) => {
                        verdicts.push((*i, Verdict::Settled));
                        continue;
                    }
                    Some(Key::Of(owner)) => {
                        elsewhere.push((*i, owner.clone()));
                        continue;
                    }
                    Some(Key::Native) if !message.again => {
                        verdicts.push((*i, Verdict::Native));
                        continue;
                    }
                    _ => {}
                }
                if let Some(verdict) =
                    known.get(&message.key).and_then(|d| first_answer(d, doc.floor, message.again))
                {
                    verdicts.push((*i, verdict));
                    continue;
                }
                let id = n + i64::try_from(written.len()).unwrap_or(0);
                let mut decision = Decision {
                    status: String::new(),
                    place: None,
                    id,
                    settled: None,
                    decided_at: now,
                    letter: None,
                };
                let verdict = if blocked_ones.contains(message.from.to_bare().as_str()) {
                    decision.status = "refused".into();
                    blocked()
                } else {
                    let judgement = judge::judge(Situation {
                        sessions: &sessions,
                        pending: doc.pending > 0,
                        resource: message.to.resource().map(|r| r.as_str()),
                        storable: message.storable && message.stanza.is_some(),
                        gone: message.gone,
                    });
                    if judgement != Judgement::Native && message.storable {
                        decision.letter = message.stanza.as_ref().map(|stanza| Letter {
                            from: message.from.to_string(),
                            to: message.to.to_string(),
                            sent_at: message.sent_at,
                            bytes: stanza.len(),
                        });
                    }
                    match judgement {
                        Judgement::Deliver => {
                            decision.status = "delivered".into();
                            Verdict::Deliver
                        }
                        Judgement::Native => {
                            decision.status = "native".into();
                            Verdict::Native
                        }
                        // Not remembered: asked again later it may fit.
                        Judgement::Store if doc.pending >= self.settings.max_pending => {
                            verdicts.push((
                                *i,
                                Verdict::Refuse {
                                    kind: "wait".into(),
                                    condition: "resource-constraint".into(),
                                    text: None,
                                },
                            ));
                            continue;
                        }
                        Judgement::Store => {
                            decision.status = "pending".into();
                            decision.place = Some(doc.next);
                            doc.next += 1;
                            doc.pending += 1;
                            Verdict::Stored
                        }
                    }
                };
                known.insert(message.key.clone(), decision.clone());
                written.push((decision, *i));
                verdicts.push((*i, verdict));
            }
            let flips = before == 0 && doc.pending > 0;
            if flips {
                self.list_put("pending", user, "", n, None).await?;
                for node in doc.drains(&nodes, now) {
                    self.list_put(&format!("drain/{node}"), user, "", n, None).await?;
                }
            }
            // The next commit's number is above all ids given here.
            part.n = n + i64::try_from(written.len()).unwrap_or(0);
            let old_ones = ttl(self.settings.history);
            for (decision, i) in &written {
                let key = &messages[*i].key;
                let life = if decision.place.is_some() { None } else { Some(old_ones) };
                part.put(decision_row(key), decision, life)?;
                if let (Some(place), Some(letter)) = (decision.place, &decision.letter) {
                    let queued = Queued { key: key.clone(), id: decision.id, sent_at: letter.sent_at };
                    part.put(place_row(place), &queued, None)?;
                }
            }
            self.write_letters(user, messages, &written).await?;
            for (i, owner) in &elsewhere {
                verdicts.push((*i, self.elsewhere(owner, &messages[*i].key).await?));
            }
            if turn.commit(part).await? {
                drop(turn);
                self.forget_letters(user, &stray).await?;
                return Ok(Some(verdicts));
            }
            let letters =
                written.into_iter().filter_map(|(d, i)| Some((d.letter?, d.id, messages[i].key.clone())));
            stray.extend(letters);
        }
    }

    /// Bodies and where they are found, side by side.
    async fn write_letters(
        &self,
        user: &str,
        messages: &[Message],
        written: &[(Decision, usize)],
    ) -> Result<()> {
        stream::iter(written)
            .map(Ok)
            .try_for_each_concurrent(AT_ONCE, |(decision, i)| async move {
                let message = &messages[*i];
                let (Some(letter), Some(stanza)) = (&decision.letter, &message.stanza) else { return Ok(()) };
                let life = if decision.place.is_some() { 0 } else { ttl(self.settings.history) };
                self.write_letter(user, decision.id, &message.key, letter, stanza, life).await
            })
            .await
    }

    /// What was handed over lives as long as the history from now on. The queue's entries are behind its floor already.
    async fn tidy_handed(&self, user: &str, handed: Vec<(String, Queued)>, n: i64) -> Result<()> {
        let life = ttl(self.settings.history);
        let rows: Vec<String> = handed.iter().map(|(_, queued)| decision_row(&queued.key)).collect();
        let decisions: Vec<(String, Decision)> = self.rows_of(USERS, user, &rows).await?;
        let now = self.clock.now();
        stream::iter(decisions)
            .map(Ok)
            .try_for_each_concurrent(AT_ONCE, |(sort, mut decision)| async move {
                decision.decided_at = now;
                let key = sort.trim_start_matches("k/");
                if let (Some(letter), Some(stanza)) =
                    (&decision.letter, self.body(user, decision.id, key).await?)
                {
                    self.write_letter(user, decision.id, key, letter, stanza.get(), life).await?;
                }
                // With the number of the commit: a later erasure stays the last word.
                let sql = "INSERT INTO users (id, sort, body) VALUES (?, ?, ?) USING TIMESTAMP ? AND TTL ?";
                self.cql.write(sql, (self.key(user), &sort, super::part::json(&decision)?, n, life)).await
            })
            .await?;
        if let Some((last, _)) = handed.last() {
            let sql = "DELETE FROM users USING TIMESTAMP ? WHERE id = ? AND sort >= 'q/' AND sort <= ?";
            self.cql.write(sql, (n, self.key(user), last)).await?;
        }
        Ok(())
    }

    async fn settle_one(&self, key: &str, outcome: Outcome) -> Result<Settled> {
        let status = match outcome {
            Outcome::Delivered => "delivered",
            Outcome::Refused => "refused",
        };
        let mut tried = 0;
        let life = ttl(self.settings.history);
        let owner = loop {
            let sql =
                "INSERT INTO keys (key, owner, word) VALUES (?, '', 'settled') IF NOT EXISTS USING TTL ?";
            let answer = self.cql.cas(sql, (self.key(key), life)).await;
            match looked_up(answer, &mut tried).await? {
                None => {}
                Some(Cas::Done) => return Ok(Settled::Noted),
                Some(Cas::Refused(row)) if row.text("word") == "native" => {
                    let sql = "UPDATE keys USING TTL ? SET word = 'settled', owner = '' WHERE key = ? IF word = 'native'";
                    let answer = self.cql.cas(sql, (life, self.key(key))).await;
                    if let Some(Cas::Done) = looked_up(answer, &mut tried).await? {
                        return Ok(Settled::Noted);
                    }
                }
                Some(Cas::Refused(row)) if row.text("word") == "settled" => return Ok(Settled::Noted),
                Some(Cas::Refused(row)) => break row.text("owner").to_owned(),
            }
        };
        self.settle_at(&owner, key, status).await
    }

    /// Settles in the owner's partition, before or after the decision.
    async fn settle_at(&self, owner: &str, key: &str, status: &str) -> Result<Settled> {
        let mut turn = self.turn(USERS, owner).await;
        loop {
            let mut part = turn.load::<UserDoc>().await?;
            let n = part.n;
            let now = self.clock.now();
            let Some(doc) = part.doc.as_mut().filter(|doc| !doc.erasing) else {
                // Its owner is gone, and with it what was kept.
                drop(turn);
                let sql =
                    "UPDATE keys USING TTL ? SET word = 'settled', owner = '' WHERE key = ? IF owner = ?";
                self.cql.cas(sql, (ttl(self.settings.history), self.key(key), owner)).await?;
                return Ok(Settled::Noted);
            };
            let before = self.row::<Decision>(USERS, owner, &decision_row(key)).await?;
            let mut decision = before.unwrap_or(Decision {
                status: "settled".into(),
                place: None,
                id: n,
                settled: None,
                decided_at: now,
                letter: None,
            });
            if let Some(first) = &decision.settled {
                return Ok(if first == "cancelled" { Settled::Cancelled } else { Settled::Noted });
            }
            let found = match decision.status(doc.floor) {
                "handed_over" => return Ok(Settled::HandedOver),
                "pending" => Settled::Cancelled,
                _ => Settled::Noted,
            };
            let mut emptied = false;
            if found == Settled::Cancelled {
                if let Some(place) = decision.place.take() {
                    part.remove(place_row(place));
                }
                let Some(doc) = part.doc.as_mut() else { return Ok(Settled::Noted) };
                doc.pending -= 1;
                if doc.pending <= 0 {
                    doc.pending = 0;
                    doc.claim = None;
                    emptied = true;
                }
            }
            decision.settled = Some(if found == Settled::Cancelled { "cancelled" } else { "noted" }.into());
            if decision.status != "settled" {
                decision.status = status.into();
            }
            part.put(decision_row(key), &decision, Some(ttl(self.settings.history)))?;
            if turn.commit(part).await? {
                drop(turn);
                if emptied {
                    self.list_remove("pending", owner, n).await?;
                }
                if found == Settled::Cancelled
                    && let (Some(letter), Some(stanza)) =
                        (&decision.letter, self.body(owner, decision.id, key).await?)
                {
                    let life = ttl(self.settings.history);
                    self.write_letter(owner, decision.id, key, letter, stanza.get(), life).await?;
                }
                return Ok(found);
            }
        }
    }

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

/// What a key was answered before, if that answer stands.
fn first_answer(decision: &Decision, floor: i64, again: bool) -> Option<Verdict> {
    // A settlement is the last word, whenever it came.
    if decision.settled.is_some() {
        return Some(Verdict::Settled);
    }
    match (decision.status(floor), again) {
        ("pending", _) => Some(Verdict::Stored),
        ("handed_over", true) => Some(Verdict::HandedOver),
        // It was stored at first, and nothing but a hand-over came of it.
        ("handed_over", false) => Some(Verdict::Stored),
        ("delivered", false) => Some(Verdict::Deliver),
        ("native", false) => Some(Verdict::Native),
        ("refused", false) => Some(blocked()),
        _ => None,
    }
}

/// JSON, as it was written.
pub fn raw(text: String) -> Result<Box<RawValue>> {
    RawValue::from_string(text).map_err(|e| StoreError::Corrupt(Box::new(e)))
}
