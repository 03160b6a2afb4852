//! The boundary (docs/boundary.md): frames, tickets and the natives. The only place with `unsafe`.
//!
//! A native is a shell and an inner function. The shells are in `natives`, all alike; the inner ones are here: safe, without a JVM.

pub mod frame;
mod natives;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use once_cell::sync::Lazy;

use crate::error::HostError;
use crate::host::{Host, Start};

use self::frame::Flags;

/// Running hosts by ticket. A ticket is a number, never a pointer: a late call gets "closed".
static HOSTS: Lazy<RwLock<HashMap<u64, Arc<Host>>>> = Lazy::new(RwLock::default);
static NEXT: AtomicU64 = AtomicU64::new(1);

fn host(ticket: u64) -> Result<Arc<Host>, HostError> {
    let hosts = HOSTS.read().unwrap_or_else(PoisonError::into_inner);
    hosts.get(&ticket).cloned().ok_or(HostError::Closed)
}

fn start(config: &[u8]) -> Result<u64, HostError> {
    let host = Arc::new(Host::start(Start::read(config)?)?);
    let ticket = NEXT.fetch_add(1, Ordering::Relaxed);
    HOSTS.write().unwrap_or_else(PoisonError::into_inner).insert(ticket, host);
    Ok(ticket)
}

fn describe(ticket: u64, query: &[u8]) -> Result<Vec<u8>, HostError> {
    let query =
        std::str::from_utf8(query).map_err(|_| HostError::Invalid("the query is not UTF-8".into()))?;
    host(ticket)?.describe(query)
}

fn offer(ticket: u64, token: u64, flags: i32, stanza: &[u8]) -> Result<i32, HostError> {
    Ok(i32::from(host(ticket)?.offer(token, Flags(flags), stanza)))
}

fn notify(ticket: u64, frame: &[u8]) -> Result<(), HostError> {
    host(ticket)?.notify(frame)
}

fn take(ticket: u64, wait_millis: i32) -> Result<Option<Vec<u8>>, HostError> {
    host(ticket)?.take(Duration::from_millis(u64::try_from(wait_millis).unwrap_or(0)))
}

fn ask(ticket: u64, frame: &[u8]) -> Result<Vec<u8>, HostError> {
    host(ticket)?.ask(frame)
}

/// The ticket stays valid while the host drains, so that the shim can report what it finishes.
fn stop(ticket: u64, drain_millis: i32) -> Result<(), HostError> {
    let host = host(ticket)?;
    host.stop(Duration::from_millis(u64::try_from(drain_millis).unwrap_or(0)));
    HOSTS.write().unwrap_or_else(PoisonError::into_inner).remove(&ticket);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::frame::Writer;
    use super::*;

    fn start_frame(home: &std::path::Path, test: bool) -> Vec<u8> {
        let home = home.display().to_string();
        Writer::new(1)
            .str("4.2.0")
            .str("example.org")
            .str(&home)
            .str("0.1.0")
            .str("")
            .bool(test)
            .int(0)
            .finish()
    }

    #[test]
    fn a_ticket_works_until_stop_and_then_says_closed() {
        let home = tempfile::tempdir().expect("scratch");
        let ticket = start(&start_frame(home.path(), false)).expect("start");
        let status = describe(ticket, b"status").expect("status");
        assert!(
            serde_json::from_slice::<serde_json::Value>(&status).expect("JSON")["modules"]["chat"]["mode"]
                == "watch"
        );
        assert_eq!(
            offer(ticket, 1, 3, b"<message xmlns='jabber:client'/>").expect("offer"),
            0,
            "watch passes everything"
        );
        assert!(take(ticket, 0).expect("take").is_some(), "the filter table comes first");
        stop(ticket, 0).expect("stop");
        assert!(matches!(describe(ticket, b"status"), Err(HostError::Closed)));
        assert!(matches!(take(ticket, 0), Err(HostError::Closed)));
        assert!(matches!(offer(ticket, 1, 3, b""), Err(HostError::Closed)));
    }

    #[test]
    fn bad_frames_are_refused_and_change_nothing() {
        assert!(matches!(start(b""), Err(HostError::Invalid(_))));
        assert!(matches!(start(b"\x02"), Err(HostError::Invalid(_))));
        let home = tempfile::tempdir().expect("scratch");
        let ticket = start(&start_frame(home.path(), false)).expect("start");
        for frame in [&b""[..], b"\x63", b"\x01\x00", b"\x03\x00\x00\x00\x00\x00\x00\x00\x00\x7f\xff\xff\xff"]
        {
            assert!(matches!(notify(ticket, frame), Err(HostError::Invalid(_))), "{frame:?}");
        }
        assert!(matches!(ask(ticket, &[frame::ask::PANIC]), Err(HostError::Invalid(_))), "only in test mode");
        stop(ticket, 0).expect("stop");
    }

    #[test]
    fn a_data_folder_that_cannot_be_used_is_named() {
        let home = tempfile::tempdir().expect("scratch");
        std::fs::write(home.path().join("cloudbridge"), "a file").expect("write");
        let error = start(&start_frame(home.path(), false)).expect_err("a file is in its way");
        assert_eq!(error.code(), 6);
        assert!(
            error.to_string().contains("cloudbridge") && error.to_string().contains("dataDir"),
            "{error}"
        );
    }
}
