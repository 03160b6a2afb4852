//! Media: files that footprints and messages point to.

use serde::{Deserialize, Serialize};

/// Answer of PUT media `?user=&audience=` with the file as body: 201, or 200 when the same bytes were there already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Medium {
    /// Its id, chosen by the caller: 8 to 128 characters of `[A-Za-z0-9-]`.
    pub id: String,
    /// Owner.
    pub user: String,
    /// Content type.
    pub content_type: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
    /// When it came.
    pub created_at: String,
}
