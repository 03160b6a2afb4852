//! Examples in the document: from the fixtures' steps that succeed, so that they are known to work.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;
use serde_json::Value;

use crate::http::Route;

/// What one step shows of a route.
pub struct Example {
    /// Path and query parameters, decoded.
    pub parameters: BTreeMap<String, String>,
    /// Content type and body.
    pub body: Option<(String, Value)>,
}

#[derive(Deserialize)]
struct Fixture {
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    call: String,
    status: u16,
    body: Option<Value>,
    raw: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

/// The first step that calls the route and succeeds.
pub fn of(route: &Route) -> Option<Example> {
    steps().iter().filter(|step| step.status < 300).find_map(|step| {
        let (method, target) = step.call.split_once(' ')?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut parameters = matched(route.path, path).filter(|_| method == route.method)?;
        // What an earlier step gave (`{claim}`) is no example.
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        parameters.extend(pairs.filter(|(_, v)| !v.contains('{')).map(|(n, v)| (n.into(), decode(v))));
        let json = step.body.clone().map(|body| ("application/json".to_owned(), body));
        let raw = || Some((step.kind.clone()?, serde_json::from_str(step.raw.as_deref()?).ok()?));
        Some(Example { parameters, body: json.or_else(raw) })
    })
}

fn steps() -> &'static [Step] {
    static STEPS: OnceLock<Vec<Step>> = OnceLock::new();
    STEPS.get_or_init(|| {
        let fixtures = im_api::fixtures::ALL.iter();
        let fixtures = fixtures.filter_map(|(_, text)| serde_json::from_str::<Fixture>(text).ok());
        fixtures.flat_map(|fixture| fixture.steps).collect()
    })
}

/// The parameters of a path that fits the template.
fn matched(template: &str, path: &str) -> Option<BTreeMap<String, String>> {
    let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    if template.len() != path.len() {
        return None;
    }
    let mut parameters = BTreeMap::new();
    for (part, value) in template.into_iter().zip(path) {
        match part.strip_prefix('{').and_then(|p| p.strip_suffix('}')) {
            Some(name) => drop(parameters.insert(name.into(), decode(value))),
            None if part != value => return None,
            None => {}
        }
    }
    Some(parameters)
}

/// Percent-decoded; the fixtures' are ASCII.
fn decode(text: &str) -> String {
    let mut parts = text.split('%');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (code, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        out.push(u8::from_str_radix(code, 16).map_or('%', char::from));
        out.push_str(rest);
    }
    out
}
