//! Sessions and states. The platform judges who is online from what nodes report; what a node reports lives as long as its lease.
//!
//! A node is one bridge (one Openfire). Each start of its host is a new *epoch*; a snapshot introduces an epoch and ends all earlier ones.
//! A node that does not renew its lease within its time to live is treated as if all its sessions had closed.

use serde::{Deserialize, Serialize};

/// Presence `show` (RFC 6121 4.7.2.1); absent = available without show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Show {
    /// Away.
    Away,
    /// Interested in chatting.
    Chat,
    /// Do not disturb: busy.
    Dnd,
    /// Away for longer.
    Xa,
}

/// The state of one session (one full JID).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Session {
    /// Bare JID.
    pub user: String,
    /// Resource.
    pub resource: String,
    /// Has sent available presence (and no unavailable since).
    pub available: bool,
    /// Presence priority, -128 to 127; negative takes no messages sent to the bare JID.
    #[serde(default)]
    pub priority: i8,
    /// Presence show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub show: Option<Show>,
    /// Presence status text, at most 1,024 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

/// One change of a session. `open: false` means that the session has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StateChange {
    /// Sequence on the node; the platform ignores a change whose `seq` is not above the last one it has for this session in this epoch.
    pub seq: u64,
    /// Whether the session still exists.
    pub open: bool,
    /// Its state.
    #[serde(flatten)]
    pub session: Session,
}

/// PUT lease: the node is alive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Lease {
    /// Epoch of this start of the host (random, 1 to 64 characters of `[A-Za-z0-9-]`).
    pub epoch: String,
    /// How long the lease holds from now, 1,000 to 300,000 ms.
    pub ttl_ms: u32,
}

/// Answer to a lease.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LeaseAnswer {
    /// Users with a message-capable session on this node who have something pending that nobody has claimed: drain them.
    #[serde(default)]
    pub drain: Vec<String>,
    /// Whether anything is pending for anybody, here or not: as long as it is, a bridge that has left decide mode goes on telling sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<bool>,
}

/// PUT snapshot: all sessions of the node. Users not known yet are made known (origin `bridge`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Snapshot {
    /// As in [`Lease`].
    pub epoch: String,
    /// As in [`Lease`]; a snapshot is a lease too.
    pub ttl_ms: u32,
    /// Highest [`StateChange::seq`] contained in it.
    pub seq: u64,
    /// All open sessions.
    pub sessions: Vec<Session>,
}

/// POST states: changes in order, at most 1,000.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StateBatch {
    /// As in [`Lease`]. 409 `unknown-epoch` when it is not the current one.
    pub epoch: String,
    /// The changes.
    pub changes: Vec<StateChange>,
}

/// Answer to a change or snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StateAnswer {
    /// As [`LeaseAnswer::drain`], among the users of this request.
    #[serde(default)]
    pub drain: Vec<String>,
}

/// The product's states (paper: state management): `online`, `busy` (dnd), `away` (away, xa), `offline`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Presence {
    /// At least one available resource, none of the below on the leading one.
    Online,
    /// The leading resource says `dnd`.
    Busy,
    /// The leading resource says `away` or `xa`.
    Away,
    /// No available resource.
    Offline,
}

/// GET state: aggregated over resources; the leading resource is the available one with the highest priority, the latest change among equals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UserState {
    /// Bare JID.
    pub user: String,
    /// Aggregated.
    pub state: Presence,
    /// Whether a message to the bare JID would be delivered now: an available resource with priority >= 0 and nothing pending.
    pub reachable: bool,
    /// Show and status of the leading resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub show: Option<Show>,
    /// Status text of the leading resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Its open sessions.
    pub resources: Vec<Session>,
    /// When this last changed.
    pub since: String,
}
