//! History: a client reads its own archive at the platform (XEP-0313 with XEP-0059). What the rows `chat.history…` cannot say: which archives are
//! ours, what a question may hold, and the messages that come before the answer.
//!
//! Leaves out: the request and the end of a page, which the row says; threads, effects (`host::rows`).

use serde_json::{Value, json};

use super::{DELAY, HINTS};
use crate::mapping::explain::Note;
use crate::stanza::{Stanza, jid, json as stanza_json};

/// What the rows that are carried out here say for `batch`.
pub const BATCH: &str = "chat.history";
/// Messages of one page, at most.
pub const MOST: u64 = 100;

const MAM: &str = "urn:xmpp:mam:2";
/// The fields that the form of the row `chat.history_form` offers.
const FIELDS: [&str; 3] = ["with", "start", "end"];

/// A question that cannot be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Defined condition (RFC 6120 8.3.3).
    pub condition: &'static str,
    /// What is wrong.
    pub text: String,
}

/// Whether a query is about the asker's own archive: to nobody, or to the own bare JID (XEP-0313 3.1). Others' are left to whoever serves them.
#[must_use]
pub fn own(stanza: &Stanza) -> bool {
    let bare = |full| jid::bare_with_local(full).map(std::borrow::Cow::into_owned);
    let asker = stanza.from().and_then(bare);
    asker.is_some() && stanza.to().is_none_or(|to| !to.contains('/') && bare(to) == asker)
}

/// What the rows do not say about a query.
#[must_use]
pub fn note(stanza: &Stanza) -> Note {
    match own(stanza) {
        true => Note::More(format!(
            "Only in decide mode, with chat.history = platform and where no other plugin serves it; otherwise it is not looked at. A page has at most {MOST} messages; they come before the answer."
        )),
        false => Note::Left("it is about somebody else's archive.".into()),
    }
}

/// Checks a query as the value that the row looks into, and bounds its page. False: nothing but the end of the page is wanted (a page of 0).
///
/// # Errors
/// What the asker gets instead of an answer.
pub fn question(stanza: &mut Value) -> Result<bool, Refusal> {
    let refuse = |condition, text: &str| Err(Refusal { condition, text: text.to_owned() });
    if let Some(form) = stanza.pointer("/archive/form") {
        let fields = form.get("fields").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let named = |name: &str| fields.iter().find(|field| field["var"] == name);
        if form["type"] != "submit" || named("FORM_TYPE").is_none_or(|f| f["values"][0] != MAM) {
            return refuse("bad-request", "the form is not a submitted one of urn:xmpp:mam:2");
        }
        let known = |name: &str| name == "FORM_TYPE" || FIELDS.contains(&name);
        let unknown = fields.iter().filter_map(|field| field["var"].as_str()).find(|name| !known(name));
        if let Some(name) = unknown {
            return refuse("feature-not-implemented", &format!("there is no field {name}"));
        }
    }
    if stanza.pointer("/archive/rsm/index").is_some() {
        return refuse("feature-not-implemented", "pages are found by id, not by position");
    }
    if stanza.pointer("/archive/rsm/rest").is_some() {
        return refuse("bad-request", "the size of the page is no number");
    }
    let Some(max) = stanza.pointer_mut("/archive/rsm/max") else { return Ok(true) };
    let wanted = max.as_u64().unwrap_or(MOST);
    *max = json!(wanted.clamp(1, MOST));
    Ok(wanted > 0)
}

/// Takes the messages out of a page of which only the end is wanted: whether there is anything at all.
pub fn only_the_end(answer: &mut Value) {
    let Some(page) = answer.as_object_mut() else { return };
    let empty = page.get("items").and_then(Value::as_array).is_some_and(Vec::is_empty);
    if page.get("items").is_some_and(Value::is_array) {
        page.insert("items".into(), json!([]));
        page.insert("complete".into(), json!(empty));
        page.remove("first");
        page.remove("last");
    }
}

