//! Holds the cases against the platform's contract: a request is one that the contract knows, an answer that counts as success is one that it
//! describes, a malformed one is not, a refusal is a problem.

use im_api::problem::Problem;
use im_api::{chat, footprint, friend, group, room, routes, state, user};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Answer;

/// One call: method, route, names of query parameters, request body, status of success, answer.
struct Call {
    method: &'static str,
    route: &'static str,
    query: &'static [&'static str],
    request: fn(&Value) -> Result<(), String>,
    status: u16,
    answer: fn(&Value) -> Result<(), String>,
}

const CALLS: &[Call] = &[
    call("POST", routes::MESSAGES, is::<chat::DecideRequest>, 200, is::<chat::DecideAnswer>),
    Call {
        query: &["user", "archive", "limit", "before", "after", "with", "since", "until"],
        ..call("GET", routes::MESSAGES, nothing, 200, is::<chat::History>)
    },
    call("POST", routes::NODE_STATES, is::<state::StateBatch>, 200, is::<state::StateAnswer>),
    call("POST", routes::USERS, is::<user::CreateUser>, 201, is::<user::User>),
    Call {
        query: &["query", "domain", "viewer", "limit", "after"],
        ..call("GET", routes::USERS, nothing, 200, is::<user::Users>)
    },
    call("DELETE", routes::USER, nothing, 200, is::<user::Erased>),
    call("PUT", routes::PASSWORD, is::<user::SetPassword>, 204, nothing),
    call("PUT", routes::FRIEND, is::<friend::FriendEntry>, 200, is::<friend::FriendsChanged>),
    call("PUT", routes::FOOTPRINT, is::<footprint::Share>, 200, is::<footprint::Feature>),
    call("DELETE", routes::FOOTPRINT, nothing, 204, nothing),
    Call {
        query: &["viewer", "bbox", "since", "until", "user", "track", "limit", "after"],
        ..call("GET", routes::FOOTPRINTS, nothing, 200, is::<footprint::FeatureCollection>)
    },
    call("DELETE", routes::FRIEND, nothing, 200, is::<friend::FriendsChanged>),
    call("PUT", routes::GROUP, is::<group::ReportGroup>, 200, is::<group::GroupChanged>),
    call("DELETE", routes::GROUP, nothing, 200, is::<group::GroupChanged>),
    call("PUT", routes::MEMBER, is::<group::SetRole>, 200, is::<group::GroupChanged>),
    Call { query: &["reported"], ..call("DELETE", routes::MEMBER, nothing, 200, is::<group::GroupChanged>) },
    call("PUT", routes::ROOM, is::<room::PutRoom>, 204, nothing),
    call("DELETE", routes::ROOM, nothing, 204, nothing),
    call("PUT", routes::ROOM_MEMBER, is::<room::SetAffiliation>, 204, nothing),
    call("DELETE", routes::ROOM_MEMBER, nothing, 204, nothing),
    call("POST", routes::ROOM_MESSAGES, is::<room::RoomPost>, 200, is::<room::RoomPostAnswer>),
    call("POST", routes::RECEIPTS, is::<room::Receipts>, 200, is::<room::ReceiptsAnswer>),
    call("PUT", routes::OCCUPANT, is::<room::Join>, 200, is::<room::Joined>),
    Call { query: &["node", "epoch", "seq"], ..call("DELETE", routes::OCCUPANT, nothing, 204, nothing) },
];

const fn call(
    method: &'static str,
    route: &'static str,
    request: fn(&Value) -> Result<(), String>,
    status: u16,
    answer: fn(&Value) -> Result<(), String>,
) -> Call {
    Call { method, route, query: &[], request, status, answer }
}

/// By way of text, as it comes from the wire: raw values inside can only be read from that.
fn is<T: DeserializeOwned>(value: &Value) -> Result<(), String> {
    serde_json::from_str::<T>(&value.to_string()).map(drop).map_err(|e| e.to_string())
}

fn nothing(value: &Value) -> Result<(), String> {
    if value.is_null() { Ok(()) } else { Err("nothing belongs here".into()) }
}

/// Checks a case's request and answer.
///
/// # Errors
/// Where the case leaves the contract.
pub fn holds(title: &str, made: &Value, response: Option<&Answer>, outcome: &Value) -> Result<(), String> {
    let (method, target) = (made["method"].as_str().unwrap_or(""), made["path"].as_str().unwrap_or(""));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let call = CALLS
        .iter()
        .find(|c| c.method == method && fits(c.route, path))
        .ok_or_else(|| format!("{method} {path} is not in the contract"))?;
    for name in query.split('&').filter_map(|pair| pair.split('=').next()).filter(|name| !name.is_empty()) {
        if !call.query.contains(&name) {
            return Err(format!("{method} {path} has no parameter {name}"));
        }
    }
    (call.request)(&made["body"]).map_err(|e| format!("the request's body: {e}"))?;
    let Some(response) = response else { return Ok(()) };
    let answer = (call.answer)(&response.body);
    let described = response.status == call.status && answer.is_ok();
    if title.starts_with("malformed answer") {
        if described || outcome != "ill" {
            return Err("a malformed answer is none of the contract's, and nothing but ill".into());
        }
    } else if response.status < 300 && outcome != "ill" && !described {
        return Err(format!("the answer {} is not in the contract: {answer:?}", response.status));
    } else if response.status >= 400 && response.body.is_object() {
        is::<Problem>(&response.body).map_err(|e| format!("the problem: {e}"))?;
        if response.body["status"] != response.status {
            return Err("the problem has another status".into());
        }
    }
    Ok(())
}

/// Whether a path is of a route: `{x}` stands for one segment without anything that had to be escaped.
fn fits(route: &str, path: &str) -> bool {
    let plain =
        |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b));
    let (wanted, given): (Vec<_>, Vec<_>) = (route.split('/').collect(), path.split('/').collect());
    wanted.len() == given.len()
        && wanted.iter().zip(given).all(|(w, g)| if w.starts_with('{') { plain(g) } else { *w == g })
}
