//! Lists for whoever runs the platform: what the console shows. Never for a person; a person's reads are the other traits'.
//!
//! Every list is a page after a cursor, and a page costs what it holds or looks at, whatever the total. Orders are those that a store has anyway
//! (an address, an id, the time of coming in), so that a store with partitions can walk them bucket by bucket. What people wrote is given only
//! when `text` says so; sizes and times always.

use async_trait::async_trait;
use im_api::downlink::Origin;
use im_api::group::Group;
use im_api::state::{Presence, Show};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::watch;

use super::Result;
use crate::jid::UserId;

/// Rows one page may look at when it leaves some out.
pub const LOOK: u32 = 2_000;
/// Where counting stops: `1001` means "more than 1,000".
pub const COUNTED: u32 = 1_001;

/// A page of a list.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Cursor of the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// How many there are of something, counted up to [`COUNTED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Count {
    /// Of what.
    pub name: &'static str,
    /// How many; 1001 means more than 1,000.
    pub count: u32,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct UserItem {
    /// Bare JID.
    pub user: String,
    /// Full name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `bridge`: seen in a session; `api`: created.
    pub origin: String,
    /// When it became known.
    pub created_at: String,
    /// State, aggregated over sessions.
    pub state: Presence,
    /// Open sessions.
    pub sessions: usize,
    /// Messages that wait.
    pub pending: u64,
}

/// An open session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SessionItem {
    /// Bare JID.
    pub user: String,
    /// Resource.
    pub resource: String,
    /// Its node; empty: set through the API.
    pub node: String,
    /// This session's state; `offline` has sent no available presence.
    pub state: Presence,
    /// Priority.
    pub priority: i8,
    /// Show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub show: Option<Show>,
    /// Status text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Since when it is so.
    pub since: String,
}

/// An entry of somebody's list of friends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FriendItem {
    /// Whose list.
    pub user: String,
    /// The friend.
    pub friend: String,
    /// Name the owner gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `none`, `to`, `from`, `both`.
    pub subscription: String,
    /// A request is waiting for the friend's answer.
    pub ask: bool,
    /// The owner's groups.
    pub groups: Vec<String>,
}

/// A message between two; also the newest one of a conversation.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct MessageItem {
    /// The decision's key.
    pub key: String,
    /// Sender.
    pub from: String,
    /// Recipient.
    pub to: String,
    /// When it was sent.
    pub sent_at: String,
    /// `pending`, `delivered`, `handed_over`, `refused`.
    pub status: String,
    /// Size of its stanza as JSON.
    pub bytes: u64,
    /// Stanza JSON, for who may read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stanza: Option<Box<RawValue>>,
}

/// Somebody for whom messages wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PendingUser {
    /// Bare JID.
    pub user: String,
    /// How many.
    pub count: u64,
    /// When the oldest of them was sent.
    pub oldest: String,
    /// The resource that drains them now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claimed_by: Option<String>,
}

/// A room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RoomItem {
    /// The room's JID.
    pub room: String,
    /// Members.
    pub members: u64,
    /// Of them in the room now.
    pub present: u64,
    /// Sessions in it now.
    pub occupants: u64,
    /// Messages ever said in it.
    pub messages: u64,
}

/// A session in a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct OccupantItem {
    /// Bare JID.
    pub user: String,
    /// Resource.
    pub resource: String,
    /// Nickname.
    pub nick: String,
    /// Its node.
    pub node: String,
    /// Since when.
    pub since: String,
}

/// A medium.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MediumItem {
    /// Its id.
    pub id: String,
    /// Owner.
    pub user: String,
    /// Content type.
    pub content_type: String,
    /// Size in bytes.
    pub size: u64,
    /// `me`, `friends`, `all` or `group:id`.
    pub audience: String,
    /// When it came.
    pub created_at: String,
}

/// A mirrored event.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct EventItem {
    /// Its id.
    pub id: String,
    /// When it came.
    pub received_at: String,
    /// Its source.
    pub source: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its subject.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Its place in the source's stream.
    pub sequence: String,
    /// Size of its data.
    pub bytes: u64,
    /// Its data, for who may read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<RawValue>>,
}

/// An event on the downlink.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct DownItem {
    /// Its position.
    pub seq: i64,
    /// Its id.
    pub id: String,
    /// When.
    pub time: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whom it is about.
    pub subject: String,
    /// Where the change came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Size of its data.
    pub bytes: u64,
    /// Its data, for who may read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<RawValue>>,
}

