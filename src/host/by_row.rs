//! Modules that a folder has taken over, where the built-in one has code: messages one by one by a row, what is pending, settlements, sessions as
//! presence, logins.
//!
//! Leaves out: order, deadlines, the journal (`intake`, `lanes`: they are the same); IQs and events (`rows`).

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use im_api::chat::Outcome as Settlement;
use serde_json::{Value, json};

use crate::config::ModuleMode;
use crate::ffi::frame::{Outcome as Done, Writer, effect};
use crate::journal::Stream;
use crate::lanes::{Action, Held, Moves};
use crate::mapping::answer::{self, Made};
use crate::mapping::backend::{Verdict, listed, unfit};
use crate::mapping::template::Scope;
use crate::mapping::{self, Does, Outcome, Response, Row, Source};
use crate::modules::chat;
use crate::modules::state::Reading;
use crate::platform::PlatformError;
use crate::stanza::{Limits, Stanza, jid};

use super::backend::Running;
use super::core::{Core, lock, now_ms};
use super::intake::decode_settlement;
use super::login::Login;

/// Pause before a message is asked about again.
const RETRY: Duration = Duration::from_millis(100);
/// How long Openfire may take for one message, and to list its sessions.
const LIMIT: Duration = Duration::from_secs(30);
/// Settlements read at a time.
const SETTLED: usize = 100;

/// Asks about one message and applies the answer.
pub fn ask(core: &Core, running: &Arc<Running>, held: Held) {
    let (running, made) = match core.folders.later(held.seq) {
        // What was asked of a folder is asked of it to the end.
        Some(later) => (later.running, Some(later.made)),
        None => (Arc::clone(running), None),
    };
    let Ok(stanza) = Stanza::parse(&held.bytes, &Limits { bytes: usize::MAX, ..Limits::default() }) else {
        core.failed("decide", "a held stanza cannot be read again".into());
        return alone(core, &held);
    };
    let value = mapping::value(&stanza, true);
    let taken = running.rows.iter().find(|row| {
        row.on.kind == "message"
            && row.does == Does::Claim
            && row.fits(&stanza, Source::Client)
            && row.holds(&value)
    });
    let Some(row) = taken else {
        // No row takes it: it is Openfire's.
        return decided(core, &held, Action::Release { force: true });
    };
    core.row_counts.add(&row.name, if made.is_some() { "asked again" } else { "taken" });
    let mut own = core.own(&held.key, held.sent_ms);
    let recipient = stanza.to().and_then(jid::bare_with_local);
    own.here = recipient.is_some_and(|user| lock(&core.sessions).best(&user).is_some());
    let made = match made {
        Some(made) => Ok(Some(made)),
        None => row.made(&value, &own),
    };
    let response = match made {
        Err(why) => {
            core.failed("row", format!("{} cannot make its request: {why}", row.name));
            let refused =
                Action::Refuse { kind: "modify".into(), condition: "bad-request".into(), text: why };
            return decided(core, &held, refused);
        }
        Ok(None) => None,
        Ok(Some(made)) => match running.call(&made, limit(core, "chat")) {
            Ok(response) => Some(response),
            Err(error) => return ill(core, &running, row, &held, &error),
        },
    };
    let outcome = row.outcome(&value, &own, response.as_ref());
    let action = match outcome {
        Outcome::Ill(reason) => {
            let status = response.map_or(0, |r| r.status);
            let error = PlatformError::Malformed { status, reason };
            return ill(core, &running, row, &held, &error);
        }
        Outcome::Later { made, every } => {
            running.breaker.success();
            if core.postpone(&running, &held, made) {
                let at = Instant::now() + every;
                lock(&core.lanes).unasked(&held.lane, held.seq, true, at);
                return;
            }
            let reason = "it does not say where its answer will be".to_owned();
            let error = PlatformError::Malformed { status: 202, reason };
            return ill(core, &running, row, &held, &error);
        }
        Outcome::Native => Action::Release { force: true },
        Outcome::Done => Action::Stored,
        // Nobody is there to take what would replace it, and the original is not what was decided.
        Outcome::Reply(_) if held.gone => Action::Refuse {
            kind: "wait".into(),
            condition: "recipient-unavailable".into(),
            text: String::new(),
        },
        Outcome::Reply(xml) => Action::Replace { xml: xml.into() },
        Outcome::Error { kind, condition, text } => Action::Refuse { kind, condition, text },
    };
    if response.is_some() {
        running.breaker.success();
    }
    let counted = match &action {
        Action::Release { .. } => "native",
        Action::Replace { .. } => "answered",
        Action::Refuse { .. } => "refused",
        Action::Stored | Action::Drop => "dropped",
    };
    core.row_counts.add(&row.name, counted);
    decided(core, &held, action);
}

