//! The console's interface: logins, lists for operators, news of changes, and the pages' files. Reads only; what people wrote is left out for
//! callers who may not read it, places and media are for operators.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Json;
use axum::extract::{ConnectInfo, FromRequest, Request, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use im_api::footprint::FeatureCollection;
use im_api::friend::{Blocks, Friends};
use im_api::group::{Group, Groups};
use im_api::room::Room;
use im_api::state::{Presence, UserState};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::footprint::{FindQuery, found};
use super::media::serve;
use crate::auth::{AuthError, Caller, Scope};
use crate::clock;
use crate::console::{Login, SESSION, assets};
use crate::http::extract::{Body, Page, Params, Query, page, user};
use crate::http::problem::ApiError;
use crate::http::route::{AFTER, LIMIT, Param, Text};
use crate::http::{App, Route};
use crate::store::StoreError;
use crate::store::chat::{HistoryPage, Span};
use crate::store::console::{
    AuditItem, Count, DownItem, EventItem, FriendItem, ImportItem, MediumItem, MessageItem, NodeItem,
    OccupantItem, Page as Listed, PendingUser, RoomItem, SessionItem, UserItem,
};
use crate::store::footprint::Viewer;

/// Who may log in.
const CONSOLE: &[Scope] = &[Scope::Operator, Scope::ReadOnly];
/// Who sees places and files.
const OPERATOR: &[Scope] = &[Scope::Operator];

const BEFORE: Param = Param::optional("before", "integer", "Cursor: `next` of the page before.");
const USER: Param = Param::optional("user", "string", "Of this user only, bare JID.");

/// There is no such thing, or the console is switched off.
const ABSENT: &[u16] = &[404];

/// A list: who may read it, its query, its page.
const fn list<T: JsonSchema>(
    path: &'static str,
    summary: &'static str,
    query: &'static [Param],
    handler: fn() -> axum::routing::MethodRouter<App>,
) -> Route {
    Route::new("GET", path, summary, handler).for_scopes(CONSOLE).query(query).gives::<T>(200).may(ABSENT)
}

pub const ROUTES: &[Route] = &[
    Route::new("GET", SESSION, "Who is logged in at the console", || get(session))
        .gives::<Session>(200)
        .may(ABSENT),
    Route::new("POST", SESSION, "Log in at the console", || post(log_in))
        .takes::<LogIn>(4 << 10)
        .gives::<Session>(200)
        .may(&[401, 403, 404, 429, 503]),
    Route::new("DELETE", SESSION, "Log out", || delete(log_out)).done(204).may(ABSENT),
    list::<Changes>(
        "/v1/console/changes",
        "Waits until something has changed",
        &[
            Param::optional("after", "integer", "`version` of the answer before."),
            Param::optional("wait", "integer", "Milliseconds to wait when nothing has, at most 60,000."),
        ],
        || get(changes),
    ),
    list::<Overview>("/v1/console/overview", "Health, counts and counters", &[], || get(overview)),
    list::<Listed<UserItem>>(
        "/v1/console/users",
        "Users by address",
        &[Param::optional("prefix", "string", "Only addresses that begin so."), LIMIT, AFTER],
        || get(users),
    ),
    list::<UserPage>("/v1/console/users/{user}", "A user with everything around it", &[], || get(one_user)),
    list::<Listed<SessionItem>>(
        "/v1/console/sessions",
        "Open sessions",
        &[
            Param::optional("state", "string", "`online`, `busy`, `away` or `offline` (no presence sent)."),
            LIMIT,
            AFTER,
        ],
        || get(sessions),
    ),
    list::<Listed<FriendItem>>("/v1/console/friends", "Friends, list by list", &[LIMIT, AFTER], || {
        get(friends)
    }),
    list::<Listed<MessageItem>>(
        "/v1/console/conversations",
        "Conversations, the latest first",
        &[LIMIT, BEFORE],
        || get(conversations),
    )
    .text(Text::IfAllowed),
    list::<Listed<MessageItem>>(
        "/v1/console/messages",
        "A user's messages, newest first",
        &[
            Param::needed("user", "string", "Whose, bare JID."),
            Param::optional("with", "string", "Only the conversation with this one, bare JID."),
            LIMIT,
            BEFORE,
        ],
        || get(messages),
    )
    .text(Text::IfAllowed),
    list::<Listed<PendingUser>>("/v1/console/pending", "For whom messages wait", &[LIMIT, AFTER], || {
        get(pending)
    }),
    list::<Listed<Group>>("/v1/console/groups", "Groups by id", &[LIMIT, AFTER], || get(groups)),
    list::<Group>("/v1/console/groups/{group}", "A group with its members", &[LIMIT, AFTER], || {
        get(one_group)
    }),
    list::<Listed<RoomItem>>("/v1/console/rooms", "Rooms by address", &[LIMIT, AFTER], || get(rooms)),
    list::<Room>("/v1/console/rooms/{room}", "A room with its members", &[LIMIT, AFTER], || get(one_room)),
    list::<Listed<OccupantItem>>(
        "/v1/console/rooms/{room}/occupants",
        "Who is in a room now",
        &[LIMIT, AFTER],
        || get(occupants),
    ),
    list::<Listed<RoomLine>>(
        "/v1/console/rooms/{room}/messages",
        "A room's timeline, newest first",
        &[LIMIT, BEFORE],
        || get(timeline),
    )
    .text(Text::IfAllowed),
    list::<FeatureCollection>(
        "/v1/console/footprints",
        "Footprints, newest first, as exactly as their owners see them",
        &[
            Param::optional("bbox", "string", "west,south,east,north in degrees."),
            Param::optional("since", "string", "At or after this time."),
            Param::optional("until", "string", "Before this time."),
            USER,
            LIMIT,
            AFTER,
        ],
        || get(footprints),
    )
    .for_scopes(OPERATOR)
    .typed("application/geo+json")
    .text(Text::IfAllowed),
    list::<Listed<MediumItem>>("/v1/console/media", "Media by id", &[USER, LIMIT, AFTER], || get(media)),
    Route::new("GET", "/v1/console/media/{id}/file", "A medium's file", || get(file))
        .for_scopes(OPERATOR)
        .typed("*/*")
        .text(Text::Needed)
        .done(200)
        .may(ABSENT),
    list::<Listed<EventItem>>(
        "/v1/console/events",
        "Mirrored events, newest first",
        &[LIMIT, BEFORE],
        || get(events),
    )
    .text(Text::IfAllowed),
    list::<Listed<DownItem>>("/v1/console/downlink", "The downlink, newest first", &[LIMIT, BEFORE], || {
        get(downlink)
    })
    .text(Text::IfAllowed),
    list::<Listed<NodeItem>>("/v1/console/nodes", "Bridge nodes by name", &[LIMIT, AFTER], || get(nodes)),
    list::<Listed<ImportItem>>("/v1/console/imports", "Imports by source", &[LIMIT, AFTER], || get(imports)),
    list::<Listed<AuditItem>>("/v1/console/audit", "The audit, newest first", &[LIMIT, BEFORE], || {
        get(audit)
    }),
    Route::new("GET", "/console", "The console's page", || get(the_page))
        .typed("text/html")
        .done(200)
        .may(ABSENT),
    Route::new("GET", "/console/assets/{file}", "A file of the console", || get(asset))
        .typed("*/*")
        .done(200)
        .may(ABSENT),
];

/// POST session: a token of scope operator or read-only, or a ticket.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LogIn {
    /// The token.
    token: im_api::secret::Secret,
}

