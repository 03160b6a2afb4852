//! `cargo xtask bench journal [--quick]`: what it costs to make an entry safe against kill -9, store by store, interleaved in one run on one
//! disk. Prints the tables of docs/journal.md.
//!
//! Contestants: the journal as it ships, fjall, and SQLite in WAL mode with one transaction per entry. All are asked for the same promise: when
//! `append` returns, the end of the process loses nothing.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use cloudbridge::journal::{Journal, Stream};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use rusqlite::Connection;

type Any = Box<dyn std::error::Error + Send + Sync>;
type Done<T = ()> = Result<T, Any>;

/// One store.
trait Store: Send + Sync {
    fn append(&self, seq: u64, value: &[u8]) -> Done;
    fn remove(&self, entries: &[(u64, usize)]) -> Done;
    /// The oldest entries, as the mirror reads them.
    fn read(&self, limit: usize) -> Done<Vec<(u64, usize)>>;
    fn sync(&self) -> Done;
    fn entries(&self) -> Done<u64>;
}

impl Store for Journal {
    fn append(&self, seq: u64, value: &[u8]) -> Done {
        Ok(Journal::append(self, Stream::Events, seq, value)?)
    }
    fn remove(&self, entries: &[(u64, usize)]) -> Done {
        Ok(Journal::remove(self, Stream::Events, entries)?)
    }
    fn read(&self, limit: usize) -> Done<Vec<(u64, usize)>> {
        let read = Journal::read(self, Stream::Events, 0, limit, 1 << 20)?;
        Ok(read.into_iter().map(|(seq, value)| (seq, value.len())).collect())
    }
    fn sync(&self) -> Done {
        Ok(Journal::sync(self)?)
    }
    fn entries(&self) -> Done<u64> {
        Ok(self.depth(Stream::Events).entries)
    }
}

/// With its own defaults: two workers, 64 MB of entries in memory, every insert handed to the system before it returns.
struct Fjall(Database, Keyspace);

impl Fjall {
    fn open(folder: &Path) -> Done<Self> {
        let db = Database::builder(folder).worker_threads(2).cache_size(16 << 20).open()?;
        let events = db.keyspace("events", KeyspaceCreateOptions::default)?;
        Ok(Self(db, events))
    }
}

impl Store for Fjall {
    fn append(&self, seq: u64, value: &[u8]) -> Done {
        Ok(self.1.insert(seq.to_be_bytes(), value)?)
    }
    fn remove(&self, entries: &[(u64, usize)]) -> Done {
        if let [(seq, _)] = entries {
            return Ok(self.1.remove(seq.to_be_bytes())?);
        }
        let mut batch = self.0.batch();
        entries.iter().for_each(|(seq, _)| batch.remove(&self.1, seq.to_be_bytes()));
        Ok(batch.commit()?)
    }
    fn read(&self, limit: usize) -> Done<Vec<(u64, usize)>> {
        let entries = self.1.iter().take(limit).map(|guard| {
            let (key, value) = guard.into_inner()?;
            Ok((u64::from_be_bytes(key[..].try_into()?), value.to_vec().len()))
        });
        entries.collect()
    }
    fn sync(&self) -> Done {
        Ok(self.0.persist(PersistMode::SyncData)?)
    }
    fn entries(&self) -> Done<u64> {
        Ok(self.1.iter().count() as u64)
    }
}

struct Sqlite(Mutex<Connection>);

