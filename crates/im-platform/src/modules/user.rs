//! Users: accounts, passwords, search, erasure; sessions opened and ended from outside.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{delete, get, post, put};
use im_api::routes;
use im_api::secret::Secret;
use im_api::state::UserState;
use im_api::user::{
    CreateUser, Erased, OpenSession, SessionEnded, SetPassword, User, Users, Verified, Verifier, Verifiers,
    VerifyRequest,
};
use serde::Deserialize;

use super::state::RESOURCE_TTL;
use super::{BRIDGE, READERS, WRITERS, purge};
use crate::http::extract::{Body, By, Params, Query, at_most, page, resource, user, viewer};
use crate::http::problem::ApiError;
use crate::http::route::{AFTER, LIMIT, Param, VIEWER};
use crate::http::{App, Route};
use crate::jid::UserId;
use crate::password;
use crate::store::footprint::Viewer;
use crate::store::state::{Change, SessionState};
use crate::store::user::{Login, NewUser, Search};

const SMALL: usize = 64 << 10;

pub const ROUTES: &[Route] = &[
    Route::new("POST", routes::USERS, "Create an account", || post(create))
        .for_scopes(WRITERS)
        .may(&[409])
        .takes::<CreateUser>(SMALL)
        .gives::<User>(201)
        .once(),
    Route::new("GET", routes::USERS, "Find users by the beginning of address or name", || get(search))
        .for_scopes(READERS)
        .query(&[
            Param::optional("query", "string", "The beginning; all users when absent."),
            Param::optional("domain", "string", "Only users of this domain."),
            VIEWER,
            LIMIT,
            AFTER,
        ])
        .gives::<Users>(200),
    Route::new("POST", routes::VERIFY, "Verify a password", || post(verify))
        .for_scopes(WRITERS)
        .takes::<VerifyRequest>(SMALL)
        .gives::<Verified>(200),
    Route::new("GET", routes::USER, "Read an account", || get(read))
        .for_scopes(READERS)
        .may(&[404])
        .gives::<User>(200),
    Route::new("DELETE", routes::USER, "Erase a user everywhere", || delete(erase))
        .for_scopes(WRITERS)
        .may(&[404])
        .gives::<Erased>(200),
    Route::new("PUT", routes::PASSWORD, "Change a password", || put(set_password))
        .for_scopes(WRITERS)
        .may(&[404])
        .takes::<SetPassword>(SMALL)
        .done(204),
    Route::new("GET", routes::SCRAM, "Read SCRAM verifiers (noted in the audit)", || get(scram))
        .for_scopes(BRIDGE)
        .may(&[404, 507])
        .gives::<Verifiers>(200),
    Route::new("POST", routes::SESSIONS, "Open a session that belongs to no bridge", || post(open_session))
        .for_scopes(WRITERS)
        .may(&[404])
        .takes::<OpenSession>(SMALL)
        .gives::<UserState>(201),
    Route::new("DELETE", routes::SESSION, "End a session", || delete(end_session))
        .for_scopes(WRITERS)
        .may(&[404])
        .gives::<SessionEnded>(200),
];

async fn create(
    State(app): State<App>,
    By(cause): By,
    Body(new): Body<CreateUser>,
) -> Result<(StatusCode, Json<User>), ApiError> {
    let who = UserId::parse(&new.user).map_err(|e| ApiError::field("/user", e.to_string()))?;
    at_most("/name", new.name.as_ref(), 256)?;
    at_most("/email", new.email.as_ref(), 256)?;
    let verifiers = match (new.password, new.verifiers) {
        (None, made) if made.is_empty() => Vec::new(),
        (password, made) => verifiers(&app, password, made).await?,
    };
    let new = NewUser { user: who, verifiers, name: new.name, email: new.email };
    Ok((StatusCode::CREATED, Json(app.store.create_user(new, cause).await?)))
}

/// Verifiers from one of both.
async fn verifiers(
    app: &App,
    password: Option<Secret>,
    made: Vec<Verifier>,
) -> Result<Vec<Verifier>, ApiError> {
    let Some(password) = password else {
        if made.is_empty() || made.len() > 2 {
            return Err(ApiError::field(
                "/verifiers",
                "must have one verifier per mechanism, or `password` be given",
            ));
        }
        check(&made)?;
        return Ok(made);
    };
    if !made.is_empty() {
        return Err(ApiError::field("/verifiers", "must be absent when `password` is given"));
    }
    hashing(app, move || password::verifiers(&password.0))
        .await?
        .map_err(|e| ApiError::field("/password", e.to_string()))
}

/// Checks verifiers made elsewhere.
fn check(made: &[Verifier]) -> Result<(), ApiError> {
    for (i, verifier) in made.iter().enumerate() {
        if made[..i].iter().any(|other| other.mechanism == verifier.mechanism) {
            return Err(ApiError::field(format!("/verifiers/{i}/mechanism"), "is there twice"));
        }
        password::check(verifier)
            .map_err(|(field, why)| ApiError::field(format!("/verifiers/{i}/{field}"), why))?;
    }
    Ok(())
}

