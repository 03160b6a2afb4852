//! Tables and their migrations. A format is a list of statements that can be repeated, and the oldest format whose builds can go on beside it: while
//! instances are replaced one after the other, old and new ones share the tables. The keyspace says what has been made and who may use it; a build that is
//! too old for it is refused. One instance at a time migrates, however many start at once.
//!
//! Two kinds of tables. *Entities* (user, list, node, group, room, ...) are one partition each: a head in static columns, small rows beside it, and
//! every change is one conditional write on the head's version (see `part`). *Everything else* is written plainly, before the head that refers to it or
//! after the head that no longer does, under ids that are never used twice.

use std::time::{Duration, Instant};

use uuid::Uuid;

use super::cql::{Cas, Cql, looked_up};
use crate::store::{Result, StoreError};

/// What makes a format out of the one before it.
struct Step {
    /// Statements that may be repeated, also beside builds that run.
    make: fn() -> Vec<String>,
    /// The oldest format whose builds can use this one.
    needs: i64,
}

/// All formats, beginning with 1.
const STEPS: &[Step] = &[
    Step { make: first, needs: 1 },
    #[cfg(feature = "next-format")]
    Step { make: next, needs: 1 },
];

/// The newest format.
pub const FORMAT: i64 = STEPS.len() as i64;
/// Who migrates says so for that long, and says it again before each statement.
const TURN: Duration = Duration::from_secs(90);
/// How long an instance waits for another one that migrates.
const PATIENCE: Duration = Duration::from_secs(600);

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

/// The tables as they were at first.
fn first() -> Vec<String> {
    let entity = |name: &str| {
        format!(
            "CREATE TABLE IF NOT EXISTS {name} (id text, sort text, version bigint static, doc text static, body text, PRIMARY KEY (id, sort))"
        )
    };
    let entities = ENTITIES.iter().map(|table| entity(table.0));
    entities.chain(PLAIN.iter().map(|sql| (*sql).to_owned())).collect()
}

/// What a next version might do, for the test of a rolling update: a column more, before all others, and a table more.
#[cfg(feature = "next-format")]
fn next() -> Vec<String> {
    let more = ["users", "rooms", "keys", "once", "events", "bodies"];
    let columns = more.iter().map(|table| format!("ALTER TABLE {table} ADD IF NOT EXISTS added text"));
    columns.chain(["CREATE TABLE IF NOT EXISTS added (id text PRIMARY KEY)".to_owned()]).collect()
}

/// What the keyspace says of itself.
#[derive(Debug, Clone, Copy)]
struct Said {
    format: i64,
    needs: i64,
}

impl Said {
    /// This build may use it.
    fn usable(self) -> Result<Self> {
        if self.needs > FORMAT {
            return Err(StoreError::Newer { found: self.format, known: FORMAT });
        }
        Ok(self)
    }
}

/// Brings the keyspace to the current format, unless it has that or a newer one that this build can use; gives the one it had.
///
/// # Errors
/// [`StoreError::Newer`], or what the ring reports.
pub async fn migrate(cql: &Cql, keyspace: &str) -> Result<i64> {
    // Nodes that are asked to make a table at the same moment give it an id each, and then do not agree; so this one, which guards the others, has its own.
    let id = Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("im-platform:{keyspace}.format").as_bytes());
    cql.schema(&format!(
        "CREATE TABLE IF NOT EXISTS format (id int PRIMARY KEY, format bigint, needs bigint, owner text) WITH id = '{id}'"
    ))
    .await?;
    let (owner, until) = (Uuid::now_v7().to_string(), Instant::now() + PATIENCE);
    loop {
        let found = said(cql).await?.usable()?.format;
        if found >= FORMAT {
            return Ok(found);
        }
        if turn(cql, &owner, true).await? {
            // Another one may have come to the end between the look and the turn.
            let found = said(cql).await?.usable()?.format;
            advance(cql, &owner, found).await?;
            // All is done; without this the turn ends by itself.
            if let Err(error) = cql.cas("DELETE FROM format WHERE id = 3 IF owner = ?", (&owner,)).await {
                tracing::debug!(%error, "the turn to migrate is not given back");
            }
            return Ok(found);
        }
        if Instant::now() > until {
            let source = "another instance has been at it for ten minutes".into();
            return Err(StoreError::Failed { doing: "waiting for the tables in Cassandra", source });
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Makes the formats that are missing.
async fn advance(cql: &Cql, owner: &str, found: i64) -> Result<()> {
    for (format, step) in (1..).zip(STEPS).filter(|(format, _)| *format > found) {
        for statement in (step.make)() {
            if !turn(cql, owner, false).await? {
                let source = "another instance took the turn; start this one again".into();
                return Err(StoreError::Failed { doing: "changing the schema in Cassandra", source });
            }
            cql.schema(&statement).await?;
        }
        cql.write("INSERT INTO format (id, format, needs) VALUES (1, ?, ?)", (format, step.needs)).await?;
        tracing::info!(format, "the tables in Cassandra have a new format");
    }
    Ok(())
}

/// Takes or keeps the turn to migrate; false when it is another's.
async fn turn(cql: &Cql, owner: &str, take: bool) -> Result<bool> {
    let life = i32::try_from(TURN.as_secs()).unwrap_or(i32::MAX);
    let mut tried = 0;
    let answer = loop {
        let answer = if take {
            let sql = "INSERT INTO format (id, owner) VALUES (3, ?) IF NOT EXISTS USING TTL ?";
            cql.cas(sql, (owner, life)).await
        } else {
            cql.cas("UPDATE format USING TTL ? SET owner = ? WHERE id = 3 IF owner = ?", (life, owner, owner))
                .await
        };
        if let Some(answer) = looked_up(answer, &mut tried).await? {
            break answer;
        }
    };
    Ok(match answer {
        Cas::Done => true,
        Cas::Refused(there) => there.text("owner") == owner,
    })
}

/// The keyspace can be used by this build, read and written.
///
/// # Errors
/// [`StoreError::Newer`], [`StoreError::Corrupt`] or what the ring reports.
pub async fn check(cql: &Cql) -> Result<()> {
    if said(cql).await?.usable()?.format == 0 {
        return Err(StoreError::Corrupt("the keyspace says no format".into()));
    }
    cql.write("INSERT INTO format (id, format) VALUES (2, ?)", (0_i64,)).await
}

async fn said(cql: &Cql) -> Result<Said> {
    let sql = "SELECT format, needs FROM format WHERE id = 1";
    let rows: Vec<(Option<i64>, Option<i64>)> = cql.read(sql, ()).await?;
    let (format, needs) = rows.into_iter().next().unwrap_or_default();
    Ok(Said { format: format.unwrap_or(0), needs: needs.unwrap_or(0) })
}
