//! Footprints: shared, found by area, time and person for a named viewer, removed.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use im_api::footprint::{Audience, Feature, FeatureCollection, Share};
use im_api::routes;
use serde::{Deserialize, Serialize};

use super::{READERS, WRITERS};
use crate::auth::Caller;
use crate::clock::{self, Millis};
use crate::http::extract::{Body, By, Params, Query, at_most, is_id, page, user, viewer};
use crate::http::problem::ApiError;
use crate::http::route::{AFTER, LIMIT, Param, Text, VIEWER};
use crate::http::{App, Route};
use crate::jid::UserId;
use crate::store::footprint::{Area, Find, NewFootprint};

/// GeoJSON has a content type of its own (RFC 7946 12).
const GEOJSON: &str = "application/geo+json";

pub const ROUTES: &[Route] = &[
    Route::new("POST", routes::FOOTPRINTS, "Share a footprint", || post(share))
        .for_scopes(WRITERS)
        .may(&[404, 409])
        .takes::<Share>(2 << 20)
        .gives::<Feature>(201)
        .typed(GEOJSON)
        .once(),
    Route::new("GET", routes::FOOTPRINTS, "Find footprints, newest first, as GeoJSON", || get(find))
        .for_scopes(READERS)
        .may(&[404])
        .query(&[
            VIEWER,
            Param::optional(
                "bbox",
                "string",
                "west,south,east,north in degrees; west beyond east crosses 180°.",
            ),
            Param::optional("since", "string", "At or after this time."),
            Param::optional("until", "string", "Before this time."),
            Param::optional("user", "string", "Of this user only."),
            Param::optional("track", "string", "Points of this track only."),
            LIMIT,
            AFTER,
        ])
        .gives::<FeatureCollection>(200)
        .typed(GEOJSON)
        .text(Text::Needed),
    Route::new("GET", routes::FOOTPRINT, "A footprint as GeoJSON", || get(read))
        .for_scopes(READERS)
        .may(&[404])
        .query(&[VIEWER])
        .gives::<Feature>(200)
        .typed(GEOJSON)
        .text(Text::Needed),
    Route::new("PUT", routes::FOOTPRINT, "Share a footprint in the place of what has its id", || {
        put(replace)
    })
    .for_scopes(WRITERS)
    .may(&[404])
    .takes::<Share>(2 << 20)
    .gives::<Feature>(200)
    .typed(GEOJSON),
    Route::new("DELETE", routes::FOOTPRINT, "Remove a footprint", || delete(remove))
        .for_scopes(WRITERS)
        .done(204),
];

fn geojson(status: StatusCode, value: &impl Serialize) -> Result<Response, ApiError> {
    let body = serde_json::to_vec(value).map_err(ApiError::Syntax)?;
    Ok((status, [(CONTENT_TYPE, GEOJSON)], body).into_response())
}

async fn share(
    State(app): State<App>,
    By(cause): By,
    Body(given): Body<Share>,
) -> Result<Response, ApiError> {
    let new = footprint(given)?;
    geojson(StatusCode::CREATED, &app.store.share(new, cause).await?)
}

async fn replace(
    State(app): State<App>,
    Params((name, id)): Params<(String, String)>,
    By(cause): By,
    Body(given): Body<Share>,
) -> Result<Response, ApiError> {
    let mut new = footprint(Share { id: given.id.or_else(|| Some(id.clone())), ..given })?;
    if new.user != user("user", &name)? {
        return Err(ApiError::field("/user", "is not the user of the path"));
    }
    if new.id != id {
        return Err(ApiError::field("/id", "is not the id of the path"));
    }
    new.replace = true;
    geojson(StatusCode::OK, &app.store.share(new, cause).await?)
}

fn footprint(given: Share) -> Result<NewFootprint, ApiError> {
    let who = UserId::parse(&given.user).map_err(|e| ApiError::field("/user", e.to_string()))?;
    let id = given.id.unwrap_or_else(|| uuid::Uuid::now_v7().to_string());
    if !is_id(&id) {
        return Err(ApiError::field("/id", "must be 1 to 128 characters of A-Z, a-z, 0-9, `.`, `_` and `-`"));
    }
    if !(-90.0..=90.0).contains(&given.lat) {
        return Err(ApiError::field("/lat", "must be -90 to 90"));
    }
    if !(-180.0..=180.0).contains(&given.lon) {
        return Err(ApiError::field("/lon", "must be -180 to 180"));
    }
    at_most("/text", given.text.as_ref(), 10_000)?;
    at_most("/place", given.place.as_ref(), 256)?;
    if given.media.len() > 16 {
        return Err(ApiError::field("/media", "has more than 16 media"));
    }
    if let Some(i) = given.media.iter().position(|m| !super::media::is_medium_id(m)) {
        return Err(ApiError::field(format!("/media/{i}"), "is not a medium's id"));
    }
    if given.links.len() > 16 {
        return Err(ApiError::field("/links", "has more than 16 links"));
    }
    if let Some(i) = given.links.iter().position(|l| !is_link(l)) {
        return Err(ApiError::field(
            format!("/links/{i}"),
            "is no http or https URL of at most 2,048 characters",
        ));
    }
    if given.track.as_ref().is_some_and(|t| !is_id(t)) {
        return Err(ApiError::field(
            "/track",
            "must be 1 to 128 characters of A-Z, a-z, 0-9, `.`, `_` and `-`",
        ));
    }
    let audience = audience(given.audience)?;
    let at =
        given.at.map(|at| clock::parse(&at).ok_or_else(|| ApiError::field("/at", "is not an RFC 3339 time")));
    let stanza = given.stanza.map(|s| String::from(Box::<str>::from(s)));
    if stanza.as_ref().is_some_and(|s| !s.starts_with('{') || s.len() > 1 << 20) {
        return Err(ApiError::field("/stanza", "must be an object of at most 1 MiB"));
    }
    Ok(NewFootprint {
        id,
        user: who,
        lat: given.lat,
        lon: given.lon,
        at: at.transpose()?,
        text: given.text,
        place: given.place,
        audience,
        precision: given.precision,
        media: given.media,
        links: given.links,
        track: given.track,
        stanza,
        replace: false,
    })
}

