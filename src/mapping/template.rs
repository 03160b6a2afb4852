//! Values in and out of a row: pointers, filters, templates.
//!
//! A pointer is a JSON pointer (RFC 6901) into the stanza; `answer:/…` looks into the platform's answer, `own:/…` into what the bridge knows ([`Own`]),
//! `./…` into the item of the list that is being made. A segment `[key=value]` takes the first item of a list that has it.
//!
//! A template is JSON in which an object with a key that begins with `$` is a value: `{"$": pointer, "as": filter, "map": {…}, "or": default, "must": type}`,
//! `{"$text": "… {pointer|filter} …"}`, `{"$each": pointer, "to": template}`. What is absent is left out of the object around it.

use serde::Deserialize;
use serde_json::{Map, Value};

use jid::NodePart;

use super::ids;
use crate::stanza::jid::Jid;

/// What a value is looked at through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Filter {
    /// The bare JID, normalised; absent when it is no JID with a local part.
    Bare,
    /// The local part.
    Node,
    /// The local part that this text makes, normalised as Openfire normalises user names; absent when it makes none.
    Name,
    /// The resource.
    Resource,
    /// Lower case.
    Lower,
    /// As a text.
    Text,
    /// The id of the footprint that a PEP item is.
    Footprint,
    /// The PEP item that a footprint is, from `user/id`.
    Item,
}

impl Filter {
    /// Its word in a row.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Filter::Bare => "bare",
            Filter::Node => "node",
            Filter::Name => "name",
            Filter::Resource => "resource",
            Filter::Lower => "lower",
            Filter::Text => "text",
            Filter::Footprint => "footprint",
            Filter::Item => "item",
        }
    }

    fn named(name: &str) -> Option<Filter> {
        serde_json::from_value(Value::String(name.to_owned())).ok()
    }

    fn apply(self, value: Value) -> Option<Value> {
        let text = match value {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            _ => return None,
        };
        let jid = || Jid::new(&text).ok();
        Some(Value::String(match self {
            Filter::Bare => jid().filter(|j| j.node().is_some())?.to_bare().to_string(),
            Filter::Node => jid()?.node()?.to_string(),
            Filter::Name => NodePart::new(&text).ok()?.to_string(),
            Filter::Resource => jid()?.resource()?.to_string(),
            Filter::Lower => text.to_lowercase(),
            Filter::Text => text,
            Filter::Footprint => ids::of_item(&text),
            Filter::Item => ids::to_item(text.split_once('/')?.1),
        }))
    }
}

/// What JSON knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A string.
    Text,
    /// A number.
    Number,
    /// True or false.
    Flag,
    /// An array.
    List,
    /// An object.
    Object,
}

impl Kind {
    /// Its word in a row.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Number => "number",
            Kind::Flag => "flag",
            Kind::List => "list",
            Kind::Object => "object",
        }
    }

    /// Whether a value is of this type.
    #[must_use]
    pub fn covers(self, value: &Value) -> bool {
        match self {
            Kind::Text => value.is_string(),
            Kind::Number => value.is_number(),
            Kind::Flag => value.is_boolean(),
            Kind::List => value.is_array(),
            Kind::Object => value.is_object(),
        }
    }
}

/// What the bridge knows by itself.
#[derive(Debug, Clone, Default)]
pub struct Own {
    /// The server's XMPP domain.
    pub domain: String,
    /// This bridge's node.
    pub node: String,
    /// Key of the decision or event.
    pub key: String,
    /// When the stanza was sent, XEP-0082.
    pub sent: String,
    /// This start of the bridge.
    pub epoch: String,
    /// Number of the reading, for states and occupants.
    pub seq: u64,
    /// Whether the recipient has a session here that takes messages, for messages.
    pub here: bool,
    /// The speaker's nickname in the room.
    pub nick: String,
}

/// What `own:` pointers may name.
const OWN: [&str; 8] = ["/domain", "/node", "/key", "/sent", "/epoch", "/seq", "/here", "/nick"];

