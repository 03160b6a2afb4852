//! The generated pages: docs/mapping.md, docs/settings.md, docs/claimed.md and the README's table of modules are what the tables say.
//!
//! `UPDATE=1 cargo test -p cloudbridge --test mapping` rewrites them.

use std::fmt::Write as _;
use std::path::Path;

use cloudbridge::config::{PREFIX, SETTINGS, Setting, Type};
use cloudbridge::mapping::explain::{condition_words, then_words};
use cloudbridge::mapping::{Does, Row, Source};
use cloudbridge::modules::chat::history;
use serde_json::Value;

use super::{Case, cases, registry};

fn fresh(path: &str, make: impl Fn(&str) -> String) {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let there = std::fs::read_to_string(&place).unwrap_or_default();
    let text = make(&there);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&place, &text).expect("written");
    } else {
        assert!(there == text, "{path} is stale: UPDATE=1 cargo test -p cloudbridge --test mapping");
    }
}

#[test]
fn the_page_of_rows_is_what_the_rows_say() {
    fresh("docs/mapping.md", |_| mapping());
}

#[test]
fn the_page_of_settings_is_what_the_table_says() {
    fresh("docs/settings.md", |_| settings());
}

#[test]
fn the_readmes_table_of_modules_is_what_the_registry_says() {
    let (begin, end) = ("<!-- modules: generated from the rows -->\n", "<!-- end of modules -->");
    fresh("README.md", |there| {
        let (before, rest) = there.split_once(begin).expect("the place for the table");
        let (_, after) = rest.split_once(end).expect("its end");
        format!("{before}{begin}{}{end}{after}", modules())
    });
}

fn mapping() -> String {
    let mut page = include_str!("intro.md").to_owned();
    let cases = cases();
    let registry = registry();
    page.push_str("\n## The rows\n\n| row | takes | asks |\n|---|---|---|\n");
    for row in registry.rows() {
        let anchor = row.name.replace('.', "");
        let _ = writeln!(page, "| [{}](#{anchor}) | {} | {} |", row.name, takes(row), interface(row));
    }
    for module in registry.modules() {
        let _ = write!(page, "\n## Module {}, version {}\n\n{}\n", module.name, module.version, module.about);
        for row in &module.rows {
            let cases = cases.iter().find(|(name, _, _)| *name == row.name);
            one(&mut page, row, cases.map_or(&[], |(_, _, cases)| cases));
        }
    }
    page
}

