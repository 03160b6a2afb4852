//! A platform that somebody deploys: configuration file, scopes, signed requests, TLS, rate limit, erasure down to the bytes.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use im_platform::auth::{Secret, sign};
use serde_json::{Value, json};

use crate::server::{Answer, agent, send};

const SECRETS: [&str; 2] = [
    "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
    "whsec_YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWY=",
];
const SCOPES: [&str; 4] = ["bridge", "integrator", "operator", "read-only"];

pub struct Platform {
    child: Child,
    pub base: String,
}

impl Drop for Platform {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn token(scope: &str) -> String {
    format!("token-of-the-{scope}-caller")
}

/// A configuration with one token per scope and two signing secrets of an integrator.
pub fn configure(folder: &Path, more: &str) -> std::path::PathBuf {
    let mut text =
        format!("listen = \"127.0.0.1:0\"\ndata = \"{}\"\n{more}\n", folder.join("data").display());
    for scope in SCOPES {
        let file = folder.join(scope);
        std::fs::write(&file, token(scope)).expect("written");
        text += &format!(
            "[[credentials]]\nname = \"{scope}\"\nscope = \"{scope}\"\ntoken_file = \"{}\"\n",
            file.display()
        );
    }
    let files: Vec<_> = (0..2).map(|i| folder.join(format!("secret-{i}"))).collect();
    for (file, secret) in files.iter().zip(SECRETS) {
        std::fs::write(file, secret).expect("written");
    }
    text +=
        &format!("[[credentials]]\nname = \"signer\"\nscope = \"integrator\"\nsecret_files = {files:?}\n");
    let config = folder.join("config.toml");
    std::fs::write(&config, text).expect("written");
    config
}

impl Platform {
    pub fn start(config: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_im-platform"))
            .args(["serve", "--config"])
            .arg(config)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        let mut said = BufReader::new(child.stderr.take().expect("stderr"));
        let mut line = String::new();
        let addr = loop {
            line.clear();
            assert!(said.read_line(&mut line).expect("a line") > 0, "it ended");
            if let Some((_, addr)) = line.split_once("addr=") {
                break addr.split_whitespace().next().expect("an address").to_owned();
            }
        };
        // The rest is read so that the pipe does not fill.
        std::thread::spawn(move || said.read_to_string(&mut String::new()));
        Self { child, base: format!("http://{addr}") }
    }

    pub fn call(&self, scope: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let body = body.map(Value::to_string);
        send(&agent(), &self.base, method, path, Some(&token(scope)), "application/json", body.as_deref())
            .expect("an answer")
    }

    pub fn ok(&self, scope: &str, method: &str, path: &str, body: Option<&Value>) -> Value {
        let answer = self.call(scope, method, path, body);
        assert!((200..300).contains(&answer.status), "{method} {path}: {answer:?}");
        answer.body
    }
}

#[test]
fn each_route_is_covered_by_its_scopes_and_by_no_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let platform = Platform::start(&configure(folder.path(), ""));
    for route in im_platform::modules::routes().filter(|r| !r.scopes.is_empty()) {
        let path = route.path.replace(['{', '}'], "x");
        let body = route.request.map(|_| json!({}));
        for scope in SCOPES {
            let answer = platform.call(scope, route.method, &path, body.as_ref());
            let covered = route.scopes.iter().any(|s| s.name() == scope);
            assert_eq!(answer.status != 403, covered, "{scope} {} {path}: {answer:?}", route.method);
            assert!(answer.status < 500, "{scope} {} {path}: {answer:?}", route.method);
        }
        let nobody =
            send(&agent(), &platform.base, route.method, &path, None, "application/json", Some("{}"));
        assert_eq!(nobody.expect("an answer").problem(), "401 unauthorized", "{} {path}", route.method);
    }
}

#[test]
fn a_read_for_a_person_names_that_person() {
    let folder = tempfile::tempdir().expect("a folder");
    let platform = Platform::start(&configure(folder.path(), ""));
    platform.ok("integrator", "POST", "/v1/users", Some(&json!({ "user": "juliet@example.org" })));
    for path in ["/v1/users?query=j", "/v1/footprints", "/v1/media/picture-1"] {
        assert_eq!(platform.call("integrator", "GET", path, None).problem(), "422 invalid", "{path}");
    }
    platform.ok("operator", "GET", "/v1/users?query=j", None);
    platform.ok("integrator", "GET", "/v1/footprints?viewer=juliet@example.org", None);
}

