//! Names in order and what came when: the indices that a store without secondary indices needs. They are hints: an entry is written before what it
//! refers to and removed after it, so that a walk finds everything and drops what is not there.

use std::time::Duration;

use super::{Cassandra, DAY_MICROS};
use crate::store::Result;

/// Of a list in buckets, the bucket that holds the names of the buckets.
const BUCKETS: &str = "\u{1}";

/// Seconds of a retention in milliseconds, and a day more: what is past its time is hidden to the millisecond when it is read, and removed some time
/// later by the ring. 0 keeps it for ever.
pub fn ttl(retention: i64) -> i32 {
    if retention <= 0 {
        return 0;
    }
    let day = Duration::from_secs(86_400).as_secs();
    // Twenty years are the longest that Cassandra takes.
    i32::try_from(retention / 1_000 + i64::try_from(day).unwrap_or(0)).unwrap_or(i32::MAX).min(630_000_000)
}

/// Lists that belong to somebody (`what/whom`) are one partition; those of everybody are cut by the first two characters.
fn bucket(list: &str, name: &str) -> String {
    if list.contains('/') { String::new() } else { name.chars().take(2).collect() }
}

impl Cassandra {
    /// Writes an entry. `n` is the number of the commit that it belongs to.
    pub(super) async fn list_put(
        &self,
        list: &str,
        name: &str,
        body: &str,
        n: i64,
        ttl: Option<i32>,
    ) -> Result<()> {
        let (key, bucket) = (self.key(list), bucket(list, name));
        let sql =
            "INSERT INTO listing (list, bucket, name, body) VALUES (?, ?, ?, ?) USING TIMESTAMP ? AND TTL ?";
        if !bucket.is_empty() && self.first_time(&format!("{list}\0{bucket}")) {
            // Never removed, and the same whenever it is written.
            self.cql.write(sql, (&key, BUCKETS, &bucket, "", 1_i64, 0_i32)).await?;
        }
        self.cql.write(sql, (&key, &bucket, name, body, n, ttl.unwrap_or(0))).await
    }

    /// Removes an entry, unless a later commit has written it again.
    pub(super) async fn list_remove(&self, list: &str, name: &str, n: i64) -> Result<()> {
        let sql = "DELETE FROM listing USING TIMESTAMP ? WHERE list = ? AND bucket = ? AND name = ?";
        self.cql.write(sql, (n, self.key(list), bucket(list, name), name)).await
    }

    /// Removes a list that belongs to somebody.
    pub(super) async fn list_clear(&self, list: &str, n: i64) -> Result<()> {
        let sql = "DELETE FROM listing USING TIMESTAMP ? WHERE list = ? AND bucket = ''";
        self.cql.write(sql, (n, self.key(list))).await
    }

    /// Entries in order whose names begin with `prefix`, after `after`; at most so many.
    pub(super) async fn list_walk(
        &self,
        list: &str,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<(String, String)>> {
        let key = self.key(list);
        let end = super::part::end_of(prefix);
        // The first possible name: the prefix itself, or what comes after `after`.
        let sql =
            "SELECT name, body FROM listing WHERE list = ? AND bucket = ? AND name >= ? AND name < ? LIMIT ?";
        let from = if after >= prefix { format!("{after}\0") } else { prefix.to_owned() };
        let buckets = if list.contains('/') {
            vec![String::new()]
        } else {
            let sql = "SELECT name FROM listing WHERE list = ? AND bucket = ? AND name >= ?";
            let rows: Vec<(String,)> = self.cql.read(sql, (&key, BUCKETS, bucket(list, &from))).await?;
            rows.into_iter().map(|row| row.0).collect()
        };
        let mut found = Vec::new();
        for bucket in buckets {
            if !bucket.is_empty() && bucket > end {
                break;
            }
            let left = i32::try_from(limit - found.len()).unwrap_or(i32::MAX);
            let rows: Vec<(String, Option<String>)> =
                self.cql.read(sql, (&key, &bucket, &from, &end, left)).await?;
            found.extend(rows.into_iter().map(|(name, body)| (name, body.unwrap_or_default())));
            if found.len() >= limit {
                break;
            }
        }
        Ok(found)
    }

    /// Notes that something came: newest first by id.
    pub(super) async fn log_put(&self, list: &str, id: i64, body: &str, ttl: i32) -> Result<()> {
        let day = id / DAY_MICROS;
        if self.first_time(&format!("{list}\0{day}")) {
            self.list_put(&format!("days/{list}"), &format!("{day:010}"), "", 1, None).await?;
        }
        let sql = "INSERT INTO log (list, day, id, body) VALUES (?, ?, ?, ?) USING TTL ?";
        self.cql.write(sql, (self.key(list), day, id, body, ttl)).await
    }

    /// Takes a note back.
    pub(super) async fn log_remove(&self, list: &str, id: i64) -> Result<()> {
        let sql = "DELETE FROM log WHERE list = ? AND day = ? AND id = ?";
        self.cql.write(sql, (self.key(list), id / DAY_MICROS, id)).await
    }

    /// What came before an id, newest first.
    pub(super) async fn log_walk(
        &self,
        list: &str,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<(i64, String)>> {
        let before = before.unwrap_or(i64::MAX);
        let days = "SELECT name FROM listing WHERE list = ? AND bucket = '' AND name <= ? ORDER BY name DESC";
        let last = format!("{:010}", (before / DAY_MICROS).min(9_999_999_999));
        let days: Vec<(String,)> = self.cql.read(days, (self.key(&format!("days/{list}")), last)).await?;
        let mut found = Vec::new();
        for (day,) in days {
            let Ok(day) = day.parse::<i64>() else { continue };
            let left = i32::try_from(limit - found.len()).unwrap_or(i32::MAX);
            let sql = "SELECT id, body FROM log WHERE list = ? AND day = ? AND id < ? LIMIT ?";
            let rows: Vec<(i64, Option<String>)> =
                self.cql.read(sql, (self.key(list), day, before, left)).await?;
            found.extend(rows.into_iter().map(|(id, body)| (id, body.unwrap_or_default())));
            if found.len() >= limit {
                break;
            }
        }
        Ok(found)
    }
}
