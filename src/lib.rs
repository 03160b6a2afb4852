//! The host of Cloud Bridge: what runs inside Openfire's process, called over JNI by a thin Java shim.
//!
//! Reading order: ARCHITECTURE.md, then `ffi` (the boundary), `host` (the threads), `lanes` (order), `mapping` (rows),
//! `modules` (the seven).

pub mod config;
pub mod error;
pub mod ffi;
pub mod host;
pub mod journal;
pub mod lanes;
pub mod mapping;
pub mod modules;
pub mod platform;
pub mod stanza;
