//! The host's errors as they cross the boundary: one exception, a closed set of codes (docs/boundary.md).

/// Why a native call failed.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The ticket is not (or no longer) valid.
    #[error("the host is stopped")]
    Closed,
    /// A frame cannot be read: shim and host do not match.
    #[error("a frame cannot be read: {0}")]
    Invalid(String),
    /// A setting is wrong.
    #[error("{0}")]
    Config(String),
    /// A bug of ours.
    #[error("internal error in the host: {0}")]
    Panic(String),
    /// Too much at once.
    #[error("{0}")]
    Busy(String),
    /// Data directory or journal.
    #[error("{0}")]
    Io(String),
    /// The platform did not answer in time.
    #[error("{0}")]
    Timeout(String),
    /// Not possible here.
    #[error("{0}")]
    Unsupported(String),
}

impl HostError {
    /// The code of `HostException`.
    #[must_use]
    pub fn code(&self) -> i32 {
        match self {
            HostError::Closed => 1,
            HostError::Invalid(_) => 2,
            HostError::Config(_) => 3,
            HostError::Panic(_) => 4,
            HostError::Busy(_) => 5,
            HostError::Io(_) => 6,
            HostError::Timeout(_) => 7,
            HostError::Unsupported(_) => 8,
        }
    }
}