#[test]
fn signed_requests_are_accepted_once_under_each_secret() {
    let folder = tempfile::tempdir().expect("a folder");
    let platform = Platform::start(&configure(folder.path(), ""));
    let now = im_platform::clock::Clock::System.now() / 1_000;
    let post = |secret: &str, id: &str, at: i64, signed: &str, sent: &str| {
        let secret = Secret::parse(secret).expect("a secret");
        let signature = sign(&secret, id, at, "POST", "/v1/users", signed.as_bytes());
        let request = ureq::http::Request::builder()
            .method("POST")
            .uri(format!("{}/v1/users", platform.base))
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", at.to_string())
            .header("webhook-signature", format!("v1,wrong {signature}"));
        agent().run(request.body(sent.to_owned()).expect("a request")).expect("an answer").status().as_u16()
    };
    let (one, two) = (r#"{"user":"one@example.org"}"#, r#"{"user":"two@example.org"}"#);
    assert_eq!(post(SECRETS[0], "a", now, one, two), 401, "another body");
    assert_eq!(post(SECRETS[0], "a", now, one, one), 201);
    assert_eq!(post(SECRETS[0], "a", now, one, one), 401, "a replay");
    assert_eq!(post(SECRETS[1], "b", now, two, two), 201, "the other secret");
    assert_eq!(post(SECRETS[0], "c", now - 301, two, two), 401, "too old");
    assert_eq!(post("whsec_enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6eno=", "d", now, two, two), 401);
}

#[test]
fn a_replayed_post_gets_the_first_answer_also_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = configure(folder.path(), "");
    let post = |platform: &Platform, path: &str, key: &str, body: &Value| {
        let request = ureq::http::Request::builder()
            .method("POST")
            .uri(format!("{}{path}", platform.base))
            .header("content-type", "application/json")
            .header("idempotency-key", key)
            .header("authorization", format!("Bearer {}", token("integrator")));
        let mut answer = agent().run(request.body(body.to_string()).expect("a request")).expect("an answer");
        (answer.status().as_u16(), answer.body_mut().read_to_string().expect("a body"))
    };
    let user = json!({ "user": "juliet@example.org", "password": "a rose" });
    let place = json!({ "user": "juliet@example.org", "lat": 1.0, "lon": 2.0, "audience": "all" });
    let (first_user, first_place) = {
        let platform = Platform::start(&config);
        (post(&platform, "/v1/users", "k1", &user), post(&platform, "/v1/footprints", "k2", &place))
    };
    assert_eq!((first_user.0, first_place.0), (201, 201), "{first_user:?} {first_place:?}");
    let platform = Platform::start(&config);
    assert_eq!(post(&platform, "/v1/users", "k1", &user), first_user);
    assert_eq!(post(&platform, "/v1/footprints", "k2", &place), first_place);
    assert_eq!(post(&platform, "/v1/footprints", "k1", &place).0, 422, "the key was used for something else");
    let found = platform.ok("operator", "GET", "/v1/footprints", None);
    assert_eq!(found["features"].as_array().map(Vec::len), Some(1));
}

#[test]
fn passwords_are_verified_and_are_nowhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let platform = Platform::start(&configure(folder.path(), ""));
    let canary = "canary-PASSWORD-93417";
    let verify = |password: &str| {
        let body = json!({ "user": "juliet@example.org", "password": password });
        platform.ok("bridge", "POST", "/v1/users/verify", Some(&body))["outcome"].clone()
    };
    assert_eq!(verify(canary), "unknown");
    let new = json!({ "user": "Juliet@example.org", "password": canary, "name": "Juliet" });
    platform.ok("bridge", "POST", "/v1/users", Some(&new));
    assert_eq!(verify(canary), "ok");
    assert_eq!(verify("wrong"), "wrong");
    let scram = platform.ok("bridge", "GET", "/v1/users/juliet%40example.org/scram", None);
    let kinds: Vec<_> =
        scram["items"].as_array().expect("items").iter().map(|v| v["mechanism"].clone()).collect();
    assert_eq!(kinds, ["SCRAM-SHA-1", "SCRAM-SHA-256"]);
    let changed = json!({ "password": format!("{canary}-2") });
    platform.ok("bridge", "PUT", "/v1/users/juliet%40example.org/password", Some(&changed));
    assert_eq!(verify(canary), "wrong");
    for _ in 0..12 {
        verify("guess");
    }
    assert_eq!(verify(&format!("{canary}-2")), "locked");
    let both = json!({ "password": "x", "verifiers": scram["items"] });
    let answer = platform.call("bridge", "PUT", "/v1/users/juliet%40example.org/password", Some(&both));
    assert_eq!(answer.body["pointer"], "/verifiers");
    platform.ok(
        "bridge",
        "PUT",
        "/v1/users/juliet%40example.org/password",
        Some(&json!({ "verifiers": scram["items"] })),
    );
    assert_eq!(verify(canary), "ok", "verifiers made elsewhere; and a new password ends a lock-out");
    assert!(!in_files(&folder.path().join("data"), canary));
}

