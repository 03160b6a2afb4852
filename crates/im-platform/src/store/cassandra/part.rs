//! Entities: a partition with a head and small rows. A change reads the head, decides in memory, and is committed by one conditional batch on the
//! head's version: head and rows change together or not at all, whoever else is at work, on whichever instance.
//!
//! Changes of one entity take turns within a process, so that only instances contend. A commit whose answer got lost is looked up: the head keeps the
//! marks of its last few commits.
//!
//! A head has a number that grows with every commit, in microseconds where it can. What is written plainly beside it (lists, indices) carries that
//! number as its timestamp, so that the order of plain writes is the order of commits, whichever machine makes them.
//!
//! What a change announces is part of its commit, and goes to the downlink after it; a process that dies in between leaves it in the head, and whoever
//! comes next says it (`sweep` looks as well).

use std::collections::BTreeMap;
use std::time::Duration;

use scylla::value::CqlValue;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Cassandra;
use super::cql::Cas;
use super::downlink::Said;
use super::schema::Table;
use crate::store::{Cause, Result, StoreError};

/// Commits whose marks a head keeps.
const TRAIL: usize = 8;
/// How often a change is begun anew because others were quicker.
const TURNS: u32 = 100;
/// The longest pause between turns.
const PAUSE: Duration = Duration::from_millis(50);

/// A head as it is kept.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept<D> {
    n: i64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    trail: Vec<i64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    out: Vec<Said>,
    d: Option<D>,
}

/// A row to write.
#[derive(Debug, Clone)]
struct Put {
    body: Option<String>,
    ttl: Option<i32>,
}

/// An entity as it was read, and what is to become of it.
#[derive(Debug)]
pub struct Part<D> {
    table: Table,
    id: String,
    version: Option<i64>,
    trail: Vec<i64>,
    out: Vec<Said>,
    before: Option<String>,
    /// Number of the commit to come: greater than those of all before it.
    pub n: i64,
    /// The head; None when there is no such entity.
    pub doc: Option<D>,
    puts: BTreeMap<String, Put>,
    says: Vec<Said>,
}

impl<D> Part<D> {
    /// Writes a row with the commit.
    pub fn put(&mut self, sort: impl Into<String>, body: &impl Serialize, ttl: Option<i32>) -> Result<()> {
        let body = Some(json(body)?);
        self.puts.insert(sort.into(), Put { body, ttl });
        Ok(())
    }

    /// Removes a row with the commit.
    pub fn remove(&mut self, sort: impl Into<String>) {
        self.puts.insert(sort.into(), Put { body: None, ttl: None });
    }

    /// Announces something with the commit.
    pub fn say(&mut self, said: Option<Said>) {
        self.says.extend(said);
    }
}

/// One change of an entity: its turn within this process.
pub struct Turn<'a> {
    store: &'a Cassandra,
    table: Table,
    id: String,
    tried: u32,
    _lock: tokio::sync::MutexGuard<'a, ()>,
}

impl Cassandra {
    /// Waits for the entity's turn.
    pub(super) async fn turn(&self, table: Table, id: &str) -> Turn<'_> {
        let lock = self.turns.of(table, id).lock().await;
        Turn { store: self, table, id: id.into(), tried: 0, _lock: lock }
    }

    /// The head as it is now, for reading.
    pub(super) async fn head<D: DeserializeOwned>(&self, table: Table, id: &str) -> Result<Option<D>> {
        let sql = format!("SELECT DISTINCT id, version, doc FROM {} WHERE id = ?", table.0);
        let rows: Vec<(String, Option<i64>, Option<String>)> = self.cql.read(&sql, (self.key(id),)).await?;
        Ok(kept(rows)?.and_then(|(_, kept)| kept.d))
    }

    /// The head with the number of its last commit; a number of now when there is none.
    pub(super) async fn head_n<D: DeserializeOwned>(
        &self,
        table: Table,
        id: &str,
    ) -> Result<(i64, Option<D>)> {
        let sql = format!("SELECT DISTINCT id, version, doc FROM {} WHERE id = ?", table.0);
        let rows: Vec<(String, Option<i64>, Option<String>)> = self.cql.read(&sql, (self.key(id),)).await?;
        Ok(kept(rows)?.map_or_else(|| (self.tick(0), None), |(_, kept)| (kept.n, kept.d)))
    }

    /// Rows of an entity in order: those from `from` (included) to `to` (not included), at most so many.
    pub(super) async fn rows<B: DeserializeOwned>(
        &self,
        table: Table,
        id: &str,
        range: (&str, &str),
        limit: i32,
        newest: bool,
    ) -> Result<Vec<(String, B)>> {
        let order = if newest { "DESC" } else { "ASC" };
        let sql = format!(
            "SELECT sort, body FROM {} WHERE id = ? AND sort >= ? AND sort < ? ORDER BY sort {order} LIMIT ?",
            table.0
        );
        let values = (self.key(id), range.0, range.1, limit);
        let rows: Vec<(String, Option<String>)> = self.cql.read(&sql, values).await?;
        bodies(rows)
    }

    /// These rows of an entity, as far as they are there.
    pub(super) async fn rows_of<B: DeserializeOwned>(
        &self,
        table: Table,
        id: &str,
        sorts: &[String],
    ) -> Result<Vec<(String, B)>> {
        let sql = format!("SELECT sort, body FROM {} WHERE id = ? AND sort IN ?", table.0);
        let mut found = Vec::with_capacity(sorts.len());
        for piece in sorts.chunks(100) {
            let rows: Vec<(String, Option<String>)> = self.cql.read(&sql, (self.key(id), piece)).await?;
            found.extend(bodies(rows)?);
        }
        Ok(found)
    }

    /// Removes an entity with all its rows, a piece at a time; the last one takes the head.
    pub(super) async fn drop_entity(&self, table: Table, id: &str) -> Result<()> {
        self.drop_entity_saying(table, id, None).await
    }

    /// The same; the last piece announces that it is gone.
    pub(super) async fn drop_entity_saying(
        &self,
        table: Table,
        id: &str,
        say: Option<(&Cause, &str)>,
    ) -> Result<()> {
        let mut turn = self.turn(table, id).await;
        loop {
            let mut part = turn.load::<serde_json::Value>().await?;
            let rows: Vec<(String, serde_json::Value)> =
                self.rows(table, id, ("", "\u{10FFFF}"), 200, false).await?;
            let last = rows.len() < 200;
            for (sort, _) in rows {
                part.remove(sort);
            }
            if last
                && part.doc.take().is_some()
                && let Some((cause, kind)) = say
            {
                part.say(self.saying(cause, kind, id, &serde_json::json!({})).await?);
            }
            if turn.commit(part).await? && last {
                return Ok(());
            }
        }
    }

    /// One row of an entity.
    pub(super) async fn row<B: DeserializeOwned>(
        &self,
        table: Table,
        id: &str,
        sort: &str,
    ) -> Result<Option<B>> {
        Ok(self.rows_of(table, id, &[sort.to_owned()]).await?.pop().map(|(_, body)| body))
    }
}

