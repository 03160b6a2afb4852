//! Nodes, leases, sessions and what they add up to.

use async_trait::async_trait;
use im_api::state::{Session, Show, UserState};

use super::{Cause, Result};
use crate::clock::Millis;
use crate::jid::UserId;

/// The state of one session, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionState {
    /// Whose.
    pub user: UserId,
    /// Its resource, normalised.
    pub resource: String,
    /// Has sent available presence.
    pub available: bool,
    /// Presence priority.
    pub priority: i8,
    /// Presence show.
    pub show: Option<Show>,
    /// Status text.
    pub status: Option<String>,
}

impl SessionState {
    /// As the contract writes it.
    #[must_use]
    pub fn into_api(self) -> Session {
        let Self { user, resource, available, priority, show, status } = self;
        Session { user: user.to_string(), resource, available, priority, show, status }
    }
}

/// One change of a session, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its place in the node's stream.
    pub seq: i64,
    /// False: the session has ended.
    pub open: bool,
    /// The new state.
    pub session: SessionState,
}

/// All sessions of a node, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSnapshot {
    /// The epoch it introduces or continues.
    pub epoch: String,
    /// Time to live of the lease.
    pub ttl: Millis,
    /// The last change it contains.
    pub seq: i64,
    /// The open sessions.
    pub sessions: Vec<SessionState>,
}

/// Sessions and who is online.
#[async_trait]
pub trait State: Send + Sync + 'static {
    /// Renews a node's lease; gives the users of this node to drain (at most 1,000).
    ///
    /// # Errors
    /// [`super::StoreError::UnknownEpoch`] when the lease ran out or the epoch is not the node's.
    async fn renew(&self, node: &str, epoch: &str, ttl: Millis) -> Result<Vec<String>>;

    /// Replaces what is known of the node. Changes of the same epoch with a higher seq that came earlier win. Gives the users to drain.
    ///
    /// # Errors
    /// [`super::StoreError::Conflict`] when a later epoch has ended this one.
    async fn snapshot(&self, node: &str, snapshot: NodeSnapshot) -> Result<Vec<String>>;

    /// Applies changes in order, ignoring those that are not above the last one known of their session. Gives the users to drain.
    ///
    /// # Errors
    /// [`super::StoreError::UnknownEpoch`].
    async fn change(&self, node: &str, epoch: &str, changes: Vec<Change>) -> Result<Vec<String>>;

    /// The state of a session that belongs to no node; it lives for `ttl` unless set again. It counts for the aggregated state only: no message
    /// is delivered to it. Makes nobody known. A change that can be seen is announced.
    ///
    /// # Errors
    /// [`super::StoreError::NotFound`] for an unknown user.
    async fn set_state(&self, change: Change, ttl: Millis, cause: Cause) -> Result<()>;

    /// The user's state, aggregated.
    ///
    /// # Errors
    /// [`super::StoreError::NotFound`] for an unknown user.
    async fn user_state(&self, user: &UserId) -> Result<UserState>;
}
