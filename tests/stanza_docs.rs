//! The generated pages: `docs/stanza-json.md` and `docs/stanza.schema.json` are what the table says, and every case obeys the schema.
//!
//! `UPDATE=1 cargo test --test stanza_docs` rewrites both.

#[path = "stanza/support.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use cloudbridge::stanza::errors;
use cloudbridge::stanza::json::table::{self, Also, Many, Object, Row, Shape, Type};
use cloudbridge::stanza::json::{Options, schema};
use serde_json::Value;
use support::{Case, cases, encoded};

fn fresh(path: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, text).expect("written");
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == text, "{} is stale: UPDATE=1 cargo test --test stanza_docs", path.display());
}

#[test]
fn the_schema_is_what_the_table_says() {
    fresh("docs/stanza.schema.json", &schema::schema());
}

#[test]
fn every_case_obeys_the_schema() {
    let schema: Value = serde_json::from_str(&schema::schema()).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    for case in cases() {
        for options in [
            Options::default(),
            Options { secrets: true, ..Options::default() },
            Options { secrets: true, whitespace: true, order: true },
        ] {
            let value: Value = serde_json::from_str(&encoded(&case.stanza(), options)).expect("JSON");
            if let Err(error) = validator.validate(&value) {
                panic!("{case}: {error} at {}\n{value}", error.instance_path());
            }
        }
    }
}

#[test]
fn the_schema_refuses_what_strict_mode_refuses() {
    let schema: Value = serde_json::from_str(&schema::schema()).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    for bad in [
        r#"{"kind":"message","bdy":"x"}"#,
        r#"{"kind":"stream"}"#,
        r#"{"kind":"presence","priority":"5"}"#,
        r#"{"kind":"iq","ping":{}}"#,
        r#"{"body":["x"]}"#,
        r#"{"rest":[{"ns":"x"}]}"#,
    ] {
        assert!(!validator.is_valid(&serde_json::from_str(bad).expect("JSON")), "{bad}");
    }
}

#[test]
fn the_page_is_what_the_table_says() {
    fresh("docs/stanza-json.md", &page());
}

fn page() -> String {
    let mut page = include_str!("stanza/intro.md").to_owned();
    let cases = cases();
    let examples = examples(&cases);
    let _ = write!(page, "\n## The stanza\n\nKeys of the stanza itself:\n\n");
    page.push_str("| key | is | example |\n|---|---|---|\n| `kind` | the element: `message`, `presence` or `iq` | `\"message\"` |\n");
    for attr in table::MESSAGE.attrs {
        let ty = if attr.key == "type" {
            "the type of that kind of stanza".to_owned()
        } else {
            type_name(attr.ty)
        };
        let _ = writeln!(
            page,
            "| `{}` | {ty} | {} |",
            attr.key,
            code(&examples[&format!("message@{}", attr.key)])
        );
    }
    let mut queue: Vec<&'static Object> = Vec::new();
    let groups = [
        ("In messages", table::message::ROWS),
        ("In presences", table::presence::ROWS),
        ("Errors", table::MESSAGE.groups[2]),
        ("Archives and paging", table::archive::ROWS),
        ("Rooms", table::muc::ROWS),
        ("In IQs", table::iq::ROWS),
        ("Forms", table::form::ROWS),
        ("Publish-subscribe", table::pubsub::ROWS),
        ("Payloads, in items and directly", table::pep::ROWS),
        ("vCards", table::vcard::ROWS),
    ];
    for (title, rows) in groups {
        let _ = write!(page, "\n## {title}\n");
        for row in rows {
            let _ = write!(
                page,
                "\n### `{}`\n\n{}. {}. Source: {}.\n",
                row.key,
                row.doc,
                described(row),
                row.source
            );
            if let Some(case) = shortest(&cases, row.key) {
                let _ = write!(page, "\n```xml\n{}\n```\n```json\n{}\n```\n", case.xml, case.json);
            }
            inner(row, &mut queue);
        }
    }
    page.push_str(
        "\n## Objects\n\nWhat the objects above may hold. Each may also hold `a`, `rest` and `order`.\n",
    );
    let mut done: BTreeSet<&str> = ["message", "presence", "iq"].into();
    let mut at = 0;
    while at < queue.len() {
        let object = queue[at];
        at += 1;
        if done.insert(object.name) {
            describe(object, &examples, &mut page);
            object.all_rows().for_each(|row| inner(row, &mut queue));
        }
    }
    page.push_str(
        "\n## HTTP status and stanza error\n\nBoth ways, from `src/stanza/errors.rs`. A time to wait in the answer (Retry-After) makes any of them `wait`.\n\n\
         | status | condition | type | from a stanza error too |\n|---|---|---|---|\n",
    );
    for line in errors::TABLE {
        let back = if line.back { "yes" } else { "" };
        let _ = writeln!(page, "| {} | {} | {} | {back} |", line.status, line.condition, line.kind.as_str());
    }
    page
}

