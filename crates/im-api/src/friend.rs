//! Friends: one list per user, as RFC 6121 keeps a roster; blocks (XEP-0191).

use serde::{Deserialize, Serialize};

/// Subscription (RFC 6121 2.1.2.5), seen from the list's owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Subscription {
    /// Neither sees the other.
    None,
    /// The owner sees the friend.
    To,
    /// The friend sees the owner.
    From,
    /// Both.
    Both,
}

/// PUT friend: the whole entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FriendEntry {
    /// Name the owner gave, at most 1,023 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Subscription.
    pub subscription: Subscription,
    /// A subscription request is waiting for the friend's answer.
    #[serde(default)]
    pub ask: bool,
    /// Approved in advance.
    #[serde(default)]
    pub approved: bool,
    /// The owner's groups, at most 64 of at most 256 characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
}

/// A friend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Friend {
    /// The friend's bare JID; may be of another server.
    pub friend: String,
    /// The entry.
    #[serde(flatten)]
    pub entry: FriendEntry,
}

/// GET friends `?limit=&after=`, by address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Friends {
    /// Grows with each change of the list.
    pub ver: u64,
    /// The friends.
    pub items: Vec<Friend>,
    /// Cursor of the next page (`after=`); absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Answer of PUT and DELETE friend or block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FriendsChanged {
    /// The list's version after it.
    pub ver: u64,
    /// Whether anything changed.
    pub changed: bool,
}

/// GET blocks: whom the user blocks. Blocked users do not find the user, see no footprint of theirs, and their messages are refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Blocks {
    /// Bare JIDs.
    pub items: Vec<String>,
}