/// Checked; people by their normal addresses, each once.
fn audience(given: Audience) -> Result<Audience, ApiError> {
    match given {
        Audience::Group(group) if !is_id(&group) => {
            Err(ApiError::field("/audience/group", "is not a group's id"))
        }
        Audience::People(people) if people.len() > 200 => {
            Err(ApiError::field("/audience/people", "has more than 200 people"))
        }
        Audience::People(people) => {
            let mut found = std::collections::BTreeSet::new();
            for (i, one) in people.iter().enumerate() {
                let who = UserId::parse(one)
                    .map_err(|e| ApiError::field(format!("/audience/people/{i}"), e.to_string()))?;
                found.insert(who.to_string());
            }
            Ok(Audience::People(found.into_iter().collect()))
        }
        other => Ok(other),
    }
}

fn is_link(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    text.len() <= 2_048
        && rest.is_some_and(|r| !r.is_empty())
        && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

#[derive(Debug, Deserialize)]
pub struct FindQuery {
    viewer: Option<String>,
    bbox: Option<String>,
    since: Option<String>,
    until: Option<String>,
    user: Option<String>,
    track: Option<String>,
    limit: Option<u32>,
    after: Option<String>,
}

async fn find(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<FindQuery>,
) -> Result<Response, ApiError> {
    found(&app, &caller, query, true).await
}

/// What a search finds; without what was said when `text` is not asked for.
pub async fn found(app: &App, caller: &Caller, query: FindQuery, text: bool) -> Result<Response, ApiError> {
    let time = |name: &str, text: Option<String>| -> Result<Option<Millis>, ApiError> {
        let parsed =
            |t: String| clock::parse(&t).ok_or_else(|| ApiError::parameter(name, "is not an RFC 3339 time"));
        text.map(parsed).transpose()
    };
    let cursor = |text: String| {
        let pair = text.split_once('.').and_then(|(at, id)| Some((at.parse().ok()?, id.parse().ok()?)));
        pair.ok_or_else(|| ApiError::parameter("after", "is not a cursor"))
    };
    let find = Find {
        viewer: viewer(caller, query.viewer.as_deref())?,
        area: query.bbox.as_deref().map(area).transpose()?,
        since: time("since", query.since)?,
        until: time("until", query.until)?,
        user: query.user.map(|u| user("user", &u)).transpose()?,
        track: query.track,
        limit: page(query.limit)?,
        after: query.after.map(cursor).transpose()?,
    };
    let mut found = app.store.find(find).await?;
    if !text {
        for feature in &mut found.features {
            (feature.properties.text, feature.properties.stanza) = (None, None);
        }
    }
    geojson(StatusCode::OK, &found)
}

fn area(text: &str) -> Result<Area, ApiError> {
    let wrong = |why| ApiError::parameter("bbox", why);
    let numbers: Vec<f64> = text.split(',').filter_map(|n| n.trim().parse().ok()).collect();
    let [west, south, east, north] = numbers[..] else {
        return Err(wrong("must be four numbers: west,south,east,north"));
    };
    let degrees = [west, east].iter().all(|n| (-180.0..=180.0).contains(n));
    if !degrees || ![south, north].iter().all(|n| (-90.0..=90.0).contains(n)) {
        return Err(wrong("must be degrees: -180 to 180 and -90 to 90"));
    }
    if south > north {
        return Err(wrong("has its south north of its north"));
    }
    Ok(Area { west, south, east, north })
}

#[derive(Debug, Deserialize)]
struct ViewerQuery {
    viewer: Option<String>,
}

async fn read(
    State(app): State<App>,
    caller: Caller,
    Params((name, id)): Params<(String, String)>,
    Query(query): Query<ViewerQuery>,
) -> Result<Response, ApiError> {
    let viewer = viewer(&caller, query.viewer.as_deref())?;
    geojson(StatusCode::OK, &app.store.footprint(&viewer, &user("user", &name)?, &id).await?)
}

async fn remove(
    State(app): State<App>,
    Params((name, id)): Params<(String, String)>,
    By(cause): By,
) -> Result<StatusCode, ApiError> {
    app.store.remove_footprint(&user("user", &name)?, &id, cause).await?;
    Ok(StatusCode::NO_CONTENT)
}
