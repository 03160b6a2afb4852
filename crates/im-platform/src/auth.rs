//! Who calls: credentials behind one trait, scopes, and a caller that a handler can only get from a checked request.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use subtle::ConstantTimeEq;

/// What a credential may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// A bridge: everything a message server needs, verifiers included.
    Bridge,
}

/// A checked caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The credential's name, for logs and audit.
    pub name: String,
    /// What it may do.
    pub scope: Scope,
}

/// Why a request has no caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// None was sent.
    #[error("the request has no credential")]
    Missing,
    /// It is not one of ours.
    #[error("the credential is not valid")]
    Wrong,
}

/// Decides who a request comes from.
pub trait Credentials: std::fmt::Debug + Send + Sync + 'static {
    /// Checks the request's headers.
    ///
    /// # Errors
    /// [`AuthError`].
    fn check(&self, headers: &HeaderMap) -> Result<Caller, AuthError>;
}

/// Bearer tokens that do not change while the process runs.
pub struct StaticTokens {
    tokens: Vec<(String, Caller)>,
}

impl std::fmt::Debug for StaticTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.tokens.iter().map(|(_, caller)| &caller.name)).finish()
    }
}

impl StaticTokens {
    /// These tokens and whom they stand for.
    #[must_use]
    pub fn new(tokens: Vec<(String, Caller)>) -> Self {
        Self { tokens }
    }
}

impl Credentials for StaticTokens {
    fn check(&self, headers: &HeaderMap) -> Result<Caller, AuthError> {
        let value = headers.get(AUTHORIZATION).ok_or(AuthError::Missing)?;
        let given = value.to_str().ok().and_then(|v| v.split_once(' ')).ok_or(AuthError::Wrong)?;
        if !given.0.eq_ignore_ascii_case("bearer") {
            return Err(AuthError::Wrong);
        }
        // All are compared, so that the time taken does not say which one was near.
        let mut found = None;
        for (token, caller) in &self.tokens {
            if bool::from(token.as_bytes().ct_eq(given.1.trim().as_bytes())) {
                found = Some(caller);
            }
        }
        found.cloned().ok_or(AuthError::Wrong)
    }
}
