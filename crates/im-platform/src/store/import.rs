//! What another system knows, taken over.

use async_trait::async_trait;
use im_api::friend::FriendEntry;
use im_api::group::CreateGroup;
use im_api::import::{ImportAnswer, ImportPosition};
use im_api::room::Affiliation;

use super::Result;
use super::user::NewUser;
use crate::jid::UserId;

/// One thing to import, checked; or why it cannot be.
#[derive(Debug, Clone)]
pub enum Item {
    /// An account.
    User(NewUser),
    /// A friend.
    Friend(UserId, UserId, FriendEntry),
    /// A block.
    Block(UserId, UserId),
    /// A group.
    Group(CreateGroup),
    /// A room's members.
    Room(UserId, Vec<(UserId, Affiliation)>),
    /// What is wrong with it.
    Wrong(String),
}

/// Import.
#[async_trait]
pub trait Imports: Send + Sync + 'static {
    /// Imports items numbered from `from`, and remembers how far the source has come, in one step.
    ///
    /// # Errors
    /// `Conflict` when `from` leaves a gap.
    async fn import(&self, source: &str, from: i64, items: Vec<Item>) -> Result<ImportAnswer>;

    /// How far a source has come.
    ///
    /// # Errors
    /// What the store reports.
    async fn import_position(&self, source: &str) -> Result<ImportPosition>;
}
