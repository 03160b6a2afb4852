//! Cases of a folder: a stanza and the request that is made of it, an answer and what follows. They run without Openfire and without a backend.
//!
//! The file `cases/<row>.json` is a list of cases of that row; `cases/login.json`, `pending.json`, `settle.json` and `poll.json` are of those calls.
//!
//! Leaves out: whether a request and an answer are the platform's contract (tests/mapping).

use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{self, Made, Outcome, Response};
use super::backend::{self, Deed, Verdict};
use super::row::{Module, Source};
use super::template::{Own, Scope};
use super::{Registry, value};
use crate::stanza::{Limits, Stanza, canonical};

/// One case.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it shows.
    pub title: String,
    /// Of a row: the stanza.
    #[serde(default)]
    pub stanza: Option<String>,
    /// Where the stanza comes from.
    #[serde(default)]
    pub source: Source,
    /// Null: the stanza is not this row's.
    #[serde(default = "this_row")]
    pub row: Option<bool>,
    /// Of another call: what it is about.
    #[serde(default)]
    pub about: Option<Value>,
    /// The request.
    #[serde(default)]
    pub request: Option<Value>,
    /// The request cannot be made: why.
    #[serde(default)]
    pub unusable: Option<String>,
    /// The answer.
    #[serde(default)]
    pub response: Option<Answer>,
    /// What follows.
    #[serde(default)]
    pub outcome: Value,
}

/// An answer of a case.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Body: JSON, a text, or nothing.
    #[serde(default)]
    pub body: Value,
}

fn this_row() -> Option<bool> {
    Some(true)
}

/// What the bridge knows, in cases.
#[must_use]
pub fn own() -> Own {
    Own {
        domain: "example.org".into(),
        node: "n1".into(),
        key: "k1".into(),
        sent: "2026-01-02T03:04:05.006Z".into(),
        epoch: "e1".into(),
        seq: 7,
        here: false,
        nick: "Ro".into(),
    }
}

/// Reads a file of cases.
///
/// # Errors
/// What is wrong, with the key, line and column where that is known.
pub fn read(text: &str) -> Result<Vec<Case>, String> {
    let mut reader = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut reader).map_err(|e| {
        let key = e.path().to_string();
        format!("at {key}: {}", e.into_inner())
    })
}

/// Runs one case of the row or call `name`. `registry` holds the folder's rows alone.
///
/// # Errors
/// In what it differs.
pub fn run(registry: &Registry, module: &Module, name: &str, case: &Case) -> Result<(), String> {
    if name.contains('.') {
        return row(registry, name, case);
    }
    let about = case.about.clone().ok_or("it says not what it is about (`about`)")?;
    let about = known(about);
    let no = || format!("there is no {name} in module.json");
    let own = own();
    let first = Scope { stanza: &about, answer: &Value::Null, own: Some(&own), item: None };
    let request = match name {
        "login" => module.login.as_ref().map(|call| &call.request),
        "pending" => module.pending.as_ref().map(|call| &call.request),
        "settle" => module.settle.as_ref().map(|call| &call.request),
        "poll" => module.poll.as_ref().map(|call| &call.request),
        other => return Err(format!("{other} is no row, nor login, pending, settle or poll")),
    };
    let made = request.ok_or_else(no)?.made(&first);
    if !requested(made.map(Some), case)? {
        return Ok(());
    }
    let Some(response) = response(case) else { return Ok(()) };
    let outcome = match name {
        "login" => {
            let rules = &module.login.as_ref().ok_or_else(no)?.answers;
            match answer::first(rules, &about, Some(&response)).map(|rule| rule.then) {
                Some(Verdict::Right) => json!("right"),
                Some(Verdict::Wrong) => json!("wrong"),
                Some(Verdict::Locked) => json!("locked"),
                Some(Verdict::Unknown) => json!("unknown"),
                None => json!("ill"),
            }
        }
        "settle" => {
            let rules = &module.settle.as_ref().ok_or_else(no)?.answers;
            match answer::first(rules, &about, Some(&response)) {
                Some(_) => json!("done"),
                None => json!("ill"),
            }
        }
        "pending" => pending(module.pending.as_ref().ok_or_else(no)?, &about, &own, &response),
        _ => poll(module.poll.as_ref().ok_or_else(no)?, &about, &own, &response),
    };
    same(&outcome, &case.outcome)
}

/// What a call knows beside what its case says.
fn known(mut about: Value) -> Value {
    if let Some(object) = about.as_object_mut()
        && let Some(node) = object.get("user").and_then(Value::as_str).and_then(|u| u.split('@').next())
    {
        let node = node.to_owned();
        object.entry("node").or_insert(Value::String(node));
    }
    about
}

