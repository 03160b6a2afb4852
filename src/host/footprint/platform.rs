//! The platform's footprints, as the bridge asks for them.
//!
//! Leaves out: what follows from an answer.

use std::time::Duration;

use im_api::footprint::{Feature, FeatureCollection, Share};
use im_api::routes;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::host::core::Core;
use crate::lanes::Action;
use crate::mapping::{Outcome, Response, Row};
use crate::platform::{Headers, PlatformError};

/// What came of telling the platform.
#[derive(Debug)]
pub enum Told {
    /// It has it.
    Taken,
    /// It does not know its owner, or the group that it is for.
    Unknown,
    /// It will not have it; what the client gets.
    Refused(Action),
    /// No usable answer.
    Ill {
        /// It may have it all the same.
        executed: bool,
    },
}

/// Shares, in the place of what has the same id.
pub fn put(core: &Core, row: &Row, value: &Value, share: &Share, key: &str, limit: Duration) -> Told {
    let path = routes::path(routes::FOOTPRINT, &[&share.user, share.id.as_deref().unwrap_or_default()]);
    let answered = serde_json::to_vec(share)
        .map_err(|e| PlatformError::Malformed { status: 0, reason: format!("our own request: {e}") })
        .and_then(|body| exchange(core, "PUT", &path, Some(&body), key, limit));
    let (status, bytes) = match answered {
        Ok(answered) => answered,
        Err(error) => {
            core.failed("row", format!("{}: {error}", row.name));
            core.breaker.failure(&error.to_string(), error.refused_credential());
            return Told::Ill { executed: error.maybe_executed() };
        }
    };
    let body = serde_json::from_slice(&bytes)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
    let response = Response { status, body };
    match row.outcome(value, &core.own(key, 0), Some(&response)) {
        Outcome::Ill(why) => {
            core.failed("row", format!("{}: {why}", row.name));
            core.breaker.failure(&why, matches!(status, 401 | 403));
            Told::Ill { executed: !(300..500).contains(&status) }
        }
        Outcome::Error { kind, condition, text } => {
            core.breaker.success();
            Told::Refused(Action::Refuse { kind, condition, text })
        }
        _ => {
            core.breaker.success();
            if status == 404 { Told::Unknown } else { Told::Taken }
        }
    }
}

/// Removes one; one that is not there is fine.
pub fn delete(core: &Core, user: &str, id: &str, key: &str, limit: Duration) -> Result<(), PlatformError> {
    let path = routes::path(routes::FOOTPRINT, &[user, id]);
    let (status, bytes) = exchange(core, "DELETE", &path, None, key, limit)?;
    match status {
        204 | 404 => Ok(()),
        _ => Err(problem(status, &bytes)),
    }
}

/// One of somebody's own. None also when nobody answers.
pub fn own_feature(core: &Core, user: &str, id: &str) -> Option<Feature> {
    seen_by(core, user, user, id).ok().flatten()
}

/// One, as somebody sees it; None when they do not.
pub fn seen_by(core: &Core, viewer: &str, user: &str, id: &str) -> Result<Option<Feature>, PlatformError> {
    let path = routes::path(routes::FOOTPRINT, &[user, id]) + &routes::path("?viewer={x}", &[viewer]);
    read(core, &path, limit(core))
}

/// The ids of all footprints of somebody.
pub fn mine(core: &Core, user: &str, limit: Duration) -> Result<Vec<String>, PlatformError> {
    let mut ids = Vec::new();
    let mut after = String::new();
    loop {
        let path = routes::path("/v1/footprints?viewer={x}&user={x}&limit=200", &[user, user]) + &after;
        let Some(page): Option<FeatureCollection> = read(core, &path, limit)? else { return Ok(ids) };
        ids.extend(page.features.iter().filter_map(|f| f.id.split_once('/').map(|(_, id)| id.to_owned())));
        match page.next {
            Some(next) => after = routes::path("&after={x}", &[&next]),
            None => return Ok(ids),
        }
    }
}

/// Something that may not be there.
pub fn read<T: DeserializeOwned>(
    core: &Core,
    path: &str,
    limit: Duration,
) -> Result<Option<T>, PlatformError> {
    let (status, bytes) = exchange(core, "GET", path, None, "", limit)?;
    match status {
        200 => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|e| PlatformError::Malformed { status, reason: e.to_string() }),
        404 => Ok(None),
        _ => Err(problem(status, &bytes)),
    }
}

/// The module's time limit.
pub fn limit(core: &Core) -> Duration {
    Duration::from_millis(core.config().module("footprint").timeout_ms)
}

fn exchange(
    core: &Core,
    method: &'static str,
    path: &str,
    body: Option<&[u8]>,
    key: &str,
    limit: Duration,
) -> Result<(u16, Vec<u8>), PlatformError> {
    if !core.breaker.closed() {
        return Err(PlatformError::Absent("the platform is known to be dead".into()));
    }
    let origin = format!("{}/{key}", core.node);
    let headers = Headers {
        origin: (method != "GET").then_some(origin.as_str()),
        limit: Some(limit),
        ..Headers::default()
    };
    core.client.exchange_bytes(method, path, body, headers)
}

fn problem(status: u16, bytes: &[u8]) -> PlatformError {
    match serde_json::from_slice(bytes) {
        Ok(problem) => PlatformError::Problem(Box::new(problem)),
        Err(e) => PlatformError::Malformed { status, reason: e.to_string() },
    }
}