impl Sqlite {
    fn open(folder: &Path) -> Done<Self> {
        std::fs::create_dir_all(folder)?;
        let db = Connection::open(folder.join("journal.db"))?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "NORMAL")?;
        db.execute("CREATE TABLE IF NOT EXISTS events (seq INTEGER PRIMARY KEY, value BLOB)", [])?;
        Ok(Self(Mutex::new(db)))
    }
    fn lock(&self) -> std::sync::MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Sqlite {
    fn append(&self, seq: u64, value: &[u8]) -> Done {
        let db = self.lock();
        db.prepare_cached("INSERT INTO events VALUES (?, ?)")?.execute((seq.cast_signed(), value))?;
        Ok(())
    }
    fn remove(&self, entries: &[(u64, usize)]) -> Done {
        let db = self.lock();
        let transaction = db.unchecked_transaction()?;
        for (seq, _) in entries {
            db.prepare_cached("DELETE FROM events WHERE seq = ?")?.execute([seq.cast_signed()])?;
        }
        Ok(transaction.commit()?)
    }
    fn read(&self, limit: usize) -> Done<Vec<(u64, usize)>> {
        let db = self.lock();
        let mut query = db.prepare_cached("SELECT seq, value FROM events ORDER BY seq LIMIT ?")?;
        let rows = query.query_map([limit as i64], |row| {
            Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, Vec<u8>>(1)?.len()))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
    fn sync(&self) -> Done {
        Ok(self.lock().query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?)
    }
    fn entries(&self) -> Done<u64> {
        Ok(self
            .lock()
            .query_row("SELECT count(*) FROM events", [], |row| row.get::<_, i64>(0))?
            .cast_unsigned())
    }
}

const STORES: [&str; 3] = ["own log", "fjall", "SQLite"];

fn open(store: usize, folder: &Path) -> Done<Box<dyn Store>> {
    Ok(match store {
        0 => Box::new(Journal::open(folder, 1, 4 << 30)?),
        1 => Box::new(Fjall::open(folder)?),
        _ => Box::new(Sqlite::open(folder)?),
    })
}

/// How much of everything.
#[derive(Clone, Copy)]
struct Plan {
    rounds: usize,
    entries: u64,
    churn: u64,
    recover: u64,
    sustain: Duration,
}

const FULL: Plan =
    Plan { rounds: 5, entries: 20_000, churn: 1_000_000, recover: 100_000, sustain: Duration::from_secs(20) };
const QUICK: Plan =
    Plan { rounds: 2, entries: 10_000, churn: 200_000, recover: 50_000, sustain: Duration::from_secs(5) };

/// Nanoseconds of single calls.
#[derive(Default)]
struct Times(Vec<u64>);

impl Times {
    fn add(&mut self, start: Instant) {
        self.0.push(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX));
    }
    fn at(&mut self, share: f64) -> u64 {
        self.0.sort_unstable();
        let last = self.0.len().saturating_sub(1);
        self.0.get((last as f64 * share) as usize).copied().unwrap_or(0)
    }
}

fn main() -> Done {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--fill", store, folder, count] => fill(store.parse()?, Path::new(folder), count.parse()?),
        ["--quick"] => run(QUICK),
        [] => run(FULL),
        _ => Err("usage: cargo xtask bench journal [--quick]".into()),
    }
}

fn scratch() -> Done<tempfile::TempDir> {
    Ok(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?)
}

fn run(plan: Plan) -> Done {
    let mut clock = Times::default();
    (0..10_000).for_each(|_| clock.add(Instant::now()));
    println!("The clock's own share of every figure per call: {} ns\n", clock.at(0.5));
    calls(plan)?;
    recovery(plan)?;
    churn(plan)?;
    sustained(plan)
}

#[derive(Default)]
struct Calls {
    one: Times,
    one_by_one: Times,
    batched: Times,
    four: Times,
    four_each: Vec<u64>,
    sync: Times,
}

