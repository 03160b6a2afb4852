//! The corpus: every case there and back, typed means typed, every row of the table met.
//!
//! `UPDATE=1 cargo test --test stanza_corpus` rewrites the expected JSON; look at the difference before committing it.

#[path = "stanza/oracle.rs"]
mod oracle;
#[path = "stanza/support.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};

use cloudbridge::stanza::json::table::{self, Object, Row, Shape};
use cloudbridge::stanza::json::{self, Mode, Options};
use cloudbridge::stanza::{Limits, Node, Stanza, canonical, canonical_exact};
use serde_json::Value;
use serde_json::value::RawValue;
use support::{Case, cases, encoded};

const SHOWN: Options = Options { secrets: true, whitespace: false, order: false };
const EXACT: Options = Options { secrets: true, whitespace: true, order: false };
const ORDERED: Options = Options { secrets: true, whitespace: false, order: true };

#[test]
fn each_case_becomes_the_json_it_says() {
    if std::env::var_os("UPDATE").is_some() {
        support::update();
    }
    for case in cases() {
        assert_eq!(encoded(&case.stanza(), SHOWN), case.json, "{case}");
    }
}

#[test]
fn each_case_comes_back_the_same() {
    for case in cases() {
        there_and_back(&case.to_string(), &case.stanza());
    }
}

#[test]
fn quick_xml_reads_the_same_in_each_case() {
    for case in cases() {
        let theirs = oracle::canonical_exact(&case.xml).unwrap_or_else(|e| panic!("{case}: {e}"));
        assert_eq!(canonical_exact(&case.stanza()), theirs, "{case}");
    }
}

/// XML, stanza, JSON, stanza, XML, stanza: the same everywhere; and `order` makes it independent of the order of keys.
fn there_and_back(name: &str, stanza: &Stanza) {
    let json = encoded(stanza, SHOWN);
    let back = json::decode(json.as_bytes(), Mode::Strict).unwrap_or_else(|e| panic!("{name}: {e}\n{json}"));
    assert_eq!(canonical(stanza), canonical(&back), "{name}\n{json}");
    let json = encoded(stanza, EXACT);
    let back = json::decode(json.as_bytes(), Mode::Strict).unwrap_or_else(|e| panic!("{name}: {e}\n{json}"));
    assert_eq!(canonical_exact(stanza), canonical_exact(&back), "{name}\n{json}");
    let again = Stanza::parse(back.to_xml_string().as_bytes(), &Limits::default()).expect("what we write");
    assert_eq!(canonical_exact(stanza), canonical_exact(&again), "{name}");
    // A store that sorts keys.
    let sorted = sorted(&encoded(stanza, ORDERED));
    let back =
        json::decode(sorted.as_bytes(), Mode::Strict).unwrap_or_else(|e| panic!("{name}: {e}\n{sorted}"));
    assert_eq!(canonical(stanza), canonical(&back), "{name}: sorted keys\n{sorted}");
}

/// The JSON with the members of every object sorted, payloads of JSON left alone.
fn sorted(json: &str) -> String {
    if json.starts_with('{') {
        let members: BTreeMap<String, &RawValue> = serde_json::from_str(json).expect("an object");
        let members = members.iter().map(|(key, value)| {
            let payload = ["data", "json"].contains(&key.as_str()) && !value.get().starts_with("[{\"n\"");
            format!(
                "{}:{}",
                Value::from(key.as_str()),
                if payload { value.get().to_owned() } else { sorted(value.get()) }
            )
        });
        return format!("{{{}}}", members.collect::<Vec<_>>().join(","));
    }
    if json.starts_with('[') {
        let items: Vec<&RawValue> = serde_json::from_str(json).expect("a list");
        return format!("[{}]", items.iter().map(|item| sorted(item.get())).collect::<Vec<_>>().join(","));
    }
    json.to_owned()
}

