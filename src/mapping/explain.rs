//! `explain`: which row takes a stanza, why, what would be sent and what answers would mean. Secrets are masked. Nothing is sent.
//!
//! Leaves out: what code beside the rows adds (`modules::explain` gives it in as a note).

use std::fmt;

use serde_json::{Value, json};

use super::answer::Made;
use super::row::{Condition, Does, Row, Source, Then, all, type_of};
use super::template::Own;
use super::{Registry, value};
use crate::config::{ModuleConfig, ModuleMode, Policy};
use crate::stanza::{Limits, Stanza};

const REGISTER: &str = "jabber:iq:register";

/// What there is to say about a stanza. `Display` says it to people.
#[derive(Debug, Clone, Default)]
pub struct Explanation {
    /// The stanza's kind.
    pub kind: String,
    /// Its type.
    pub stanza_type: String,
    /// The row that takes it.
    pub row: Option<String>,
    /// The module's mode.
    pub mode: Option<ModuleMode>,
    /// Whether the row holds secrets.
    pub secret: bool,
    /// What would be sent, secrets masked; or why it cannot be made.
    pub request: Option<Result<Made, String>>,
    /// Status, conditions, what follows.
    pub answers: Vec<(String, String, String)>,
    before: Vec<String>,
    after: Vec<String>,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.before.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        match &self.request {
            Some(Ok(made)) => {
                writeln!(f, "Request: {} {}", made.method, made.path)?;
                if let Some(body) = &made.body {
                    writeln!(f, "{body:#}")?;
                }
            }
            Some(Err(why)) => {
                writeln!(f, "Its request cannot be made: {why}; the sender would get bad-request.")?;
            }
            None => {}
        }
        for (status, with, then) in &self.answers {
            let with = if with.is_empty() { String::new() } else { format!(" with {with}") };
            writeln!(f, "Answer {status}{with}: {then}")?;
        }
        self.after.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl Explanation {
    /// The same for programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let request = match &self.request {
            None => Value::Null,
            Some(Err(why)) => json!({ "error": why }),
            Some(Ok(made)) => json!({ "method": made.method, "path": made.path, "body": made.body }),
        };
        let answers = self
            .answers
            .iter()
            .map(|(status, with, then)| json!({ "status": status, "with": with, "then": then }));
        json!({
            "kind": self.kind, "type": self.stanza_type, "row": self.row, "mode": self.mode.map(ModuleMode::as_str), "secret": self.secret,
            "request": request, "answers": answers.collect::<Vec<_>>(), "notes": self.before.iter().chain(&self.after).collect::<Vec<_>>(),
        })
    }

    fn say(&mut self, line: impl Into<String>) {
        self.before.push(line.into());
    }
}

/// What code knows about a stanza of a row beyond the row.
#[derive(Debug, Clone)]
pub enum Note {
    /// Something to add.
    More(String),
    /// The row takes it, but its interface is not asked; what happens in decide mode instead.
    Unasked(String),
    /// It is left to Openfire in every mode, and why.
    Left(String),
}

/// Explains a stanza. `settings` are a module's; `note` is what code knows about a stanza of a row beyond the row.
///
/// # Errors
/// Why it is no stanza.
pub fn explain(
    registry: &Registry,
    xml: &str,
    event: bool,
    settings: impl Fn(&str) -> ModuleConfig,
    note: impl Fn(&Row, &Stanza) -> Option<Note>,
) -> Result<Explanation, String> {
    let mut stanza = Stanza::parse(xml.trim().as_bytes(), &Limits::default())
        .map_err(|e| format!("this is no stanza: {e}"))?;
    let mut out = Explanation::default();
    if stanza.from().is_none() && !event {
        if stanza.root().elements().any(|e| e.ns() == REGISTER) {
            out.say("It has no `from`: it comes from somebody who has not logged in yet.");
        } else {
            stanza.set_attr("from", Some("user@example.org/client"));
            out.say(
                "It has no `from`; Openfire would write the session's own, here user@example.org/client.",
            );
        }
    }
    out.kind = stanza.kind().as_str().to_owned();
    out.stanza_type = type_of(&stanza).to_owned();
    out.say(format!(
        "It is {} {} of type {}.",
        if out.kind == "iq" { "an" } else { "a" },
        out.kind,
        out.stanza_type
    ));
    let open = value(&stanza, true);
    let sources =
        if event { &[Source::Event][..] } else { &[Source::Client, Source::Component, Source::Room] };
    for row in registry.rows() {
        let Some(source) = sources.iter().find(|source| row.fits(&stanza, **source)) else { continue };
        let failed = row.on.when.iter().filter(|c| !all(std::slice::from_ref(*c), &open, &Value::Null));
        let failed: Vec<_> = failed.map(condition_words).collect();
        if !failed.is_empty() {
            let failed = failed.join("; ");
            out.say(format!("Row {} is about such stanzas, but this does not hold: {failed}.", row.name));
            continue;
        }
        let component = if *source == Source::Component { " when it is sent to our component" } else { "" };
        out.say(format!("Row {} takes it{component}: {}", row.name, row.about));
        describe(&mut out, row, &stanza, &open, settings(row.module()), note(row, &stanza));
        return Ok(out);
    }
    out.say("No row takes it: it passes untouched, nothing is stored or sent.");
    Ok(out)
}

