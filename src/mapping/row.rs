//! What a row is, and reading one: every mistake is named with its place.
//!
//! Leaves out: what a row does with a stanza ([`super::template`], [`super::answer`]).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::backend::{Backend, Login, OwnSetting, Pending, Poll, Settle};
use super::place;
use super::template::{self, Filter, Kind};
use crate::stanza::Stanza;

/// A module: what `module.json` holds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Module {
    /// Its name, `[a-z]+`; settings are `<name>.mode` and so on.
    pub name: String,
    /// Version of the rows.
    pub version: String,
    /// What it is for, one sentence.
    pub about: String,
    /// Whose interfaces the rows call; absent: the platform's.
    #[serde(default)]
    pub backend: Option<Backend>,
    /// Settings of its own.
    #[serde(default)]
    pub settings: Vec<OwnSetting>,
    /// Who may log in.
    #[serde(default)]
    pub login: Option<Login>,
    /// What the backend keeps for people who were away.
    #[serde(default)]
    pub pending: Option<Pending>,
    /// Tells the backend what was decided without it.
    #[serde(default)]
    pub settle: Option<Settle>,
    /// What the backend says by itself.
    #[serde(default)]
    pub poll: Option<Poll>,
    /// Its rows; the first that matches a stanza takes it.
    #[serde(default)]
    pub rows: Vec<Row>,
}

/// Where a stanza comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A client's session, or another sender.
    #[default]
    Client,
    /// Something that happened in Openfire, written as the stanza that says the same.
    Event,
    /// Sent to a component of ours.
    Component,
    /// An IQ that a client sends to a room of this server.
    Room,
}

/// What a row does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Does {
    /// In decide mode the stanza is held until the interface has answered, and the answer decides.
    Claim,
    /// The stanza goes its way; the interface is told afterwards, in order, at least once.
    Observe,
}

/// One row.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// `module.what`.
    pub name: String,
    /// What it is for, one sentence.
    pub about: String,
    /// Which stanzas.
    pub on: On,
    /// What it does.
    pub does: Does,
    /// Name of the code that makes and reads the request together with others of its kind; then `request` only shows what one of them looks like.
    #[serde(default)]
    pub batch: Option<String>,
    /// Holds secrets: never journaled, never mirrored, masked wherever it is shown.
    #[serde(default)]
    pub secret: bool,
    /// What is sent. Absent: the first answer is given without asking anybody.
    #[serde(default)]
    pub request: Option<Request>,
    /// What answers mean; the first that matches counts. What none matches follows the table of HTTP status and stanza error.
    #[serde(default)]
    pub answers: Vec<Rule>,
    /// Number of the folder, as it was read, that it belongs to; 0: built in.
    #[serde(skip)]
    pub folder: u64,
}

/// Which stanzas a row is about.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct On {
    /// `message`, `presence` or `iq`.
    pub kind: String,
    /// Where it comes from.
    #[serde(default)]
    pub source: Source,
    /// Stanza types; those without one are `normal` (message) and `available` (presence).
    pub types: Vec<String>,
    /// Namespace of an IQ's child.
    #[serde(default)]
    pub namespace: Option<String>,
    /// All of these hold.
    #[serde(default)]
    pub when: Vec<Condition>,
}

/// A condition on a value.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// Pointer.
    pub at: String,
    /// Looked at through this filter.
    #[serde(default, rename = "as")]
    pub filter: Option<Filter>,
    /// It has this value.
    #[serde(default)]
    pub is: Option<Value>,
    /// It has another value, or none.
    #[serde(default)]
    pub not: Option<Value>,
    /// It has one of these values.
    #[serde(default, rename = "in")]
    pub among: Option<Vec<Value>>,
    /// It is there, or not.
    #[serde(default)]
    pub there: Option<bool>,
    /// It is there and of this type.
    #[serde(default, rename = "type")]
    pub kind: Option<Kind>,
    /// It is the same as what is found there, through the same filter.
    #[serde(default)]
    pub same: Option<Same>,
}

