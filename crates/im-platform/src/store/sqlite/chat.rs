//! Messages in SQLite: one row per decision, the queue an index over the pending ones, the counter in the recipient's row.

use async_trait::async_trait;
use im_api::chat::{Claim, History, HistoryItem, Outcome, Pending, PendingItem, Settled, Verdict};
use rusqlite::{OptionalExtension, Row, params};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::space::{self, Space};
use super::writer::Tx;
use super::{Sqlite, friend, state, users};
use crate::clock::{self, Millis};
use crate::jid::UserId;
use crate::store::chat::{CLAIM_TTL, Chat, Claimant, HistoryPage, Message};
use crate::store::judge::{self, Judgement, Situation};
use crate::store::{Result, StoreError};

#[async_trait]
impl Chat for Sqlite {
    async fn decide(&self, node: &str, epoch: &str, messages: Vec<Message>) -> Result<Vec<Verdict>> {
        let (node, epoch) = (node.to_owned(), epoch.to_owned());
        let (max_pending, limits) = (self.settings.max_pending, self.settings.limits);
        self.write(move |tx| {
            state::require_epoch(tx, &node, &epoch)?;
            messages.iter().map(|message| decide(tx, message, max_pending, limits)).collect()
        })
        .await
    }

    async fn settle(&self, items: Vec<(String, Outcome)>) -> Result<Vec<Settled>> {
        self.write(move |tx| items.iter().map(|(key, outcome)| settle(tx, key, *outcome)).collect()).await
    }

    async fn claim(&self, user: &UserId, claimant: Claimant) -> Result<Claim> {
        let user = user.clone();
        self.write(move |tx| claim(tx, &user, &claimant)).await
    }

    async fn pending(&self, user: &UserId, claim: &str, limit: u32) -> Result<Pending> {
        let (user, claim) = (user.clone(), claim.to_owned());
        self.write(move |tx| {
            let row = users::known(tx, &user)?;
            if !hold(tx, row, &claim)? {
                return Ok(Pending { items: Vec::new() });
            }
            let mut sql = tx.conn.prepare_cached(
                "SELECT seq, key, sent_at, stanza FROM messages WHERE to_user = ?1 AND seq IS NOT NULL ORDER BY seq LIMIT ?2",
            )?;
            let mut items = Vec::new();
            let mut rows = sql.query(params![row.id, limit])?;
            while let Some(r) = rows.next()? {
                items.push(PendingItem {
                    seq: u64::try_from(r.get::<_, i64>(0)?).unwrap_or(0),
                    key: r.get(1)?,
                    sent_at: clock::format(r.get(2)?),
                    stanza: raw(r, 3)?,
                });
            }
            Ok(Pending { items })
        })
        .await
    }

    async fn handed_over(&self, user: &UserId, claim: &str, upto: u64) -> Result<u64> {
        let (user, claim) = (user.clone(), claim.to_owned());
        self.write(move |tx| {
            let row = users::known(tx, &user)?;
            if !hold(tx, row, &claim)? {
                return Ok(0);
            }
            let sql =
                "UPDATE messages SET status = 'handed_over', seq = NULL WHERE to_user = ?1 AND seq <= ?2";
            let upto = i64::try_from(upto).unwrap_or(i64::MAX);
            let gone = tx.conn.prepare_cached(sql)?.execute([row.id, upto])?;
            let left = row.pending - i64::try_from(gone).unwrap_or(0);
            users::set_pending(tx, row.id, row.pending, left)?;
            Ok(u64::try_from(left).unwrap_or(0))
        })
        .await
    }

    async fn give_back(&self, user: &UserId, claim: &str) -> Result<()> {
        let (user, claim) = (user.clone(), claim.to_owned());
        self.write(move |tx| {
            let sql = "DELETE FROM claims WHERE claim = ?2 AND user = (SELECT id FROM users WHERE jid = ?1)";
            tx.conn.prepare_cached(sql)?.execute([user.as_str(), &claim])?;
            Ok(())
        })
        .await
    }

    async fn any_pending(&self) -> Result<bool> {
        // Answered from the index of pending messages alone, whatever the number of others.
        let sql = "SELECT EXISTS (SELECT 1 FROM messages INDEXED BY messages_pending WHERE seq IS NOT NULL)";
        self.read(move |tx| Ok(tx.conn.prepare_cached(sql)?.query_row([], |row| row.get(0))?)).await
    }

    async fn history(&self, page: HistoryPage) -> Result<History> {
        self.read(move |tx| history(tx, &page)).await
    }
}

