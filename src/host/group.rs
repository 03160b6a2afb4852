//! Groups: what the platform says of them becomes so in Openfire (decide), and the full picture of Openfire's groups is told at each start, when the
//! mode is raised, and when the platform is another one.
//!
//! Changes in Openfire are rows (`group.*`), told in order as they ended, the bridge's own included. So both sides come to the same whoever changes
//! what at the same time: a change of the platform's is always made in Openfire, and what Openfire has last is told last.
//!
//! Leaves out: how Openfire does it (the shim's verbs, docs/boundary.md).

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use im_api::downlink::DownEvent;
use im_api::group::{Group, Groups, Member, ReportGroup, Role};
use im_api::{problem, routes};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::config::ModuleMode;
use crate::journal::Stream;
use crate::platform::{Headers, PlatformError};
use crate::stanza::Element;

use super::core::{Core, lock, now_ms};
use super::downlink::{Carried, apply, ends};
use super::import::{End, read_from_openfire};

/// Groups in one list from Openfire.
const PAGE: usize = 20;
/// Pause before the platform is asked again.
const PAUSE: Duration = Duration::from_millis(500);

/// Where the picture of the groups stands.
#[derive(Debug, Default)]
pub struct Pictures {
    state: Mutex<State>,
    /// Everything that the platform has said so far is done.
    caught_up: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    /// What it was last told for: mode and platform.
    told: Option<(ModuleMode, Option<String>)>,
    /// Something that the platform said was missed: both lists are united, as at first.
    missed: bool,
    tries_at: Option<std::time::Instant>,
    groups: u64,
    reported: u64,
    applied: u64,
    at_ms: u64,
    error: Option<String>,
}

impl Pictures {
    /// Whether the downlink has nothing more at this moment.
    pub fn caught_up(&self, up: bool) {
        self.caught_up.store(up, Ordering::Release);
    }

    /// Events of the platform were removed before they were fetched.
    pub fn missed_something(&self) {
        let mut state = lock(&self.state);
        state.told = None;
        state.missed = true;
    }

    /// For the status page: whether the picture was told for the mode and the platform of now, and what it came to.
    pub fn status(&self, core: &Core) -> Value {
        let now = key(core);
        let state = lock(&self.state);
        json!({
            "told": state.told.as_ref() == Some(&now), "groups": state.groups, "reported": state.reported,
            "applied": state.applied, "at_ms": state.at_ms, "error": state.error,
        })
    }
}

/// What the picture is told for.
fn key(core: &Core) -> (ModuleMode, Option<String>) {
    (core.config().module("group").mode, core.client.url())
}

/// What is done about requests to rooms that change who belongs (`group.room_*`). The module `room` follows what rooms do, so nobody is asked about them
/// unless both modules decide; in mirror mode its events say everything already.
pub fn room_requests(core: &Core) -> ModuleMode {
    let config = core.config();
    match config.module("group").mode.min(config.module("room").mode) {
        ModuleMode::Mirror => ModuleMode::Watch,
        mode => mode,
    }
}

/// Carries out what the platform says about a group.
pub fn carry_out(core: &Core, event: &DownEvent) -> Carried {
    #[derive(Deserialize)]
    struct Membership {
        user: String,
        role: Option<Role>,
    }
    let id = event.subject.clone();
    match event.kind.as_str() {
        "im.group.removed" => apply(core, "group", "group.remove", &[id]),
        "im.group.member" => {
            let Ok(Membership { user, role }) = serde_json::from_str(event.data.get()) else {
                core.failed("downlink", format!("{} of the platform's cannot be used", event.kind));
                return Carried::Out("unusable");
            };
            match role {
                Some(role) => apply(core, "group", "group.member", &[id, user, word(role).into()]),
                None => apply(core, "group", "group.unmember", &[id, user]),
            }
        }
        // What it is by now: it may be gone again.
        "im.group.changed" => match patiently(core, || whole(core, &id)) {
            Some(Some(group)) if group.room.is_none() => put(core, &group),
            Some(_) => {
                core.row_counts.add("group.group_put", "gone");
                Carried::Out("gone")
            }
            None if ends(core) => Carried::Withdrawn,
            None => Carried::Out("failed"),
        },
        _ => Carried::Nothing,
    }
}

/// A group as the verb takes it; its members count only if Openfire has to make it.
fn put(core: &Core, group: &Group) -> Carried {
    let mut arguments =
        vec![group.id.clone(), group.name.clone(), group.description.clone().unwrap_or_default()];
    for member in &group.members {
        arguments.extend([member.user.clone(), word(member.role).to_owned()]);
    }
    apply(core, "group", "group.put", &arguments)
}

