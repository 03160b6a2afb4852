//! The rows of the built-in modules, case by case (`src/modules/<module>/cases/<row>.json`): stanza in, request out, answer in, what follows.

use std::path::{Path, PathBuf};

use cloudbridge::mapping::{Outcome, Own, Registry, Response, Source, value};
use cloudbridge::stanza::{Limits, Stanza, canonical};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    title: String,
    stanza: String,
    #[serde(default)]
    source: Source,
    /// Null: the stanza is not this row's.
    #[serde(default = "this_row")]
    row: Option<bool>,
    #[serde(default)]
    request: Option<Value>,
    #[serde(default)]
    response: Option<Answer>,
    outcome: Value,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    status: u16,
    body: Value,
}

fn this_row() -> Option<bool> {
    Some(true)
}

fn registry() -> Registry {
    let (registry, wrong) = Registry::built_in();
    assert!(wrong.is_empty(), "{wrong:?}");
    registry
}

fn cases() -> Vec<(String, PathBuf, Vec<Case>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/modules");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&root)
        .expect("modules")
        .filter_map(|dir| std::fs::read_dir(dir.expect("entry").path().join("cases")).ok())
        .flatten()
        .map(|file| file.expect("entry").path())
        .collect();
    files.sort();
    files
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).expect("a case file");
            let cases = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            (path.file_stem().expect("name").to_string_lossy().into_owned(), path, cases)
        })
        .collect()
}

fn own() -> Own {
    Own {
        domain: "example.org".into(),
        node: "n1".into(),
        key: "k1".into(),
        sent: "2026-01-02T03:04:05.006Z".into(),
    }
}

#[test]
fn each_case_makes_the_request_and_comes_to_the_outcome_it_says() {
    let registry = registry();
    for (name, path, cases) in cases() {
        for case in cases {
            let place = format!("{}: {}", path.display(), case.title);
            let stanza = Stanza::parse(case.stanza.as_bytes(), &Limits::default()).expect(&place);
            let found = registry.find(&stanza, case.source).map(|(row, _)| row.name.clone());
            if case.row.is_none() {
                assert_ne!(found.as_ref(), Some(&name), "{place}");
                continue;
            }
            assert_eq!(found.as_ref(), Some(&name), "{place}");
            let row = registry.row(&name).expect("the row");
            let stanza = value(&stanza, true);
            let made = row.made(&stanza, &own()).expect(&place);
            let made = made.map(|m| match m.body {
                Some(body) => json!({ "method": m.method, "path": m.path, "body": body }),
                None => json!({ "method": m.method, "path": m.path }),
            });
            assert_eq!(made, case.request, "{place}");
            let response = case.response.map(|a| Response { status: a.status, body: a.body });
            let outcome = row.outcome(&stanza, &own(), response.as_ref());
            match (&outcome, case.outcome.get("reply").and_then(Value::as_str)) {
                (Outcome::Reply(xml), Some(expected)) => {
                    let parse = |xml: &str| Stanza::parse(xml.as_bytes(), &Limits::default()).expect(&place);
                    assert_eq!(canonical(&parse(xml)), canonical(&parse(expected)), "{place}");
                }
                _ => assert_eq!(shown(&outcome), case.outcome, "{place}: {outcome:?}"),
            }
        }
    }
}

fn shown(outcome: &Outcome) -> Value {
    match outcome {
        Outcome::Native => json!("native"),
        Outcome::Done => json!("done"),
        Outcome::Ill(_) => json!("ill"),
        Outcome::Reply(xml) => json!({ "reply": xml }),
        Outcome::Error { kind, condition, text } => {
            json!({ "error": { "type": kind, "condition": condition, "text": text } })
        }
    }
}

#[test]
fn every_row_has_its_cases() {
    let files = cases();
    for row in registry().rows() {
        let Some((_, _, cases)) = files.iter().find(|(name, _, _)| *name == row.name) else {
            panic!("src/modules/{}/cases/{}.json is missing", row.module(), row.name);
        };
        let mut wanted = vec!["success"];
        if row.request.is_some() {
            wanted.extend(["platform down", "malformed answer", "refused"]);
        }
        for word in wanted {
            assert!(
                cases.iter().any(|c| c.title.starts_with(word)),
                "{}: no case begins with \"{word}\"",
                row.name
            );
        }
    }
    for (name, path, _) in files {
        assert!(registry().row(&name).is_some(), "{} is about no row", path.display());
    }
}
