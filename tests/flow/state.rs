//! State with the real platform: what it stores and how often it is written to, as the platform itself says; who is online when something ends.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::remote::{Platform, TOKEN};
use crate::shim::Server;

const JULIET: &str = "juliet@example.org/balcony";

/// Settings of a bridge of this platform.
fn settings<'a>(url: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [("platform.url", url), ("platform.token.password", TOKEN)]
        .into_iter()
        .chain(more.iter().copied())
        .collect()
}

fn started(platform: &Platform, more: &[(&str, &str)]) -> Server {
    let url = platform.url();
    let server = Server::start(&settings(&url, more));
    server.log_in(JULIET, 0);
    server.until("ready", |s| s["ready"] == true);
    platform.until(JULIET, "online", |s| s["state"] == "online");
    server
}

#[test]
fn twenty_changes_in_five_seconds_are_at_most_three_writes_and_the_last_one_wins() {
    for mode in ["mirror", "decide"] {
        let platform = Platform::start(false);
        let server = started(&platform, &[("state.mode", mode)]);
        let before = platform.writes();
        let begin = Instant::now();
        for change in 0..20u32 {
            let show = if change == 19 { "dnd" } else { ["away", "xa", "chat"][change as usize % 3] };
            server.show(JULIET, show, &format!("change {change}"));
            // The pace is the subject: a client that changes its mind every 250 ms.
            let next = begin + Duration::from_millis(250) * (change + 1);
            std::thread::park_timeout(next.saturating_duration_since(Instant::now()));
        }
        let state = platform.until(JULIET, "the last one", |s| s["status"] == "change 19");
        assert_eq!((&state["state"], &state["show"]), (&json!("busy"), &json!("dnd")), "{mode}");
        server.until("nothing held", |s| s["modules"]["state"]["held"] == 0);
        let writes = platform.writes() - before;
        assert!((2..=3).contains(&writes), "{mode}: {writes} writes");
        assert_eq!(server.shown(JULIET).last().map(String::as_str), Some("dnd change 19"), "{mode}");
        if mode == "mirror" {
            assert_eq!(server.shown(JULIET).len(), 20, "nothing is held");
        } else {
            // One that was overtaken while it was being stored is not seen.
            let shown = server.shown(JULIET).len() as u64;
            assert!(
                (1..=writes).contains(&shown),
                "contacts see what the platform stored: {shown} of {writes}"
            );
            assert_eq!(server.tokens_left(), 0, "each held one has ended");
        }
    }
}

#[test]
fn a_change_is_broadcast_when_the_platform_has_stored_it() {
    let platform = Platform::start(false);
    let server = started(&platform, &[("state.mode", "decide"), ("state.timeoutMillis", "30000")]);
    platform.die();
    assert!(server.show(JULIET, "away", "lunch"), "held");
    server.until("held", |s| s["modules"]["state"]["held"] == 1);
    assert!(server.shown(JULIET).is_empty());
    platform.rise();
    server.until("released", |s| s["modules"]["state"]["rows"]["state.change"]["released"] == 1);
    assert_eq!(server.shown(JULIET), ["away lunch"]);
    platform.until(JULIET, "stored", |s| s["state"] == "away" && s["status"] == "lunch");
    assert!(!server.show(JULIET, "away", "lunch"), "nothing changes: it passes");
}

#[test]
fn a_slow_platform_is_open_or_closed_and_learns_the_last_state_when_it_is_back() {
    for (policy, shown) in [("open", vec!["away lunch"]), ("closed", vec![])] {
        let platform = Platform::start(false);
        let more = [("state.mode", "decide"), ("state.timeoutMillis", "400"), ("state.onFailure", policy)];
        let server = started(&platform, &more);
        platform.die();
        let begin = Instant::now();
        assert!(server.show(JULIET, "away", "lunch"), "held");
        server.until("ended", |s| s["modules"]["state"]["held"] == 0);
        assert!(begin.elapsed() >= Duration::from_millis(400), "{policy}: not before its time");
        assert_eq!(server.shown(JULIET), shown, "{policy}");
        // As soon as the breaker is open nobody waits any more.
        server.until("breaker", |s| s["platform"]["breaker"]["state"] == "open");
        let begin = Instant::now();
        let taken = server.show(JULIET, "dnd", "busy");
        assert_eq!(taken, policy == "closed");
        server.until("ended", |s| s["modules"]["state"]["held"] == 0);
        assert!(begin.elapsed() < Duration::from_millis(400), "{policy}: at once");
        platform.rise();
        let expected = if policy == "open" { "busy" } else { "online" };
        server.until("back", |s| s["platform"]["breaker"]["state"] == "closed" && s["ready"] == true);
        platform.until(JULIET, expected, |s| s["state"] == expected);
        // It stays so: what was asked before and executed late changes nothing.
        platform.quiet();
        assert_eq!(platform.state(JULIET)["state"], expected, "{policy}");
        assert_eq!(server.tokens_left(), 0);
    }
}

