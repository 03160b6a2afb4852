//! Tables and their migrations. A format is a list of statements that can be repeated; which formats have been made is noted in the keyspace, so a
//! keyspace that a newer version has changed is refused.
//!
//! Two kinds of tables. *Entities* (user, list, node, group, room, ...) are one partition each: a head in static columns, small rows beside it, and
//! every change is one conditional write on the head's version (see `part`). *Everything else* is written plainly, before the head that refers to it or
//! after the head that no longer does, under ids that are never used twice.

use super::cql::Cql;
use crate::store::{Result, StoreError};

/// The newest format.
pub const FORMAT: i64 = 1;

/// A table of entities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Table(pub &'static str);

/// An account with its sessions, its queue and what was decided about messages to it; by address.
pub const USERS: Table = Table("users");
/// A user's friends and blocks; by address.
pub const LISTS: Table = Table("lists");
/// A bridge node's lease; by name.
pub const NODES: Table = Table("nodes");
/// A group with its members; by id.
pub const GROUPS: Table = Table("groups");
/// A room with members, occupants and what each missed; by address.
pub const ROOMS: Table = Table("rooms");
/// Receipts of one message of a room; by room and position.
pub const RECEIPTS: Table = Table("receipts");
/// A user's footprints and shares of media space; by address.
pub const PRINTS: Table = Table("prints");
/// A medium; by id.
pub const MEDIA: Table = Table("media");
/// A stretch of the downlink; by number.
pub const DOWNLINK: Table = Table("downlink");
/// How far an import has come; by source.
pub const IMPORTS: Table = Table("imports");

/// All of them.
pub const ENTITIES: [Table; 10] =
    [USERS, LISTS, NODES, GROUPS, ROOMS, RECEIPTS, PRINTS, MEDIA, DOWNLINK, IMPORTS];

/// The other tables.
const PLAIN: &[&str] = &[
    // Who decides about a key: the first answer under it, or where that is. Conditional writes only.
    "CREATE TABLE IF NOT EXISTS keys (key text PRIMARY KEY, owner text, word text)",
    // First answers of POSTs: what they were asked. Conditional writes only.
    "CREATE TABLE IF NOT EXISTS once (key text PRIMARY KEY, fingerprint blob)",
    // Mirror events by id. Conditional writes only.
    "CREATE TABLE IF NOT EXISTS events (id text PRIMARY KEY, seq bigint, body text)",
    // What was said: by recipient or room and month.
    "CREATE TABLE IF NOT EXISTS bodies (owner text, bucket bigint, id bigint, key text, body text, PRIMARY KEY ((owner, bucket), id, key))",
    // Who took part in what, newest first: by sender, recipient or both, and month.
    "CREATE TABLE IF NOT EXISTS history (owner text, bucket bigint, id bigint, key text, home text, PRIMARY KEY ((owner, bucket), id, key))
        WITH CLUSTERING ORDER BY (id DESC, key DESC)",
    // A room's messages by position, in stretches.
    "CREATE TABLE IF NOT EXISTS timeline (room text, bucket bigint, seq bigint, body text, PRIMARY KEY ((room, bucket), seq))",
    // Footprints by square of the grid and day, newest first.
    "CREATE TABLE IF NOT EXISTS areas (cell text, day bigint, at bigint, id bigint, owner text, name text, PRIMARY KEY ((cell, day), at, id))
        WITH CLUSTERING ORDER BY (at DESC, id DESC)",
    // Names in order: of everything that somebody must be able to walk, in buckets by the beginning of the name.
    "CREATE TABLE IF NOT EXISTS listing (list text, bucket text, name text, body text, PRIMARY KEY ((list, bucket), name))",
    // What came when, newest first, by day.
    "CREATE TABLE IF NOT EXISTS log (list text, day bigint, id bigint, body text, PRIMARY KEY ((list, day), id))
        WITH CLUSTERING ORDER BY (id DESC)",
    // Who was erased a short while ago, as SHA-256 of the address.
    "CREATE TABLE IF NOT EXISTS erased (hash text PRIMARY KEY, at bigint)",
];

/// The names of all tables, for tests that look everywhere.
#[must_use]
pub fn tables() -> Vec<&'static str> {
    let plain = PLAIN.iter().filter_map(|sql| sql.split_whitespace().nth(5));
    ENTITIES.iter().map(|table| table.0).chain(plain).collect()
}

/// Brings the keyspace to the current format; gives the one it had.
pub async fn migrate(cql: &Cql) -> Result<i64> {
    cql.schema("CREATE TABLE IF NOT EXISTS format (id int PRIMARY KEY, format bigint)").await?;
    let found = format(cql).await?;
    if found > FORMAT {
        return Err(StoreError::Newer { found, known: FORMAT });
    }
    if found == FORMAT {
        return Ok(found);
    }
    for table in ENTITIES {
        let name = table.0;
        cql.schema(&format!(
            "CREATE TABLE IF NOT EXISTS {name} (id text, sort text, version bigint static, doc text static, body text, PRIMARY KEY (id, sort))"
        ))
        .await?;
    }
    for statement in PLAIN {
        cql.schema(statement).await?;
    }
    cql.write("INSERT INTO format (id, format) VALUES (1, ?)", (FORMAT,)).await?;
    Ok(found)
}

async fn format(cql: &Cql) -> Result<i64> {
    let rows: Vec<(Option<i64>,)> = cql.read("SELECT format FROM format WHERE id = 1", ()).await?;
    Ok(rows.into_iter().next().and_then(|row| row.0).unwrap_or(0))
}