#[test]
fn what_is_erased_is_in_no_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let platform = Platform::start(&configure(folder.path(), ""));
    let data = folder.path().join("data");
    let canary = "canary-TEXT-55120";
    for user in ["juliet-93@example.org", "romeo@example.org"] {
        platform.ok("bridge", "POST", "/v1/users", Some(&json!({ "user": user })));
    }
    platform.ok(
        "bridge",
        "PUT",
        "/v1/nodes/n/sessions",
        Some(&json!({ "epoch": "e", "ttl_ms": 60000, "seq": 0, "sessions": [] })),
    );
    let message = |key: &str, from: &str, to: &str| {
        let item = json!({ "key": key, "from": from, "to": to, "sent_at": "2026-11-23T06:36:00.000Z", "stanza": { "body": canary }, "storable": true });
        platform.ok(
            "bridge",
            "POST",
            "/v1/messages",
            Some(&json!({ "node": "n", "epoch": "e", "items": [item] })),
        );
    };
    message("k1", "juliet-93@example.org/a", "romeo@example.org");
    message("k2", "romeo@example.org/a", "juliet-93@example.org");
    let place = json!({ "user": "juliet-93@example.org", "lat": 1.0, "lon": 2.0, "audience": "all", "text": canary, "media": ["picture-1"] });
    platform.ok("integrator", "POST", "/v1/footprints", Some(&place));
    let path = "/v1/media/picture-1?user=juliet-93@example.org";
    let picture =
        send(&agent(), &platform.base, "PUT", path, Some(&token("bridge")), "image/png", Some(canary))
            .expect("put");
    assert_eq!((picture.status, &picture.body["size"]), (201, &json!(canary.len())));
    let seen = "/v1/media/picture-1?viewer=romeo@example.org";
    assert_eq!(platform.ok("bridge", "GET", seen, None), json!(canary), "the footprint shows it");
    assert!(in_files(&data, canary) && in_files(&data, "juliet-93"));
    let erased = platform.ok("integrator", "DELETE", "/v1/users/juliet-93%40example.org", None);
    assert_eq!(
        (&erased["messages"], &erased["footprints"], &erased["media"]),
        (&json!(2), &json!(1), &json!(1))
    );
    assert!(!in_files(&data, canary), "no text, no picture");
    assert_eq!(platform.call("bridge", "GET", seen, None).status, 404);
}

/// Whether the bytes are in any file below.
fn in_files(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).expect("listed").any(|entry| {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            return in_files(&path, text);
        }
        std::fs::read(path).expect("read").windows(text.len()).any(|w| w == text.as_bytes())
    })
}

#[test]
fn media_are_taken_and_served_safely() {
    let folder = tempfile::tempdir().expect("a folder");
    let platform = Platform::start(&configure(folder.path(), "[media]\nmax_megabytes = 1"));
    platform.ok("bridge", "POST", "/v1/users", Some(&json!({ "user": "juliet@example.org" })));
    let put = |id: &str, query: &str, kind: &str, body: &str| {
        let path = format!("/v1/media/{id}?{query}");
        send(&agent(), &platform.base, "PUT", &path, Some(&token("bridge")), kind, Some(body))
            .expect("an answer")
    };
    let juliet = "user=juliet@example.org";
    assert_eq!(put("picture-1", juliet, "text/html", "<script>").problem(), "415 invalid");
    assert_eq!(put("picture-1", juliet, "image/svg+xml", "<svg>").problem(), "415 invalid");
    assert_eq!(put("..%2F..%2Fetc", juliet, "image/png", "x").problem(), "422 invalid");
    assert_eq!(put("picture-1", "user=stranger@example.org", "image/png", "x").problem(), "404 not-found");
    assert_eq!(
        put("picture-1", &format!("{juliet}&audience=world"), "image/png", "x").problem(),
        "422 invalid"
    );
    assert_eq!(put("picture-1", juliet, "image/png", &"x".repeat((1 << 20) + 1)).problem(), "413 too-large");
    assert_eq!(put("picture-1", juliet, "image/png", "one").status, 201);
    assert_eq!(put("picture-1", juliet, "image/png", "one").status, 200);
    assert_eq!(put("picture-1", juliet, "image/png", "two").problem(), "409 conflict");
    let answer = agent()
        .get(format!("{}/v1/media/picture-1?viewer=juliet@example.org", platform.base))
        .header("authorization", format!("Bearer {}", token("bridge")))
        .call()
        .expect("an answer");
    let header = |name: &str| answer.headers()[name].to_str().expect("text").to_owned();
    assert_eq!(
        (header("content-type"), header("x-content-type-options")),
        ("image/png".into(), "nosniff".into())
    );
    assert_eq!(platform.call("bridge", "DELETE", &format!("/v1/media/picture-1?{juliet}"), None).status, 204);
    let files: Vec<_> = walk(&folder.path().join("data/media"));
    assert!(files.is_empty(), "{files:?}");
}

