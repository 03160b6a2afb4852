//! What other plugins may ask (docs/java-api.md): a stanza as stanza JSON and back, and a row's call made on their behalf.
//!
//! Leaves out: how they reach this (the shim's `ApiDoor`), what they are told of what happens (`feed`).

use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::config::ModuleMode;
use crate::mapping::{self, Outcome, Row};
use crate::stanza::{Limits, Stanza, json};

use super::core::{Core, lock, now_ms};
use super::rows::{CallError, Sending};

/// Calls that are made at one time.
const CALLERS: usize = 4;
/// How long a call may take at most.
const LONGEST: Duration = Duration::from_secs(60);

/// How many calls are under way.
#[derive(Debug, Default)]
pub struct Calls {
    under_way: Mutex<usize>,
    freed: Condvar,
}

impl Calls {
    /// A place among the callers, as soon as there is one. None: not within the time.
    fn enter(&self, until: Instant) -> Option<Place<'_>> {
        let mut count = lock(&self.under_way);
        while *count >= CALLERS {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            count = self.freed.wait_timeout(count, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        *count += 1;
        Some(Place(self))
    }
}

/// Given back when it is dropped.
struct Place<'a>(&'a Calls);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        *lock(&self.0.under_way) -= 1;
        self.0.freed.notify_one();
    }
}

/// What became of a call: names and values, as they cross.
pub type Answer = Vec<(&'static str, String)>;

impl Core {
    /// Stanza XML as stanza JSON (`json`) or back (`xml`). Nothing is masked: what is in it the caller has already.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn convert(&self, to: &str, text: &str) -> Result<String, String> {
        match to {
            "json" => {
                let stanza = read_xml(text)?;
                let mut out = Vec::new();
                json::encode(&stanza, json::Options { secrets: true, ..json::Options::default() }, &mut out);
                String::from_utf8(out).map_err(|e| e.to_string())
            }
            "xml" => Ok(read_json(text)?.to_xml_string()),
            other => Err(format!("{other} is neither json nor xml")),
        }
    }

    /// Makes the call of a row for a stanza, and says what its answer means. What follows from that is the caller's: a change at the platform comes
    /// back as anybody else's does, by the downlink.
    ///
    /// # Errors
    /// What the caller did wrong: the row, the mode, the stanza.
    pub fn call(&self, row: &str, stanza: &str, key: &str, wait: Duration) -> Result<Answer, String> {
        let row = self.callable(row)?;
        let module = self.config().module(row.module());
        if module.mode < ModuleMode::Mirror {
            return Err(format!("{} is in {} mode: nothing is sent", row.module(), module.mode.as_str()));
        }
        let stanza =
            if stanza.trim_start().starts_with('{') { read_json(stanza)? } else { read_xml(stanza)? };
        let value = mapping::value(&stanza, true);
        if !row.fits(&stanza, row.on.source) || !row.holds(&value) {
            return Err(format!("the stanza is not one that {} is about", row.name));
        }
        let wait = if wait.is_zero() { Duration::from_millis(module.timeout_ms) } else { wait.min(LONGEST) };
        let until = Instant::now() + wait;
        let key = if key.is_empty() { self.keys.next().to_string() } else { key.to_owned() };
        let own = self.own(&key, now_ms());
        let unavailable = |why: String, executed: bool| {
            self.row_counts.add(&row.name, "call_failed");
            let executed = executed.to_string();
            Ok(vec![
                ("outcome", "unavailable".into()),
                ("key", key.clone()),
                ("text", why),
                ("maybeExecuted", executed),
            ])
        };
        if row.request.is_some() && !self.able(&row) {
            return unavailable("there is no platform that answers".into(), false);
        }
        let Some(place) = self.calls.enter(until) else {
            return unavailable(format!("{CALLERS} calls are under way"), false);
        };
        let left = until.saturating_duration_since(Instant::now());
        let sent = self.send_row(&row, &value, &own, Sending { origin: false, limit: Some(left) });
        drop(place);
        let response = match sent {
            Ok(response) => response,
            Err(CallError::Unusable(why)) => return Err(why),
            Err(CallError::Platform(error)) => return unavailable(error.to_string(), error.maybe_executed()),
        };
        let mut answer = match row.outcome(&value, &own, response.as_ref()) {
            Outcome::Ill(why) => return unavailable(why, true),
            Outcome::Later { .. } => return unavailable("the backend answers later".into(), true),
            Outcome::Native => vec![("outcome", "native".to_owned())],
            Outcome::Done => vec![("outcome", "done".to_owned())],
            Outcome::Reply(xml) => {
                let json = self.convert("json", &xml)?;
                vec![("outcome", "reply".to_owned()), ("xml", xml), ("json", json)]
            }
            Outcome::Error { kind, condition, text } => {
                vec![
                    ("outcome", "error".to_owned()),
                    ("type", kind),
                    ("condition", condition),
                    ("text", text),
                ]
            }
        };
        self.row_counts.add(&row.name, "called");
        if let Some(response) = response {
            answer.push(("status", response.status.to_string()));
        }
        answer.push(("key", key));
        Ok(answer)
    }

    fn able(&self, row: &Row) -> bool {
        !self.stopping.load(Ordering::Acquire)
            && match self.folder_of(row) {
                Some(folder) => folder.breaker.closed(),
                None => {
                    self.client.url().is_some() && self.breaker.closed() && self.ready.load(Ordering::Acquire)
                }
            }
    }

    /// A row that may be called: what it needs must be in the stanza alone, and no secret is lent to others.
    fn callable(&self, name: &str) -> Result<Arc<Row>, String> {
        let may = |row: &Row| !row.secret && row.batch.is_none();
        let registry = self.registry();
        match registry.row(name) {
            Some(row) if may(row) => Ok(Arc::clone(row)),
            Some(row) if row.secret => Err(format!("{name} holds secrets and is not called for others")),
            Some(_) => Err(format!(
                "{name} is made by code together with others of its kind and is not called by itself"
            )),
            None => {
                let names: Vec<_> = registry.rows().filter(|row| may(row)).map(|r| r.name.as_str()).collect();
                Err(format!("there is no row {name}; there are {}", names.join(", ")))
            }
        }
    }
}