#[test]
fn a_session_closed_while_its_presence_is_held_leaves_nobody_online() {
    let platform = Platform::start(false);
    let server = started(&platform, &[("state.mode", "decide"), ("state.timeoutMillis", "30000")]);
    let other = "romeo@example.org/orchard";
    server.log_in(other, 0);
    platform.until(other, "online", |s| s["state"] == "online");
    for round in 0..6 {
        // Before it is asked, while it is asked, and after it was stored.
        if round % 3 == 1 {
            platform.die();
        }
        assert!(server.show(JULIET, "away", &format!("round {round}")), "held");
        if round % 3 == 2 {
            platform.until(JULIET, "stored", |s| s["state"] == "away");
        }
        server.show(other, if round % 2 == 0 { "dnd" } else { "" }, "");
        server.log_out(JULIET);
        if round % 3 == 1 {
            platform.rise();
        }
        platform.until(JULIET, "offline", |s| s["state"] == "offline" && s["resources"] == json!([]));
        server.until("nothing held for her", |s| s["modules"]["state"]["held"].as_u64() <= Some(1));
        if round > 2 {
            platform.quiet();
        }
        assert_eq!(platform.state(JULIET)["state"], "offline", "round {round}");
        server.log_in(JULIET, 0);
        platform.until(JULIET, "online again", |s| s["state"] == "online");
    }
}

#[test]
fn leaving_decide_mode_and_stopping_release_what_is_held() {
    let platform = Platform::start(false);
    let mut server = started(&platform, &[("state.mode", "decide"), ("state.timeoutMillis", "60000")]);
    platform.die();
    assert!(server.show(JULIET, "away", "1"));
    server.set("state.mode", "mirror");
    server.until("released", |s| s["modules"]["state"]["held"] == 0);
    assert_eq!(server.shown(JULIET), ["away 1"]);
    platform.rise();
    platform.until(JULIET, "told", |s| s["state"] == "away");
    server.set("state.mode", "decide");
    server.until("ready", |s| s["ready"] == true && s["platform"]["breaker"]["state"] == "closed");
    platform.die();
    assert!(server.show(JULIET, "dnd", "2"));
    let begin = Instant::now();
    server.stop(Duration::from_secs(5));
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "a platform that does not answer costs a second at most"
    );
    assert_eq!(server.shown(JULIET), ["away 1", "dnd 2"]);
    platform.rise();
}

#[test]
fn a_stop_takes_everybody_offline_at_once_and_the_next_start_brings_them_back() {
    let platform = Platform::start(false);
    let mut server = started(&platform, &[("state.mode", "mirror"), ("platform.leaseSeconds", "300")]);
    server.show(JULIET, "away", "");
    server.stop(Duration::from_secs(1));
    assert_eq!(platform.state(JULIET)["state"], "offline");
    server.start_again();
    platform.until(JULIET, "back", |s| s["state"] == "away");
}

#[test]
fn a_bridge_that_falls_silent_leaves_nobody_online_after_its_lease() {
    let platform = Platform::start(false);
    let wire = Wire::to(platform.port);
    let url = format!("http://127.0.0.1:{}", wire.port);
    let more = [("state.mode", "decide"), ("platform.leaseSeconds", "3")];
    let server = Server::start(&settings(&url, &more));
    server.log_in(JULIET, 0);
    platform.until(JULIET, "online", |s| s["state"] == "online");
    // To the platform a killed server and a cut wire are the same: no word comes, no goodbye either.
    wire.cut();
    let begin = Instant::now();
    platform.until(JULIET, "offline", |s| s["state"] == "offline");
    assert!(begin.elapsed() < Duration::from_secs(4), "the lease is 3 s: {:?}", begin.elapsed());
    assert_eq!(platform.state(JULIET)["resources"], json!([]));
    wire.mend();
    platform.until(JULIET, "back", |s| s["state"] == "online");
    drop(server);
}

#[test]
fn a_state_set_at_the_platform_appears_once_and_our_own_changes_do_not_come_back() {
    let platform = Platform::start(false);
    let server = started(&platform, &[("state.mode", "decide")]);
    let other = "juliet@example.org/chamber";
    // Our own: silence.
    server.show(JULIET, "away", "mine");
    server.log_in(other, 5);
    platform.until(JULIET, "both", |s| s["resources"].as_array().map(Vec::len) == Some(2));
    platform.quiet();
    assert_eq!(server.applied(0), []);
    // Another caller's, below the one that leads: nothing that anybody could see changes.
    platform.set(JULIET, "phone", 1, json!({"available": true, "priority": 1, "show": "xa"}));
    assert_eq!(platform.state(JULIET)["state"], "online", "priority 5 leads");
    // Above it: exactly one.
    platform.set(
        JULIET,
        "web",
        1,
        json!({"available": true, "priority": 9, "show": "dnd", "status": "on air"}),
    );
    assert_eq!(platform.state(JULIET)["state"], "busy", "priority 9 leads");
    server.until("applied", |s| s["modules"]["state"]["rows"]["state.presence_show"]["applied"] == 1);
    let applied = |show: &str, status: &str| {
        ("presence.show".to_owned(), ["juliet@example.org", show, status].map(str::to_owned).to_vec())
    };
    assert_eq!(server.applied(0), [applied("dnd", "on air")]);
    // The same again is no change; its end hands the lead back to Openfire's own session, so what we showed goes.
    platform.set(
        JULIET,
        "web",
        2,
        json!({"available": true, "priority": 9, "show": "dnd", "status": "on air"}),
    );
    platform.set(JULIET, "web", 3, json!({"open": false, "available": false}));
    server.until("gone", |s| s["modules"]["state"]["rows"]["state.presence_show"]["applied"] == 2);
    platform.quiet();
    assert_eq!(server.applied(0), [applied("dnd", "on air"), applied("unavailable", "")]);
    assert_eq!(platform.state(JULIET)["state"], "online");
}

