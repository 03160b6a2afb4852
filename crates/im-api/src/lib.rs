//! The contract between Cloud Bridge and an instant-messaging platform: types and routes, no I/O.
//!
//! Everything is HTTP/JSON under `/v1`; errors are `application/problem+json` ([`Problem`]). Times are RFC 3339 / XEP-0082 strings in UTC
//! with milliseconds (`2026-11-23T06:36:00.000Z`). A stanza travels as *stanza JSON* (see the host's `stanza` module), opaque here.
//!
//! Leaves out: HTTP itself, storage, any judgement.

pub mod chat;
pub mod downlink;
pub mod event;
#[cfg(feature = "schema")]
pub mod fixtures;
pub mod footprint;
pub mod friend;
pub mod group;
pub mod health;
pub mod import;
pub mod media;
pub mod problem;
pub mod room;
pub mod routes;
pub mod secret;
pub mod state;
pub mod user;

pub use problem::Problem;

/// The version of this contract, sent by both sides; the major part is the `/v1` of the paths.
pub const API_VERSION: &str = "1.0";
