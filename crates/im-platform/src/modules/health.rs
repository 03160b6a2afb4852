//! Health: whether the platform can serve, and what it is (no credential needed, nothing secret in it); its counters.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use im_api::{API_VERSION, health::Health, routes};

use super::ALL;
use crate::http::{App, Route};
use crate::{NAME, VERSION};

pub const ROUTES: &[Route] = &[
    Route::new("GET", routes::HEALTH, "Whether the platform can serve", || get(health)).gives::<Health>(200),
    Route::new("GET", routes::METRICS, "Counters for Prometheus", || get(metrics)).for_scopes(ALL).done(200),
];

async fn metrics(State(app): State<App>) -> Response {
    let text = app.metrics.text(&[]);
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, kind)], text).into_response()
}

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
