//! The one place where what went wrong becomes an HTTP status and an RFC 9457 problem.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use im_api::{Problem, problem};

use crate::auth::AuthError;
use crate::media::MediaError;
use crate::store::StoreError;

/// Why a request was not answered as asked.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The body is not JSON at all.
    #[error("the body is not JSON")]
    Syntax(#[source] serde_json::Error),
    /// A field is wrong.
    #[error("{detail}")]
    Invalid {
        /// JSON pointer of it; none for a query or path parameter.
        pointer: Option<String>,
        /// What is wrong with it.
        detail: String,
    },
    /// The body is larger than this interface takes.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// The body could not be read to its end.
    #[error("the body ended early")]
    Body,
    /// The content type is none of those that this interface takes.
    #[error("the content type must be {0}")]
    ContentType(&'static str),
    /// No such path.
    #[error("there is no such path")]
    NoRoute,
    /// The path exists, the method does not.
    #[error("this path does not take this method")]
    Method,
    /// The caller's scope does not cover it.
    #[error("the scope {0} does not cover this")]
    Forbidden(&'static str),
    /// An operator without message text.
    #[error("this credential does not cover what people wrote (message_text = false)")]
    NoText,
    /// Too many requests.
    #[error("too many requests")]
    RateLimited,
    /// Too many wrong tokens.
    #[error("too many wrong tokens came from this address; wait a minute and try again")]
    Guessing,
    /// No caller.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The store's word.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The word of where media are kept.
    #[error(transparent)]
    Media(#[from] MediaError),
}

impl ApiError {
    /// A wrong field of the body.
    pub fn field(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Invalid { pointer: Some(pointer.into()), detail: detail.into() }
    }

    /// A wrong parameter of path or query.
    pub fn parameter(name: &str, detail: impl std::fmt::Display) -> Self {
        Self::Invalid { pointer: None, detail: format!("parameter `{name}` {detail}") }
    }

    /// The table.
    fn row(&self) -> (u16, &'static str, &'static str) {
        match self {
            Self::Syntax(_) | Self::Body => (400, problem::INVALID, "The request cannot be read"),
            Self::Invalid { .. } => (422, problem::INVALID, "A value is not acceptable"),
            Self::TooLarge { .. } => (413, problem::TOO_LARGE, "The request is too large"),
            Self::ContentType(_) => (415, problem::INVALID, "The content type is not supported"),
            Self::NoRoute => (404, problem::NOT_FOUND, "Not found"),
            Self::Method => (405, "about:blank", "Method not allowed"),
            Self::Forbidden(_) | Self::NoText => (403, problem::FORBIDDEN, "Not covered by this credential"),
            Self::RateLimited | Self::Guessing => (429, problem::RATE_LIMITED, "Too many requests"),
            Self::Auth(AuthError::NoRole) => (403, problem::FORBIDDEN, "Not covered by this credential"),
            Self::Auth(AuthError::Unavailable) => (503, problem::UNAVAILABLE, "Keystone does not answer"),
            Self::Auth(_) => (401, problem::UNAUTHORIZED, "A valid credential is needed"),
            Self::Store(StoreError::UnknownEpoch) => {
                (409, problem::UNKNOWN_EPOCH, "Send a full snapshot of this node first")
            }
            Self::Store(StoreError::Claimed) => (409, problem::CLAIMED, "Somebody else holds the claim"),
            Self::Store(StoreError::Conflict(_)) => (409, problem::CONFLICT, "Conflict"),
            Self::Store(StoreError::CursorGone) => {
                (410, problem::CURSOR_GONE, "Events after this cursor are gone")
            }
            Self::Store(StoreError::KeyReused) => (422, problem::INVALID, "A value is not acceptable"),
            Self::Store(StoreError::NotFound(_)) => (404, problem::NOT_FOUND, "Not found"),
            Self::Store(StoreError::Full(_) | StoreError::Limit(_)) => {
                (507, problem::STORAGE_FULL, "No room is left")
            }
            Self::Store(StoreError::Closed) => (503, problem::UNAVAILABLE, "The platform is stopping"),
            Self::Store(StoreError::Corrupt(_) | StoreError::Newer { .. }) => {
                (503, problem::UNAVAILABLE, "The store cannot be used")
            }
            Self::Media(MediaError::NotFound) => (404, problem::NOT_FOUND, "Not found"),
            Self::Media(MediaError::Full(_)) => (507, problem::STORAGE_FULL, "No room is left"),
            Self::Media(MediaError::Unavailable(_)) => {
                (503, problem::UNAVAILABLE, "The store of media does not answer")
            }
            Self::Store(StoreError::Failed { .. }) | Self::Media(MediaError::Failed(_)) => {
                (500, problem::INTERNAL, "Something failed inside")
            }
        }
    }

    /// As the contract's problem. Causes from inside stay in the log.
    #[must_use]
    pub fn to_problem(&self) -> Problem {
        let (status, kind, title) = self.row();
        let (pointer, detail) = match self {
            Self::Invalid { pointer, detail } => (pointer.clone(), detail.clone()),
            Self::Syntax(e) => (Some(String::new()), format!("{self}: {e}")),
            // Where it is and why stands in the log and at /healthz.
            Self::Media(MediaError::Unavailable(_)) => {
                (None, "try again later; everything else works".into())
            }
            Self::Media(MediaError::NotFound) => (None, "there is no such medium".into()),
            other => (None, other.to_string()),
        };
        Problem {
            kind: kind.into(),
            title: title.into(),
            status,
            detail: Some(detail),
            pointer,
            condition: None,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let problem = self.to_problem();
        // Of these two the log has one line when it begins, not one for each who asks.
        let said =
            matches!(self, Self::Auth(AuthError::Unavailable) | Self::Media(MediaError::Unavailable(_)));
        if problem.status >= 500 && !said {
            tracing::error!(kind = problem.kind, error = chain(&self), "a request failed");
        }
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match problem.status {
            401 => drop(headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
            429 => drop(headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"))),
            503 | 507 => drop(headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"))),
            _ => {}
        }
        response
    }
}

/// An error and its causes in one line.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
