//! The store for more than one machine: Cassandra (or ScyllaDB) through the `scylla` driver. Any number of platform processes serve the same users
//! over one ring; none of them keeps anything that another one would need.
//!
//! How it is laid out, which consistency level is used where and why, and what differs from the embedded store: `docs/cassandra.md`.

mod accounts;
mod chat;
mod console;
mod cql;
mod downlink;
mod erase;
mod event;
mod footprint;
mod friend;
mod group;
mod history;
mod import;
mod list;
mod media;
mod once;
mod pair;
mod part;
mod room;
mod schema;
mod state;
mod sweep;
pub mod tls;
mod users;

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use tokio::sync::watch;
use uuid::Uuid;

use self::cql::Cql;
use self::schema::{ENTITIES, Table};
use super::sqlite::DAY;
use super::{Result, Store, StoreError};
use crate::clock::{Clock, Millis};

pub use schema::{FORMAT, tables};

/// How the store is kept.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Nodes to begin with, `host:port`; the others are found through them.
    pub contact_points: Vec<String>,
    /// The keyspace.
    pub keyspace: String,
    /// Makes the keyspace, if it is not there, with so many copies of everything: in the data centre, or (SimpleStrategy) anywhere. None: it is there
    /// already.
    pub replication: Option<u32>,
    /// The data centre whose nodes are asked first.
    pub datacenter: Option<String>,
    /// All connections are TLS by this.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// What all keys begin with, so that several platforms can share a keyspace.
    pub prefix: String,
    /// Name and password, when the ring asks for them.
    pub login: Option<(String, String)>,
    /// Messages that may be pending for one user; beyond it senders get an error that says to wait.
    pub max_pending: i64,
    /// Messages that are not pending are hidden after so long, counted from their decision, and removed within a day.
    pub history: Millis,
    /// The same for messages of rooms.
    pub rooms: Millis,
    /// The same for mirror events.
    pub events: Millis,
    /// The same for downlink events, fetched or not.
    pub downlink: Millis,
    /// The same for footprints; 0 keeps them.
    pub footprints: Millis,
    /// The same for media; 0 keeps them.
    pub media: Millis,
    /// The same for the audit.
    pub audit: Millis,
}

impl Default for Settings {
    fn default() -> Self {
        let usual = super::sqlite::Settings::default();
        Self {
            contact_points: Vec::new(),
            keyspace: "im_platform".into(),
            replication: None,
            datacenter: None,
            tls: None,
            prefix: String::new(),
            login: None,
            max_pending: usual.max_pending,
            history: usual.history,
            rooms: usual.rooms,
            events: usual.events,
            downlink: usual.downlink,
            footprints: usual.footprints,
            media: usual.media,
            audit: usual.audit,
        }
    }
}

/// A day in microseconds.
const DAY_MICROS: i64 = DAY * 1_000;
/// How often it is looked whether other instances have announced or changed something.
const LOOK: Duration = Duration::from_millis(200);
/// Requests of one operation that are under way at once.
const AT_ONCE: usize = 32;
/// Locks per table of entities.
const STRIPES: usize = 256;

/// See the module.
#[derive(Debug)]
pub struct Cassandra {
    cql: Cql,
    settings: Settings,
    clock: Clock,
    turns: Turns,
    /// The last number given.
    last: AtomicI64,
    announced: watch::Sender<i64>,
    /// The stretch of the downlink that is being written.
    stretch: AtomicI64,
    changed: watch::Sender<u64>,
    /// Changes made by this process.
    changes: AtomicU64,
    instance: String,
    /// What need not be written again.
    seen: Mutex<HashSet<String>>,
    closed: AtomicBool,
}

impl Cassandra {
    /// Connects and brings the keyspace to the current format.
    ///
    /// # Errors
    /// [`StoreError::Newer`], or what the ring reports.
    pub async fn open(settings: Settings, clock: Clock) -> Result<Arc<Self>> {
        let cql = Cql::connect(&settings).await?;
        schema::migrate(&cql, &settings.keyspace).await?;
        let store = Arc::new(Self {
            cql,
            settings,
            clock,
            turns: Turns::default(),
            last: AtomicI64::new(0),
            announced: watch::channel(0).0,
            stretch: AtomicI64::new(0),
            changed: watch::channel(0).0,
            changes: AtomicU64::new(0),
            instance: Uuid::now_v7().to_string(),
            seen: Mutex::default(),
            closed: AtomicBool::new(false),
        });
        store.find_stretch().await?;
        tokio::spawn(follow(Arc::downgrade(&store)));
        Ok(store)
    }

