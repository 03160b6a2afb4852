//! The journal: what the bridge has taken and not finished yet. Survives kill -9 from the moment `append` returns; synced to the disk every
//! `journal.syncMillis`.
//!
//! Five streams in one store: `held` (stanzas taken), `events` (copies to be delivered), `settled` (what the bridge decided alone), `calls` (what rows
//! observed and an interface is to be told), `rooms` (what rooms really did with messages, where the platform does not know it). Each is ordered by a sequence that only grows, also over restarts. Why a log of our own: docs/journal.md.
//!
//! Leaves out: what entries mean (lanes, mirror), when to sync (a thread of the host), files (`log`).

mod log;

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use self::log::{Change, Log};

/// Format of the journal's folder; a newer one is refused.
const FORMAT: &str = "1";

/// Why the journal cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The folder cannot be made or used.
    #[error("the journal's folder {path} cannot be used: {reason}")]
    Folder {
        /// The folder.
        path: String,
        /// What the system says.
        reason: String,
    },
    /// Written by a newer version.
    #[error(
        "the journal in {path} has format {found}, this version reads {FORMAT}: install the newer plugin again, or move the folder away"
    )]
    Newer {
        /// The folder.
        path: String,
        /// Its format.
        found: String,
    },
    /// The store failed.
    #[error("the journal cannot be written or read: {0}")]
    Store(String),
    /// `journal.maxMegabytes` is reached.
    #[error(
        "the journal is full ({bytes} bytes): the platform does not take what is in it, or journal.maxMegabytes is too small"
    )]
    Full {
        /// Its size.
        bytes: u64,
    },
}

impl From<std::io::Error> for JournalError {
    fn from(error: std::io::Error) -> Self {
        JournalError::Store(error.to_string())
    }
}

/// One stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Stanzas taken.
    Held,
    /// Copies to be delivered.
    Events,
    /// Settlements to be delivered.
    Settled,
    /// What rows observed.
    Calls,
    /// What rooms really did.
    Rooms,
}

/// By their numbers in the log.
const STREAMS: [Stream; 5] = [Stream::Held, Stream::Events, Stream::Settled, Stream::Calls, Stream::Rooms];

/// Size and age of a stream.
#[derive(Debug, Clone, Copy, Default)]
pub struct Depth {
    /// Entries.
    pub entries: u64,
    /// Bytes of their values.
    pub bytes: u64,
}

#[derive(Debug, Default)]
struct Counter {
    entries: AtomicU64,
    bytes: AtomicU64,
}

/// See the module.
pub struct Journal {
    log: Log,
    counters: [Counter; STREAMS.len()],
    next: AtomicU64,
    max: AtomicU64,
    dirty: AtomicBool,
    alarm: Mutex<Option<String>>,
    /// Whether there is an alarm, without its lock.
    alarmed: AtomicBool,
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal").field("next", &self.next).finish_non_exhaustive()
    }
}

impl Journal {
    /// Opens or makes the journal in `path`. `now_ms` seeds the sequence, so that it grows even if the journal was removed.
    ///
    /// # Errors
    /// See [`JournalError`].
    pub fn open(path: &Path, now_ms: u64, max_bytes: u64) -> Result<Journal, JournalError> {
        let folder = |reason: String| JournalError::Folder { path: path.display().to_string(), reason };
        std::fs::create_dir_all(path).map_err(|e| folder(e.to_string()))?;
        let format = path.join("FORMAT");
        match std::fs::read_to_string(&format) {
            Ok(found) if found.trim() == FORMAT => {}
            Ok(found) => {
                return Err(JournalError::Newer {
                    path: path.display().to_string(),
                    found: found.trim().to_owned(),
                });
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                std::fs::write(&format, FORMAT).map_err(|e| folder(e.to_string()))?;
            }
            Err(e) => return Err(folder(e.to_string())),
        }
        let log = Log::open(&path.join("log")).map_err(|e| folder(e.to_string()))?;
        let counters: [Counter; STREAMS.len()] = Default::default();
        let mut last = 0;
        for (at, counter) in counters.iter().enumerate() {
            for (seq, len) in log.entries(at) {
                counter.entries.fetch_add(1, Ordering::Relaxed);
                counter.bytes.fetch_add(len as u64, Ordering::Relaxed);
                last = last.max(seq);
            }
        }
        Ok(Journal {
            log,
            counters,
            next: AtomicU64::new((last + 1).max(now_ms << 20)),
            max: AtomicU64::new(max_bytes),
            dirty: AtomicBool::new(true),
            alarm: Mutex::new(None),
            alarmed: AtomicBool::new(false),
        })
    }