impl Own {
    fn get(&self, pointer: &str) -> Option<Value> {
        let text = match pointer {
            "/domain" => &self.domain,
            "/node" => &self.node,
            "/key" => &self.key,
            "/sent" => &self.sent,
            "/epoch" => &self.epoch,
            "/nick" => &self.nick,
            "/seq" => return Some(self.seq.into()),
            "/here" => return Some(self.here.into()),
            _ => return None,
        };
        Some(Value::String(text.clone()))
    }
}

/// Where pointers look.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The stanza.
    pub stanza: &'a Value,
    /// The answer; null before there is one.
    pub answer: &'a Value,
    /// The bridge.
    pub own: Option<&'a Own>,
    /// The item of the list that is being made.
    pub item: Option<&'a Value>,
}

impl Scope<'_> {
    /// The value at a pointer, through a filter. None: absent (null is absent too).
    #[must_use]
    pub fn look(&self, pointer: &str, filter: Option<Filter>) -> Option<Value> {
        let found = match (
            pointer.strip_prefix("answer:"),
            pointer.strip_prefix("own:"),
            pointer.strip_prefix('.'),
        ) {
            (Some(rest), _, _) => find(self.answer, rest)?.clone(),
            (_, Some(rest), _) => self.own?.get(rest)?,
            (_, _, Some(rest)) => find(self.item?, rest)?.clone(),
            _ => find(self.stanza, pointer)?.clone(),
        };
        match (found, filter) {
            (Value::Null, _) => None,
            (value, None) => Some(value),
            (value, Some(filter)) => filter.apply(value),
        }
    }

    /// Fills a template. None: it is absent.
    ///
    /// # Errors
    /// A text whose parts are absent.
    pub fn fill(&self, template: &Value) -> Result<Option<Value>, String> {
        match template {
            Value::Object(object) => match Special::of(object)? {
                Some(special) => self.special(&special),
                None => {
                    let mut out = Map::new();
                    for (name, inner) in object {
                        if let Some(value) = self.fill(inner)? {
                            out.insert(name.clone(), value);
                        }
                    }
                    Ok(Some(Value::Object(out)))
                }
            },
            Value::Array(items) => {
                let filled = items.iter().map(|item| self.fill(item)).collect::<Result<Vec<_>, _>>()?;
                Ok(Some(Value::Array(filled.into_iter().flatten().collect())))
            }
            other => Ok(Some(other.clone())),
        }
    }

    fn special(&self, special: &Special<'_>) -> Result<Option<Value>, String> {
        match special {
            Special::Value { pointer, filter, map, or, must } => {
                let found = self.look(pointer, *filter);
                let found = match (found, map) {
                    (Some(value), Some(map)) => {
                        let key = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                        map.get(&key).cloned()
                    }
                    (found, _) => found,
                };
                if let Some(kind) = must
                    && !found.as_ref().is_some_and(|value| kind.covers(value))
                {
                    return Err(format!("there is no {} at {pointer}", kind.as_str()));
                }
                match (found, or) {
                    // An empty text stands for nothing where there is something to stand in.
                    (Some(Value::String(text)), Some(or)) if text.is_empty() => self.fill(or),
                    (Some(value), _) => Ok(Some(value)),
                    (None, Some(or)) => self.fill(or),
                    (None, None) => Ok(None),
                }
            }
            Special::Text(text) => self.text(text, |part| part.to_owned()).map(|t| Some(Value::String(t))),
            Special::Each { pointer, to } => {
                let items = match self.look(pointer, None) {
                    None => return Ok(None),
                    Some(Value::Array(items)) => items,
                    Some(_) => return Err(format!("there is no list at {pointer}")),
                };
                let mut out = Vec::with_capacity(items.len());
                for item in &items {
                    out.extend(Scope { item: Some(item), ..*self }.fill(to)?);
                }
                Ok(Some(Value::Array(out)))
            }
        }
    }

    /// Fills `{pointer|filter}` in a text, each value through `escape`.
    ///
    /// # Errors
    /// When one is absent.
    pub fn text(&self, text: &str, escape: impl Fn(&str) -> String) -> Result<String, String> {
        let mut out = String::with_capacity(text.len() + 32);
        for part in parts(text)? {
            match part {
                Part::Plain(plain) => out.push_str(plain),
                Part::Value(pointer, filter) => match self.look(pointer, filter.or(Some(Filter::Text))) {
                    Some(Value::String(value)) => out.push_str(&escape(&value)),
                    _ => return Err(format!("there is nothing usable at {pointer}")),
                },
            }
        }
        Ok(out)
    }
}