fn limit(core: &Core, module: &str) -> Duration {
    Duration::from_millis(core.config().module(module).timeout_ms)
}

fn decided(core: &Core, held: &Held, action: Action) {
    let mut moves = Moves::default();
    lock(&core.lanes).answer(&held.lane, held.seq, action, &mut moves);
    core.folders.over(held.seq);
    core.carry_out(moves);
}

fn ill(core: &Core, running: &Running, row: &Row, held: &Held, error: &PlatformError) {
    if core.ending.load(Ordering::Acquire) {
        return;
    }
    core.failed("row", format!("{}: {error}", row.name));
    lock(&core.lanes).unasked(&held.lane, held.seq, error.maybe_executed(), Instant::now() + RETRY);
    let credential = matches!(error, PlatformError::Malformed { status: 401 | 403, .. });
    if running.breaker.failure(&error.to_string(), credential) {
        let said =
            format!("the backend of {} does not answer; decisions are made without it", running.name());
        core.effects.log(1, "folders", &said);
    }
    if !running.breaker.closed() && !running.retired() {
        core.decide_alone(true);
    }
}

fn alone(core: &Core, held: &Held) {
    lock(&core.lanes).expire(&held.lane, held.seq);
    core.decide_alone(false);
}

/// A message that passes in mirror mode is told by the row that would have asked about it.
pub fn observe(core: &Core, running: &Running, bytes: &[u8]) {
    let Ok(stanza) = Stanza::parse(bytes, &Limits::default()) else { return };
    let fits = |row: &&Arc<Row>| row.on.kind == "message" && row.fits(&stanza, Source::Client) && !row.secret;
    if !running.rows.iter().any(|row| fits(&row)) {
        return;
    }
    let value = mapping::value(&stanza, true);
    if let Some(row) = running.rows.iter().filter(fits).find(|row| row.holds(&value)) {
        core.observe(row, bytes);
    }
}

/// Tells the backend what was decided without it, one by one.
pub fn settle(core: &Core, running: &Running) {
    if running.name() != "chat" || core.journal.depth(Stream::Settled).entries == 0 {
        return;
    }
    let entries = core.journal.read(Stream::Settled, 0, SETTLED, usize::MAX).unwrap_or_default();
    for (seq, entry) in entries {
        if core.ending.load(Ordering::Acquire) || running.retired() {
            return;
        }
        if let (Some(call), Some(item)) = (&running.folder.module.settle, decode_settlement(&entry)) {
            let word = if item.outcome == Settlement::Refused { "refused" } else { "delivered" };
            let about = json!({ "key": item.key, "outcome": word });
            let own = core.own(&item.key, now_ms());
            let scope = Scope { stanza: &about, answer: &Value::Null, own: Some(&own), item: None };
            let told = call
                .request
                .made(&scope)
                .map_err(|reason| PlatformError::Malformed { status: 0, reason })
                .and_then(|made| running.call(&made, limit(core, "chat")))
                .and_then(|response| match answer::first(&call.answers, &about, Some(&response)) {
                    Some(_) => Ok(()),
                    None => Err(malformed(&response)),
                });
            if let Err(error) = told {
                core.failed("folder", format!("chat.settle: {error}"));
                running.breaker.failure(&error.to_string(), false);
                return;
            }
            core.row_counts.add("chat.settle", "told");
        }
        if let Err(error) = core.journal.remove(Stream::Settled, &[(seq, entry.len())]) {
            core.failed("journal", error.to_string());
        }
    }
}

