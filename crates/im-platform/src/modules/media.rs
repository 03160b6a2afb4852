//! Media: put, fetched by who may see them, removed. Served so that a browser never takes one for a page.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, put};
use im_api::footprint::Audience;
use im_api::media::Medium;
use im_api::routes;
use ring::digest;
use serde::Deserialize;

use super::{READERS, WRITERS};
use crate::auth::Caller;
use crate::http::extract::{Params, Query, is_id, user, viewer, whole};
use crate::http::problem::ApiError;
use crate::http::route::{Param, Text, VIEWER};
use crate::http::{App, Route};
use crate::media::{MediaError, Shown};
use crate::store::footprint::Viewer;

/// The largest medium any setting can allow.
const MAX: usize = 64 << 20;
/// What is taken. Nothing that a browser runs: no HTML, no SVG, no script.
const TYPES: &[&str] = &[
    "image/jpeg",
    "image/png",
    "image/gif",
    "image/webp",
    "image/avif",
    "video/mp4",
    "video/webm",
    "audio/mpeg",
    "audio/ogg",
    "audio/mp4",
    "application/pdf",
    "application/octet-stream",
];

pub const ROUTES: &[Route] = &[
    Route::new("PUT", routes::MEDIA, "Put a medium", || put(add))
        .for_scopes(WRITERS)
        .may(&[404, 409])
        .query(&[
            Param::needed("user", "string", "Owner, bare JID."),
            Param::optional("audience", "string", "`me` (default), `friends`, `all`, `group:id`, or `people:` and bare JIDs with spaces between, at most 200 (those of a conversation, say)."),
        ])
        .media(TYPES, MAX)
        .gives::<Medium>(201),
    Route::new("GET", routes::MEDIA, "Fetch a medium", || get(fetch))
        .for_scopes(READERS)
        .may(&[404])
        .query(&[VIEWER])
        .typed("*/*")
        .text(Text::Needed)
        .done(200),
    Route::new("DELETE", routes::MEDIA, "Remove a medium", || delete(remove))
        .for_scopes(WRITERS)
        .query(&[Param::needed("user", "string", "Owner, bare JID.")])
        .done(204),
];

