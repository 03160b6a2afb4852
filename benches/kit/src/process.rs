//! What processes cost: CPU time and memory, from /proc. Where several servers share two cores, the time on the clock says little about any of them; the
//! time that each spent on a core says what it would need elsewhere.

use std::fs;
use std::path::Path;

use crate::Outcome;

/// Linux tells times in hundredths of a second, whatever the machine.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processes that are measured as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it is called in tables.
    pub name: String,
    /// Its processes; they must be there as long as something is measured.
    pub pids: Vec<u32>,
}

/// Seconds on a core so far, of all threads.
///
/// # Errors
/// When a process is gone.
pub fn cpu_seconds(part: &Part) -> Outcome<f64> {
    let ticks =
        |pid: &u32| stat(*pid).and_then(|stat| ticks(&stat)).map_err(|e| format!("{}: {e}", part.name));
    part.pids.iter().map(|pid| ticks(pid).map(|ticks| ticks / TICKS_PER_SECOND)).sum()
}

/// The load's own seconds on a core.
///
/// # Errors
/// When Linux does not tell.
pub fn own_cpu_seconds() -> Outcome<f64> {
    cpu_seconds(&Part { name: "load".into(), pids: vec![std::process::id()] })
}

/// Resident memory in bytes: all, and without mapped files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// All that is resident.
    pub resident: u64,
    /// What is not backed by a file.
    pub anonymous: u64,
}

/// What a part has in memory.
///
/// # Errors
/// When a process is gone.
pub fn memory(part: &Part) -> Outcome<Memory> {
    let mut sum = Memory { resident: 0, anonymous: 0 };
    for pid in &part.pids {
        stat(*pid).map_err(|e| format!("{}: {e}", part.name))?;
        let file = format!("/proc/{pid}/status");
        let text = fs::read_to_string(&file).map_err(|e| format!("{file}: {e}"))?;
        let bytes =
            |key| kilobytes(&text, key).map(|k| k * 1024).ok_or_else(|| format!("{file} has no {key}"));
        sum.resident += bytes("VmRSS")?;
        sum.anonymous += bytes("RssAnon")?;
    }
    Ok(sum)
}

/// The bytes of all files below a folder.
///
/// # Errors
/// When it cannot be read.
pub fn disk_bytes(folder: &Path) -> Outcome<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))? {
        let entry = entry.map_err(|e| format!("{}: {e}", folder.display()))?;
        let facts = entry.metadata().map_err(|e| format!("{}: {e}", entry.path().display()))?;
        sum += if facts.is_dir() { disk_bytes(&entry.path())? } else { facts.len() };
    }
    Ok(sum)
}

fn stat(pid: u32) -> Outcome<String> {
    let file = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&file).map_err(|e| format!("{file}: {e}"))?;
    // What has ended stays in the table until its parent looks.
    match field::<char>(&stat, STATE) {
        Some('Z' | 'X') => Err(format!("process {pid} has ended")),
        _ => Ok(stat),
    }
}

/// Fields of `stat` behind the name, which may hold anything: the third of the manual's, a process's state, is 0 here.
const STATE: usize = 0;
const USER_TICKS: usize = 11;
const SYSTEM_TICKS: usize = 12;

fn ticks(stat: &str) -> Outcome<f64> {
    let both = field::<f64>(stat, USER_TICKS).zip(field::<f64>(stat, SYSTEM_TICKS));
    both.map(|(user, system)| user + system).ok_or_else(|| "/proc/PID/stat is not as expected".to_owned())
}

fn field<T: std::str::FromStr>(stat: &str, at: usize) -> Option<T> {
    stat.rsplit_once(") ")?.1.split(' ').nth(at)?.parse().ok()
}

fn kilobytes(status: &str, key: &str) -> Option<u64> {
    status
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':')?.split_whitespace().next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "42 (a) name) S 1 4711 7 0 -1 4194560 1 2 3 4 150 25 0 0 20 0 5 0 100 1 2";

    #[test]
    fn times_stand_behind_a_name_with_brackets() {
        assert_eq!(ticks(STAT), Ok(175.0));
        assert!(ticks("nonsense").is_err());
    }

    #[test]
    fn memory_is_in_kilobytes() {
        let status = "VmPeak:\t  100 kB\nVmRSS:\t  2048 kB\nRssAnon:\t      12 kB\n";
        assert_eq!((kilobytes(status, "VmRSS"), kilobytes(status, "RssAnon")), (Some(2048), Some(12)));
        assert_eq!(kilobytes(status, "VmSwap"), None);
    }

    #[test]
    fn this_process_costs_something() {
        let me = std::process::id();
        let part = Part { name: "me".into(), pids: vec![me] };
        assert!(memory(&part).is_ok_and(|m| m.resident > 100_000 && m.anonymous <= m.resident));
        let before = own_cpu_seconds().expect("a time");
        let mut sum = 0_u64;
        while own_cpu_seconds().expect("a time") <= before {
            sum = sum.wrapping_add(std::hint::black_box(1));
        }
        assert!(sum > 0);
    }

    #[test]
    fn a_process_that_is_gone_is_an_error_and_no_zero() {
        let gone = Part { name: "gone".into(), pids: vec![u32::MAX] };
        assert!(cpu_seconds(&gone).is_err() && memory(&gone).is_err());
        let mut child = std::process::Command::new("true").spawn().expect("a process");
        let part = Part { name: "nobody waits for it".into(), pids: vec![child.id()] };
        while cpu_seconds(&part).is_ok() {
            std::thread::yield_now();
        }
        assert_eq!(
            memory(&part).expect_err("ended"),
            format!("nobody waits for it: process {} has ended", child.id())
        );
        child.wait().expect("ended");
    }
}
