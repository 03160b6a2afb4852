//! A room's timeline: in stretches of its own, texts beside it, receipts as counts. A commit that puts messages on it keeps them in the room's head; they
//! are copied to their stretch after it, and by whoever commits next.

use std::collections::HashMap;

use futures::{StreamExt, TryStreamExt, stream};
use im_api::room::{Affiliation, ReceiptKind, RoomMessage, RoomMessages, RoomPosted};
use uuid::Uuid;

use super::{Counts, Line, Posted, RoomDoc, home, key_row, member_row, receipts, stretch};
use crate::clock;
use crate::jid::UserId;
use crate::store::cassandra::cql::{Cas, looked_up};
use crate::store::cassandra::list::ttl;
use crate::store::cassandra::part::{json, read_json};
use crate::store::cassandra::schema::{RECEIPTS, ROOMS};
use crate::store::cassandra::{AT_ONCE, Cassandra, DAY_MICROS};
use crate::store::room::Spoken;
use crate::store::{Result, StoreError};

impl Cassandra {
    pub(in super::super) async fn speak_piece(
        &self,
        room: &str,
        messages: &[Spoken],
    ) -> Result<Vec<RoomPosted>> {
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

    pub(in super::super) async fn remove_text(&self, room: &str, line: &Line) -> Result<()> {
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
            let values = (self.key(room), stretch(line.seq), line.seq, json(line)?, line.id, life);
            self.cql.write(sql, values).await?;
        }
        Ok(())
    }

    /// Makes a key this room's.
    pub(in super::super) async fn own_room_key(&self, room: &str, key: &str) -> Result<()> {
        let mut tried = 0;
        loop {
            let sql = "INSERT INTO keys (key, owner) VALUES (?, ?) IF NOT EXISTS USING TTL ?";
            let values = (self.key(&format!("said\0{key}")), room, ttl(self.settings.rooms));
            match looked_up(self.cql.cas(sql, values).await, &mut tried).await? {
                None => {}
                Some(Cas::Refused(row)) if row.text("owner") != room => {
                    return Err(StoreError::Conflict("this key was used in another room"));
                }
                Some(_) => return Ok(()),
            }
        }
    }

    /// Messages of a timeline between two positions, both included; what is past its time is left out.
    pub(in super::super) async fn lines(
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

    pub(in super::super) async fn missed_count(&self, room: &str, user: &str) -> Result<u64> {
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
    pub(in super::super) async fn cut(
        &self,
        room: &str,
        mut lines: Vec<Line>,
        limit: usize,
    ) -> Result<RoomMessages> {
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
    pub(in super::super) async fn count_receipts(
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
}
