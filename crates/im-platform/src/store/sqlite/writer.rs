//! The one writer: a thread that takes whatever has arrived, runs it in one transaction and answers when that is committed (group commit).
//!
//! Each job has a savepoint of its own, so a refused job leaves nothing behind and does not disturb its neighbours. If SQLite gives up the whole
//! transaction (disk full), all of them are told so.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::{Clock, Millis};
use crate::store::{Result, StoreError};

/// How many jobs share a transaction at most, and how long it may collect them.
const GROUP: usize = 512;
const GROUP_TIME: Duration = Duration::from_millis(20);
/// How many jobs may wait; beyond that callers wait to get in line.
const QUEUE: usize = 4_096;

/// A transaction as a job sees it.
#[derive(Debug, Clone, Copy)]
pub struct Tx<'c> {
    /// The connection, inside a savepoint.
    pub conn: &'c Connection,
    /// The time of this job.
    pub now: Millis,
    /// What is to happen once it is committed.
    pub after: &'c After,
}

/// What a group wants done after its commit.
#[derive(Debug, Default)]
pub struct After {
    /// The last event announced on the downlink; 0 for none.
    pub announced: Cell<i64>,
    /// Something was erased: the log is written back and cut, so that it holds no copy.
    pub erased: Cell<bool>,
}

/// Who is told of what was committed.
#[derive(Debug)]
pub struct News {
    /// Position of the last event on the downlink.
    pub announced: watch::Sender<i64>,
    /// Grows with every change.
    pub changed: watch::Sender<u64>,
}

trait Job: Send {
    /// Does the work; true keeps it.
    fn run(&mut self, tx: Tx<'_>) -> bool;
    /// Whether the work was refused because the store is full.
    fn is_full(&self) -> bool;
    /// Answers the caller: with its result, or with this failure of the whole group.
    fn answer(self: Box<Self>, failed: Option<&GroupFailure>);
}

/// Why nothing of a group was kept.
struct GroupFailure {
    full: bool,
    why: String,
}

struct JobOf<T, F> {
    work: Option<F>,
    result: Option<Result<T>>,
    caller: oneshot::Sender<Result<T>>,
}

impl<T: Send, F: FnOnce(Tx<'_>) -> Result<T> + Send> Job for JobOf<T, F> {
    fn run(&mut self, tx: Tx<'_>) -> bool {
        let Some(work) = self.work.take() else { return false };
        let result = catch_unwind(AssertUnwindSafe(|| work(tx))).unwrap_or_else(|_| {
            Err(StoreError::Failed { doing: "running a write", source: "it panicked".into() })
        });
        let keep = result.is_ok();
        self.result = Some(result);
        keep
    }

    fn is_full(&self) -> bool {
        matches!(self.result, Some(Err(StoreError::Full(_))))
    }

    fn answer(self: Box<Self>, failed: Option<&GroupFailure>) {
        let result = match (self.result, failed) {
            // A job that was refused for its own reasons keeps its own answer.
            (Some(Err(own)), _) => Err(own),
            (_, Some(group)) if group.full => Err(StoreError::Full(group.why.as_str().into())),
            (_, Some(group)) => {
                Err(StoreError::Failed { doing: "committing", source: group.why.as_str().into() })
            }
            (Some(Ok(value)), None) => Ok(value),
            (None, None) => Err(StoreError::Closed),
        };
        // A caller that went away does not need the answer.
        let _ = self.caller.send(result);
    }
}

/// The caller's side. Dropping the last one ends the thread after what was accepted.
#[derive(Clone)]
pub struct Writer {
    jobs: mpsc::Sender<Box<dyn Job>>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(conn: Connection, clock: Clock, news: News) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || work(conn, &clock, &news, queue))?;
        Ok((Self { jobs }, thread))
    }

    /// How many jobs are in line.
    pub fn waiting(&self) -> usize {
        self.jobs.max_capacity() - self.jobs.capacity()
    }

    /// Runs `work` in the next group and waits until it is committed. Once in line it runs even if the caller goes away.
    ///
    /// # Errors
    /// What `work` gives, or why the group could not be committed.
    pub async fn run<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(Tx<'_>) -> Result<T> + Send + 'static,
    {
        let (caller, answer) = oneshot::channel();
        let job = Box::new(JobOf { work: Some(work), result: None, caller });
        self.jobs.send(job).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

fn work(mut conn: Connection, clock: &Clock, news: &News, mut queue: mpsc::Receiver<Box<dyn Job>>) {
    while let Some(first) = queue.blocking_recv() {
        let (mut group, after) = (Vec::new(), After::default());
        let failed = group_commit(&mut conn, clock, &after, first, &mut queue, &mut group).err().map(|e| {
            let full = super::error::is_unwritable(&e);
            GroupFailure { full: full || group.iter().any(|job| job.is_full()), why: e.to_string() }
        });
        if let Some(GroupFailure { why, .. }) = &failed {
            tracing::error!(why, jobs = group.len(), "a group of writes could not be committed");
            if !conn.is_autocommit() {
                let _ = conn.execute_batch("ROLLBACK");
            }
        }
        if failed.is_none() && after.erased.get() {
            // Readers that are in the middle of something keep part of the log; the next erasure or checkpoint gets it.
            // It does not wait for them: somebody else is waiting for us.
            let _ = conn.busy_timeout(Duration::from_millis(100));
            let _ = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
            let _ = conn.busy_timeout(super::BUSY);
        }
        // Before the answers: who has one finds the news announced.
        if failed.is_none() && after.announced.get() > 0 {
            news.announced.send_replace(after.announced.get());
        }
        let changes = conn.total_changes();
        if failed.is_none() && changes != *news.changed.borrow() {
            news.changed.send_replace(changes);
        }
        for job in group {
            job.answer(failed.as_ref());
        }
    }
    // The last words: leave one tidy file behind. Not being able to is no loss, the log is replayed at the next start.
    // No PRAGMA optimize: the plans are those that the tests hold, whatever the data.
    let _ = conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);");
}

fn group_commit(
    conn: &mut Connection,
    clock: &Clock,
    after: &After,
    first: Box<dyn Job>,
    queue: &mut mpsc::Receiver<Box<dyn Job>>,
    group: &mut Vec<Box<dyn Job>>,
) -> rusqlite::Result<()> {
    let started = Instant::now();
    let mut next = Some(first);
    let mut begun = Ok(());
    while let Some(mut job) = next {
        if group.is_empty() {
            begun = conn.execute_batch("BEGIN IMMEDIATE");
        }
        if begun.is_ok() {
            begun = one(conn, clock, after, job.as_mut());
        }
        group.push(job);
        next = if begun.is_ok() && group.len() < GROUP && started.elapsed() < GROUP_TIME {
            queue.try_recv().ok()
        } else {
            None
        };
    }
    begun?;
    conn.execute_batch("COMMIT")
}

fn one(conn: &Connection, clock: &Clock, after: &After, job: &mut dyn Job) -> rusqlite::Result<()> {
    conn.prepare_cached("SAVEPOINT job")?.execute([])?;
    let announced = after.announced.get();
    if !job.run(Tx { conn, now: clock.now(), after }) {
        after.announced.set(announced);
        // Fails when SQLite has ended the transaction itself: then everything in it is gone and all must know.
        conn.prepare_cached("ROLLBACK TO job")?.execute([])?;
    }
    conn.prepare_cached("RELEASE job")?.execute([])?;
    Ok(())
}