fn pending(call: &backend::Pending, about: &Value, own: &Own, response: &Response) -> Value {
    let items = match backend::listed(&call.answers, &call.items, about, response) {
        Ok(items) => items,
        Err(_) => return json!("ill"),
    };
    let each = items.iter().map(|item| match call.message(about, item, own) {
        Err(why) => json!({ "wrong": why }),
        Ok((stanza, sent)) => {
            let scope = Scope { stanza: about, answer: &response.body, own: Some(own), item: Some(item) };
            let done = call.done.made(&scope).map_or_else(|why| json!(why), |made| made.json());
            json!({ "message": stanza.to_xml_string(), "sent": sent, "done": done })
        }
    });
    json!({ "items": each.collect::<Vec<_>>() })
}

fn poll(call: &backend::Poll, about: &Value, own: &Own, response: &Response) -> Value {
    let items = match backend::listed(&call.answers, &call.items, about, response) {
        Ok(items) => items,
        Err(_) => return json!("ill"),
    };
    let mut cursor = None;
    let mut deeds = Vec::new();
    for item in &items {
        deeds.push(match call.deed(about, &response.body, item, own) {
            Ok(None) => json!("nothing"),
            Ok(Some(Deed::Route(xml))) => json!({ "route": xml }),
            Ok(Some(Deed::Apply(verb, arguments))) => json!({ "apply": verb, "arguments": arguments }),
            Err(why) => json!({ "wrong": why }),
        });
        cursor = call.cursor_after(about, &response.body, item, own).or(cursor);
    }
    cursor = call.cursor_next(about, &response.body, own).or(cursor);
    json!({ "deeds": deeds, "cursor": cursor })
}

fn row(registry: &Registry, name: &str, case: &Case) -> Result<(), String> {
    let xml = case.stanza.as_deref().ok_or("it has no stanza")?;
    let stanza = parse(xml)?;
    let found = registry.find(&stanza, case.source).map(|(row, _)| row.name.as_str());
    if case.row.is_none() {
        return if found == Some(name) { Err("the row takes it".into()) } else { Ok(()) };
    }
    if found != Some(name) {
        return Err(format!("it is the row {}'s", found.unwrap_or("(none)")));
    }
    let row = registry.row(name).ok_or("there is no such row")?;
    let stanza = value(&stanza, true);
    let own = own();
    if !requested(row.made(&stanza, &own), case)? {
        return Ok(());
    }
    let response = response(case);
    if response.is_none() && row.request.is_some() {
        return Ok(());
    }
    let outcome = row.outcome(&stanza, &own, response.as_ref());
    same(&shown(&outcome), &case.outcome)
}

fn response(case: &Case) -> Option<Response> {
    case.response.as_ref().map(|a| Response { status: a.status, body: a.body.clone() })
}

/// Compares the request. False: it cannot be made, as the case says.
fn requested(made: Result<Option<Made>, String>, case: &Case) -> Result<bool, String> {
    let made = match (made, &case.unusable) {
        (Err(why), Some(expected)) if why == *expected => return Ok(false),
        (Err(why), _) => return Err(format!("its request cannot be made: {why}")),
        (Ok(_), Some(expected)) => return Err(format!("its request can be made, expected: {expected}")),
        (Ok(made), None) => made.map(|made| made.json()),
    };
    if made == case.request {
        return Ok(true);
    }
    let shown = |request: &Option<Value>| request.as_ref().map_or("none".into(), Value::to_string);
    Err(format!("request\n  {}\nexpected\n  {}", shown(&made), shown(&case.request)))
}

/// An outcome as a case says it.
#[must_use]
pub fn shown(outcome: &Outcome) -> Value {
    match outcome {
        Outcome::Native => json!("native"),
        Outcome::Done => json!("done"),
        Outcome::Ill(_) => json!("ill"),
        Outcome::Reply(xml) => json!({ "reply": xml }),
        Outcome::Error { kind, condition, text } => {
            json!({ "error": { "type": kind, "condition": condition, "text": text } })
        }
        Outcome::Later { made, .. } => json!({ "later": made.as_ref().map(Made::json) }),
    }
}

/// Compares outcomes; texts that are XML are compared as XML.
fn same(outcome: &Value, expected: &Value) -> Result<(), String> {
    if alike(outcome, expected) {
        return Ok(());
    }
    Err(format!("outcome\n  {outcome}\nexpected\n  {expected}"))
}

fn alike(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::String(one), Value::String(other)) if one.starts_with('<') && other.starts_with('<') => {
            match (parse(one), parse(other)) {
                (Ok(one), Ok(other)) => canonical(&one) == canonical(&other),
                _ => one == other,
            }
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(a, b)| alike(a, b))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len() && one.iter().all(|(k, v)| other.get(k).is_some_and(|o| alike(v, o)))
        }
        _ => one == other,
    }
}

fn parse(xml: &str) -> Result<Stanza, String> {
    Stanza::parse(xml.as_bytes(), &Limits::default()).map_err(|e| format!("{e}: {xml}"))
}