/// An account to import. Hashing thousands of passwords is not for a request: verifiers only.
pub fn imported(new: CreateUser) -> Result<NewUser, ApiError> {
    if new.password.is_some() {
        return Err(ApiError::field("/password", "cannot be imported; give verifiers"));
    }
    at_most("/name", new.name.as_ref(), 256)?;
    at_most("/email", new.email.as_ref(), 256)?;
    check(&new.verifiers)?;
    let user = UserId::parse(&new.user).map_err(|e| ApiError::field("/user", e.to_string()))?;
    Ok(NewUser { user, verifiers: new.verifiers, name: new.name, email: new.email })
}

/// Runs what takes milliseconds of CPU beside the server's threads, a few at a time.
async fn hashing<T: Send + 'static>(
    app: &App,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    let _permit =
        app.hashing.acquire().await.map_err(|_| ApiError::Store(crate::store::StoreError::Closed))?;
    tokio::task::spawn_blocking(work).await.map_err(|e| {
        ApiError::Store(crate::store::StoreError::Failed { doing: "hashing", source: Box::new(e) })
    })
}

#[derive(Debug, Deserialize)]
struct SearchQuery {
    #[serde(default)]
    query: String,
    domain: Option<String>,
    viewer: Option<String>,
    limit: Option<u32>,
    after: Option<String>,
}

async fn search(
    State(app): State<App>,
    caller: crate::auth::Caller,
    Query(query): Query<SearchQuery>,
) -> Result<Json<Users>, ApiError> {
    let viewer = match viewer(&caller, query.viewer.as_deref())? {
        Viewer::User(user) => Some(user),
        Viewer::Operator => None,
    };
    // Addresses are lower case; names are compared without case.
    let search = Search {
        query: query.query.to_lowercase(),
        domain: query.domain.map(|domain| domain.to_lowercase()),
        viewer,
        limit: page(query.limit)?,
        after: query.after,
    };
    Ok(Json(app.store.search(search).await?))
}

async fn verify(
    State(app): State<App>,
    Body(request): Body<VerifyRequest>,
) -> Result<Json<Verified>, ApiError> {
    let who = UserId::parse(&request.user).map_err(|e| ApiError::field("/user", e.to_string()))?;
    let verified = match app.store.begin_login(&who).await? {
        Login::Unknown => Verified::Unknown,
        Login::Locked(ms) => Verified::Locked { retry_after_ms: u64::try_from(ms).unwrap_or(0) },
        Login::Verifiers(verifiers) => {
            if hashing(&app, move || password::matches(&request.password.0, &verifiers)).await? {
                app.store.login_succeeded(&who).await?;
                Verified::Ok
            } else {
                Verified::Wrong
            }
        }
    };
    app.metrics.login(match verified {
        Verified::Ok => "ok",
        Verified::Wrong => "wrong",
        Verified::Locked { .. } => "locked",
        Verified::Unknown => "unknown",
    });
    Ok(Json(verified))
}

async fn read(State(app): State<App>, Params(name): Params<String>) -> Result<Json<User>, ApiError> {
    Ok(Json(app.store.user(&user("user", &name)?).await?))
}

async fn erase(
    State(app): State<App>,
    Params(name): Params<String>,
    By(cause): By,
) -> Result<Json<Erased>, ApiError> {
    let erased = app.store.erase(&user("user", &name)?, cause).await?;
    purge(&app).await;
    Ok(Json(erased))
}

async fn set_password(
    State(app): State<App>,
    Params(name): Params<String>,
    By(cause): By,
    Body(set): Body<SetPassword>,
) -> Result<StatusCode, ApiError> {
    let who = user("user", &name)?;
    let verifiers = verifiers(&app, set.password, set.verifiers).await?;
    app.store.set_verifiers(&who, verifiers, cause).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn scram(
    State(app): State<App>,
    Params(name): Params<String>,
    By(cause): By,
) -> Result<Json<Verifiers>, ApiError> {
    Ok(Json(Verifiers { items: app.store.read_verifiers(&user("user", &name)?, cause).await? }))
}

async fn open_session(
    State(app): State<App>,
    By(cause): By,
    Body(open): Body<OpenSession>,
) -> Result<(StatusCode, Json<UserState>), ApiError> {
    let who = UserId::parse(&open.user).map_err(|e| ApiError::field("/user", e.to_string()))?;
    let resource = resource(&who, &open.resource).map_err(|e| ApiError::field("/resource", e.to_string()))?;
    let session =
        SessionState { user: who.clone(), resource, available: true, priority: 0, show: None, status: None };
    // Time is a good enough sequence for a session that nobody reports but its owner.
    let seq = crate::clock::Clock::System.now();
    app.store.set_state(Change { seq, open: true, session }, RESOURCE_TTL, cause).await?;
    Ok((StatusCode::CREATED, Json(app.store.user_state(&who).await?)))
}

async fn end_session(
    State(app): State<App>,
    Params((name, of)): Params<(String, String)>,
    By(cause): By,
) -> Result<Json<SessionEnded>, ApiError> {
    let who = user("user", &name)?;
    let resource = resource(&who, &of).map_err(|e| ApiError::parameter("resource", e))?;
    Ok(Json(SessionEnded { end: app.store.end_session(&who, &resource, cause).await? }))
}