#[test]
fn white_space_for_people_changes_nothing_and_is_kept_when_asked() {
    for case in cases() {
        let stanza = case.stanza();
        let mut pretty = String::new();
        spread(stanza.root(), &mut pretty);
        let spread = Stanza::parse(pretty.as_bytes(), &Limits::default())
            .unwrap_or_else(|e| panic!("{case}: {e}\n{pretty}"));
        assert_eq!(canonical(&stanza), canonical(&spread), "{case}");
        there_and_back(&case.to_string(), &spread);
        if case.typed && !case.json.contains("\"n\":") {
            assert_eq!(encoded(&spread, SHOWN), case.json, "{case}");
        }
    }
}

/// Writes the stanza with a line end before each child of an element that holds elements only.
fn spread(root: cloudbridge::stanza::Element<'_>, out: &mut String) {
    fn escape(text: &str) -> String {
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('"', "&quot;")
            .replace('\r', "&#13;")
    }
    fn element(e: cloudbridge::stanza::Element<'_>, depth: usize, out: &mut String) {
        let only_elements = e.children().all(|c| matches!(c, Node::Element(_)));
        let is_xml = e.ns() == cloudbridge::stanza::XML_NS;
        let name = format!("{}{}", if is_xml { "xml:" } else { "" }, e.name());
        out.push_str(&format!("<{name}"));
        if !is_xml {
            out.push_str(&format!(" xmlns=\"{}\"", escape(e.ns())));
        }
        for (at, attr) in e.attrs().enumerate() {
            let value = escape(attr.value).replace('\n', "&#10;").replace('\t', "&#9;");
            match attr.ns {
                "" => out.push_str(&format!(" {}=\"{value}\"", attr.name)),
                cloudbridge::stanza::XML_NS => out.push_str(&format!(" xml:{}='{value}'", attr.name)),
                ns => out.push_str(&format!(" p{at}:{}=\"{value}\" xmlns:p{at}='{}'", attr.name, escape(ns))),
            }
        }
        out.push('>');
        let mut any = false;
        for child in e.children() {
            match child {
                Node::Text(text) => out.push_str(&escape(text)),
                Node::Element(child) => {
                    any = true;
                    if only_elements {
                        out.push_str(&format!("\n{:1$}", "", depth * 2));
                    }
                    element(child, depth + 1, out);
                }
            }
        }
        if any && only_elements {
            out.push('\n');
        }
        out.push_str(&format!("</{name}>"));
    }
    element(root, 1, out);
}

#[test]
fn typed_means_typed() {
    for case in cases() {
        let value: Value = serde_json::from_str(&encoded(&case.stanza(), SHOWN)).expect("JSON");
        let left = leftovers(&value);
        match case.typed {
            _ if case.foreign => {}
            true => assert!(left.is_empty(), "{case}: no key for {left:?}\n{value}"),
            false => assert!(!left.is_empty(), "{case}: everything is typed, so it should be marked =="),
        }
    }
}

/// What stands in `rest` and `a`, trees that a row asks for left aside.
fn leftovers(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().flat_map(leftovers).collect(),
        Value::Object(members)
            if members.contains_key("n")
                && members.keys().all(|k| ["n", "ns", "a", "c"].contains(&k.as_str())) =>
        {
            Vec::new()
        }
        Value::Object(members) => members
            .iter()
            .flat_map(|(key, value)| match key.as_str() {
                "rest" | "a" => vec![value.to_string()],
                "data" | "json" => Vec::new(),
                _ => leftovers(value),
            })
            .collect(),
        _ => Vec::new(),
    }
}

#[test]
fn every_row_and_every_attribute_of_the_table_is_met_by_a_typed_case() {
    let mut met = BTreeSet::new();
    for case in cases().iter().filter(|c| c.typed) {
        let value: Value = serde_json::from_str(&case.json).expect("JSON");
        visit(&value, stanza_object(&value), &mut met);
    }
    let mut all = BTreeSet::new();
    for root in [&table::MESSAGE, &table::PRESENCE, &table::IQ] {
        collect(root, &mut all, &mut BTreeSet::new());
    }
    let missing: Vec<_> = all.difference(&met).collect();
    assert!(missing.is_empty(), "no typed case for {} of {}:\n{missing:#?}", missing.len(), all.len());
}

