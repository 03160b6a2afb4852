//! `explain`: which row takes a stanza, why, what would be sent and what answers would mean. Secrets are masked. Nothing is sent.

use super::row::{Does, Row, Source, type_of};
use super::template::Own;
use super::{Registry, value};
use crate::config::{ModuleConfig, ModuleMode, Policy};
use crate::stanza::{Limits, Stanza};

/// Explains a stanza, for people.
///
/// # Errors
/// Why it is no stanza.
pub fn explain(
    registry: &Registry,
    xml: &str,
    event: bool,
    settings: impl Fn(&str) -> ModuleConfig,
) -> Result<String, String> {
    let xml = xml.trim();
    let mut stanza =
        Stanza::parse(xml.as_bytes(), &Limits::default()).map_err(|e| format!("this is no stanza: {e}"))?;
    let source = if event { Source::Event } else { Source::Client };
    let mut out = String::new();
    let mut line = |text: &str| {
        out.push_str(text);
        out.push('\n');
    };
    if stanza.from().is_none() && !event {
        stanza.set_attr("from", Some("user@example.org/client"));
        line("It has no `from`; Openfire would write the session's own, here user@example.org/client.");
    }
    line(&format!("It is a {} of type {}.", stanza.kind().as_str(), type_of(&stanza)));
    let shown = value(&stanza, true);
    let mut taken = false;
    for row in registry.rows() {
        let component = row.on.source == Source::Component
            && source == Source::Client
            && row.fits(&stanza, Source::Component);
        if !row.fits(&stanza, source) && !component {
            continue;
        }
        if !row.holds(&shown) {
            let failed: Vec<_> = row
                .on
                .when
                .iter()
                .filter(|c| !super::row::all(std::slice::from_ref(*c), &shown, &serde_json::Value::Null))
                .map(|c| c.at.as_str())
                .collect();
            line(&format!(
                "Row {} is about such a stanza, but its condition on {} does not hold.",
                row.name,
                failed.join(" and ")
            ));
            continue;
        }
        line(&format!(
            "Row {} takes it{}: {}",
            row.name,
            if component { " when it is sent to our component" } else { "" },
            row.about
        ));
        describe(row, &stanza, settings(row.module()), &mut line);
        taken = true;
        break;
    }
    if !taken {
        line("No row takes it: it passes untouched, nothing is stored or sent.");
    }
    Ok(out)
}

fn describe(row: &Row, stanza: &Stanza, settings: ModuleConfig, line: &mut impl FnMut(&str)) {
    line(&format!(
        "Module {} is in mode {}: {}",
        row.module(),
        settings.mode.as_str(),
        match (settings.mode, row.does) {
            (ModuleMode::Off, _) => "nothing is looked at.",
            (ModuleMode::Watch, _) => "it is counted; nothing is stored or sent.",
            (ModuleMode::Mirror, Does::Claim) if row.secret =>
                "it passes at once; it holds secrets, so no copy is made.",
            (ModuleMode::Mirror, Does::Claim) => "it passes at once; a copy is journaled and delivered.",
            (ModuleMode::Decide, Does::Claim) => "it is held until the platform has answered.",
            (ModuleMode::Mirror | ModuleMode::Decide, Does::Observe) =>
                "it has happened; the platform is told, in order, at least once.",
        }
    ));
    if settings.mode == ModuleMode::Decide && row.does == Does::Claim {
        line(&format!(
            "If the platform does not answer within {} ms: {}",
            settings.timeout_ms,
            match settings.on_failure {
                Policy::Open => "Openfire goes on by itself (open).",
                Policy::Closed => "the sender gets the error remote-server-timeout, type wait (closed).",
            }
        ));
    }
    if row.request.is_none() {
        line("Nothing is sent; the bridge answers by itself.");
        return;
    }
    // Masked: the value is made again without secrets.
    let own = Own {
        domain: "DOMAIN".into(),
        node: "NODE".into(),
        key: "KEY".into(),
        sent: "TIME".into(),
        epoch: "EPOCH".into(),
        seq: 0,
    };
    match row.made(&mask(value(stanza, false), &value(stanza, true)), &own) {
        Ok(Some(made)) => {
            line(&format!(
                "Request{}: {} {}",
                if row.batch.is_some() { " (sent together with others of its kind)" } else { "" },
                made.method,
                made.path
            ));
            if let Some(body) = made.body {
                line(&serde_json::to_string_pretty(&body).unwrap_or_default());
            }
        }
        Ok(None) => {}
        Err(why) => line(&format!("Its request cannot be made: {why}; the sender would get bad-request.")),
    }
    for rule in &row.answers {
        let conditions: Vec<_> = rule
            .when
            .iter()
            .map(|c| format!("{} {}", c.at, c.is.as_ref().map_or("is there".into(), |v| format!("is {v}"))))
            .collect();
        line(&format!(
            "Answer {}{}: {}",
            rule.status.as_deref().unwrap_or("any"),
            if conditions.is_empty() { String::new() } else { format!(" with {}", conditions.join(", ")) },
            then_words(row, &rule.then)
        ));
    }
}

/// What follows, in words.
#[must_use]
pub fn then_words(row: &Row, then: &super::row::Then) -> String {
    use super::row::Then;
    match then {
        Then::Native => "Openfire handles it.".into(),
        Then::Done => "done.".into(),
        Then::Error { condition, .. } => match condition.as_str() {
            Some(word) => format!("the sender gets the error {word}."),
            None => "the sender gets the error that it names.".into(),
        },
        Then::Reply(_) if row.on.kind == "message" => "another message takes its place.".into(),
        Then::Reply(_) if row.request.is_none() => "the sender gets the bridge's own answer.".into(),
        Then::Reply(_) => "the sender gets an answer made from it.".into(),
    }
}

/// Puts a mask where the value without secrets has null and the other one has something.
fn mask(masked: serde_json::Value, open: &serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match (masked, open) {
        (Value::Null, Value::String(_)) => Value::String("********".into()),
        (Value::Object(object), Value::Object(other)) => Value::Object(
            object
                .into_iter()
                .map(|(k, v)| {
                    let o = other.get(&k).unwrap_or(&Value::Null);
                    (k, mask(v, o))
                })
                .collect(),
        ),
        (Value::Array(items), Value::Array(others)) => {
            Value::Array(items.into_iter().zip(others).map(|(v, o)| mask(v, o)).collect())
        }
        (other, _) => other,
    }
}