/// Openfire's groups have administrators and members.
fn word(role: Role) -> &'static str {
    if role == Role::Member { "member" } else { "admin" }
}

/// A group with all its members; none: the platform does not have it.
fn whole(core: &Core, id: &str) -> Result<Option<Group>, PlatformError> {
    let mut found: Option<Group> = None;
    let mut after: Option<String> = None;
    loop {
        let mut path = format!("{}?limit=256", routes::path(routes::GROUP, &[id]));
        if let Some(after) = &after {
            path.push_str(&routes::path("&after={x}", &[after]));
        }
        let mut page: Group = match core.client.call("GET", &path, None, None) {
            Ok(page) => page,
            Err(error) if error.is(problem::NOT_FOUND) => return Ok(None),
            Err(error) => return Err(error),
        };
        after = page.next.take();
        match &mut found {
            Some(group) => group.members.extend(page.members),
            None => found = Some(page),
        }
        if after.is_none() {
            return Ok(found);
        }
    }
}

/// Asks until the platform answers; what it says keeps its order. None: the host ends, or the platform will not say.
fn patiently<T>(core: &Core, ask: impl Fn() -> Result<T, PlatformError>) -> Option<T> {
    loop {
        match ask() {
            Ok(answer) => return Some(answer),
            Err(error) => {
                core.failed("downlink", format!("a group cannot be read: {error}"));
                if !error.platform_is_ill() || core.ending.load(Ordering::Acquire) {
                    return None;
                }
                std::thread::park_timeout(PAUSE);
            }
        }
    }
}

/// Tells the picture if it is time. It is told by the thread that tells changes, when none is waiting, so that nothing older comes after it; in decide
/// mode what the platform has said meanwhile is done first.
pub fn picture_if_due(core: &Core) {
    let key = key(core);
    let mode = key.0;
    let ready = mode >= ModuleMode::Mirror
        && key.1.is_some()
        && core.breaker.closed()
        && core.ready.load(Ordering::Acquire)
        && !core.stopping.load(Ordering::Acquire)
        && core.journal.depth(Stream::Calls).entries == 0
        && (mode == ModuleMode::Mirror || core.groups.caught_up.load(Ordering::Acquire));
    {
        let state = lock(&core.groups.state);
        let soon = state.tries_at.is_some_and(|at| std::time::Instant::now() < at);
        if !ready || soon || state.told.as_ref() == Some(&key) {
            return;
        }
    }
    // The embedded platform has another port each time.
    let urls = core.config().urls.join(" ");
    let platform = if urls.is_empty() { "embedded" } else { &urls };
    let mark = format!("groups {platform}");
    let missed = lock(&core.groups.state).missed;
    let known = core.journal.marked(&mark).is_ok_and(|mark| mark.is_some());
    let mut picture = Picture {
        core,
        decide: mode == ModuleMode::Decide,
        first: missed || !known,
        seen: HashSet::new(),
        reported: 0,
        applied: 0,
    };
    let end = picture.take();
    let mut state = lock(&core.groups.state);
    (state.groups, state.reported, state.applied) =
        (picture.seen.len() as u64, picture.reported, picture.applied);
    state.at_ms = now_ms();
    state.error = match end {
        Ok(()) => {
            state.told = Some(key);
            state.missed = false;
            if let Err(error) = core.journal.mark(&mark, 1) {
                core.failed("journal", error.to_string());
            }
            None
        }
        Err(why) => {
            let text = match why {
                End::Stopped => "it was interrupted and begins again".to_owned(),
                End::Openfire(why) => format!("Openfire: {why}"),
                End::Platform(error) => {
                    core.breaker.failure(&error.to_string(), error.refused_credential());
                    error.to_string()
                }
            };
            core.failed("row", format!("the picture of the groups was not told to its end: {text}"));
            state.tries_at = Some(std::time::Instant::now() + PAUSE);
            Some(text)
        }
    };
}

/// One run over all groups.
struct Picture<'a> {
    core: &'a Core,
    decide: bool,
    /// This platform has never had the picture: nobody loses a member by it, both lists are united. Afterwards Openfire's count.
    first: bool,
    seen: HashSet<String>,
    reported: u64,
    applied: u64,
}

