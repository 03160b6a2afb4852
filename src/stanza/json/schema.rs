//! JSON Schema (2020-12) of stanza JSON, from the table: `docs/stanza.schema.json`.
//!
//! It says what the decoder accepts in strict mode, masked values (null) included. Leaves out what a schema cannot say well: that a JID is one, that a
//! companion key needs its partner, that a tree under a key is the element that the key stands for.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::VERSION;
use super::table::{self, Also, Many, Object, Row, Shape, Type};

/// The schema, indented, with a line end at its end.
#[must_use]
pub fn schema() -> String {
    let mut found = Found::default();
    for object in [&table::MESSAGE, &table::PRESENCE, &table::IQ] {
        found.names.entry(object.name).or_default().insert(object.name);
        found.object(object, false);
    }
    let mut definitions: Map<String, Value> =
        found.objects.iter().map(|(name, object)| ((*name).to_owned(), found.definition(object))).collect();
    definitions.insert("tree".to_owned(), tree());
    let kinds = ["message", "presence", "iq"].map(|kind| json!({ "$ref": format!("#/$defs/{kind}") }));
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("urn:cloudbridge:stanza:{VERSION}"),
        "title": "Stanza JSON",
        "description": "Any XMPP stanza as JSON, losing nothing. See stanza-json.md.",
        "oneOf": kinds,
        "$defs": definitions,
    });
    serde_json::to_string_pretty(&schema).unwrap_or_default() + "\n"
}

/// What can be reached from a stanza.
#[derive(Default)]
struct Found {
    objects: BTreeMap<&'static str, &'static Object>,
    /// Element names by which an object's elements go.
    names: BTreeMap<&'static str, BTreeSet<&'static str>>,
    /// Objects inside something that may be masked.
    masked: BTreeSet<&'static str>,
}

impl Found {
    fn object(&mut self, object: &'static Object, masked: bool) {
        let new = self.objects.insert(object.name, object).is_none();
        let newly_masked = masked && self.masked.insert(object.name);
        if new || newly_masked {
            for row in object.all_rows() {
                self.row(row, masked || object.field || row.secret);
            }
        }
    }

    fn row(&mut self, row: &'static Row, masked: bool) {
        match row.shape {
            Shape::Object(inner) => {
                self.names.entry(inner.name).or_default().extend(row.names);
                self.object(inner, masked);
            }
            Shape::Wrap(inner) => self.row(inner, masked || inner.secret),
            _ => {}
        }
    }

    fn definition(&self, object: &Object) -> Value {
        let masked = self.masked.contains(object.name);
        let mut properties = Map::new();
        let mut required = Vec::new();
        if !object.name_key.is_empty() {
            let names: Vec<_> = self.names.get(object.name).into_iter().flatten().collect();
            properties.insert(object.name_key.to_owned(), json!({ "enum": names }));
            // Without a kind it is a message.
            if object.name != table::MESSAGE.name {
                required.push(object.name_key);
            }
        }
        for attr in object.attrs {
            properties.insert(attr.key.to_owned(), nullable(of_type(attr.ty), masked || attr.secret));
        }
        if let Some((key, ty)) = object.text {
            properties.insert(key.to_owned(), nullable(of_type(ty), masked));
        }
        for row in object.all_rows() {
            let value = many(row, masked || object.field);
            match properties.get_mut(row.key) {
                None => drop(properties.insert(row.key.to_owned(), value)),
                Some(before) => match before.get_mut("anyOf").and_then(Value::as_array_mut) {
                    Some(choices) => choices.push(value),
                    None => *before = json!({ "anyOf": [before.clone(), value] }),
                },
            }
            if let Shape::Name(Also::Text(key) | Also::Name(key)) = row.shape {
                properties.insert(key.to_owned(), json!({ "type": "string" }));
            }
        }
        if table::STANZA_ROWS.as_ptr() == object.groups.as_ptr() {
            properties.insert("v".to_owned(), json!({ "const": 1 }));
        }
        properties.insert("a".to_owned(), attributes());
        properties.insert("rest".to_owned(), json!({ "type": "array", "items": content() }));
        properties.insert("order".to_owned(), json!({ "type": "array", "items": { "type": "string" } }));
        let mut definition =
            json!({ "type": "object", "properties": properties, "additionalProperties": false });
        if !required.is_empty() {
            definition["required"] = required.into();
        }
        definition
    }
}

fn many(row: &Row, masked: bool) -> Value {
    let masked = masked || row.secret;
    let mut value = match row.many {
        Many::One => one(row, masked),
        Many::List => json!({ "type": "array", "items": one(row, masked) }),
        Many::Langs => {
            json!({ "type": "object", "additionalProperties": one(row, masked), "maxProperties": super::MOST_LANGUAGES })
        }
    };
    if let Some(value) = value.as_object_mut()
        && !row.doc.is_empty()
    {
        value.insert("description".to_owned(), format!("{} ({})", row.doc, row.source).into());
    }
    value
}

fn one(row: &Row, masked: bool) -> Value {
    match row.shape {
        Shape::Flag => json!({ "const": true }),
        Shape::Text(ty) | Shape::Attr(_, ty) => nullable(of_type(ty), masked),
        Shape::Name(_) if row.names.is_empty() => json!({ "type": "string", "minLength": 1 }),
        Shape::Name(_) => json!({ "enum": row.names }),
        Shape::Object(object) => json!({ "$ref": format!("#/$defs/{}", object.name) }),
        Shape::Wrap(inner) => json!({ "type": "array", "items": one(inner, masked || inner.secret) }),
        Shape::Json => json!({}),
        Shape::Tree => json!({ "$ref": "#/$defs/tree" }),
    }
}

fn of_type(ty: Type) -> Value {
    match ty {
        Type::Text | Type::Jid => json!({ "type": "string" }),
        Type::Time => json!({ "type": "string", "description": "XEP-0082 date and time" }),
        Type::Int => json!({ "type": "integer" }),
        Type::Decimal => json!({ "type": "number" }),
        Type::Bool => json!({ "enum": [true, false, 1, 0] }),
        Type::Enum(words) => json!({ "enum": words }),
    }
}

fn nullable(schema: Value, masked: bool) -> Value {
    if masked { json!({ "anyOf": [schema, { "type": "null" }] }) } else { schema }
}

fn attributes() -> Value {
    json!({ "type": "object", "additionalProperties": { "type": ["string", "null"] } })
}

fn content() -> Value {
    json!({ "anyOf": [{ "type": ["string", "null"] }, { "$ref": "#/$defs/tree" }] })
}

fn tree() -> Value {
    json!({
        "type": "object",
        "description": "Any element: name, namespace (absent = that of the element around it), attributes, children",
        "properties": {
            "n": { "type": "string", "minLength": 1 },
            "ns": { "type": "string" },
            "a": attributes(),
            "c": { "type": "array", "items": content() },
        },
        "required": ["n"],
        "additionalProperties": false,
    })
}
