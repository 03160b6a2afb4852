//! HTTP: the router made from the modules' lists of routes, the check of the credential, extractors, problems.
//!
//! Leaves out: what a request means (modules), listening and stopping (`serve`).

pub mod extract;
pub mod problem;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::MethodRouter;

use self::extract::BodyLimit;
use self::problem::ApiError;
use crate::auth::Credentials;
use crate::modules::MODULES;
use crate::store::Store;

/// What every handler can reach.
#[derive(Clone)]
pub struct App {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Who may call.
    pub credentials: Arc<dyn Credentials>,
}

/// One route. Router, checks and documentation walk the same list.
pub struct Route {
    /// Path template, from [`im_api::routes`].
    pub path: &'static str,
    /// Largest body in bytes.
    pub body: usize,
    /// Whether a credential is needed.
    pub open: bool,
    /// Its methods.
    pub methods: fn() -> MethodRouter<App>,
}

/// The whole server.
pub fn router(app: App) -> Router {
    let mut router = Router::new();
    for route in MODULES.iter().flat_map(|module| module.routes) {
        let mut methods = (route.methods)().fallback(|| async { ApiError::Method });
        if !route.open {
            methods = methods.layer(from_fn_with_state(app.clone(), authorize));
        }
        let limit = BodyLimit(route.body);
        methods = methods.layer(from_fn(move |mut request: Request, next: Next| async move {
            request.extensions_mut().insert(limit);
            next.run(request).await
        }));
        router = router.route(route.path, methods);
    }
    router.fallback(|| async { ApiError::NoRoute }).with_state(app)
}

/// No handler behind this runs without a caller.
async fn authorize(State(app): State<App>, mut request: Request, next: Next) -> Result<Response, ApiError> {
    let caller = app.credentials.check(request.headers())?;
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}