/// Who is logged in.
#[derive(Debug, Serialize, JsonSchema)]
struct Session {
    /// Nobody: absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    login: Option<Who>,
}

/// Somebody who is logged in.
#[derive(Debug, Serialize, JsonSchema)]
struct Who {
    /// The credential's name.
    name: String,
    /// `operator` or `read-only`.
    scope: &'static str,
    /// Whether what people wrote is shown.
    text: bool,
    /// When the login ends.
    until: String,
}

impl From<Login> for Session {
    fn from(login: Login) -> Self {
        let Login { caller, until } = login;
        let (scope, text) = (caller.scope.name(), caller.reads_text());
        Self { login: Some(Who { name: caller.name, scope, text, until: clock::format(until) }) }
    }
}

fn enabled(app: &App) -> Result<(), ApiError> {
    if app.console.settings.enabled { Ok(()) } else { Err(ApiError::NoRoute) }
}

async fn session(State(app): State<App>, headers: HeaderMap) -> Result<Json<Session>, ApiError> {
    enabled(&app)?;
    Ok(Json(app.console.who(&headers).map_or(Session { login: None }, Into::into)))
}

async fn log_in(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    enabled(&app)?;
    let site = request.headers().get("sec-fetch-site").and_then(|v| v.to_str().ok());
    if site.is_some_and(|site| site != "same-origin") {
        return Err(ApiError::Forbidden("of another site"));
    }
    let from = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let Body(given) = Body::<LogIn>::from_request(request, &()).await?;
    if !app.console.may_guess(from) {
        return Err(ApiError::Guessing);
    }
    let recognised = app.console.recognise(app.credentials.as_ref(), given.token.0.trim()).await;
    let caller = recognised.inspect_err(|error| {
        if *error == AuthError::Wrong {
            app.console.guessed_wrong(from);
            tracing::warn!("a wrong token was tried at the console");
        }
    })?;
    if !CONSOLE.contains(&caller.scope) {
        return Err(ApiError::Forbidden(caller.scope.name()));
    }
    tracing::info!(caller = caller.name, scope = caller.scope.name(), "somebody logged in at the console");
    let (login, cookie) = app
        .console
        .log_in(caller)
        .map_err(|e| ApiError::Store(StoreError::Failed { doing: "logging in", source: Box::new(e) }))?;
    Ok(([(SET_COOKIE, cookie.as_str())], Json(Session::from(login))).into_response())
}

