//! Mirror events: one row each, dropped by id when it is known.

use async_trait::async_trait;
use im_api::event::{Event, EventsAnswer};
use rusqlite::params;

use super::Sqlite;
use super::space::{self, Interface};
use crate::store::{Events, Result, parties};

#[async_trait]
impl Events for Sqlite {
    async fn add_events(&self, events: Vec<Event>) -> Result<EventsAnswer> {
        let limits = self.settings.limits;
        self.write(move |tx| {
            let mut answer = EventsAnswer { accepted: 0, duplicates: 0 };
            let mut insert = tx.conn.prepare_cached(
                "INSERT INTO events (id, received_at, source, kind, subject, time, sequence, partitionkey, data)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (id) DO NOTHING",
            )?;
            let mut party =
                tx.conn.prepare_cached("INSERT OR IGNORE INTO event_parties (jid, event) VALUES (?1, ?2)")?;
            for e in &events {
                let row = params![
                    e.id,
                    tx.now,
                    e.source,
                    e.kind,
                    e.subject,
                    e.time,
                    e.sequence,
                    e.partitionkey,
                    e.data.get()
                ];
                // After a refusal none of the batch is kept: the bridge's journal has them all.
                match insert.execute(row)? {
                    0 => answer.duplicates += 1,
                    _ => {
                        space::require(tx, limits, Interface::Events, 0)?;
                        answer.accepted += 1;
                        for jid in parties::of_event(e) {
                            party.execute([&jid, &e.id])?;
                        }
                    }
                }
            }
            Ok(answer)
        })
        .await
    }
}
