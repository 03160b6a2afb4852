//! The other commands of the binary.

use std::path::Path;
use std::process::{Command, Output};

use im_platform::store::sqlite::FORMAT;
use serde_json::json;

use crate::server::{Server, agent, send};
use crate::standalone::{Platform, configure, walk};

fn run(args: &[&str], paths: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_im-platform")).args(args).args(paths).output().expect("ran")
}

#[test]
fn a_backup_made_under_load_is_a_whole_platform_of_one_moment() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let server = Server::start(&data);
    server.snapshot(0, &["romeo@example.org/orchard", "juliet@example.org/balcony"]);
    let away = json!({ "epoch": crate::server::EPOCH, "changes":
        [{ "seq": 1, "open": false, "user": "juliet@example.org", "resource": "balcony", "available": false }] });
    server.ok("POST", "/v1/nodes/n/states", Some(&away));
    for i in 0..50 {
        assert_eq!(server.decide(&format!("before-{i}"), "juliet@example.org"), "stored");
    }
    let path = "/v1/media/picture-1?user=romeo@example.org";
    let put =
        server.send("PUT", path, Some(crate::server::TOKEN), "image/png", Some("the bytes of a picture"));
    assert_eq!(put.expect("an answer").status, 201);
    let to = folder.path().join("copy");
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (stop, server) = (&stop, &server);
        let load = scope.spawn(move || {
            for i in 0.. {
                if stop.load(std::sync::atomic::Ordering::Relaxed) {
                    return;
                }
                server.decide(&format!("during-{i}"), "juliet@example.org");
            }
        });
        let made = run(&["backup", "--data"], &[&data, Path::new("--to"), &to]);
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        load.join().expect("load");
        assert!(made.status.success(), "{made:?}");
    });
    assert!(
        !run(&["backup", "--data"], &[&data, Path::new("--to"), &to]).status.success(),
        "never over something"
    );
    let restored = Server::start(&to);
    restored.snapshot(2, &["juliet@example.org/balcony"]);
    let mut keys = Vec::new();
    let mut before = String::new();
    while let Some(page) =
        Some(restored.ok("GET", &format!("/v1/messages?user=juliet@example.org&limit=256{before}"), None))
    {
        keys.extend(
            page["items"]
                .as_array()
                .expect("items")
                .iter()
                .filter_map(|i| i["key"].as_str().map(str::to_owned)),
        );
        let Some(next) = page["next"].as_str() else { break };
        before = format!("&before={next}");
    }
    keys.reverse();
    let during = keys.split_off(50);
    assert_eq!(
        keys,
        (0..50).map(|i| format!("before-{i}")).collect::<Vec<_>>(),
        "all that was there at its beginning"
    );
    let first: Vec<_> = (0..during.len()).map(|i| format!("during-{i}")).collect();
    assert_eq!(during, first, "and of what came meanwhile the first ones, without a hole");
    let picture = restored.ok("GET", "/v1/media/picture-1?viewer=romeo@example.org", None);
    assert_eq!(picture, json!("the bytes of a picture"));
    assert_eq!(restored.stop(), Some(0));
    let copy = rusqlite::Connection::open(to.join("platform.sqlite")).expect("opened");
    let check: String = copy.pragma_query_value(None, "integrity_check", |r| r.get(0)).expect("checked");
    assert_eq!(check, "ok");
}

#[test]
fn every_older_format_is_migrated_and_keeps_what_it_has() {
    let scripts = concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/sqlite/migrations");
    let mut scripts: Vec<_> =
        std::fs::read_dir(scripts).expect("scripts").map(|e| e.expect("an entry").path()).collect();
    scripts.sort();
    assert_eq!(i64::try_from(scripts.len()).expect("few"), FORMAT);
    let fresh = tempfile::tempdir().expect("a folder");
    assert_eq!(Server::start(fresh.path()).stop(), Some(0));
    for format in 1..scripts.len() {
        let folder = tempfile::tempdir().expect("a folder");
        migrates(&scripts[..format], folder.path());
        assert_eq!(schema(folder.path()), schema(fresh.path()), "from format {format}");
    }
}

/// The database's tables, indexes and triggers.
fn schema(folder: &Path) -> Vec<String> {
    let conn = rusqlite::Connection::open(folder.join("platform.sqlite")).expect("opened");
    let mut sql = conn
        .prepare("SELECT name || ' ' || coalesce(sql, '') FROM sqlite_schema ORDER BY name")
        .expect("prepared");
    sql.query_map([], |r| r.get(0)).expect("a schema").map(|row| row.expect("a row")).collect()
}

