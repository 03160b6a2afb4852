//! The simplest honest log of one's own, to measure the store against: segments that are only appended to, one write(2) per record, a checksum
//! per record, an index in memory, a segment deleted when nothing in it lives, old survivors copied forward so that the disk stays bounded.
//!
//! Honest: it survives kill -9 from the moment `append` returns, it finds its entries again, and a torn record ends the reading instead of
//! being believed. Syncing takes no lock that an appender waits for.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

const SEGMENT: u64 = 16 << 20;
/// Dead bytes beyond twice the living ones and this are cleaned away.
const SLACK: u64 = 32 << 20;
/// Length, checksum, kind, sequence.
const HEAD: usize = 4 + 4 + 1 + 8;
const APPENDED: u8 = 1;
const REMOVED: u8 = 2;

struct Segment {
    file: Arc<File>,
    path: PathBuf,
    bytes: u64,
    living: usize,
}

#[derive(Clone, Copy)]
struct Place {
    segment: u64,
    offset: u64,
    len: u32,
}

#[derive(Default)]
struct Inner {
    segments: BTreeMap<u64, Segment>,
    index: BTreeMap<u64, Place>,
    buffer: Vec<u8>,
    living_bytes: u64,
    total_bytes: u64,
    unsynced: Vec<Arc<File>>,
}

pub struct Log {
    folder: PathBuf,
    inner: Mutex<Inner>,
}

impl Log {
    pub fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let mut inner = Inner::default();
        let mut numbers: Vec<u64> = fs::read_dir(folder)?
            .filter_map(|entry| entry.ok()?.path().file_stem()?.to_str()?.parse().ok())
            .collect();
        numbers.sort_unstable();
        for number in numbers {
            inner.recover(folder, number)?;
        }
        let log = Self { folder: folder.to_path_buf(), inner: Mutex::new(inner) };
        let mut inner = log.lock();
        let next = inner.segments.last_key_value().map_or(1, |(number, _)| number + 1);
        log.rotate(&mut inner, next)?;
        drop(inner);
        Ok(log)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rotate(&self, inner: &mut Inner, number: u64) -> io::Result<()> {
        let path = self.folder.join(format!("{number:016}.log"));
        let file = Arc::new(File::options().create_new(true).read(true).append(true).open(&path)?);
        if let Some((_, last)) = inner.segments.last_key_value() {
            let last = Arc::clone(&last.file);
            inner.unsynced.push(last);
        }
        inner.segments.insert(number, Segment { file, path, bytes: 0, living: 0 });
        Ok(())
    }

    pub fn append(&self, seq: u64, value: &[u8]) -> io::Result<()> {
        let mut inner = self.lock();
        self.write(&mut inner, seq, value)
    }

    fn write(&self, inner: &mut Inner, seq: u64, value: &[u8]) -> io::Result<()> {
        inner.buffer.clear();
        record(&mut inner.buffer, APPENDED, seq, value);
        let (number, offset) = self.flush(inner)?;
        let place = Place { segment: number, offset: offset + HEAD as u64, len: value.len() as u32 };
        inner.live(seq, place);
        Ok(())
    }

    /// One write(2) of the buffer into the active segment; gives where it went.
    fn flush(&self, inner: &mut Inner) -> io::Result<(u64, u64)> {
        let active = inner.segments.last_key_value().map_or((0, SEGMENT), |(n, s)| (*n, s.bytes));
        if active.1 >= SEGMENT {
            self.rotate(inner, active.0 + 1)?;
        }
        let Inner { segments, buffer, total_bytes, .. } = inner;
        let mut last = segments.last_entry().ok_or(io::ErrorKind::NotFound)?;
        let number = *last.key();
        let segment = last.get_mut();
        let offset = segment.bytes;
        (&*segment.file).write_all(buffer)?;
        segment.bytes += buffer.len() as u64;
        *total_bytes += buffer.len() as u64;
        Ok((number, offset))
    }

    pub fn remove(&self, seqs: impl Iterator<Item = u64>) -> io::Result<()> {
        let mut inner = self.lock();
        inner.buffer.clear();
        for seq in seqs {
            record(&mut inner.buffer, REMOVED, seq, &[]);
            inner.die(seq);
        }
        self.flush(&mut inner)?;
        let gone = self.clean(&mut inner)?;
        drop(inner);
        // Deleting a file takes a while: nobody waits for it.
        gone.into_iter().try_for_each(fs::remove_file)
    }