    /// The next sequence: unique, growing, and at least the time (Unix ms, 20 bits up), so that an entry tells its age.
    pub fn next_seq(&self) -> u64 {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |d| d.as_millis() as u64);
        let mut seq = 0;
        let _ = self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| {
            seq = next.max(now << 20);
            Some(seq + 1)
        });
        seq
    }

    /// Writes an entry; after this it survives the end of the process.
    ///
    /// # Errors
    /// [`JournalError::Full`] above the limit (not for settlements and marks, which are small and must not be lost), else the store's.
    pub fn append(&self, stream: Stream, seq: u64, value: &[u8]) -> Result<(), JournalError> {
        if !matches!(stream, Stream::Settled | Stream::Rooms) {
            let bytes =
                [Stream::Held, Stream::Events, Stream::Calls].map(|s| self.depth(s).bytes).iter().sum();
            if bytes > self.max.load(Ordering::Relaxed) {
                return Err(self.alarmed(JournalError::Full { bytes }));
            }
        }
        // Counted before it is there: whoever reads it may remove it before this returns, and a count must never fall below zero.
        let bytes = value.len() as i64;
        self.count(stream, 1, bytes);
        self.write(&[Change::Put(stream as usize, seq, value)])
            .inspect_err(|_| self.count(stream, -1, -bytes))?;
        if self.alarmed.load(Ordering::Relaxed) {
            // It takes entries again: what was wrong is over.
            self.alarmed.store(false, Ordering::Relaxed);
            *self.alarm.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = None;
        }
        Ok(())
    }

    /// Rewrites a held entry and appends its settlement, both or none.
    ///
    /// # Errors
    /// The store's.
    pub fn settle(&self, held: u64, held_value: &[u8], settlement: &[u8]) -> Result<(), JournalError> {
        let bytes = settlement.len() as i64;
        self.count(Stream::Settled, 1, bytes);
        let changes = [
            Change::Put(Stream::Held as usize, held, held_value),
            Change::Put(Stream::Settled as usize, self.next_seq(), settlement),
        ];
        self.write(&changes).inspect_err(|_| self.count(Stream::Settled, -1, -bytes))
    }

    /// Removes entries (`seq`, bytes of the value).
    ///
    /// # Errors
    /// The store's; then they may come again after a restart.
    pub fn remove(&self, stream: Stream, entries: &[(u64, usize)]) -> Result<(), JournalError> {
        self.write(&[Change::Remove(stream as usize, entries)])?;
        let bytes: usize = entries.iter().map(|(_, bytes)| bytes).sum();
        self.count(stream, -(entries.len() as i64), -(bytes as i64));
        Ok(())
    }

    /// Entries from `from` on, oldest first, at most `limit` and about `bytes`.
    ///
    /// # Errors
    /// The store's.
    pub fn read(
        &self,
        stream: Stream,
        from: u64,
        limit: usize,
        bytes: usize,
    ) -> Result<Vec<(u64, Vec<u8>)>, JournalError> {
        Ok(self.log.read(stream as usize, from, limit, bytes)?)
    }

    /// Sets a mark; survives the end of the process.
    ///
    /// # Errors
    /// The store's.
    pub fn mark(&self, name: &str, value: u64) -> Result<(), JournalError> {
        self.write(&[Change::Mark(name, value)])
    }

    /// Reads a mark.
    ///
    /// # Errors
    /// The store's.
    pub fn marked(&self, name: &str) -> Result<Option<u64>, JournalError> {
        Ok(self.log.marked(name))
    }

    /// The marks whose names begin so, in order, with the rest of the name.
    #[must_use]
    pub fn marks(&self, prefix: &str) -> Vec<(String, u64)> {
        self.log.marks(prefix)
    }

    /// Removes a mark.
    ///
    /// # Errors
    /// The store's.
    pub fn unmark(&self, name: &str) -> Result<(), JournalError> {
        self.write(&[Change::Unmark(name)])
    }

    /// Syncs to the disk if anything was written since.
    ///
    /// # Errors
    /// The store's.
    pub fn sync(&self) -> Result<(), JournalError> {
        if self.dirty.swap(false, Ordering::Relaxed) {
            self.log.sync().map_err(|e| self.alarmed(e.into()))?;
        }
        Ok(())
    }

    /// Size of a stream.
    #[must_use]
    pub fn depth(&self, stream: Stream) -> Depth {
        let counter = &self.counters[stream as usize];
        Depth {
            entries: counter.entries.load(Ordering::Relaxed),
            bytes: counter.bytes.load(Ordering::Relaxed),
        }
    }

    /// When the oldest entry of a stream was made (Unix ms), from its sequence. None when it is empty.
    #[must_use]
    pub fn oldest_ms(&self, stream: Stream) -> Option<u64> {
        self.log.first(stream as usize).map(|seq| seq >> 20)
    }

    /// Changes `journal.maxMegabytes` (in bytes).
    pub fn set_max(&self, bytes: u64) {
        self.max.store(bytes, Ordering::Relaxed);
    }

    /// What went wrong last; None when all is well.
    #[must_use]
    pub fn alarm(&self) -> Option<String> {
        self.alarm.lock().ok().and_then(|alarm| alarm.clone())
    }

    /// Bytes on the disk.
    #[must_use]
    pub fn disk_bytes(&self) -> u64 {
        self.log.disk_bytes()
    }

    fn alarmed(&self, error: JournalError) -> JournalError {
        if let Ok(mut alarm) = self.alarm.lock() {
            *alarm = Some(error.to_string());
            self.alarmed.store(true, Ordering::Relaxed);
        }
        error
    }

    fn write(&self, changes: &[Change<'_>]) -> Result<(), JournalError> {
        self.log.write(changes).map_err(|e| self.alarmed(e.into()))?;
        self.dirty.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn count(&self, stream: Stream, entries: i64, bytes: i64) {
        let counter = &self.counters[stream as usize];
        counter.entries.fetch_add(entries as u64, Ordering::Relaxed);
        counter.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_in_order_after_a_reopening_and_removed_ones_do_not() {
        let dir = tempfile::tempdir().expect("scratch");
        let journal = Journal::open(dir.path(), 1, 1 << 20).expect("new");
        let seqs: Vec<u64> = (0..100).map(|_| journal.next_seq()).collect();
        for seq in &seqs {
            journal.append(Stream::Held, *seq, &seq.to_be_bytes()).expect("append");
        }
        journal.remove(Stream::Held, &[(seqs[3], 8)]).expect("one");
        journal.remove(Stream::Held, &[(seqs[5], 8), (seqs[6], 8)]).expect("two");
        journal.settle(seqs[0], b"settled!", b"s").expect("settle");
        assert_eq!(journal.depth(Stream::Held).entries, 97);
        drop(journal);
        let journal = Journal::open(dir.path(), 1, 1 << 20).expect("again");
        let back = journal.read(Stream::Held, 0, 1000, usize::MAX).expect("read");
        assert_eq!(back.len(), 97);
        assert_eq!(back[0], (seqs[0], b"settled!".to_vec()));
        assert!(back.is_sorted_by_key(|(seq, _)| *seq));
        assert!(journal.next_seq() > seqs[99], "the sequence goes on");
        assert_eq!(journal.depth(Stream::Settled).entries, 1);
    }

    #[test]
    fn an_entry_tells_its_age_and_an_alarm_ends_with_its_cause() {
        let dir = tempfile::tempdir().expect("scratch");
        let journal = Journal::open(dir.path(), 1, 10).expect("new");
        let before =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("clock").as_millis()
                as u64;
        let seq = journal.next_seq();
        journal.append(Stream::Held, seq, &[0; 11]).expect("first");
        assert!(journal.oldest_ms(Stream::Held).expect("one") >= before);
        journal.append(Stream::Held, journal.next_seq(), &[0]).expect_err("full");
        assert!(journal.alarm().is_some());
        journal.remove(Stream::Held, &[(seq, 11)]).expect("removed");
        journal.append(Stream::Held, journal.next_seq(), &[0]).expect("room again");
        assert_eq!(journal.alarm(), None);
    }

    #[test]
    fn an_entry_that_is_removed_while_it_is_appended_is_counted_right() {
        let dir = tempfile::tempdir().expect("scratch");
        let journal = Journal::open(dir.path(), 1, 1 << 20).expect("new");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut left = 20_000;
                while left > 0 {
                    let entries = journal.read(Stream::Events, 0, 500, usize::MAX).expect("read");
                    let gone: Vec<_> = entries.iter().map(|(seq, value)| (*seq, value.len())).collect();
                    journal.remove(Stream::Events, &gone).expect("remove");
                    left -= gone.len();
                }
            });
            for _ in 0..20_000 {
                // A count that fell below zero would look like a full journal.
                journal.append(Stream::Events, journal.next_seq(), b"short").expect("append");
            }
        });
        assert_eq!(journal.depth(Stream::Events).entries, 0);
    }

    #[test]
    fn a_full_journal_says_so_and_a_newer_format_is_left_alone() {
        let dir = tempfile::tempdir().expect("scratch");
        let journal = Journal::open(dir.path(), 1, 10).expect("new");
        journal.append(Stream::Events, 1, &[0; 11]).expect("first");
        assert!(matches!(journal.append(Stream::Held, 2, &[0]), Err(JournalError::Full { .. })));
        assert!(journal.alarm().is_some());
        drop(journal);
        std::fs::write(dir.path().join("FORMAT"), "2").expect("write");
        assert!(matches!(Journal::open(dir.path(), 1, 10), Err(JournalError::Newer { .. })));
    }
}
