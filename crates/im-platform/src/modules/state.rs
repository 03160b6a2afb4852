//! State: leases, snapshots and changes of a node; a user's aggregated state; states set by clients that are no bridge.

use axum::Json;
use axum::extract::State;
use axum::routing::{get, post, put};
use im_api::routes;
use im_api::state::{Lease, LeaseAnswer, Session, Snapshot, StateAnswer, StateBatch, StateChange, UserState};
use serde::Deserialize;

use super::{ALL, BRIDGE, WRITERS};
use crate::clock::Millis;
use crate::http::extract::{Body, By, Params, Query, is_word, node, resource as resource_of, user};
use crate::http::problem::ApiError;
use crate::http::route::Param;
use crate::http::{App, Route};
use crate::jid::UserId;
use crate::store::StoreError;
use crate::store::state::{Change, NodeSnapshot, SessionState};

pub const ROUTES: &[Route] = &[
    Route::new("PUT", routes::LEASE, "A node is alive", || put(lease))
        .for_scopes(BRIDGE)
        .may(&[409])
        .takes::<Lease>(4 << 10)
        .gives::<LeaseAnswer>(200),
    Route::new("PUT", routes::SNAPSHOT, "All sessions of a node", || put(snapshot))
        .for_scopes(BRIDGE)
        .may(&[409])
        .takes::<Snapshot>(64 << 20)
        .gives::<StateAnswer>(200),
    Route::new("POST", routes::NODE_STATES, "Changes of sessions, in order", || post(states))
        .for_scopes(BRIDGE)
        .may(&[409])
        .takes::<StateBatch>(4 << 20)
        .gives::<StateAnswer>(200),
    Route::new("PUT", routes::RESOURCE_STATE, "The state of a session that belongs to no bridge", || {
        put(one)
    })
    .for_scopes(WRITERS)
    .may(&[404])
    .takes::<StateChange>(16 << 10)
    .gives::<StateAnswer>(200),
    Route::new("GET", routes::USER_STATE, "A user's state, aggregated", || get(of_user))
        .for_scopes(ALL)
        .may(&[404])
        .query(&[Param::optional("viewer", "string", "For whose eyes: who may not see it gets 404.")])
        .gives::<UserState>(200),
];

/// Changes per request.
const MAX_CHANGES: usize = 1_000;
/// Characters of a status text.
const MAX_STATUS: usize = 1_024;
/// How long a state that belongs to no node lives unless it is set again.
pub const RESOURCE_TTL: Millis = 5 * 60_000;

async fn lease(
    State(app): State<App>,
    Params(name): Params<String>,
    Body(lease): Body<Lease>,
) -> Result<Json<LeaseAnswer>, ApiError> {
    epoch(&lease.epoch)?;
    let drain = app.store.renew(node(&name)?, &lease.epoch, ttl(lease.ttl_ms)?).await?;
    let pending = Some(app.store.any_pending().await?);
    Ok(Json(LeaseAnswer { drain, pending }))
}

async fn snapshot(
    State(app): State<App>,
    Params(name): Params<String>,
    Body(given): Body<Snapshot>,
) -> Result<Json<StateAnswer>, ApiError> {
    epoch(&given.epoch)?;
    let (ttl, seq) = (ttl(given.ttl_ms)?, seq("/seq", given.seq)?);
    let sessions = given.sessions.into_iter().enumerate();
    let sessions =
        sessions.map(|(i, s)| session(s, || format!("/sessions/{i}"))).collect::<Result<_, _>>()?;
    let snapshot = NodeSnapshot { epoch: given.epoch, ttl, seq, sessions };
    let drain = app.store.snapshot(node(&name)?, snapshot).await?;
    Ok(Json(StateAnswer { drain }))
}

async fn states(
    State(app): State<App>,
    Params(name): Params<String>,
    Body(batch): Body<StateBatch>,
) -> Result<Json<StateAnswer>, ApiError> {
    epoch(&batch.epoch)?;
    if batch.changes.len() > MAX_CHANGES {
        return Err(ApiError::field("/changes", format!("has more than {MAX_CHANGES} changes")));
    }
    let changes = batch.changes.into_iter().enumerate();
    let changes = changes.map(|(i, c)| change(c, || format!("/changes/{i}"))).collect::<Result<_, _>>()?;
    let drain = app.store.change(node(&name)?, &batch.epoch, changes).await?;
    Ok(Json(StateAnswer { drain }))
}

async fn one(
    State(app): State<App>,
    Params((name, resource)): Params<(String, String)>,
    By(cause): By,
    Body(given): Body<StateChange>,
) -> Result<Json<StateAnswer>, ApiError> {
    let named = user("user", &name)?;
    let change = change(given, String::new)?;
    if change.session.user != named {
        return Err(ApiError::field("/user", "must be the user of the path"));
    }
    if change.session.resource
        != resource_of(&named, &resource).map_err(|e| ApiError::parameter("resource", e))?
    {
        return Err(ApiError::field("/resource", "must be the resource of the path"));
    }
    app.store.set_state(change, RESOURCE_TTL, cause).await?;
    Ok(Json(StateAnswer::default()))
}

#[derive(Debug, Deserialize)]
struct ViewerQuery {
    viewer: Option<String>,
}

/// For a person it is what that person may see; a program that names nobody (to route, to count) sees it as it is.
async fn of_user(
    State(app): State<App>,
    Params(name): Params<String>,
    Query(query): Query<ViewerQuery>,
) -> Result<Json<UserState>, ApiError> {
    let owner = user("user", &name)?;
    if let Some(viewer) = query.viewer
        && !app.store.sees_presence(&owner, &user("viewer", &viewer)?).await?
    {
        return Err(StoreError::NotFound("user").into());
    }
    Ok(Json(app.store.user_state(&owner).await?))
}

fn epoch(text: &str) -> Result<(), ApiError> {
    if is_word(text) {
        Ok(())
    } else {
        Err(ApiError::field("/epoch", "must be 1 to 64 characters of A-Z, a-z, 0-9 and -"))
    }
}

fn ttl(ms: u32) -> Result<Millis, ApiError> {
    if (1_000..=300_000).contains(&ms) {
        Ok(ms.into())
    } else {
        Err(ApiError::field("/ttl_ms", "must be 1,000 to 300,000"))
    }
}

fn seq(pointer: &str, seq: u64) -> Result<i64, ApiError> {
    i64::try_from(seq).map_err(|_| ApiError::field(pointer, "must be below 2^63"))
}

fn change(given: StateChange, at: impl Fn() -> String) -> Result<Change, ApiError> {
    let seq = seq(&format!("{}/seq", at()), given.seq)?;
    Ok(Change { seq, open: given.open, session: session(given.session, at)? })
}

fn session(given: Session, at: impl Fn() -> String) -> Result<SessionState, ApiError> {
    let Session { user, resource, available, priority, show, status } = given;
    let user = UserId::parse(&user).map_err(|e| ApiError::field(format!("{}/user", at()), e.to_string()))?;
    let resource = resource_of(&user, &resource)
        .map_err(|e| ApiError::field(format!("{}/resource", at()), e.to_string()))?;
    if status.as_ref().is_some_and(|s| s.chars().count() > MAX_STATUS) {
        let detail = format!("has more than {MAX_STATUS} characters");
        return Err(ApiError::field(format!("{}/status", at()), detail));
    }
    Ok(SessionState { user, resource, available, priority, show, status })
}