/// What is known under a key.
struct Known {
    id: i64,
    status: String,
    settled: bool,
    to_user: Option<i64>,
}

fn known(tx: Tx<'_>, key: &str) -> Result<Option<Known>> {
    let sql = "SELECT id, status, settled IS NOT NULL, to_user FROM messages WHERE key = ?1";
    let row =
        |r: &Row<'_>| Ok(Known { id: r.get(0)?, status: r.get(1)?, settled: r.get(2)?, to_user: r.get(3)? });
    Ok(tx.conn.prepare_cached(sql)?.query_row([key], row).optional()?)
}

fn decide(tx: Tx<'_>, message: &Message, max_pending: i64, limits: Space) -> Result<Verdict> {
    let before = known(tx, &message.key)?;
    if let Some(before) = &before {
        // A settlement is the last word, whenever it came.
        if before.settled {
            return Ok(Verdict::Settled);
        }
        match (before.status.as_str(), message.again) {
            ("pending", _) => return Ok(Verdict::Stored),
            ("handed_over", true) => return Ok(Verdict::HandedOver),
            // It was stored at first, and nothing but a hand-over came of it.
            ("handed_over", false) => return Ok(Verdict::Stored),
            ("delivered", false) => return Ok(Verdict::Deliver),
            ("native", false) => return Ok(Verdict::Native),
            ("refused", false) => return Ok(blocked()),
            _ => {}
        }
    }
    let recipient = UserId::of(&message.to);
    let Some((recipient, user)) = (match recipient {
        Some(recipient) => users::find(tx, &recipient)?.map(|user| (recipient, user)),
        None => None,
    }) else {
        write(tx, before, message, None, "native", None)?;
        return Ok(Verdict::Native);
    };
    if friend::is_blocked(tx, user.id, &message.from)? {
        write(tx, before, message, None, "refused", None)?;
        return Ok(blocked());
    }
    let (sessions, _) = state::sessions_of(tx, user.id, &recipient)?;
    let judgement = judge::judge(Situation {
        sessions: &sessions,
        pending: user.pending > 0,
        resource: message.to.resource().map(|r| r.as_str()),
        storable: message.storable && message.stanza.is_some(),
        gone: message.gone,
    });
    // The history gives way to what is new; what is pending does not.
    let room = space::make_room(tx, limits, message.stanza.as_ref().map_or(0, String::len))?;
    match judgement {
        Judgement::Deliver if !room => {
            // It goes to its recipient now; only the copy for the history has no room.
            let message = Message { stanza: None, ..message.clone() };
            write(tx, before, &message, Some(user.id), "delivered", None)?;
            Ok(Verdict::Deliver)
        }
        Judgement::Deliver => {
            write(tx, before, message, Some(user.id), "delivered", None)?;
            Ok(Verdict::Deliver)
        }
        Judgement::Native => {
            write(tx, before, message, Some(user.id), "native", None)?;
            Ok(Verdict::Native)
        }
        // Not remembered: asked again later it may fit.
        Judgement::Store if user.pending >= max_pending || !room => {
            Ok(Verdict::Refuse { kind: "wait".into(), condition: "resource-constraint".into(), text: None })
        }
        Judgement::Store => {
            write(tx, before, message, Some(user.id), "pending", Some(user.next_seq))?;
            let sql = "UPDATE users SET next_seq = next_seq + 1 WHERE id = ?1";
            tx.conn.prepare_cached(sql)?.execute([user.id])?;
            users::set_pending(tx, user.id, user.pending, user.pending + 1)?;
            Ok(Verdict::Stored)
        }
    }
}

/// What the sender of a message to somebody who blocks him gets (XEP-0191 5.3).
fn blocked() -> Verdict {
    Verdict::Refuse { kind: "cancel".into(), condition: "service-unavailable".into(), text: None }
}

