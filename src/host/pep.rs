//! Somebody's PEP service, asked on their behalf (the shim's verb `pep.ask`, docs/boundary.md): what Openfire's own handlers answer, without the bridge
//! being asked about it again.
//!
//! Leaves out: what the requests say (`modules::footprint::access`).

use std::time::Duration;

use serde_json::Value;

use crate::ffi::frame::Outcome;
use crate::lanes::Action;
use crate::mapping;
use crate::modules::footprint::NODES;
use crate::modules::footprint::access::{self, Access};
use crate::stanza::{Limits, Stanza, jid};

use super::core::{Core, lock};

/// How long Openfire may take for one request.
const LIMIT: Duration = Duration::from_secs(15);

/// Why there is no result.
#[derive(Debug, Clone)]
pub enum PepError {
    /// Openfire's own error.
    Refused {
        /// Error type.
        kind: String,
        /// Defined condition.
        condition: String,
        /// Text, may be empty.
        text: String,
    },
    /// There is no such user here.
    Nobody,
    /// Openfire did not answer, or what it said is no answer.
    Silent(String),
}

impl PepError {
    /// Whether what was asked about is not there.
    pub fn is_not_there(&self) -> bool {
        matches!(self, PepError::Nobody)
            || matches!(self, PepError::Refused { condition, .. } if condition == "item-not-found")
    }

    /// What the client gets.
    pub fn action(&self) -> Action {
        let refuse = |kind: &str, condition: &str, text: &str| Action::Refuse {
            kind: kind.into(),
            condition: condition.into(),
            text: text.into(),
        };
        match self {
            PepError::Refused { kind, condition, text } => refuse(kind, condition, text),
            PepError::Nobody => refuse("cancel", "item-not-found", ""),
            PepError::Silent(_) => refuse("wait", "internal-server-error", "Please try again later."),
        }
    }
}

impl std::fmt::Display for PepError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            PepError::Refused { condition, .. } => write!(f, "Openfire says {condition}"),
            PepError::Nobody => f.write_str("there is no such user"),
            PepError::Silent(why) => f.write_str(why),
        }
    }
}

/// Asks (`get`) or orders (`set`) something; gives the answer's JSON form.
///
/// Older servers make somebody's service, and subscribe their contacts to it, at the first order; a question before that leaves a service without
/// subscribers behind. So there is always an order first, one that finds nothing to do.
pub fn ask(core: &Core, user: &str, kind: &str, payload: &str) -> Result<Value, PepError> {
    if lock(&core.pep_services).insert(user.to_owned()) && kind == "get" {
        let nothing = access::retract(NODES[0], &["cloudbridge".to_owned()]);
        match order(core, user, "set", &nothing) {
            Ok(_) | Err(PepError::Refused { .. }) => {}
            Err(error) => {
                lock(&core.pep_services).remove(user);
                return Err(error);
            }
        }
    }
    order(core, user, kind, payload)
}

fn order(core: &Core, user: &str, kind: &str, payload: &str) -> Result<Value, PepError> {
    let done = core.effects.apply(LIMIT, "pep.ask", &[user, kind, payload]);
    let xml = match done {
        Some((Outcome::Ok, xml)) => xml,
        Some((Outcome::Gone, _)) => return Err(PepError::Nobody),
        Some((outcome, detail)) => return Err(PepError::Silent(format!("pep.ask: {outcome:?} {detail}"))),
        None => return Err(PepError::Silent(format!("pep.ask: no answer within {} s", LIMIT.as_secs()))),
    };
    let limits = Limits { bytes: usize::MAX, ..Limits::default() };
    let stanza = Stanza::parse(xml.as_bytes(), &limits)
        .map_err(|e| PepError::Silent(format!("pep.ask: the answer cannot be read: {e}")))?;
    let value = mapping::value(&stanza, true);
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    match value["type"].as_str() {
        Some("result") => Ok(value),
        Some("error") => Err(PepError::Refused {
            kind: Some(text("/error/type")).filter(|k| !k.is_empty()).unwrap_or_else(|| "cancel".into()),
            condition: Some(text("/error/condition"))
                .filter(|c| !c.is_empty())
                .unwrap_or_else(|| "undefined-condition".into()),
            text: text("/error/text"),
        }),
        _ => Err(PepError::Silent("pep.ask: the answer is neither a result nor an error".into())),
    }
}

/// Who may read a node of somebody's. None: it does not exist yet.
pub fn node(core: &Core, user: &str, node: &str) -> Result<Option<Access>, PepError> {
    let answer = match ask(core, user, "get", &access::of_owner("configure", node)) {
        Ok(answer) => answer,
        Err(error) if error.is_not_there() => return Ok(None),
        Err(error) => return Err(error),
    };
    let form = answer.pointer("/pubsub_owner/configure/form").unwrap_or(&Value::Null);
    let Some((word, groups)) = access::configured(form) else {
        return Err(PepError::Silent("the node's configuration says nothing of who may read it".into()));
    };
    Ok(Some(match word.as_str() {
        "open" => Access::Open,
        "presence" => Access::Presence,
        "roster" => Access::Roster(groups),
        // Who was accepted is who may read it.
        "authorize" => Access::Whitelist(people(core, user, node, "subscriptions")?),
        _ => Access::Whitelist(people(core, user, node, "affiliations")?),
    }))
}

/// The people on a node's list, without its owner.
fn people(core: &Core, user: &str, node: &str, list: &str) -> Result<Vec<String>, PepError> {
    let answer = ask(core, user, "get", &access::of_owner(list, node))?;
    let all = answer.pointer(&format!("/pubsub_owner/{list}/{list}")).and_then(Value::as_array);
    let mut people: Vec<String> = all
        .into_iter()
        .flatten()
        .filter(|one| match list {
            "subscriptions" => one["subscription"] == "subscribed",
            _ => !matches!(one["affiliation"].as_str(), None | Some("none" | "outcast")),
        })
        .filter_map(|one| jid::bare_with_local(one["jid"].as_str()?).map(String::from))
        .filter(|one| one != user)
        .collect();
    people.sort();
    people.dedup();
    Ok(people)
}

/// The ids of the items that a node has: all, or whether it has this one. None there: empty.
pub fn items(core: &Core, user: &str, node: &str, item: Option<&str>) -> Result<Vec<String>, PepError> {
    let answer = match ask(core, user, "get", &access::items(node, item)) {
        Ok(answer) => answer,
        Err(error) if error.is_not_there() => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let all = answer.pointer("/pubsub/items/items").and_then(Value::as_array);
    Ok(all.into_iter().flatten().filter_map(|i| i["id"].as_str().map(str::to_owned)).collect())
}

/// Retracts what of these items is there, one by one. Gives how many were.
pub fn retract(core: &Core, user: &str, node: &str, items: &[String]) -> Result<usize, PepError> {
    let mut gone = 0;
    for item in items {
        match ask(core, user, "set", &access::retract(node, std::slice::from_ref(item))) {
            Ok(_) => gone += 1,
            Err(error) if error.is_not_there() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(gone)
}