async fn log_out(State(app): State<App>, headers: HeaderMap) -> Result<Response, ApiError> {
    enabled(&app)?;
    let cookie = app.console.log_out(&headers);
    Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, cookie)]).into_response())
}

#[derive(Debug, Deserialize)]
struct ChangesQuery {
    after: Option<u64>,
    #[serde(default)]
    wait: u64,
}

/// That something has changed.
#[derive(Debug, Serialize, JsonSchema)]
struct Changes {
    /// Another number than before: something has.
    version: u64,
}

async fn changes(
    State(app): State<App>,
    headers: HeaderMap,
    Query(query): Query<ChangesQuery>,
) -> Result<Json<Changes>, ApiError> {
    if query.wait > 60_000 {
        return Err(ApiError::parameter("wait", "must be at most 60,000"));
    }
    // A login that ends meanwhile is told so at once: by the next request.
    let wait = app.console.left(&headers).unwrap_or(query.wait).min(query.wait);
    let (mut changed, mut stopping) = (app.store.changed(), app.stopping.clone());
    if let Some(after) = query.after {
        let news = async { changed.wait_for(|version| *version != after).await.map(|_| ()) };
        let stop = async { stopping.wait_for(|stop| *stop).await.map(|_| ()) };
        tokio::select! {
            _ = news => {}
            _ = stop => {}
            () = tokio::time::sleep(Duration::from_millis(wait)) => {}
        }
    }
    let version = *changed.borrow();
    Ok(Json(Changes { version }))
}

/// The platform at a glance.
#[derive(Debug, Serialize, JsonSchema)]
struct Overview {
    /// As GET /healthz.
    health: im_api::health::Health,
    /// How many of what.
    counts: Vec<Count>,
    /// As GET /metrics.
    metrics: String,
}

async fn overview(State(app): State<App>) -> Result<Json<Overview>, ApiError> {
    let (_, health) = super::health::of(&app).await;
    let counts = app.store.counts().await?;
    let metrics = app.metrics.text(&app.store.gauges().await?);
    Ok(Json(Overview { health, counts, metrics }))
}