fn one(page: &mut String, row: &Row, cases: &[Case]) {
    let _ = write!(page, "\n### {}\n\n{}\n\n", row.name, row.about);
    let _ = writeln!(page, "- **Takes** {}.", takes(row));
    for condition in &row.on.when {
        let _ = writeln!(page, "  - {}", condition_words(condition));
    }
    let (mirror, decide) = match (row.does, row.secret, row.on.source) {
        (Does::Observe, ..) => ("the platform is told", "the platform is told"),
        (Does::Claim, true, _) => {
            ("counted; it holds secrets, so no copy is made", "held until the platform answers")
        }
        (Does::Claim, _, Source::Component) => {
            ("nothing, the component is not there", "held until the platform answers")
        }
        (Does::Claim, ..) => ("passes, a copy goes to the platform", "held until the platform answers"),
    };
    let decide = if row.request.is_none() { "answered by the bridge itself" } else { decide };
    let _ = writeln!(
        page,
        "- **Modes**: off: not looked at. watch: counted. mirror: {mirror}. decide: {decide}."
    );
    if row.secret {
        page.push_str("- **Secret**: never journaled, never mirrored, masked wherever it is shown.\n");
    }
    if let Some(batch) = &row.batch {
        let _ = match batch.as_str() {
            history::BATCH => writeln!(
                page,
                "- **Only** with `chat.history` = `platform` and in decide mode; below that it is not looked at. `src/modules/chat/history.rs` checks the question and brings the messages. Without an answer of the platform the sender gets an error that says to try again."
            ),
            _ => writeln!(page, "- **Batch** `{batch}`: sent together with others of its kind."),
        };
    }
    if let Some(request) = &row.request {
        let _ = write!(page, "- **Request** `{} {}`\n\n", request.method, request.path);
        let mut values = Vec::new();
        request.query.iter().for_each(|(name, value)| flat(&format!("?{name}"), value, &mut values));
        request.body.iter().for_each(|body| flat("", body, &mut values));
        if !values.is_empty() {
            page.push_str("| value | comes from |\n|---|---|\n");
            for (name, from) in values {
                let _ = writeln!(page, "| `{name}` | {from} |");
            }
            page.push('\n');
        }
    }
    page.push_str("- **Answers**\n\n| answer | with | means |\n|---|---|---|\n");
    for rule in &row.answers {
        let problem = rule.problem.as_ref().map(|p| format!("problem `{p}`"));
        let with: Vec<_> = problem.into_iter().chain(rule.when.iter().map(condition_words)).collect();
        let status = rule.status.as_deref().unwrap_or("any, or none");
        let _ = writeln!(page, "| {status} | {} | {} |", with.join(", "), then_words(row, &rule.then));
    }
    let _ =
        write!(page, "\nCases: {} in `src/modules/{}/cases/{}.json`", cases.len(), row.module(), row.name);
    let Some(case) = cases.iter().find(|c| c.title.starts_with("success")) else {
        page.push_str(".\n");
        return;
    };
    let _ = write!(page, ", the first of them:\n\n```xml\n{}\n```\n", case.stanza);
    if let Some(request) = &case.request {
        let _ = write!(page, "```\n{} {}\n", text(&request["method"]), text(&request["path"]));
        if let Some(body) = request.get("body") {
            let _ = writeln!(page, "{body}");
        }
        page.push_str("```\n");
    }
    if let Some(answer) = &case.response {
        let body = if answer.body.is_null() { String::new() } else { format!(" {}", answer.body) };
        let _ = write!(page, "```\n{}{body}\n```\n", answer.status);
    }
    match case.outcome.get("reply").and_then(Value::as_str) {
        Some(xml) => write!(page, "```xml\n{xml}\n```\n"),
        None => writeln!(page, "Outcome: {}.", text(&case.outcome)),
    }
    .expect("a string");
}

/// Which stanzas, in a few words.
fn takes(row: &Row) -> String {
    let on = &row.on;
    let namespace = on.namespace.as_ref().map(|ns| format!(" with `{ns}`")).unwrap_or_default();
    let source = match on.source {
        Source::Client => "",
        Source::Event => ", as an event",
        Source::Component => ", sent to our component",
        Source::Room => ", sent to a room",
    };
    format!("{} {}{namespace}{source}", on.kind, on.types.join(", "))
}

fn interface(row: &Row) -> String {
    let together = row.batch.as_deref().is_some_and(|batch| batch != history::BATCH);
    let batch = if together { ", in batches" } else { "" };
    match &row.request {
        Some(request) => format!("`{} {}`{batch}", request.method, plain_path(&request.path)),
        None => "nobody".into(),
    }
}

/// A row's path with short names for its values.
fn plain_path(path: &str) -> String {
    let mut out = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        let (inner, after) = after.split_once('}').unwrap_or((after, ""));
        let name = match inner {
            "own:/node" => "{node}",
            "/group/id" => "{group}",
            _ if before.ends_with("/rooms/") => "{room}",
            _ if before.ends_with("/members/") => "{user}",
            _ if inner.ends_with("|resource") => "{resource}",
            _ if inner.contains("/items/") => "{friend}",
            _ => "{user}",
        };
        out.push_str(before);
        out.push_str(name);
        rest = after;
    }
    out + rest
}

/// Every value of a template, by its place.
fn flat(name: &str, template: &Value, out: &mut Vec<(String, String)>) {
    match template {
        Value::Object(object) if object.keys().any(|k| k.starts_with('$')) => {
            out.push((name.to_owned(), from(template)));
        }
        Value::Object(object) => object.iter().for_each(|(k, v)| flat(&format!("{name}/{k}"), v, out)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, v)| flat(&format!("{name}/{i}"), v, out))
        }
        other => out.push((name.to_owned(), format!("always `{other}`"))),
    }
}

