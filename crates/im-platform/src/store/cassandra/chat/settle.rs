//! What a server did with messages by itself, before or after it was decided here.

use im_api::chat::{Outcome, Settled};

use super::{Decision, decision_row, place_row};
use crate::store::Result;
use crate::store::cassandra::Cassandra;
use crate::store::cassandra::cql::{Cas, looked_up};
use crate::store::cassandra::list::ttl;
use crate::store::cassandra::schema::USERS;
use crate::store::cassandra::users::UserDoc;

impl Cassandra {
    pub(super) async fn settle_one(&self, key: &str, outcome: Outcome) -> Result<Settled> {
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
}
