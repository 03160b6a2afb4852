//! The contract's fixtures against the reference platform; see `crates/im-api/fixtures/README.md`.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use serde_json::Value;

use crate::server::{Answer, agent, documented, read};
use crate::standalone::{Platform, configure, token};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../im-api/fixtures");

#[test]
fn every_fixture_holds_and_every_route_occurs_in_one() {
    let mut called = BTreeSet::new();
    let mut files: Vec<_> =
        std::fs::read_dir(FIXTURES).expect("fixtures").map(|e| e.expect("an entry").path()).collect();
    files.sort();
    for file in files.iter().filter(|f| f.extension().is_some_and(|e| e == "json")) {
        run(file, &mut called);
    }
    let missing: Vec<_> = im_platform::modules::routes()
        .filter(|r| !called.iter().any(|(method, path)| *method == r.method && fits(path, r.path)))
        .map(|r| format!("{} {}", r.method, r.path))
        .collect();
    assert!(missing.is_empty(), "no fixture has {missing:#?}");
}

fn fits(path: &str, template: &str) -> bool {
    let (path, template): (Vec<_>, Vec<_>) = (path.split('/').collect(), template.split('/').collect());
    path.len() == template.len() && path.iter().zip(template).all(|(p, t)| t.starts_with('{') || *p == t)
}

fn run(file: &Path, called: &mut BTreeSet<(String, String)>) {
    let folder = tempfile::tempdir().expect("a folder");
    let platform = Platform::start(&configure(folder.path(), ""));
    let fixture: Value = serde_json::from_slice(&std::fs::read(file).expect("read")).expect("JSON");
    let mut saved = HashMap::new();
    for (i, step) in fixture["steps"].as_array().expect("steps").iter().enumerate() {
        let step = fill(step, &saved);
        let at = format!("{} step {i}: {}", file.display(), step["call"]);
        let (method, target) = step["call"].as_str().and_then(|c| c.split_once(' ')).expect("a call");
        called.insert((method.into(), target.split('?').next().unwrap_or_default().into()));
        let answer = call(&platform, method, target, &step);
        assert_eq!(Some(u64::from(answer.status)), step["status"].as_u64(), "{at}: {answer:?}");
        if let Some(expected) = step.get("answer") {
            assert!(holds(expected, &answer.body), "{at}:\nexpected {expected}\ngot      {}", answer.body);
        }
        for (name, pointer) in step["save"].as_object().into_iter().flatten() {
            let value = answer.body.pointer(pointer.as_str().expect("a pointer")).expect("a value");
            saved.insert(name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
    }
}

fn call(platform: &Platform, method: &str, target: &str, step: &Value) -> Answer {
    let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{target}", platform.base));
    let scope = step["scope"].as_str().unwrap_or("bridge");
    if scope != "none" {
        request = request.header("authorization", format!("Bearer {}", token(scope)));
    }
    for (name, value) in step["headers"].as_object().into_iter().flatten() {
        request = request.header(name, value.as_str().expect("a text"));
    }
    let body = match (step.get("body"), step["raw"].as_str()) {
        (Some(body), _) => Some(("application/json", body.to_string())),
        (_, Some(raw)) => Some((step["type"].as_str().expect("a type"), raw.to_owned())),
        _ => None,
    };
    let answer = match body {
        Some((kind, body)) => {
            agent().run(request.header("content-type", kind).body(body).expect("a request"))
        }
        None => agent().run(request.body(()).expect("a request")),
    };
    let answer = read(answer.expect("an answer")).expect("a body");
    documented(method, target, answer.status);
    answer
}

/// Puts saved values in, everywhere.
fn fill(value: &Value, saved: &HashMap<String, String>) -> Value {
    match value {
        Value::String(text) => Value::String(
            saved.iter().fold(text.clone(), |t, (name, v)| t.replace(&format!("{{{name}}}"), v)),
        ),
        Value::Array(items) => items.iter().map(|v| fill(v, saved)).collect(),
        Value::Object(map) => map.iter().map(|(k, v)| (k.clone(), fill(v, saved))).collect(),
        other => other.clone(),
    }
}

fn holds(expected: &Value, got: &Value) -> bool {
    match (expected, got) {
        (Value::String(any), _) if any == "$any" => true,
        (Value::Object(expected), Value::Object(got)) => {
            expected.iter().all(|(name, value)| got.get(name).is_some_and(|g| holds(value, g)))
        }
        (Value::Array(expected), Value::Array(got)) => {
            expected.len() == got.len() && expected.iter().zip(got).all(|(e, g)| holds(e, g))
        }
        _ => expected == got,
    }
}