pub fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).expect("listed").map(|e| e.expect("an entry").path());
    entries.flat_map(|p| if p.is_dir() { walk(&p) } else { vec![p] }).collect()
}

#[test]
fn the_downlink_waits_for_news_and_a_stop_does_not_wait_for_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut platform = Platform::start(&configure(folder.path(), ""));
    let start = platform.ok("bridge", "GET", "/v1/downlink", None)["next"].clone();
    let path = format!("/v1/downlink?after={}&wait=60000", start.as_str().expect("a cursor"));
    let base = platform.base.clone();
    let poll = move |path: String| {
        let base = base.clone();
        std::thread::spawn(move || send(&agent(), &base, "GET", &path, Some(&token("bridge")), "", None))
    };
    let waiting = poll(path);
    let stanza = json!({ "to": "juliet@example.org", "stanza": { "body": "hello" } });
    platform.ok("integrator", "POST", "/v1/downlink", Some(&stanza));
    let news = waiting.join().expect("polled").expect("an answer").body;
    assert_eq!(news["items"][0]["type"], "im.stanza");
    let next = news["next"].as_str().expect("a cursor").to_owned();
    let waiting = poll(format!("/v1/downlink?after={next}&wait=60000"));
    // SIGTERM while it waits: it gets an empty answer or finds the door closed, and the process ends at once.
    let stopped = std::time::Instant::now();
    let killed = Command::new("kill").arg(platform.child.id().to_string()).status().expect("kill");
    assert!(killed.success());
    assert_eq!(platform.child.wait().expect("ended").code(), Some(0));
    if let Ok(answer) = waiting.join().expect("polled") {
        assert_eq!(answer.body["items"], json!([]));
    }
    assert!(stopped.elapsed() < std::time::Duration::from_secs(9), "within the grace time");
}

#[test]
fn too_many_requests_of_one_caller_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let platform = Platform::start(&configure(folder.path(), "requests_per_second = 1"));
    let statuses: Vec<u16> =
        (0..10).map(|_| platform.call("bridge", "GET", "/v1/state/a%40b.example", None).status).collect();
    assert!(statuses.contains(&429) && statuses[0] == 404, "{statuses:?}");
    assert_eq!(
        platform.call("operator", "GET", "/v1/state/a%40b.example", None).status,
        404,
        "another caller"
    );
}

#[test]
fn beyond_loopback_without_tls_or_a_stated_proxy_it_does_not_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = configure(folder.path(), "");
    let text = std::fs::read_to_string(&config).expect("read");
    std::fs::write(&config, text.replace("127.0.0.1:0", "0.0.0.0:0")).expect("written");
    let ended =
        Command::new(env!("CARGO_BIN_EXE_im-platform")).args(["serve", "--config"]).arg(&config).output();
    let ended = ended.expect("ran");
    assert_eq!(ended.status.code(), Some(5));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("behind_proxy"), "{ended:?}");
}

#[test]
fn metrics_count_routes_and_name_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let platform = Platform::start(&configure(folder.path(), ""));
    platform.call("bridge", "GET", "/v1/state/juliet%40example.org", None);
    let text = platform.ok("read-only", "GET", "/metrics", None);
    let text = text.as_str().expect("text");
    assert!(
        text.contains(r#"im_platform_requests_total{method="GET",route="/v1/state/{user}",status="404"} 1"#),
        "{text}"
    );
    assert!(
        !text.contains("juliet") && text.trim_end().ends_with("# EOF") && text.matches("# EOF").count() == 1
    );
}