impl Turn<'_> {
    /// Of which entity.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Reads the head. What an earlier change had to announce and did not is announced first.
    pub async fn load<D: DeserializeOwned + Serialize>(&mut self) -> Result<Part<D>> {
        let part = self.look::<D>().await?;
        if !part.out.is_empty() {
            self.store.announce(&part.out).await?;
        }
        Ok(part)
    }

    /// Reads the head of an entity that announces nothing.
    pub async fn look<D: DeserializeOwned + Serialize>(&mut self) -> Result<Part<D>> {
        let sql = format!("SELECT DISTINCT id, version, doc FROM {} WHERE id = ?", self.table.0);
        let key = self.store.key(&self.id);
        let rows: Vec<(String, Option<i64>, Option<String>)> =
            self.store.cql.read_serial(&sql, (key,)).await?;
        let (version, kept) = match kept::<D>(rows)? {
            Some((version, kept)) => (Some(version), kept),
            None => (None, Kept { n: 0, trail: Vec::new(), out: Vec::new(), d: None }),
        };
        let before = kept.d.as_ref().map(json).transpose()?;
        Ok(Part {
            table: self.table,
            id: self.id.clone(),
            version,
            trail: kept.trail,
            out: kept.out,
            before,
            n: self.store.tick(kept.n),
            doc: kept.d,
            puts: BTreeMap::new(),
            says: Vec::new(),
        })
    }

    /// Commits what was made of it. False: somebody else was quicker, and everything is to be decided anew.
    pub async fn commit<D: Serialize + DeserializeOwned>(&mut self, part: Part<D>) -> Result<bool> {
        let after = part.doc.as_ref().map(json).transpose()?;
        if after == part.before && part.puts.is_empty() && part.says.is_empty() && part.out.is_empty() {
            return Ok(true);
        }
        let said = !part.says.is_empty();
        if said {
            let name = outbox_name(part.table, &part.id);
            self.store.list_put("outbox", &name, &self.store.clock.now().to_string(), part.n, None).await?;
        }
        if !self.write(&part, &part.says).await? {
            return Ok(false);
        }
        self.store.changed_here();
        if said {
            self.store.announce(&part.says).await?;
            self.quiet::<D>().await?;
        }
        Ok(true)
    }

    /// Commits what announces nothing.
    pub async fn commit_silently<D: Serialize>(&mut self, part: &Part<D>) -> Result<bool> {
        let done = self.write(part, &[]).await?;
        if done {
            self.store.changed_here();
        }
        Ok(done)
    }

    /// Clears what has been announced.
    async fn quiet<D: Serialize + DeserializeOwned>(&mut self) -> Result<()> {
        loop {
            let part = self.load::<D>().await?;
            let n = part.n;
            if part.out.is_empty() || self.write(&part, &[]).await? {
                let name = outbox_name(self.table, &self.id);
                return self.store.list_remove("outbox", &name, n).await;
            }
        }
    }

    /// As [`Turn::quiet`], for whoever finds something left over.
    pub async fn finish(&mut self) -> Result<()> {
        self.quiet::<serde_json::Value>().await
    }

    async fn write<D: Serialize>(&mut self, part: &Part<D>, out: &[Said]) -> Result<bool> {
        let mark = mark();
        let key = || Some(CqlValue::Text(self.store.key(&self.id)));
        let table = self.table.0;
        let version = part.version.map(CqlValue::BigInt);
        let mut batch = Vec::with_capacity(part.puts.len() + 1);
        if part.doc.is_none() && out.is_empty() {
            if part.version.is_none() && part.puts.is_empty() {
                return Ok(true);
            }
            batch.push((
                format!("DELETE version, doc FROM {table} WHERE id = ? IF version = ?"),
                vec![key(), version],
            ));
        } else {
            let mut trail: Vec<i64> = part.trail.iter().rev().take(TRAIL - 1).rev().copied().collect();
            trail.push(mark);
            let doc = json(&KeptRef { n: part.n, trail: &trail, out, d: part.doc.as_ref() })?;
            batch.push((
                format!("UPDATE {table} SET version = ?, doc = ? WHERE id = ? IF version = ?"),
                vec![Some(CqlValue::BigInt(mark)), Some(CqlValue::Text(doc)), key(), version],
            ));
        }
        for (sort, put) in &part.puts {
            let sort = Some(CqlValue::Text(sort.clone()));
            batch.push(match &put.body {
                Some(body) => (
                    format!("INSERT INTO {table} (id, sort, body) VALUES (?, ?, ?) USING TTL ?"),
                    vec![
                        key(),
                        sort,
                        Some(CqlValue::Text(body.clone())),
                        Some(CqlValue::Int(put.ttl.unwrap_or(0))),
                    ],
                ),
                None => (format!("DELETE FROM {table} WHERE id = ? AND sort = ?"), vec![key(), sort]),
            });
        }
        match self.store.cql.cas_batch(batch).await {
            Ok(Cas::Done) => return Ok(true),
            Ok(Cas::Refused(_)) => {}
            Err(error) => {
                // Whether it was done stands in the head.
                tracing::debug!(error = %error, table, "a commit without an answer is looked up");
                let removal = part.doc.is_none() && out.is_empty();
                if self.is_there(mark, removal).await? {
                    return Ok(true);
                }
            }
        }
        self.tried += 1;
        if self.tried >= TURNS {
            let source = "others changed the same at the same time, again and again".into();
            return Err(StoreError::Failed { doing: "changing something", source });
        }
        let pause =
            Duration::from_millis(u64::from(self.tried) + u64::from(Uuid::new_v4().as_bytes()[0]) / 16);
        tokio::time::sleep(pause.min(PAUSE)).await;
        Ok(false)
    }

    /// Whether a commit with this mark was made.
    async fn is_there(&self, mark: i64, removal: bool) -> Result<bool> {
        let sql = format!("SELECT DISTINCT id, version, doc FROM {} WHERE id = ?", self.table.0);
        let rows: Vec<(String, Option<i64>, Option<String>)> =
            self.store.cql.read_serial(&sql, (self.store.key(&self.id),)).await?;
        match kept::<serde_json::Value>(rows)? {
            Some((version, kept)) => Ok(version == mark || kept.trail.contains(&mark)),
            None => Ok(removal),
        }
    }
}

