//! What the platform says to XMPP, in order.

use async_trait::async_trait;
use im_api::downlink::{DownEvent, Downlink as Page, Queued};
use tokio::sync::watch;

use super::{Cause, Result};
use crate::jid::Jid;

/// The downlink.
#[async_trait]
pub trait Downlink: Send + Sync + 'static {
    /// Position of the last event.
    fn announced(&self) -> watch::Receiver<i64>;

    /// Events after a position; without one, no events and the position of now.
    ///
    /// # Errors
    /// `CursorGone` when events after it were removed.
    async fn downlink(&self, after: Option<i64>, limit: u32) -> Result<Page>;

    /// Has a bridge route a stanza.
    ///
    /// # Errors
    /// What the store reports.
    async fn send_stanza(&self, to: &Jid, stanza: String, cause: Cause) -> Result<Queued>;
}

/// A page with its cursor.
#[must_use]
pub fn page(items: Vec<DownEvent>, next: i64) -> Page {
    Page { items, next: next.to_string() }
}