/// An object that is a value.
enum Special<'a> {
    Value {
        pointer: &'a str,
        filter: Option<Filter>,
        map: Option<&'a Map<String, Value>>,
        or: Option<&'a Value>,
        must: Option<Kind>,
    },
    Text(&'a str),
    Each {
        pointer: &'a str,
        to: &'a Value,
    },
}

impl<'a> Special<'a> {
    fn of(object: &'a Map<String, Value>) -> Result<Option<Special<'a>>, String> {
        let Some(name) = object.keys().find(|k| k.starts_with('$')) else { return Ok(None) };
        let text = |name: &str| {
            object.get(name).and_then(Value::as_str).ok_or_else(|| format!("{name} must be a text"))
        };
        let only = |allowed: &[&str]| match object.keys().find(|k| !allowed.contains(&k.as_str())) {
            Some(other) => {
                Err(format!("{other} does not belong beside {name}, expected {}", allowed.join(", ")))
            }
            None => Ok(()),
        };
        Ok(Some(match name.as_str() {
            "$" => {
                only(&["$", "as", "map", "or", "must"])?;
                let filter = match object.get("as") {
                    None => None,
                    Some(_) => {
                        let name = text("as")?;
                        Some(Filter::named(name).ok_or_else(|| unknown_filter(name))?)
                    }
                };
                let map = match object.get("map") {
                    None => None,
                    Some(Value::Object(map)) => Some(map),
                    Some(_) => return Err("map must be an object".into()),
                };
                let must = match object.get("must") {
                    None => None,
                    Some(word) => Some(serde_json::from_value(word.clone()).map_err(|_| {
                        format!("{word} is no type, expected text, number, flag, list or object")
                    })?),
                };
                Special::Value { pointer: pointer(text("$")?)?, filter, map, or: object.get("or"), must }
            }
            "$text" => {
                only(&["$text"])?;
                Special::Text(text("$text")?)
            }
            "$each" => {
                only(&["$each", "to"])?;
                let to = object.get("to").ok_or("$each needs a `to`")?;
                Special::Each { pointer: pointer(text("$each")?)?, to }
            }
            other => return Err(format!("{other} is unknown, expected $, $text or $each")),
        }))
    }
}

enum Part<'a> {
    Plain(&'a str),
    Value(&'a str, Option<Filter>),
}

fn parts(text: &str) -> Result<Vec<Part<'_>>, String> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        out.push(Part::Plain(&rest[..open]));
        let inner = &rest[open + 1..];
        let close = inner.find('}').ok_or_else(|| format!("{{ without }} in {text}"))?;
        let (at, filter) = match inner[..close].split_once('|') {
            None => (&inner[..close], None),
            Some((at, name)) => (at, Some(Filter::named(name).ok_or_else(|| unknown_filter(name))?)),
        };
        out.push(Part::Value(pointer(at)?, filter));
        rest = &inner[close + 1..];
    }
    out.push(Part::Plain(rest));
    Ok(out)
}

fn unknown_filter(name: &str) -> String {
    format!("{name} is no filter, expected bare, node, name, resource, lower, text, footprint or item")
}

/// Checks a pointer and gives it back.
///
/// # Errors
/// What is wrong with it.
pub fn pointer(text: &str) -> Result<&str, String> {
    if let Some(own) = text.strip_prefix("own:") {
        return match OWN.contains(&own) {
            true => Ok(text),
            false => Err(format!("{text} is unknown, expected own: and one of {}", OWN.join(", "))),
        };
    }
    let inner = ["answer:", "."].iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or(text);
    if inner.is_empty() || inner.starts_with('/') {
        Ok(text)
    } else {
        Err(format!("{text} is no pointer, expected /a/b, answer:/a, own:/domain or ./a"))
    }
}

