//! Accounts: creation, passwords as SCRAM verifiers only, search, erasure; sessions that are opened or ended from outside.

use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// A SCRAM mechanism whose verifiers are kept (RFC 5802, RFC 7677).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Mechanism {
    /// RFC 5802.
    #[serde(rename = "SCRAM-SHA-1")]
    ScramSha1,
    /// RFC 7677.
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
}

/// What a server keeps instead of a password. All binary values are base64 (RFC 4648 section 4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Verifier {
    /// For which mechanism.
    pub mechanism: Mechanism,
    /// Salt, 8 to 64 bytes.
    pub salt: String,
    /// Iteration count, 4,096 to 10,000,000.
    pub iterations: u32,
    /// StoredKey: 20 or 32 bytes.
    pub stored_key: Secret,
    /// ServerKey: 20 or 32 bytes.
    pub server_key: Secret,
}

/// POST users: 201, or 409 `conflict` when it exists with a password. A user known only from a bridge becomes a full account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CreateUser {
    /// Bare JID.
    pub user: String,
    /// Password, 1 to 1,023 bytes; verifiers are made from it, then it is forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// Verifiers made elsewhere, instead of a password.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verifiers: Vec<Verifier>,
    /// Display name, at most 256 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Mail address, at most 256 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct User {
    /// Bare JID.
    pub user: String,
    /// Display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Mail address; never in search results.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// `bridge` (seen there) or `api` (created here).
    pub origin: String,
    /// Whether it has verifiers.
    pub password: bool,
    /// Since when it is known.
    pub created_at: String,
}

/// GET users `?query=&viewer=&limit=&after=`: those whose address or name begins with the query, by address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Users {
    /// The users.
    pub items: Vec<User>,
    /// Cursor of the next page (`after=`); absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// PUT password: one of both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SetPassword {
    /// As [`CreateUser::password`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// As [`CreateUser::verifiers`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verifiers: Vec<Verifier>,
}

/// POST verify: a login with a password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VerifyRequest {
    /// Bare JID.
    pub user: String,
    /// What was typed.
    pub password: Secret,
}

/// What a login with a password gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Verified {
    /// Right.
    Ok,
    /// Wrong; counted.
    Wrong,
    /// Too many wrong ones: nothing was compared. Also for the right password.
    Locked {
        /// When to try again.
        retry_after_ms: u64,
    },
    /// No such user, or one without a password here: not the platform's business.
    Unknown,
}

/// GET scram (scope bridge only; every read is noted). 404 also for a user without a password here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Verifiers {
    /// One per mechanism; empty while the account is locked out.
    pub items: Vec<Verifier>,
}

/// DELETE user: what was erased, everywhere. What others sent to this user and what this user sent to others is erased for both sides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Erased {
    /// One-to-one messages, pending ones included.
    pub messages: u64,
    /// Messages in rooms.
    pub room_messages: u64,
    /// Mirror events that name the user as subject, sender or recipient.
    pub events: u64,
    /// Friends, and entries of this user in others' lists.
    pub friends: u64,
    /// Memberships in groups and rooms.
    pub memberships: u64,
    /// Footprints.
    pub footprints: u64,
    /// Media files.
    pub media: u64,
}

/// POST sessions: a session that belongs to no bridge. It lives for five minutes unless posted or put again; no message is delivered to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OpenSession {
    /// Bare JID.
    pub user: String,
    /// Resource.
    pub resource: String,
}

/// DELETE session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum SessionEnd {
    /// It belonged to no bridge and is over.
    Closed,
    /// Its bridge is told by the downlink (`im.session.close`) and will end it.
    Asked,
}

/// Answer of DELETE session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SessionEnded {
    /// What happened.
    pub end: SessionEnd,
}
