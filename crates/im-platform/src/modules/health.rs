//! Health: whether the platform can serve, and what it is (no credential needed, nothing secret in it); its counters; the contract
//! as a document and a page to try it.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use im_api::{API_VERSION, health::Health, routes};

use super::ALL;
use crate::http::problem::ApiError;
use crate::http::{App, Route};
use crate::openapi::document;
use crate::{NAME, VERSION};

pub const ROUTES: &[Route] = &[
    Route::new("GET", routes::HEALTH, "Whether the platform can serve", || get(health)).gives::<Health>(200),
    Route::new("GET", routes::METRICS, "Counters for Prometheus", || get(metrics))
        .for_scopes(ALL)
        .typed(OPENMETRICS)
        .done(200),
    Route::new("GET", routes::OPENAPI, "This contract as OpenAPI 3.1", || get(openapi)).done(200),
    Route::new("GET", routes::DOCS, "A page to read and try it", || get(docs)).typed("text/html").done(200),
    Route::new("GET", SCRIPT, "That page's script", || get(script)).typed("text/javascript").done(200),
];

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const SCRIPT: &str = "/docs.js";

async fn openapi() -> Json<&'static serde_json::Value> {
    Json(document())
}

async fn docs() -> Response {
    let policy = "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src 'self'";
    let headers = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, policy)];
    (headers, include_str!("../../docs/docs.html")).into_response()
}

async fn script() -> Response {
    ([(CONTENT_TYPE, "text/javascript; charset=utf-8")], include_str!("../../docs/docs.js")).into_response()
}

async fn metrics(State(app): State<App>) -> Result<Response, ApiError> {
    let text = app.metrics.text(&app.store.gauges().await?);
    Ok(([(CONTENT_TYPE, OPENMETRICS)], text).into_response())
}

async fn health(State(app): State<App>) -> (StatusCode, Json<Health>) {
    let (code, health) = of(&app).await;
    (code, Json(health))
}

/// What does not work. Everybody may read it, so the reasons, which name hosts and users, stand in the log.
fn limited(app: &App) -> Vec<String> {
    let tokens = app.credentials.trouble().is_some();
    let media = app.files.trouble().is_some();
    let all = [
        (tokens, "new tokens of Keystone cannot be validated; who was let in before goes on (see the log)"),
        (media, "media cannot be kept or fetched (see the log)"),
    ];
    all.into_iter().filter(|(is, _)| *is).map(|(_, says)| says.to_owned()).collect()
}

/// How the platform is.
pub async fn of(app: &App) -> (StatusCode, Health) {
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
        limited: limited(app),
    };
    (code, health)
}