/// Single calls: append on one thread and on four, remove, sync.
fn calls(plan: Plan) -> Done {
    let mut all: [Calls; STORES.len()] = Default::default();
    for round in 0..plan.rounds {
        for turn in 0..STORES.len() {
            let store = (round + turn) % STORES.len();
            let folder = scratch()?;
            let opened = open(store, &folder.path().join("store"))?;
            round_of_calls(&*opened, plan, &mut all[store])?;
        }
    }
    println!("| 500-byte entry, ns | {} |", STORES.join(" | "));
    println!("|---|{}", "---|".repeat(STORES.len()));
    let mut row = |name: &str, cell: &dyn Fn(&mut Calls) -> String| {
        println!("| {name} | {} |", all.iter_mut().map(cell).collect::<Vec<_>>().join(" | "));
    };
    let spread = |times: &mut Times| {
        format!("{} / {} / {} / {}", times.at(0.5), times.at(0.99), times.at(0.999), times.at(1.0))
    };
    row("append, one thread: median / p99 / p99.9 / max", &|c| spread(&mut c.one));
    row("append, four threads, per call: median / p99 / p99.9 / max", &|c| spread(&mut c.four));
    row("append, four threads together: wall time per entry", &|c| {
        c.four_each.sort_unstable();
        c.four_each[c.four_each.len() / 2].to_string()
    });
    row("remove one: median / p99 / p99.9 / max", &|c| spread(&mut c.one_by_one));
    row("remove 256 at once, per entry: median", &|c| (c.batched.at(0.5) / 256).to_string());
    row("sync, 1,000 entries outstanding: median / max", &|c| {
        format!("{} / {}", c.sync.at(0.5), c.sync.at(1.0))
    });
    println!();
    Ok(())
}

fn round_of_calls(store: &dyn Store, plan: Plan, calls: &mut Calls) -> Done {
    let value = [b'x'; 500];
    let entries = plan.entries;
    for seq in 0..entries {
        let start = Instant::now();
        store.append(seq, &value)?;
        calls.one.add(start);
    }
    for seq in 0..entries / 2 {
        let start = Instant::now();
        store.remove(&[(seq, 500)])?;
        calls.one_by_one.add(start);
    }
    let rest: Vec<_> = (entries / 2..entries).map(|seq| (seq, 500)).collect();
    for batch in rest.chunks_exact(256) {
        let start = Instant::now();
        store.remove(batch)?;
        calls.batched.add(start);
    }
    let next = AtomicU64::new(1 << 32);
    let start = Instant::now();
    let threads = std::thread::scope(|scope| {
        let work = || -> Done<Times> {
            let mut times = Times::default();
            for _ in 0..entries / 4 {
                let seq = next.fetch_add(1, Ordering::Relaxed);
                let start = Instant::now();
                store.append(seq, &value)?;
                times.add(start);
            }
            Ok(times)
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|t| t.join().map_err(|_| "a thread panicked")).collect::<Result<Vec<_>, _>>()
    })?;
    calls.four_each.push(u64::try_from(start.elapsed().as_nanos())? / (entries / 4 * 4));
    for times in threads {
        calls.four.0.extend(times?.0);
    }
    let first = 1 << 33;
    for round in 0..10 {
        for seq in 0..1000 {
            store.append(first + round * 1000 + seq, &value)?;
        }
        let start = Instant::now();
        store.sync()?;
        calls.sync.add(start);
    }
    Ok(())
}

/// Fills a store in a process of its own, says how far it is, and waits to be killed.
fn fill(store: usize, folder: &Path, count: u64) -> Done {
    let opened = open(store, folder)?;
    for seq in 0..count {
        opened.append(seq, &[b'x'; 500])?;
    }
    println!("full");
    loop {
        std::thread::park();
    }
}

/// Kills a process that has filled a store and opens what it left.
fn recovery(plan: Plan) -> Done {
    println!("| after kill -9 with {} entries | found again | opened in, ms |\n|---|---|---|", plan.recover);
    for (store, name) in STORES.iter().enumerate() {
        let folder = scratch()?;
        let path = folder.path().join("store");
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--fill", &store.to_string(), &path.display().to_string(), &plan.recover.to_string()])
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line)?;
        }
        child.kill()?;
        child.wait()?;
        let start = Instant::now();
        let opened = open(store, &path)?;
        let found = opened.entries()?;
        println!("| {name} | {found} | {} |", start.elapsed().as_millis());
    }
    println!();
    Ok(())
}

fn disk(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(data) if data.is_dir() => disk(&entry.path()),
        Ok(data) => data.blocks() * 512,
        Err(_) => 0,
    });
    sizes.sum()
}

