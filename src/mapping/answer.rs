//! A row at work: its request, and what an answer means.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::row::{Request, Row, Rule, Then, all};
use super::template::{Own, Scope};
use crate::stanza::errors;
use crate::stanza::json as stanza_json;

/// A request ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// HTTP method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// JSON body, or the fields of a form.
    pub body: Option<Value>,
    /// The body is sent as a form.
    pub form: bool,
    /// Header fields.
    pub headers: Vec<(String, String)>,
}

impl Made {
    /// The body as it is sent, and its content type.
    #[must_use]
    pub fn encoded(&self) -> Option<(String, &'static str)> {
        match &self.body {
            None => None,
            Some(Value::Object(fields)) if self.form => {
                let fields = fields
                    .iter()
                    .map(|(name, value)| format!("{}={}", percent(name), percent(&plain(value))));
                Some((fields.collect::<Vec<_>>().join("&"), "application/x-www-form-urlencoded"))
            }
            Some(body) => Some((body.to_string(), "application/json")),
        }
    }

    /// As it stands in a case.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut out = json!({ "method": self.method, "path": self.path });
        if let Some(body) = &self.body {
            out[if self.form { "form" } else { "body" }] = body.clone();
        }
        if !self.headers.is_empty() {
            out["headers"] =
                self.headers.iter().map(|(n, v)| (n.clone(), json!(v))).collect::<Map<_, _>>().into();
        }
        out
    }
}

/// What the platform answered.
#[derive(Debug, Clone)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Body: JSON, null when empty; a text when it is no JSON.
    pub body: Value,
}

/// What follows for the stanza.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Openfire handles it.
    Native,
    /// Nothing more.
    Done,
    /// The sender gets this stanza, as XML.
    Reply(String),
    /// The sender gets this error.
    Error {
        /// Error type.
        kind: String,
        /// Defined condition.
        condition: String,
        /// Text, may be empty.
        text: String,
    },
    /// The answer comes later.
    Later {
        /// What is asked then; None: this answer does not say.
        made: Option<Made>,
        /// After this time.
        every: Duration,
    },
    /// The platform is ill: its answer says so, or it is not in the contract. Why.
    Ill(String),
}

/// The first rule that an answer fits; `None`: nobody was asked.
#[must_use]
pub fn first<'r, T>(
    rules: &'r [Rule<T>],
    stanza: &Value,
    response: Option<&Response>,
) -> Option<&'r Rule<T>> {
    let nothing = Value::Null;
    let answer = response.map_or(&nothing, |r| &r.body);
    rules.iter().find(|rule| {
        rule.covers(response.map(|r| r.status))
            && rule.problem.as_ref().is_none_or(|p| answer.get("type").and_then(Value::as_str) == Some(p))
            && all(&rule.when, stanza, answer)
    })
}

/// What an answer means that no rule fits.
#[must_use]
pub fn unfit(response: &Response) -> Outcome {
    if response.status < 300 {
        return Outcome::Ill(format!(
            "the platform answered {} with something that the row does not know",
            response.status
        ));
    }
    unforeseen(response)
}

impl Request {
    /// The request for what the scope holds.
    ///
    /// # Errors
    /// A value that it needs is not there.
    pub fn made(&self, scope: &Scope<'_>) -> Result<Made, String> {
        let mut path = scope.text(&self.path, percent)?;
        let mut separator = if path.contains('?') { '&' } else { '?' };
        for (name, template) in &self.query {
            let Some(value) = scope.fill(template)? else { continue };
            path.push(separator);
            path.push_str(&format!("{}={}", percent(name), percent(&plain(&value))));
            separator = '&';
        }
        let body = match (&self.body, &self.form) {
            (Some(body), _) => scope.fill(body)?,
            (None, Some(form)) => {
                let mut fields = Map::new();
                for (name, template) in form {
                    if let Some(value) = scope.fill(template)? {
                        fields.insert(name.clone(), Value::String(plain(&value)));
                    }
                }
                Some(Value::Object(fields))
            }
            (None, None) => None,
        };
        let mut headers = Vec::new();
        for (name, template) in &self.headers {
            let Some(value) = scope.fill(template)? else { continue };
            let value = plain(&value);
            if value.chars().any(|c| c.is_control()) {
                return Err(format!("the value of the header field {name} is none"));
            }
            headers.push((name.clone(), value));
        }
        Ok(Made { method: self.method.clone(), path, body, form: self.form.is_some(), headers })
    }
}