#[test]
fn watch_counts_and_mirror_looks_at_no_presence() {
    let platform = Platform::start(false);
    let server = Server::start(&[("state.mode", "watch")]);
    server.log_in(JULIET, 0);
    server.show(JULIET, "away", "");
    let seen = |s: &Value| s["modules"]["state"]["rows"]["state.change"]["seen"].as_u64();
    assert_eq!(seen(&server.status()), Some(1));
    assert_eq!(server.shown(JULIET), ["away "]);
    let server = started(&platform, &[("state.mode", "mirror")]);
    server.show(JULIET, "away", "");
    platform.until(JULIET, "told", |s| s["state"] == "away");
    assert_eq!(seen(&server.status()), None);
}

/// What a client of the platform's sees and sets.
impl Platform {
    fn call(&self, method: &str, path: &str, body: Option<Value>) -> (u16, String) {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url()))
            .header("authorization", format!("Bearer {TOKEN}"))
            .header("content-type", "application/json")
            .body(body.map(|b| b.to_string()).unwrap_or_default())
            .expect("request");
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        // Not listening yet.
        let Ok(mut answer) = agent.run(request) else { return (0, String::new()) };
        (answer.status().as_u16(), answer.body_mut().read_to_string().expect("text"))
    }

    /// The user's state as the platform sees it; null while it does not know the user.
    fn state(&self, jid: &str) -> Value {
        let bare = jid.split('/').next().expect("bare");
        let path = im_api::routes::path(im_api::routes::USER_STATE, &[bare]);
        let (status, body) = self.call("GET", &path, None);
        if status == 200 { serde_json::from_str(&body).expect("JSON") } else { Value::Null }
    }

    fn until(&self, jid: &str, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let state = self.state(jid);
            if condition(&state) {
                return state;
            }
            assert!(Instant::now() < deadline, "{what} did not happen: {state:#}");
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }

    fn set(&self, jid: &str, resource: &str, seq: u64, state: Value) {
        let bare = jid.split('/').next().expect("bare");
        let mut body =
            json!({"seq": seq, "open": true, "user": bare, "resource": resource, "available": true});
        body.as_object_mut().expect("object").extend(state.as_object().expect("object").clone());
        let path = im_api::routes::path(im_api::routes::RESOURCE_STATE, &[bare, resource]);
        let (status, answer) = self.call("PUT", &path, Some(body));
        assert_eq!(status, 200, "{answer}");
    }

    /// How often sessions were told to it, as it counts itself.
    fn writes(&self) -> u64 {
        let (_, text) = self.call("GET", "/metrics", None);
        let ours = |line: &&str| {
            line.starts_with("im_platform_requests_total{")
                && line.contains("/v1/nodes/{node}/")
                && !line.contains("lease")
        };
        text.lines().filter(ours).filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    }

    /// Until nothing has been written for longer than any change pauses.
    fn quiet(&self) {
        let (mut writes, mut since) = (self.writes(), Instant::now());
        while since.elapsed() < Duration::from_millis(2800) {
            std::thread::park_timeout(Duration::from_millis(50));
            let now = self.writes();
            if now != writes {
                (writes, since) = (now, Instant::now());
            }
        }
    }
}

/// A wire to the platform that can be cut.
struct Wire {
    port: u16,
    whole: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Wire {
    fn to(platform: u16) -> Wire {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("address").port();
        let (whole, open) = (Arc::new(AtomicBool::new(true)), Arc::new(Mutex::new(Vec::new())));
        let wire = Wire { port, whole: Arc::clone(&whole), open: Arc::clone(&open) };
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let mut open = open.lock().expect("wire");
                if !whole.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(server) = TcpStream::connect(("127.0.0.1", platform)) else { continue };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (mut from, mut to) =
                        (from.try_clone().expect("socket"), to.try_clone().expect("socket"));
                    std::thread::spawn(move || pass(&mut from, &mut to));
                }
                open.extend([client, server]);
            }
        });
        wire
    }

    fn cut(&self) {
        let mut open = self.open.lock().expect("wire");
        self.whole.store(false, Ordering::SeqCst);
        open.drain(..).for_each(|socket| drop(socket.shutdown(std::net::Shutdown::Both)));
    }

    fn mend(&self) {
        self.whole.store(true, Ordering::SeqCst);
    }
}

fn pass(from: &mut TcpStream, to: &mut TcpStream) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
}
