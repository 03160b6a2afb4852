//! The reference platform: a stateless HTTP server over a store. It verifies what comes in, stores it, judges who is online and hands over.
//!
//! Reading order: [`store`] (what is kept, and the rules as pure functions in `store::judge`), [`modules`] (one file per interface),
//! [`http`] (routes, extractors, the one table from errors to problems), [`serve`] (the life of the process).
//!
//! Leaves out: XMPP (a stanza is opaque JSON here), and anything about Openfire.

pub mod admin;
pub mod auth;
pub mod clock;
pub mod config;
pub mod console;
pub mod http;
pub mod jid;
pub mod media;
pub mod metrics;
pub mod modules;
pub mod openapi;
pub mod password;
mod private;
pub mod serve;
pub mod store;

/// The name this implementation gives itself in [`im_api::health::Health`].
pub const NAME: &str = "im-platform";
/// Its version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
