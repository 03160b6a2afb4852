//! The embedded store: one SQLite file in WAL mode, one writer thread with group commit, a pool of readers.
//!
//! What is acknowledged survives kill -9 (the log is written before the answer). With `synchronous = NORMAL`, the default, a power failure
//! may take back the last moments; [`Settings::full_sync`] closes that window at the price of an fsync per group.
//!
//! Every statement is prepared once and every lookup goes through an index: the cost of an operation depends on its own result only.

mod accounts;
mod chat;
mod console;
mod downlink;
mod erase;
mod error;
mod event;
mod footprint;
mod friend;
mod group;
mod import;
mod media;
mod migrate;
mod once;

mod readers;
mod room;
mod space;
mod state;
mod sweep;
mod users;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use async_trait::async_trait;
use rusqlite::trace::{TraceEvent, TraceEventCodes};
use rusqlite::{Connection, OpenFlags};
use tokio::sync::watch;

use self::readers::Readers;
use self::writer::{After, News, Tx, Writer};
use super::{Result, Store, StoreError};
use crate::clock::{Clock, Millis};

pub use migrate::FORMAT;
pub use space::Space;

/// The database's file in the data folder.
pub const FILE: &str = "platform.sqlite";

/// How the store is kept.
#[derive(Debug, Clone)]
pub struct Settings {
    /// fsync every group of writes (survives a power failure) instead of only at checkpoints.
    pub full_sync: bool,
    /// The file may grow to so many bytes; 0 is no limit. Beyond it writes are refused with [`StoreError::Full`].
    pub max_bytes: u64,
    /// Messages that may be pending for one user; beyond it senders get an error that says to wait.
    pub max_pending: i64,
    /// Connections that read.
    pub readers: usize,
    /// Bytes that each interface may keep.
    pub limits: Space,
    /// Messages that are not pending are removed after so long, counted from their decision.
    pub history: Millis,
    /// Messages of rooms are removed after so long.
    pub rooms: Millis,
    /// Mirror events are removed after so long.
    pub events: Millis,
    /// Downlink events are removed after so long, fetched or not.
    pub downlink: Millis,
    /// Footprints are removed so long after they came; 0 keeps them.
    pub footprints: Millis,
    /// Media are removed so long after they came; 0 keeps them.
    pub media: Millis,
    /// The audit is kept so long.
    pub audit: Millis,
    /// Told each statement before it runs, its values left out. For tests of the query plans.
    pub statements: Option<Statements>,
}

/// See [`Settings::statements`].
#[derive(Clone)]
pub struct Statements(pub Arc<dyn Fn(&str) + Send + Sync>);

impl std::fmt::Debug for Statements {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Statements").finish_non_exhaustive()
    }
}

/// How long a connection waits for another one's lock (a backup in another process, say).
const BUSY: std::time::Duration = std::time::Duration::from_secs(10);

/// A day in milliseconds.
pub const DAY: Millis = 86_400_000;

