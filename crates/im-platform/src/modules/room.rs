//! Rooms: members, occupants, timeline, what was missed, receipts.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{delete, get, post, put};
use im_api::room::{
    Affiliation, Join, Joined, MissedLeft, OccupantSnapshot, PutRoom, Receipts, ReceiptsAnswer, Room,
    RoomItem, RoomMember, RoomMessages, RoomOutcome, RoomPost, RoomPostAnswer, RoomSettle, RoomSettleItem,
    RoomSettled, SetAffiliation,
};
use im_api::routes;
use serde::Deserialize;

use super::{BRIDGE, HISTORY, READERS, WRITERS};
use crate::auth::Caller;
use crate::clock;
use crate::http::extract::{Body, By, Page, Params, Query, is_word, node, page, resource, user, viewer};
use crate::http::problem::ApiError;
use crate::http::route::{AFTER, LIMIT, Param, Text, VIEWER};
use crate::http::{App, Route};
use crate::jid::UserId;
use crate::store::footprint::Viewer;
use crate::store::room::{MAX_MEMBERS, Occupancy, Settlement, Spoken};

const USER: Param = Param::needed("user", "string", "Bare JID of the member.");

pub const ROUTES: &[Route] = &[
    Route::new("PUT", routes::ROOM, "Create a room or replace its members", || put(put_room))
        .for_scopes(WRITERS)
        .takes::<PutRoom>(4 << 20)
        .done(204),
    Route::new("GET", routes::ROOM, "A room with its members", || get(read))
        .for_scopes(READERS)
        .may(&[404])
        .query(&[LIMIT, AFTER])
        .gives::<Room>(200),
    Route::new("DELETE", routes::ROOM, "Remove a room with its timeline", || delete(remove))
        .for_scopes(WRITERS)
        .done(204),
    Route::new("PUT", routes::ROOM_MEMBER, "Make a user a member", || put(affiliate))
        .for_scopes(WRITERS)
        .may(&[404])
        .takes::<SetAffiliation>(4 << 10)
        .done(204),
    Route::new("DELETE", routes::ROOM_MEMBER, "Take a user's membership", || delete(disaffiliate))
        .for_scopes(WRITERS)
        .may(&[404])
        .done(204),
    Route::new("PUT", routes::OCCUPANT, "A session joined", || put(join))
        .for_scopes(BRIDGE)
        .may(&[409])
        .takes::<Join>(8 << 10)
        .gives::<Joined>(200),
    Route::new("DELETE", routes::OCCUPANT, "A session left", || delete(leave))
        .for_scopes(BRIDGE)
        .may(&[409])
        .query(&[
            Param::needed("node", "string", "Node of the bridge."),
            Param::needed("epoch", "string", "Its epoch."),
            Param::needed("seq", "integer", "Sequence on the node."),
        ])
        .done(204),
    Route::new("PUT", routes::NODE_OCCUPANTS, "All occupants of a node", || put(occupants))
        .for_scopes(BRIDGE)
        .may(&[409])
        .takes::<OccupantSnapshot>(64 << 20)
        .done(204),
    Route::new("POST", routes::ROOM_MESSAGES, "Messages that the room accepted", || post(speak))
        .for_scopes(BRIDGE)
        .may(&[409])
        .takes::<RoomPost>(64 << 20)
        .gives::<RoomPostAnswer>(200),
    Route::new("POST", routes::ROOM_SETTLE, "What the room really did", || post(settle))
        .for_scopes(BRIDGE)
        .may(&[409])
        .takes::<RoomSettle>(64 << 20)
        .gives::<RoomSettled>(200),
    Route::new("GET", routes::ROOM_MESSAGES, "A room's timeline, newest first", || get(timeline))
        .for_scopes(HISTORY)
        .may(&[404])
        .query(&[VIEWER, LIMIT, Param::optional("before", "integer", "Only older than this position.")])
        .gives::<RoomMessages>(200)
        .text(Text::Needed),
    Route::new("GET", routes::MISSED, "What a member missed, oldest first", || get(missed))
        .for_scopes(HISTORY)
        .may(&[404])
        .query(&[USER, LIMIT])
        .gives::<RoomMessages>(200)
        .text(Text::Needed),
    Route::new("DELETE", routes::MISSED, "The member has caught up to a position", || delete(caught_up))
        .for_scopes(BRIDGE)
        .may(&[404])
        .query(&[USER, Param::needed("upto", "integer", "The position.")])
        .gives::<MissedLeft>(200),
    Route::new("POST", routes::RECEIPTS, "Receipts become counts", || post(receipts))
        .for_scopes(BRIDGE)
        .may(&[404])
        .takes::<Receipts>(1 << 20)
        .gives::<ReceiptsAnswer>(200),
];

