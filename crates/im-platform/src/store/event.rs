//! Mirror events, kept as they came.

use async_trait::async_trait;
use im_api::event::{Event, EventsAnswer};

use super::Result;

/// The events.
#[async_trait]
pub trait Events: Send + Sync + 'static {
    /// Keeps those whose id is not known yet.
    ///
    /// # Errors
    /// What the store reports; then none of them is kept.
    async fn add_events(&self, events: Vec<Event>) -> Result<EventsAnswer>;
}