impl Picture<'_> {
    fn take(&mut self) -> Result<(), End> {
        let mut after = String::new();
        loop {
            let list = read_from_openfire(self.core, "read.groups", &[&after, &PAGE.to_string()])?;
            let groups: Vec<_> = list.root().elements().flat_map(|e| e.elements()).collect();
            let Some(last) = groups.last().and_then(|group| group.attr("key")) else { break };
            last.clone_into(&mut after);
            for group in groups {
                if self.core.ending.load(Ordering::Acquire) || self.core.stopping.load(Ordering::Acquire) {
                    return Err(End::Stopped);
                }
                self.report(group)?;
            }
        }
        if self.decide { self.make_the_others() } else { Ok(()) }
    }

    /// One group of Openfire's.
    fn report(&mut self, group: Element<'_>) -> Result<(), End> {
        let Some(id) = group.attr("id") else { return Ok(()) };
        self.seen.insert(id.to_owned());
        let text = |name: &str| group.attr(name).map(str::to_owned);
        let mut report =
            ReportGroup { name: text("name"), description: text("description"), ..ReportGroup::default() };
        let mut members = members(group);
        let there = whole(self.core, id)?;
        if let Some(there) = &there {
            let ours: HashSet<&str> = members.iter().map(|m| m.user.as_str()).collect();
            let others: Vec<Member> =
                there.members.iter().filter(|m| !ours.contains(m.user.as_str())).cloned().collect();
            let waiting = self.waiting(id, &others)?;
            let (waiting, more): (Vec<_>, Vec<_>) =
                others.into_iter().partition(|m| waiting.contains(&m.user));
            if !self.first && !more.is_empty() {
                report.complete = true;
                members.extend(waiting);
            } else if self.decide {
                for member in more {
                    let role = word(member.role).to_owned();
                    apply(self.core, "group", "group.member", &[id.to_owned(), member.user, role]);
                    self.applied += 1;
                }
            }
        }
        let same = there.as_ref().is_some_and(|there| is_as(there, &report, &members));
        if !same || report.complete {
            report.members = Some(members);
            self.tell(id, &report)?;
            self.reported += 1;
        }
        Ok(())
    }

    /// Who of these has no account here: they stay members at the platform and become members here when the account is made.
    fn waiting(&self, id: &str, members: &[Member]) -> Result<HashSet<String>, End> {
        if members.is_empty() {
            return Ok(HashSet::new());
        }
        let mut arguments = vec![id];
        for member in members {
            arguments.extend([member.user.as_str(), word(member.role)]);
        }
        let list = read_from_openfire(self.core, "group.waiting", &arguments)?;
        Ok(list.root().elements().flat_map(members_of).map(|m| m.user).collect())
    }

    fn tell(&self, id: &str, report: &ReportGroup) -> Result<(), End> {
        let body = serde_json::to_vec(report).map_err(|e| End::Openfire(e.to_string()))?;
        let origin = format!("{}/groups", self.core.node);
        let headers = Headers { origin: Some(&origin), ..Headers::default() };
        let path = routes::path(routes::GROUP, &[id]);
        let (status, bytes) = self.core.client.exchange_bytes("PUT", &path, Some(&body), headers)?;
        if status == 200 {
            return Ok(());
        }
        match serde_json::from_slice(&bytes) {
            Ok(problem) => {
                let error = PlatformError::Problem(Box::new(problem));
                if error.platform_is_ill() {
                    return Err(End::Platform(error));
                }
                // The others are told all the same.
                self.core.failed("row", format!("the platform will not have a group: {error}"));
                Ok(())
            }
            Err(e) => Err(End::Platform(PlatformError::Malformed { status, reason: e.to_string() })),
        }
    }

    /// Groups that only the platform has.
    fn make_the_others(&mut self) -> Result<(), End> {
        let mut after: Option<String> = None;
        loop {
            let mut path = format!("{}?limit=256", routes::GROUPS);
            if let Some(after) = &after {
                path.push_str(&routes::path("&after={x}", &[after]));
            }
            let page: Groups = self.core.client.call("GET", &path, None, None)?;
            for group in page.items {
                if group.room.is_none()
                    && !self.seen.contains(&group.id)
                    && let Some(group) = whole(self.core, &group.id)?
                {
                    put(self.core, &group);
                    self.applied += 1;
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }
}

/// Whether the platform has it like that already.
fn is_as(there: &Group, report: &ReportGroup, members: &[Member]) -> bool {
    let theirs: HashMap<&str, &str> = there.members.iter().map(|m| (m.user.as_str(), word(m.role))).collect();
    report.name.as_ref().is_none_or(|name| *name == there.name)
        && report.description.as_deref().is_none_or(|d| d == there.description.as_deref().unwrap_or_default())
        && members.iter().all(|ours| theirs.get(ours.user.as_str()) == Some(&word(ours.role)))
}

fn members(group: Element<'_>) -> Vec<Member> {
    members_of(group).collect()
}

fn members_of<'a>(group: Element<'a>) -> impl Iterator<Item = Member> + use<'a> {
    group.elements().filter(|e| e.name() == "member").filter_map(|member| {
        let role = if member.attr("role") == Some("admin") { Role::Admin } else { Role::Member };
        Some(Member { user: member.attr("jid")?.to_owned(), role })
    })
}
