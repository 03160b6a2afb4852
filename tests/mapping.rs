//! The rows of the built-in modules, case by case (`src/modules/<module>/cases/<row>.json`): stanza in, request out, answer in, what follows.

#[path = "mapping/contract.rs"]
mod contract;
#[path = "mapping/docs.rs"]
mod docs;
#[path = "mapping/wrong.rs"]
mod wrong;

use std::path::{Path, PathBuf};

use cloudbridge::lanes::Action;
use cloudbridge::mapping::{Outcome, Own, Registry, Response, Source, value};
use cloudbridge::modules::chat::{self, history};
use cloudbridge::stanza::{Limits, Stanza, canonical};
use im_api::chat::DecideAnswer;
use im_api::routes;
use serde::Deserialize;
use serde_json::{Value, json};

/// Module, stanzas or occasions, interfaces of the platform.
type Beside = (&'static str, &'static str, &'static [(&'static str, &'static str)]);
/// What modules do besides their rows.
const BESIDE: &[Beside] = &[
    (
        "chat",
        "",
        &[
            ("POST", routes::SETTLE),
            ("GET", routes::PENDING),
            ("POST", routes::CLAIM),
            ("POST", routes::EVENTS),
        ],
    ),
    ("state", "every session's presence", &[("PUT", routes::SNAPSHOT), ("PUT", routes::LEASE)]),
    ("user", "login (SASL)", &[("POST", routes::VERIFY), ("GET", routes::SCRAM), ("GET", routes::DOWNLINK)]),
    ("friend", "", &[("GET", routes::DOWNLINK)]),
    (
        "group",
        "every group there is, at a start",
        &[("GET", routes::GROUP), ("GET", routes::GROUPS), ("GET", routes::DOWNLINK)],
    ),
    (
        "room",
        "",
        &[
            ("PUT", routes::NODE_OCCUPANTS),
            ("GET", routes::MISSED),
            ("POST", routes::ROOM_SETTLE),
            ("GET", routes::DOWNLINK),
        ],
    ),
    ("footprint", "", &[("GET", routes::FOOTPRINT), ("GET", routes::DOWNLINK)]),
];

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
    /// The request cannot be made: why.
    #[serde(default)]
    unusable: Option<String>,
    #[serde(default)]
    response: Option<Answer>,
    #[serde(default)]
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
        epoch: "e1".into(),
        seq: 7,
        here: false,
        nick: "Ro".into(),
    }
}

#[test]
fn each_case_makes_the_request_and_comes_to_the_outcome_it_says() {
    let registry = registry();
    let mut wrong = Vec::new();
    for (name, path, cases) in cases() {
        for case in &cases {
            if let Err(why) = check(&registry, &name, case) {
                wrong.push(format!("{}: {}: {why}", path.display(), case.title));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn check(registry: &Registry, name: &str, case: &Case) -> Result<(), String> {
    let parse =
        |xml: &str| Stanza::parse(xml.as_bytes(), &Limits::default()).map_err(|e| format!("{e}: {xml}"));
    let stanza = parse(&case.stanza)?;
    let found = registry.find(&stanza, case.source).map(|(row, _)| row.name.as_str());
    if case.row.is_none() {
        return if found == Some(name) { Err("the row takes it".into()) } else { Ok(()) };
    }
    if found != Some(name) {
        return Err(format!("it is the row {}'s", found.unwrap_or("(none)")));
    }
    let row = registry.row(name).ok_or("there is no such row")?;
    let mut stanza = value(&stanza, true);
    if row.batch.as_deref() == Some(history::BATCH)
        && let Err(refusal) = history::question(&mut stanza)
    {
        let why = format!("{}: {}", refusal.condition, refusal.text);
        return if case.unusable.as_ref() == Some(&why) { Ok(()) } else { Err(why) };
    }
    let made = match (row.made(&stanza, &own()), &case.unusable) {
        (Err(why), Some(expected)) if why == *expected => return Ok(()),
        (Ok(made), None) => made,
        (made, expected) => return Err(format!("made {made:?}, expected {expected:?}")),
    };
    let made = made.map(|m| match m.body {
        Some(body) => json!({ "method": m.method, "path": m.path, "body": body }),
        None => json!({ "method": m.method, "path": m.path }),
    });
    if made != case.request {
        let shown = |request: &Option<Value>| request.as_ref().map_or("none".into(), Value::to_string);
        return Err(format!("request\n  {}\nexpected\n  {}", shown(&made), shown(&case.request)));
    }
    if let Some(made) = &made {
        contract::holds(&case.title, made, case.response.as_ref(), &case.outcome)?;
    }
    let response = case.response.as_ref().map(|a| Response { status: a.status, body: a.body.clone() });
    let outcome = row.outcome(&stanza, &own(), response.as_ref());
    let same = match (&outcome, case.outcome.get("reply").and_then(Value::as_str)) {
        (Outcome::Reply(xml), Some(expected)) => canonical(&parse(xml)?) == canonical(&parse(expected)?),
        _ => shown(&outcome) == case.outcome,
    };
    if same { Ok(()) } else { Err(format!("outcome {outcome:?}, expected {}", case.outcome)) }
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
        Outcome::Later { .. } => json!("later"),
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

/// The row shows what the code of the batch does with each verdict; here they are held against each other.
#[test]
fn the_code_of_chat_means_the_same_by_a_verdict_as_its_row() {
    let files = cases();
    let (_, _, cases) = files.iter().find(|(name, _, _)| name == "chat.message").expect("its cases");
    let mut verdicts = std::collections::BTreeSet::new();
    for case in cases {
        let Some(answer) = case.response.as_ref().filter(|answer| answer.status == 200) else { continue };
        let Ok(answer) = serde_json::from_str::<DecideAnswer>(&answer.body.to_string()) else { continue };
        let Some(decided) = answer.results.first() else { continue };
        let meant = match chat::action(&decided.verdict) {
            Ok(Action::Release { .. }) => json!("native"),
            Ok(Action::Stored | Action::Drop) => json!("done"),
            Ok(Action::Replace { xml }) => json!({ "reply": canonical(&parse(&xml)) }),
            Ok(Action::Refuse { kind, condition, text }) => {
                json!({ "error": { "type": kind, "condition": condition, "text": text } })
            }
            Err(_) => json!("ill"),
        };
        let expected = match case.outcome.get("reply").and_then(Value::as_str) {
            Some(xml) => json!({ "reply": canonical(&parse(xml)) }),
            None => case.outcome.clone(),
        };
        assert_eq!(meant, expected, "{}", case.title);
        verdicts.insert(case.response.as_ref().expect("there").body["results"][0]["verdict"].to_string());
    }
    assert_eq!(verdicts.len(), 8, "every verdict has its case: {verdicts:?}");
}

fn parse(xml: &str) -> Stanza {
    Stanza::parse(xml.as_bytes(), &Limits::default()).unwrap_or_else(|e| panic!("{e}: {xml}"))
}
