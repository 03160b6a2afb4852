//! What handlers take: a JSON body that names its wrong field, a query, path parameters as addresses.

use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::problem::ApiError;
use crate::jid::UserId;

/// How large a body this route takes; put on the request by the router.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimit(pub usize);

/// A JSON body.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            return Err(ApiError::ContentType("application/json"));
        }
        let bytes = read(request).await?;
        parse(&bytes).map(Self)
    }
}

/// Reads the whole body within the route's limit.
///
/// # Errors
/// [`ApiError::TooLarge`], [`ApiError::Body`].
pub async fn read(request: Request) -> Result<axum::body::Bytes, ApiError> {
    let limit = request.extensions().get::<BodyLimit>().map_or(1 << 20, |l| l.0);
    let declared = request.headers().get(axum::http::header::CONTENT_LENGTH);
    let declared = declared.and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<usize>().ok());
    if declared.is_some_and(|length| length > limit) {
        return Err(ApiError::TooLarge { limit });
    }
    axum::body::to_bytes(request.into_body(), limit).await.map_err(|e| {
        let cause: &dyn std::error::Error = &e;
        if crate::http::problem::chain(cause).contains("limit") {
            ApiError::TooLarge { limit }
        } else {
            ApiError::Body
        }
    })
}

/// Reads JSON; a wrong value is named by its JSON pointer.
///
/// # Errors
/// [`ApiError::Syntax`], [`ApiError::Invalid`].
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|e| {
        let pointer = pointer(e.path());
        let inner = e.into_inner();
        if inner.is_data() {
            // The position is dropped: the pointer says where, and a value must not reach a log through it.
            ApiError::field(pointer, inner.to_string().split(" at line ").next().unwrap_or_default())
        } else {
            ApiError::Syntax(inner)
        }
    })?;
    json.end().map_err(ApiError::Syntax)?;
    Ok(value)
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut text = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => text.push_str(&format!("/{index}")),
            Segment::Map { key } => text.push_str(&format!("/{}", key.replace('~', "~0").replace('/', "~1"))),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    text
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()) else { return false };
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// Query parameters.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match axum::extract::Query::<T>::from_request_parts(parts, state).await {
            Ok(query) => Ok(Self(query.0)),
            Err(e) => Err(ApiError::Invalid { pointer: None, detail: e.body_text() }),
        }
    }
}

/// Path parameters, percent-decoded.
#[derive(Debug)]
pub struct Params<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(path) => Ok(Self(path.0)),
            Err(e) => Err(ApiError::Invalid { pointer: None, detail: e.body_text() }),
        }
    }
}

/// A user named in path or query.
///
/// # Errors
/// [`ApiError::Invalid`] naming the parameter.
pub fn user(name: &str, text: &str) -> Result<UserId, ApiError> {
    UserId::parse(text).map_err(|e| ApiError::parameter(name, e))
}

/// A name of `[A-Za-z0-9-]` (keys, epochs), 1 to 64 characters.
#[must_use]
pub fn is_word(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// A node's name: 1 to 128 printable ASCII characters.
///
/// # Errors
/// [`ApiError::Invalid`].
pub fn node(text: &str) -> Result<&str, ApiError> {
    if (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(text)
    } else {
        Err(ApiError::parameter("node", "must be 1 to 128 printable ASCII characters"))
    }
}