#[derive(Debug, Deserialize)]
struct UsersQuery {
    prefix: Option<String>,
    limit: Option<u32>,
    after: Option<String>,
}

async fn users(
    State(app): State<App>,
    Query(query): Query<UsersQuery>,
) -> Result<Json<Listed<UserItem>>, ApiError> {
    Ok(Json(app.store.list_users(query.prefix, page(query.limit)?, query.after).await?))
}

/// A user with everything around it, first pages.
#[derive(Debug, Serialize, JsonSchema)]
struct UserPage {
    /// State and sessions.
    state: UserState,
    /// Friends.
    friends: Friends,
    /// Whom the user blocks.
    blocks: Blocks,
    /// Groups.
    groups: Groups,
    /// Media.
    media: Listed<MediumItem>,
}

async fn one_user(State(app): State<App>, Params(name): Params<String>) -> Result<Json<UserPage>, ApiError> {
    const FIRST: u32 = 50;
    let who = user("user", &name)?;
    Ok(Json(UserPage {
        state: app.store.user_state(&who).await?,
        friends: app.store.friends(&who, FIRST, None).await?,
        blocks: app.store.blocks(&who).await?,
        groups: app.store.groups_of(&who, FIRST, None).await?,
        media: app.store.list_media(Some(who), FIRST, None).await?,
    }))
}

#[derive(Debug, Deserialize)]
struct SessionsQuery {
    state: Option<String>,
    limit: Option<u32>,
    after: Option<String>,
}

async fn sessions(
    State(app): State<App>,
    Query(query): Query<SessionsQuery>,
) -> Result<Json<Listed<SessionItem>>, ApiError> {
    let state = match query.state.as_deref() {
        None => None,
        Some("online") => Some(Presence::Online),
        Some("busy") => Some(Presence::Busy),
        Some("away") => Some(Presence::Away),
        Some("offline") => Some(Presence::Offline),
        Some(_) => return Err(ApiError::parameter("state", "must be online, busy, away or offline")),
    };
    Ok(Json(app.store.list_sessions(state, page(query.limit)?, query.after).await?))
}

/// Lists with nothing but a page.
macro_rules! pages {
    ($($name:ident: $item:ty = $call:ident;)*) => {
        $(async fn $name(State(app): State<App>, Query(query): Query<Page>) -> Result<Json<Listed<$item>>, ApiError> {
            Ok(Json(app.store.$call(page(query.limit)?, query.after).await?))
        })*
    };
}
pages! {
    friends: FriendItem = list_friends;
    pending: PendingUser = list_pending;
    groups: Group = list_groups;
    rooms: RoomItem = list_rooms;
    nodes: NodeItem = list_nodes;
    imports: ImportItem = list_imports;
}

#[derive(Debug, Deserialize)]
struct Back {
    limit: Option<u32>,
    before: Option<i64>,
}

/// Lists that go back in time and may hold what people wrote.
macro_rules! backwards {
    ($($name:ident: $item:ty = $call:ident;)*) => {
        $(async fn $name(
            State(app): State<App>,
            caller: Caller,
            Query(query): Query<Back>,
        ) -> Result<Json<Listed<$item>>, ApiError> {
            Ok(Json(app.store.$call(caller.reads_text(), page(query.limit)?, query.before).await?))
        })*
    };
}
backwards! {
    conversations: MessageItem = list_conversations;
    events: EventItem = list_events;
    downlink: DownItem = list_downlink;
}

async fn audit(
    State(app): State<App>,
    Query(query): Query<Back>,
) -> Result<Json<Listed<AuditItem>>, ApiError> {
    Ok(Json(app.store.list_audit(page(query.limit)?, query.before).await?))
}

#[derive(Debug, Deserialize)]
struct MessagesQuery {
    user: String,
    with: Option<String>,
    limit: Option<u32>,
    before: Option<i64>,
}

