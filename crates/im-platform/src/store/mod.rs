//! What the platform keeps, as one trait per module and [`Store`] over all of them; one behaviour suite (`tests/store_*.rs`) for every
//! implementation.
//!
//! Every operation is one atomic step for the users it names: the trait speaks of decisions, claims and hand-overs, not of rows, so that a
//! store can use whatever makes its step atomic (SQLite: one writer; Cassandra: a conditional write on the recipient's partition).
//! The rules themselves are pure functions in [`judge`], shared by all stores.
//!
//! Leaves out: HTTP, credentials, limits on sizes (the modules check those before they call).

#[cfg(feature = "cassandra")]
pub mod cassandra;
mod cause;
pub mod chat;
pub mod console;
pub mod downlink;
pub mod event;
pub mod footprint;
pub mod friend;
pub mod group;
pub mod import;
pub mod judge;
pub mod media;
mod parties;
pub mod room;
pub mod sqlite;
pub mod state;
pub mod user;

use async_trait::async_trait;

pub use cause::{Cause, Once};
pub use chat::Chat;
pub use console::Console;
pub use downlink::Downlink;
pub use event::Events;
pub use footprint::Footprints;
pub use friend::Friends;
pub use group::Groups;
pub use import::Imports;
pub use media::Media;
pub use room::Rooms;
pub use state::State;
pub use user::Users;

/// Result of a store's operation.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Everything the platform keeps.
#[async_trait]
pub trait Store:
    State + Chat + Events + Users + Friends + Groups + Rooms + Footprints + Media + Imports + Downlink + Console
{
    /// What kind it is, as [`im_api::health::Health::store`].
    fn kind(&self) -> &'static str;

    /// Reads and writes something small.
    ///
    /// # Errors
    /// What keeps it from serving.
    async fn check(&self) -> Result<()>;

    /// What it measures of itself at this moment: name, help, value.
    ///
    /// # Errors
    /// What the store reports.
    async fn gauges(&self) -> Result<Vec<(&'static str, &'static str, u64)>>;

    /// Removes what has ended: sessions whose lease ran out, old tombstones, what is past its retention. Called every second or so; each call
    /// does a bounded amount of work and says whether there is more.
    ///
    /// # Errors
    /// What the store reports.
    async fn sweep(&self) -> Result<bool>;

    /// Finishes what was accepted and closes. Later calls fail with [`StoreError::Closed`].
    async fn close(&self);
}

/// Why an operation was not done.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The node has no lease with this epoch: it must send a snapshot.
    #[error("the node has no valid lease with this epoch")]
    UnknownEpoch,
    /// Somebody else holds the claim.
    #[error("another session is draining this user's messages")]
    Claimed,
    /// Exists already, or changed meanwhile.
    #[error("{0}")]
    Conflict(&'static str),
    /// Events after this cursor were removed.
    #[error("events after this cursor are no longer there")]
    CursorGone,
    /// The idempotency key was used for something else.
    #[error("this idempotency key was used for another request")]
    KeyReused,
    /// There is no such thing.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The disk is full, or the database has reached its size.
    #[error(
        "no room is left on the disk, in its quota, or in the database's size (setting store.max_megabytes); nothing was stored"
    )]
    Full(#[source] Source),
    /// Something has a limit of its own and has reached it; which, and where it is set.
    #[error("{0}; nothing was stored")]
    Limit(&'static str),
    /// The data is damaged.
    #[error("the store's data is damaged")]
    Corrupt(#[source] Source),
    /// The data was written by a newer version.
    #[error("the data has format {found}, this version reads up to {known}")]
    Newer {
        /// Format found.
        found: i64,
        /// Newest format known.
        known: i64,
    },
    /// The store is closed or closing.
    #[error("the store is closed")]
    Closed,
    /// Anything else.
    #[error("the store failed while {doing}")]
    Failed {
        /// What it was doing.
        doing: &'static str,
        /// The cause.
        #[source]
        source: Source,
    },
}

impl StoreError {
    /// Whether the same call may succeed later without anything else being done first.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match self {
            Self::Full(_) | Self::Limit(_) | Self::Closed | Self::Failed { .. } | Self::Claimed => true,
            Self::UnknownEpoch
            | Self::CursorGone
            | Self::KeyReused
            | Self::Conflict(_)
            | Self::NotFound(_)
            | Self::Corrupt(_)
            | Self::Newer { .. } => false,
        }
    }
}