/// Writes the decision. The stanza is kept only where it may be: never for what is native, refused or not storable; then the row names nobody
/// either, it is an answer under a key.
fn write(
    tx: Tx<'_>,
    before: Option<Known>,
    message: &Message,
    to_user: Option<i64>,
    status: &str,
    seq: Option<i64>,
) -> Result<()> {
    let keeps = message.storable && matches!(status, "delivered" | "pending");
    let stanza = message.stanza.as_deref().filter(|_| keeps);
    let (mut from, mut to, mut from_user, mut to_user) = ("", "", None, to_user);
    if stanza.is_some() {
        (from, to) = (message.from.as_str(), message.to.as_str());
        if let Some(user) = UserId::of(&message.from) {
            from_user = users::find(tx, &user)?.map(|u| u.id);
        }
    } else {
        to_user = None;
    }
    let row =
        params![message.key, from, to, from_user, to_user, message.sent_at, tx.now, status, seq, stanza];
    let sql = match before {
        Some(_) => {
            "UPDATE messages SET from_jid = ?2, to_jid = ?3, from_user = ?4, to_user = ?5, sent_at = ?6, decided_at = ?7,
                status = ?8, seq = ?9, stanza = ?10 WHERE key = ?1"
        }
        None => {
            "INSERT INTO messages (key, from_jid, to_jid, from_user, to_user, sent_at, decided_at, status, seq, stanza)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
        }
    };
    tx.conn.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

fn settle(tx: Tx<'_>, key: &str, outcome: Outcome) -> Result<Settled> {
    let status = match outcome {
        Outcome::Delivered => "delivered",
        Outcome::Refused => "refused",
    };
    let Some(before) = known(tx, key)? else {
        let sql = "INSERT INTO messages (key, from_jid, to_jid, sent_at, decided_at, status, settled)
            VALUES (?1, '', '', ?2, ?2, 'settled', 'noted')";
        tx.conn.prepare_cached(sql)?.execute(params![key, tx.now])?;
        return Ok(Settled::Noted);
    };
    if before.settled {
        let sql = "SELECT settled FROM messages WHERE id = ?1";
        let first: String = tx.conn.prepare_cached(sql)?.query_row([before.id], |r| r.get(0))?;
        return Ok(if first == "cancelled" { Settled::Cancelled } else { Settled::Noted });
    }
    let found = match before.status.as_str() {
        "handed_over" => return Ok(Settled::HandedOver),
        "pending" => Settled::Cancelled,
        _ => Settled::Noted,
    };
    let word = if found == Settled::Cancelled { "cancelled" } else { "noted" };
    let sql = "UPDATE messages SET status = ?2, settled = ?3, seq = NULL WHERE id = ?1";
    tx.conn.prepare_cached(sql)?.execute(params![before.id, status, word])?;
    if let (Settled::Cancelled, Some(user)) = (found, before.to_user) {
        let sql = "SELECT pending FROM users WHERE id = ?1";
        let pending: i64 = tx.conn.prepare_cached(sql)?.query_row([user], |r| r.get(0))?;
        users::set_pending(tx, user, pending, pending - 1)?;
    }
    Ok(found)
}

fn claim(tx: Tx<'_>, user: &UserId, claimant: &Claimant) -> Result<Claim> {
    state::require_epoch(tx, &claimant.node, &claimant.epoch)?;
    let row = users::known(tx, user)?;
    let answer = |claim: String| Claim {
        claim,
        pending: u64::try_from(row.pending).unwrap_or(0),
        ttl_ms: u32::try_from(CLAIM_TTL).unwrap_or(u32::MAX),
    };
    if state::is_claimed(tx, row.id)? {
        let sql = "SELECT claim FROM claims WHERE user = ?1 AND node = ?2 AND epoch = ?3 AND resource = ?4 AND idempotency = ?5";
        let mine = params![row.id, claimant.node, claimant.epoch, claimant.resource, claimant.idempotency];
        let replayed: Option<String> =
            tx.conn.prepare_cached(sql)?.query_row(mine, |r| r.get(0)).optional()?;
        return replayed.map(answer).ok_or(StoreError::Claimed);
    }
    let sql = "SELECT 1 FROM sessions WHERE user = ?1 AND node = ?2 AND resource = ?3
        AND open = 1 AND available = 1 AND priority >= 0";
    if !tx.conn.prepare_cached(sql)?.exists(params![row.id, claimant.node, claimant.resource])? {
        return Err(StoreError::Conflict(
            "this session cannot take messages: not available with priority >= 0",
        ));
    }
    let id = Uuid::now_v7().to_string();
    if row.pending > 0 {
        let sql =
            "INSERT OR REPLACE INTO claims (user, claim, node, epoch, resource, idempotency, expires_at)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        tx.conn.prepare_cached(sql)?.execute(params![
            row.id,
            id,
            claimant.node,
            claimant.epoch,
            claimant.resource,
            claimant.idempotency,
            tx.now + CLAIM_TTL
        ])?;
    }
    Ok(answer(id))
}

