//! Errors: RFC 9457 problem details, with a closed list of types that a client can branch on.

use serde::{Deserialize, Serialize};

/// An RFC 9457 problem. `kind` (member `type`) is one of the constants below or `about:blank`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Problem {
    /// What happened, as a stable word (see the constants of this module).
    #[serde(rename = "type")]
    pub kind: String,
    /// The same for people, one line.
    pub title: String,
    /// The HTTP status that carries it.
    pub status: u16,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// JSON pointer of the field that is wrong, where there is one (`/items/3/key`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// The stanza error condition (RFC 6120 8.3.3) the platform wants shown, where it names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
}

/// 400, 422: the input is wrong; `pointer` names the field.
pub const INVALID: &str = "invalid";
/// 401: no credential, or a wrong one.
pub const UNAUTHORIZED: &str = "unauthorized";
/// 403: the credential's scope does not cover this call.
pub const FORBIDDEN: &str = "forbidden";
/// 404: no such thing.
pub const NOT_FOUND: &str = "not-found";
/// 409: the thing exists already or changed meanwhile.
pub const CONFLICT: &str = "conflict";
/// 409: the node or its epoch is not known; send a full snapshot ([`crate::routes::SNAPSHOT`]) first.
pub const UNKNOWN_EPOCH: &str = "unknown-epoch";
/// 409: somebody else holds the claim.
pub const CLAIMED: &str = "claimed";
/// 410: what is after this cursor was removed; take a fresh picture.
pub const CURSOR_GONE: &str = "cursor-gone";
/// 413: too large.
pub const TOO_LARGE: &str = "too-large";
/// 429: too many requests; `Retry-After` says when.
pub const RATE_LIMITED: &str = "rate-limited";
/// 500: a bug.
pub const INTERNAL: &str = "internal";
/// 507: the store cannot take more (disk full, limit reached).
pub const STORAGE_FULL: &str = "storage-full";
/// 503: not now (starting, stopping, store unreachable).
pub const UNAVAILABLE: &str = "unavailable";
