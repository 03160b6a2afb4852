//! The log below the journal: segments that are only appended to, one write(2) and one checksum per frame, an index of places in memory.
//!
//! - When a write returns, the frame is with the operating system: the end of the process loses nothing. A frame is read back whole or not at all.
//! - A segment goes when nothing in it lives and nothing older is left, so a removal never outlives what it removed. When too much is dead,
//!   survivors at the old end are copied forward, a few with every removal: the disk stays bounded.
//! - Syncing, reading values and deleting files happen outside the lock: who appends never waits for a disk.
//!
//! Leaves out: what streams mean, limits, counters, when to sync.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A segment that has reached this is closed.
const SEGMENT: u64 = 16 << 20;
/// Dead bytes beyond twice the living ones and this are cleaned away.
const SLACK: u64 = 32 << 20;
/// Survivors that one removal copies forward at least.
const CLEANED: usize = 64;
/// A frame: length and checksum of the operations that follow.
const FRAME: usize = 8;
/// An operation: kind, stream, sequence, length of the value.
const HEAD: usize = 1 + 1 + 8 + 4;
/// How long another process (or the plugin before this one) may take to let go of the folder.
const LOCK_LIMIT: Duration = Duration::from_secs(5);

const PUT: u8 = 1;
const REMOVE: u8 = 2;
const MARK: u8 = 3;
const UNMARK: u8 = 4;

/// Where a value stands.
#[derive(Debug, Clone, Copy)]
struct Slot {
    seq: u64,
    segment: u64,
    offset: u32,
    len: u32,
    living: bool,
}

/// The entries of one stream by sequence. They come and go almost in order, so a queue is index enough.
#[derive(Debug, Default)]
struct Index {
    slots: VecDeque<Slot>,
    dead: usize,
}

impl Index {
    fn find(&self, seq: u64) -> Result<usize, usize> {
        self.slots.binary_search_by_key(&seq, |slot| slot.seq)
    }

    /// Gives what it replaces.
    fn put(&mut self, slot: Slot) -> Option<Slot> {
        if self.slots.back().is_none_or(|last| last.seq < slot.seq) {
            self.slots.push_back(slot);
            return None;
        }
        match self.find(slot.seq) {
            Err(at) => {
                self.slots.insert(at, slot);
                None
            }
            Ok(at) => {
                let before = std::mem::replace(&mut self.slots[at], slot);
                self.dead -= usize::from(!before.living);
                before.living.then_some(before)
            }
        }
    }

    fn remove(&mut self, seq: u64) -> Option<Slot> {
        let at = self.find(seq).ok()?;
        let slot = self.slots[at];
        if !slot.living {
            return None;
        }
        self.slots[at].living = false;
        self.dead += 1;
        while self.slots.front().is_some_and(|first| !first.living) {
            self.slots.pop_front();
            self.dead -= 1;
        }
        if self.dead > self.slots.len() / 2 + 1024 {
            self.slots.retain(|slot| slot.living);
            self.dead = 0;
        }
        Some(slot)
    }

    fn from(&self, seq: u64) -> impl Iterator<Item = &Slot> {
        let at = self.find(seq).unwrap_or_else(|at| at);
        self.slots.range(at..).filter(|slot| slot.living)
    }
}

#[derive(Debug)]
struct Segment {
    file: Arc<File>,
    path: PathBuf,
    bytes: u64,
    /// Entries and marks in it that still count.
    living: usize,
}

#[derive(Debug, Default)]
struct Inner {
    segments: BTreeMap<u64, Segment>,
    streams: [Index; super::STREAMS.len()],
    marks: HashMap<String, (u64, u64)>,
    buffer: Vec<u8>,
    living_bytes: u64,
    total_bytes: u64,
    /// The active segment takes nothing more: a write into it has failed half-way.
    spoilt: bool,
    unsynced: Vec<Arc<File>>,
    new_files: bool,
    /// Dead segments' files, oldest first.
    gone: VecDeque<PathBuf>,
}

/// See the module.
#[derive(Debug)]
pub struct Log {
    folder: PathBuf,
    inner: Mutex<Inner>,
    deleting: Mutex<()>,
    /// Held for as long as this lives: one owner per folder.
    _owner: File,
}