/// A store that is never empty for long and never full: is it bounded?
fn churn(plan: Plan) -> Done {
    println!(
        "| {} entries appended and removed, 1,000 behind | disk at most, MB | disk at the end, MB | us per entry |\n|---|---|---|---|",
        plan.churn
    );
    for (store, name) in STORES.iter().enumerate() {
        let folder = scratch()?;
        let opened = open(store, &folder.path().join("store"))?;
        let (mut most, start) = (0, Instant::now());
        for seq in 0..plan.churn {
            opened.append(seq, &[b'x'; 500])?;
            if seq % 250 == 0 && seq >= 1250 {
                let gone: Vec<_> = (seq - 1250..seq - 1000).map(|seq| (seq, 500)).collect();
                opened.remove(&gone)?;
            }
            if seq % 5000 == 0 {
                most = most.max(disk(folder.path()));
            }
        }
        let each = start.elapsed().as_secs_f64() * 1e6 / plan.churn as f64;
        println!("| {name} | {} | {} | {each:.1} |", most >> 20, disk(folder.path()) >> 20);
    }
    println!();
    Ok(())
}

/// 40,000 entries of 600 bytes a second for a while, read and removed in batches as the mirror does it, synced every 100 ms.
fn sustained(plan: Plan) -> Done {
    println!(
        "| {} s at 40,000 entries/s | entries/s | median / p99 / p99.9 / max, us | calls over 1 ms | unread at most | disk at most, MB |\n|---|---|---|---|---|---|",
        plan.sustain.as_secs()
    );
    for (store, name) in STORES.iter().enumerate() {
        let folder = scratch()?;
        let opened = open(store, &folder.path().join("store"))?;
        let (ended, removed) = (AtomicBool::new(false), AtomicU64::new(0));
        let (mut times, mut behind, mut most) = (Times::default(), 0, 0);
        let start = Instant::now();
        std::thread::scope(|scope| -> Done {
            let mirror = scope.spawn(|| -> Done {
                while !ended.load(Ordering::Acquire) {
                    let read = opened.read(500)?;
                    if read.is_empty() {
                        std::thread::park_timeout(Duration::from_millis(1));
                        continue;
                    }
                    opened.remove(&read)?;
                    removed.fetch_add(read.len() as u64, Ordering::Relaxed);
                }
                Ok(())
            });
            let sync = scope.spawn(|| -> Done {
                while !ended.load(Ordering::Acquire) {
                    std::thread::park_timeout(Duration::from_millis(100));
                    opened.sync()?;
                }
                Ok(())
            });
            let mut seq = 0;
            let appended = loop {
                let passed = start.elapsed();
                if passed >= plan.sustain {
                    break Ok(());
                }
                let due = passed.as_micros() as u64 / 25;
                while seq < due {
                    let call = Instant::now();
                    if let Err(error) = opened.append(seq, &[b'x'; 600]) {
                        ended.store(true, Ordering::Release);
                        return Err(error);
                    }
                    times.add(call);
                    seq += 1;
                    if seq % 40_000 == 0 {
                        most = most.max(disk(folder.path()));
                    }
                }
                behind = behind.max(seq - removed.load(Ordering::Relaxed));
                std::thread::park_timeout(Duration::from_millis(1));
            };
            ended.store(true, Ordering::Release);
            mirror.join().map_err(|_| "the reader panicked")??;
            sync.join().map_err(|_| "the syncer panicked")??;
            appended
        })?;
        let rate = times.0.len() as f64 / start.elapsed().as_secs_f64();
        let slow = times.0.iter().filter(|ns| **ns > 1_000_000).count();
        let us = |ns: u64| ns as f64 / 1000.0;
        println!(
            "| {name} | {rate:.0} | {:.1} / {:.1} / {:.1} / {:.0} | {slow} | {behind} | {} |",
            us(times.at(0.5)),
            us(times.at(0.99)),
            us(times.at(0.999)),
            us(times.at(1.0)),
            most >> 20
        );
    }
    Ok(())
}