fn malformed(response: &Response) -> PlatformError {
    PlatformError::Malformed { status: response.status, reason: unfit(response) }
}

/// Whether a folder knows who is here, if it has to; if not, the shim is asked.
pub fn knows_sessions(core: &Core, running: &Running) -> bool {
    let mode = core.config().module(running.name()).mode;
    let wants = match running.name() {
        "chat" => mode == ModuleMode::Decide && running.folder.module.pending.is_some(),
        "state" => mode >= ModuleMode::Mirror,
        _ => false,
    };
    if !wants || core.tells_sessions() || lock(&core.sessions).complete() {
        return true;
    }
    let listed = core.effects.perform(LIMIT, |n| Writer::new(effect::SNAPSHOT).long(n).finish());
    listed.is_some() && lock(&core.sessions).complete()
}

/// Who has come: what is pending for them is handed over; what they show is told.
pub fn came(core: &Core, readings: &[Reading]) {
    if let Some(chat) = core.folder("chat")
        && chat.folder.module.pending.is_some()
        && core.config().chat == ModuleMode::Decide
    {
        for reading in readings.iter().filter(|r| r.open && r.available && r.priority >= 0) {
            if let Some(user) = jid::bare_with_local(&reading.jid) {
                core.handovers.add(&user);
            }
        }
    }
    if let Some(state) = core.folder("state")
        && core.config().module("state").mode >= ModuleMode::Mirror
    {
        readings.iter().for_each(|reading| show(core, &state, reading));
    }
}

/// A session's presence, written as the stanza that says the same, is told by the row that takes it, if it is news.
fn show(core: &Core, running: &Running, reading: &Reading) {
    let escape = |text: &str| quick_xml::escape::escape(text).into_owned();
    let here = reading.open && reading.available;
    let child = |name: &str, text: &str| match text.is_empty() {
        true => String::new(),
        false => format!("<{name}>{}</{name}>", escape(text)),
    };
    let inner = match here {
        true => format!(
            "{}{}<priority>{}</priority>",
            child("show", &reading.show),
            child("status", &reading.status),
            reading.priority.clamp(-128, 127)
        ),
        false => String::new(),
    };
    let kind = if here { "" } else { " type=\"unavailable\"" };
    let xml = format!(
        "<presence xmlns=\"jabber:client\" from=\"{}\"{kind}>{inner}</presence>",
        escape(&reading.jid)
    );
    {
        let mut told = lock(&running.told);
        match told.get(&reading.jid) {
            Some((seq, before)) if *seq >= reading.seq || *before == xml => return,
            // It has never been here.
            None if !here => return,
            _ => drop(told.insert(reading.jid.clone(), (reading.seq, xml.clone()))),
        }
        if told.len() > 10_000 {
            told.retain(|_, (_, xml)| !xml.contains("type=\"unavailable\""));
        }
    }
    let Ok(stanza) = Stanza::parse(xml.as_bytes(), &Limits::default()) else { return };
    let value = mapping::value(&stanza, true);
    if let Some(row) = running.rows.iter().find(|row| row.fits(&stanza, Source::Event) && row.holds(&value)) {
        core.row_counts.add(&row.name, "seen");
        core.observe(row, xml.as_bytes());
    }
}

/// Why a hand-over ended early.
pub enum End {
    /// The session is gone, or does not take it.
    Gone,
    /// The backend.
    Backend(String),
}