fn describe(object: &'static Object, examples: &BTreeMap<String, String>, page: &mut String) {
    let _ = write!(
        page,
        "\n### Object {}\n\n| key | from | is | what | source | example |\n|---|---|---|---|---|---|\n",
        object.name
    );
    let example = |key: String| examples.get(&key).map(|e| code(e)).unwrap_or_default();
    if !object.name_key.is_empty() {
        let _ = writeln!(page, "| `{}` | the element's name | string | | | |", object.name_key);
    }
    for attr in object.attrs {
        let name = if attr.ns.is_empty() { attr.name.to_owned() } else { format!("xml:{}", attr.name) };
        let masked = if attr.secret { ", masked" } else { "" };
        let example = example(format!("{}@{}", object.name, attr.key));
        let _ = writeln!(
            page,
            "| `{}` | attribute {name} | {}{masked} | | | {example} |",
            attr.key,
            type_name(attr.ty)
        );
    }
    if let Some((key, ty)) = object.text {
        let example = example(format!("{}#{key}", object.name));
        let _ = writeln!(page, "| `{key}` | its text | {} | | | {example} |", type_name(ty));
    }
    for row in object.all_rows() {
        let from = match row.names {
            [] => "any other element".to_owned(),
            names => names.iter().take(3).map(|n| format!("&lt;{n}/>")).collect::<Vec<_>>().join(" "),
        };
        let more = if row.names.len() > 3 { " ..." } else { "" };
        let example = example(format!("{}.{}", object.name, row.key));
        let _ = writeln!(
            page,
            "| `{}` | {from}{more} | {} | {} | {} | {example} |",
            row.key,
            value_name(row),
            row.doc,
            row.source
        );
    }
}

fn inner(row: &Row, queue: &mut Vec<&'static Object>) {
    match row.shape {
        Shape::Object(object) => queue.push(object),
        Shape::Wrap(row) => inner(row, queue),
        _ => {}
    }
}

/// Element and value of a row in words.
fn described(row: &Row) -> String {
    let names: Vec<_> = row.names.iter().map(|name| format!("`<{name}/>`")).collect();
    format!("Element {} in `{}`; {}", names.join(", "), row.ns, value_name(row))
}

fn value_name(row: &Row) -> String {
    let one = match row.shape {
        Shape::Flag => "true".to_owned(),
        Shape::Text(ty) => type_name(ty),
        Shape::Attr(attr, ty) => format!("its attribute {attr}: {}", type_name(ty)),
        Shape::Name(Also::Nothing) => "the element's name".to_owned(),
        Shape::Name(Also::Text(key) | Also::Name(key)) => {
            format!("the element's name; what is in it: `{key}`")
        }
        Shape::Object(object) => format!("object {}", object.name),
        Shape::Wrap(inner) => format!("list of what is in it: {}", value_name(inner)),
        Shape::Json => "any JSON".to_owned(),
        Shape::Tree => "tree".to_owned(),
    };
    let many = match row.many {
        Many::One => one,
        Many::List => format!("list: {one}"),
        Many::Langs => format!("by language: {one}"),
    };
    if row.secret { format!("{many}, masked") } else { many }
}

fn type_name(ty: Type) -> String {
    match ty {
        Type::Text => "string".to_owned(),
        Type::Jid => "JID".to_owned(),
        Type::Time => "time".to_owned(),
        Type::Int => "integer".to_owned(),
        Type::Decimal => "number".to_owned(),
        Type::Bool => "boolean".to_owned(),
        Type::Enum(words) => words.join(", "),
    }
}

/// The shortest case that shows the key with something in it, if there is one.
fn shortest<'a>(cases: &'a [Case], key: &str) -> Option<&'a Case> {
    let rank = |case: &Case| {
        let value: Value = serde_json::from_str(&case.json).expect("JSON");
        value
            .get(key)
            .map(|v| (v.to_string().len() < 8 || v.to_string().starts_with("{\"\""), case.json.len()))
    };
    let ranked = cases.iter().filter(|case| case.typed).filter_map(|case| Some((rank(case)?, case)));
    ranked.min_by_key(|(rank, _)| *rank).map(|(_, case)| case)
}

/// For every key of every object the shortest value that a case holds.
fn examples(cases: &[Case]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for case in cases.iter().filter(|case| case.typed) {
        let value: Value = serde_json::from_str(&case.json).expect("JSON");
        visit(&value, stanza_object(&value), &mut found);
    }
    found
}

fn stanza_object(value: &Value) -> &'static Object {
    match value["kind"].as_str() {
        Some("presence") => &table::PRESENCE,
        Some("iq") => &table::IQ,
        _ => &table::MESSAGE,
    }
}

fn visit(value: &Value, object: &'static Object, found: &mut BTreeMap<String, String>) {
    for (key, value) in value.as_object().into_iter().flatten() {
        let mut note = |name: String| {
            let text = value.to_string();
            let better = found.get(&name).is_none_or(|before| {
                let rank = |t: &str| (t.len() < 5, t.len());
                rank(&text) < rank(before)
            });
            if better {
                found.insert(name, text);
            }
        };
        if object.attrs.iter().any(|a| a.key == key) {
            note(format!("{}@{key}", object.name));
        }
        if object.text.is_some_and(|(text, _)| text == key) {
            note(format!("{}#{key}", object.name));
        }
        if let Some(row) = object.all_rows().find(|row| row.key == key) {
            note(format!("{}.{key}", object.name));
            into(row, value, found);
        }
    }
}

fn into(row: &Row, value: &Value, found: &mut BTreeMap<String, String>) {
    match (row.shape, value) {
        (Shape::Wrap(inner), Value::Array(items)) => items.iter().for_each(|item| into(inner, item, found)),
        (Shape::Object(_), Value::Array(items)) => items.iter().for_each(|item| into(row, item, found)),
        (Shape::Object(_), Value::Object(_)) if row.key == "stanza" => {
            visit(value, stanza_object(value), found)
        }
        (Shape::Object(object), Value::Object(_)) => visit(value, object, found),
        _ => {}
    }
}

/// In a cell of a Markdown table.
fn code(text: &str) -> String {
    let short: String = match text.chars().count() {
        0..=60 => text.to_owned(),
        _ => text.chars().take(58).chain(['…']).collect(),
    };
    format!("`{}`", short.replace('|', "\\|"))
}