#[test]
fn friends_groups_rooms_and_footprints_work_over_http() {
    let folder = tempfile::tempdir().expect("a folder");
    let platform = Platform::start(&configure(folder.path(), ""));
    for user in ["juliet@example.org", "romeo@example.org"] {
        platform.ok("bridge", "POST", "/v1/users", Some(&json!({ "user": user })));
    }
    let friend = "/v1/friends/juliet%40example.org/romeo%40example.org";
    let put =
        platform.ok("bridge", "PUT", friend, Some(&json!({ "subscription": "both", "groups": ["Verona"] })));
    assert_eq!(put, json!({ "ver": 1, "changed": true }));
    let list = platform.ok("bridge", "GET", "/v1/friends/juliet%40example.org", None);
    assert_eq!(list["items"][0]["friend"], "romeo@example.org");
    let wrong = json!({ "subscription": "both", "groups": [""] });
    assert_eq!(platform.call("bridge", "PUT", friend, Some(&wrong)).body["pointer"], "/groups/0");
    assert_eq!(
        platform
            .call("bridge", "PUT", "/v1/friends/a%40b/a%40b", Some(&json!({ "subscription": "to" })))
            .status,
        422
    );

    let group = json!({ "id": "lovers", "name": "Lovers", "members": [{ "user": "juliet@example.org", "role": "owner" }] });
    assert_eq!(platform.call("integrator", "POST", "/v1/groups", Some(&group)).status, 201);
    let mut wrong = group.clone();
    wrong["members"][0]["role"] = json!("member");
    assert_eq!(platform.call("integrator", "POST", "/v1/groups", Some(&wrong)).body["pointer"], "/members");
    platform.ok(
        "integrator",
        "PUT",
        "/v1/groups/lovers/members/romeo%40example.org",
        Some(&json!({ "role": "member" })),
    );
    let mine = platform.ok("read-only", "GET", "/v1/groups?member=romeo@example.org", None);
    assert_eq!(mine["items"][0]["size"], 2);
    let patched = platform.ok(
        "integrator",
        "PATCH",
        "/v1/groups/lovers",
        Some(&json!({ "description": "star-crossed" })),
    );
    assert_eq!(patched, json!({ "version": 3, "changed": true }));

    let node = json!({ "epoch": "e", "ttl_ms": 60000, "seq": 0, "sessions": [] });
    platform.ok("bridge", "PUT", "/v1/nodes/n/sessions", Some(&node));
    let hall = "/v1/rooms/hall%40rooms.example.org";
    let members = json!({ "members": [{ "user": "juliet@example.org", "affiliation": "owner" }, { "user": "romeo@example.org", "affiliation": "member" }] });
    assert_eq!(platform.call("bridge", "PUT", hall, Some(&members)).status, 204);
    let join = json!({ "node": "n", "epoch": "e", "seq": 1, "nick": "Romeo" });
    platform.ok("bridge", "PUT", &format!("{hall}/occupants/romeo%40example.org/r"), Some(&join));
    let said = json!({ "node": "n", "epoch": "e", "items": [{ "key": "m1", "from": "romeo@example.org", "nick": "Romeo", "sent_at": "2026-11-23T06:36:00Z", "stanza": { "body": "hi" } }] });
    let posted = platform.ok("bridge", "POST", &format!("{hall}/messages"), Some(&said));
    assert_eq!((&posted["results"][0]["absent"], &posted["results"][0]["seq"]), (&json!(1), &json!(1)));
    let join = json!({ "node": "n", "epoch": "e", "seq": 2, "nick": "Juliet" });
    assert_eq!(
        platform.ok("bridge", "PUT", &format!("{hall}/occupants/juliet%40example.org/j"), Some(&join)),
        json!({ "missed": 1 })
    );
    let missed = platform.ok("bridge", "GET", &format!("{hall}/missed?user=juliet@example.org"), None);
    assert_eq!(missed["items"][0]["stanza"], json!({ "body": "hi" }));
    let left =
        platform.ok("bridge", "DELETE", &format!("{hall}/missed?user=juliet@example.org&upto=1"), None);
    assert_eq!(left, json!({ "left": 0 }));
    let receipts = json!({ "items": [{ "key": "m1", "user": "juliet@example.org", "kind": "read" }] });
    let feedback = platform.ok("bridge", "POST", &format!("{hall}/receipts"), Some(&receipts));
    assert_eq!(
        feedback["feedback"][0],
        json!({ "key": "m1", "from": "romeo@example.org", "delivered": 1, "read": 1 })
    );
    let leave = format!("{hall}/occupants/juliet%40example.org/j?node=n&epoch=e&seq=3");
    assert_eq!(platform.call("bridge", "DELETE", &leave, None).status, 204);
    assert_eq!(platform.ok("operator", "GET", &format!("{hall}/messages"), None)["items"][0]["read"], 1);

    let place = json!({ "user": "juliet@example.org", "id": "balcony", "lat": 45.442, "lon": 10.998, "audience": { "group": "lovers" }, "text": "here" });
    let shared = platform.call("bridge", "POST", "/v1/footprints", Some(&place));
    assert_eq!((shared.status, shared.kind.as_str()), (201, "application/geo+json"));
    let find = "/v1/footprints?viewer=romeo@example.org&bbox=10,45,11.5,46&since=2026-01-01T00:00:00Z";
    let found = platform.ok("bridge", "GET", find, None);
    assert_eq!(
        (&found["type"], &found["features"][0]["geometry"]["type"]),
        (&json!("FeatureCollection"), &json!("Point"))
    );
    assert_ne!(found["features"][0]["geometry"]["coordinates"], json!([10.998, 45.442]), "coarse by default");
    for wrong in ["bbox=1,2,3", "bbox=1,5,2,4", "bbox=a,b,c,d", "bbox=0,0,0,91", "since=today", "after=x"] {
        let path = format!("/v1/footprints?viewer=romeo@example.org&{wrong}");
        assert_eq!(platform.call("bridge", "GET", &path, None).problem(), "422 invalid", "{wrong}");
    }
    for (field, value) in [
        ("lat", json!(91)),
        ("lon", json!(-181)),
        ("at", json!("now")),
        ("id", json!("a/b")),
        ("audience", json!({ "group": "" })),
    ] {
        let mut wrong = place.clone();
        wrong[field] = value;
        let answer = platform.call("bridge", "POST", "/v1/footprints", Some(&wrong));
        assert!(
            answer.problem() == "422 invalid"
                && answer.body["pointer"].as_str().is_some_and(|p| p[1..].starts_with(field)),
            "{answer:?}"
        );
    }
    assert_eq!(
        platform.call("bridge", "DELETE", "/v1/footprints/juliet%40example.org/balcony", None).status,
        204
    );

    let opened = platform.ok(
        "integrator",
        "POST",
        "/v1/sessions",
        Some(&json!({ "user": "romeo@example.org", "resource": "web" })),
    );
    assert_eq!((&opened["state"], &opened["reachable"]), (&json!("online"), &json!(false)));
    assert_eq!(
        platform.ok("operator", "DELETE", "/v1/sessions/romeo%40example.org/web", None),
        json!({ "end": "closed" })
    );
}