/// The other side of a comparison.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Same {
    /// Pointer.
    pub at: String,
    /// Looked at through this filter.
    #[serde(default, rename = "as")]
    pub filter: Option<Filter>,
}

/// What is sent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// HTTP method.
    pub method: String,
    /// Path with `{pointer|filter}` in it, percent-encoded.
    pub path: String,
    /// Query parameters; those whose value is absent are left out.
    #[serde(default)]
    pub query: BTreeMap<String, Value>,
    /// JSON body.
    #[serde(default)]
    pub body: Option<Value>,
    /// Body of a form (`application/x-www-form-urlencoded`), in the place of `body`; fields whose value is absent are left out.
    #[serde(default)]
    pub form: Option<BTreeMap<String, Value>>,
    /// Header fields; those whose value is absent are left out.
    #[serde(default)]
    pub headers: BTreeMap<String, Value>,
}

/// What an answer means.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule<T = Then> {
    /// `200`, `2xx`; absent: any (also no request at all).
    #[serde(default)]
    pub status: Option<String>,
    /// Type of the problem.
    #[serde(default)]
    pub problem: Option<String>,
    /// All of these hold of the answer (`answer:/…`) or the stanza.
    #[serde(default)]
    pub when: Vec<Condition>,
    /// What follows.
    pub then: T,
}

/// What follows from an answer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Then {
    /// Openfire handles the stanza.
    Native,
    /// Nothing more (of a row that observes).
    Done,
    /// The sender gets this error.
    Error {
        /// Defined condition: a word or a template.
        condition: Value,
        /// Error type: a template. Absent: the one that belongs to the condition.
        #[serde(default, rename = "type")]
        kind: Option<Value>,
        /// Text: a template. Absent: the problem's own words.
        #[serde(default)]
        text: Option<Value>,
    },
    /// The sender gets this stanza; `kind`, `type`, `id`, `from` and `to` are set if absent.
    Reply(Value),
    /// The answer comes later: this is asked until one of the row's other answers fits.
    Later {
        /// What is asked; `answer:/…` is the answer so far.
        request: Request,
        /// How often.
        #[serde(default = "every", rename = "everyMillis")]
        every_ms: u64,
    },
}

fn every() -> u64 {
    500
}

impl Module {
    /// Reads a module.
    ///
    /// # Errors
    /// What is wrong, with the key, line and column where that is known.
    pub fn read(text: &str) -> Result<Module, String> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let module: Module = serde_path_to_error::deserialize(&mut reader).map_err(|e| {
            let key = e.path().to_string();
            match key.as_str() {
                "." | "?" => e.into_inner().to_string(),
                key => format!("at {key}: {}", e.into_inner()),
            }
        })?;
        reader.end().map_err(|e| e.to_string())?;
        for (number, row) in module.rows.iter().enumerate() {
            let twice = module.rows[..number].iter().any(|other| other.name == row.name);
            let checked = match twice {
                true => Err((".name".into(), "there is a row of this name already".into())),
                false => row.check(&module.name),
            };
            let checked = checked.and_then(|()| match &module.backend {
                Some(_) => super::backend::check_row(&module.name, row),
                None => Ok(()),
            });
            checked.map_err(|(key, why)| {
                let key = format!("rows[{number}]{key}");
                let (line, column) = place::of(text, &key);
                format!("at {key} (row {}): {why} at line {line} column {column}", row.name)
            })?;
        }
        super::backend::check(&module).map_err(|(key, why)| {
            let (line, column) = place::of(text, &key);
            format!("at {key}: {why} at line {line} column {column}")
        })?;
        Ok(module)
    }
}

impl Row {
    /// Whether a stanza is this row's, without the conditions on its values.
    #[must_use]
    pub fn fits(&self, stanza: &Stanza, source: Source) -> bool {
        let on = &self.on;
        on.source == source
            && on.kind == stanza.kind().as_str()
            && on.types.iter().any(|t| t == type_of(stanza))
            && on.namespace.as_deref().is_none_or(|ns| stanza.root().elements().any(|e| e.ns() == ns))
    }

