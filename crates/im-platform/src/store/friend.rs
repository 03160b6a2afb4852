//! Friends and blocks.

use async_trait::async_trait;
use im_api::friend::{Blocks, FriendEntry, Friends as Page, FriendsChanged};

use super::{Cause, Result};
use crate::jid::UserId;

/// Friends one user may have.
pub const MAX_FRIENDS: i64 = 10_000;

/// Friends.
#[async_trait]
pub trait Friends: Send + Sync + 'static {
    /// A page of a user's list.
    ///
    /// # Errors
    /// `NotFound` (user).
    async fn friends(&self, user: &UserId, limit: u32, after: Option<String>) -> Result<Page>;

    /// Adds or replaces an entry. The same entry again changes nothing and is not announced: an echo dies here.
    ///
    /// # Errors
    /// `NotFound` (user), `Full` (list).
    async fn put_friend(
        &self,
        user: &UserId,
        friend: &UserId,
        entry: FriendEntry,
        cause: Cause,
    ) -> Result<FriendsChanged>;

    /// Removes an entry; one that is not there is fine.
    ///
    /// # Errors
    /// `NotFound` (user).
    async fn remove_friend(&self, user: &UserId, friend: &UserId, cause: Cause) -> Result<FriendsChanged>;

    /// Whether the viewer may see the owner's presence: it is the owner, or a friend of the owner with subscription `from` or `both`, and neither
    /// blocks the other.
    ///
    /// # Errors
    /// `NotFound` (owner, viewer).
    async fn sees_presence(&self, owner: &UserId, viewer: &UserId) -> Result<bool>;

    /// Whom a user blocks.
    ///
    /// # Errors
    /// `NotFound` (user).
    async fn blocks(&self, user: &UserId) -> Result<Blocks>;

    /// Blocks or unblocks.
    ///
    /// # Errors
    /// `NotFound` (user), `Full` (list).
    async fn set_block(
        &self,
        user: &UserId,
        blocked: &UserId,
        on: bool,
        cause: Cause,
    ) -> Result<FriendsChanged>;
}
