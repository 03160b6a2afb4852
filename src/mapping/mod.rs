//! Mapping, layer 2 (design, "Mapping: two layers"): rows. A row says which stanza it is about, which interface of a platform is called, where each
//! value sits, how each answer becomes XML, whether it is secret, observes or claims. Rows are data; this is their one interpreter, for the
//! built-in modules and for a folder of somebody else's alike.
//!
//! Reading order: [`row`] (what a row is), [`template`] (values in and out), [`registry`] (which row takes a stanza), [`answer`] (what an
//! answer means), [`explain`]; [`backend`] (what a folder of somebody else's says beside rows), [`folder`] (reading one), [`cases`].
//!
//! Leaves out: HTTP, threads, time limits (the host); batches and judgement that rows cannot say (`modules`).

pub mod answer;
pub mod backend;
pub mod cases;
pub mod explain;
pub mod folder;
pub mod ids;
mod place;
pub mod registry;
pub mod row;
pub mod template;

pub use answer::{Outcome, Response};
pub use registry::Registry;
pub use row::{Does, Module, Row, Source};
pub use template::Own;

use serde_json::Value;

use crate::stanza::{Stanza, json};

/// A stanza as the value that pointers of a row look into (docs/stanza-json.md). `secrets`: passwords as they are, otherwise null.
#[must_use]
pub fn value(stanza: &Stanza, secrets: bool) -> Value {
    let mut out = Vec::new();
    json::encode(stanza, json::Options { secrets, ..json::Options::default() }, &mut out);
    // The encoder writes JSON.
    serde_json::from_slice(&out).unwrap_or_default()
}
