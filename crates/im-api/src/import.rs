//! Import: what another system knows, in batches that can be repeated and resumed. Nothing of it is announced on the downlink.

use serde::{Deserialize, Serialize};

use crate::friend::FriendEntry;
use crate::group::CreateGroup;
use crate::room::RoomMember;
use crate::user::CreateUser;

/// POST import: at most 1,000 items of a source, numbered by the source from 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Import {
    /// Name of the source, 1 to 64 characters of `[A-Za-z0-9-]`.
    pub source: String,
    /// Number of the first item. It must be where the source stands (GET import); items before that are skipped, a gap is 409 `conflict`.
    pub from: u64,
    /// The items, in an order in which each finds what it needs.
    pub items: Vec<ImportItem>,
}

/// One thing to import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ImportItem {
    /// An account; verifiers only, no password.
    User(CreateUser),
    /// An entry of somebody's list of friends.
    Friend {
        /// Whose list.
        user: String,
        /// The friend.
        friend: String,
        /// The entry.
        entry: FriendEntry,
    },
    /// Somebody blocks somebody.
    Block {
        /// Who blocks.
        user: String,
        /// Whom.
        blocked: String,
    },
    /// A group.
    Group(CreateGroup),
    /// A room's members.
    Room {
        /// The room.
        room: String,
        /// All affiliated users.
        members: Vec<RoomMember>,
    },
}

/// What became of one item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Imported {
    /// It is there now.
    Done,
    /// It was there before, and stays as it was.
    Exists,
    /// It was imported by an earlier request.
    Skipped,
    /// It cannot be imported; the others stand.
    Failed {
        /// What is wrong with it.
        detail: String,
    },
}

/// Answer of import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ImportAnswer {
    /// One per item.
    pub results: Vec<Imported>,
    /// Where the source stands now.
    pub position: u64,
}

/// GET import of a source: where it stands; 0 for one that was never heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ImportPosition {
    /// Number of the next item.
    pub position: u64,
}