/// A value where a text is needed.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl Row {
    /// The request for a stanza. None: this row asks nobody.
    ///
    /// # Errors
    /// A value that the request needs is not there.
    pub fn made(&self, stanza: &Value, own: &Own) -> Result<Option<Made>, String> {
        let Some(request) = &self.request else { return Ok(None) };
        request.made(&Scope { stanza, answer: &Value::Null, own: Some(own), item: None }).map(Some)
    }

    /// What an answer means; `None`: nobody was asked.
    #[must_use]
    pub fn outcome(&self, stanza: &Value, own: &Own, response: Option<&Response>) -> Outcome {
        let nothing = Value::Null;
        let answer = response.map_or(&nothing, |r| &r.body);
        let Some(rule) = first(&self.answers, stanza, response) else {
            return match response {
                None => Outcome::Ill("no answer of the row fits".into()),
                Some(response) => unfit(response),
            };
        };
        let scope = Scope { stanza, answer, own: Some(own), item: None };
        match &rule.then {
            Then::Native => Outcome::Native,
            Then::Done => Outcome::Done,
            Then::Later { request, every_ms } => {
                Outcome::Later { made: request.made(&scope).ok(), every: Duration::from_millis(*every_ms) }
            }
            Then::Error { condition, kind, text } => {
                let word = |template: &Value| match scope.fill(template) {
                    Ok(Some(Value::String(word))) => word,
                    _ => String::new(),
                };
                let condition = word(condition);
                let Some(usual) = errors::kind_of(&condition) else {
                    return Outcome::Ill(
                        "the answer names a stanza error that is no defined condition".into(),
                    );
                };
                let given = kind.as_ref().and_then(|kind| errors::ErrorType::from_name(&word(kind)));
                let text = match text {
                    Some(template) => match scope.fill(template) {
                        Ok(text) => text.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned(),
                        Err(_) => String::new(),
                    },
                    None => words(answer),
                };
                Outcome::Error { kind: given.unwrap_or(usual).as_str().into(), condition, text }
            }
            Then::Reply(template) => match scope.fill(template).and_then(|reply| reply_to(stanza, reply)) {
                Ok(xml) => Outcome::Reply(xml),
                Err(why) => Outcome::Ill(format!("the answer does not make a stanza: {why}")),
            },
        }
    }
}

/// An error that no rule names: what a problem+json says by name comes first, then the table of status and condition.
fn unforeseen(response: &Response) -> Outcome {
    let text = words(&response.body);
    if response.status >= 500 || response.status < 400 || matches!(response.status, 401 | 403 | 408 | 429) {
        return Outcome::Ill(format!(
            "the platform answered {}{}",
            response.status,
            if text.is_empty() { text } else { format!(": {text}") }
        ));
    }
    // A contract's errors are JSON; a text is a proxy's page or another server's.
    if response.body.is_string() {
        return Outcome::Ill(format!(
            "the platform answered {} with something that is no JSON",
            response.status
        ));
    }
    let named = response.body.get("condition").and_then(Value::as_str);
    if let Some((condition, kind)) = named.and_then(|c| Some((c, errors::kind_of(c)?))) {
        return Outcome::Error { kind: kind.as_str().into(), condition: condition.into(), text };
    }
    match errors::from_status(response.status, false) {
        Some(line) => {
            Outcome::Error { kind: line.kind.as_str().into(), condition: line.condition.into(), text }
        }
        None => Outcome::Ill(format!("the platform answered {}", response.status)),
    }
}

/// The words of a problem (RFC 9457).
fn words(answer: &Value) -> String {
    let of = |name: &str| answer.get(name).and_then(Value::as_str).filter(|t| !t.is_empty());
    of("detail").or_else(|| of("title")).unwrap_or_default().to_owned()
}

/// Completes a reply and writes it as XML.
pub(super) fn reply_to(stanza: &Value, reply: Option<Value>) -> Result<String, String> {
    let Some(Value::Object(given)) = reply else { return Err("it is no object".into()) };
    let mut out = Map::new();
    out.insert("kind".into(), stanza.get("kind").cloned().unwrap_or(json!("iq")));
    if out["kind"] == "iq" {
        out.insert("type".into(), json!("result"));
    }
    for (name, from) in [("from", "to"), ("to", "from"), ("id", "id")] {
        if let Some(value) = stanza.get(from) {
            out.insert(name.into(), value.clone());
        }
    }
    out.extend(given);
    let text = Value::Object(out).to_string();
    let stanza =
        stanza_json::decode(text.as_bytes(), stanza_json::Mode::Strict).map_err(|e| e.to_string())?;
    Ok(stanza.to_xml_string())
}

fn percent(value: &str) -> String {
    im_api::routes::path("{x}", &[value])
}
