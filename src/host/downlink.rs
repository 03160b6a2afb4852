//! The downlink: what the platform says to XMPP (design, "Contract"). One long poll, in order; an event is acknowledged by the cursor of the next
//! poll, which is written down first, so each is carried out at least once.
//!
//! Leaves out: how Openfire does it (the shim's verbs, docs/boundary.md).

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use im_api::downlink::{DownEvent, Downlink};
use im_api::friend::FriendEntry;
use im_api::state::{Presence, Session, Show, UserState};
use im_api::{problem, routes};
use serde_json::Value;

use crate::config::ModuleMode;
use crate::ffi::frame::Outcome;
use crate::modules::state::Sessions;
use crate::platform::{Headers, PlatformError};
use crate::stanza::jid::Jid;
use crate::stanza::json;

use super::core::{Core, lock};
use super::files::write_whole;

/// How long a poll waits at the platform.
const WAIT: Duration = Duration::from_secs(20);
/// How long Openfire may take for one thing.
const LIMIT: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(500);

/// The downlink thread.
pub fn run(core: &Core) {
    let mut cursor = read_cursor(core);
    while !core.ending.load(Ordering::Acquire) {
        if !wanted(core) {
            std::thread::park_timeout(Duration::from_millis(100));
            continue;
        }
        match poll(core, cursor.as_deref()) {
            Ok(answer) => {
                for event in &answer.items {
                    if core.ending.load(Ordering::Acquire) {
                        return;
                    }
                    carry_out(core, event);
                }
                core.listens.store(true, Ordering::Release);
                if cursor.as_ref() != Some(&answer.next) {
                    write_cursor(core, &answer.next);
                    cursor = Some(answer.next);
                }
            }
            Err(error) if error.is(problem::CURSOR_GONE) => {
                core.failed("downlink", "events of the platform were removed before they were fetched; lists that changed meanwhile differ until their next change".into());
                cursor = None;
            }
            Err(error) => {
                if !core.ending.load(Ordering::Acquire) {
                    core.failed("downlink", error.to_string());
                }
                std::thread::park_timeout(PAUSE);
            }
        }
    }
}

/// Somebody decides, the platform knows us, and this node is the one that speaks for the cluster.
fn wanted(core: &Core) -> bool {
    let config = core.config();
    let decides = crate::config::MODULES.iter().any(|m| config.module(m).mode == ModuleMode::Decide);
    decides && core.ready.load(Ordering::Acquire) && core.breaker.closed() && core.client.url().is_some()
}

fn poll(core: &Core, cursor: Option<&str>) -> Result<Downlink, PlatformError> {
    let mut path = format!("{}?limit=100&wait={}", routes::DOWNLINK, WAIT.as_millis());
    if let Some(cursor) = cursor {
        path.push_str(&routes::path("&after={x}", &[cursor]));
    }
    let headers = Headers { wait: Some(WAIT + Duration::from_secs(10)), ..Headers::default() };
    let (status, bytes) = core.client.exchange_bytes("GET", &path, None, headers)?;
    if status != 200 {
        return Err(match serde_json::from_slice(&bytes) {
            Ok(problem) => PlatformError::Problem(Box::new(problem)),
            Err(e) => PlatformError::Malformed { status, reason: e.to_string() },
        });
    }
    serde_json::from_slice(&bytes).map_err(|e| PlatformError::Malformed { status, reason: e.to_string() })
}

/// Carries out one event. What Openfire cannot do is said on the page; the next event is not kept waiting for it.
fn carry_out(core: &Core, event: &DownEvent) {
    // Our own change coming back.
    if event.origin.as_ref().is_some_and(|origin| origin.node == core.node) {
        core.row_counts.add(&format!("{}.echo", module(event)), "dropped");
        return;
    }
    if module(event) == "footprint" {
        if core.config().module("footprint").mode == ModuleMode::Decide {
            super::footprint::downlink::carry_out(core, event);
        }
        return;
    }
    let Some((module, verb, arguments)) = verb(core, event) else { return };
    // What a folder has taken over is not the platform's.
    if core.config().module(module).mode != ModuleMode::Decide || core.folder(module).is_some() {
        return;
    }
    let follows = match verb {
        "user.create" => Some("user.made"),
        "user.delete" => Some("user.removed"),
        _ => None,
    };
    if let Some(row) = follows {
        core.echoes.expect(row, &event.subject);
    }
    let done = core.effects.apply(LIMIT, verb, &arguments);
    if let Some(row) = follows {
        core.echoes.forget(row, &event.subject);
    }
    let row = format!("{module}.{}", verb.replace('.', "_"));
    match done {
        Some((Outcome::Ok, _)) => core.row_counts.add(&row, "applied"),
        Some((Outcome::Gone, _)) => core.row_counts.add(&row, "gone"),
        Some((outcome, detail)) => {
            core.row_counts.add(&row, "failed");
            core.failed("downlink", format!("{verb} failed in Openfire ({outcome:?}): {detail}"));
        }
        None => core.failed("downlink", format!("{verb} was not carried out within {} s", LIMIT.as_secs())),
    }
}