/// A stanza as a plugin has it: Openfire writes its packets without the namespace of their stream.
fn read_xml(text: &str) -> Result<Stanza, String> {
    let text = text.trim();
    let parse = |bytes: &[u8]| Stanza::parse(bytes, &Limits::default());
    parse(text.as_bytes()).or_else(|error| {
        let bare = ["<message", "<presence", "<iq"].iter().find(|start| {
            text.strip_prefix(**start).is_some_and(|rest| rest.starts_with([' ', '\t', '\n', '\r', '/', '>']))
        });
        let again = bare.and_then(|start| {
            parse(format!("{start} xmlns=\"jabber:client\"{}", &text[start.len()..]).as_bytes()).ok()
        });
        again.ok_or_else(|| said(&error))
    })
}

fn read_json(text: &str) -> Result<Stanza, String> {
    json::decode(text.as_bytes(), json::Mode::Strict).map_err(|e| said(&e))
}

/// An error with its cause.
fn said(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_without_its_streams_namespace_is_read_and_what_is_wrong_is_named() {
        let stanza =
            read_xml("<message to='a@b'><body>hi</body><x xmlns='u:x'/></message>").expect("a packet");
        assert_eq!(
            stanza.root().child("body", "jabber:client").map(|b| b.text().into_owned()),
            Some("hi".into())
        );
        for (text, word) in [
            ("<message", "well-formed"),
            ("<messages to='a'/>", "stanza"),
            ("<message xmlns='u:x'/>", "stanza"),
            ("", "stanza"),
        ] {
            let error = read_xml(text).expect_err(text);
            assert!(error.contains(word), "{text}: {error}");
        }
        assert!(
            read_json("{\"kind\":\"message\",\"bdy\":\"x\"}").expect_err("a typing error").contains("bdy")
        );
    }

    #[test]
    fn callers_above_the_limit_wait_for_a_place_and_no_longer_than_they_said() {
        let calls = Calls::default();
        let soon = || Instant::now() + Duration::from_millis(20);
        let places: Vec<_> = (0..CALLERS).map(|_| calls.enter(soon()).expect("a place")).collect();
        assert!(calls.enter(soon()).is_none());
        drop(places);
        assert!(calls.enter(soon()).is_some());
    }
}
