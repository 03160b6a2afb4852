//! Friends and blocks.

use axum::Json;
use axum::extract::State;
use axum::routing::{delete, get, put};
use im_api::friend::{Blocks, FriendEntry, Friends, FriendsChanged};
use im_api::routes;

use super::{READERS, WRITERS};
use crate::http::extract::{Body, By, Page, Params, Query, page, user};
use crate::http::problem::ApiError;
use crate::http::route::{AFTER, LIMIT};
use crate::http::{App, Route};
use crate::jid::UserId;

pub const ROUTES: &[Route] = &[
    Route::new("GET", routes::FRIENDS, "A user's friends", || get(list))
        .for_scopes(READERS)
        .may(&[404])
        .query(&[LIMIT, AFTER])
        .gives::<Friends>(200),
    Route::new("PUT", routes::FRIEND, "Add or change a friend", || put(set))
        .for_scopes(WRITERS)
        .may(&[404])
        .takes::<FriendEntry>(64 << 10)
        .gives::<FriendsChanged>(200),
    Route::new("DELETE", routes::FRIEND, "Remove a friend", || delete(remove))
        .for_scopes(WRITERS)
        .may(&[404])
        .gives::<FriendsChanged>(200),
    Route::new("GET", routes::BLOCKS, "Whom a user blocks", || get(blocks))
        .for_scopes(READERS)
        .may(&[404])
        .gives::<Blocks>(200),
    Route::new("PUT", routes::BLOCK, "Block somebody", || put(block))
        .for_scopes(WRITERS)
        .may(&[404])
        .gives::<FriendsChanged>(200),
    Route::new("DELETE", routes::BLOCK, "Unblock somebody", || delete(unblock))
        .for_scopes(WRITERS)
        .may(&[404])
        .gives::<FriendsChanged>(200),
];

async fn list(
    State(app): State<App>,
    Params(name): Params<String>,
    Query(query): Query<Page>,
) -> Result<Json<Friends>, ApiError> {
    Ok(Json(app.store.friends(&user("user", &name)?, page(query.limit)?, query.after).await?))
}

async fn set(
    State(app): State<App>,
    Params(names): Params<(String, String)>,
    By(cause): By,
    Body(entry): Body<FriendEntry>,
) -> Result<Json<FriendsChanged>, ApiError> {
    let (owner, friend) = pair(&names, "friend")?;
    check(&entry)?;
    Ok(Json(app.store.put_friend(&owner, &friend, entry, cause).await?))
}

/// Checks an entry.
pub fn check(entry: &FriendEntry) -> Result<(), ApiError> {
    if entry.name.as_ref().is_some_and(|n| n.len() > 1_023) {
        return Err(ApiError::field("/name", "has more than 1,023 bytes"));
    }
    if entry.groups.len() > 64 {
        return Err(ApiError::field("/groups", "has more than 64 groups"));
    }
    if let Some(i) = entry.groups.iter().position(|g| g.is_empty() || g.chars().count() > 256) {
        return Err(ApiError::field(format!("/groups/{i}"), "must have 1 to 256 characters"));
    }
    Ok(())
}

async fn remove(
    State(app): State<App>,
    Params(names): Params<(String, String)>,
    By(cause): By,
) -> Result<Json<FriendsChanged>, ApiError> {
    let (owner, friend) = pair(&names, "friend")?;
    Ok(Json(app.store.remove_friend(&owner, &friend, cause).await?))
}

async fn blocks(State(app): State<App>, Params(name): Params<String>) -> Result<Json<Blocks>, ApiError> {
    Ok(Json(app.store.blocks(&user("user", &name)?).await?))
}

async fn block(
    State(app): State<App>,
    Params(names): Params<(String, String)>,
    By(cause): By,
) -> Result<Json<FriendsChanged>, ApiError> {
    let (owner, blocked) = pair(&names, "blocked")?;
    Ok(Json(app.store.set_block(&owner, &blocked, true, cause).await?))
}

async fn unblock(
    State(app): State<App>,
    Params(names): Params<(String, String)>,
    By(cause): By,
) -> Result<Json<FriendsChanged>, ApiError> {
    let (owner, blocked) = pair(&names, "blocked")?;
    Ok(Json(app.store.set_block(&owner, &blocked, false, cause).await?))
}

/// Owner and other of a path; nobody is one's own friend.
fn pair(names: &(String, String), other: &str) -> Result<(UserId, UserId), ApiError> {
    let pair = (user("user", &names.0)?, user(other, &names.1)?);
    if pair.0 == pair.1 { Err(ApiError::parameter(other, "must be somebody else")) } else { Ok(pair) }
}