/// What is written as one: all of it is found again, or nothing.
#[derive(Debug)]
pub enum Change<'a> {
    /// Appends an entry or replaces it.
    Put(usize, u64, &'a [u8]),
    /// Removes entries.
    Remove(usize, &'a [(u64, usize)]),
    /// Sets a mark.
    Mark(&'a str, u64),
    /// Removes a mark.
    Unmark(&'a str),
}

impl Log {
    /// Opens or makes the log in `folder`.
    ///
    /// # Errors
    /// When the folder cannot be used or somebody else uses it.
    pub fn open(folder: &Path) -> io::Result<Log> {
        fs::create_dir_all(folder)?;
        let owner = own(&folder.join("lock"))?;
        let mut inner = Inner::default();
        let mut numbers: Vec<u64> = fs::read_dir(folder)?
            .filter_map(|entry| {
                let path = entry.ok()?.path();
                (path.extension()? == "log").then(|| path.file_stem()?.to_str()?.parse().ok())?
            })
            .collect();
        numbers.sort_unstable();
        for number in &numbers {
            inner.recover(folder, *number)?;
        }
        inner.spoilt = true;
        let log = Log {
            folder: folder.to_path_buf(),
            inner: Mutex::new(inner),
            deleting: Mutex::new(()),
            _owner: owner,
        };
        // Never behind what a crash may have torn.
        log.rotate(&mut log.lock())?;
        Ok(log)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes changes as one frame.
    ///
    /// # Errors
    /// Then nothing has changed.
    pub fn write(&self, changes: &[Change<'_>]) -> io::Result<()> {
        let mut inner = self.lock();
        self.write_frame(&mut inner, changes)?;
        let removed =
            changes.iter().map(|c| if let Change::Remove(_, entries) = c { entries.len() } else { 0 });
        let removed: usize = removed.sum();
        if removed > 0 {
            self.clean(&mut inner, removed.max(CLEANED));
            let some = !inner.gone.is_empty();
            drop(inner);
            if some {
                self.delete();
            }
        }
        Ok(())
    }

    /// Deletes dead segments' files, in order: a removal must not go before what it removed.
    fn delete(&self) {
        let _one_at_a_time = self.deleting.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let Some(path) = self.lock().gone.pop_front() else { return };
            if let Err(error) = fs::remove_file(&path)
                && error.kind() != io::ErrorKind::NotFound
            {
                self.lock().gone.push_front(path);
                return;
            }
        }
    }

    fn write_frame(&self, inner: &mut Inner, changes: &[Change<'_>]) -> io::Result<()> {
        if inner.spoilt || inner.active().is_none_or(|(_, segment)| segment.bytes >= SEGMENT) {
            self.rotate(inner)?;
        }
        let mut buffer = std::mem::take(&mut inner.buffer);
        buffer.clear();
        buffer.resize(FRAME, 0);
        changes.iter().for_each(|change| encode(change, &mut buffer));
        if buffer.len() == FRAME {
            return Ok(());
        }
        let len = u32::try_from(buffer.len() - FRAME).map_err(|_| io::ErrorKind::FileTooLarge)?;
        buffer[..4].copy_from_slice(&len.to_le_bytes());
        let sum = crc32fast::hash(&buffer[FRAME..]);
        buffer[4..FRAME].copy_from_slice(&sum.to_le_bytes());
        let written = inner.append(&buffer);
        if let Ok((segment, offset)) = written {
            inner.apply(segment, offset + FRAME as u64, &buffer[FRAME..]);
        }
        // One large message must not cost its size for ever.
        if buffer.capacity() <= 256 << 10 {
            inner.buffer = buffer;
        }
        written.map(drop)
    }

    fn rotate(&self, inner: &mut Inner) -> io::Result<()> {
        let number = inner.active().map_or(1, |(number, _)| number + 1);
        let path = self.folder.join(format!("{number:016}.log"));
        let file = Arc::new(File::options().create_new(true).read(true).append(true).open(&path)?);
        if let Some((_, before)) = inner.active() {
            let before = Arc::clone(&before.file);
            inner.unsynced.push(before);
        }
        inner.segments.insert(number, Segment { file, path, bytes: 0, living: 0 });
        inner.spoilt = false;
        inner.new_files = true;
        Ok(())
    }

    /// Takes dead segments away from the old end; copies up to `most` survivors forward when too much is dead.
    fn clean(&self, inner: &mut Inner, most: usize) {
        let wasteful = inner.total_bytes > 2 * inner.living_bytes + SLACK;
        if let Some((number, oldest)) = inner.segments.first_key_value()
            && oldest.living > 0
            && wasteful
        {
            let number = *number;
            // Fails on a full disk; the next removal tries again.
            let _ = self.move_forward(inner, number, most);
        }
        while inner.segments.len() > 1
            && let Some(oldest) = inner.segments.first_entry().filter(|oldest| oldest.get().living == 0)
        {
            let segment = oldest.remove();
            inner.total_bytes -= segment.bytes;
            inner.unsynced.retain(|file| !Arc::ptr_eq(file, &segment.file));
            inner.gone.push_back(segment.path);
        }
    }

    fn move_forward(&self, inner: &mut Inner, segment: u64, most: usize) -> io::Result<()> {
        for stream in 0..inner.streams.len() {
            let survivors: Vec<Slot> =
                inner.streams[stream].from(0).filter(|s| s.segment == segment).take(most).copied().collect();
            for slot in survivors {
                let value = value(&*inner.file(slot)?, slot)?;
                self.write_frame(inner, &[Change::Put(stream, slot.seq, &value)])?;
            }
        }
        let marks: Vec<(String, u64)> = inner
            .marks
            .iter()
            .filter(|(_, (_, at))| *at == segment)
            .map(|(name, (value, _))| (name.clone(), *value))
            .collect();
        marks.iter().try_for_each(|(name, value)| self.write_frame(inner, &[Change::Mark(name, *value)]))
    }

    /// Entries of a stream from `from` on, oldest first, at most `limit` and about `bytes`.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn read(
        &self,
        stream: usize,
        from: u64,
        limit: usize,
        bytes: usize,
    ) -> io::Result<Vec<(u64, Vec<u8>)>> {
        let mut files: Vec<(u64, Arc<File>)> = Vec::new();
        let mut slots = Vec::new();
        {
            let inner = self.lock();
            let mut total = 0;
            for slot in inner.streams[stream].from(from).take(limit) {
                if files.last().is_none_or(|(segment, _)| *segment != slot.segment) {
                    files.push((slot.segment, inner.file(*slot)?));
                }
                slots.push((files.len() - 1, *slot));
                total += slot.len as usize;
                if total >= bytes {
                    break;
                }
            }
        }
        slots.into_iter().map(|(file, slot)| Ok((slot.seq, value(&files[file].1, slot)?))).collect()
    }

    /// Sequences and lengths of all entries of a stream.
    pub fn entries(&self, stream: usize) -> Vec<(u64, usize)> {
        self.lock().streams[stream].from(0).map(|slot| (slot.seq, slot.len as usize)).collect()
    }

    /// The oldest entry of a stream.
    pub fn first(&self, stream: usize) -> Option<u64> {
        self.lock().streams[stream].from(0).next().map(|slot| slot.seq)
    }

    /// A mark's value.
    pub fn marked(&self, name: &str) -> Option<u64> {
        self.lock().marks.get(name).map(|(value, _)| *value)
    }

    /// The marks whose names begin so, in order, with the rest of the name.
    pub fn marks(&self, prefix: &str) -> Vec<(String, u64)> {
        let log = self.lock();
        let found = log
            .marks
            .iter()
            .filter_map(|(name, (value, _))| Some((name.strip_prefix(prefix)?.to_owned(), *value)));
        let mut found: Vec<_> = found.collect();
        found.sort();
        found
    }

    /// Bytes of all segments on the disk.
    pub fn disk_bytes(&self) -> u64 {
        self.lock().total_bytes
    }

    /// Syncs what was written to the disk; others write on meanwhile.
    ///
    /// # Errors
    /// Then it may not be on the disk.
    pub fn sync(&self) -> io::Result<()> {
        let (files, folder) = {
            let mut inner = self.lock();
            let mut files = std::mem::take(&mut inner.unsynced);
            files.extend(inner.active().map(|(_, segment)| Arc::clone(&segment.file)));
            (files, std::mem::take(&mut inner.new_files))
        };
        files.iter().try_for_each(|file| file.sync_data())?;
        if folder { File::open(&self.folder)?.sync_all() } else { Ok(()) }
    }
}

fn value(file: &File, slot: Slot) -> io::Result<Vec<u8>> {
    let mut value = vec![0; slot.len as usize];
    file.read_exact_at(&mut value, u64::from(slot.offset))?;
    Ok(value)
}

impl Inner {
    fn active(&self) -> Option<(u64, &Segment)> {
        self.segments.last_key_value().map(|(number, segment)| (*number, segment))
    }

    fn file(&self, slot: Slot) -> io::Result<Arc<File>> {
        Ok(Arc::clone(&self.segments.get(&slot.segment).ok_or(io::ErrorKind::NotFound)?.file))
    }

    /// One write(2) into the active segment; gives where it went.
    fn append(&mut self, frame: &[u8]) -> io::Result<(u64, u64)> {
        let mut last = self.segments.last_entry().ok_or(io::ErrorKind::NotFound)?;
        let number = *last.key();
        let segment = last.get_mut();
        let offset = segment.bytes;
        if let Err(error) = (&*segment.file).write_all(frame) {
            // Half a frame may stand there: what follows it would not be found.
            self.spoilt = true;
            return Err(error);
        }
        segment.bytes += frame.len() as u64;
        self.total_bytes += frame.len() as u64;
        Ok((number, offset))
    }

    /// Carries out the operations of a frame that stands at `offset` of a segment.
    fn apply(&mut self, segment: u64, offset: u64, operations: &[u8]) {
        let mut at = 0;
        while let Some((kind, stream, seq, len)) = operation(&operations[at..]) {
            at += HEAD;
            let value = &operations[at..at + len];
            match kind {
                PUT => {
                    let offset = u32::try_from(offset + at as u64).unwrap_or(u32::MAX);
                    let slot = Slot { seq, segment, offset, len: len as u32, living: true };
                    let before = self.streams[stream].put(slot);
                    self.lived(before);
                    self.live(segment, len);
                }
                REMOVE => {
                    let before = self.streams[stream].remove(seq);
                    self.lived(before);
                }
                MARK => {
                    let name = String::from_utf8_lossy(value).into_owned();
                    if let Some((_, before)) = self.marks.insert(name, (seq, segment)) {
                        self.unmarked(before);
                    }
                    self.live(segment, 0);
                }
                _ => {
                    if let Some((_, before)) = self.marks.remove(&*String::from_utf8_lossy(value)) {
                        self.unmarked(before);
                    }
                }
            }
            at += len;
        }
    }

    fn live(&mut self, segment: u64, bytes: usize) {
        self.living_bytes += bytes as u64;
        if let Some(segment) = self.segments.get_mut(&segment) {
            segment.living += 1;
        }
    }

    fn lived(&mut self, slot: Option<Slot>) {
        let Some(slot) = slot else { return };
        self.living_bytes -= u64::from(slot.len);
        self.unmarked(slot.segment);
    }

    fn unmarked(&mut self, segment: u64) {
        if let Some(segment) = self.segments.get_mut(&segment) {
            segment.living -= 1;
        }
    }

    /// Reads a segment up to its end, or to the first frame that is not whole.
    fn recover(&mut self, folder: &Path, number: u64) -> io::Result<()> {
        let path = folder.join(format!("{number:016}.log"));
        let file = Arc::new(File::options().read(true).append(true).open(&path)?);
        let bytes = fs::read(&path)?;
        // Whoever wrote it may have been killed before syncing it.
        self.unsynced.push(Arc::clone(&file));
        self.segments.insert(number, Segment { file, path, bytes: bytes.len() as u64, living: 0 });
        self.total_bytes += bytes.len() as u64;
        let mut at = 0;
        while let Some(operations) = whole(&bytes[at..]) {
            self.apply(number, (at + FRAME) as u64, operations);
            at += FRAME + operations.len();
        }
        Ok(())
    }
}

/// Waits for the folder's one lock.
fn own(path: &Path) -> io::Result<File> {
    let file = File::options().create(true).truncate(false).write(true).open(path)?;
    let deadline = Instant::now() + LOCK_LIMIT;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                std::thread::park_timeout(Duration::from_millis(20));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::new(io::ErrorKind::WouldBlock, "another process uses it"));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

fn encode(change: &Change<'_>, out: &mut Vec<u8>) {
    let mut one = |kind, stream: usize, seq: u64, value: &[u8]| {
        out.push(kind);
        out.push(stream as u8);
        out.extend_from_slice(&seq.to_le_bytes());
        out.extend_from_slice(&(value.len() as u32).to_le_bytes());
        out.extend_from_slice(value);
    };
    match change {
        Change::Put(stream, seq, value) => one(PUT, *stream, *seq, value),
        Change::Remove(stream, entries) => {
            entries.iter().for_each(|(seq, _)| one(REMOVE, *stream, *seq, &[]))
        }
        Change::Mark(name, value) => one(MARK, 0, *value, name.as_bytes()),
        Change::Unmark(name) => one(UNMARK, 0, 0, name.as_bytes()),
    }
}

/// Kind, stream, sequence and length of the value of the operation that begins here.
fn operation(bytes: &[u8]) -> Option<(u8, usize, u64, usize)> {
    let head = bytes.get(..HEAD)?;
    let seq = u64::from_le_bytes(head[2..10].try_into().ok()?);
    let len = u32::from_le_bytes(head[10..].try_into().ok()?) as usize;
    let known = (PUT..=UNMARK).contains(&head[0]) && usize::from(head[1]) < super::STREAMS.len();
    (known && bytes.len() - HEAD >= len).then_some((head[0], head[1].into(), seq, len))
}

/// The operations of the frame that begins here, if it is all there.
fn whole(bytes: &[u8]) -> Option<&[u8]> {
    let head = bytes.get(..FRAME)?;
    let len = u32::from_le_bytes(head[..4].try_into().ok()?) as usize;
    let sum = u32::from_le_bytes(head[4..].try_into().ok()?);
    let operations = bytes.get(FRAME..FRAME.checked_add(len)?)?;
    (len > 0 && crc32fast::hash(operations) == sum).then_some(operations)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seqs(log: &Log) -> Vec<u64> {
        log.entries(0).into_iter().map(|(seq, _)| seq).collect()
    }

    fn segments(folder: &Path) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = fs::read_dir(folder)
            .expect("readable")
            .map(|entry| entry.expect("entry").path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
            .collect();
        files.sort();
        files
    }

    #[test]
    fn a_torn_end_costs_what_was_torn_and_nothing_before_or_after_it() {
        let dir = tempfile::tempdir().expect("scratch");
        let log = Log::open(dir.path()).expect("new");
        for seq in 1..=3 {
            log.write(&[Change::Put(0, seq, b"a value"), Change::Put(2, seq, b"its twin")]).expect("write");
        }
        drop(log);
        let file = segments(dir.path()).pop().expect("a segment");
        let whole = fs::read(&file).expect("readable");
        let last = whole.len() / 3;
        for torn in 1..last {
            fs::write(&file, &whole[..whole.len() - torn]).expect("torn");
            let log = Log::open(dir.path()).expect("again");
            assert_eq!(
                (seqs(&log), log.entries(2).len()),
                (vec![1, 2], 2),
                "{torn} bytes short: both or none"
            );
            log.write(&[Change::Put(0, 9, b"behind it")]).expect("write");
            drop(log);
            let log = Log::open(dir.path()).expect("once more");
            assert_eq!(seqs(&log), [1, 2, 9], "{torn} bytes short");
            drop(log);
            segments(dir.path()).into_iter().filter(|path| *path != file).for_each(|path| {
                fs::remove_file(path).expect("the new ones");
            });
        }
        let mut flipped = whole.clone();
        flipped[last + FRAME + HEAD] ^= 1;
        fs::write(&file, &flipped).expect("flipped");
        assert_eq!(seqs(&Log::open(dir.path()).expect("flipped")), [1], "a wrong checksum ends the reading");
        fs::write(&file, [&whole[..last], &[0; 4096]].concat()).expect("zeros");
        assert_eq!(seqs(&Log::open(dir.path()).expect("zeros")), [1], "zeros are no frame");
    }

    #[test]
    fn what_goes_makes_room_and_what_stays_is_copied_forward() {
        let dir = tempfile::tempdir().expect("scratch");
        let log = Log::open(dir.path()).expect("new");
        let value = vec![7; 64 << 10];
        log.write(&[Change::Mark("stays", 5), Change::Put(0, 1, b"stays"), Change::Put(1, 1, b"stays too")])
            .expect("write");
        for seq in 2..4000 {
            log.write(&[Change::Put(0, seq, &value)]).expect("write");
            if seq > 12 {
                log.write(&[Change::Remove(0, &[(seq - 10, value.len())])]).expect("remove");
            }
            let bound = SLACK + 4 * SEGMENT;
            assert!(log.disk_bytes() < bound, "{} bytes after {seq}", log.disk_bytes());
        }
        assert!(segments(dir.path()).len() < 6, "files go as well");
        let before = seqs(&log);
        drop(log);
        let log = Log::open(dir.path()).expect("again");
        assert_eq!(seqs(&log), before);
        assert_eq!(log.read(0, 0, 1, usize::MAX).expect("read"), [(1, b"stays".to_vec())]);
        assert_eq!(log.read(1, 0, 1, usize::MAX).expect("read"), [(1, b"stays too".to_vec())]);
        assert_eq!((log.first(0), log.marked("stays")), (Some(1), Some(5)));
    }

    #[test]
    fn a_replaced_entry_has_its_new_value_and_a_late_one_its_place() {
        let dir = tempfile::tempdir().expect("scratch");
        let log = Log::open(dir.path()).expect("new");
        for (seq, value) in [(5, "five"), (2, "two"), (9, "nine"), (5, "FIVE"), (7, "seven")] {
            log.write(&[Change::Put(0, seq, value.as_bytes())]).expect("write");
        }
        log.write(&[Change::Remove(0, &[(2, 3), (3, 0), (9, 4)])]).expect("remove");
        log.write(&[Change::Remove(0, &[])]).expect("nothing");
        log.write(&[Change::Mark("m", 1)]).expect("mark");
        log.write(&[Change::Mark("m", 2), Change::Mark("n", 3)]).expect("marks");
        log.write(&[Change::Unmark("n")]).expect("unmark");
        for _ in 0..2 {
            let read = log.read(0, 0, 10, usize::MAX).expect("read");
            assert_eq!(read, [(5, b"FIVE".to_vec()), (7, b"seven".to_vec())]);
            assert_eq!(log.read(0, 6, 10, usize::MAX).expect("read").len(), 1);
            assert_eq!((log.marked("m"), log.marked("n")), (Some(2), None));
        }
        log.sync().expect("sync");
        drop(log);
        let log = Log::open(dir.path()).expect("again");
        assert_eq!(seqs(&log), [5, 7]);
        assert_eq!((log.marked("m"), log.marked("n")), (Some(2), None));
    }

    #[test]
    fn many_threads_write_remove_and_sync_and_nothing_is_lost_or_comes_back() {
        let dir = tempfile::tempdir().expect("scratch");
        let log = Log::open(dir.path()).expect("new");
        let value = vec![3; 10_000];
        std::thread::scope(|scope| {
            for thread in 0..4_u64 {
                let (log, value) = (&log, &value);
                scope.spawn(move || {
                    for number in 0..1000 {
                        let seq = number * 4 + thread;
                        log.write(&[Change::Put(1, seq, value)]).expect("write");
                        // Every tenth stays.
                        if number % 10 != 0 {
                            log.write(&[Change::Remove(1, &[(seq, value.len())])]).expect("remove");
                        }
                        if number % 500 == 0 {
                            log.sync().expect("sync");
                        }
                    }
                });
            }
        });
        let stayed: Vec<(u64, usize)> =
            (0..4000).filter(|seq| seq / 4 % 10 == 0).map(|seq| (seq, value.len())).collect();
        assert_eq!(log.entries(1), stayed);
        drop(log);
        let log = Log::open(dir.path()).expect("again");
        assert_eq!(log.entries(1), stayed);
        assert!(log.read(1, 0, 1000, usize::MAX).expect("read").iter().all(|(_, read)| *read == value));
    }
}
