//! The process: greeting, lock, end of file, signals, damaged data.

use std::io::{Read, Write};

use crate::server::{Server, TOKEN, command};

/// Runs to its end with this on stdin; gives exit code and stderr.
fn run(data: &std::path::Path, greeting: &str) -> (Option<i32>, String) {
    let mut child = command(data).spawn().expect("started");
    let mut stdin = child.stdin.take().expect("stdin");
    stdin.write_all(greeting.as_bytes()).expect("greeted");
    let mut said = String::new();
    // stdin stays open: it must end by itself.
    child.stderr.take().expect("stderr").read_to_string(&mut said).expect("stderr");
    (child.wait().expect("ended").code(), said)
}

fn greeting() -> String {
    format!("{{\"token\":\"{TOKEN}\"}}\n")
}

#[test]
fn end_of_file_ends_it_and_the_data_stay() {
    let data = tempfile::tempdir().expect("a folder");
    let server = Server::start(data.path());
    server.snapshot(0, &["romeo@example.org/orchard"]);
    assert_eq!(server.stop(), Some(0));
    let server = Server::start(data.path());
    server.ok("GET", "/v1/state/romeo%40example.org", None);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_second_owner_is_refused_and_told_which_folder() {
    let data = tempfile::tempdir().expect("a folder");
    let first = Server::start(data.path());
    let (code, said) = run(data.path(), &greeting());
    assert_eq!(code, Some(3));
    assert!(said.contains(&data.path().display().to_string()), "{said}");
    assert_eq!(first.stop(), Some(0));
    assert_eq!(Server::start(data.path()).stop(), Some(0), "the lock went with its owner");
}

#[test]
fn a_wrong_greeting_is_refused_and_not_repeated_in_the_log() {
    for greeting in
        ["\n", "secret-secret-secret\n", "{\"token\":\"short\"}\n", "{\"secret\":\"secret-secret-secret\"}\n"]
    {
        let data = tempfile::tempdir().expect("a folder");
        let (code, said) = run(data.path(), greeting);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("first line on stdin") && !said.contains("secret-secret"), "{said}");
    }
}

#[test]
fn a_damaged_file_is_named_and_left_alone() {
    let data = tempfile::tempdir().expect("a folder");
    let file = data.path().join("platform.sqlite");
    std::fs::write(&file, "this is not a database, but it is somebody's data".repeat(100)).expect("written");
    let before = std::fs::read(&file).expect("read");
    let (code, said) = run(data.path(), &greeting());
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("damaged"), "{said}");
    assert_eq!(std::fs::read(&file).expect("read"), before);
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let data = tempfile::tempdir().expect("a folder");
    assert_eq!(Server::start(data.path()).stop(), Some(0));
    let file = data.path().join("platform.sqlite");
    let conn = rusqlite::Connection::open(&file).expect("opened");
    conn.pragma_update(None, "user_version", 999).expect("set");
    conn.close().expect("closed");
    let (code, said) = run(data.path(), &greeting());
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("format 999"), "{said}");
}

#[test]
fn a_folder_that_cannot_be_used_is_named() {
    let data = tempfile::tempdir().expect("a folder");
    let file = data.path().join("a-file");
    std::fs::write(&file, "").expect("written");
    let (code, said) = run(&file, &greeting());
    assert_eq!(code, Some(1));
    assert!(said.contains("a-file"), "{said}");
}

#[cfg(unix)]
#[test]
fn the_folder_is_its_owners_only_and_the_token_is_nowhere_in_it() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().expect("a folder");
    let data = parent.path().join("new");
    let server = Server::start(&data);
    server.snapshot(0, &["romeo@example.org/orchard"]);
    let mode = std::fs::metadata(&data).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let environment = std::fs::read(format!("/proc/{}/environ", server.child.id())).unwrap_or_default();
    let arguments = std::fs::read(format!("/proc/{}/cmdline", server.child.id())).unwrap_or_default();
    let mut all = vec![environment, arguments];
    for file in crate::standalone::walk(&data) {
        all.push(std::fs::read(file).expect("read"));
    }
    for bytes in all {
        assert!(!bytes.windows(TOKEN.len()).any(|w| w == TOKEN.as_bytes()));
    }
}