fn describe(
    out: &mut Explanation,
    row: &Row,
    stanza: &Stanza,
    open: &Value,
    settings: ModuleConfig,
    note: Option<Note>,
) {
    (out.row, out.mode, out.secret) = (Some(row.name.clone()), Some(settings.mode), row.secret);
    let say_mode =
        |words: &str| format!("Module {} is in mode {}: {words}", row.module(), settings.mode.as_str());
    let usual = say_mode(mode_words(row, settings.mode));
    match note {
        Some(Note::Left(why)) => return out.say(say_mode(&why)),
        Some(Note::Unasked(instead)) if settings.mode == ModuleMode::Decide => {
            return out.say(say_mode(&instead));
        }
        Some(Note::Unasked(_)) => return out.say(usual),
        Some(Note::More(words)) => {
            out.say(usual);
            out.say(words);
        }
        None => out.say(usual),
    }
    if settings.mode == ModuleMode::Decide && row.does == Does::Claim && row.request.is_some() {
        let policy = match settings.on_failure {
            Policy::Open => "Openfire goes on by itself (open).",
            Policy::Closed => "the sender gets the error remote-server-timeout, type wait (closed).",
        };
        out.say(format!("If the platform does not answer within {} ms: {policy}", settings.timeout_ms));
    }
    if row.request.is_none() {
        out.say("Nothing is sent; the bridge answers by itself.");
        return;
    }
    if row.batch.is_some() {
        out.say("Its request is sent together with others of its kind.");
    }
    // Masked: the request is made of a value without secrets.
    let own = Own {
        domain: "DOMAIN".into(),
        node: "NODE".into(),
        key: "KEY".into(),
        sent: "TIME".into(),
        epoch: "EPOCH".into(),
        seq: 0,
        here: false,
        nick: "NICK".into(),
    };
    out.request = row.made(&mask(value(stanza, false), open), &own).transpose();
    for rule in &row.answers {
        let problem = rule.problem.as_ref().map(|problem| format!("the problem {problem}"));
        let with: Vec<_> = problem.into_iter().chain(rule.when.iter().map(condition_words)).collect();
        let status = rule.status.clone().unwrap_or_else(|| "any".into());
        out.answers.push((status, with.join(", "), then_words(row, &rule.then)));
    }
    out.after.push(
        "Any other answer: a malformed one, 401, 403, 408, 429 and 5xx are as if there were none; the sender gets the error of any other status.".into(),
    );
}

fn mode_words(row: &Row, mode: ModuleMode) -> &'static str {
    match (mode, row.does) {
        (ModuleMode::Off, _) => "nothing is looked at.",
        (ModuleMode::Watch, _) => "it is counted; nothing is stored or sent.",
        (ModuleMode::Mirror, Does::Claim) if row.secret => {
            "it passes at once; it holds secrets, so no copy is made."
        }
        (ModuleMode::Mirror, Does::Claim) if row.on.source == Source::Component => "there is no component.",
        (ModuleMode::Mirror, Does::Claim) => "it passes at once; a copy is journaled and delivered.",
        (ModuleMode::Decide, Does::Claim) if row.request.is_none() => "it is answered.",
        (ModuleMode::Decide, Does::Claim) => "it is held until the platform has answered.",
        (ModuleMode::Mirror | ModuleMode::Decide, Does::Observe) => {
            "it has happened; the platform is told, in order, at least once."
        }
    }
}

/// A condition, in words.
#[must_use]
pub fn condition_words(condition: &Condition) -> String {
    let through = |at: &str, filter: Option<super::template::Filter>| {
        let at = if at == "answer:" { "the answer" } else { at };
        filter.map_or_else(|| at.to_owned(), |filter| format!("{at} as {}", filter.as_str()))
    };
    let mut parts = Vec::new();
    match condition.there {
        Some(true) => parts.push("is there".to_owned()),
        Some(false) => parts.push("is not there".to_owned()),
        None => {}
    }
    parts.extend(condition.kind.map(|kind| format!("is a {}", kind.as_str())));
    parts.extend(condition.is.as_ref().map(|value| format!("is {value}")));
    parts.extend(condition.not.as_ref().map(|value| format!("is not {value}")));
    parts.extend(condition.among.as_ref().map(|all| {
        format!("is one of {}", all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
    }));
    parts.extend(
        condition.same.as_ref().map(|same| format!("is the same as {}", through(&same.at, same.filter))),
    );
    format!("{} {}", through(&condition.at, condition.filter), parts.join(" and "))
}

/// What follows, in words.
#[must_use]
pub fn then_words(row: &Row, then: &Then) -> String {
    match then {
        Then::Native => "Openfire handles it.".into(),
        Then::Done if row.on.kind == "message" && row.batch.is_none() => {
            "the backend has it: Openfire does not deliver it.".into()
        }
        Then::Done => "done.".into(),
        Then::Later { request, every_ms } => {
            format!(
                "the answer comes later: {} {} is asked every {every_ms} ms.",
                request.method, request.path
            )
        }
        Then::Error { condition, .. } => match condition.as_str() {
            Some(word) => format!("the sender gets the error {word}."),
            None => "the sender gets the error that it names.".into(),
        },
        Then::Reply(_) if row.on.kind == "message" => "another message takes its place.".into(),
        Then::Reply(_) if row.request.is_none() => "the sender gets the bridge's own answer.".into(),
        Then::Reply(_) => "the sender gets an answer made from it.".into(),
    }
}

/// Puts a mask where the value without secrets has null and the other one has something.
fn mask(masked: Value, open: &Value) -> Value {
    match (masked, open) {
        (Value::Null, Value::String(_)) => Value::String("********".into()),
        (Value::Object(object), Value::Object(other)) => {
            let one = |(k, v)| {
                let v = mask(v, other.get(&k).unwrap_or(&Value::Null));
                (k, v)
            };
            Value::Object(object.into_iter().map(one).collect())
        }
        (Value::Array(items), Value::Array(others)) => {
            Value::Array(items.into_iter().zip(others).map(|(v, o)| mask(v, o)).collect())
        }
        (other, _) => other,
    }
}
