//! What a backend says by itself: a folder's poll. Item by item, in order; the cursor is written down when an item has been carried out, so each is
//! carried out at least once, over restarts of either side.
//!
//! Leaves out: what items mean (`mapping::backend`), how Openfire does it (docs/boundary.md).

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::config::ModuleMode;
use crate::ffi::frame::Outcome;
use crate::mapping::Response;
use crate::mapping::backend::{Deed, Poll, listed};
use crate::mapping::template::Scope;
use crate::platform::PlatformError;

use super::backend::Running;
use super::core::{Core, now_ms};
use super::files::write_whole;

/// How long Openfire may take for one thing.
const LIMIT: Duration = Duration::from_secs(30);

/// A folder's poll and where it stands.
pub struct Heard {
    cursor: Option<String>,
    next: Instant,
}

impl Heard {
    /// Goes on where the last one stood.
    pub fn new(core: &Core, running: &Running) -> Heard {
        Heard { cursor: cursor(core, running.name()), next: Instant::now() }
    }

    /// Asks, if it is time.
    pub fn step(&mut self, core: &Core, running: &Arc<Running>) {
        let Some(poll) = &running.folder.module.poll else { return };
        // Only a module that decides lets others change anything here, and only one node of a cluster hears.
        if Instant::now() < self.next
            || core.config().module(running.name()).mode != ModuleMode::Decide
            || !core.speaks()
        {
            return;
        }
        self.next = Instant::now() + Duration::from_millis(poll.every_ms);
        let call = format!("{}.poll", running.name());
        match self.round(core, running, poll, &call) {
            Ok(()) => {
                running.breaker.success();
            }
            Err(error) if core.ending.load(Ordering::Acquire) || running.retired() => drop(error),
            Err(error) => {
                core.row_counts.add(&call, "failed");
                core.failed("folder", format!("{call}: {error}"));
                running.breaker.failure(&error.to_string(), false);
            }
        }
    }

    fn round(
        &mut self,
        core: &Core,
        running: &Arc<Running>,
        poll: &Poll,
        call: &str,
    ) -> Result<(), PlatformError> {
        let limit = Duration::from_millis(core.config().module(running.name()).timeout_ms);
        let own = core.own("", now_ms());
        let ill = |reason: String| PlatformError::Malformed { status: 0, reason };
        let about = self.about();
        let scope = Scope { stanza: &about, answer: &Value::Null, own: Some(&own), item: None };
        let made = poll.request.made(&scope).map_err(ill)?;
        let response = running.call(&made, limit)?;
        core.row_counts.add(call, "asked");
        let items = listed(&poll.answers, &poll.items, &about, &response)
            .map_err(|reason| PlatformError::Malformed { status: response.status, reason })?;
        for item in &items {
            if core.ending.load(Ordering::Acquire)
                || core.stopping.load(Ordering::Acquire)
                || running.retired()
            {
                return Ok(());
            }
            self.one(core, running, poll, call, &response, item)?;
        }
        let about = self.about();
        if let Some(next) = poll.cursor_next(&about, &response.body, &own) {
            self.write(core, running.name(), next);
        }
        if !items.is_empty() {
            // There may be more.
            self.next = Instant::now();
        }
        Ok(())
    }

    fn one(
        &mut self,
        core: &Core,
        running: &Arc<Running>,
        poll: &Poll,
        call: &str,
        response: &Response,
        item: &Value,
    ) -> Result<(), PlatformError> {
        let limit = Duration::from_millis(core.config().module(running.name()).timeout_ms);
        let own = core.own("", now_ms());
        let about = self.about();
        match poll.deed(&about, &response.body, item, &own) {
            Ok(None) => core.row_counts.add(call, "nothing"),
            Ok(Some(deed)) => carry_out(core, running, call, &deed),
            // It would be no better next time.
            Err(why) => {
                core.row_counts.add(call, "malformed");
                core.failed("folder", format!("{call}: {why}"));
            }
        }
        if let Some(done) = &poll.done {
            let scope = Scope { stanza: &about, answer: &response.body, own: Some(&own), item: Some(item) };
            let made = done.made(&scope).map_err(|reason| PlatformError::Malformed { status: 0, reason })?;
            let answer = running.call(&made, limit)?;
            if answer.status >= 300 && answer.status != 404 {
                let reason = format!("the backend answered {} to done", answer.status);
                return Err(PlatformError::Malformed { status: answer.status, reason });
            }
        }
        if let Some(cursor) = poll.cursor_after(&about, &response.body, item, &own) {
            self.write(core, running.name(), cursor);
        }
        Ok(())
    }

