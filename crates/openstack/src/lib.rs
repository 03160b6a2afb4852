//! Keystone (identity API v3) as its clients see it: logging in with an application credential or a password, the service catalogue, and the
//! validation of other people's tokens. The bridge and the platform both are such clients; neither knows the other's side.
//!
//! Blocking, over ureq. A [`Session`] keeps one token and renews it; it starts no thread, so whoever owns it decides who waits.
//!
//! Leaves out: what a role means (the platform's configuration), what is done with an endpoint, every other service of a cloud.

mod catalog;
mod keystone;
mod net;
mod session;
#[cfg(test)]
mod tests;

pub use catalog::{Catalog, Interface};
pub use keystone::{Keystone, Login, Scoped, Token, User, Validated};
pub use net::{Answer, Net, roots, send};
pub use session::{Held, Session};

/// Why a cloud's service could not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No connection, or it broke, or no answer came in time.
    #[error("{service} at {url} does not answer: {reason}")]
    Unreachable {
        /// Which.
        service: &'static str,
        /// Where.
        url: String,
        /// The actual error.
        reason: String,
    },
    /// It answered that it is not well.
    #[error("{service} at {url} answered {status}{}", said(.reason))]
    Ill {
        /// Which.
        service: &'static str,
        /// Where.
        url: String,
        /// HTTP status.
        status: u16,
        /// What it said.
        reason: String,
    },
    /// The credential is wrong, or may not do what was asked.
    #[error("{service} at {url} refused {what} ({status}){}", said(.reason))]
    Refused {
        /// Which.
        service: &'static str,
        /// Where.
        url: String,
        /// What was refused.
        what: String,
        /// HTTP status.
        status: u16,
        /// What it said.
        reason: String,
    },
    /// It answered something that its interface does not know.
    #[error(
        "{service} at {url} answered {status} with something unexpected: {reason}; is this really {service}?"
    )]
    Unexpected {
        /// Which.
        service: &'static str,
        /// Where.
        url: String,
        /// HTTP status.
        status: u16,
        /// What is wrong with it.
        reason: String,
    },
    /// The catalogue has no such endpoint.
    #[error("the catalogue of Keystone at {url} has no {wanted}; {has}")]
    NotInCatalog {
        /// Which Keystone.
        url: String,
        /// What was looked for.
        wanted: String,
        /// What there is of that kind.
        has: String,
    },
    /// A setting cannot be used.
    #[error("{0}")]
    Setting(String),
}

fn said(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {reason}") }
}

impl Error {
    /// Whether the same may go well later without anybody doing something.
    #[must_use]
    pub fn temporary(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Ill { .. } => true,
            Self::Refused { .. } | Self::Unexpected { .. } | Self::NotInCatalog { .. } | Self::Setting(_) => {
                false
            }
        }
    }
}