    /// Takes dead segments away from the old end; copies survivors forward when too much is dead.
    fn clean(&self, inner: &mut Inner) -> io::Result<Vec<PathBuf>> {
        let mut gone = Vec::new();
        while inner.segments.len() > 1 {
            let Some((number, oldest)) = inner.segments.first_key_value() else { break };
            let (number, living) = (*number, oldest.living);
            if living > 0 {
                if inner.total_bytes <= 2 * inner.living_bytes + SLACK {
                    break;
                }
                let survivors: Vec<(u64, Place)> = inner
                    .index
                    .iter()
                    .filter(|(_, place)| place.segment == number)
                    .map(|(s, p)| (*s, *p))
                    .collect();
                for (seq, place) in survivors {
                    let value = inner.value(place)?;
                    inner.die(seq);
                    self.write(inner, seq, &value)?;
                }
            }
            if let Some(segment) = inner.segments.remove(&number) {
                inner.total_bytes -= segment.bytes;
                gone.push(segment.path);
            }
        }
        Ok(gone)
    }

    pub fn read(&self, from: u64, limit: usize) -> io::Result<Vec<(u64, Vec<u8>)>> {
        let inner = self.lock();
        inner.index.range(from..).take(limit).map(|(seq, place)| Ok((*seq, inner.value(*place)?))).collect()
    }

    pub fn entries(&self) -> usize {
        self.lock().index.len()
    }

    /// Syncs what was written; appenders go on meanwhile.
    pub fn sync(&self) -> io::Result<()> {
        let mut inner = self.lock();
        let mut files = std::mem::take(&mut inner.unsynced);
        files.extend(inner.segments.last_key_value().map(|(_, segment)| Arc::clone(&segment.file)));
        drop(inner);
        files.into_iter().try_for_each(|file| file.sync_data())
    }
}

impl Inner {
    fn live(&mut self, seq: u64, place: Place) {
        self.living_bytes += u64::from(place.len);
        self.index.insert(seq, place);
        if let Some(segment) = self.segments.get_mut(&place.segment) {
            segment.living += 1;
        }
    }

    fn die(&mut self, seq: u64) {
        let Some(place) = self.index.remove(&seq) else { return };
        self.living_bytes -= u64::from(place.len);
        if let Some(segment) = self.segments.get_mut(&place.segment) {
            segment.living -= 1;
        }
    }

    fn value(&self, place: Place) -> io::Result<Vec<u8>> {
        let mut value = vec![0; place.len as usize];
        let segment = self.segments.get(&place.segment).ok_or(io::ErrorKind::NotFound)?;
        segment.file.read_exact_at(&mut value, place.offset)?;
        Ok(value)
    }

    /// Reads a segment up to its end, or to the first record that is not whole.
    fn recover(&mut self, folder: &Path, number: u64) -> io::Result<()> {
        let path = folder.join(format!("{number:016}.log"));
        let bytes = fs::read(&path)?;
        let file = Arc::new(File::options().read(true).append(true).open(&path)?);
        self.segments.insert(number, Segment { file, path, bytes: 0, living: 0 });
        let mut at = 0;
        while let Some((kind, seq, len)) = whole(&bytes[at..]) {
            match kind {
                APPENDED => {
                    self.die(seq);
                    let offset = (at + HEAD) as u64;
                    self.live(seq, Place { segment: number, offset, len: len as u32 });
                }
                _ => self.die(seq),
            }
            at += HEAD + len;
        }
        if let Some(segment) = self.segments.get_mut(&number) {
            segment.bytes = at as u64;
        }
        self.total_bytes += at as u64;
        Ok(())
    }
}

fn record(out: &mut Vec<u8>, kind: u8, seq: u64, value: &[u8]) {
    let start = out.len();
    out.extend_from_slice(&(value.len() as u32).to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.push(kind);
    out.extend_from_slice(&seq.to_le_bytes());
    out.extend_from_slice(value);
    let sum = crc32fast::hash(&out[start + 8..]).to_le_bytes();
    out[start + 4..start + 8].copy_from_slice(&sum);
}

/// Kind, sequence and length of the value of the record that begins here, if it is all there.
fn whole(bytes: &[u8]) -> Option<(u8, u64, usize)> {
    let head = bytes.get(..HEAD)?;
    let len = u32::from_le_bytes(head[..4].try_into().ok()?) as usize;
    let sum = u32::from_le_bytes(head[4..8].try_into().ok()?);
    let checked = bytes.get(8..HEAD + len)?;
    let seq = u64::from_le_bytes(head[9..HEAD].try_into().ok()?);
    (crc32fast::hash(checked) == sum).then_some((head[8], seq, len))
}