async fn messages(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<MessagesQuery>,
) -> Result<Json<Listed<MessageItem>>, ApiError> {
    let with = query.with.map(|with| user("with", &with)).transpose()?;
    let asked = HistoryPage {
        user: user("user", &query.user)?,
        with,
        limit: page(query.limit)?,
        before: query.before,
        span: Span::default(),
    };
    let found = app.store.history(asked).await?;
    let items = found.items.into_iter().map(|item| MessageItem {
        key: item.key,
        from: item.from,
        to: item.to,
        sent_at: item.sent_at,
        status: item.status,
        bytes: length(item.stanza.get()),
        stanza: caller.reads_text().then_some(item.stanza),
    });
    Ok(Json(Listed { items: items.collect(), next: found.next }))
}

fn length(json: &str) -> u64 {
    u64::try_from(json.len()).unwrap_or(u64::MAX)
}

async fn one_group(
    State(app): State<App>,
    Params(id): Params<String>,
    Query(query): Query<Page>,
) -> Result<Json<Group>, ApiError> {
    Ok(Json(app.store.group(&id, page(query.limit)?, query.after).await?))
}

async fn one_room(
    State(app): State<App>,
    Params(name): Params<String>,
    Query(query): Query<Page>,
) -> Result<Json<Room>, ApiError> {
    Ok(Json(app.store.room(&user("room", &name)?, page(query.limit)?, query.after).await?))
}

async fn occupants(
    State(app): State<App>,
    Params(name): Params<String>,
    Query(query): Query<Page>,
) -> Result<Json<Listed<OccupantItem>>, ApiError> {
    Ok(Json(app.store.list_occupants(&user("room", &name)?, page(query.limit)?, query.after).await?))
}

/// A line of a room's timeline.
#[derive(Debug, Serialize, JsonSchema)]
struct RoomLine {
    /// Position.
    seq: u64,
    /// The speaker.
    from: String,
    /// The speaker's nickname then.
    nick: String,
    /// When it was sent.
    sent_at: String,
    /// How many users reported it delivered.
    delivered: u64,
    /// How many reported it read.
    read: u64,
    /// Size of its stanza as JSON.
    bytes: u64,
    /// Stanza JSON, for who may read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    stanza: Option<Box<serde_json::value::RawValue>>,
}

async fn timeline(
    State(app): State<App>,
    caller: Caller,
    Params(name): Params<String>,
    Query(query): Query<Back>,
) -> Result<Json<Listed<RoomLine>>, ApiError> {
    let room = user("room", &name)?;
    let found = app.store.timeline(&room, None, page(query.limit)?, query.before).await?;
    let items = found.items.into_iter().map(|line| RoomLine {
        seq: line.seq,
        from: line.from,
        nick: line.nick,
        sent_at: line.sent_at,
        delivered: line.delivered,
        read: line.read,
        bytes: length(line.stanza.get()),
        stanza: caller.reads_text().then_some(line.stanza),
    });
    Ok(Json(Listed { items: items.collect(), next: found.next }))
}

async fn footprints(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<FindQuery>,
) -> Result<Response, ApiError> {
    found(&app, &caller, query, caller.reads_text()).await
}

#[derive(Debug, Deserialize)]
struct MediaQuery {
    user: Option<String>,
    limit: Option<u32>,
    after: Option<String>,
}

async fn media(
    State(app): State<App>,
    Query(query): Query<MediaQuery>,
) -> Result<Json<Listed<MediumItem>>, ApiError> {
    let of = query.user.map(|name| user("user", &name)).transpose()?;
    Ok(Json(app.store.list_media(of, page(query.limit)?, query.after).await?))
}

async fn file(State(app): State<App>, Params(id): Params<String>) -> Result<Response, ApiError> {
    serve(&app, &Viewer::Operator, &id).await
}

async fn the_page(State(app): State<App>, headers: HeaderMap) -> Result<Response, ApiError> {
    enabled(&app)?;
    Ok(assets::page(&headers))
}

async fn asset(
    State(app): State<App>,
    Params(name): Params<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    enabled(&app)?;
    assets::asset(&name, &headers).ok_or(ApiError::NoRoute)
}