async fn put_room(
    State(app): State<App>,
    Params(name): Params<String>,
    By(cause): By,
    Body(put): Body<PutRoom>,
) -> Result<StatusCode, ApiError> {
    app.store.put_room(&user("room", &name)?, members(put.members)?, cause).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Checks a room's members.
pub fn members(given: Vec<RoomMember>) -> Result<Vec<(UserId, Affiliation)>, ApiError> {
    if given.len() > MAX_MEMBERS {
        return Err(ApiError::field("/members", format!("has more than {MAX_MEMBERS} members")));
    }
    let mut members = Vec::with_capacity(given.len());
    for (i, member) in given.into_iter().enumerate() {
        let user = UserId::parse(&member.user)
            .map_err(|e| ApiError::field(format!("/members/{i}/user"), e.to_string()))?;
        members.push((user, member.affiliation));
    }
    Ok(members)
}

async fn read(
    State(app): State<App>,
    Params(name): Params<String>,
    Query(query): Query<Page>,
) -> Result<Json<Room>, ApiError> {
    Ok(Json(app.store.room(&user("room", &name)?, page(query.limit)?, query.after).await?))
}

async fn remove(
    State(app): State<App>,
    Params(name): Params<String>,
    By(cause): By,
) -> Result<StatusCode, ApiError> {
    app.store.remove_room(&user("room", &name)?, cause).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn affiliate(
    State(app): State<App>,
    Params((room, name)): Params<(String, String)>,
    By(cause): By,
    Body(set): Body<SetAffiliation>,
) -> Result<StatusCode, ApiError> {
    let (room, user) = (user("room", &room)?, user("user", &name)?);
    app.store.set_affiliation(&room, &user, Some(set.affiliation), cause).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn disaffiliate(
    State(app): State<App>,
    Params((room, name)): Params<(String, String)>,
    By(cause): By,
) -> Result<StatusCode, ApiError> {
    app.store.set_affiliation(&user("room", &room)?, &user("user", &name)?, None, cause).await?;
    Ok(StatusCode::NO_CONTENT)
}

type OccupantPath = Params<(String, String, String)>;

fn occupancy(path: OccupantPath, nick: String) -> Result<Occupancy, ApiError> {
    let Params((room, name, of)) = path;
    let (room, user) = (user("room", &room)?, user("user", &name)?);
    let resource = resource(&user, &of).map_err(|e| ApiError::parameter("resource", e))?;
    Ok(Occupancy { room, user, resource, nick })
}

async fn join(
    State(app): State<App>,
    path: OccupantPath,
    Body(join): Body<Join>,
) -> Result<Json<Joined>, ApiError> {
    nick("/nick", &join.nick)?;
    let seq = i64::try_from(join.seq).map_err(|_| ApiError::field("/seq", "must be below 2^63"))?;
    let who = occupancy(path, join.nick)?;
    Ok(Json(Joined { missed: app.store.occupy(&join.node, &join.epoch, seq, who, true).await? }))
}

#[derive(Debug, Deserialize)]
struct LeaveQuery {
    node: String,
    epoch: String,
    seq: i64,
}

async fn leave(
    State(app): State<App>,
    path: OccupantPath,
    Query(query): Query<LeaveQuery>,
) -> Result<StatusCode, ApiError> {
    let who = occupancy(path, String::new())?;
    app.store.occupy(&query.node, &query.epoch, query.seq, who, false).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn occupants(
    State(app): State<App>,
    Params(name): Params<String>,
    Body(snapshot): Body<OccupantSnapshot>,
) -> Result<StatusCode, ApiError> {
    let seq = i64::try_from(snapshot.seq).map_err(|_| ApiError::field("/seq", "must be below 2^63"))?;
    let mut all = Vec::with_capacity(snapshot.occupants.len());
    for (i, occupant) in snapshot.occupants.into_iter().enumerate() {
        let at = |field: &str| format!("/occupants/{i}/{field}");
        let room = UserId::parse(&occupant.room).map_err(|e| ApiError::field(at("room"), e.to_string()))?;
        let user = UserId::parse(&occupant.user).map_err(|e| ApiError::field(at("user"), e.to_string()))?;
        let resource = resource(&user, &occupant.resource)
            .map_err(|e| ApiError::field(at("resource"), e.to_string()))?;
        nick(&at("nick"), &occupant.nick)?;
        all.push(Occupancy { room, user, resource, nick: occupant.nick });
    }
    app.store.occupants(node(&name)?, &snapshot.epoch, seq, all).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn speak(
    State(app): State<App>,
    Params(name): Params<String>,
    Body(posted): Body<RoomPost>,
) -> Result<Json<RoomPostAnswer>, ApiError> {
    if posted.items.len() > 256 {
        return Err(ApiError::field("/items", "has more than 256 messages"));
    }
    let items = posted.items.into_iter().enumerate();
    let messages =
        items.map(|(i, item)| spoken(&format!("/items/{i}"), item)).collect::<Result<Vec<_>, _>>()?;
    let room = user("room", &name)?;
    let results = app.store.speak(&posted.node, &posted.epoch, &room, messages).await?;
    Ok(Json(RoomPostAnswer { results }))
}

async fn settle(
    State(app): State<App>,
    Params(name): Params<String>,
    Body(given): Body<RoomSettle>,
) -> Result<Json<RoomSettled>, ApiError> {
    if given.items.len() > 256 {
        return Err(ApiError::field("/items", "has more than 256 messages"));
    }
    let bridge = node(&given.node)?;
    let items = given.items.into_iter().enumerate();
    let items = items.map(|(i, item)| settlement(i, item)).collect::<Result<Vec<_>, _>>()?;
    let kept = app.store.settle_room(bridge, &user("room", &name)?, items).await?;
    Ok(Json(RoomSettled { kept }))
}

fn settlement(i: usize, item: RoomSettleItem) -> Result<Settlement, ApiError> {
    let users = |field: &str, names: Vec<String>| {
        if names.len() > MAX_MEMBERS {
            return Err(ApiError::field(
                format!("/items/{i}/{field}"),
                format!("has more than {MAX_MEMBERS}"),
            ));
        }
        let parse = |(k, name): (usize, String)| {
            UserId::parse(&name)
                .map_err(|e| ApiError::field(format!("/items/{i}/{field}/{k}"), e.to_string()))
        };
        names.into_iter().enumerate().map(parse).collect::<Result<Vec<_>, _>>()
    };
    if !is_word(&item.key) {
        return Err(ApiError::field(format!("/items/{i}/key"), KEY));
    }
    if item.message.as_ref().is_some_and(|m| m.key != item.key || item.outcome == RoomOutcome::Refused) {
        let at = format!("/items/{i}/message");
        return Err(ApiError::field(at, "must have the item's key, and belongs to an accepted one"));
    }
    Ok(Settlement {
        reached: users("reached", item.reached)?,
        unreached: users("unreached", item.unreached)?,
        message: item.message.map(|m| spoken(&format!("/items/{i}/message"), m)).transpose()?,
        key: item.key,
        outcome: item.outcome,
        all: item.all,
    })
}

const KEY: &str = "must be 1 to 64 characters of A-Z, a-z, 0-9 and -";

fn spoken(within: &str, item: RoomItem) -> Result<Spoken, ApiError> {
    let at = |field: &str| format!("{within}/{field}");
    if !is_word(&item.key) {
        return Err(ApiError::field(at("key"), KEY));
    }
    let from = UserId::parse(&item.from).map_err(|e| ApiError::field(at("from"), e.to_string()))?;
    nick(&at("nick"), &item.nick)?;
    let sent_at = clock::parse(&item.sent_at)
        .ok_or_else(|| ApiError::field(at("sent_at"), "is not an RFC 3339 time"))?;
    let stanza: String = Box::<str>::from(item.stanza).into();
    if !stanza.starts_with('{') || stanza.len() > 1 << 20 {
        return Err(ApiError::field(at("stanza"), "must be an object of at most 1 MiB"));
    }
    Ok(Spoken { key: item.key, from, nick: item.nick, sent_at, stanza })
}

fn nick(pointer: &str, nick: &str) -> Result<(), ApiError> {
    if (1..=1_023).contains(&nick.len()) {
        Ok(())
    } else {
        Err(ApiError::field(pointer, "must have 1 to 1,023 bytes"))
    }
}

#[derive(Debug, Deserialize)]
struct TimelineQuery {
    viewer: Option<String>,
    limit: Option<u32>,
    before: Option<i64>,
}

async fn timeline(
    State(app): State<App>,
    caller: Caller,
    Params(name): Params<String>,
    Query(query): Query<TimelineQuery>,
) -> Result<Json<RoomMessages>, ApiError> {
    let viewer = match viewer(&caller, query.viewer.as_deref())? {
        Viewer::User(user) => Some(user),
        Viewer::Operator => None,
    };
    let room = user("room", &name)?;
    Ok(Json(app.store.timeline(&room, viewer.as_ref(), page(query.limit)?, query.before).await?))
}

#[derive(Debug, Deserialize)]
struct MissedQuery {
    user: String,
    limit: Option<u32>,
}

async fn missed(
    State(app): State<App>,
    Params(name): Params<String>,
    Query(query): Query<MissedQuery>,
) -> Result<Json<RoomMessages>, ApiError> {
    let (room, user) = (user("room", &name)?, user("user", &query.user)?);
    Ok(Json(app.store.missed(&room, &user, page(query.limit)?).await?))
}

#[derive(Debug, Deserialize)]
struct UptoQuery {
    user: String,
    upto: i64,
}

async fn caught_up(
    State(app): State<App>,
    Params(name): Params<String>,
    Query(query): Query<UptoQuery>,
) -> Result<Json<MissedLeft>, ApiError> {
    let (room, user) = (user("room", &name)?, user("user", &query.user)?);
    Ok(Json(MissedLeft { left: app.store.caught_up(&room, &user, query.upto).await? }))
}

async fn receipts(
    State(app): State<App>,
    Params(name): Params<String>,
    Body(given): Body<Receipts>,
) -> Result<Json<ReceiptsAnswer>, ApiError> {
    if given.items.len() > 1_000 {
        return Err(ApiError::field("/items", "has more than 1,000 receipts"));
    }
    let mut items = Vec::with_capacity(given.items.len());
    for (i, receipt) in given.items.into_iter().enumerate() {
        let user = UserId::parse(&receipt.user)
            .map_err(|e| ApiError::field(format!("/items/{i}/user"), e.to_string()))?;
        items.push((receipt.key, user, receipt.kind));
    }
    Ok(Json(ReceiptsAnswer { feedback: app.store.receipts(&user("room", &name)?, items).await? }))
}
