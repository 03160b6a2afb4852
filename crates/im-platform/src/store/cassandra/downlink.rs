//! The downlink: one sequence without holes that every instance appends to. It is cut into stretches of a partition each; an append is a conditional
//! write on the stretch's head, which holds the last position. An event is appended once, by its id, whoever tries.

use async_trait::async_trait;
use im_api::downlink::{DownEvent, Downlink as Page, Origin, Queued};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::sync::atomic::Ordering;
use tokio::sync::watch;
use uuid::Uuid;

use super::Cassandra;
use super::list::ttl;
use super::part::{json, read_json};
use super::schema::DOWNLINK;
use crate::clock::{self, Millis};
use crate::jid::Jid;
use crate::store::downlink::{Downlink, page};
use crate::store::{Cause, Result, StoreError, parties};

/// Positions of one stretch.
pub const STRETCH: i64 = 5_000;
/// What stays when a user is erased: the event that tells bridges. It is in nobody's list.
pub const REMOVED: &str = "im.user.removed";
/// Longer data is kept apart: a conditional write takes little.
const LONG: usize = 8 << 10;

/// An event as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Said {
    pub id: String,
    pub at: Millis,
    pub kind: String,
    pub subject: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// None: kept apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    pub bytes: usize,
    /// Whom the data names beside the subject.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
}

/// A stretch's head.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Stretch {
    /// The last position in it, or the one before its first.
    pub last: i64,
}

pub fn row(seq: i64) -> String {
    format!("e/{seq:020}")
}

fn id_row(id: &str) -> String {
    format!("i/{id}")
}

/// The stretch of a position.
pub fn stretch_of(seq: i64) -> i64 {
    (seq - 1).div_euclid(STRETCH)
}

#[async_trait]
impl Downlink for Cassandra {
    fn announced(&self) -> watch::Receiver<i64> {
        self.announced.subscribe()
    }

    async fn downlink(&self, after: Option<i64>, limit: u32) -> Result<Page> {
        self.open_or()?;
        let last = self.last_said().await?;
        let Some(after) = after else { return Ok(page(Vec::new(), last)) };
        if after < self.floor().await? || after > last {
            return Err(StoreError::CursorGone);
        }
        let (mut items, mut next) = (Vec::new(), after);
        for (seq, said) in self.said_after(after, last, limit).await? {
            next = seq;
            if let Some(event) = self.event(said).await? {
                items.push(event);
            }
        }
        Ok(page(items, next))
    }

    async fn send_stanza(&self, to: &Jid, stanza: String, cause: Cause) -> Result<Queued> {
        self.open_or()?;
        let stanza = RawValue::from_string(stanza).map_err(|e| StoreError::Corrupt(Box::new(e)))?;
        #[derive(Serialize)]
        struct Data {
            to: String,
            stanza: Box<RawValue>,
        }
        let data = Data { to: to.to_string(), stanza };
        let subject = to.to_bare().into_inner();
        let mut said = self.said(&cause, "im.stanza", &subject, &data).await?;
        if self.is_once(&cause, &subject).await? {
            // Its event's id is made of the key, so that a replay finds it said already.
            said = self.named(said, &cause).await?;
        }
        let id = said.id.clone();
        self.announce(&[said]).await?;
        Ok(Queued { id })
    }
}

impl Cassandra {
    /// An event to announce. Nothing is said of a quiet cause: use [`Cassandra::saying`] for those.
    pub(super) async fn said(
        &self,
        cause: &Cause,
        kind: &str,
        subject: &str,
        data: &impl Serialize,
    ) -> Result<Said> {
        let data = json(data)?;
        let id = Uuid::now_v7().to_string();
        let bytes = data.len();
        let names = parties::named(&data, subject).into_iter().collect();
        let said = Said {
            id,
            at: self.clock.now(),
            kind: kind.into(),
            subject: subject.into(),
            origin: cause.origin.clone(),
            data: (bytes <= LONG).then(|| data.clone()),
            bytes,
            names,
        };
        if said.data.is_none() {
            self.write_long(&said, &data).await?;
        }
        Ok(said)
    }

    /// What a change says, unless it is quiet.
    pub(super) async fn saying(
        &self,
        cause: &Cause,
        kind: &str,
        subject: &str,
        data: &impl Serialize,
    ) -> Result<Option<Said>> {
        if cause.quiet { Ok(None) } else { self.said(cause, kind, subject, data).await.map(Some) }
    }