    fn about(&self) -> Value {
        match &self.cursor {
            Some(cursor) => json!({ "cursor": cursor }),
            None => json!({}),
        }
    }

    fn write(&mut self, core: &Core, name: &str, cursor: String) {
        if self.cursor.as_ref() == Some(&cursor) {
            return;
        }
        let path = file(core, name);
        let written = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        if let Err(error) = written.and_then(|()| write_whole(&path, cursor.as_bytes())) {
            core.failed("folder", format!("the cursor of {name} cannot be written: {error}"));
        }
        self.cursor = Some(cursor);
    }
}

fn carry_out(core: &Core, running: &Running, call: &str, deed: &Deed) {
    let (verb, arguments) = match deed {
        Deed::Route(xml) => ("route", vec![xml.clone()]),
        Deed::Apply(verb, arguments) => (*verb, arguments.clone()),
    };
    let account = |node: &str| format!("{node}@{}", core.start.domain);
    let argument = |at: usize| arguments.get(at).map_or("", String::as_str);
    let follows = match verb {
        "user.create" => Some("user.made"),
        "user.delete" => Some("user.removed"),
        _ => None,
    };
    let whom = account(argument(0));
    if let Some(row) = follows {
        core.echoes.expect(row, &whom);
    }
    if let Some(friends) = core.folder("friend").filter(|_| verb.starts_with("roster.")) {
        let value = match verb {
            "roster.put" => item(argument(2), argument(3), arguments.iter().skip(5).map(String::as_str)),
            _ => "removed".to_owned(),
        };
        friends.said(&format!("{whom} {}", argument(1)), &value);
    }
    let done = core.effects.apply(LIMIT, verb, &arguments);
    if let Some(row) = follows {
        core.echoes.forget(row, &whom);
    }
    match done {
        Some((Outcome::Ok, _)) => core.row_counts.add(call, "applied"),
        Some((Outcome::Gone, _)) => core.row_counts.add(call, "gone"),
        Some((outcome, detail)) => {
            core.row_counts.add(call, "failed");
            let text = format!("{}: {verb} failed in Openfire ({outcome:?}): {detail}", running.name());
            core.failed("folder", text);
        }
        None => core.failed(
            "folder",
            format!("{}: {verb} was not carried out within {} s", running.name(), LIMIT.as_secs()),
        ),
    }
}

/// A roster item as a text, to be compared.
fn item<'a>(name: &str, subscription: &str, groups: impl Iterator<Item = &'a str>) -> String {
    let mut groups: Vec<&str> = groups.filter(|g| !g.is_empty()).collect();
    groups.sort_unstable();
    format!("{name}\n{subscription}\n{}", groups.join("\n"))
}

/// Whether a roster's news is what a folder's backend has said.
pub fn is_echo(running: &Running, stanza: &Value) -> bool {
    let text = |at: &str| stanza.pointer(at).and_then(Value::as_str).unwrap_or_default();
    if !stanza.pointer("/roster/items/0").is_some_and(Value::is_object) {
        return false;
    }
    let whose = format!("{} {}", text("/to"), text("/roster/items/0/jid"));
    let value = match text("/roster/items/0/subscription") {
        "remove" => "removed".to_owned(),
        subscription => {
            let groups = stanza.pointer("/roster/items/0/groups").and_then(Value::as_array);
            let groups = groups.into_iter().flatten().filter_map(Value::as_str);
            let subscription = if subscription.is_empty() { "none" } else { subscription };
            item(text("/roster/items/0/name"), subscription, groups)
        }
    };
    running.has_said(&whose, &value)
}

fn file(core: &Core, name: &str) -> PathBuf {
    core.data.join("cursors").join(name)
}

/// Where a folder's poll stands.
pub fn cursor(core: &Core, name: &str) -> Option<String> {
    std::fs::read_to_string(file(core, name)).ok().map(|c| c.trim().to_owned()).filter(|c| !c.is_empty())
}