/// A database of an older format with somebody's message in it, as that version left it.
fn migrates(scripts: &[std::path::PathBuf], folder: &Path) {
    let file = folder.join("platform.sqlite");
    let conn = rusqlite::Connection::open(&file).expect("opened");
    for script in scripts {
        conn.execute_batch(&std::fs::read_to_string(script).expect("read")).expect("an older format");
    }
    let format = i64::try_from(scripts.len()).expect("few");
    conn.pragma_update(None, "user_version", format).expect("set");
    conn.execute_batch(
        "PRAGMA application_id = 1229803590; PRAGMA journal_mode = WAL;
         INSERT INTO users (jid, origin, created_at, state_since, pending, next_seq) VALUES ('juliet@example.org', 'bridge', 1, 1, 1, 2);
         INSERT INTO messages (key, from_jid, to_jid, to_user, sent_at, decided_at, status, seq, stanza)
            VALUES ('old', 'romeo@example.org/o', 'juliet@example.org', 1, 1, 1, 'pending', 1, '{\"body\":\"from the past\"}');",
    )
    .expect("filled");
    if format >= 2 {
        // An announcement that names her, as it was before there was a list of who is named.
        conn.execute_batch("INSERT INTO downlink (id, at, kind, subject, data) VALUES ('d', 1, 'im.friend.changed', 'romeo@example.org',
            '{\"friend\":\"juliet@example.org\"}');")
            .expect("announced");
    }
    if format < 5 {
        conn.execute_batch("ANALYZE").expect("what earlier versions did at their end");
    }
    conn.close().expect("closed");
    let made = run(&["migrate", "--data"], &[folder]);
    assert_eq!(
        String::from_utf8_lossy(&made.stdout),
        format!("{{\"from\":{format},\"to\":{FORMAT}}}\n"),
        "{made:?}"
    );
    let again = run(&["migrate", "--data"], &[folder]);
    assert_eq!(String::from_utf8_lossy(&again.stdout), format!("{{\"from\":{FORMAT},\"to\":{FORMAT}}}\n"));
    let server = Server::start(folder);
    assert_eq!(run(&["migrate", "--data"], &[folder]).status.code(), Some(3), "not while it is served");
    assert_eq!(server.snapshot(0, &["juliet@example.org/balcony"])["drain"], json!(["juliet@example.org"]));
    let claimant = json!({ "node": "n", "epoch": crate::server::EPOCH, "resource": "balcony" });
    let claim = server.ok("POST", "/v1/pending/juliet%40example.org/claim", Some(&claimant))["claim"].clone();
    let path = format!("/v1/pending/juliet%40example.org?claim={}", claim.as_str().expect("an id"));
    assert_eq!(server.ok("GET", &path, None)["items"][0]["stanza"]["body"], "from the past");
    server.ok("DELETE", "/v1/users/juliet%40example.org", None);
    assert_eq!(server.stop(), Some(0));
    let conn = rusqlite::Connection::open(&file).expect("opened");
    let left: i64 = conn
        .query_row("SELECT (SELECT sum(bytes) FROM space) + (SELECT count(*) FROM downlink WHERE kind <> 'im.user.removed')", [], |r| r.get(0))
        .expect("a count");
    assert_eq!(
        left, 2,
        "counters and lists made by the migration are right: what is left is the announcement of her removal"
    );
}

#[test]
fn a_configuration_is_checked_without_serving() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = configure(folder.path(), "");
    assert!(run(&["check-config"], &[&config]).status.success());
    drop(Platform::start(&config));
    std::fs::write(&config, "listen = 1").expect("written");
    let checked = run(&["check-config"], &[&config]);
    assert_eq!(checked.status.code(), Some(5));
    assert!(String::from_utf8_lossy(&checked.stderr).contains("config.toml"), "{checked:?}");
    let example = run(&["check-config", "--example"], &[]);
    assert!(String::from_utf8_lossy(&example.stdout).contains("message_days"));
    assert_eq!(String::from_utf8_lossy(&run(&["token"], &[]).stdout).trim().len(), 43);
}

