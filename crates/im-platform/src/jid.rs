//! Addresses: JIDs that can only be made valid (RFC 7622), normalised, so that two spellings of one user are one user.

use std::fmt;

pub use ::jid::Jid;

/// A user: a bare JID with a local part, normalised.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(String);

/// Why a text is not the address it should be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not a JID at all.
    #[error("is not a JID")]
    NotAJid(#[source] ::jid::Error),
    /// A JID of another kind.
    #[error("must be {0}")]
    Kind(&'static str),
}

impl UserId {
    /// Reads a bare JID with a local part.
    ///
    /// # Errors
    /// [`AddressError`] when it is not one.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let jid = Jid::new(text).map_err(AddressError::NotAJid)?;
        if jid.is_full() || jid.node().is_none() {
            return Err(AddressError::Kind("a bare JID with a local part"));
        }
        Ok(Self(jid.into_inner()))
    }

    /// The user that a JID belongs to; None for a server or component.
    #[must_use]
    pub fn of(jid: &Jid) -> Option<Self> {
        jid.node()?;
        Some(Self(jid.to_bare().into_inner()))
    }

    /// The bare JID.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads a full JID.
///
/// # Errors
/// [`AddressError`] when it is not one.
pub fn full(text: &str) -> Result<Jid, AddressError> {
    let jid = Jid::new(text).map_err(AddressError::NotAJid)?;
    if jid.is_bare() { Err(AddressError::Kind("a full JID")) } else { Ok(jid) }
}

/// The address with everything but its domain hidden, for logs.
#[must_use]
pub fn masked(jid: &str) -> String {
    let (local, rest) = jid.split_once('@').unwrap_or(("", jid));
    let domain = rest.split('/').next().unwrap_or_default();
    format!("{}…@{domain}", local.chars().next().map(String::from).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_spellings_of_one_user_are_one_user() {
        assert_eq!(UserId::parse("Juliet@Example.ORG"), UserId::parse("juliet@example.org"));
    }

    #[test]
    fn a_user_is_a_bare_jid_with_a_local_part() {
        for wrong in ["", "example.org", "juliet@example.org/balcony", "@example.org", "a@b@c"] {
            assert!(UserId::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn logs_show_the_domain_and_one_letter() {
        assert_eq!(masked("juliet@example.org/balcony"), "j…@example.org");
    }
}
