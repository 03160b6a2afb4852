//! Rows at work: accounts, contacts, logins, the downlink and the import, against the real platform, with a stand-in for the shim.

use cloudbridge::ffi::frame::{Reader, Writer, ask};
use serde_json::{Value, json};

use crate::remote::{Platform, TOKEN};
use crate::shim::Server;

const HOLD: i32 = 1;
const EVENT: i32 = 16;

/// A server whose modules decide on this platform.
fn deciding(platform: &Platform) -> Server {
    let url = platform.url();
    let server = Server::start(&[
        ("chat.mode", "decide"),
        ("user.mode", "decide"),
        ("friend.mode", "decide"),
        ("platform.url", url.as_str()),
        ("platform.token.password", TOKEN),
    ]);
    server.log_in("juliet@example.org/balcony", 0);
    server.log_in("romeo@example.org/orchard", 0);
    server.until("ready", |s| s["ready"] == true && s["listens"] == true);
    server
}

fn roster(id: &str, item: &str) -> String {
    format!(
        "<iq xmlns='jabber:client' type='set' id='{id}' from='juliet@example.org/balcony'><query xmlns='jabber:iq:roster'>{item}</query></iq>"
    )
}

fn push(item: &str) -> String {
    format!(
        "<iq xmlns='jabber:client' type='set' to='juliet@example.org'><query xmlns='jabber:iq:roster'>{item}</query></iq>"
    )
}

fn register(id: &str, name: &str, password: &str) -> String {
    format!(
        "<iq xmlns='jabber:client' type='set' id='{id}' from='example.org/stream1' to='example.org'><query xmlns='jabber:iq:register'><username>{name}</username><password>{password}</password></query></iq>"
    )
}

/// The platform's list of a user's contacts, without its version.
fn friends(platform: &Platform, user: &str) -> Value {
    let (status, body) = platform.by_integrator("GET", &format!("/v1/friends/{user}"), None);
    assert_eq!(status, 200, "{body}");
    body["items"].clone()
}

fn verify(server: &Server, name: &str, password: &str) -> i32 {
    let answer = server.ask(&Writer::new(ask::VERIFY).str(name).str(password).finish());
    let mut r = Reader::new(&answer);
    assert_eq!(r.u8().expect("opcode"), 0);
    r.int().expect("outcome")
}

#[test]
fn a_contact_list_changes_at_the_platform_first_and_its_echo_dies() {
    let platform = Platform::start(false);
    let server = deciding(&platform);
    let item = "<item jid='romeo@example.org' name='Romeo'><group>Friends</group></item>";
    assert!(server.offer(&roster("r1", item), HOLD));
    assert_eq!(server.outcome("r1"), "native");
    let expected = json!([{"friend": "romeo@example.org", "name": "Romeo", "subscription": "none", "ask": false, "approved": false, "groups": ["Friends"]}]);
    assert_eq!(friends(&platform, "juliet@example.org"), expected);
    // What Openfire then reports is the same and announces nothing; the handshake goes on by events alone.
    assert!(!server.offer(&push(item), EVENT));
    assert!(!server.offer(&push("<item jid='romeo@example.org' name='Romeo' subscription='both'/>"), EVENT));
    server.until("told", |s| {
        s["journal"]["calls"] == 0 && s["modules"]["friend"]["rows"]["friend.changed"]["told"] == 2
    });
    assert_eq!(friends(&platform, "juliet@example.org")[0]["subscription"], "both");
    assert!(server.offer(&roster("r2", "<item jid='romeo@example.org' subscription='remove'/>"), HOLD));
    assert_eq!(server.outcome("r2"), "native");
    assert_eq!(friends(&platform, "juliet@example.org"), json!([]));
    // A change that is somebody else's comes down, once, and is the only one that does.
    let entry = json!({"name": "T", "subscription": "both", "groups": ["A", "B"]});
    assert_eq!(
        platform.by_integrator("PUT", "/v1/friends/juliet@example.org/tybalt@example.org", Some(entry)).0,
        200
    );
    assert_eq!(
        platform.by_integrator("DELETE", "/v1/friends/juliet@example.org/tybalt@example.org", None).0,
        200
    );
    let applied = server.applied(2);
    let texts = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        applied,
        [
            ("roster.put".to_owned(), texts(&["juliet", "tybalt@example.org", "T", "both", "", "A", "B"])),
            ("roster.remove".to_owned(), texts(&["juliet", "tybalt@example.org"])),
        ]
    );
    let echo = server.status()["modules"]["friend"]["rows"]["friend.echo"]["dropped"].clone();
    assert_eq!(
        echo,
        3,
        "our own three changes came back and ended here: {:#}",
        server.status()["modules"]["friend"]
    );
}