/// A bridge node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NodeItem {
    /// Its name.
    pub node: String,
    /// Its lease holds.
    pub alive: bool,
    /// Its epoch; absent when it must send a snapshot first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<String>,
    /// When its lease runs out or ran out.
    pub expires_at: String,
    /// Its sessions, counted as [`Count`] is.
    pub sessions: u32,
}

/// How far an import has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ImportItem {
    /// Its source.
    pub source: String,
    /// Its position.
    pub position: i64,
    /// When it came so far.
    pub at: String,
}

/// A note of the audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AuditItem {
    /// When.
    pub at: String,
    /// Which credential.
    pub caller: String,
    /// What it did.
    pub action: String,
    /// To whom; empty when that user was erased.
    pub subject: String,
}

/// What the console reads.
#[async_trait]
pub trait Console: Send + Sync + 'static {
    /// A number that grows whenever something in the store has changed, whoever changed it.
    fn changed(&self) -> watch::Receiver<u64>;

    /// How many users, sessions and so on, each counted up to [`COUNTED`].
    ///
    /// # Errors
    /// What the store reports.
    async fn counts(&self) -> Result<Vec<Count>>;

    /// Users by address, all or those whose address begins so.
    ///
    /// # Errors
    /// What the store reports.
    async fn list_users(
        &self,
        prefix: Option<String>,
        limit: u32,
        after: Option<String>,
    ) -> Result<Page<UserItem>>;

    /// Open sessions whose lease holds, all or those in one state; looks at [`LOOK`] at most.
    ///
    /// # Errors
    /// What the store reports.
    async fn list_sessions(
        &self,
        state: Option<Presence>,
        limit: u32,
        after: Option<String>,
    ) -> Result<Page<SessionItem>>;

    /// Everybody's friends, list by list.
    ///
    /// # Errors
    /// What the store reports.
    async fn list_friends(&self, limit: u32, after: Option<String>) -> Result<Page<FriendItem>>;

    /// Conversations, each as its newest message, the latest first; looks at [`LOOK`] messages at most.
    ///
    /// # Errors
    /// What the store reports.
    async fn list_conversations(
        &self,
        text: bool,
        limit: u32,
        before: Option<i64>,
    ) -> Result<Page<MessageItem>>;

    /// Those for whom messages wait.
    ///
    /// # Errors
    /// What the store reports.
    async fn list_pending(&self, limit: u32, after: Option<String>) -> Result<Page<PendingUser>>;

    /// Groups by id, without their members.
    ///
    /// # Errors
    /// What the store reports.
    async fn list_groups(&self, limit: u32, after: Option<String>) -> Result<Page<Group>>;

    /// Rooms by address.
    ///
    /// # Errors
    /// What the store reports.
    async fn list_rooms(&self, limit: u32, after: Option<String>) -> Result<Page<RoomItem>>;

    /// Who is in a room now.
    ///
    /// # Errors
    /// `NotFound` (room).
    async fn list_occupants(
        &self,
        room: &UserId,
        limit: u32,
        after: Option<String>,
    ) -> Result<Page<OccupantItem>>;

    /// Media by id, all or one user's.
    ///
    /// # Errors
    /// `NotFound` (user).
    async fn list_media(
        &self,
        user: Option<UserId>,
        limit: u32,
        after: Option<String>,
    ) -> Result<Page<MediumItem>>;

    /// Mirrored events, the latest first.
    ///
    /// # Errors
    /// What the store reports.
    async fn list_events(&self, text: bool, limit: u32, before: Option<i64>) -> Result<Page<EventItem>>;

    /// Events on the downlink, the latest first.
    ///
    /// # Errors
    /// What the store reports.
    async fn list_downlink(&self, text: bool, limit: u32, before: Option<i64>) -> Result<Page<DownItem>>;

    /// Nodes by name.
    ///
    /// # Errors
    /// What the store reports.
    async fn list_nodes(&self, limit: u32, after: Option<String>) -> Result<Page<NodeItem>>;

    /// Imports by source.
    ///
    /// # Errors
    /// What the store reports.
    async fn list_imports(&self, limit: u32, after: Option<String>) -> Result<Page<ImportItem>>;

    /// The audit, the latest first.
    ///
    /// # Errors
    /// What the store reports.
    async fn list_audit(&self, limit: u32, before: Option<i64>) -> Result<Page<AuditItem>>;

    /// Notes in the audit what somebody read.
    ///
    /// # Errors
    /// What the store reports.
    async fn note_read(&self, caller: &str, action: &'static str, subject: &str) -> Result<()>;
}
