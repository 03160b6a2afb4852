//! Downlink: what the platform says to XMPP, as a resumable, ordered long poll. At least once: the next cursor acknowledges.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// GET downlink `?after=&wait=&limit=`: events after the cursor, at once if there are any, else within `wait` ms (at most 60,000).
/// Without `after`: the cursor of now, and no events. 410 `cursor-gone`: events after this cursor were removed; take a fresh picture.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Downlink {
    /// The events, in order.
    pub items: Vec<DownEvent>,
    /// `after=` of the next call; it acknowledges these events.
    pub next: String,
}

/// One thing that the platform says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DownEvent {
    /// Unique, the same on every delivery.
    pub id: String,
    /// One of `im.stanza` (route it), `im.state.changed`, `im.session.close`, `im.user.created`, `im.user.password`, `im.user.removed`,
    /// `im.friend.changed`, `im.friend.removed`, `im.block.changed`, `im.group.changed`, `im.group.removed`, `im.group.member`,
    /// `im.room.changed`, `im.room.removed`, `im.room.member`, `im.footprint.shared`, `im.footprint.removed`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whom or what it is about: a bare JID or a group's id.
    pub subject: String,
    /// When.
    pub time: String,
    /// The node and event that caused it, where a bridge did: its own echo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// What changed, as the interface of that kind writes it.
    pub data: Box<RawValue>,
}

/// Where a change came from; sent with it in the header [`crate::routes::ORIGIN`] as `node/event`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Origin {
    /// Node.
    pub node: String,
    /// Event id on it.
    pub event: String,
}

/// POST downlink: have a bridge route this stanza. Answer: 202 with [`Queued`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SendStanza {
    /// Recipient, any JID.
    pub to: String,
    /// Stanza JSON.
    pub stanza: Box<RawValue>,
}

/// It will be delivered to a bridge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Queued {
    /// Id of its event.
    pub id: String,
}
