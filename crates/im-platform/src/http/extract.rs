//! What handlers take: a JSON body that names its wrong field, a query, path parameters as addresses.

use std::pin::Pin;
use std::time::Duration;

use axum::body::{Bytes, HttpBody, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use im_api::downlink::Origin;
use im_api::routes::ORIGIN;

use super::problem::ApiError;
use crate::auth::{AuthError, Caller, Scope};
use crate::jid::UserId;
use crate::store::footprint::Viewer;
use crate::store::{Cause, Once};

/// A JSON body, which is an object: serde would take a list for the fields of one, in their order.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            return Err(ApiError::ContentType("application/json"));
        }
        let body = whole(request).await?;
        if body.trim_ascii_start().starts_with(b"[") {
            return Err(ApiError::field("", "must be an object"));
        }
        parse(&body).map(Self)
    }
}

/// How much of a refused body is read, so that the client is there to hear why.
const DRAIN: usize = 8 << 20;
/// And how long.
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// The body, which the router has read already.
///
/// # Errors
/// [`ApiError::Body`].
pub async fn whole(request: Request) -> Result<Bytes, ApiError> {
    to_bytes(request.into_body(), usize::MAX).await.map_err(|_| ApiError::Body)
}

/// Reads a body within a limit.
///
/// # Errors
/// [`ApiError::TooLarge`], [`ApiError::Body`].
pub async fn read(headers: &HeaderMap, body: axum::body::Body, limit: usize) -> Result<Bytes, ApiError> {
    let declared = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok());
    if declared.and_then(|v| v.parse::<usize>().ok()).is_some_and(|length| length > limit) {
        drain(body).await;
        return Err(ApiError::TooLarge { limit });
    }
    to_bytes(body, limit).await.map_err(|e| {
        if std::error::Error::source(&e).is_some_and(|cause| cause.to_string().contains("limit")) {
            ApiError::TooLarge { limit }
        } else {
            ApiError::Body
        }
    })
}

/// Reads and forgets a body that nobody wants: a connection that is closed on a client who is still sending takes the answer with it.
pub async fn drain(mut body: axum::body::Body) {
    let all = async {
        let mut read = 0;
        while let Some(Ok(frame)) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            read += frame.data_ref().map_or(0, Bytes::len);
            if read > DRAIN {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(DRAIN_TIME, all).await;
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

/// What a change is caused by: caller, origin, idempotency key.
#[derive(Debug)]
pub struct By(pub Cause);

impl<S: Send + Sync> FromRequestParts<S> for By {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let Caller { name, .. } = caller(parts)?;
        let origin = match parts.headers.get(ORIGIN) {
            None => None,
            Some(value) => {
                let split = value.to_str().ok().and_then(|v| v.split_once('/'));
                let wrong = || ApiError::parameter(ORIGIN, "must be `node/event`, at most 256 characters");
                let (node, event) = split.filter(|_| value.len() <= 256).ok_or_else(wrong)?;
                Some(Origin { node: node.into(), event: event.into() })
            }
        };
        Ok(Self(Cause { caller: name, origin, once: parts.extensions.get::<Once>().cloned(), quiet: false }))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        caller(parts)
    }
}

fn caller(parts: &Parts) -> Result<Caller, ApiError> {
    parts.extensions.get::<Caller>().cloned().ok_or(ApiError::Auth(AuthError::Missing))
}

/// Whose eyes a read is for. Only an operator may read without naming somebody.
///
/// # Errors
/// [`ApiError::Invalid`].
pub fn viewer(caller: &Caller, named: Option<&str>) -> Result<Viewer, ApiError> {
    match named {
        Some(name) => Ok(Viewer::User(user("viewer", name)?)),
        None if caller.scope == Scope::Operator => Ok(Viewer::Operator),
        None => Err(ApiError::parameter("viewer", "is needed: every read for a person names that person")),
    }
}

/// The size of a page: 1 to 256, default 100.
///
/// # Errors
/// [`ApiError::Invalid`].
pub fn page(limit: Option<u32>) -> Result<u32, ApiError> {
    match limit.unwrap_or(100) {
        limit @ 1..=256 => Ok(limit),
        _ => Err(ApiError::parameter("limit", "must be 1 to 256")),
    }
}

/// Query of a page.
#[derive(Debug, serde::Deserialize)]
pub struct Page {
    /// Items per page.
    pub limit: Option<u32>,
    /// Cursor.
    pub after: Option<String>,
}

/// Decodes `%40` and its like; what is no UTF-8 becomes replacement characters.
#[must_use]
pub fn percent_decode(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((first, tail)) = rest.split_first() {
        let code = tail.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match (first, code.and_then(|two| u8::from_str_radix(two, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            (byte, _) => {
                bytes.push(*byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A text of at most so many characters.
///
/// # Errors
/// [`ApiError::Invalid`] with this pointer.
pub fn at_most(pointer: &str, text: Option<&String>, characters: usize) -> Result<(), ApiError> {
    match text {
        Some(text) if text.chars().count() > characters => {
            Err(ApiError::field(pointer, format!("has more than {characters} characters")))
        }
        _ => Ok(()),
    }
}

/// An id of 1 to 128 characters of `[A-Za-z0-9._-]`.
#[must_use]
pub fn is_id(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// A resource as a JID would carry it, so that it compares equal to one in an address.
///
/// # Errors
/// [`crate::jid::AddressError`].
pub fn resource(user: &UserId, resource: &str) -> Result<String, crate::jid::AddressError> {
    let jid = crate::jid::full(&format!("{user}/{resource}"))?;
    Ok(jid.resource().map(|r| r.as_str().to_owned()).unwrap_or_default())
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
