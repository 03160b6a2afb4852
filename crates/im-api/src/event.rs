//! Mirror events: CloudEvents 1.0, JSON format, single or batch.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// One CloudEvent (CloudEvents 1.0, JSON event format, with the `sequence` and `partitionkey` extensions).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Event {
    /// Always `1.0`.
    pub specversion: String,
    /// The event's id: unique, time-ordered, the same on every retry. Receivers drop an id they have.
    pub id: String,
    /// `/nodes/{node}`.
    pub source: String,
    /// `im.message.chat`, `im.message.settled`, ...
    #[serde(rename = "type")]
    pub kind: String,
    /// Bare JID of the other party.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When it happened.
    pub time: String,
    /// Always `application/json`.
    pub datacontenttype: String,
    /// Position in the node's stream, growing.
    pub sequence: String,
    /// The conversation: order is kept within it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitionkey: Option<String>,
    /// `{"v":1,"stanza":{...},"context":{...}}`
    pub data: Box<RawValue>,
}

/// Answer of POST events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EventsAnswer {
    /// How many were new.
    pub accepted: u64,
    /// How many were known already.
    pub duplicates: u64,
}
