//! What other plugins ask: conversion, a row's call, and what they are told, against the real platform.

use cloudbridge::ffi::frame::{Reader, Writer, ask};
use serde_json::{Value, json};

use crate::remote::{Platform, TOKEN};
use crate::shim::{Server, message};

fn deciding(platform: &Platform, more: &[(&str, &str)]) -> Server {
    let url = platform.url();
    let mut settings = vec![
        ("chat.mode", "decide"),
        ("user.mode", "decide"),
        ("friend.mode", "decide"),
        ("platform.url", url.as_str()),
        ("platform.token.password", TOKEN),
    ];
    settings.extend_from_slice(more);
    let server = Server::start(&settings);
    server.log_in("juliet@example.org/balcony", 0);
    server.log_in("romeo@example.org/orchard", 0);
    server.until("ready", |s| s["ready"] == true && s["listens"] == true);
    server
}

/// The answer's fields, or its error.
fn asked<T>(server: &Server, frame: Writer, read: impl FnOnce(&mut Reader<'_>) -> T) -> Result<T, String> {
    let answer = server.ask(&frame.finish());
    let mut r = Reader::new(&answer);
    match r.u8().expect("opcode") {
        0 => Ok(read(&mut r)),
        _ => Err(r.str().expect("text").to_owned()),
    }
}

fn convert(server: &Server, to: &str, text: &str) -> Result<String, String> {
    asked(server, Writer::new(ask::CONVERT).str(to).str(text), |r| r.str().expect("text").to_owned())
}

fn call(server: &Server, row: &str, stanza: &str, key: &str) -> Result<Value, String> {
    let frame = Writer::new(ask::CALL).str(row).str(stanza).str(key).int(5000);
    asked(server, frame, |r| {
        let pairs = r.list(|r| Ok((r.str()?.to_owned(), json!(r.str()?)))).expect("pairs");
        pairs.into_iter().collect::<serde_json::Map<_, _>>().into()
    })
}

fn subscribe(server: &Server, wanted: &str) -> Result<u64, String> {
    asked(server, Writer::new(ask::SUBSCRIBE).long(0).str(wanted), |r| r.long().expect("id"))
}

fn events(server: &Server, id: u64, wait: i32) -> Result<Vec<Value>, String> {
    let frame = Writer::new(ask::EVENTS).long(id).int(100).int(wait);
    asked(server, frame, |r| {
        let all = r.list(|r| Ok(r.str()?.to_owned())).expect("events");
        all.iter().map(|event| serde_json::from_str(event).expect("JSON")).collect()
    })
}

/// The events of a subscription as soon as there are so many.
fn some(server: &Server, id: u64, count: usize) -> Vec<Value> {
    let mut all = Vec::new();
    while all.len() < count {
        let more = events(server, id, 30_000).expect("a subscription");
        assert!(!more.is_empty(), "only {all:?}");
        all.extend(more);
    }
    all
}

const ROSTER: &str = "<iq type='set' id='r1' from='juliet@example.org/balcony'><query xmlns='jabber:iq:roster'><item jid='romeo@example.org' name='Romeo'/></query></iq>";

#[test]
fn a_packet_is_converted_and_back_and_mistakes_are_named() {
    let platform = Platform::start(false);
    let server = deciding(&platform, &[]);
    let packet = "<message to='juliet@example.org' type='chat'><body>hi \u{1F600} &amp; bye</body><x xmlns='u:x'><y a='1'/></x></message>";
    let json = convert(&server, "json", packet).expect("JSON");
    let value: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((&value["kind"], &value["body"]), (&json!("message"), &json!("hi \u{1F600} & bye")));
    let xml = convert(&server, "xml", &json).expect("XML");
    assert_eq!(convert(&server, "json", &xml).expect("JSON"), json, "nothing is lost");
    assert!(
        convert(&server, "xml", "{\"kind\":\"message\",\"bdy\":1}").expect_err("unknown key").contains("bdy")
    );
    assert!(convert(&server, "json", "<message>").is_err());
    assert!(convert(&server, "yaml", packet).is_err());
}

#[test]
fn a_rows_call_is_made_like_anybody_elses_and_its_change_comes_down() {
    let platform = Platform::start(false);
    let server = deciding(&platform, &[]);
    let done = call(&server, "friend.set", ROSTER, "key-1").expect("an outcome");
    assert_eq!(
        (&done["outcome"], &done["key"], &done["status"]),
        (&json!("native"), &json!("key-1"), &json!("200"))
    );
    // It is nobody's echo: Openfire gets the change by the downlink.
    let applied = server.applied(1);
    assert_eq!((applied[0].0.as_str(), applied[0].1[1].as_str()), ("roster.put", "romeo@example.org"));
    // As stanza JSON the same.
    let json = convert(&server, "json", ROSTER).expect("JSON");
    assert_eq!(call(&server, "friend.set", &json, "").expect("an outcome")["outcome"], "native");
    for (row, stanza, word) in [
        ("friend.sets", ROSTER, "friend.set"),
        ("user.register", ROSTER, "secrets"),
        ("chat.message", ROSTER, "by itself"),
        ("friend.remove", ROSTER, "not one"),
        ("friend.set", "<iq", "well-formed"),
    ] {
        let error = call(&server, row, stanza, "").expect_err(row);
        assert!(error.contains(word), "{row}: {error}");
    }
    server.set("friend.mode", "watch");
    assert!(call(&server, "friend.set", ROSTER, "").expect_err("nothing is sent").contains("watch"));
    server.set("friend.mode", "decide");
    drop(platform);
    let mut done = call(&server, "friend.set", ROSTER, "").expect("an outcome");
    assert_eq!(done["outcome"], "unavailable", "{done}");
    while server.status()["platform"]["breaker"]["state"] != "open" {
        server.offer(&ROSTER.replace("<iq ", "<iq xmlns='jabber:client' "), 1);
    }
    done = call(&server, "friend.set", ROSTER, "").expect("an outcome");
    assert_eq!(
        (&done["outcome"], &done["maybeExecuted"]),
        (&json!("unavailable"), &json!("false")),
        "{done}"
    );
}

#[test]
fn others_are_told_what_happens_without_texts_unless_the_admin_says_so() {
    let platform = Platform::start(false);
    let server = deciding(&platform, &[]);
    let (all, stanzas) =
        (subscribe(&server, "").expect("all"), subscribe(&server, "im.stanza.*").expect("some"));
    assert!(subscribe(&server, "im.nothing").is_err());
    server.send(&message("romeo@example.org/orchard", "juliet@example.org", "1", "canary-1"));
    let told = some(&server, stanzas, 1);
    assert_eq!(told[0]["type"], "im.stanza.decided");
    assert_eq!(told[0]["subject"], "juliet@example.org");
    let context = &told[0]["data"]["context"];
    assert_eq!((&context["row"], &context["outcome"]), (&json!("chat.message"), &json!("released")));
    assert_eq!(told[0]["data"]["stanza"]["id"], "1");
    server.set("mirror.bodies", "true");
    server.send(&message("romeo@example.org/orchard", "juliet@example.org", "2", "canary-2"));
    let told = some(&server, stanzas, 1);
    assert_eq!(told[0]["data"]["stanza"]["body"], "canary-2");
    server.set("mirror.bodies", "false");
    // A secret row's stanza is never shown; sessions and the downlink are told as well.
    server.set("mirror.bodies", "true");
    let register = "<iq xmlns='jabber:client' type='set' id='u1' from='example.org/s' to='example.org'><query xmlns='jabber:iq:register'><username>nurse</username><password>canary-3</password></query></iq>";
    assert!(server.offer(register, 1));
    let told = some(&server, stanzas, 1);
    assert_eq!(told[0]["data"]["context"]["masked"], true, "{told:?}");
    server.log_out("juliet@example.org/balcony");
    let sent = json!({"to": "romeo@example.org", "stanza": {"kind": "message", "body": "down"}});
    assert_eq!(platform.by_integrator("POST", "/v1/downlink", Some(sent)).0, 202);
    // Both messages, the registration, the session's end, the downlink.
    let told = some(&server, all, 5);
    let text = json!(told).to_string();
    assert!(!text.contains("canary-3"), "{text}");
    let of = |kind: &str| told.iter().filter(|event| event["type"] == kind).count();
    assert_eq!(
        (of("im.stanza.decided"), of("im.session.changed"), of("im.downlink.applied")),
        (3, 1, 1),
        "{text}"
    );
    // Ended is ended.
    asked(&server, Writer::new(ask::SUBSCRIBE).long(all).str(""), |_| ()).expect("the end");
    assert!(events(&server, all, 0).expect_err("ended").contains("no such"));
}

#[test]
fn a_stop_ends_the_wait_of_whoever_listens() {
    let platform = Platform::start(false);
    let mut server = deciding(&platform, &[]);
    let id = subscribe(&server, "im.row.observed").expect("a subscription");
    let host = server.shared_host();
    let waiting = std::thread::spawn(move || {
        let frame = Writer::new(ask::EVENTS).long(id).int(1).int(30_000).finish();
        host.ask(&frame)
    });
    let begin = std::time::Instant::now();
    server.stop(std::time::Duration::from_secs(5));
    let answer = waiting.join().expect("thread");
    assert!(matches!(answer, Err(cloudbridge::error::HostError::Closed)), "{answer:?}");
    assert!(begin.elapsed().as_secs() < 25, "it was woken");
}