/// Checks the claim and prolongs it. False: nothing is pending, so there is nothing to hold (the repetition of a last DELETE comes here).
fn hold(tx: Tx<'_>, user: users::UserRow, claim: &str) -> Result<bool> {
    if user.pending == 0 {
        return Ok(false);
    }
    let held = state::is_claimed(tx, user.id)?;
    let sql = "UPDATE claims SET expires_at = ?3 WHERE user = ?1 AND claim = ?2";
    if held && tx.conn.prepare_cached(sql)?.execute(params![user.id, claim, tx.now + CLAIM_TTL])? > 0 {
        return Ok(true);
    }
    Err(if held { StoreError::Claimed } else { StoreError::Conflict("this claim is over") })
}

fn history(tx: Tx<'_>, page: &HistoryPage) -> Result<History> {
    let user = users::known(tx, &page.user)?;
    let HistoryPage { before, span, limit, .. } = page;
    if span.archive {
        for cursor in [*before, span.after].into_iter().flatten() {
            own(tx, user.id, cursor)?;
        }
    }
    // What a page is made of, whoever it is with; the indices have the ids in order.
    let order = if span.forward { "ASC" } else { "DESC" };
    let within = format!(
        "id > ?1 AND id < ?2 AND sent_at BETWEEN ?3 AND ?4 AND stanza IS NOT NULL{} ORDER BY id {order} LIMIT ?5",
        if span.archive { " AND status <> 'refused'" } else { "" }
    );
    let (after, before, most) = (span.after.unwrap_or(0), before.unwrap_or(i64::MAX), limit + 1);
    let (since, until) = (span.since.unwrap_or(Millis::MIN), span.until.unwrap_or(Millis::MAX));
    let columns = "id, key, from_jid, to_jid, sent_at, status, stanza";
    let items = match &page.with {
        Some(with) => {
            let Some(with) = users::find(tx, with)? else { return Ok(answer(Vec::new(), page)) };
            let session = span.session.as_deref();
            let sql = format!(
                "SELECT {columns} FROM messages WHERE min(from_user, to_user) = ?6 AND max(from_user, to_user) = ?7{} AND {within}",
                if session.is_some() { " AND ?8 IN (from_jid, to_jid)" } else { "" }
            );
            let pair = (user.id.min(with.id), user.id.max(with.id));
            match session {
                Some(session) => read_history(
                    tx,
                    &sql,
                    params![after, before, since, until, most, pair.0, pair.1, session],
                )?,
                None => read_history(tx, &sql, params![after, before, since, until, most, pair.0, pair.1])?,
            }
        }
        None => {
            let one_way = |column: &str| {
                format!("SELECT * FROM (SELECT {columns} FROM messages WHERE {column} = ?6 AND {within})")
            };
            let sql =
                format!("{} UNION {} ORDER BY id {order} LIMIT ?5", one_way("from_user"), one_way("to_user"));
            read_history(tx, &sql, params![after, before, since, until, most, user.id])?
        }
    };
    Ok(answer(items, page))
}

/// Whether a message is the user's.
fn own(tx: Tx<'_>, user: i64, id: i64) -> Result<()> {
    let sql = "SELECT 1 FROM messages WHERE id = ?1 AND stanza IS NOT NULL AND ?2 IN (from_user, to_user)";
    match tx.conn.prepare_cached(sql)?.exists([id, user])? {
        true => Ok(()),
        false => Err(StoreError::NotFound("message")),
    }
}

/// A page of what was found, which is one more than a page holds if there is more.
fn answer(mut items: Vec<HistoryItem>, page: &HistoryPage) -> History {
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let complete = items.len() <= limit;
    items.truncate(limit);
    let ends = (items.first().map(|item| item.id.clone()), items.last().map(|item| item.id.clone()));
    let next = ends.1.clone().filter(|_| !complete);
    let (first, last) = if page.span.forward { ends } else { (ends.1, ends.0) };
    History { items, next, complete, first, last }
}

fn read_history(tx: Tx<'_>, sql: &str, values: impl rusqlite::Params) -> Result<Vec<HistoryItem>> {
    let mut sql = tx.conn.prepare_cached(sql)?;
    let mut rows = sql.query(values)?;
    let mut items = Vec::new();
    while let Some(r) = rows.next()? {
        items.push(HistoryItem {
            id: r.get::<_, i64>(0)?.to_string(),
            key: r.get(1)?,
            from: r.get(2)?,
            to: r.get(3)?,
            sent_at: clock::format(r.get(4)?),
            status: r.get(5)?,
            stanza: raw(r, 6)?,
        });
    }
    Ok(items)
}

/// A column of JSON, as it was written.
fn raw(row: &Row<'_>, column: usize) -> Result<Box<RawValue>> {
    let text: String = row.get(column)?;
    RawValue::from_string(text).map_err(|e| StoreError::Corrupt(Box::new(e)))
}
