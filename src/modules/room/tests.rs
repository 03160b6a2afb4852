//! What a message to a room is, what the platform was told, what has to be put right.

use std::time::{Duration, Instant};

use super::*;
use crate::stanza::Limits;
use im_api::room::Feedback;

const HALL: &str = "hall@rooms.example.org";

fn parsed(inner: &str) -> Stanza {
    let xml = format!("<message xmlns='jabber:client' from='romeo@example.org/a' id='m1' {inner}</message>");
    Stanza::parse(xml.as_bytes(), &Limits::default()).expect(inner)
}

fn reading(seq: u64, jid: &str, open: bool) -> Reading {
    Reading { seq, room: HALL.into(), jid: jid.into(), nick: "n".into(), member: true, open }
}

#[test]
fn what_is_claimed_and_how() {
    let to = format!("type='groupchat' to='{HALL}'");
    let cases = [
        (format!("{to}><body>hi</body>"), Some(Kind::Message), "a message"),
        (
            format!("{to}><encrypted xmlns='eu.siacs.conversations.axolotl'/>"),
            Some(Kind::Message),
            "an encrypted one",
        ),
        (
            format!("{to}><body>hi</body><markable xmlns='urn:xmpp:chat-markers:0'/>"),
            Some(Kind::Message),
            "one that asks for markers",
        ),
        (format!("{to}><subject>s</subject>"), Some(Kind::Passing), "a subject stands in the room"),
        (
            format!("{to}><composing xmlns='http://jabber.org/protocol/chatstates'/>"),
            Some(Kind::Passing),
            "a chat state",
        ),
        (
            format!("{to}><body>hi</body><no-store xmlns='urn:xmpp:hints'/>"),
            Some(Kind::Passing),
            "not to be stored",
        ),
        (
            format!("{to}><displayed xmlns='urn:xmpp:chat-markers:0' id='m0'/>"),
            Some(Kind::Passing),
            "a marker, which clients want to see",
        ),
        (
            format!("type='groupchat' to='{HALL}/j'><received xmlns='urn:xmpp:receipts' id='m0'/>"),
            Some(Kind::ReceiptOnly),
            "a receipt to one",
        ),
        (format!("type='groupchat' to='{HALL}/j'><body>hi</body>"), None, "a mistake of the client's"),
        (format!("type='chat' to='{HALL}/j'><body>hi</body>"), None, "a private message"),
        (
            format!("{to}><body>hi</body><x xmlns='jabber:x:conference' jid='r@c' password='canary'/>"),
            None,
            "with a password",
        ),
        ("type='groupchat' to='example.org'><body>hi</body>".into(), None, "to no room"),
    ];
    for (inner, kind, why) in cases {
        assert_eq!(claim(&parsed(&inner)).map(|c| c.kind), kind, "{why}: {inner}");
    }
    let both = parsed(&format!(
        "{to}><received xmlns='urn:xmpp:chat-markers:0' id='a'/><acknowledged xmlns='urn:xmpp:chat-markers:0' id='b'/>"
    ));
    assert_eq!(receipts_of(&both), [("a".into(), false), ("b".into(), true)]);
}

#[test]
fn what_was_told_is_known_in_the_order_of_telling() {
    let mut rooms = Rooms::default();
    assert!(rooms.apply(&reading(2, "juliet@example.org/b", true)));
    assert!(!rooms.apply(&reading(1, "juliet@example.org/b", false)), "older");
    rooms.apply(&reading(3, "romeo@example.org/a", true));
    assert!(rooms.told(HALL).is_empty());
    let (seq, all) = rooms.snapshot();
    assert_eq!((seq, all.len(), rooms.told(HALL).len()), (3, 2, 2));
    rooms.tell(&reading(1, "juliet@example.org/b", false));
    assert_eq!(rooms.told(HALL).len(), 2, "the snapshot says more");
    let before = rooms.told(HALL);
    rooms.tell(&reading(4, "juliet@example.org/b", false));
    assert_eq!((before.len(), rooms.told(HALL).len()), (2, 1), "what was told then stays what was told then");
    rooms.replace(9, vec![reading(9, "nurse@example.org/n", true)]);
    assert_eq!(rooms.nick(HALL, "nurse@example.org/n"), Some("n"));
    assert_eq!(rooms.nick(HALL, "romeo@example.org/a"), None);
    assert_eq!(rooms.count(), (1, 1));
}

