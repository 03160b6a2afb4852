//! A history read from the real platform, page by page, with a stand-in for the shim.

use std::cell::Cell;

use cloudbridge::mapping::value;
use cloudbridge::stanza::{Limits, Stanza};
use serde_json::Value;

use crate::shim::{Server, message};

const HOLD: i32 = 1;
const BALCONY: &str = "juliet@example.org/balcony";
const ORCHARD: &str = "romeo@example.org/orchard";

/// One page: ids, stamps and bodies of its messages, and its end.
struct Page {
    messages: Vec<(String, String, String)>,
    fin: Value,
}

impl Page {
    fn bodies(&self) -> Vec<&str> {
        self.messages.iter().map(|m| m.2.as_str()).collect()
    }

    fn end(&self, pointer: &str) -> Option<&str> {
        self.fin.pointer(pointer).and_then(Value::as_str)
    }

    fn complete(&self) -> bool {
        self.fin["complete"] == true
    }
}

struct Archive<'a> {
    server: &'a Server,
    asked: Cell<u32>,
}

impl Archive<'_> {
    fn ask(&self, jid: &str, fields: &str, rsm: &str) -> String {
        self.asked.set(self.asked.get() + 1);
        let id = format!("q{}", self.asked.get());
        let form = format!(
            "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>urn:xmpp:mam:2</value></field>{fields}</x>"
        );
        let iq = format!(
            "<iq xmlns='jabber:client' type='set' id='{id}' from='{jid}'><query xmlns='urn:xmpp:mam:2' queryid='{id}'>{form}<set xmlns='http://jabber.org/protocol/rsm'>{rsm}</set></query></iq>"
        );
        assert!(self.server.offer(&iq, HOLD), "{iq}");
        id
    }

    fn page(&self, jid: &str, fields: &str, rsm: &str) -> Page {
        let before = self.server.inbox(jid).len();
        let id = self.ask(jid, fields, rsm);
        assert_eq!(self.server.outcome(&id), "answered", "{fields} {rsm}");
        let json =
            |xml: &str| value(&Stanza::parse(xml.as_bytes(), &Limits::default()).expect("a stanza"), true);
        let text = |value: &Value, pointer: &str| {
            value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let received = self.server.inbox(jid);
        let messages = received[before..].iter().map(|xml| {
            let message = json(xml);
            assert_eq!(text(&message, "/archive_result/queryid"), id, "{xml}");
            let of = |pointer: &str| text(&message, &format!("/archive_result{pointer}"));
            (of("/id"), of("/forwarded/delay/stamp"), of("/forwarded/stanza/body"))
        });
        let messages: Vec<_> = messages.collect();
        let answer = json(&self.server.last("answers"));
        assert_eq!(answer["id"], id.as_str());
        let page = Page { messages, fin: answer["archive_fin"].clone() };
        assert_eq!(page.end("/rsm/first/id"), page.messages.first().map(|m| m.0.as_str()));
        assert_eq!(page.end("/rsm/last"), page.messages.last().map(|m| m.0.as_str()));
        page
    }
}

fn field(name: &str, value: &str) -> String {
    format!("<field var='{name}'><value>{value}</value></field>")
}

/// Thirty messages: to her and from her, some while she was away, and one that may not be kept.
fn conversation(server: &Server) -> Vec<String> {
    server.log_in(BALCONY, 0);
    server.log_in(ORCHARD, 0);
    server.log_in("nurse@example.org/house", 0);
    server.until("ready", |s| s["ready"] == true);
    let mut bodies = Vec::new();
    for number in 0..30 {
        let (from, to) = match number % 3 {
            0 => (ORCHARD, "juliet@example.org"),
            1 => (BALCONY, "romeo@example.org"),
            _ => ("nurse@example.org/house", "juliet@example.org"),
        };
        if number == 20 {
            server.log_out(BALCONY);
            server.until("gone", |s| s["modules"]["chat"]["held"] == 0);
        }
        if number >= 20 && from == BALCONY {
            bodies.push(format!("n{number}"));
            server.send(&message(
                ORCHARD,
                "juliet@example.org",
                &format!("m{number}"),
                &format!("n{number}"),
            ));
        } else {
            bodies.push(format!("n{number}"));
            server.send(&message(from, to, &format!("m{number}"), &format!("n{number}")));
        }
        // Lanes are per conversation; across them the archive has the order in which the platform was asked.
        server.until("judged", |s| s["modules"]["chat"]["held"] == 0);
    }
    let secret = message(ORCHARD, "juliet@example.org", "secret", "not kept");
    server.send(&secret.replace("</message>", "<no-store xmlns='urn:xmpp:hints'/></message>"));
    server.until("stored", |s| s["modules"]["chat"]["counts"]["stored"] == 10);
    bodies
}