/// The stanzas that bring a page's messages to the asker, oldest first (XEP-0313 4.2): each as it was, with the time it was sent. Nothing keeps
/// them for somebody who has gone meanwhile (XEP-0334).
///
/// # Errors
/// The platform's answer is not in the contract.
pub fn results(stanza: &Value, answer: &Value) -> Result<Vec<String>, String> {
    let items = answer.get("items").and_then(Value::as_array).ok_or("it has no items")?;
    let asker = stanza.get("from").and_then(Value::as_str).unwrap_or_default();
    let archive = jid::bare_with_local(asker).unwrap_or_default();
    let queryid = match stanza.pointer("/archive/queryid").and_then(Value::as_str) {
        Some(id) => format!(" queryid=\"{}\"", escape(id)),
        None => String::new(),
    };
    let mut out = items
        .iter()
        .map(|item| {
            let text = |name: &str| item.get(name).and_then(Value::as_str).ok_or_else(|| format!("an item has no {name}"));
            let kept = item.get("stanza").ok_or("an item has no stanza")?.to_string();
            let kept = stanza_json::decode(kept.as_bytes(), stanza_json::Mode::Strict)
                .map_err(|e| format!("a message of an archive is no stanza JSON: {e}"))?;
            Ok(format!(
                "<message xmlns=\"jabber:client\" from=\"{}\" to=\"{}\"><result xmlns=\"{MAM}\"{queryid} id=\"{}\"><forwarded xmlns=\"urn:xmpp:forward:0\"><delay xmlns=\"{DELAY}\" stamp=\"{}\"/>{}</forwarded></result><no-store xmlns=\"{HINTS}\"/></message>",
                escape(&archive),
                escape(asker),
                escape(text("id")?),
                escape(text("sent_at")?),
                kept.to_xml_string()
            ))
        })
        .collect::<Result<Vec<_>, String>>()?;
    // A page is read from either end; a client gets it in the order of the archive.
    if items.len() > 1 && items.first().and_then(|item| item.get("id")) != answer.get("first") {
        out.reverse();
    }
    Ok(out)
}

