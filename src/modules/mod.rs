//! The modules: what the bridge knows about each kind of stanza. One folder or file each, the same furniture in each: what it claims, what it
//! sends, what it makes of answers.
//!
//! Leaves out: threads, HTTP, the boundary.

pub mod chat;
pub mod events;
pub mod state;
pub mod user;
