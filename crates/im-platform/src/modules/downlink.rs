//! Downlink: the long poll of a bridge, and stanzas that somebody wants routed.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use im_api::downlink::{Downlink, Queued, SendStanza};
use im_api::routes;
use serde::Deserialize;

use super::{BRIDGE, WRITERS};
use crate::http::extract::{Body, By, Query, page};
use crate::http::problem::ApiError;
use crate::http::route::{LIMIT, Param};
use crate::http::{App, Route};
use crate::jid::Jid;

pub const ROUTES: &[Route] = &[
    Route::new("GET", routes::DOWNLINK, "What the platform says, in order, as a long poll", || get(poll))
        .for_scopes(BRIDGE)
        .may(&[410])
        .query(&[
            Param::optional("after", "integer", "Cursor: `next` of the answer before; it acknowledges."),
            Param::optional("wait", "integer", "Milliseconds to wait when there is nothing, at most 60,000."),
            LIMIT,
        ])
        .gives::<Downlink>(200),
    Route::new("POST", routes::DOWNLINK, "Have a bridge route a stanza", || post(send))
        .for_scopes(WRITERS)
        .takes::<SendStanza>(2 << 20)
        .gives::<Queued>(202)
        .once(),
];

#[derive(Debug, Deserialize)]
struct PollQuery {
    after: Option<i64>,
    #[serde(default)]
    wait: u64,
    limit: Option<u32>,
}

async fn poll(State(app): State<App>, Query(query): Query<PollQuery>) -> Result<Json<Downlink>, ApiError> {
    let limit = page(query.limit)?;
    if query.wait > 60_000 {
        return Err(ApiError::parameter("wait", "must be at most 60,000"));
    }
    // Subscribed before the first look: what is announced in between is seen.
    let (mut announced, mut stopping) = (app.store.announced(), app.stopping.clone());
    let found = app.store.downlink(query.after, limit).await?;
    let Some(after) = query.after.filter(|_| found.items.is_empty() && query.wait > 0) else {
        return Ok(Json(found));
    };
    let news = async { announced.wait_for(|last| *last > after).await.map(|_| ()) };
    let stop = async { stopping.wait_for(|stop| *stop).await.map(|_| ()) };
    tokio::select! {
        _ = news => Ok(Json(app.store.downlink(Some(after), limit).await?)),
        _ = stop => Ok(Json(found)),
        () = tokio::time::sleep(Duration::from_millis(query.wait)) => Ok(Json(found)),
    }
}

async fn send(
    State(app): State<App>,
    By(cause): By,
    Body(given): Body<SendStanza>,
) -> Result<(StatusCode, Json<Queued>), ApiError> {
    let to = Jid::new(&given.to).map_err(|_| ApiError::field("/to", "is not a JID"))?;
    let stanza: String = Box::<str>::from(given.stanza).into();
    if !stanza.starts_with('{') || stanza.len() > 1 << 20 {
        return Err(ApiError::field("/stanza", "must be an object of at most 1 MiB"));
    }
    Ok((StatusCode::ACCEPTED, Json(app.store.send_stanza(&to, stanza, cause).await?)))
}
