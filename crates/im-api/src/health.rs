//! Health of a platform.

use serde::{Deserialize, Serialize};

/// Answer of GET `/healthz`: 200 when it can serve, 503 when not (then `status` says why).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Health {
    /// `ok`, or what is wrong.
    pub status: String,
    /// Name of the implementation (`im-platform`).
    pub name: String,
    /// Its version.
    pub version: String,
    /// [`crate::API_VERSION`] it speaks.
    pub api: String,
    /// The kind of store (`sqlite`, `cassandra`).
    pub store: String,
    /// What does not work although the platform as a whole can serve (media, say); one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limited: Vec<String>,
}