fn stanza_object(value: &Value) -> &'static Object {
    match value["kind"].as_str() {
        Some("presence") => &table::PRESENCE,
        Some("iq") => &table::IQ,
        _ => &table::MESSAGE,
    }
}

/// The three stanza objects share their rows: what one meets counts for all.
fn name(object: &Object) -> &'static str {
    if ["message", "presence", "iq"].contains(&object.name) { "stanza" } else { object.name }
}

fn collect(object: &'static Object, all: &mut BTreeSet<String>, seen: &mut BTreeSet<&'static str>) {
    if !seen.insert(object.name) {
        return;
    }
    for attr in object.attrs {
        all.insert(format!("{}@{}", name(object), attr.key));
    }
    if let Some((key, _)) = object.text {
        all.insert(format!("{}#{key}", name(object)));
    }
    for row in object.all_rows() {
        all.insert(format!("{}.{}", name(object), row.key));
        let mut shape = row.shape;
        while let Shape::Wrap(inner) = shape {
            shape = inner.shape;
        }
        if let Shape::Object(inner) = shape {
            collect(inner, all, seen);
        }
    }
}

fn visit(value: &Value, object: &'static Object, met: &mut BTreeSet<String>) {
    let Some(members) = value.as_object() else { return };
    for (key, value) in members {
        if object.attrs.iter().any(|a| a.key == key) {
            met.insert(format!("{}@{key}", name(object)));
        }
        if object.text.is_some_and(|(text, _)| text == key) {
            met.insert(format!("{}#{key}", name(object)));
        }
        if let Some(row) = object.all_rows().find(|row| row.key == key) {
            met.insert(format!("{}.{key}", name(object)));
            into(row, value, met);
        }
    }
}

fn into(row: &Row, value: &Value, met: &mut BTreeSet<String>) {
    match (row.shape, value) {
        (Shape::Wrap(inner), Value::Array(items)) => items.iter().for_each(|item| into(inner, item, met)),
        (Shape::Object(_), Value::Array(items)) => items.iter().for_each(|item| into(row, item, met)),
        (Shape::Object(_), Value::Object(_)) if row.key == "stanza" => {
            visit(value, stanza_object(value), met)
        }
        (Shape::Object(object), Value::Object(_)) => visit(value, object, met),
        _ => {}
    }
}

#[test]
fn passwords_are_masked_unless_asked() {
    const CANARY: &str = "c4n4ry";
    let mut masked = 0;
    for case in cases() {
        let shown = case.json.matches(CANARY).count();
        let hidden = encoded(&case.stanza(), Options::default());
        assert_eq!(hidden.matches(CANARY).count(), 0, "{case}");
        assert!(serde_json::from_str::<Value>(&hidden).is_ok(), "{case}: {hidden}");
        if shown > 0 {
            masked += 1;
            assert!(
                json::decode(hidden.as_bytes(), Mode::Strict).is_err(),
                "{case}: null must not become a password"
            );
            json::decode(hidden.as_bytes(), Mode::Lenient)
                .unwrap_or_else(|e| panic!("{case}: {e}\n{hidden}"));
        }
    }
    assert!(masked >= 15, "only {masked} cases hold a password");
}

#[test]
fn what_two_client_libraries_make_goes_through_unchanged() {
    for library in ["library-smack", "library-slixmpp"] {
        let made: Vec<Case> = cases().into_iter().filter(|case| case.file == library).collect();
        assert!(made.len() >= 60, "{library}: {} stanzas", made.len());
        for case in made {
            let stanza = case.stanza();
            let back =
                json::decode(case.json.as_bytes(), Mode::Strict).unwrap_or_else(|e| panic!("{case}: {e}"));
            assert_eq!(canonical(&stanza), canonical(&back), "{case}");
        }
    }
}

#[test]
fn there_are_several_hundred_cases_and_their_titles_are_unique() {
    let cases: Vec<Case> = cases();
    let titles: BTreeSet<_> = cases.iter().map(ToString::to_string).collect();
    assert_eq!(titles.len(), cases.len());
    assert!(cases.len() >= 300, "{} cases", cases.len());
}
