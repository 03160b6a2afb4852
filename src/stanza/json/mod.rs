//! Stanza JSON: any stanza to JSON and back, losing nothing (design, "Mapping: two layers", layer 1). The format is described in
//! `docs/stanza-json.md`, which is generated from the same [`table`] that the encoder and the decoder read.
//!
//! Reading order: `table` (what is mapped to what), `encode` and `decode` (how); `plan` (the table made quick), `tape` (JSON in), `text` (JSON out), `schema`.
//!
//! Leaves out: the envelope of events, rows, HTTP, any change to a stanza.

mod decode;
mod encode;
mod plan;
pub mod schema;
pub mod table;
mod tape;
mod text;

use std::cell::RefCell;

use super::{Stanza, StanzaError};

/// Version of the mapping: what `v` says where a version is written, and part of the schema's id.
pub const VERSION: &str = "1";

/// More languages of one thing are no languages: further ones stay in `rest`. The bound keeps comparing them cheap.
const MOST_LANGUAGES: usize = 64;

/// How to encode.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Write passwords (register, legacy auth, room passwords, password fields of forms ...) as they are; otherwise they are `null`.
    pub secrets: bool,
    /// Keep white space between child elements too; otherwise text that only makes XML readable is left out (see [`super::canonical`]).
    pub whitespace: bool,
    /// Write `order` wherever differently named children meet, not only where the order of the keys is not enough: for stores that sort keys.
    pub order: bool,
}

/// How strict decoding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// An unknown key, another type, a bad JID, a masked value is an error.
    #[default]
    Strict,
    /// Unknown keys and masked values are left out, JIDs taken as they are; a number or boolean may stand for a text, `true` for `{}`.
    Lenient,
}

/// Why JSON is not stanza JSON.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// Not JSON.
    #[error("not JSON")]
    Syntax(#[source] serde_json::Error),
    /// A value is wrong.
    #[error("{pointer}: {reason}")]
    Value {
        /// JSON pointer (RFC 6901).
        pointer: String,
        /// What is wrong and what was expected.
        reason: String,
    },
    /// The result would not be a stanza.
    #[error("the JSON does not describe a stanza")]
    Stanza(#[source] StanzaError),
}

thread_local! {
    static ENCODER: RefCell<encode::Scratch> = RefCell::default();
    static DECODER: RefCell<decode::Scratch> = RefCell::default();
}

/// Appends the stanza as a JSON object on one line. Buffers are kept per thread; the only allocations are those by which they and `out` grow.
pub fn encode(stanza: &Stanza, options: Options, out: &mut Vec<u8>) {
    ENCODER.with_borrow_mut(|scratch| encode::encode(stanza, options, scratch, out));
}

/// Reads a JSON object made by [`encode`] or by hand.
///
/// # Errors
/// See [`JsonError`]; the pointer names the place.
pub fn decode(json: &[u8], mode: Mode) -> Result<Stanza, JsonError> {
    let mut stanza = Stanza::default();
    decode_into(json, mode, &mut stanza)?;
    Ok(stanza)
}

/// As [`decode`], reusing the stanza's buffers. After an error its content is unspecified.
///
/// # Errors
/// See [`JsonError`].
pub fn decode_into(json: &[u8], mode: Mode, stanza: &mut Stanza) -> Result<(), JsonError> {
    DECODER.with_borrow_mut(|scratch| decode::decode(json, mode, scratch, stanza))
}