impl Default for Settings {
    fn default() -> Self {
        Self {
            full_sync: false,
            max_bytes: 0,
            readers: 4,
            max_pending: 100_000,
            limits: Space::default(),
            history: 30 * DAY,
            rooms: 30 * DAY,
            media: 0,
            events: 30 * DAY,
            downlink: 7 * DAY,
            audit: 365 * DAY,
            footprints: 0,
            statements: None,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Sqlite {
    writer: Mutex<Option<Writer>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    readers: Readers,
    clock: Clock,
    settings: Settings,
    announced: watch::Receiver<i64>,
    changed: watch::Receiver<u64>,
}

impl Sqlite {
    /// Opens or creates the file in `folder` and brings it to the current format.
    ///
    /// # Errors
    /// [`StoreError::Newer`], [`StoreError::Corrupt`], [`StoreError::Full`] or what SQLite reports.
    pub fn open(folder: &Path, settings: Settings, clock: Clock) -> Result<Self> {
        let file = folder.join(FILE);
        let mut conn = connect(&file, &settings)?;
        let found = migrate::migrate(&mut conn)?;
        if found > 0 {
            quick_check(&conn)?;
        }
        let readers = Readers::open(settings.readers.max(1), || connect(&file, &settings))?;
        let last = downlink::last(&conn)?;
        let (announced, watch) = watch::channel(last);
        let (change, changed) = watch::channel(0);
        let (writer, thread) = Writer::start(conn, clock.clone(), News { announced, changed: change })
            .map_err(|e| StoreError::Failed { doing: "starting its writer", source: Box::new(e) })?;
        let (writer, thread) = (Mutex::new(Some(writer)), Mutex::new(Some(thread)));
        Ok(Self { writer, thread, readers, clock, settings, announced: watch, changed })
    }

    async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(Tx<'_>) -> Result<T> + Send + 'static,
    {
        let writer = lock(&self.writer).clone().ok_or(StoreError::Closed)?;
        writer.run(work).await
    }

    async fn read<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(Tx<'_>) -> Result<T> + Send + 'static,
    {
        let now = self.clock.now();
        self.readers.run(move |conn| work(Tx { conn, now, after: &After::default() })).await
    }
}

#[async_trait]
impl Store for Sqlite {
    fn kind(&self) -> &'static str {
        "sqlite"
    }

    async fn check(&self) -> Result<()> {
        self.read(|tx| Ok(tx.conn.prepare_cached("SELECT 1 FROM users LIMIT 1")?.exists([]).map(|_| ())?))
            .await?;
        self.write(|_| Ok(())).await
    }

    async fn gauges(&self) -> Result<Vec<(&'static str, &'static str, u64)>> {
        let waiting = lock(&self.writer).as_ref().map_or(0, Writer::waiting);
        self.read(move |tx| {
            let pragma = |name| tx.conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
            let (page, pages, free) =
                (pragma("page_size")?, pragma("page_count")?, pragma("freelist_count")?);
            let bytes = |pages: i64| u64::try_from(pages.saturating_mul(page)).unwrap_or(0);
            let mut gauges = vec![
                ("store_bytes", "Size of the database", bytes(pages)),
                ("store_free_bytes", "Of it unused", bytes(free)),
                ("store_writes_waiting", "Writes in line", u64::try_from(waiting).unwrap_or(0)),
                (
                    "downlink_last",
                    "Position of the last downlink event",
                    u64::try_from(downlink::last(tx.conn)?).unwrap_or(0),
                ),
            ];
            for (interface, _, _, bytes, items) in space::INTERFACES {
                let (used, kept) = space::used(tx, interface)?;
                gauges.push((bytes, "Content that the interface keeps", used));
                gauges.push((items, "Items that the interface keeps", kept));
            }
            Ok(gauges)
        })
        .await
    }

    async fn sweep(&self) -> Result<bool> {
        let settings = self.settings.clone();
        self.write(move |tx| sweep::sweep(tx, &settings)).await
    }

    async fn close(&self) {
        drop(lock(&self.writer).take());
        let thread = lock(&self.thread).take();
        if let Some(thread) = thread {
            // Joined elsewhere: it may be in the middle of a large group.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn connect(file: &PathBuf, settings: &Settings) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let mut conn = Connection::open_with_flags(file, flags)?;
    if let Some(Statements(told)) = settings.statements.clone() {
        conn.trace_v2(
            TraceEventCodes::SQLITE_TRACE_STMT,
            Some(move |event: TraceEvent<'_>| {
                if let TraceEvent::Stmt(_, sql) = event {
                    told(sql);
                }
            }),
        )?;
    }
    conn.set_prepared_statement_cache_capacity(256);
    conn.busy_timeout(BUSY)?;
    // secure_delete: what is erased is overwritten, not only unlinked.
    conn.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -16384; PRAGMA mmap_size = 268435456; PRAGMA wal_autocheckpoint = 2000;
         PRAGMA journal_size_limit = 67108864;",
    )?;
    conn.pragma_update(None, "synchronous", if settings.full_sync { "FULL" } else { "NORMAL" })?;
    if settings.max_bytes > 0 {
        let page: i64 = conn.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let pages = i64::try_from(settings.max_bytes).unwrap_or(i64::MAX) / page.max(1);
        conn.pragma_update_and_check(None, "max_page_count", pages.max(1), |_| Ok(()))?;
    }
    Ok(conn)
}

/// The format of a file; 0 when it is new or not there.
///
/// # Errors
/// What SQLite reports.
pub fn format(file: &Path) -> Result<i64> {
    if !file.exists() {
        return Ok(0);
    }
    let conn = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    Ok(conn.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

/// Copies the state of this moment into a new file while others go on writing; gives the names of the media files it refers to.
///
/// # Errors
/// [`StoreError::Newer`] (also for an older format: it is to be migrated first), or what SQLite reports.
pub fn copy(from: &Path, to: &Path) -> Result<Vec<String>> {
    let found = format(from)?;
    if found != FORMAT {
        return Err(StoreError::Newer { found, known: FORMAT });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let conn = Connection::open_with_flags(from, flags)?;
    conn.busy_timeout(BUSY)?;
    let to = to
        .to_str()
        .ok_or(StoreError::Failed { doing: "naming the copy", source: "its path is not UTF-8".into() })?;
    // One read transaction: writers go on beside it.
    conn.execute("VACUUM INTO ?1", [to])?;
    drop(conn);
    let copy = Connection::open_with_flags(to, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut sql = copy.prepare("SELECT file FROM media")?;
    Ok(sql.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
}

/// Reads the schema and the shape of the first pages: enough to name a damaged file at the start instead of in the middle of a chat, without
/// reading all of a large one.
fn quick_check(conn: &Connection) -> Result<()> {
    let tables = ["users", "nodes", "sessions", "claims", "messages", "events"];
    for table in tables {
        conn.prepare(&format!("SELECT 1 FROM {table} LIMIT 1"))?.exists([])?;
    }
    Ok(())
}
