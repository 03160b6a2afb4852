//! Import: what another system knows, in batches that can be repeated and resumed.

use axum::Json;
use axum::extract::State;
use axum::routing::{get, post};
use im_api::import::{Import, ImportAnswer, ImportItem, ImportPosition};
use im_api::routes;

use super::{READERS, WRITERS, friend, group, room, user};
use crate::http::extract::{Body, Params, is_word};
use crate::http::problem::ApiError;
use crate::http::{App, Route};
use crate::jid::UserId;
use crate::store::import::Item;

pub const ROUTES: &[Route] = &[
    Route::new("POST", routes::IMPORT, "Import a batch", || post(import))
        .for_scopes(WRITERS)
        .may(&[409])
        .takes::<Import>(16 << 20)
        .gives::<ImportAnswer>(200),
    Route::new("GET", routes::IMPORT_SOURCE, "How far an import has come", || get(position))
        .for_scopes(READERS)
        .gives::<ImportPosition>(200),
];

async fn import(State(app): State<App>, Body(given): Body<Import>) -> Result<Json<ImportAnswer>, ApiError> {
    if !is_word(&given.source) {
        return Err(ApiError::field("/source", "must be 1 to 64 characters of A-Z, a-z, 0-9 and -"));
    }
    if given.items.len() > 1_000 {
        return Err(ApiError::field("/items", "has more than 1,000 items"));
    }
    let from = i64::try_from(given.from).map_err(|_| ApiError::field("/from", "must be below 2^63"))?;
    if from.checked_add(1_000).is_none() {
        return Err(ApiError::field("/from", "is too large"));
    }
    let items = given.items.into_iter().map(|i| item(i).unwrap_or_else(|e| Item::Wrong(wrong(&e)))).collect();
    Ok(Json(app.store.import(&given.source, from, items).await?))
}

async fn position(
    State(app): State<App>,
    Params(source): Params<String>,
) -> Result<Json<ImportPosition>, ApiError> {
    Ok(Json(app.store.import_position(&source).await?))
}

/// Each item passes the same checks as on its own interface.
fn item(item: ImportItem) -> Result<Item, ApiError> {
    let address =
        |pointer: &str, text: &str| UserId::parse(text).map_err(|e| ApiError::field(pointer, e.to_string()));
    Ok(match item {
        ImportItem::User(new) => Item::User(user::imported(new)?),
        ImportItem::Friend { user, friend, entry } => {
            friend::check(&entry)?;
            Item::Friend(address("/user", &user)?, address("/friend", &friend)?, entry)
        }
        ImportItem::Block { user, blocked } => {
            Item::Block(address("/user", &user)?, address("/blocked", &blocked)?)
        }
        ImportItem::Group(new) => Item::Group(group::check(new)?),
        ImportItem::Room { room, members } => Item::Room(address("/room", &room)?, room::members(members)?),
    })
}

fn wrong(e: &ApiError) -> String {
    let problem = e.to_problem();
    format!("{} {}", problem.pointer.unwrap_or_default(), problem.detail.unwrap_or_default())
}