/// Hands over what a backend keeps for a user who is here: oldest first, each one deleted there after the session has accepted it.
///
/// # Errors
/// Why it ended before nothing was left.
pub fn hand_over(core: &Core, running: &Running, user: &str) -> Result<(), End> {
    let Some(call) = &running.folder.module.pending else { return Ok(()) };
    let about = json!({ "user": user, "node": user.split('@').next() });
    let own = core.own("", now_ms());
    let wrong = |error: PlatformError| {
        running.breaker.failure(&error.to_string(), false);
        End::Backend(format!("chat.pending: {error}"))
    };
    let unusable = |reason: String| wrong(PlatformError::Malformed { status: 0, reason });
    let mark = format!("handed-row/{user}");
    let mut last = None;
    loop {
        if !running.breaker.closed() {
            return Err(End::Backend("chat.pending: the backend does not answer".into()));
        }
        let scope = Scope { stanza: &about, answer: &Value::Null, own: Some(&own), item: None };
        let made = call.request.made(&scope).map_err(unusable)?;
        let response = running.call(&made, limit(core, "chat")).map_err(wrong)?;
        let items = listed(&call.answers, &call.items, &about, &response)
            .map_err(|reason| wrong(PlatformError::Malformed { status: response.status, reason }))?;
        running.breaker.success();
        if items.is_empty() {
            let _ = core.journal.unmark(&mark);
            return Ok(());
        }
        for item in &items {
            if core.ending.load(Ordering::Acquire) || core.stopping.load(Ordering::Acquire) {
                return Err(End::Gone);
            }
            let number = hash(item);
            if last == Some(number) {
                return Err(End::Backend(
                    "chat.pending: the backend gives an item again that is done".into(),
                ));
            }
            // One that was handed over before, but whose end the backend has not been told.
            if core.journal.marked(&mark).ok().flatten() != Some(number) {
                let (stanza, sent) = call.message(&about, item, &own).map_err(unusable)?;
                let sent = sent.unwrap_or_else(|| chat::timestamp(now_ms()));
                let xml = chat::with_delay(stanza, &core.start.domain, &sent);
                let Some((jid, _)) = lock(&core.sessions).best(user) else { return Err(End::Gone) };
                let outcome = core.effects.perform(LIMIT, |number| {
                    Writer::new(effect::HANDOVER).long(number).str(&jid).str(&xml).finish()
                });
                if !matches!(outcome, Some((Done::Ok, _))) {
                    return Err(End::Gone);
                }
                core.counters.add("handed_over", 1);
                core.row_counts.add("chat.pending", "handed");
                if let Err(error) = core.journal.mark(&mark, number) {
                    core.failed("journal", error.to_string());
                }
            }
            let scope = Scope { stanza: &about, answer: &response.body, own: Some(&own), item: Some(item) };
            let made: Made = call.done.made(&scope).map_err(unusable)?;
            let answer = running.call(&made, limit(core, "chat")).map_err(wrong)?;
            if answer.status >= 300 && answer.status != 404 {
                return Err(wrong(malformed(&answer)));
            }
            last = Some(number);
        }
    }
}

/// A number that stands for an item: never 0.
fn hash(item: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    item.to_string().hash(&mut hasher);
    hasher.finish() | 1
}

/// Whether the password is the user's, as a folder's backend says.
pub fn verify(core: &Core, running: &Running, user: &str, password: &str) -> Login {
    let Some(call) = &running.folder.module.login else { return Login::Unknown };
    let about = json!({ "user": user, "node": user.split('@').next(), "password": password });
    let own = core.own(&core.keys.next(), now_ms());
    let scope = Scope { stanza: &about, answer: &Value::Null, own: Some(&own), item: None };
    let answer = call
        .request
        .made(&scope)
        .map_err(|reason| PlatformError::Malformed { status: 0, reason })
        .and_then(|made| running.call(&made, limit(core, "user")))
        .and_then(|response| match answer::first(&call.answers, &about, Some(&response)) {
            Some(rule) => Ok(rule.then),
            None => Err(malformed(&response)),
        });
    match answer {
        Ok(verdict) => {
            running.breaker.success();
            match verdict {
                Verdict::Right => Login::Right,
                Verdict::Wrong => Login::Wrong,
                Verdict::Locked => Login::Locked,
                Verdict::Unknown => Login::Unknown,
            }
        }
        Err(error) => {
            core.failed("login", format!("user.login: {error}"));
            let credential = matches!(error, PlatformError::Malformed { status: 401 | 403, .. });
            running.breaker.failure(&error.to_string(), credential);
            Login::Dead
        }
    }
}