    /// A partition's key.
    fn key(&self, id: &str) -> String {
        format!("{}{id}", self.settings.prefix)
    }

    /// A number after `before` and after all that this process has given: microseconds where they are enough.
    fn tick(&self, before: i64) -> i64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros());
        let now = i64::try_from(now).unwrap_or(i64::MAX).max(before + 1);
        let given =
            self.last.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |last| Some(now.max(last + 1)));
        given.map_or(now, |last| now.max(last + 1))
    }

    /// True the first time that this process asks for it.
    fn first_time(&self, what: &str) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.contains(what) {
            return false;
        }
        if seen.len() > 100_000 {
            seen.clear();
        }
        seen.insert(what.to_owned())
    }

    /// This process has changed something.
    fn changed_here(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.changed.send_modify(|changed| *changed += 1);
    }

    fn open_or(&self) -> Result<()> {
        if self.closed.load(Ordering::SeqCst) { Err(StoreError::Closed) } else { Ok(()) }
    }
}

/// Follows what other instances do, as long as the store is there: there is nobody who could tell.
async fn follow(store: Weak<Cassandra>) {
    let (mut told, mut others) = (0, HashMap::new());
    loop {
        tokio::time::sleep(LOOK).await;
        let Some(store) = store.upgrade() else { return };
        if store.closed.load(Ordering::SeqCst) {
            return;
        }
        if let Err(error) = store.look(&mut told, &mut others).await {
            tracing::debug!(
                error = crate::http::problem::chain(&error),
                "other instances cannot be followed now"
            );
        }
    }
}

impl Cassandra {
    /// Tells the others that something changed here, and hears it of them.
    async fn look(&self, told: &mut u64, others: &mut HashMap<String, String>) -> Result<()> {
        if self.announced.receiver_count() > 0 {
            self.heard().await?;
        }
        let here = self.changes.load(Ordering::SeqCst);
        if here != *told {
            self.list_put("beacon/", &self.instance, &here.to_string(), self.tick(0), Some(86_400)).await?;
            *told = here;
        }
        if self.changed.receiver_count() == 0 {
            return Ok(());
        }
        let beacons = self.list_walk("beacon/", "", "", 1_000).await?;
        let there: HashMap<String, String> =
            beacons.into_iter().filter(|(name, _)| *name != self.instance).collect();
        if there != *others {
            *others = there;
            self.changed.send_modify(|changed| *changed += 1);
        }
        Ok(())
    }
}

#[async_trait]
impl Store for Cassandra {
    fn kind(&self) -> &'static str {
        "cassandra"
    }

    async fn check(&self) -> Result<()> {
        self.open_or()?;
        schema::check(&self.cql).await
    }

    async fn gauges(&self) -> Result<Vec<(&'static str, &'static str, u64)>> {
        let last = u64::try_from(self.last_said().await?).unwrap_or(0);
        Ok(vec![("downlink_last", "Position of the last downlink event", last)])
    }

    async fn sweep(&self) -> Result<bool> {
        self.open_or()?;
        self.sweep_once().await
    }

    async fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }
}

/// Whose turn it is: changes of one entity do not contend within a process. A table has its own locks, so that an announcement can be made while an
/// entity's is held.
#[derive(Debug)]
struct Turns {
    locks: HashMap<Table, Vec<tokio::sync::Mutex<()>>>,
    hasher: RandomState,
}

impl Default for Turns {
    fn default() -> Self {
        let locks = || (0..STRIPES).map(|_| tokio::sync::Mutex::default()).collect();
        Self {
            locks: ENTITIES.into_iter().map(|table| (table, locks())).collect(),
            hasher: RandomState::new(),
        }
    }
}

impl Turns {
    fn of(&self, table: Table, id: &str) -> &tokio::sync::Mutex<()> {
        let place = usize::try_from(self.hasher.hash_one(id) % STRIPES as u64).unwrap_or(0);
        &self.locks[&table][place]
    }
}
