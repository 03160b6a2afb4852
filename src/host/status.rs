//! Status: the facts that the page shows and the tests read.

use serde_json::{Value, json};

use crate::config::{Config, ModuleMode, PREFIX, SETTINGS, Type};
use crate::journal::Stream;
use crate::platform::breaker::State;

use super::core::{Core, lock, now_ms};

/// The status as JSON.
pub fn status(core: &Core) -> Value {
    let config = core.config();
    let (held, oldest, in_effect) = {
        let lanes = lock(&core.lanes);
        (lanes.held(), lanes.oldest_ms(), lanes.in_effect())
    };
    let ((sessions, available), presences) = {
        let sessions = lock(&core.sessions);
        (sessions.count(), sessions.held())
    };
    let (breaker, opened, error) = core.breaker.describe();
    let child = lock(&core.embedded).as_ref().map(crate::platform::embedded::Embedded::state);
    let depth = |stream| core.journal.depth(stream);
    let bytes: u64 = [Stream::Held, Stream::Events, Stream::Settled, Stream::Calls, Stream::Rooms]
        .map(|s| depth(s).bytes)
        .iter()
        .sum();
    let age = |ms: Option<u64>| ms.map(|ms| now_ms().saturating_sub(ms));
    let (active, waiting) = core.handovers.count();
    json!({
        "versions": {
            "plugin": core.start.plugin,
            "host": env!("CARGO_PKG_VERSION"),
            "contract": im_api::API_VERSION,
            "openfire": core.start.openfire,
            "platform": child.as_ref().and_then(|c| c.version.clone()).or_else(|| lock(&core.platform_version).clone()),
        },
        "node": core.node,
        "epoch": core.epoch,
        "uptime_ms": now_ms().saturating_sub(core.started_ms),
        "ready": core.ready.load(std::sync::atomic::Ordering::Acquire),
        "listens": config.senior && core.listens.load(std::sync::atomic::Ordering::Acquire),
        "stopping": core.stopping.load(std::sync::atomic::Ordering::Acquire),
        "modules": {
            "chat": {
                "mode": config.chat.as_str(),
                "held": held,
                "in_effect": in_effect,
                "oldest_held_ms": age(oldest),
                "handovers": { "active": active, "waiting": waiting },
                "counts": core.counters.all(),
                "rows": core.row_counts.of("chat"),
                "kept_by_platform": super::kept::status(core),
            },
            "state": { "mode": config.state.as_str(), "told": core.tells_sessions(), "sessions": sessions, "available": available, "held": presences, "rows": core.row_counts.of("state") },
            "user": { "mode": config.module("user").mode.as_str(), "rows": core.row_counts.of("user"), "logins": core.logins.counts() },
            "room": super::room::status(core),
            "friend": { "mode": config.module("friend").mode.as_str(), "rows": core.row_counts.of("friend") },
            "group": { "mode": config.module("group").mode.as_str(), "rows": core.row_counts.of("group"), "picture": core.groups.status(core) },
            "footprint": { "mode": config.module("footprint").mode.as_str(), "rows": core.row_counts.of("footprint") },
        },
        "folders": super::folders::status(core),
        "platform": {
            "kind": if !core.sends() { "none" } else if config.remote() { "remote" } else { "embedded" },
            "url": core.client.url(),
            "reachable": core.client.url().is_some() && breaker == State::Closed && core.ready.load(std::sync::atomic::Ordering::Acquire),
            "breaker": { "state": if breaker == State::Closed { "closed" } else { "open" }, "opened": opened, "error": error },
            "keystone": core.cloud.status(&config),
            "child": child.map(|c| json!({ "pid": c.pid, "port": c.port, "starts": c.starts, "last_end": c.last_end })),
        },
        "import": import(core),
        "feed": core.feed.status(),
        "journal": {
            "held": depth(Stream::Held).entries,
            "events": depth(Stream::Events).entries,
            "settled": depth(Stream::Settled).entries,
            "calls": depth(Stream::Calls).entries,
            "rooms": depth(Stream::Rooms).entries,
            "bytes": bytes,
            "disk_bytes": core.journal.disk_bytes(),
            "oldest_ms": age(core.journal.oldest_ms(Stream::Held).into_iter().chain(core.journal.oldest_ms(Stream::Events)).min()),
            "alarm": core.journal.alarm(),
            "folder": core.data.display().to_string(),
        },
        "failures": lock(&core.failures).iter().rev().map(|f| json!({
            "at_ms": f.at_ms, "place": f.place, "text": f.text, "times": f.times,
        })).collect::<Vec<_>>(),
        "wrong_settings": lock(&core.wrong).iter().map(ToString::to_string).collect::<Vec<_>>(),
        "decide_safe": config.chat != ModuleMode::Decide || core.start.platform_binary.is_some() || config.remote(),
    })
}

/// Where the import stands, and whether it speaks for deciding.
fn import(core: &Core) -> Value {
    let progress = core.imported();
    let mut facts = json!(progress);
    facts["advises_decide"] = json!(progress.advises_decide());
    facts
}

/// The settings as JSON: the table with the values in force; secrets masked.
pub fn settings(config: &Config) -> Value {
    SETTINGS
        .iter()
        .map(|s| {
            let value = config.raw().get(s.key).map(String::as_str);
            json!({
                "key": format!("{PREFIX}{}", s.key),
                "value": if s.secret() { value.map(|_| "********") } else { value },
                "default": s.default,
                "type": match s.kind {
                    Type::Word(words) => json!(words),
                    Type::Number(min, max) => json!({ "min": min, "max": max }),
                    Type::Bool => json!("bool"),
                    Type::Url => json!("url"),
                    Type::Urls => json!("urls"),
                    Type::Text => json!("text"),
                    Type::Secret => json!("secret"),
                },
                "help": s.help,
                "restart": s.restart,
            })
        })
        .collect()
}