fn escape(text: &str) -> String {
    quick_xml::escape::escape(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::{Own, Registry, Source, value};
    use crate::stanza::Limits;

    fn query(to: &str, inner: &str) -> Stanza {
        let xml = format!(
            "<iq xmlns='jabber:client' type='set' id='q' from='juliet@example.org/balcony'{to}><query xmlns='{MAM}' queryid='\"f&amp;'>{inner}</query></iq>"
        );
        Stanza::parse(xml.as_bytes(), &Limits::default()).expect(inner)
    }

    fn form(fields: &str) -> String {
        format!(
            "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>{MAM}</value></field>{fields}</x>"
        )
    }

    fn set(inner: &str) -> String {
        format!("<set xmlns='http://jabber.org/protocol/rsm'>{inner}</set>")
    }

    #[test]
    fn a_query_makes_its_request_or_is_refused() {
        let field = |name: &str, value: &str| format!("<field var='{name}'><value>{value}</value></field>");
        let ask = "/v1/messages?after=0&archive=true&limit=100&user=juliet%40example.org";
        let cases: Vec<(String, Result<&str, &str>)> = vec![
            (String::new(), Ok(ask)),
            (form(""), Ok(ask)),
            (set("<max>1000</max>"), Ok(ask)),
            (set("<max>0</max>"), Ok("/v1/messages?after=0&archive=true&limit=1&user=juliet%40example.org")),
            (
                set("<max>10</max><before/>"),
                Ok("/v1/messages?after=0&archive=true&before=&limit=10&user=juliet%40example.org"),
            ),
            (
                set("<before>7</before>"),
                Ok("/v1/messages?after=0&archive=true&before=7&limit=100&user=juliet%40example.org"),
            ),
            (
                set("<after>a b</after>"),
                Ok("/v1/messages?after=a%20b&archive=true&limit=100&user=juliet%40example.org"),
            ),
            (
                form(
                    &[
                        field("with", "romeo@example.org/x"),
                        field("start", "2026-01-01T00:00:00Z"),
                        field("end", "2026-01-02T00:00:00Z"),
                    ]
                    .concat(),
                ),
                Ok(
                    "/v1/messages?after=0&archive=true&limit=100&since=2026-01-01T00%3A00%3A00Z&until=2026-01-02T00%3A00%3A00Z&user=juliet%40example.org&with=romeo%40example.org%2Fx",
                ),
            ),
            (form(&field("{urn:xmpp:fulltext:0}fulltext", "x")), Err("feature-not-implemented")),
            (form(&field("before-id", "7")), Err("feature-not-implemented")),
            (form("").replace(MAM, "urn:xmpp:mam:1"), Err("bad-request")),
            (form("").replace("submit", "cancel"), Err("bad-request")),
            ("<x xmlns='jabber:x:data' type='submit'/>".into(), Err("bad-request")),
            (set("<index>3</index>"), Err("feature-not-implemented")),
            (set("<max>many</max>"), Err("bad-request")),
        ];
        let (registry, _) = Registry::built_in();
        for (inner, expected) in cases {
            let stanza = query("", &inner);
            let (row, _) = registry.find(&stanza, Source::Client).expect("a row");
            let mut value = value(&stanza, true);
            let asked = question(&mut value).map_err(|refusal| refusal.condition);
            assert!(asked.ok().is_none_or(|wanted| wanted != inner.contains("<max>0</max>")), "{inner}");
            let made =
                asked.map(|_| row.made(&value, &Own::default()).expect(&inner).expect("a request").path);
            assert_eq!(made.as_deref().map_err(|condition| *condition), expected, "{inner}");
        }
    }

    #[test]
    fn only_the_own_archive_is_read() {
        for (to, mine) in [
            ("", true),
            (" to='juliet@example.org'", true),
            (" to='Juliet@Example.org'", true),
            (" to='juliet@example.org/balcony'", false),
            (" to='romeo@example.org'", false),
            (" to='example.org'", false),
            (" to='room@rooms.example.org'", false),
        ] {
            assert_eq!(own(&query(to, "")), mine, "{to}");
        }
    }

    #[test]
    fn a_page_comes_oldest_first_each_as_it_was() {
        let asked = value(&query("", ""), true);
        let item = |id: &str, body: &str| {
            json!({ "id": id, "key": "k", "from": "romeo@example.org/a", "to": "juliet@example.org", "sent_at": "2026-01-02T03:04:05.006Z", "status": "delivered",
                "stanza": { "kind": "message", "type": "chat", "from": "romeo@example.org/a", "to": "juliet@example.org", "id": "m", "body": body } })
        };
        let forward = json!({ "items": [item("1", "<a>"), item("2", "b")], "first": "1", "last": "2", "complete": true });
        let backward = json!({ "items": [item("2", "b"), item("1", "<a>")], "first": "1", "last": "2", "complete": true });
        let out = results(&asked, &forward).expect("stanzas");
        assert_eq!(out, results(&asked, &backward).expect("stanzas"));
        assert_eq!(
            out[0],
            "<message xmlns=\"jabber:client\" from=\"juliet@example.org\" to=\"juliet@example.org/balcony\"><result xmlns=\"urn:xmpp:mam:2\" queryid=\"&quot;f&amp;\" id=\"1\">\
             <forwarded xmlns=\"urn:xmpp:forward:0\"><delay xmlns=\"urn:xmpp:delay\" stamp=\"2026-01-02T03:04:05.006Z\"/>\
             <message xmlns=\"jabber:client\" from=\"romeo@example.org/a\" id=\"m\" to=\"juliet@example.org\" type=\"chat\"><body>&lt;a&gt;</body></message></forwarded></result><no-store xmlns=\"urn:xmpp:hints\"/></message>"
        );
        assert!(
            out[1].contains("id=\"2\"")
                && out.iter().all(|xml| Stanza::parse(xml.as_bytes(), &Limits::default()).is_ok())
        );
        for wrong in [
            json!({}),
            json!({ "items": [{}] }),
            json!({ "items": [{ "id": "1", "sent_at": "x", "stanza": { "kind": "nothing" } }] }),
        ] {
            assert!(results(&asked, &wrong).is_err(), "{wrong}");
        }
        let mut only = forward.clone();
        only_the_end(&mut only);
        assert_eq!(only, json!({ "items": [], "complete": false }));
        let mut nothing = json!({ "items": [], "complete": true });
        only_the_end(&mut nothing);
        assert_eq!(nothing, json!({ "items": [], "complete": true }));
    }
}