    /// The same event under an id that is made of the idempotency key.
    async fn named(&self, said: Said, cause: &Cause) -> Result<Said> {
        let Some(once) = &cause.once else { return Ok(said) };
        let name = format!("{}\0{}", cause.caller, once.key);
        let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).to_string();
        let data = match &said.data {
            Some(_) => None,
            None => self.long(&said.id).await?,
        };
        let named = Said { id, ..said.clone() };
        if let Some(data) = data {
            self.write_long(&named, &data).await?;
            self.remove_long(&said.id).await?;
        }
        Ok(named)
    }

    async fn write_long(&self, said: &Said, data: &str) -> Result<()> {
        let sql = "INSERT INTO bodies (owner, bucket, id, key, body) VALUES (?, 0, 0, ?, ?) USING TTL ?";
        let owner = self.key(&format!("said/{}", said.id));
        self.cql.write(sql, (owner, &said.id, data, ttl(self.settings.downlink))).await
    }

    async fn long(&self, id: &str) -> Result<Option<String>> {
        let sql = "SELECT body FROM bodies WHERE owner = ? AND bucket = 0";
        let rows: Vec<(Option<String>,)> = self.cql.read(sql, (self.key(&format!("said/{id}")),)).await?;
        Ok(rows.into_iter().next().and_then(|row| row.0))
    }

    pub(super) async fn remove_long(&self, id: &str) -> Result<()> {
        let sql = "DELETE FROM bodies WHERE owner = ? AND bucket = 0";
        self.cql.write(sql, (self.key(&format!("said/{id}")),)).await
    }

    /// An event's data; None when it was erased meanwhile.
    pub(super) async fn data_of(&self, said: &Said) -> Result<Option<String>> {
        match &said.data {
            Some(data) => Ok(Some(data.clone())),
            None => self.long(&said.id).await,
        }
    }

    async fn event(&self, said: Said) -> Result<Option<DownEvent>> {
        let Some(data) = self.data_of(&said).await? else { return Ok(None) };
        Ok(Some(DownEvent {
            id: said.id,
            time: clock::format(said.at),
            kind: said.kind,
            subject: said.subject,
            origin: said.origin,
            data: RawValue::from_string(data).map_err(|e| StoreError::Corrupt(Box::new(e)))?,
        }))
    }

    /// Appends events in this order, those that are not there yet.
    pub(super) async fn announce(&self, all: &[Said]) -> Result<()> {
        let ttl = Some(ttl(self.settings.downlink));
        let mut left = all;
        while let Some((said, rest)) = left.split_first() {
            let stretch = self.stretch.load(Ordering::SeqCst);
            let mut turn = self.turn(DOWNLINK, &stretch.to_string()).await;
            loop {
                let mut part = turn.look::<Stretch>().await?;
                let last = part.doc.as_ref().map_or(stretch * STRETCH, |doc| doc.last);
                // The one before as well: a stretch may have ended since it was tried first.
                let known =
                    self.is_said(stretch, &said.id).await? || self.is_said(stretch - 1, &said.id).await?;
                if known {
                    left = rest;
                    break;
                }
                if last >= (stretch + 1) * STRETCH {
                    self.begin_stretch(stretch + 1).await?;
                    break;
                }
                let seq = last + 1;
                let named = said.names.iter().chain([&said.subject]).filter(|_| said.kind != REMOVED);
                for user in named {
                    self.list_put(&format!("said/{user}"), &format!("{seq:020}"), "", part.n, ttl).await?;
                }
                part.doc = Some(Stretch { last: seq });
                part.put(row(seq), said, ttl)?;
                part.put(id_row(&said.id), &seq, ttl)?;
                if turn.commit_silently(&part).await? {
                    self.announced.send_if_modified(|last| std::mem::replace(last, seq.max(*last)) < seq);
                    left = rest;
                    break;
                }
            }
        }
        Ok(())
    }

    async fn is_said(&self, stretch: i64, id: &str) -> Result<bool> {
        if stretch < 0 {
            return Ok(false);
        }
        Ok(self.row::<i64>(DOWNLINK, &stretch.to_string(), &id_row(id)).await?.is_some())
    }

    /// From now on this stretch is written; whoever starts later begins there to look.
    async fn begin_stretch(&self, stretch: i64) -> Result<()> {
        self.list_put("downlink/", "stretch", &stretch.to_string(), self.tick(0), None).await?;
        self.stretch.fetch_max(stretch, Ordering::SeqCst);
        Ok(())
    }

    /// Looks up which stretch is written.
    pub(super) async fn find_stretch(&self) -> Result<()> {
        let noted = self.list_walk("downlink/", "stretch", "", 1).await?;
        let noted = noted.first().and_then(|(_, body)| body.parse().ok()).unwrap_or(0);
        self.stretch.fetch_max(noted, Ordering::SeqCst);
        self.heard().await
    }

    /// Position of the last event there ever was, also when it was removed.
    pub(super) async fn last_said(&self) -> Result<i64> {
        loop {
            let stretch = self.stretch.load(Ordering::SeqCst);
            let head = self.head::<Stretch>(DOWNLINK, &stretch.to_string()).await?;
            let last = head.map_or(stretch * STRETCH, |head| head.last);
            if last < (stretch + 1) * STRETCH {
                return Ok(last);
            }
            self.stretch.fetch_max(stretch + 1, Ordering::SeqCst);
        }
    }

    /// Tells who waits here what others have announced.
    pub(super) async fn heard(&self) -> Result<()> {
        let heard = self.last_said().await?;
        self.announced.send_if_modified(|last| std::mem::replace(last, heard.max(*last)) < heard);
        Ok(())
    }

    /// Up to here events may have been removed.
    pub(super) async fn floor(&self) -> Result<i64> {
        let noted = self.list_walk("downlink/", "floor", "", 1).await?;
        Ok(noted.first().and_then(|(_, body)| body.parse().ok()).unwrap_or(0))
    }

    /// Events after a position up to another, as far as they are there.
    pub(super) async fn said_after(&self, after: i64, last: i64, limit: u32) -> Result<Vec<(i64, Said)>> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut found = Vec::new();
        let mut stretch = stretch_of(after + 1);
        while stretch <= stretch_of(last.max(1)) && found.len() < limit {
            let (from, to) = (row(after + 1), row(last + 1));
            let left = i32::try_from(limit - found.len()).unwrap_or(i32::MAX);
            let rows = self.rows(DOWNLINK, &stretch.to_string(), (&from, &to), left, false).await?;
            for (sort, said) in rows {
                found.push((position(&sort)?, said));
            }
            stretch += 1;
        }
        Ok(found)
    }

    /// One round of the sweep: what is past its time is behind the floor.
    pub(super) async fn cut_downlink(&self) -> Result<bool> {
        let floor = self.floor().await?;
        let last = self.last_said().await?;
        let oldest = self.said_after(floor, last, 500).await?;
        let before = self.clock.now() - self.settings.downlink;
        let Some((cut, _)) = oldest.iter().take_while(|(_, said)| said.at <= before).last() else {
            return Ok(false);
        };
        self.list_put("downlink/", "floor", &cut.to_string(), self.tick(0), None).await?;
        Ok(true)
    }

    /// What is said about somebody who is erased, and what others' events say: a list loses the item, anything else goes as a whole.
    pub(super) async fn unsay(&self, user: &str) -> Result<()> {
        let list = format!("said/{user}");
        let mut after = String::new();
        loop {
            let piece = self.list_walk(&list, "", &after, 100).await?;
            let Some((name, _)) = piece.last() else { return Ok(()) };
            after = name.clone();
            for (name, _) in &piece {
                let Ok(seq) = name.parse::<i64>() else { continue };
                if self.unsay_one(seq, user).await? {
                    self.list_remove(&list, name, self.tick(0)).await?;
                }
            }
        }
    }

    /// True when the event does not name the user any more.
    async fn unsay_one(&self, seq: i64, user: &str) -> Result<bool> {
        let stretch = stretch_of(seq).to_string();
        let mut turn = self.turn(DOWNLINK, &stretch).await;
        loop {
            let mut part = turn.load::<Stretch>().await?;
            let Some(mut said) = self.row::<Said>(DOWNLINK, &stretch, &row(seq)).await? else {
                return Ok(true);
            };
            let data = self.data_of(&said).await?.unwrap_or_default();
            let gone = said.subject == user || said.kind == "im.stanza";
            let left = if gone { None } else { parties::without(&data, user) };
            let long = said.data.is_none();
            match left {
                Some(data) => {
                    said.names.retain(|name| name != user);
                    said.bytes = data.len();
                    if long {
                        self.write_long(&said, &data).await?;
                    } else {
                        said.data = Some(data);
                    }
                    part.put(row(seq), &said, Some(ttl(self.settings.downlink)))?;
                }
                None => {
                    part.remove(row(seq));
                    if long {
                        self.remove_long(&said.id).await?;
                    }
                }
            }
            if turn.commit(part).await? {
                return Ok(true);
            }
        }
    }
}

fn position(sort: &str) -> Result<i64> {
    read_json(sort.trim_start_matches("e/").trim_start_matches('0'))
}