    /// Whether the conditions hold.
    #[must_use]
    pub fn holds(&self, stanza: &Value) -> bool {
        all(&self.on.when, stanza, &Value::Null)
    }

    /// What a serde schema cannot say.
    ///
    /// # Errors
    /// The key below the row, and what is wrong with it.
    fn check(&self, module: &str) -> Result<(), (String, String)> {
        let wrong = |key: &str, why: &str| Err((key.to_owned(), why.to_owned()));
        if self.name.strip_prefix(module).and_then(|rest| rest.strip_prefix('.')).is_none_or(str::is_empty) {
            return wrong(".name", &format!("it must begin with {module}."));
        }
        if !matches!(self.on.kind.as_str(), "message" | "presence" | "iq") {
            let why = format!("{} is no stanza, expected message, presence or iq", self.on.kind);
            return wrong(".on.kind", &why);
        }
        if self.on.kind == "iq" && self.on.namespace.is_none() {
            return wrong(".on", "namespace is missing: a row about an IQ names the namespace of its child");
        }
        if self.on.types.is_empty() {
            return wrong(".on.types", "it is empty");
        }
        if self.does == Does::Claim && self.on.source == Source::Event {
            return wrong(".does", "an event has happened already; it can be observed, not claimed");
        }
        if self.request.is_none() && self.does == Does::Observe {
            return wrong("", "a row that observes needs a request");
        }
        if self.answers.is_empty() {
            return wrong("", "it has no answers");
        }
        conditions(&self.on.when, ".on.when", Looks::Stanza)?;
        if let Some(request) = &self.request {
            request.check(".request")?;
        }
        for (number, rule) in self.answers.iter().enumerate() {
            rule.check(&format!(".answers[{number}]"))?;
        }
        Ok(())
    }
}

/// What is known where conditions are looked at: the stanza, then the answer, then an item of a list in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub(super) enum Looks {
    Stanza,
    Answer,
    Item,
}

pub(super) fn conditions(list: &[Condition], key: &str, looks: Looks) -> Result<(), (String, String)> {
    let usable = |at: &str| match template::pointer(at)? {
        at if at.starts_with('/') || (looks >= Looks::Answer && at.starts_with("answer:")) => Ok(()),
        at if looks == Looks::Item && at.starts_with('.') => Ok(()),
        "" => Ok(()),
        at => Err(format!("a condition here cannot look at {at}")),
    };
    for (number, condition) in list.iter().enumerate() {
        let Condition { at, is, not, among, there, kind, same, .. } = condition;
        let key = format!("{key}[{number}]");
        usable(at).map_err(|why| (format!("{key}.at"), why))?;
        if let Some(same) = same {
            usable(&same.at).map_err(|why| (format!("{key}.same.at"), why))?;
        }
        let says =
            [is.is_some(), not.is_some(), among.is_some(), there.is_some(), kind.is_some(), same.is_some()];
        if !says.contains(&true) {
            return Err((key, "it says neither is, not, in, there, type nor same".into()));
        }
    }
    Ok(())
}

impl Request {
    /// What a serde schema cannot say; `key` is where it stands.
    pub(super) fn check(&self, key: &str) -> Result<(), (String, String)> {
        if !matches!(self.method.as_str(), "GET" | "POST" | "PUT" | "PATCH" | "DELETE") {
            let why = format!("{} is none of GET, POST, PUT, PATCH, DELETE", self.method);
            return Err((format!("{key}.method"), why));
        }
        let at = |key: String| move |why: String| (key, why);
        template::check_path(&self.path).map_err(at(format!("{key}.path")))?;
        for (name, value) in &self.query {
            template::check(value).map_err(at(format!("{key}.query.{name}")))?;
        }
        for (name, value) in self.form.iter().flatten() {
            template::check(value).map_err(at(format!("{key}.form.{name}")))?;
        }
        for (name, value) in &self.headers {
            let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
            if name.is_empty() || !name.bytes().all(token) {
                return Err((format!("{key}.headers"), format!("{name} is no name of a header field")));
            }
            template::check(value).map_err(at(format!("{key}.headers.{name}")))?;
        }
        if self.form.is_some() && self.body.is_some() {
            return Err((format!("{key}.form"), "there is a body already".into()));
        }
        if self.method == "GET" && (self.form.is_some() || self.body.is_some()) {
            return Err((key.to_owned(), "a GET has no body".into()));
        }
        self.body.as_ref().map_or(Ok(()), template::check).map_err(at(format!("{key}.body")))
    }
}

