//! What becomes of messages: whose their keys are, the verdicts, and the commit that holds them.

use std::collections::{HashMap, HashSet};

use futures::{StreamExt, TryStreamExt, stream};
use im_api::chat::Verdict;

use super::{Decision, Letter, PIECE, Queued, decision_row, place_row};
use crate::jid::UserId;
use crate::store::cassandra::cql::{Cas, looked_up};
use crate::store::cassandra::list::ttl;
use crate::store::cassandra::part::json;
use crate::store::cassandra::schema::USERS;
use crate::store::cassandra::users::{Nodes, UserDoc};
use crate::store::cassandra::{AT_ONCE, Cassandra};
use crate::store::chat::Message;
use crate::store::judge::{self, Judgement, Situation};
use crate::store::{Result, StoreError};

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
    pub(super) async fn decide_for(
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
    pub(super) async fn tidy_handed(&self, user: &str, handed: Vec<(String, Queued)>, n: i64) -> Result<()> {
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
                self.cql.write(sql, (self.key(user), &sort, json(&decision)?, n, life)).await
            })
            .await?;
        if let Some((last, _)) = handed.last() {
            let sql = "DELETE FROM users USING TIMESTAMP ? WHERE id = ? AND sort >= 'q/' AND sort <= ?";
            self.cql.write(sql, (n, self.key(user), last)).await?;
        }
        Ok(())
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
