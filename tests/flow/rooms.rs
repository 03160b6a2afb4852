//! Rooms: the host and the real platform, with a stand-in for the room.

use std::time::Duration;

use crate::shim::{HALL, Server};

const JULIET: &str = "juliet@example.org/balcony";
const ROMEO: &str = "romeo@example.org/orchard";

const MEMBERS: &str = "<iq xmlns='jabber:client' type='set' from='hall@rooms.example.org'><query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='owner' jid='juliet@example.org'/><item affiliation='member' jid='romeo@example.org'/></query></iq>";

/// Both are logged in and members, Juliet is in the room.
fn hall(settings: &[(&str, &str)]) -> Server {
    let settings: Vec<_> = [("room.mode", "decide")].iter().chain(settings).copied().collect();
    let server = Server::start(&settings);
    server.log_in(JULIET, 0);
    server.log_in(ROMEO, 0);
    server.until("ready", |s| s["ready"] == true);
    assert!(!server.offer(MEMBERS, 16 | 32));
    server.until("the members are told", |s| s["modules"]["room"]["rows"]["room.members"]["told"] == 1);
    server.room(HALL, JULIET, "Ju", true);
    server.until("she is told", |s| s["modules"]["room"]["held"] == 0);
    server
}

#[test]
fn who_was_away_gets_what_was_missed_before_what_is_said_next() {
    let server = hall(&[]);
    for id in 1..=120 {
        assert!(server.say(HALL, JULIET, &id.to_string()));
    }
    server.until("all said", |s| s["modules"]["room"]["rows"]["room.say"]["released"] == 120);
    server.room(HALL, ROMEO, "Ro", true);
    for id in 121..=140 {
        assert!(server.say(HALL, JULIET, &id.to_string()));
    }
    let expected: Vec<String> = (1..=140).map(|id: u32| id.to_string()).collect();
    assert_eq!(server.received(ROMEO, 140), expected);
    assert_eq!(server.received(JULIET, 140), expected);
    server.room(HALL, ROMEO, "Ro", false);
    server.room(HALL, ROMEO, "Ro", true);
    assert!(server.say(HALL, JULIET, "after"));
    assert_eq!(server.received(ROMEO, 141).last().map(String::as_str), Some("after"), "nothing twice");
    let calls = server.status()["modules"]["room"]["rows"]["room.say"]["calls"].as_u64().expect("a count");
    assert!(calls <= 141, "{calls} requests for 141 messages");
}

#[test]
fn coming_and_going_while_somebody_speaks_loses_and_doubles_nothing() {
    let server = hall(&[]);
    let mut id = 0;
    for _ in 0..20 {
        server.room(HALL, ROMEO, "Ro", true);
        for _ in 0..5 {
            id += 1;
            assert!(server.say(HALL, JULIET, &id.to_string()));
        }
        server.room(HALL, ROMEO, "Ro", false);
        for _ in 0..5 {
            id += 1;
            assert!(server.say(HALL, JULIET, &id.to_string()));
        }
    }
    server.room(HALL, ROMEO, "Ro", true);
    let expected: Vec<String> = (1..=id).map(|id: u32| id.to_string()).collect();
    let mut got = server.received(ROMEO, expected.len());
    assert_eq!(got.len(), expected.len(), "each once");
    got.sort_by_key(|id| id.parse::<u32>().unwrap_or(0));
    assert_eq!(got, expected);
}

#[test]
fn what_is_held_at_a_stop_is_said_after_the_next_start() {
    let mut server = hall(&[("room.timeoutMillis", "30000")]);
    server.freeze_platform();
    for id in 1..=10 {
        assert!(server.say(HALL, JULIET, &id.to_string()));
    }
    server.kill_platform();
    server.stop(Duration::ZERO);
    server.start_again();
    let expected: Vec<String> = (1..=10).map(|id: u32| id.to_string()).collect();
    assert_eq!(server.received(JULIET, 10), expected);
    server.until("told", |s| s["journal"]["held"] == 0 && s["journal"]["rooms"] == 0);
    server.room(HALL, ROMEO, "Ro", true);
    assert_eq!(server.received(ROMEO, 10), expected, "and found by who was away");
}

#[test]
fn a_dead_platform_is_open_or_closed_and_what_was_said_alone_is_found_later() {
    for policy in ["open", "closed"] {
        let server = hall(&[("room.onFailure", policy), ("room.timeoutMillis", "400")]);
        server.freeze_platform();
        let taken = (1..=10).filter(|id| server.say(HALL, JULIET, &id.to_string())).count();
        assert!(taken > 0);
        server.until("all decided", |s| s["modules"]["room"]["held"] == 0);
        let expected = if policy == "open" { "released" } else { "refused" };
        let outcomes = server.outcomes();
        assert_eq!(outcomes.len(), taken, "{policy}: one each: {outcomes:?}");
        assert!(outcomes.iter().all(|o| o.1 == expected), "{policy}: {outcomes:?}");
        server.thaw_platform();
        server.until("told", |s| s["journal"]["rooms"] == 0 && s["platform"]["reachable"] == true);
        server.until("asked again", |s| s["modules"]["room"]["held"] == 0);
        assert!(server.say(HALL, JULIET, "after"));
        server.room(HALL, ROMEO, "Ro", true);
        let count = if policy == "open" { taken + 1 } else { 1 };
        let got = server.received(ROMEO, count);
        assert_eq!((got.len(), got.last().map(String::as_str)), (count, Some("after")), "{policy}: {got:?}");
    }
}
