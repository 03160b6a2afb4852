//! Mirror events: each is kept once, by a conditional write on its id.

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use im_api::event::{Event, EventsAnswer};
use scylla::value::CqlValue;
use serde::{Deserialize, Serialize};

use super::cql::{Cas, looked_up};
use super::list::ttl;
use super::{AT_ONCE, Cassandra};
use crate::clock::Millis;
use crate::store::{Events, Result, parties};

/// An event with when it came.
#[derive(Debug, Serialize, Deserialize)]
pub struct Kept {
    pub at: Millis,
    pub event: Event,
}

#[async_trait]
impl Events for Cassandra {
    async fn add_events(&self, events: Vec<Event>) -> Result<EventsAnswer> {
        self.open_or()?;
        let added: Vec<bool> = stream::iter(events)
            .map(|event| async move { self.add_event(event).await })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let accepted = added.iter().filter(|new| **new).count() as u64;
        if accepted > 0 {
            self.changed_here();
        }
        Ok(EventsAnswer { accepted, duplicates: added.len() as u64 - accepted })
    }
}

impl Cassandra {
    async fn add_event(&self, event: Event) -> Result<bool> {
        let life = ttl(self.settings.events);
        let named = parties::of_event(&event);
        let (id, seq) = (event.id.clone(), self.tick(0));
        let body = super::part::json(&Kept { at: self.clock.now(), event })?;
        for user in &named {
            self.list_put(&format!("events/{user}"), &id, "", seq, Some(life)).await?;
        }
        let mut tried = 0;
        loop {
            let sql = "INSERT INTO events (id, seq, body) VALUES (?, ?, ?) IF NOT EXISTS USING TTL ?";
            let answer = self.cql.cas(sql, (self.key(&id), seq, &body, life)).await;
            match looked_up(answer, &mut tried).await? {
                None => {}
                // Ours, when the answer got lost.
                Some(Cas::Refused(row)) if row.get("seq") != Some(&CqlValue::BigInt(seq)) => {
                    return Ok(false);
                }
                Some(_) => break,
            }
        }
        // What comes last: an event that is listed is there. One that is there and not listed is only missing in the console's list.
        self.log_put("events", seq, &id, life).await?;
        Ok(true)
    }

    /// Removes an event that names somebody who is erased; true when it was there.
    pub(super) async fn forget_event(&self, id: &str) -> Result<bool> {
        let rows: Vec<(Option<i64>,)> =
            self.cql.read_serial("SELECT seq FROM events WHERE id = ?", (self.key(id),)).await?;
        let Some((Some(seq),)) = rows.into_iter().next() else { return Ok(false) };
        self.log_remove("events", seq).await?;
        match self.cql.cas("DELETE FROM events WHERE id = ? IF seq = ?", (self.key(id), seq)).await? {
            Cas::Done => Ok(true),
            Cas::Refused(_) => Ok(false),
        }
    }

    /// An event, unless it is past its time.
    pub(super) async fn kept_event(&self, id: &str) -> Result<Option<Kept>> {
        let rows: Vec<(Option<String>,)> =
            self.cql.read("SELECT body FROM events WHERE id = ?", (self.key(id),)).await?;
        let Some(body) = rows.into_iter().next().and_then(|row| row.0) else { return Ok(None) };
        let kept: Kept = super::part::read_json(&body)?;
        Ok(Some(kept).filter(|kept| kept.at > self.clock.now() - self.settings.events))
    }
}
