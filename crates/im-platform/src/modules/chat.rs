//! Chat: messages are judged and stored, settled, drained under a claim, and read back.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{delete, get, post};
use im_api::chat::{
    Claim, ClaimRequest, DecideAnswer, DecideItem, DecideRequest, Decided, History, Pending, PendingLeft,
    SettleAnswer, SettleRequest, Verdict,
};
use im_api::{problem, routes};
use serde::Deserialize;

use super::{BRIDGE, HISTORY};
use crate::clock;
use crate::http::extract::{Body, Params, Query, is_word, node, page, resource, user};
use crate::http::problem::ApiError;
use crate::http::route::{LIMIT, Param, Text};
use crate::http::{App, Route};
use crate::jid::{Jid, full};
use crate::store::StoreError;
use crate::store::chat::{Claimant, HistoryPage, Message, Span};

const CLAIM: Param = Param::needed("claim", "string", "The claim's id.");

pub const ROUTES: &[Route] = &[
    Route::new("POST", routes::MESSAGES, "Judge and store messages", || post(decide))
        .for_scopes(BRIDGE)
        .may(&[409])
        .takes::<DecideRequest>(64 << 20)
        .gives::<DecideAnswer>(200),
    Route::new("GET", routes::MESSAGES, "A user's messages", || get(history))
        .for_scopes(HISTORY)
        .may(&[404])
        .query(&[
            Param::needed("user", "string", "For whose eyes, bare JID."),
            Param::optional("with", "string", "Only the conversation with this one: bare JID, or full for one session."),
            LIMIT,
            Param::optional("before", "string", "Cursor: older than this message, newest first. Empty: from the end."),
            Param::optional("after", "string", "Cursor: newer than this message; oldest first unless `before` is given. 0: from the beginning."),
            Param::optional("since", "string", "Sent at this time (RFC 3339) or later."),
            Param::optional("until", "string", "Sent at this time (RFC 3339) or earlier."),
            Param::optional("archive", "boolean", "Without what was refused; a cursor that is none of the user's messages is not found."),
        ])
        .gives::<History>(200)
        .text(Text::Needed),
    Route::new("POST", routes::SETTLE, "What the bridge decided alone", || post(settle))
        .for_scopes(BRIDGE)
        .takes::<SettleRequest>(1 << 20)
        .gives::<SettleAnswer>(200),
    Route::new("GET", routes::PENDING, "The oldest pending messages", || get(pending))
        .for_scopes(BRIDGE)
        .may(&[404, 409, 507])
        .query(&[CLAIM, LIMIT])
        .gives::<Pending>(200),
    Route::new("DELETE", routes::PENDING, "Messages that were handed over", || delete(handed_over))
        .for_scopes(BRIDGE)
        .may(&[404, 409])
        .query(&[CLAIM, Param::needed("upto", "integer", "Handed over up to and with this seq.")])
        .gives::<PendingLeft>(200),
    Route::new("POST", routes::CLAIM, "Drain what is pending for a user", || post(claim))
        .for_scopes(BRIDGE)
        .may(&[404, 409])
        .takes::<ClaimRequest>(4 << 10)
        .gives::<Claim>(200),
    Route::new("DELETE", routes::CLAIM, "Give a claim back", || delete(give_back))
        .for_scopes(BRIDGE)
        .query(&[CLAIM])
        .done(204),
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
    let results: Vec<Decided> = answers
        .into_iter()
        .map(|(key, failed)| {
            let verdict = failed.or_else(|| verdicts.next()).unwrap_or_else(|| Verdict::Failed {
                problem: problem::INTERNAL.into(),
                detail: "the store gave no verdict".into(),
            });
            Decided { key, verdict }
        })
        .collect();
    for decided in &results {
        app.metrics.verdict(word(&decided.verdict));
    }
    Ok(Json(DecideAnswer { results }))
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Deliver => "deliver",
        Verdict::Stored => "stored",
        Verdict::HandedOver => "handed_over",
        Verdict::Native => "native",
        Verdict::Replace { .. } => "replace",
        Verdict::Refuse { .. } => "refuse",
        Verdict::Settled => "settled",
        Verdict::Failed { .. } => "failed",
    }
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
    let ClaimRequest { node, epoch, resource: of } = request;
    let resource = resource(&user, &of).map_err(|e| ApiError::field("/resource", e.to_string()))?;
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
    before: Option<String>,
    after: Option<String>,
    since: Option<String>,
    until: Option<String>,
    archive: Option<bool>,
}

async fn history(
    State(app): State<App>,
    Query(query): Query<HistoryQuery>,
) -> Result<Json<History>, ApiError> {
    let archive = query.archive.unwrap_or(false);
    let cursor = |name: &'static str, text: &Option<String>| match text.as_deref() {
        None | Some("") => Ok(None),
        Some(text) => match text.parse::<i64>() {
            Ok(id) => Ok(Some(id)),
            // Who reads an archive brings ids from anywhere.
            Err(_) if archive => Err(ApiError::from(StoreError::NotFound("message"))),
            Err(_) => Err(ApiError::parameter(name, "must be a cursor of an earlier page")),
        },
    };
    let time = |name: &'static str, text: &Option<String>| match text.as_deref().map(clock::parse) {
        Some(None) => Err(ApiError::parameter(name, "is not an RFC 3339 time")),
        Some(time) => Ok(time),
        None => Ok(None),
    };
    let full =
        query.with.as_deref().and_then(|with| Jid::new(with).ok()).filter(|with| with.resource().is_some());
    let with = match &full {
        Some(full) => Some(user("with", full.to_bare().as_str())?),
        None => query.with.as_deref().map(|with| user("with", with)).transpose()?,
    };
    let page = HistoryPage {
        user: user("user", &query.user)?,
        with,
        limit: page(query.limit)?,
        before: cursor("before", &query.before)?,
        span: Span {
            after: cursor("after", &query.after)?.filter(|id| *id > 0),
            forward: query.before.is_none() && query.after.is_some(),
            since: time("since", &query.since)?,
            until: time("until", &query.until)?,
            session: full.map(|full| full.to_string()),
            archive,
        },
    };
    Ok(Json(app.store.history(page).await?))
}