#[test]
fn registration_is_the_platforms_to_decide_and_no_password_stays_here() {
    let platform = Platform::start(false);
    let server = deciding(&platform);
    assert!(server.offer(&register("u1", "Nurse", "canary-7f3a"), HOLD));
    assert_eq!(server.outcome("u1"), "native");
    let (status, user) = platform.by_integrator("GET", "/v1/users/nurse@example.org", None);
    assert_eq!((status, &user["password"]), (200, &json!(true)), "{user}");
    // Taken, unless it is the same person again: then the name in Openfire decides.
    assert!(server.offer(&register("u2", "nurse", "another"), HOLD));
    assert_eq!(server.outcome("u2"), "refused");
    assert!(server.offer(&register("u3", "nurse", "canary-7f3a"), HOLD));
    assert_eq!(server.outcome("u3"), "native");
    assert_eq!(verify(&server, "nurse", "canary-7f3a"), 0);
    assert_eq!(verify(&server, "nurse", "wrong"), 1);
    assert_eq!(verify(&server, "paris", "x"), 3, "unknown to the platform");
    let change = register("u4", "nurse", "canary-9c1d").replace("example.org/stream1", "nurse@example.org/x");
    assert!(server.offer(&change, HOLD));
    assert_eq!(server.outcome("u4"), "native");
    assert_eq!((verify(&server, "nurse", "canary-9c1d"), verify(&server, "nurse", "canary-7f3a")), (0, 1));
    let remove = "<iq xmlns='jabber:client' type='set' id='u5' from='nurse@example.org/x'><query xmlns='jabber:iq:register'><remove/></query></iq>";
    assert!(server.offer(remove, HOLD));
    assert_eq!(server.outcome("u5"), "native");
    assert_eq!(platform.by_integrator("GET", "/v1/users/nurse@example.org", None).0, 404);
    assert_eq!(verify(&server, "nurse", "canary-9c1d"), 3);
    server.assert_nowhere("canary-");
}

#[test]
fn a_dead_platform_ends_logins_at_once_and_answers_claimed_iqs_by_the_policy() {
    let platform = Platform::start(false);
    let server = deciding(&platform);
    drop(platform);
    // The first ones find out; then the breaker is open and nobody waits.
    while server.status()["platform"]["breaker"]["state"] != "open" {
        assert_eq!(verify(&server, "juliet", "x"), 4);
    }
    assert_eq!(verify(&server, "juliet", "x"), 4);
    let taken = server.offer(&roster("f1", "<item jid='romeo@example.org'/>"), HOLD);
    assert!(!taken, "friend.onFailure is open: Openfire goes on by itself");
    assert!(server.offer(&register("f2", "nurse", "x"), HOLD), "user.onFailure is closed");
    assert_eq!(server.outcome("f2"), "refused");
}

#[test]
fn what_the_platform_does_to_accounts_and_sessions_is_done_here() {
    let platform = Platform::start(false);
    let server = deciding(&platform);
    let made = json!({"user": "paris@example.org", "password": "pw-paris", "name": "Paris"});
    assert_eq!(platform.by_integrator("POST", "/v1/users", Some(made)).0, 201);
    assert_eq!(platform.by_integrator("DELETE", "/v1/sessions/juliet@example.org/balcony", None).0, 200);
    assert_eq!(platform.by_integrator("DELETE", "/v1/users/paris@example.org", None).0, 200);
    let applied = server.applied(3);
    let verbs: Vec<_> =
        applied.iter().map(|(verb, arguments)| (verb.as_str(), arguments[0].as_str())).collect();
    assert_eq!(
        verbs,
        [("user.create", "paris"), ("session.close", "juliet@example.org/balcony"), ("user.delete", "paris")]
    );
}

#[test]
fn an_import_compares_first_and_then_goes_on_where_it_was_and_repeats_nothing() {
    let platform = Platform::start(false);
    let server = deciding(&platform);
    server.lists("read.users", "<users><user node='benvolio' name='B' salt='c2FsdHNhbHQ=' iterations='4096' stored-key='AAAAAAAAAAAAAAAAAAAAAAAAAAA=' server-key='AAAAAAAAAAAAAAAAAAAAAAAAAAA='/><user node='mercutio'/></users>");
    server.lists("read.roster", "<query xmlns='jabber:iq:roster'><item jid='romeo@example.org' name='R' subscription='both'><group>g</group></item></query>");
    server.lists("read.offline benvolio", "<messages><message from='romeo@example.org/x' to='benvolio@example.org' type='chat' id='o1'><body>kept</body><delay xmlns='urn:xmpp:delay' from='example.org' stamp='2026-01-02T03:04:05.006Z'/></message></messages>");
    let dry = run(&server, "dry");
    assert_eq!(
        (&dry["users"], &dry["made"], &dry["differences"]),
        (&json!(2), &json!(4), &json!(2)),
        "{dry}"
    );
    let done = run(&server, "start");
    assert_eq!(
        (&done["made"], &done["there"], &done["complete"]),
        (&json!(4), &json!(0), &json!(true)),
        "{done}"
    );
    assert_eq!((&done["messages"], &done["without_verifier"]), (&json!(1), &json!(1)), "{done}");
    assert_eq!(friends(&platform, "mercutio@example.org")[0]["subscription"], "both");
    let again = run(&server, "start");
    assert_eq!((&again["made"], &again["there"]), (&json!(0), &json!(4)), "{again}");
    let dry = run(&server, "dry");
    assert_eq!((&dry["made"], &dry["differences"]), (&json!(0), &json!(0)), "{dry}");
    let dropped = server.applied(1).into_iter().filter(|(verb, _)| verb == "drop.offline").count();
    assert!(dropped >= 1, "what the platform keeps leaves Openfire's store");
    // Kept once, however often it was imported.
    server.log_in("benvolio@example.org/x", 0);
    assert_eq!(server.received("benvolio@example.org/x", 1), ["o1"]);
}

fn run(server: &Server, what: &str) -> Value {
    let ask = |what: &str| -> Value {
        let answer = server.ask(&Writer::new(ask::IMPORT).str(what).finish());
        let mut r = Reader::new(&answer);
        assert_eq!(r.u8().expect("opcode"), 0, "{:?}", r.str());
        serde_json::from_str(r.str().expect("text")).expect("JSON")
    };
    let before = ask(what)["at_ms"].clone();
    server.until("the import ended", |_| {
        let now = ask("status");
        now["running"] == false && now["at_ms"] != before
    });
    let progress = ask("status");
    assert_eq!(progress["error"], Value::Null, "{progress}");
    progress
}
