//! What was said, kept by recipient and month, and found by sender, recipient and both. An index entry is written before the decision that it belongs
//! to; the decision says whether it counts, and how.

use futures::{StreamExt, TryStreamExt, stream};
use im_api::chat::{History, HistoryItem};
use serde_json::value::RawValue;

use super::chat::{Decision, Letter, decision_row, raw};
use super::schema::USERS;
use super::users::UserDoc;
use super::{AT_ONCE, Cassandra, DAY_MICROS};
use crate::clock::{self, Millis};
use crate::jid::{Jid, UserId};
use crate::store::chat::HistoryPage;
use crate::store::{Result, StoreError};

/// The month of a number.
fn month(id: i64) -> i64 {
    id / (30 * DAY_MICROS)
}

/// Whose history the messages of two people are.
pub fn pair(a: &str, b: &str) -> String {
    let (first, second) = if a <= b { (a, b) } else { (b, a) };
    format!("{first}\0{second}")
}

/// The people's histories that a message belongs to.
fn owners(letter: &Letter, home: &str) -> Vec<String> {
    let sender = Jid::new(&letter.from).ok().and_then(|jid| UserId::of(&jid)).map(|user| user.to_string());
    let mut owners = vec![home.to_owned()];
    if let Some(sender) = sender {
        owners.push(pair(&sender, home));
        if sender != home {
            owners.push(sender);
        }
    }
    owners
}

/// A message of a history.
#[derive(Debug, Clone)]
pub struct Found {
    pub letter: Letter,
    pub status: String,
}

impl Cassandra {
    /// A body and where it is found.
    pub(super) async fn write_letter(
        &self,
        home: &str,
        id: i64,
        key: &str,
        letter: &Letter,
        stanza: &str,
        life: i32,
    ) -> Result<()> {
        let sql = "INSERT INTO bodies (owner, bucket, id, key, body) VALUES (?, ?, ?, ?, ?) USING TTL ?";
        self.cql.write(sql, (self.key(home), month(id), id, key, stanza, life)).await?;
        let sql = "INSERT INTO history (owner, bucket, id, key, home) VALUES (?, ?, ?, ?, ?) USING TTL ?";
        for owner in owners(letter, home) {
            // Written each time: an erasure may have taken it, on whichever instance.
            let name = format!("{:010}", month(id));
            self.list_put(&format!("months/{owner}"), &name, "", id, None).await?;
            for one in owner.split('\0').filter(|_| owner.contains('\0')) {
                self.list_put(&format!("pairs/{one}"), &owner, "", id, None).await?;
            }
            self.cql.write(sql, (self.key(&owner), month(id), id, key, home, life)).await?;
        }
        self.log_put("talk", id, &super::part::json(&(home, key))?, life).await
    }

    /// Takes back what nothing refers to.
    pub(super) async fn forget_letters(&self, home: &str, letters: &[(Letter, i64, String)]) -> Result<()> {
        for (letter, id, key) in letters {
            self.forget_letter(home, *id, key, letter).await?;
        }
        Ok(())
    }

    pub(super) async fn forget_letter(&self, home: &str, id: i64, key: &str, letter: &Letter) -> Result<()> {
        let sql = "DELETE FROM history WHERE owner = ? AND bucket = ? AND id = ? AND key = ?";
        for owner in owners(letter, home) {
            self.cql.write(sql, (self.key(&owner), month(id), id, key)).await?;
        }
        let sql = "DELETE FROM bodies WHERE owner = ? AND bucket = ? AND id = ? AND key = ?";
        self.cql.write(sql, (self.key(home), month(id), id, key)).await?;
        self.log_remove("talk", id).await
    }

    /// The text of a message.
    pub(super) async fn body(&self, home: &str, id: i64, key: &str) -> Result<Option<Box<RawValue>>> {
        let sql = "SELECT body FROM bodies WHERE owner = ? AND bucket = ? AND id = ? AND key = ?";
        let rows: Vec<(Option<String>,)> = self.cql.read(sql, (self.key(home), month(id), id, key)).await?;
        rows.into_iter().next().and_then(|row| row.0).map(raw).transpose()
    }

    /// Months in which somebody has a history, newest first.
    pub(super) async fn months(&self, owner: &str) -> Result<Vec<i64>> {
        let months = self.list_walk(&format!("months/{owner}"), "", "", 10_000).await?;
        Ok(months.into_iter().rev().filter_map(|(name, _)| name.parse().ok()).collect())
    }

