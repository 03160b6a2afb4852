//! Health: whether the platform can serve, and what it is. No credential needed, nothing secret in it.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use im_api::{API_VERSION, health::Health, routes};

use crate::http::{App, Route};
use crate::{NAME, VERSION};

pub const ROUTES: &[Route] = &[Route { path: routes::HEALTH, body: 0, open: true, methods: || get(health) }];

async fn health(State(app): State<App>) -> (StatusCode, Json<Health>) {
    let (code, status) = match app.store.check().await {
        Ok(()) => (StatusCode::OK, "ok".to_owned()),
        Err(e) => (StatusCode::SERVICE_UNAVAILABLE, e.to_string()),
    };
    let health = Health {
        status,
        name: NAME.into(),
        version: VERSION.into(),
        api: API_VERSION.into(),
        store: app.store.kind().into(),
    };
    (code, Json(health))
}
