//! What a change is caused by: who, from where, and whether it was asked before.

use im_api::downlink::Origin;

/// The cause of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The caller's name.
    pub caller: String,
    /// Node and event, when a bridge reports what happened there.
    pub origin: Option<Origin>,
    /// The idempotency key, where one was sent.
    pub once: Option<Once>,
    /// Nothing is announced: whoever causes it knows.
    pub quiet: bool,
}

impl Cause {
    /// A change that nobody asked for from outside.
    #[must_use]
    pub fn by(caller: &str) -> Self {
        Self { caller: caller.into(), origin: None, once: None, quiet: false }
    }
}

/// An idempotency key and what it was first used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Once {
    /// The key, unique per caller.
    pub key: String,
    /// SHA-256 of method, path and body.
    pub fingerprint: [u8; 32],
}
