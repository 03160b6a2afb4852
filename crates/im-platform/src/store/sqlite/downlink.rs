//! The downlink in SQLite: announced in the transaction of the change, so that nothing is announced that did not happen, nor the reverse.

use async_trait::async_trait;
use im_api::downlink::{DownEvent, Downlink as Page, Origin, Queued};
use rusqlite::{Connection, Row, params};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::watch;
use uuid::Uuid;

use super::Sqlite;
use super::once::once;
use super::writer::Tx;
use crate::clock;
use crate::jid::Jid;
use crate::store::downlink::{Downlink, page};
use crate::store::{Cause, Result, StoreError, parties};

#[async_trait]
impl Downlink for Sqlite {
    fn announced(&self) -> watch::Receiver<i64> {
        self.announced.clone()
    }

    async fn downlink(&self, after: Option<i64>, limit: u32) -> Result<Page> {
        self.read(move |tx| {
            let last = last(tx.conn)?;
            let Some(after) = after else { return Ok(page(Vec::new(), last)) };
            let floor = "SELECT seq FROM downlink_floor";
            let floor: i64 = tx.conn.prepare_cached(floor)?.query_row([], |r| r.get(0))?;
            if after < floor || after > last {
                return Err(StoreError::CursorGone);
            }
            let mut sql = tx.conn.prepare_cached(
                "SELECT seq, id, at, kind, subject, node, event, data FROM downlink WHERE seq > ?1 ORDER BY seq LIMIT ?2",
            )?;
            let mut rows = sql.query(params![after, limit])?;
            let (mut items, mut next) = (Vec::new(), after);
            while let Some(r) = rows.next()? {
                next = r.get(0)?;
                let (node, event): (Option<String>, Option<String>) = (r.get(5)?, r.get(6)?);
                items.push(DownEvent {
                    id: r.get(1)?,
                    time: clock::format(r.get(2)?),
                    kind: r.get(3)?,
                    subject: r.get(4)?,
                    origin: node.zip(event).map(|(node, event)| Origin { node, event }),
                    data: RawValue::from_string(r.get(7)?).map_err(|e| StoreError::Corrupt(Box::new(e)))?,
                });
            }
            Ok(page(items, next))
        })
        .await
    }

    async fn send_stanza(&self, to: &Jid, stanza: String, cause: Cause) -> Result<Queued> {
        let to = to.clone();
        self.write(move |tx| {
            let subject = to.to_bare().into_inner();
            once(tx, &cause, &subject, || {
                let stanza = RawValue::from_string(stanza).map_err(|e| StoreError::Corrupt(Box::new(e)))?;
                #[derive(Serialize)]
                struct Data {
                    to: String,
                    stanza: Box<RawValue>,
                }
                let data = Data { to: to.to_string(), stanza };
                Ok(Queued { id: announce(tx, &cause, "im.stanza", &subject, &data)? })
            })
        })
        .await
    }
}

/// Position of the last event there ever was, also when it was removed.
pub fn last(conn: &Connection) -> rusqlite::Result<i64> {
    let sql = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'downlink'), 0)";
    conn.prepare_cached(sql)?.query_row([], |row| row.get(0))
}

/// One piece of what other users' announcements say about somebody who is erased: a list loses the item, anything else goes as a whole, and so does
/// a stanza. Gives how many there were.
pub fn forget_party(tx: Tx<'_>, user: &str, piece: i64) -> Result<usize> {
    let sql = "SELECT d.seq, d.kind, d.data FROM downlink_parties p JOIN downlink d ON d.seq = p.seq WHERE p.jid = ?1 LIMIT ?2";
    let mut sql = tx.conn.prepare_cached(sql)?;
    let read = |r: &Row<'_>| Ok((r.get::<_, i64>(0)?, r.get::<_, String>(1)?, r.get::<_, String>(2)?));
    let rows = sql.query_map(params![user, piece], read)?.collect::<rusqlite::Result<Vec<_>>>()?;
    for (seq, kind, data) in &rows {
        let left = if kind == "im.stanza" { None } else { parties::without(data, user) };
        if let Some(left) = left {
            tx.conn
                .prepare_cached("UPDATE downlink SET data = ?2 WHERE seq = ?1")?
                .execute(params![seq, left])?;
            let sql = "DELETE FROM downlink_parties WHERE jid = ?1 AND seq = ?2";
            tx.conn.prepare_cached(sql)?.execute(params![user, seq])?;
        } else {
            tx.conn.prepare_cached("DELETE FROM downlink WHERE seq = ?1")?.execute([seq])?;
        }
    }
    Ok(rows.len())
}

/// Announces a change; gives the event's id.
pub fn announce(
    tx: Tx<'_>,
    cause: &Cause,
    kind: &str,
    subject: &str,
    data: &impl Serialize,
) -> Result<String> {
    let data = serde_json::to_string(data)
        .map_err(|e| StoreError::Failed { doing: "announcing a change", source: Box::new(e) })?;
    let id = Uuid::now_v7().to_string();
    if cause.quiet {
        return Ok(id);
    }
    let (node, event) = cause.origin.as_ref().map(|o| (&o.node, &o.event)).unzip();
    let sql =
        "INSERT INTO downlink (id, at, kind, subject, node, event, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    tx.conn.prepare_cached(sql)?.execute(params![id, tx.now, kind, subject, node, event, data])?;
    let seq = tx.conn.last_insert_rowid();
    for party in parties::named(&data, subject) {
        let sql = "INSERT OR IGNORE INTO downlink_parties (jid, seq) VALUES (?1, ?2)";
        tx.conn.prepare_cached(sql)?.execute(params![party, seq])?;
    }
    tx.after.announced.set(seq);
    Ok(id)
}
