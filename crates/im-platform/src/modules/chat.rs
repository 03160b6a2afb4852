//! Chat: messages are judged and stored, settled, drained under a claim, and read back.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use im_api::chat::{
    Claim, ClaimRequest, DecideAnswer, DecideItem, DecideRequest, Decided, History, Pending, PendingLeft,
    SettleAnswer, SettleRequest, Verdict,
};
use im_api::{problem, routes};
use serde::Deserialize;

use crate::clock;
use crate::http::extract::{Body, Params, Query, is_word, node, user};
use crate::http::problem::ApiError;
use crate::http::{App, Route};
use crate::jid::{Jid, full};
use crate::store::chat::{Claimant, HistoryPage, Message};

pub const ROUTES: &[Route] = &[
    Route { path: routes::MESSAGES, body: 64 << 20, open: false, methods: || post(decide).get(history) },
    Route { path: routes::SETTLE, body: 1 << 20, open: false, methods: || post(settle) },
    Route { path: routes::PENDING, body: 0, open: false, methods: || get(pending).delete(handed_over) },
    Route { path: routes::CLAIM, body: 4 << 10, open: false, methods: || post(claim).delete(give_back) },
];

/// Messages per request.
const MAX_ITEMS: usize = 256;
/// Settlements per request.
const MAX_SETTLEMENTS: usize = 1_000;
/// Bytes of one stanza as JSON.
const MAX_STANZA: usize = 1 << 20;

async fn decide(
    State(app): State<App>,
    Body(request): Body<DecideRequest>,
) -> Result<Json<DecideAnswer>, ApiError> {
    let node = node(&request.node)
        .map_err(|_| ApiError::field("/node", "must be 1 to 128 printable ASCII characters"))?;
    if request.items.len() > MAX_ITEMS {
        return Err(ApiError::field("/items", format!("has more than {MAX_ITEMS} messages")));
    }
    // A wrong item is answered alone; the others are judged.
    let (mut good, mut answers) = (Vec::new(), Vec::with_capacity(request.items.len()));
    for item in request.items {
        let key = item.key.clone();
        match message(item) {
            Ok(message) => {
                good.push(message);
                answers.push((key, None));
            }
            Err(detail) => {
                answers.push((key, Some(Verdict::Failed { problem: problem::INVALID.into(), detail })));
            }
        }
    }
    let mut verdicts = app.store.decide(node, &request.epoch, good).await?.into_iter();
    let results = answers
        .into_iter()
        .map(|(key, failed)| {
            let verdict = failed.or_else(|| verdicts.next()).unwrap_or_else(|| Verdict::Failed {
                problem: problem::INTERNAL.into(),
                detail: "the store gave no verdict".into(),
            });
            Decided { key, verdict }
        })
        .collect();
    Ok(Json(DecideAnswer { results }))
}

fn message(item: DecideItem) -> Result<Message, String> {
    let DecideItem { key, from, to, sent_at, stanza, storable, again, gone } = item;
    if !is_word(&key) {
        return Err("key: must be 1 to 64 characters of A-Z, a-z, 0-9 and -".into());
    }
    let from = full(&from).map_err(|e| format!("from: {e}"))?;
    let to = Jid::new(&to).map_err(|_| "to: is not a JID")?;
    let sent_at = clock::parse(&sent_at).ok_or("sent_at: is not an RFC 3339 time")?;
    let text: String = Box::<str>::from(stanza).into();
    let stanza = match text.as_str() {
        "null" => None,
        json if json.len() > MAX_STANZA => return Err(format!("stanza: has more than {MAX_STANZA} bytes")),
        json if json.starts_with('{') => Some(text),
        _ => return Err("stanza: must be an object or null".into()),
    };
    Ok(Message { key, from, to, sent_at, stanza, storable, again, gone })
}

async fn settle(
    State(app): State<App>,
    Body(request): Body<SettleRequest>,
) -> Result<Json<SettleAnswer>, ApiError> {
    if request.items.len() > MAX_SETTLEMENTS {
        return Err(ApiError::field("/items", format!("has more than {MAX_SETTLEMENTS} settlements")));
    }
    let mut items = Vec::with_capacity(request.items.len());
    for (i, item) in request.items.into_iter().enumerate() {
        if !is_word(&item.key) {
            return Err(ApiError::field(
                format!("/items/{i}/key"),
                "must be 1 to 64 characters of A-Z, a-z, 0-9 and -",
            ));
        }
        items.push((item.key, item.outcome));
    }
    Ok(Json(SettleAnswer { results: app.store.settle(items).await? }))
}

async fn claim(
    State(app): State<App>,
    Params(name): Params<String>,
    headers: HeaderMap,
    Body(request): Body<ClaimRequest>,
) -> Result<Json<Claim>, ApiError> {
    let user = user("user", &name)?;
    let ClaimRequest { node, epoch, resource } = request;
    let resource = full(&format!("{user}/{resource}"))
        .map_err(|e| ApiError::field("/resource", e.to_string()))?
        .resource()
        .map(|r| r.as_str().to_owned())
        .unwrap_or_default();
    let idempotency = headers.get(routes::IDEMPOTENCY_KEY).and_then(|v| v.to_str().ok()).map(Into::into);
    Ok(Json(app.store.claim(&user, Claimant { node, epoch, resource, idempotency }).await?))
}

#[derive(Debug, Deserialize)]
struct PendingQuery {
    claim: String,
    limit: Option<u32>,
}

async fn pending(
    State(app): State<App>,
    Params(name): Params<String>,
    Query(query): Query<PendingQuery>,
) -> Result<Json<Pending>, ApiError> {
    let limit = page(query.limit)?;
    Ok(Json(app.store.pending(&user("user", &name)?, &query.claim, limit).await?))
}

#[derive(Debug, Deserialize)]
struct UptoQuery {
    claim: String,
    upto: u64,
}

async fn handed_over(
    State(app): State<App>,
    Params(name): Params<String>,
    Query(query): Query<UptoQuery>,
) -> Result<Json<PendingLeft>, ApiError> {
    let left = app.store.handed_over(&user("user", &name)?, &query.claim, query.upto).await?;
    Ok(Json(PendingLeft { left }))
}

#[derive(Debug, Deserialize)]
struct ClaimQuery {
    claim: String,
}

async fn give_back(
    State(app): State<App>,
    Params(name): Params<String>,
    Query(query): Query<ClaimQuery>,
) -> Result<StatusCode, ApiError> {
    app.store.give_back(&user("user", &name)?, &query.claim).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize)]
struct HistoryQuery {
    user: String,
    with: Option<String>,
    limit: Option<u32>,
    before: Option<i64>,
}

async fn history(
    State(app): State<App>,
    Query(query): Query<HistoryQuery>,
) -> Result<Json<History>, ApiError> {
    let page = HistoryPage {
        user: user("user", &query.user)?,
        with: query.with.map(|with| user("with", &with)).transpose()?,
        limit: page(query.limit)?,
        before: query.before,
    };
    Ok(Json(app.store.history(page).await?))
}

/// The size of a page: 1 to 256, default 100.
fn page(limit: Option<u32>) -> Result<u32, ApiError> {
    match limit.unwrap_or(100) {
        limit @ 1..=256 => Ok(limit),
        _ => Err(ApiError::parameter("limit", "must be 1 to 256")),
    }
}