/// Checks a template without filling it.
///
/// # Errors
/// What is wrong with it.
pub fn check(template: &Value) -> Result<(), String> {
    match template {
        Value::Object(object) => match Special::of(object)? {
            Some(Special::Text(text)) => parts(text).map(drop),
            Some(Special::Each { to, .. }) => check(to),
            Some(Special::Value { or, .. }) => or.map_or(Ok(()), check),
            None => object
                .iter()
                .try_for_each(|(name, inner)| check(inner).map_err(|why| format!("{name}: {why}"))),
        },
        Value::Array(items) => items.iter().try_for_each(check),
        _ => Ok(()),
    }
}

/// Checks a path.
///
/// # Errors
/// What is wrong with it.
pub fn check_path(path: &str) -> Result<(), String> {
    if !path.starts_with('/') {
        return Err(format!("{path} does not begin with /"));
    }
    parts(path).map(drop)
}

/// A JSON pointer with `[key=value]` segments.
fn find<'a>(root: &'a Value, pointer: &str) -> Option<&'a Value> {
    let mut at = root;
    for segment in pointer.split('/').skip(1) {
        at = match (
            at,
            segment.strip_prefix('[').and_then(|s| s.strip_suffix(']')).and_then(|s| s.split_once('=')),
        ) {
            (Value::Array(items), Some((key, value))) => {
                items.iter().find(|item| item.get(key).and_then(Value::as_str) == Some(value))?
            }
            (Value::Array(items), None) => items.get(segment.parse::<usize>().ok()?)?,
            (Value::Object(object), _) => object.get(&segment.replace("~1", "/").replace("~0", "~"))?,
            _ => return None,
        };
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn templates_are_filled_and_what_is_absent_is_left_out() {
        let stanza = json!({"from": "Romeo@Example.org/x", "form": {"fields": [{"var": "a", "values": ["1"]}, {"var": "b", "values": ["2", "3"]}]}, "ask": "subscribe"});
        let answer = json!({"items": [{"user": "a@b", "name": "A"}, {"user": "c@d"}]});
        let own = Own { domain: "example.org".into(), ..Own::default() };
        let scope = Scope { stanza: &stanza, answer: &answer, own: Some(&own), item: None };
        let cases = [
            (json!({"$": "/from", "as": "bare"}), Some(json!("romeo@example.org"))),
            (json!({"$": "/from", "as": "resource"}), Some(json!("x"))),
            (json!({"$": "/form/fields/[var=b]/values/1"}), Some(json!("3"))),
            (json!({"$": "/nothing"}), None),
            (json!({"$": "/nothing", "or": 1}), Some(json!(1))),
            (json!({"$": "/ask", "map": {"subscribe": true}, "or": false}), Some(json!(true))),
            (
                json!({"a": {"$": "/nothing"}, "b": {"$text": "{/ask}@{own:/domain}"}}),
                Some(json!({"b": "subscribe@example.org"})),
            ),
            (
                json!({"$each": "answer:/items", "to": {"jid": {"$": "./user"}, "first": {"$": "./name"}}}),
                Some(json!([{"jid": "a@b", "first": "A"}, {"jid": "c@d"}])),
            ),
        ];
        for (template, expected) in cases {
            check(&template).expect("a template");
            assert_eq!(scope.fill(&template).expect("filled"), expected, "{template}");
        }
        assert!(scope.text("/v1/{/nothing}", str::to_owned).is_err());
    }

    #[test]
    fn what_is_wrong_with_a_template_is_named() {
        let cases = [
            (json!({"$": "from"}), "from is no pointer"),
            (json!({"$": "/a", "as": "upper"}), "upper is no filter"),
            (json!({"$": "/a", "then": 1}), "then does not belong"),
            (json!({"$text": "{/a"}), "{ without }"),
            (json!({"$each": "/a"}), "needs a `to`"),
            (json!({"x": {"$if": 1}}), "$if is unknown"),
            (json!({"$": "own:/domian"}), "own:/domian is unknown"),
            (json!({"$": "/a", "must": "string"}), "\"string\" is no type"),
        ];
        for (template, expected) in cases {
            let error = check(&template).expect_err("refused");
            assert!(error.contains(expected), "{template}: {error}");
        }
    }
}