#[test]
fn tls_is_spoken_with_the_configured_certificate_and_nothing_else() {
    use ureq::tls::{Certificate, RootCerts, TlsConfig};
    let folder = tempfile::tempdir().expect("a folder");
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).expect("a certificate");
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).expect("written");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    let tls = format!("[tls]\ncert = \"{}\"\nkey = \"{}\"", cert.display(), key.display());
    let platform = Platform::start(&configure(folder.path(), &tls));
    let root = Certificate::from_der(made.cert.der()).to_owned();
    let tls = TlsConfig::builder().root_certs(RootCerts::new_with_certs(&[root])).build();
    let agent = ureq::Agent::config_builder().http_status_as_error(false).tls_config(tls).build().new_agent();
    let port = platform.base.rsplit(':').next().expect("a port");
    let health = send(&agent, &format!("https://localhost:{port}"), "GET", "/healthz", None, "", None);
    assert_eq!(health.expect("an answer").body["status"], "ok");
    assert!(
        send(&agent, &platform.base, "GET", "/healthz", None, "", None).is_err(),
        "no plain HTTP beside it"
    );
    std::fs::write(&key, "not a key").expect("written");
    let config = folder.path().join("config.toml");
    drop(platform);
    let ended =
        Command::new(env!("CARGO_BIN_EXE_im-platform")).args(["serve", "--config"]).arg(&config).output();
    let ended = ended.expect("ran");
    assert_eq!(ended.status.code(), Some(5), "{ended:?}");
}