fn module(event: &DownEvent) -> &str {
    match event.kind.split('.').nth(1) {
        Some("session") => "user",
        Some("stanza") => "chat",
        Some(name) => name,
        None => "",
    }
}

/// The verb of docs/boundary.md for an event, and the module whose mode counts. None: nothing follows from it here.
fn verb(core: &Core, event: &DownEvent) -> Option<(&'static str, &'static str, Vec<String>)> {
    let data: Value = serde_json::from_str(event.data.get()).ok()?;
    let text = |key: &str| data.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let local = || {
        let jid = Jid::new(&event.subject).ok()?;
        (jid.domain().as_str() == core.start.domain).then_some(())?;
        jid.node().map(|n| n.to_string())
    };
    Some(match event.kind.as_str() {
        "im.stanza" => {
            let given = data.get("stanza").map(Value::to_string).unwrap_or_default();
            let mut stanza = json::decode(given.as_bytes(), json::Mode::Strict)
                .inspect_err(|e| {
                    core.failed("downlink", format!("a stanza of the platform's cannot be read: {e}"));
                })
                .ok()?;
            stanza.set_attr("to", Some(&text("to")));
            ("chat", "route", vec![stanza.to_xml_string()])
        }
        "im.session.close" => {
            let resource = text("resource");
            let who = if resource.is_empty() {
                event.subject.clone()
            } else {
                format!("{}/{resource}", event.subject)
            };
            ("user", "session.close", vec![who])
        }
        "im.user.created" => ("user", "user.create", vec![local()?, text("name"), text("email")]),
        "im.user.removed" => ("user", "user.delete", vec![local()?]),
        "im.friend.removed" => ("friend", "roster.remove", vec![local()?, text("friend")]),
        "im.friend.changed" => {
            let entry: FriendEntry = serde_json::from_value(strip(&data, "friend")).ok()?;
            let subscription = serde_json::to_value(entry.subscription).ok()?.as_str()?.to_owned();
            let ask = if entry.ask { "subscribe" } else { "" };
            let mut arguments =
                vec![local()?, text("friend"), entry.name.unwrap_or_default(), subscription, ask.to_owned()];
            arguments.extend(entry.groups);
            ("friend", "roster.put", arguments)
        }
        "im.state.changed" => {
            let state: UserState = serde_json::from_value(data).ok()?;
            let (show, status) = shown(&lock(&core.sessions), &state);
            ("state", "presence.show", vec![event.subject.clone(), show, status])
        }
        _ => return None,
    })
}

/// What contacts are to see from our resource: the aggregated state, but nothing while a session of this server's leads, because they see that one.
fn shown(here: &Sessions, state: &UserState) -> (String, String) {
    let leads = |s: &Session| s.show == state.show && s.status == state.status;
    let available = state.resources.iter().filter(|s| s.available);
    let best = available.clone().map(|s| s.priority).max();
    let mut leading = available.filter(|s| Some(s.priority) == best && leads(s));
    let ours = |s: &Session| here.sessions_of(&state.user).any(|(_, known)| known.resource == s.resource);
    let elsewhere = leading.any(|s| !ours(s));
    if state.state == Presence::Offline || !elsewhere {
        return ("unavailable".into(), String::new());
    }
    let show = match state.show {
        None => "",
        Some(Show::Away) => "away",
        Some(Show::Chat) => "chat",
        Some(Show::Dnd) => "dnd",
        Some(Show::Xa) => "xa",
    };
    (show.into(), state.status.clone().unwrap_or_default())
}

fn strip(value: &Value, key: &str) -> Value {
    let mut value = value.clone();
    if let Some(object) = value.as_object_mut() {
        object.remove(key);
    }
    value
}

fn cursor_file(core: &Core) -> PathBuf {
    core.data.join("downlink")
}

fn read_cursor(core: &Core) -> Option<String> {
    std::fs::read_to_string(cursor_file(core)).ok().map(|c| c.trim().to_owned()).filter(|c| !c.is_empty())
}

fn write_cursor(core: &Core, cursor: &str) {
    if let Err(error) = write_whole(&cursor_file(core), cursor.as_bytes()) {
        core.failed("downlink", format!("the cursor cannot be written: {error}"));
    }
}
