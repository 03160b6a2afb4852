//! Who is named in JSON: so that what is kept for a while (announcements, remembered answers) goes or is rewritten when one of them is erased.
//! A name is a string that is an address as a whole; an address inside a sentence is not found.

use std::collections::BTreeSet;

use im_api::event::Event;
use serde::Deserialize;
use serde_json::Value;

use crate::jid::{Jid, UserId};

/// Longer strings are no addresses (RFC 7622: three parts of 1,023 bytes).
const LONGEST: usize = 3_071;

/// The users that a JSON text names, without `subject`.
pub fn named(json: &str, subject: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    // Almost every text without this sign is told apart here.
    if json.contains('@') {
        collect(&serde_json::from_str(json).unwrap_or_default(), &mut found);
        found.remove(subject);
    }
    found
}

fn collect(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => found.extend(address(text)),
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn address(text: &str) -> Option<String> {
    let possible = text.len() <= LONGEST && text.contains('@');
    let jid = possible.then(|| Jid::new(text).ok())??;
    UserId::of(&jid).map(|user| user.to_string())
}

/// The JSON without the items of lists that name this user; None when it is named outside a list, so that nothing is left to say.
pub fn without(json: &str, user: &str) -> Option<String> {
    let mut value: Value = serde_json::from_str(json).ok()?;
    (!strip(&mut value, user)).then(|| value.to_string())
}

/// Strips lists; true when the value itself names the user.
fn strip(value: &mut Value, user: &str) -> bool {
    match value {
        Value::String(text) => address(text).is_some_and(|found| found == user),
        Value::Array(items) => {
            items.retain_mut(|item| !strip(item, user));
            false
        }
        Value::Object(fields) => fields.values_mut().any(|field| strip(field, user)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The users that an event names: its subject, and its stanza's sender and recipient.
pub fn of_event(event: &Event) -> Vec<String> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Stanza {
        from: String,
        to: String,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Data {
        stanza: Stanza,
    }
    let data: Data = serde_json::from_str(event.data.get()).unwrap_or_default();
    let named = [event.subject.clone().unwrap_or_default(), data.stanza.from, data.stanza.to];
    let jids = named.iter().filter_map(|text| Jid::new(text).ok());
    jids.filter_map(|jid| UserId::of(&jid)).map(|user| user.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_wherever_they_stand_and_sentences_are_not() {
        let json = r#"{"user":"romeo@example.org","members":[{"user":"juliet@example.org/balcony"}],
            "text":"write to nurse@example.org please","n":1}"#;
        let found: Vec<String> = named(json, "romeo@example.org").into_iter().collect();
        assert_eq!(found, ["juliet@example.org"]);
        assert!(named("{}", "x").is_empty() && named("not JSON @", "x").is_empty());
    }

    #[test]
    fn a_list_loses_its_item_and_anything_else_goes() {
        let group = r#"{"id":"g","members":[{"user":"juliet@example.org"},{"user":"romeo@example.org"}]}"#;
        assert_eq!(
            without(group, "juliet@example.org").as_deref(),
            Some(r#"{"id":"g","members":[{"user":"romeo@example.org"}]}"#)
        );
        assert_eq!(without(r#"{"user":"juliet@example.org/x","role":"owner"}"#, "juliet@example.org"), None);
    }
}
