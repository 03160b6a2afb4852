//! The downlink: what the platform says to XMPP (design, "Contract"; docs/downlink.md). One long poll by one node of a cluster, in order, one event at a
//! time; an event is acknowledged by the cursor of the next poll, which is written down first, so each is carried out at least once.
//!
//! Leaves out: how Openfire does it (the shim's verbs, docs/boundary.md), where the cursor stands (`cursor`).

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
use crate::stanza::{Stanza, json};

use super::core::{Core, lock};
use super::cursor::{self, Cursor};
use super::feed::{About, What};
use super::{footprint, group};

/// How long a poll waits at the platform.
const WAIT: Duration = Duration::from_secs(20);
/// How long Openfire may take for one thing.
pub const LIMIT: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(500);
/// Events in one answer.
const LIMIT_OF_A_POLL: usize = 100;

/// The downlink thread.
pub fn run(core: &Core) {
    // Read anew when the senior member changes: meanwhile another one may have been at it.
    let mut place: Option<Cursor> = None;
    while !core.ending.load(Ordering::Acquire) {
        cursor::introduce(core);
        if core.listen_anew.swap(false, Ordering::AcqRel) {
            place = None;
        }
        if !wanted(core) {
            core.groups.caught_up(false);
            std::thread::park_timeout(Duration::from_millis(100));
            continue;
        }
        let cursor = place.get_or_insert_with(|| Cursor::read(core));
        match poll(core, cursor.after.as_deref()) {
            // Who is the senior member may have changed while the platform had nothing to say, even there and back.
            Ok(_) if !wanted(core) || core.listen_anew.load(Ordering::Acquire) => {}
            Ok(answer) => {
                if !carry_out_all(core, cursor, &answer) {
                    return;
                }
                core.groups.caught_up(answer.items.len() < LIMIT_OF_A_POLL);
                core.listens.store(true, Ordering::Release);
                let next = Cursor { after: Some(answer.next), done: None };
                if *cursor != next {
                    *cursor = next;
                    cursor.write(core);
                }
            }
            Err(error) if error.is(problem::CURSOR_GONE) => {
                core.failed("downlink", "events of the platform were removed before they were fetched; lists that changed meanwhile differ until their next change".into());
                *cursor = Cursor::default();
                core.groups.missed_something();
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

/// Carries out the events of an answer in their order, those before the cursor's last one left out. False: the host ends, the rest comes again.
fn carry_out_all(core: &Core, cursor: &mut Cursor, answer: &Downlink) -> bool {
    let before =
        cursor.done.as_ref().and_then(|done| answer.items.iter().position(|event| event.id == *done));
    for event in answer.items.iter().skip(before.map_or(0, |at| at + 1)) {
        if core.ending.load(Ordering::Acquire) {
            return false;
        }
        match carry_out(core, event) {
            Carried::Nothing => {}
            Carried::Out(_) => {
                cursor.done = Some(event.id.clone());
                cursor.write(core);
            }
            Carried::Withdrawn => return false,
        }
    }
    true
}

/// Somebody decides, the platform knows us, and this node is the one that speaks for the cluster.
fn wanted(core: &Core) -> bool {
    let config = core.config();
    let decides = crate::config::MODULES.iter().any(|m| config.module(m).mode == ModuleMode::Decide);
    decides
        && config.senior
        && core.ready.load(Ordering::Acquire)
        && core.breaker.closed()
        && core.client.url().is_some()
}

fn poll(core: &Core, cursor: Option<&str>) -> Result<Downlink, PlatformError> {
    let mut path = format!("{}?limit={LIMIT_OF_A_POLL}&wait={}", routes::DOWNLINK, WAIT.as_millis());
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

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carried {
    /// Nothing was to be done in Openfire.
    Nothing,
    /// It was done, or said to be impossible; either way it is over. The word counts.
    Out(&'static str),
    /// The host ends, and it has not been done.
    Withdrawn,
}

/// Carries out one event. What Openfire cannot do is said on the page and not tried again; the next event is not kept waiting for it.
fn carry_out(core: &Core, event: &DownEvent) -> Carried {
    // A change of our own, or of another member's of the cluster, coming back.
    let ours = |node: &String| *node == core.node || lock(&core.members).contains(node);
    if event.origin.as_ref().is_some_and(|origin| ours(&origin.node)) {
        core.row_counts.add(&format!("{}.echo", module(event)), "dropped");
        return Carried::Nothing;
    }
    let name = module(event);
    if matches!(name, "footprint" | "group") {
        let carried = match (core.config().module(name).mode, name) {
            (ModuleMode::Decide, "group") => group::carry_out(core, event),
            (ModuleMode::Decide, _) => footprint::downlink::carry_out(core, event),
            _ => Carried::Nothing,
        };
        if let Carried::Out(outcome) = carried {
            told(core, event, outcome);
        }
        return carried;
    }
    let Some((module, verb, arguments)) = verb(core, event).unwrap_or_else(|why| {
        core.row_counts.add(&format!("{name}.downlink"), "unusable");
        core.failed("downlink", format!("{} of the platform's cannot be used: {why}", event.kind));
        told(core, event, "unusable");
        None
    }) else {
        return Carried::Nothing;
    };
    // What a folder has taken over is not the platform's to change.
    if core.folder(module).is_some() {
        core.row_counts.add(&format!("{module}.downlink"), "not_the_platforms");
        told(core, event, "not_deciding");
        return Carried::Nothing;
    }
    if core.config().module(module).mode != ModuleMode::Decide {
        core.row_counts.add(&format!("{module}.{}", verb.replace('.', "_")), "not_deciding");
        // A change shows in lists; what somebody sent is gone.
        if event.kind == "im.stanza" {
            let text = format!("a stanza of the platform's was not routed: {module} is not in decide mode");
            core.failed("downlink", text);
        }
        told(core, event, "not_deciding");
        return Carried::Nothing;
    }
    let follows = match verb {
        "user.create" => Some("user.made"),
        "user.delete" => Some("user.removed"),
        _ => None,
    };
    if let Some(row) = follows {
        core.echoes.expect(row, &event.subject);
    }
    let carried = apply(core, module, verb, &arguments);
    if let Some(row) = follows {
        core.echoes.forget(row, &event.subject);
    }
    if let Carried::Out(outcome) = carried {
        told(core, event, outcome);
    }
    carried
}

/// Has it done, and counts what became of it.
pub fn apply(core: &Core, module: &str, verb: &str, arguments: &[String]) -> Carried {
    let outcome = match core.effects.apply(LIMIT, verb, arguments) {
        Some((Outcome::Ok, _)) => "applied",
        Some((Outcome::Gone, _)) => "gone",
        Some((outcome, detail)) => {
            core.failed("downlink", format!("{verb} failed in Openfire ({outcome:?}): {detail}"));
            "failed"
        }
        None if ends(core) => return Carried::Withdrawn,
        None => {
            core.failed("downlink", format!("{verb} was not carried out within {} s", LIMIT.as_secs()));
            "late"
        }
    };
    core.row_counts.add(&format!("{module}.{}", verb.replace('.', "_")), outcome);
    Carried::Out(outcome)
}

/// Whether what was not done now will be done after the next start.
pub fn ends(core: &Core) -> bool {
    core.ending.load(Ordering::Acquire) || core.stopping.load(Ordering::Acquire)
}

/// Tells other plugins.
fn told(core: &Core, event: &DownEvent, outcome: &'static str) {
    core.feed.tell(About::Applied, || What::Applied {
        kind: event.kind.clone(),
        subject: event.subject.clone(),
        id: event.id.clone(),
        outcome,
        data: event.data.get().to_owned(),
    });
}

fn module(event: &DownEvent) -> &str {
    match event.kind.split('.').nth(1) {
        Some("session") => "user",
        Some("stanza") => "chat",
        Some(name) => name,
        None => "",
    }
}

/// The verb of docs/boundary.md for an event, with the module whose mode counts and the verb's arguments.
type Verb = (&'static str, &'static str, Vec<String>);

/// What is to be done. None: nothing follows from it here.
///
/// # Errors
/// Why the event cannot be used.
fn verb(core: &Core, event: &DownEvent) -> Result<Option<Verb>, String> {
    let data: Value = serde_json::from_str(event.data.get()).map_err(|e| e.to_string())?;
    let text = |key: &str| data.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let needed = |key: &str| Some(text(key)).filter(|t| !t.is_empty()).ok_or(format!("{key} is missing"));
    let node = || {
        let jid = Jid::new(&event.subject).map_err(|_| "its subject is no JID".to_owned())?;
        let ours = jid.domain().as_str() == core.start.domain;
        jid.node()
            .filter(|_| ours)
            .map(|n| n.to_string())
            .ok_or("its subject is nobody of this server".to_owned())
    };
    Ok(Some(match event.kind.as_str() {
        "im.stanza" => {
            let stanza = stanza(core, event, &data)?;
            match stanza.type_() {
                Some("groupchat") => {
                    let nick =
                        stanza.from().and_then(|from| from.rsplit(['/', '@']).next()).unwrap_or_default();
                    ("room", "room.say", vec![needed("to")?, nick.to_owned(), stanza.to_xml_string()])
                }
                _ => ("chat", "route", vec![stanza.to_xml_string()]),
            }
        }
        "im.session.close" => {
            let resource = text("resource");
            let bare = event.subject.clone();
            let who = if resource.is_empty() { bare } else { format!("{bare}/{resource}") };
            ("user", "session.close", vec![who])
        }
        "im.user.created" => ("user", "user.create", vec![node()?, text("name"), text("email")]),
        "im.user.removed" => ("user", "user.delete", vec![node()?]),
        "im.friend.removed" => ("friend", "roster.remove", vec![node()?, needed("friend")?]),
        "im.friend.changed" => {
            let entry: FriendEntry =
                serde_json::from_value(strip(&data, "friend")).map_err(|e| e.to_string())?;
            let subscription = serde_json::to_value(entry.subscription).map_err(|e| e.to_string())?;
            let subscription = subscription.as_str().unwrap_or_default().to_owned();
            let ask = if entry.ask { "subscribe" } else { "" };
            let name = entry.name.unwrap_or_default();
            let mut arguments = vec![node()?, needed("friend")?, name, subscription, ask.to_owned()];
            arguments.extend(entry.groups);
            ("friend", "roster.put", arguments)
        }
        "im.room.changed" => {
            let members = data.get("members").and_then(Value::as_array).ok_or("members is missing")?;
            let pair = |m: &Value| Some(format!("{} {}", m["affiliation"].as_str()?, m["user"].as_str()?));
            let mut arguments = vec![event.subject.clone()];
            // A group's room is for its members.
            arguments.extend(data.get("group").filter(|g| g.is_string()).map(|_| "members-only".to_owned()));
            arguments.extend(members.iter().filter_map(pair));
            ("room", "room.make", arguments)
        }
        "im.room.removed" => ("room", "room.destroy", vec![event.subject.clone()]),
        "im.room.member" => {
            let affiliation = data.get("affiliation").and_then(Value::as_str).unwrap_or("none");
            ("room", "room.member", vec![event.subject.clone(), text("user"), affiliation.to_owned()])
        }
        "im.state.changed" => {
            let state: UserState = serde_json::from_value(data).map_err(|e| e.to_string())?;
            let (show, status) = shown(&lock(&core.sessions), &state);
            ("state", "presence.show", vec![event.subject.clone(), show, status])
        }
        // Logins ask the platform each time, and it judges blocks whenever it is asked: nothing is kept here that would have to change.
        "im.user.password" | "im.block.changed" => return Ok(None),
        _ => {
            // A later contract, or an event of a module that this version does not apply.
            core.row_counts.add(&format!("{}.downlink", module(event)), "unknown");
            return Ok(None);
        }
    }))
}

/// A stanza that somebody sends through the platform. Without a sender it is the server's; without an id it has the event's, by which a repeated one is
/// recognised.
fn stanza(core: &Core, event: &DownEvent, data: &Value) -> Result<Stanza, String> {
    let given = data.get("stanza").map(Value::to_string).unwrap_or_default();
    let mut stanza = json::decode(given.as_bytes(), json::Mode::Strict).map_err(|e| e.to_string())?;
    let to = data.get("to").and_then(Value::as_str).ok_or("to is missing")?;
    stanza.set_attr("to", Some(to));
    if stanza.from().is_none() {
        stanza.set_attr("from", Some(&core.start.domain));
    }
    if stanza.id().is_none() {
        stanza.set_attr("id", Some(&event.id));
    }
    Ok(stanza)
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