#[test]
fn a_history_is_read_page_by_page_both_ways_and_by_conversation_and_time() {
    let server = Server::start(&[
        ("chat.mode", "decide"),
        ("chat.history", "platform"),
        ("chat.timeoutMillis", "30000"),
    ]);
    let bodies = conversation(&server);
    // She is away and reads nothing of it; the platform still keeps what came meanwhile. Who reads is another session of hers.
    let chamber = "juliet@example.org/chamber";
    server.log_in(chamber, -1);
    server.until("settled", |s| s["journal"]["held"] == 0);
    let archive = Archive { server: &server, asked: Cell::new(0) };

    let all = archive.page(chamber, "", "");
    assert_eq!(all.bodies(), bodies);
    assert!(all.complete());

    let mut forward = Vec::new();
    let mut after = String::new();
    for number in 1.. {
        let page = archive.page(chamber, "", &format!("<max>7</max>{after}"));
        forward.extend(page.bodies().iter().map(|b| (*b).to_owned()));
        assert_eq!(page.complete(), number == 5, "30 by 7");
        if page.complete() {
            break;
        }
        after = format!("<after>{}</after>", page.end("/rsm/last").expect("an id"));
    }
    assert_eq!(forward, bodies);

    let mut backward = Vec::new();
    let mut before = "<before/>".to_owned();
    loop {
        let page = archive.page(chamber, "", &format!("<max>8</max>{before}"));
        backward.splice(0..0, page.bodies().iter().map(|b| (*b).to_owned()));
        if page.complete() {
            break;
        }
        before = format!("<before>{}</before>", page.end("/rsm/first/id").expect("an id"));
    }
    assert_eq!(backward, bodies);

    let last = &all.messages[29].0;
    let beyond = archive.page(chamber, "", &format!("<after>{last}</after>"));
    assert!(beyond.messages.is_empty() && beyond.complete());
    let nothing = archive.page(chamber, "", "<max>0</max>");
    assert!(nothing.messages.is_empty() && !nothing.complete());

    let nurse = archive.page(chamber, &field("with", "nurse@example.org"), "");
    let expected: Vec<_> = (0..30).filter(|n| n % 3 == 2).map(|n| format!("n{n}")).collect();
    assert_eq!(nurse.bodies(), expected);
    let session = archive.page(ORCHARD, &field("with", BALCONY), "");
    let expected: Vec<_> = (0..20).filter(|n| n % 3 == 1).map(|n| format!("n{n}")).collect();
    assert_eq!(session.bodies(), expected, "to or from that session of hers");
    assert!(archive.page(chamber, &field("with", "stranger@example.org"), "").messages.is_empty());

    let (start, end) = (&all.messages[10].1, &all.messages[19].1);
    let times = archive.page(chamber, &(field("start", start) + &field("end", end)), "");
    let expected = all.messages.iter().filter(|m| (start..=end).contains(&&m.1)).cloned();
    assert_eq!(times.messages, expected.collect::<Vec<_>>());

    // Whatever else: one answer, and no messages.
    let read = server.inbox(chamber).len();
    let others = archive.page(ORCHARD, "", "").messages.iter().map(|m| m.0.clone()).collect::<Vec<_>>();
    let theirs = all.messages.iter().find(|m| !others.contains(&m.0)).expect("the nurse's").0.clone();
    let id = archive.ask(ORCHARD, "", &format!("<after>{theirs}</after>"));
    assert_eq!(server.outcome(&id), "refused", "an id of another archive");
    for (fields, rsm) in [
        (String::new(), "<after>no-such-id</after>"),
        (field("start", "yesterday"), ""),
        (field("{urn:xmpp:fulltext:0}fulltext", "n1"), ""),
        (String::new(), "<index>3</index>"),
    ] {
        let id = archive.ask(chamber, &fields, rsm);
        assert_eq!(server.outcome(&id), "refused", "{fields}{rsm}");
    }
    assert_eq!(server.inbox(chamber).len(), read);
}

#[test]
fn without_the_platform_or_the_setting_there_is_no_history() {
    let server = Server::start(&[
        ("chat.mode", "decide"),
        ("chat.history", "platform"),
        ("chat.timeoutMillis", "400"),
    ]);
    server.log_in(BALCONY, 0);
    server.until("ready", |s| s["ready"] == true);
    let archive = Archive { server: &server, asked: Cell::new(0) };
    assert!(archive.page(BALCONY, "", "").complete(), "nothing yet");
    let iq = |to: &str| {
        format!(
            "<iq xmlns='jabber:client' type='set' id='x' from='{BALCONY}'{to}><query xmlns='urn:xmpp:mam:2'/></iq>"
        )
    };
    assert!(!server.offer(&iq(" to='romeo@example.org'"), HOLD), "another's archive is not ours to read");
    server.freeze_platform();
    let id = archive.ask(BALCONY, "", "");
    assert_eq!(server.outcome(&id), "refused", "there is nothing in its place, whatever the policy says");
    server.thaw_platform();
    server.until("reachable", |s| s["platform"]["reachable"] == true);
    server.set("chat.history", "off");
    assert!(!server.offer(&iq(""), HOLD));
    server.set("chat.history", "platform");
    server.set("chat.mode", "mirror");
    assert!(!server.offer(&iq(""), HOLD));
}