impl Rule {
    fn check(&self, key: &str) -> Result<(), (String, String)> {
        self.check_conditions(key)?;
        let at = |key: String| move |why: String| (key, why);
        match &self.then {
            Then::Reply(value) => template::check(value).map_err(at(format!("{key}.then.reply"))),
            Then::Error { condition, kind, text } => {
                let place = format!("{key}.then.error.condition");
                match condition {
                    Value::String(word) if crate::stanza::errors::kind_of(word).is_none() => {
                        return Err((place, format!("{word} is no defined condition (RFC 6120 8.3.3)")));
                    }
                    Value::String(_) => {}
                    template => template::check(template).map_err(at(place))?,
                }
                for (name, value) in [("type", kind), ("text", text)] {
                    value
                        .as_ref()
                        .map_or(Ok(()), template::check)
                        .map_err(at(format!("{key}.then.error.{name}")))?;
                }
                Ok(())
            }
            Then::Later { request, every_ms } => {
                if !(50..=60_000).contains(every_ms) {
                    let why = "it is not from 50 to 60000";
                    return Err((format!("{key}.then.later.everyMillis"), why.into()));
                }
                request.check(&format!("{key}.then.later.request"))
            }
            Then::Native | Then::Done => Ok(()),
        }
    }
}

impl<T> Rule<T> {
    /// What holds whatever follows.
    pub(super) fn check_conditions(&self, key: &str) -> Result<(), (String, String)> {
        if let Some(status) = &self.status {
            let bytes = status.as_bytes();
            let digits = bytes.len() == 3 && (b'1'..=b'5').contains(&bytes[0]);
            if !digits || !(status.ends_with("xx") || bytes.iter().all(u8::is_ascii_digit)) {
                let why = format!("{status} is neither like 200 nor like 2xx");
                return Err((format!("{key}.status"), why));
            }
        }
        conditions(&self.when, &format!("{key}.when"), Looks::Answer)
    }

    /// Whether it is about this status.
    #[must_use]
    pub fn covers(&self, status: Option<u16>) -> bool {
        match (&self.status, status) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(wanted), Some(status)) => {
                let status = status.to_string();
                wanted.as_bytes().iter().zip(status.as_bytes()).all(|(w, s)| *w == b'x' || w == s)
            }
        }
    }
}

/// The type of a stanza, never absent.
#[must_use]
pub fn type_of(stanza: &Stanza) -> &str {
    stanza.type_().unwrap_or(match stanza.kind().as_str() {
        "message" => "normal",
        "presence" => "available",
        _ => "get",
    })
}

/// Whether all conditions hold.
#[must_use]
pub fn all(conditions: &[Condition], stanza: &Value, answer: &Value) -> bool {
    hold(conditions, &template::Scope { stanza, answer, own: None, item: None })
}

/// As [`all`], wherever pointers look.
#[must_use]
pub fn hold(conditions: &[Condition], scope: &template::Scope<'_>) -> bool {
    conditions.iter().all(|condition| {
        let found = scope.look(&condition.at, condition.filter);
        condition.there.is_none_or(|there| found.is_some() == there)
            && condition.kind.is_none_or(|kind| found.as_ref().is_some_and(|value| kind.covers(value)))
            && condition.is.as_ref().is_none_or(|is| found.as_ref() == Some(is))
            && condition.not.as_ref().is_none_or(|not| found.as_ref() != Some(not))
            && condition.among.as_ref().is_none_or(|all| found.as_ref().is_some_and(|one| all.contains(one)))
            && condition
                .same
                .as_ref()
                .is_none_or(|same| found.is_some() && found == scope.look(&same.at, same.filter))
    })
}