#[test]
fn a_link_to_the_console_of_an_embedded_platform_logs_in_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let nobody = run(&["console", "--data"], &[&data]);
    assert!(!nobody.status.success() && String::from_utf8_lossy(&nobody.stderr).contains("start it"));
    let server = Server::start(&data);
    let made = run(&["console", "--no-text", "--data"], &[&data]);
    let link = String::from_utf8(made.stdout).expect("text");
    let (address, ticket) = link.trim().split_once("#login=").expect("a ticket");
    assert_eq!(address, format!("{}/console", server.base));
    for file in walk(&data.join("console")) {
        let name = file.to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).expect("read");
        assert!(!name.contains(ticket) && !text.contains(ticket), "{name}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(file.metadata().expect("there").permissions().mode() & 0o777, 0o600, "{name}");
        }
    }
    let log_in = || {
        let body = json!({ "token": ticket }).to_string();
        let path = "/v1/console/session";
        send(&agent(), &server.base, "POST", path, None, "application/json", Some(&body)).expect("an answer")
    };
    let first = log_in();
    assert_eq!((first.status, &first.body["login"]["scope"]), (200, &json!("operator")));
    assert_eq!(first.body["login"]["text"], false);
    assert_eq!(log_in().problem(), "401 unauthorized");
    server.stop();
    assert!(!run(&["console", "--data"], &[&data]).status.success());
}

#[test]
fn what_an_operator_reads_is_in_the_audit_once_and_without_the_text() {
    let folder = tempfile::tempdir().expect("a folder");
    let platform = Platform::start(&configure(folder.path(), ""));
    platform.ok("bridge", "POST", "/v1/users", Some(&json!({ "user": "juliet@example.org" })));
    let history = "/v1/messages?limit=5&user=Juliet%40example.org";
    platform.ok("bridge", "GET", history, None);
    for _ in 0..3 {
        platform.ok("operator", "GET", history, None);
    }
    platform.ok("operator", "GET", "/v1/footprints", None);
    let audit = platform.ok("read-only", "GET", "/v1/console/audit", None);
    let items = audit["items"].as_array().expect("items");
    let about: Vec<_> = items.iter().map(|i| (i["caller"].as_str(), i["subject"].as_str())).collect();
    assert_eq!(about, [(Some("operator"), Some("")), (Some("operator"), Some("juliet@example.org"))]);
    // The audit forgets whom it was about with them.
    platform.ok("operator", "DELETE", "/v1/users/juliet@example.org", None);
    let audit = platform.ok("operator", "GET", "/v1/console/audit", None);
    assert!(!audit.to_string().contains("juliet"), "{audit}");
}

#[test]
fn a_pass_lets_a_program_in_until_it_is_removed_and_does_no_more_than_its_scope() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let refused = run(&["pass", "--data"], &[&data]);
    assert!(!refused.status.success(), "nobody serves it");
    let server = Server::start(&data);
    server.snapshot(0, &["romeo@example.org/orchard"]);
    let passed = |more: &[&str]| {
        let made = run(&[&["pass"], more, &["--data"]].concat(), &[&data]);
        assert!(made.status.success(), "{made:?}");
        let text = String::from_utf8(made.stdout).expect("text");
        let value = |name: &str| {
            let line = text.lines().find_map(|l| l.strip_prefix(name)).expect("a line").trim_matches('"');
            line.to_owned()
        };
        (value("header = \"authorization: Bearer "), value("url = "))
    };
    let (token, url) = passed(&[]);
    assert_eq!(url, format!("{}/v1/downlink", server.base));
    let send = |token: &str, method, path: &str, body: Option<&str>| {
        server.send(method, path, Some(token), "application/json", body).expect("an answer").status
    };
    let stanza = r#"{"to":"romeo@example.org","stanza":{"kind":"message","body":"hello"}}"#;
    assert_eq!(send(&token, "POST", "/v1/downlink", Some(stanza)), 202);
    assert_eq!(
        send(&token, "GET", "/v1/users/romeo@example.org/scram", None),
        403,
        "verifiers are the bridge's"
    );
    let (reader, _) = passed(&["--scope", "read-only", "--hours", "1"]);
    assert_eq!(send(&reader, "POST", "/v1/downlink", Some(stanza)), 403);
    assert_eq!(send("no-such-token-as-this", "POST", "/v1/downlink", Some(stanza)), 401);
    let names = std::fs::read_dir(data.join("passes")).expect("passes").map(|f| f.expect("a file").path());
    for file in names.collect::<Vec<_>>() {
        let text = std::fs::read_to_string(&file).expect("text") + &file.to_string_lossy();
        assert!(!text.contains(&token), "the token is nowhere on the disk");
        std::fs::remove_file(file).expect("removed");
    }
    assert_eq!(send(&token, "POST", "/v1/downlink", Some(stanza)), 401, "removed is over");
    assert!(!run(&["pass", "--scope", "bridge", "--data"], &[&data]).status.success());
}