fn from(template: &Value) -> String {
    let Some(object) = template.as_object() else { return format!("`{template}`") };
    if let Some(made) = object.get("$text") {
        return format!("`{}`", text(made).replace('|', "\\|"));
    }
    if let (Some(list), Some(to)) = (object.get("$each"), object.get("to")) {
        return format!("for each of `{}`: `{to}`", text(list)).replace('|', "\\|");
    }
    let pointer = text(&object["$"]);
    let mut out = if pointer.is_empty() { "the whole stanza".to_owned() } else { format!("`{pointer}`") };
    if let Some(filter) = object.get("as") {
        let _ = write!(out, " as {}", text(filter));
    }
    if let Some(map) = object.get("map") {
        let _ = write!(out, ", by `{map}`");
    }
    if let Some(or) = object.get("or") {
        let _ = write!(out, ", or {}", from(or));
    }
    out
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn settings() -> String {
    let mut page = format!(
        "# Settings\n\nThis page is generated from the table in `src/config.rs`. `UPDATE=1 cargo test -p cloudbridge --test mapping` rewrites it; the same test fails when it is stale.\n\n\
         All names begin with `{PREFIX}`. They are Openfire's system properties; the page *Server > Server Settings > Cloud Bridge* shows and checks them. A change takes effect at\n\
         once unless the table says otherwise. A wrong value is named on the page, and the one before it, or else the default, stays in force.\n"
    );
    let mut group = "";
    for setting in SETTINGS {
        if setting.group != group {
            group = setting.group;
            let _ =
                write!(page, "\n## {group}\n\n| name | is | default | what it does |\n|---|---|---|---|\n");
        }
        let default =
            if setting.default.is_empty() { "(empty)".to_owned() } else { format!("`{}`", setting.default) };
        let help = setting.help.replace('|', "\\|");
        let _ = writeln!(page, "| `{}` | {} | {default} | {help} |", setting.key, kind(setting));
    }
    page
}

fn kind(setting: &Setting<'_>) -> String {
    match setting.kind {
        Type::Word(words) => words.join(", "),
        Type::Number(min, max) => format!("{min} to {max}"),
        Type::Bool => "true, false".into(),
        Type::Url => "URL".into(),
        Type::Urls => "URLs".into(),
        Type::Text => "text".into(),
        Type::Secret => "secret text".into(),
    }
}

/// Module, stanzas, interfaces, modes.
fn modules() -> String {
    let mut out = "| module | stanzas | platform interface | modes |\n|---|---|---|---|\n".to_owned();
    let add = |all: &mut Vec<String>, text: String| {
        if !all.contains(&text) {
            all.push(text);
        }
    };
    for module in registry().modules() {
        let (mut stanzas, mut interfaces) = (Vec::new(), Vec::new());
        for row in &module.rows {
            let what =
                row.on.namespace.as_ref().map_or_else(|| row.on.types.join(", "), |ns| format!("`{ns}`"));
            let source = match row.on.source {
                Source::Client => "",
                Source::Event => " (events)",
                Source::Component => " (own component)",
                Source::Room => " (to rooms)",
            };
            add(&mut stanzas, format!("{} {what}{source}", row.on.kind));
            if let Some(request) = &row.request {
                add(&mut interfaces, format!("`{} {}`", request.method, plain_path(&request.path)));
            }
        }
        for more in crate::BESIDE.iter().filter(|more| more.0 == module.name) {
            if !more.1.is_empty() {
                add(&mut stanzas, more.1.to_owned());
            }
            more.2.iter().for_each(|(method, route)| add(&mut interfaces, format!("`{method} {route}`")));
        }
        let setting = SETTINGS.iter().find(|s| s.key == format!("{}.mode", module.name)).expect("its mode");
        let Type::Word(modes) = setting.kind else { panic!("{} is no word", setting.key) };
        let _ = writeln!(
            out,
            "| [{}](docs/mapping.md#module-{}-version-{}) | {} | {} | {} |",
            module.name,
            module.name,
            module.version,
            stanzas.join("; "),
            interfaces.join(", "),
            modes.join(", ")
        );
    }
    out
}