#[test]
fn only_what_happened_otherwise_is_put_right() {
    let told: Told = Arc::new(["juliet@example.org/b", "romeo@example.org/a"].map(String::from).into());
    let reached = |jids: &[&str]| users(jids.iter().copied());
    let same = difference(
        &told,
        &reached(&["romeo@example.org/a", "juliet@example.org/other"]),
        "romeo@example.org",
    );
    assert_eq!(same, (vec![], vec![]), "another session of hers is she");
    let (more, less) =
        difference(&told, &reached(&["romeo@example.org/a", "nurse@example.org/n"]), "romeo@example.org");
    assert_eq!((more, less), (vec!["nurse@example.org".to_owned()], vec!["juliet@example.org".to_owned()]));
    assert_eq!(
        difference(&told, &reached(&["juliet@example.org/b"]), "romeo@example.org"),
        (vec![], vec![]),
        "the speaker is neither"
    );
}

#[test]
fn members_who_joined_without_the_platform_are_asked_about_once_it_is_back() {
    let mut rooms = Rooms::default();
    for (seq, jid) in [(1, "juliet@example.org/b"), (2, "nurse@example.org/n")] {
        rooms.apply(&reading(seq, jid, true));
        rooms.owe(&reading(seq, jid, true));
    }
    rooms.apply(&reading(3, "nurse@example.org/n", false));
    assert_eq!(rooms.owed().iter().map(|r| r.jid.as_str()).collect::<Vec<_>>(), ["juliet@example.org/b"]);
    assert!(rooms.owed().is_empty());
}

#[test]
fn what_the_shim_adds_does_not_stay() {
    let stanza = parsed(&format!(
        "type='groupchat' to='{HALL}'><body>a &lt;reached x</body><reached xmlns='{OWN}' nick='al'><to jid='juliet@example.org/b'/></reached>"
    ));
    let (clean, nick, to) = reached(&stanza).expect("ours");
    assert_eq!((nick.as_str(), to.len()), ("al", 1));
    let xml = clean.to_xml_string();
    assert!(xml.ends_with("<body>a &lt;reached x</body></message>"), "{xml}");
    assert!(reached(&parsed(&format!("to='{HALL}'><body>hi</body>"))).is_none());
}

#[test]
fn a_missed_message_comes_from_the_room_with_its_time_and_id() {
    let message: RoomMessage = serde_json::from_str(
        r#"{"seq":1,"key":"k","stanza_id":"s-1","from":"romeo@example.org","nick":"Ro","sent_at":"2026-01-02T03:04:05.006Z","delivered":0,"read":0,
        "stanza":{"kind":"message","type":"groupchat","from":"romeo@example.org/a","to":"hall@rooms.example.org","id":"m1","body":"hi"}}"#,
    )
    .expect("a message");
    let xml = missed(&message, HALL, "juliet@example.org/b", "example.org").expect("a stanza");
    for part in [
        r#"from="hall@rooms.example.org/Ro""#,
        r#"to="juliet@example.org/b""#,
        r#"id="m1""#,
        r#"<stanza-id xmlns="urn:xmpp:sid:0" by="example.org" id="s-1"/>"#,
        r#"<delay xmlns="urn:xmpp:delay" from="hall@rooms.example.org" stamp="2026-01-02T03:04:05.006Z"/>"#,
    ] {
        assert!(xml.contains(part), "{part}: {xml}");
    }
}

#[test]
fn receipts_are_collected_and_fed_back_in_one_message_per_speaker() {
    let mut receipts = Receipts::default();
    let known = |id: &str, from: &str| Known {
        key: format!("k-{id}"),
        id: id.into(),
        stanza_id: format!("s-{id}"),
        from: from.into(),
    };
    receipts.know(HALL, known("1", "romeo@example.org/a"));
    receipts.know(HALL, known("2", "romeo@example.org/a"));
    receipts.know(HALL, known("3", "nurse@example.org/n"));
    let now = Instant::now();
    assert!(receipts.add(HALL, "1", "juliet@example.org", false, now));
    assert!(receipts.add(HALL, "s-2", "juliet@example.org", true, now), "by the platform's id");
    assert!(!receipts.add(HALL, "9", "juliet@example.org", true, now), "unknown");
    assert!(!receipts.add("other@rooms.example.org", "1", "juliet@example.org", true, now));
    assert!(receipts.due(now).is_empty(), "more may come");
    let due = receipts.due(now + Duration::from_secs(1));
    assert_eq!((due.len(), due[0].items.len(), receipts.waiting()), (1, 2, 0));
    receipts.give_back(due.into_iter().next().expect("one"), now);
    assert_eq!(receipts.due(now + Duration::from_secs(1))[0].items[0].key, "k-1");
    let counts =
        |key: &str, delivered, read| Feedback { key: key.into(), from: String::new(), delivered, read };
    let messages = receipts.messages(
        HALL,
        &[counts("k-1", 2, 1), counts("k-3", 1, 0), counts("k-2", 1, 1), counts("gone", 1, 1)],
    );
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[0].0, "romeo@example.org/a");
    assert!(messages[0].1.contains(r#"id="1" delivered="2" read="1"/><feedback xmlns="urn:cloudbridge:room:0" id="2" delivered="1" read="1"/>"#), "{}", messages[0].1);
}