/// A medium's id: 8 to 128 characters of `[A-Za-z0-9-]`.
pub fn is_medium_id(id: &str) -> bool {
    (8..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

#[derive(Debug, Deserialize)]
struct PutQuery {
    user: String,
    audience: Option<String>,
}

async fn add(
    State(app): State<App>,
    Params(id): Params<String>,
    Query(query): Query<PutQuery>,
    request: Request,
) -> Result<(StatusCode, Json<Medium>), ApiError> {
    if !is_medium_id(&id) {
        return Err(ApiError::parameter("id", "must be 8 to 128 characters of A-Z, a-z, 0-9 and -"));
    }
    let owner = user("user", &query.user)?;
    let audience = match query.audience.as_deref() {
        None | Some("me") => Audience::Me,
        Some("friends") => Audience::Friends,
        Some("all") => Audience::All,
        Some(other) => {
            match (other.strip_prefix("group:").filter(|id| is_id(id)), other.strip_prefix("people:")) {
                (Some(group), _) => Audience::Group(group.into()),
                (None, Some(people)) => Audience::People(addresses(people)?),
                (None, None) => {
                    let why = "must be me, friends, all, group:id or people: and bare JIDs";
                    return Err(ApiError::parameter("audience", why));
                }
            }
        }
    };
    let given = request.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let given = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let kind = TYPES.iter().find(|t| **t == given).ok_or(ApiError::ContentType(
        "an image, video or audio type, application/pdf or application/octet-stream",
    ))?;
    let limit = app.limits.medium;
    let bytes = whole(request).await?;
    if bytes.len() > limit {
        return Err(ApiError::TooLarge { limit });
    }
    let hash = digest::digest(&digest::SHA256, &bytes);
    let medium = Medium {
        id,
        user: owner.to_string(),
        content_type: (*kind).into(),
        size: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        sha256: hash.as_ref().iter().map(|b| format!("{b:02x}")).collect(),
        created_at: String::new(),
    };
    // Written down, then written, then made a medium: whatever happens in between, no file is left that nobody knows of.
    let file = app.files.new_name();
    app.store.upload_begins(&file).await?;
    app.files.put(&file, kind, bytes).await?;
    let added = app.store.add_medium(medium, &file, audience, app.limits.media_per_user).await;
    // What cannot be removed now stays written down and is removed later.
    if !matches!(added, Ok((_, true))) && app.files.remove(&file).await.is_ok() {
        app.store.files_removed(vec![file]).await?;
    }
    let (medium, new) = added?;
    Ok((if new { StatusCode::CREATED } else { StatusCode::OK }, Json(medium)))
}

/// The people of an audience, each once.
fn addresses(text: &str) -> Result<Vec<String>, ApiError> {
    let all: Result<BTreeSet<String>, _> = text
        .split(' ')
        .filter(|a| !a.is_empty())
        .map(|a| user("audience", a).map(|u| u.to_string()))
        .collect();
    let all = all?;
    if !(1..=200).contains(&all.len()) {
        return Err(ApiError::parameter("audience", "must name 1 to 200 people"));
    }
    Ok(all.into_iter().collect())
}

#[derive(Debug, Deserialize)]
struct ViewerQuery {
    viewer: Option<String>,
}

async fn fetch(
    State(app): State<App>,
    caller: Caller,
    Params(id): Params<String>,
    Query(query): Query<ViewerQuery>,
) -> Result<Response, ApiError> {
    let viewer = viewer(&caller, query.viewer.as_deref())?;
    let (medium, file) = app.store.medium(&viewer, &id).await?;
    match app.files.link(&file, shown(&medium)).await? {
        None => whole_file(&app, &medium, &file).await,
        // Who may see it has been asked; the address is good for whoever has it, so it must go no further.
        Some(address) => {
            let headers = [
                (LOCATION, address.as_str()),
                (CACHE_CONTROL, "private, no-store"),
                (REFERRER_POLICY, "no-referrer"),
            ];
            Ok((StatusCode::FOUND, headers).into_response())
        }
    }
}

/// The file itself, if the viewer may see it: for a page that loads nothing from elsewhere.
pub async fn serve(app: &App, viewer: &Viewer, id: &str) -> Result<Response, ApiError> {
    let (medium, file) = app.store.medium(viewer, id).await?;
    whole_file(app, &medium, &file).await
}

fn shown(medium: &Medium) -> Shown {
    if medium.content_type.starts_with("image/") { Shown::Inline } else { Shown::Attachment }
}

async fn whole_file(app: &App, medium: &Medium, file: &str) -> Result<Response, ApiError> {
    let bytes = app.files.get(file).await?;
    let inline = shown(medium) == Shown::Inline;
    let headers = [
        (CONTENT_TYPE, medium.content_type.as_str()),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
        (CONTENT_DISPOSITION, if inline { "inline" } else { "attachment" }),
        (CACHE_CONTROL, "private, max-age=300"),
    ];
    Ok((headers, bytes).into_response())
}

#[derive(Debug, Deserialize)]
struct OwnerQuery {
    user: String,
}

async fn remove(
    State(app): State<App>,
    Params(id): Params<String>,
    Query(query): Query<OwnerQuery>,
) -> Result<StatusCode, ApiError> {
    app.store.remove_medium(&user("user", &query.user)?, &id).await?;
    purge(&app).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes the files of media that are gone. What cannot be removed now is tried again later.
pub async fn purge(app: &App) {
    let result = async {
        loop {
            let names = app.store.doomed_files().await?;
            if names.is_empty() {
                return Ok(());
            }
            let mut removed = Vec::new();
            let mut failed = None;
            for name in names {
                match app.files.remove(&name).await {
                    Ok(()) => removed.push(name),
                    Err(e) => failed = Some(e),
                }
            }
            if !removed.is_empty() {
                app.store.files_removed(removed).await?;
            }
            if let Some(e) = failed {
                return Err(e.into());
            }
        }
    };
    let result: Result<(), ApiError> = result.await;
    // That they do not answer has been said.
    if let Err(e) = result
        && !matches!(e, ApiError::Media(MediaError::Unavailable(_)))
    {
        tracing::error!(error = crate::http::problem::chain(&e), "media files could not be removed");
    }
}
