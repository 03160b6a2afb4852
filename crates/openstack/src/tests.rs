//! Against a Keystone of a few lines, which says what it is told to say. The real one is in the suite `openstack`.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::{Error, Interface, Keystone, Login, Net, Session};

/// Answers in order, one per connection; the last one again and again. Notes what it was asked.
struct Fake {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

fn fake(answers: Vec<String>) -> Fake {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&asked);
    std::thread::spawn(move || {
        let mut answers = answers.into_iter();
        let mut last = String::new();
        for stream in listener.incoming().map_while(Result::ok) {
            last = answers.next().unwrap_or(last);
            let mut reader = BufReader::new(stream);
            let (mut head, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
                    break;
                }
                let lower = line.to_lowercase();
                if let Some(value) = lower.strip_prefix("content-length:") {
                    length = value.trim().parse().expect("a number");
                }
                head.push_str(&lower);
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("a body");
            noted.lock().expect("noted").push(head + &String::from_utf8_lossy(&body));
            let _ = reader.get_mut().write_all(last.as_bytes());
        }
    });
    Fake { url, asked }
}

impl Fake {
    fn session(&self) -> Session {
        let keystone = Keystone::new(&self.url, &Net::default()).expect("a Keystone");
        let login = Login::Application { id: "the-id".into(), secret: "canary-of-the-secret".into() };
        Session::new(keystone, login)
    }

    fn count(&self) -> usize {
        self.asked.lock().expect("asked").len()
    }
}

fn http(status: u16, headers: &str, body: &Value) -> String {
    let body = body.to_string();
    format!(
        "HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn token(id: &str, seconds: u8) -> String {
    let endpoint = |interface: &str, region: &str, url: &str| json!({ "interface": interface, "region": region, "region_id": region, "url": url, "id": "x" });
    let body = json!({ "token": {
        "issued_at": "2026-11-27T10:00:00.000000Z",
        "expires_at": format!("2026-11-27T10:00:{seconds:02}.000000Z"),
        "user": { "id": "u", "name": "openfire", "domain": { "id": "default", "name": "Default" } },
        "project": { "id": "p", "name": "im", "domain": { "id": "default", "name": "Default" } },
        "roles": [{ "id": "r", "name": "im_bridge" }],
        "catalog": [
            { "type": "identity", "endpoints": [endpoint("public", "one", "http://k/")] },
            { "type": "im", "endpoints": [
                endpoint("public", "one", "http://a/"), endpoint("internal", "one", "http://b"),
                endpoint("public", "two", "http://c"), endpoint("public", "two", "http://d/")
            ] },
        ],
    } });
    http(201, &format!("X-Subject-Token: {id}\r\n"), &body)
}

fn refusal() -> String {
    let message = "The request you have made requires authentication.";
    http(401, "", &json!({ "error": { "code": 401, "message": message } }))
}

#[test]
fn a_token_is_asked_for_once_and_serves_all_until_it_ends() {
    let keystone = fake(vec![token("first", 0), token("second", 50)]);
    let session = keystone.session();
    assert!(session.held().is_none());
    // Ended when it came.
    assert_eq!(session.token().expect("a token").token.id, "first");
    let held = session.token().expect("a token");
    assert_eq!(held.token.id, "second");
    assert!(held.left() > Duration::from_secs(40) && held.due_in() > Duration::from_secs(20));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(session.token().expect("a token").token.id, "second"));
        }
    });
    assert_eq!(session.renew_if_due().expect("not due").token.id, "second");
    assert_eq!(keystone.count(), 2);
    assert!(keystone.asked.lock().expect("asked")[0].starts_with("post /v3/auth/tokens "));
}

#[test]
fn a_wrong_secret_is_said_once_and_not_tried_again_at_once() {
    let keystone = fake(vec![refusal()]);
    let session = keystone.session();
    let error = session.token().expect_err("refused");
    assert!(matches!(error, Error::Refused { status: 401, .. }) && !error.temporary(), "{error}");
    let said = error.to_string();
    assert!(said.contains("the application credential the-id") && said.contains("authentication"), "{said}");
    assert_eq!(session.token().expect_err("refused"), error);
    assert_eq!(keystone.count(), 1);
    assert!(!format!("{session:?} {said}").contains("canary"));
    assert!(session.due_in() > Duration::from_secs(10));
}

#[test]
fn what_is_no_keystone_is_named() {
    let page =
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\nconnection: close\r\n\r\n<html>";
    let session = fake(vec![page.into()]).session();
    assert!(matches!(session.token(), Err(Error::Unexpected { status: 200, .. })));
    let session = fake(vec![http(503, "", &json!({}))]).session();
    assert!(session.token().expect_err("ill").temporary());
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let keystone = Keystone::new(&format!("http://{nobody}/v3/"), &Net::default()).expect("a Keystone");
    assert_eq!(keystone.url(), format!("http://{nobody}/v3"));
    let login = Login::Password {
        user: "u".into(),
        user_domain: "Default".into(),
        password: "canary".into(),
        project: "im".into(),
        project_domain: "Default".into(),
    };
    assert!(!format!("{login:?}").contains("canary"));
    let error = Session::new(keystone, login).token().expect_err("nobody there");
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
}

#[test]
fn a_rejected_token_is_exchanged_unless_it_is_young() {
    let keystone = fake(vec![token("first", 50), token("second", 50)]);
    let session = keystone.session();
    let first = session.token().expect("a token");
    assert_eq!(session.rejected(&first.token).expect("the same").token.id, "first", "too young to be guilty");
    assert_eq!(keystone.count(), 1);
}

#[test]
fn the_catalogue_is_searched_by_type_region_and_interface() {
    let session = fake(vec![token("first", 50)]).session();
    let catalog = session.token().expect("a token").token.catalog.clone();
    let find = |region, interface| catalog.find("http://k/v3", "im", region, interface);
    assert_eq!(find(None, Interface::Public).expect("found"), ["http://a", "http://c", "http://d"]);
    assert_eq!(find(Some("two"), Interface::Public).expect("found"), ["http://c", "http://d"]);
    assert_eq!(find(None, Interface::Internal).expect("found"), ["http://b"]);
    let said = find(Some("two"), Interface::Internal).expect_err("none").to_string();
    assert!(said.contains("internal endpoint of a service of type im in region two"), "{said}");
    assert!(said.contains("internal in one, public in one, public in two"), "{said}");
    let said = catalog.find("http://k/v3", "image", None, Interface::Public).expect_err("none").to_string();
    assert!(said.contains("no service of type image at all"), "{said}");
}

#[test]
fn a_token_of_somebody_is_told_by_name_and_roles() {
    let valid = json!({ "token": {
        "expires_at": "2026-11-27T11:00:00.000000Z",
        "user": { "id": "u", "name": "ada", "domain": { "name": "Default" } },
        "roles": [{ "name": "reader" }, { "name": "im_bridge" }],
    } });
    let gone = json!({ "error": { "code": 404, "message": "Could not find token" } });
    let keystone = fake(vec![token("own", 50), http(200, "", &valid), http(404, "", &gone)]);
    let session = keystone.session();
    assert_eq!(session.validate("too short").expect("no request is needed"), None);
    let subject = "somebody-else's-token";
    let validated = session.validate(subject).expect("answered").expect("valid");
    assert_eq!((validated.user.name.as_str(), validated.roles.len()), ("ada", 2));
    assert_eq!(session.validate(subject).expect("answered"), None);
    let asked = keystone.asked.lock().expect("asked");
    assert!(
        asked[1].contains("x-auth-token: own") && asked[1].contains(&format!("x-subject-token: {subject}"))
    );
}
