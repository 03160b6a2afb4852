//! Rooms: occupants, timeline, receipts, what was missed.

use async_trait::async_trait;
use im_api::room::{Affiliation, Feedback, ReceiptKind, Room, RoomMessages, RoomOutcome, RoomPosted};

use super::{Cause, Result};
use crate::clock::Millis;
use crate::jid::UserId;

/// Members one room may have.
pub const MAX_MEMBERS: usize = 10_000;

/// A session in a room, checked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Occupancy {
    /// The room.
    pub room: UserId,
    /// Whose session.
    pub user: UserId,
    /// Its resource.
    pub resource: String,
    /// Nickname; empty when it leaves.
    pub nick: String,
}

/// One message that a room accepted, checked.
#[derive(Debug, Clone)]
pub struct Spoken {
    /// Its key.
    pub key: String,
    /// The speaker.
    pub from: UserId,
    /// The speaker's nickname.
    pub nick: String,
    /// When.
    pub sent_at: Millis,
    /// Stanza JSON.
    pub stanza: String,
}

/// What a room really did with a message, checked.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// The message's key.
    pub key: String,
    /// What it did.
    pub outcome: RoomOutcome,
    /// Whom it reached though they seemed to be away.
    pub reached: Vec<UserId>,
    /// Whom it did not reach though they seemed to be there.
    pub unreached: Vec<UserId>,
    /// Whether `reached` names everybody whom it reached through the node.
    pub all: bool,
    /// The message, when it was not judged before.
    pub message: Option<Spoken>,
}

/// Rooms.
#[async_trait]
pub trait Rooms: Send + Sync + 'static {
    /// Creates a room or replaces its members, who become known. Announced unless it was so already.
    ///
    /// # Errors
    /// What the store reports.
    async fn put_room(&self, room: &UserId, members: Vec<(UserId, Affiliation)>, cause: Cause) -> Result<()>;

    /// A room with a page of its members.
    ///
    /// # Errors
    /// `NotFound`.
    async fn room(&self, room: &UserId, limit: u32, after: Option<String>) -> Result<Room>;

    /// Removes a room with its timeline; one that is not there is fine.
    ///
    /// # Errors
    /// What the store reports.
    async fn remove_room(&self, room: &UserId, cause: Cause) -> Result<()>;

    /// Sets or (None) takes an affiliation. A new member who is not there misses what comes from now on.
    ///
    /// # Errors
    /// `NotFound` (room), `Full` (room).
    async fn set_affiliation(
        &self,
        room: &UserId,
        user: &UserId,
        affiliation: Option<Affiliation>,
        cause: Cause,
    ) -> Result<()>;

    /// A session joins (nickname) or leaves (none); older ones by seq are ignored. Gives how many messages the user missed. A room that nobody
    /// knew becomes known.
    ///
    /// # Errors
    /// `UnknownEpoch`.
    async fn occupy(&self, node: &str, epoch: &str, seq: i64, who: Occupancy, open: bool) -> Result<u64>;

    /// Replaces what is known of a node's occupants.
    ///
    /// # Errors
    /// `UnknownEpoch`.
    async fn occupants(&self, node: &str, epoch: &str, seq: i64, all: Vec<Occupancy>) -> Result<()>;

    /// Puts messages on the timeline and judges each member by member. The same key again gives the first answer.
    ///
    /// # Errors
    /// `UnknownEpoch`, `Conflict` (the key belongs to another room).
    async fn speak(
        &self,
        node: &str,
        epoch: &str,
        room: &UserId,
        messages: Vec<Spoken>,
    ) -> Result<Vec<RoomPosted>>;

    /// Writes down what the room really did; gives how many of the messages stand on the timeline then.
    ///
    /// # Errors
    /// `Conflict` (a key belongs to another room).
    async fn settle_room(&self, node: &str, room: &UserId, items: Vec<Settlement>) -> Result<u64>;

    /// The timeline, newest first, for a member's or occupant's eyes (None: for an operator's).
    ///
    /// # Errors
    /// `NotFound` (room, or the viewer has no part in it).
    async fn timeline(
        &self,
        room: &UserId,
        viewer: Option<&UserId>,
        limit: u32,
        before: Option<i64>,
    ) -> Result<RoomMessages>;

    /// What a member missed, oldest first.
    ///
    /// # Errors
    /// `NotFound` (room, user).
    async fn missed(&self, room: &UserId, user: &UserId, limit: u32) -> Result<RoomMessages>;

    /// The member has caught up to a position; how many are left.
    ///
    /// # Errors
    /// `NotFound` (room, user).
    async fn caught_up(&self, room: &UserId, user: &UserId, upto: i64) -> Result<u64>;

    /// Counts receipts; the counts that changed.
    ///
    /// # Errors
    /// `NotFound` (room).
    async fn receipts(
        &self,
        room: &UserId,
        items: Vec<(String, UserId, ReceiptKind)>,
    ) -> Result<Vec<Feedback>>;
}