/// A head as it is written.
#[derive(Serialize)]
struct KeptRef<'a, D> {
    n: i64,
    trail: &'a [i64],
    #[serde(skip_serializing_if = "<[Said]>::is_empty")]
    out: &'a [Said],
    d: Option<&'a D>,
}

/// The name of an entity with something to announce.
fn outbox_name(table: Table, id: &str) -> String {
    format!("{}\0{id}", table.0)
}

fn kept<D: DeserializeOwned>(
    rows: Vec<(String, Option<i64>, Option<String>)>,
) -> Result<Option<(i64, Kept<D>)>> {
    let Some((_, Some(version), Some(doc))) = rows.into_iter().next() else { return Ok(None) };
    Ok(Some((version, read_json(&doc)?)))
}

fn bodies<B: DeserializeOwned>(rows: Vec<(String, Option<String>)>) -> Result<Vec<(String, B)>> {
    let rows = rows.into_iter().filter_map(|(sort, body)| Some((sort, body?)));
    rows.map(|(sort, body)| Ok((sort, read_json(&body)?))).collect()
}

/// A mark that nobody else makes.
fn mark() -> i64 {
    let bytes = Uuid::new_v4().into_bytes();
    let mut eight = [0; 8];
    eight.copy_from_slice(&bytes[..8]);
    i64::from_be_bytes(eight)
}

/// JSON of something of ours.
pub fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|e| StoreError::Failed { doing: "writing JSON", source: Box::new(e) })
}

/// Reads what [`json`] wrote.
pub fn read_json<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|e| StoreError::Corrupt(Box::new(e)))
}

/// The last text that begins so, and more: the end of a range of all that begin so.
pub fn end_of(prefix: &str) -> String {
    format!("{prefix}\u{10FFFF}")
}
