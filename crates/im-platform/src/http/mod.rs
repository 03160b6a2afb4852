//! HTTP: the router made from the modules' lists of routes, the check of credential, scope and rate, extractors, problems.
//!
//! Leaves out: what a request means (modules), listening and stopping (`serve`).

pub mod extract;
pub mod problem;
mod rate;
pub mod route;

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderValue, Uri};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use im_api::routes::IDEMPOTENCY_KEY;
use ring::digest;
use tokio::sync::{Semaphore, watch};

pub use self::rate::Rate;
pub use self::route::Route;

use self::extract::{drain, percent_decode, read};
use self::problem::ApiError;
use self::route::Text;
use crate::auth::{AuthError, Caller, Credentials, Scope};
use crate::console::Console;
use crate::jid::UserId;
use crate::media::Files;
use crate::metrics::Metrics;
use crate::modules::routes;
use crate::store::{Once, Store};

/// What every handler can reach.
#[derive(Clone)]
pub struct App {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Who may call.
    pub credentials: Arc<dyn Credentials>,
    /// Where media are.
    pub files: Arc<dyn Files>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Requests per caller.
    pub rate: Arc<Rate>,
    /// Password hashing at the same time: it must not take all cores.
    pub hashing: Arc<Semaphore>,
    /// True when the process is about to end: long polls answer at once.
    pub stopping: watch::Receiver<bool>,
    /// Settings of the interfaces.
    pub limits: Limits,
    /// The console's logins.
    pub console: Arc<Console>,
}

/// Settings of the interfaces.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Largest medium in bytes.
    pub medium: usize,
    /// Media of one user in bytes.
    pub media_per_user: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { medium: 10 << 20, media_per_user: 1 << 30 }
    }
}

/// The whole server.
pub fn router(app: App) -> Router {
    let mut router = Router::new();
    for route in routes() {
        let app = app.clone();
        let guard = from_fn(move |request: Request, next: Next| {
            let app = app.clone();
            async move {
                let started = Instant::now();
                let mut response =
                    guard(&app, route, request, next).await.unwrap_or_else(ApiError::into_response);
                // What an operator saw stays in no cache.
                if route.path.starts_with("/v1/console/") {
                    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
                }
                app.metrics.request(route, response.status().as_u16(), started.elapsed());
                response
            }
        });
        router = router.route(route.path, (route.handler)().layer(guard));
    }
    router
        .method_not_allowed_fallback(|request: Request| async {
            drain(request.into_body()).await;
            ApiError::Method
        })
        .fallback(|request: Request| async {
            drain(request.into_body()).await;
            ApiError::NoRoute
        })
        .with_state(app)
}

/// No handler behind this runs without a caller whose scope covers the route, and each gets a body that was read to its end. Large bodies of
/// strangers are not kept.
async fn guard(app: &App, route: &'static Route, request: Request, next: Next) -> Result<Response, ApiError> {
    let signed = request.headers().contains_key("webhook-signature");
    let early = if signed { Ok(None) } else { admit(app, route, bare(&request, &[])).await };
    let caller = match early {
        Ok(caller) => caller,
        Err(e) => {
            drain(request.into_body()).await;
            return Err(e);
        }
    };
    let (parts, body) = request.into_parts();
    let bytes = read(&parts.headers, body, route.limit.max(1 << 10)).await?;
    let mut request = Request::from_parts(parts, Body::from(bytes.clone()));
    let caller = if signed { admit(app, route, bare(&request, &bytes)).await? } else { caller };
    if route.once && request.headers().contains_key(IDEMPOTENCY_KEY) {
        let once = once(&request, &bytes)?;
        request.extensions_mut().insert(once);
    }
    if let Some(caller) = caller {
        if route.text != Text::None && caller.scope == Scope::Operator && caller.text {
            note(app, route, &caller, request.uri()).await?;
        }
        request.extensions_mut().insert(caller);
    }
    Ok(next.run(request).await)
}

/// Credential, scope, rate. None: the route is for everybody.
async fn admit(
    app: &App,
    route: &Route,
    request: axum::http::Request<&[u8]>,
) -> Result<Option<Caller>, ApiError> {
    if route.scopes.is_empty() {
        return Ok(None);
    }
    let checked = match app.credentials.check(&request).await {
        None => app.console.check(&request).await,
        some => some,
    };
    let caller = checked.unwrap_or(Err(AuthError::Missing))?;
    if !route.scopes.contains(&caller.scope) {
        return Err(ApiError::Forbidden(caller.scope.name()));
    }
    if route.text == Text::Needed && !caller.reads_text() {
        return Err(ApiError::NoText);
    }
    if !app.rate.admit(&caller.name) {
        return Err(ApiError::RateLimited);
    }
    Ok(Some(caller))
}

/// Notes that an operator reads what people wrote: in the audit with those it is about, in the log without. The same read again within minutes is
/// the same look at it (a page that refreshes itself).
async fn note(app: &App, route: &Route, caller: &Caller, uri: &Uri) -> Result<(), ApiError> {
    for subject in subjects(route.path, uri) {
        if app.console.is_new_read(&caller.name, route.path, &subject) {
            tracing::info!(caller = caller.name, route = route.path, "an operator reads what people wrote");
            app.store.note_read(&caller.name, "read text", &subject).await?;
            app.console.read_noted(&caller.name, route.path, &subject);
        }
    }
    Ok(())
}

/// Whom a read is about: the users, else the room or medium, that path or query name; else everybody (``).
fn subjects(template: &str, uri: &Uri) -> Vec<String> {
    let named = |pair: &str| {
        pair.strip_prefix("user=").or_else(|| pair.strip_prefix("with=")).map(|v| v.replace('+', "%20"))
    };
    let mut found: Vec<String> = uri.query().unwrap_or_default().split('&').filter_map(named).collect();
    if found.is_empty() {
        let pairs = template.split('/').zip(uri.path().split('/'));
        found.extend(pairs.filter(|(t, _)| t.starts_with('{')).map(|(_, value)| value.to_owned()).take(1));
    }
    let decoded = found.iter().map(|text| {
        let text = percent_decode(text);
        UserId::parse(&text).map_or(text, |user| user.to_string())
    });
    let found: Vec<String> = decoded.filter(|text| text.len() <= 3_072).collect();
    if found.is_empty() { vec![String::new()] } else { found }
}

/// What of a request speaks for its sender.
fn bare<'a>(request: &Request, body: &'a [u8]) -> axum::http::Request<&'a [u8]> {
    let mut whole = axum::http::Request::new(body);
    whole.method_mut().clone_from(request.method());
    whole.uri_mut().clone_from(request.uri());
    whole.headers_mut().clone_from(request.headers());
    whole
}

fn once(request: &Request, body: &[u8]) -> Result<Once, ApiError> {
    let key = request.headers().get(IDEMPOTENCY_KEY).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if !(1..=255).contains(&key.len()) {
        return Err(ApiError::parameter(IDEMPOTENCY_KEY, "must have 1 to 255 printable ASCII characters"));
    }
    let mut hash = digest::Context::new(&digest::SHA256);
    for part in [request.method().as_str().as_bytes(), b" ", request.uri().path().as_bytes(), b"\n", body] {
        hash.update(part);
    }
    let fingerprint = hash.finish().as_ref().try_into().unwrap_or_default();
    Ok(Once { key: key.into(), fingerprint })
}