    /// Index entries of a history between two numbers, neither included.
    pub(super) async fn entries(
        &self,
        owner: &str,
        between: (i64, i64),
        forward: bool,
        limit: usize,
    ) -> Result<Vec<(i64, String, String)>> {
        let (after, before) = between;
        let mut months = self.months(owner).await?;
        if forward {
            months.reverse();
        }
        let order = if forward { "ASC, key ASC" } else { "DESC, key DESC" };
        let sql = format!(
            "SELECT id, key, home FROM history WHERE owner = ? AND bucket = ? AND id > ? AND id < ? ORDER BY id {order} LIMIT ?"
        );
        let mut found = Vec::new();
        for bucket in months.into_iter().filter(|m| *m >= month(after) && *m <= month(before)) {
            let left = i32::try_from(limit - found.len()).unwrap_or(i32::MAX);
            let rows: Vec<(i64, String, Option<String>)> =
                self.cql.read(&sql, (self.key(owner), bucket, after, before, left)).await?;
            found.extend(rows.into_iter().filter_map(|(id, key, home)| Some((id, key, home?))));
            if found.len() >= limit {
                break;
            }
        }
        Ok(found)
    }

    /// What an entry stands for, if it counts.
    pub(super) async fn look_up(&self, id: i64, key: &str, home: &str) -> Result<Option<Found>> {
        let Some(decision) = self.row::<Decision>(USERS, home, &decision_row(key)).await? else {
            return Ok(None);
        };
        let Some(letter) = decision.letter.clone().filter(|_| decision.id == id) else { return Ok(None) };
        let floor = self.head::<UserDoc>(USERS, home).await?.map_or(0, |doc| doc.floor);
        let status = decision.status(floor).to_owned();
        let old = status != "pending" && decision.decided_at <= self.clock.now() - self.settings.history;
        Ok((!old).then_some(Found { letter, status }))
    }

    pub(super) async fn history_page(&self, page: &HistoryPage) -> Result<History> {
        self.known_user(page.user.as_str()).await?;
        let HistoryPage { before, span, limit, .. } = page;
        let limit = usize::try_from(*limit).unwrap_or(usize::MAX);
        if span.archive {
            for cursor in [*before, span.after].into_iter().flatten() {
                self.own(page.user.as_str(), cursor).await?;
            }
        }
        let owner = match &page.with {
            Some(with) if self.find_user(with.as_str()).await?.is_none() => {
                return Ok(answer(Vec::new(), limit, span.forward));
            }
            Some(with) => pair(page.user.as_str(), with.as_str()),
            None => page.user.to_string(),
        };
        let (mut after, mut before) = (span.after.unwrap_or(0), before.unwrap_or(i64::MAX));
        let (since, until) = (span.since.unwrap_or(Millis::MIN), span.until.unwrap_or(Millis::MAX));
        let wanted = |found: &Found| {
            let letter = &found.letter;
            (since..=until).contains(&letter.sent_at)
                && !(span.archive && found.status == "refused")
                && span.session.as_ref().is_none_or(|s| *s == letter.from || *s == letter.to)
        };
        let mut items = Vec::new();
        while items.len() <= limit {
            let piece = (limit + 1 - items.len()).max(20);
            let entries = self.entries(&owner, (after, before), span.forward, piece).await?;
            let Some(last) = entries.last().map(|entry| entry.0) else { break };
            if span.forward {
                after = last
            } else {
                before = last
            }
            let found: Vec<Option<HistoryItem>> = stream::iter(entries)
                .map(|(id, key, home)| async move {
                    let Some(found) = self.look_up(id, &key, &home).await?.filter(|found| wanted(found))
                    else {
                        return Ok::<_, StoreError>(None);
                    };
                    let Some(stanza) = self.body(&home, id, &key).await? else { return Ok(None) };
                    Ok(Some(HistoryItem {
                        id: id.to_string(),
                        key,
                        from: found.letter.from,
                        to: found.letter.to,
                        sent_at: clock::format(found.letter.sent_at),
                        status: found.status,
                        stanza,
                    }))
                })
                .buffered(AT_ONCE)
                .try_collect()
                .await?;
            items.extend(found.into_iter().flatten());
        }
        Ok(answer(items, limit, span.forward))
    }

    /// Whether a message is the user's.
    async fn own(&self, user: &str, id: i64) -> Result<()> {
        for (id, key, home) in self.entries(user, (id - 1, id + 1), true, 10).await? {
            if self.look_up(id, &key, &home).await?.is_some() {
                return Ok(());
            }
        }
        Err(StoreError::NotFound("message"))
    }
}

/// A page of what was found, which is more than a page holds if there is more.
fn answer(mut items: Vec<HistoryItem>, limit: usize, forward: bool) -> History {
    let complete = items.len() <= limit;
    items.truncate(limit);
    let ends = (items.first().map(|item| item.id.clone()), items.last().map(|item| item.id.clone()));
    let next = ends.1.clone().filter(|_| !complete);
    let (first, last) = if forward { ends } else { (ends.1, ends.0) };
    History { items, next, complete, first, last }
}
