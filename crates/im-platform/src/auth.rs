//! Who calls: credentials behind one trait, scopes, and a caller that a handler can only get from a checked request.
//!
//! Three kinds are here: bearer tokens, requests signed in the manner of Standard Webhooks (id, timestamp, HMAC-SHA256 with several secrets for
//! rotation), and tokens of a Keystone. Leaves out: where secrets are kept (`config`), what a scope may do (each route says it).

mod keystone;
pub mod pass;
mod signed;

use std::time::Duration;

use async_trait::async_trait;
use axum::http::Request;
use axum::http::header::AUTHORIZATION;
use subtle::ConstantTimeEq;

pub use keystone::{KeystoneTokens, Role, Rules, TOKEN_HEADER};
pub use signed::{Secret, SignedRequests, sign};

/// What a credential may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// A bridge: everything a message server needs, verifiers included.
    Bridge,
    /// Somebody's program: accounts, friends, groups, footprints, media, sending.
    Integrator,
    /// A person who runs the platform: reads everything, message text included unless the credential says otherwise; removes.
    Operator,
    /// Reads states, groups, metrics and the console's lists: who, when, how much; no message text, no places.
    ReadOnly,
}

impl Scope {
    /// Its name in a configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Integrator => "integrator",
            Self::Operator => "operator",
            Self::ReadOnly => "read-only",
        }
    }
}

/// A checked caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The credential's name, for logs and audit.
    pub name: String,
    /// What it may do.
    pub scope: Scope,
    /// An operator may read what people wrote; means nothing for other scopes.
    pub text: bool,
}

impl Caller {
    /// Whether it may be shown what people wrote.
    #[must_use]
    pub fn reads_text(&self) -> bool {
        match self.scope {
            Scope::Bridge | Scope::Integrator => true,
            Scope::Operator => self.text,
            Scope::ReadOnly => false,
        }
    }
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
    /// It is signed for another time.
    #[error("the signature's time is more than {} s away from ours", .0.as_secs())]
    Time(Duration),
    /// It was used before.
    #[error("this signed request was sent before")]
    Replayed,
    /// The console's session is over.
    #[error("the session has ended; log in again")]
    SessionOver,
    /// It is somebody's, who has no role that means anything here.
    #[error("the token is valid, but its roles for its project give no access to this platform")]
    NoRole,
    /// Who could say whether it is valid does not answer. Nothing is known against the credential.
    #[error("Keystone does not say now whether this token is valid")]
    Unavailable,
}

/// Decides who a request comes from.
#[async_trait]
pub trait Credentials: std::fmt::Debug + Send + Sync + 'static {
    /// Checks a request that has been read completely. None: this kind of credential was not sent, another may have been.
    async fn check(&self, request: &Request<&[u8]>) -> Option<Result<Caller, AuthError>>;

    /// What does not work at this moment, in words for whoever runs the platform.
    fn trouble(&self) -> Option<String> {
        None
    }
}

/// Several kinds, the first that was sent counts.
#[derive(Debug)]
pub struct AnyOf(pub Vec<Box<dyn Credentials>>);

#[async_trait]
impl Credentials for AnyOf {
    async fn check(&self, request: &Request<&[u8]>) -> Option<Result<Caller, AuthError>> {
        for kind in &self.0 {
            if let Some(checked) = kind.check(request).await {
                return Some(checked);
            }
        }
        None
    }

    fn trouble(&self) -> Option<String> {
        self.0.iter().find_map(|kind| kind.trouble())
    }
}

/// The bearer token that a request brings (RFC 6750 2.1).
fn bearer<'a>(request: &'a Request<&[u8]>) -> Option<&'a str> {
    let (kind, given) = request.headers().get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    kind.eq_ignore_ascii_case("bearer").then(|| given.trim())
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

#[async_trait]
impl Credentials for StaticTokens {
    async fn check(&self, request: &Request<&[u8]>) -> Option<Result<Caller, AuthError>> {
        request.headers().get(AUTHORIZATION)?;
        let Some(given) = bearer(request) else { return Some(Err(AuthError::Wrong)) };
        // All are compared, so that the time taken does not say which one was near.
        let mut found = None;
        for (token, caller) in &self.tokens {
            if bool::from(token.as_bytes().ct_eq(given.as_bytes())) {
                found = Some(caller);
            }
        }
        Some(found.cloned().ok_or(AuthError::Wrong))
    }
}
