//! Rooms: a timeline that is judged member by member, occupants, receipts that become counts, what a member missed.
//!
//! Absent is who is a member and was no occupant when the room accepted a message. What a member missed is kept as ranges of the timeline, so
//! a message costs the same in a room of ten and of ten thousand.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Affiliation that makes a member (XEP-0045 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Affiliation {
    /// Owner.
    Owner,
    /// Administrator.
    Admin,
    /// Member.
    Member,
}

/// An affiliated user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RoomMember {
    /// Bare JID.
    pub user: String,
    /// Affiliation.
    pub affiliation: Affiliation,
}

/// PUT room: creates it or replaces its list of members (at most 10,000); occupants and timeline stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PutRoom {
    /// All affiliated users; absent: nobody.
    #[serde(default)]
    pub members: Vec<RoomMember>,
}

/// GET room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Room {
    /// Bare JID.
    pub room: String,
    /// Members and whether each is there now, by address (`?limit=&after=`).
    pub members: Vec<RoomMemberState>,
    /// Cursor of the next page of members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// How many occupants there are.
    pub occupants: u64,
    /// Position of the last message; 0 without one.
    pub last: u64,
}

/// A member as the platform sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RoomMemberState {
    /// Bare JID.
    pub user: String,
    /// Affiliation.
    pub affiliation: Affiliation,
    /// Is an occupant now.
    pub present: bool,
}

/// PUT member of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SetAffiliation {
    /// The affiliation.
    pub affiliation: Affiliation,
}

/// PUT occupant: this session has joined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Join {
    /// Node of the bridge.
    pub node: String,
    /// Its epoch; 409 `unknown-epoch`.
    pub epoch: String,
    /// Sequence on the node, as in [`crate::state::StateChange::seq`].
    pub seq: u64,
    /// Nickname, 1 to 1,023 bytes.
    pub nick: String,
}

/// Answer of a join or leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Joined {
    /// How many messages the user missed that can be caught up with (only members miss).
    pub missed: u64,
}

/// One occupant of a node's snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Occupant {
    /// Room's bare JID.
    pub room: String,
    /// Bare JID.
    pub user: String,
    /// Resource.
    pub resource: String,
    /// Nickname.
    pub nick: String,
}

/// PUT occupants of a node: replaces what is known of its occupants; after the sessions' snapshot, under the same epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OccupantSnapshot {
    /// The epoch.
    pub epoch: String,
    /// Highest seq of a join or leave contained in it; later ones that came earlier win.
    pub seq: u64,
    /// All occupants on this node.
    pub occupants: Vec<Occupant>,
}

/// One message that the room accepted.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RoomItem {
    /// Its key, as [`crate::chat::DecideItem::key`].
    pub key: String,
    /// The speaker's bare JID.
    pub from: String,
    /// The speaker's nickname.
    pub nick: String,
    /// When it was sent.
    pub sent_at: String,
    /// Stanza JSON.
    pub stanza: Box<RawValue>,
}

/// POST messages of a room: at most 256, in order.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RoomPost {
    /// Node of the bridge.
    pub node: String,
    /// Its epoch; 409 `unknown-epoch`.
    pub epoch: String,
    /// The messages.
    pub items: Vec<RoomItem>,
}

/// What became of one message, member by member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RoomPosted {
    /// Its key.
    pub key: String,
    /// Position in the room's timeline; 0 when it has been settled as refused before.
    pub seq: u64,
    /// The platform's stanza-id (XEP-0359) of it.
    pub stanza_id: String,
    /// Members who were there, the speaker not counted.
    pub present: u64,
    /// Members who were not: they will find it when they come.
    pub absent: u64,
}

/// Answer of POST messages of a room, in the items' order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RoomPostAnswer {
    /// The results.
    pub results: Vec<RoomPosted>,
}

/// What a room did with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum RoomOutcome {
    /// It took it.
    Accepted,
    /// It did not, or the bridge refused it alone.
    Refused,
}

/// What a room really did with one message, where that differs from what was judged, or nobody could be asked.
///
/// Between the judgement and what the room sends somebody may join or leave; only the bridge sees whom the room has reached. A refused message is
/// taken off the timeline, also when its request comes later.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RoomSettleItem {
    /// The message's key.
    pub key: String,
    /// What the room did.
    pub outcome: RoomOutcome,
    /// Users whom it reached though the platform had been told that they are away: they have not missed it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reached: Vec<String>,
    /// Users whom it did not reach though the platform had been told that they are there: they have missed it if they are members.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreached: Vec<String>,
    /// `reached` names everybody whom it reached through this node: every other member who is in the room through no other node has missed it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// The message, under the same key, when the bridge had to decide alone: it is put on the timeline now unless it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<RoomItem>,
}

/// POST settle of a room: at most 256, in order, before anything later of this room.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RoomSettle {
    /// Node of the bridge.
    pub node: String,
    /// The items.
    pub items: Vec<RoomSettleItem>,
}

/// Answer of settle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RoomSettled {
    /// How many messages of them stand on the timeline now.
    pub kept: u64,
}

/// One message of a timeline.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RoomMessage {
    /// Position.
    pub seq: u64,
    /// Its key.
    pub key: String,
    /// Its stanza-id.
    pub stanza_id: String,
    /// The speaker.
    pub from: String,
    /// The speaker's nickname then.
    pub nick: String,
    /// When it was sent.
    pub sent_at: String,
    /// How many users reported it delivered (a read one is delivered).
    pub delivered: u64,
    /// How many reported it read.
    pub read: u64,
    /// Stanza JSON.
    pub stanza: Box<RawValue>,
}

/// GET messages `?viewer=&before=&limit=` (newest first) and GET missed `?user=&limit=` (oldest first).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RoomMessages {
    /// The messages.
    pub items: Vec<RoomMessage>,
    /// Cursor of the next page; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// DELETE missed `?user=&upto=`: caught up so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MissedLeft {
    /// How many are left.
    pub left: u64,
}

/// What a receipt reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ReceiptKind {
    /// XEP-0184, or XEP-0333 received.
    Delivered,
    /// XEP-0333 displayed.
    Read,
}

/// One receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Receipt {
    /// Key of the message.
    pub key: String,
    /// Who reports, bare JID.
    pub user: String,
    /// What.
    pub kind: ReceiptKind,
}

/// POST receipts: at most 1,000. Each counts once per user and kind; the speaker's own do not count; unknown messages are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Receipts {
    /// The receipts.
    pub items: Vec<Receipt>,
}

/// Counts of a message after its receipts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Feedback {
    /// Key of the message.
    pub key: String,
    /// To whom the counts go.
    pub from: String,
    /// Delivered.
    pub delivered: u64,
    /// Read.
    pub read: u64,
}

/// Answer of receipts: the messages whose counts changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReceiptsAnswer {
    /// One per message.
    pub feedback: Vec<Feedback>,
}
