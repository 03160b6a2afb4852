//! The modules: what the bridge knows about each kind of stanza. One folder or file each, the same furniture in each: what it claims, what it
//! sends, what it makes of answers.
//!
//! Leaves out: threads, HTTP, the boundary.

pub mod chat;
pub mod events;
pub mod footprint;
pub mod room;
pub mod state;
pub mod user;

use crate::config::ModuleConfig;
use crate::mapping::Registry;
use crate::mapping::explain::{self, Explanation};

/// Explains a stanza ([`explain::explain`]) with what the code of a module knows beyond its rows.
///
/// # Errors
/// Why it is no stanza.
pub fn explain(
    registry: &Registry,
    xml: &str,
    event: bool,
    settings: impl Fn(&str) -> ModuleConfig,
) -> Result<Explanation, String> {
    explain::explain(registry, xml, event, settings, |row, stanza| match row.batch.as_deref() {
        Some("chat.decide") => Some(chat::note(stanza)),
        Some(chat::history::BATCH) => Some(chat::history::note(stanza)),
        Some(footprint::BATCH) => Some(footprint::note(stanza)),
        Some(room::SAY) => Some(room::note(stanza)),
        _ => None,
    })
}
