//! No room on the disk: the running server's files may not grow any more (RLIMIT_FSIZE of the process, which any user may lower and raise again, so
//! that this needs no rights and no mount). Writes fail inside SQLite as they do at a quota. And damage in the middle of a file.

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::{Value, json};

use crate::server::{Answer, EPOCH, Server};

const JULIET: &str = "juliet@example.org";

/// No file of the process may grow beyond `bytes`; None: as before.
fn limit(server: &Server, bytes: Option<u64>) {
    let pid = Pid::from_raw(i32::try_from(server.child.id()).expect("a pid")).expect("a pid");
    prlimit(Some(pid), Resource::Fsize, Rlimit { current: bytes, maximum: None }).expect("limited");
}

/// So many bytes may still be written to the end of the largest file.
fn leave(server: &Server, folder: &std::path::Path, bytes: u64) {
    let size = |name: &str| std::fs::metadata(folder.join(name)).map_or(0, |m| m.len());
    limit(server, Some(size("platform.sqlite").max(size("platform.sqlite-wal")) + bytes));
}

fn large(key: &str) -> Value {
    let body = "x".repeat(2_000);
    json!({ "node": "n", "epoch": EPOCH, "items": [{ "key": key, "from": "romeo@example.org/orchard", "to": JULIET,
        "sent_at": "2026-11-23T06:36:00.000Z", "stanza": { "body": body }, "storable": true }] })
}

fn away(server: &Server) {
    server.snapshot(0, &["romeo@example.org/orchard", "juliet@example.org/balcony"]);
    let away = json!({ "epoch": EPOCH, "changes":
        [{ "seq": 1, "open": false, "user": JULIET, "resource": "balcony", "available": false }] });
    server.ok("POST", "/v1/nodes/n/states", Some(&away));
}

fn keys(server: &Server) -> Vec<String> {
    let (mut keys, mut before) = (Vec::new(), String::new());
    loop {
        let page = server.ok("GET", &format!("/v1/messages?user={JULIET}&limit=256{before}"), None);
        let items = page["items"].as_array().expect("items");
        keys.extend(items.iter().filter_map(|i| i["key"].as_str().map(str::to_owned)));
        match page["next"].as_str() {
            Some(next) => before = format!("&before={next}"),
            None => {
                keys.sort();
                return keys;
            }
        }
    }
}

fn says_what_to_do(answer: &Answer) {
    assert_eq!(answer.problem(), "507 storage-full");
    let detail = answer.body["detail"].as_str().expect("a detail");
    assert!(detail.contains("disk") && detail.contains("nothing was stored"), "{detail}");
}

#[test]
fn a_full_disk_is_answered_keeps_what_was_acknowledged_and_is_over_when_there_is_room() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    away(&server);
    let mut stored = Vec::new();
    for round in 0..3 {
        leave(&server, folder.path(), 300_000);
        let mut refused = 0;
        for i in 0..2_000 {
            let key = format!("r{round}-{i:04}");
            let answer = server.call("POST", "/v1/messages", Some(&large(&key)));
            if answer.status == 200 {
                assert_eq!(answer.body["results"][0]["verdict"], "stored");
                stored.push(key);
            } else {
                says_what_to_do(&answer);
                refused += 1;
            }
            if refused == 5 {
                break;
            }
        }
        assert_eq!(refused, 5, "the disk was never full");
        // It goes on reading, says how it is, and neither a medium nor the sweeper ends it.
        let there = keys(&server);
        assert!(stored.iter().all(|key| there.binary_search(key).is_ok()), "acknowledged and not there");
        let health = server.call("GET", "/healthz", None);
        assert!(matches!(health.status, 200 | 503), "{health:?}");
        let picture = "x".repeat(2_000_000);
        let path = format!("/v1/media/picture-{round}?user=romeo@example.org");
        let answer = server
            .send("PUT", &path, Some(crate::server::TOKEN), "image/png", Some(&picture))
            .expect("an answer");
        says_what_to_do(&answer);
        // Room again: no restart, and the refused one is stored under its own key.
        limit(&server, None);
        let key = format!("r{round}-again");
        assert_eq!(server.ok("POST", "/v1/messages", Some(&large(&key)))["results"][0]["verdict"], "stored");
        stored.push(key);
        let answer = server
            .send("PUT", &path, Some(crate::server::TOKEN), "image/png", Some(&picture))
            .expect("an answer");
        assert_eq!(answer.status, 201, "{answer:?}");
    }
    stored.sort();
    assert_eq!(keys(&server), stored, "what was refused is not there, what was acknowledged is");
    assert_eq!(server.stop(), Some(0));
    let server = Server::start(folder.path());
    assert_eq!(keys(&server), stored, "also after a restart");
}

#[test]
fn killed_while_the_disk_is_full_it_starts_with_what_was_acknowledged() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Server::start(folder.path());
    away(&server);
    let mut stored = Vec::new();
    leave(&server, folder.path(), 1_000_000);
    for i in 0..1_000 {
        let key = format!("k{i:04}");
        let answer = server.call("POST", "/v1/messages", Some(&large(&key)));
        if answer.status != 200 {
            says_what_to_do(&answer);
            break;
        }
        stored.push(key);
    }
    assert!((10..1_000).contains(&stored.len()), "{}", stored.len());
    server.child.kill().expect("killed");
    server.child.wait().expect("ended");
    let server = Server::start(folder.path());
    assert_eq!(keys(&server), stored);
}

#[test]
fn damage_in_the_middle_of_the_file_is_answered_by_name_and_the_process_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    away(&server);
    for i in 0..400 {
        server.ok("POST", "/v1/messages", Some(&large(&format!("k{i:04}"))));
    }
    assert_eq!(server.stop(), Some(0));
    // The last pages: what was written last, and nothing that is looked at at the start.
    let file = folder.path().join("platform.sqlite");
    let mut bytes = std::fs::read(&file).expect("read");
    let most = bytes.len() - 40 * 4_096;
    bytes[most..].fill(0x5a);
    std::fs::write(&file, &bytes).expect("written");
    let server = Server::start(folder.path());
    let answer = server.call("GET", &format!("/v1/messages?user={JULIET}&limit=256"), None);
    assert_eq!(answer.problem(), "503 unavailable");
    assert!(answer.body["detail"].as_str().is_some_and(|d| d.contains("damaged")), "{answer:?}");
    assert_eq!(server.stop(), Some(0));
}
