//! Groups and their members.

use std::collections::HashSet;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{delete, get, patch, post, put};
use im_api::group::{
    CreateGroup, Group, GroupChanged, Groups, Member, PatchGroup, ReportGroup, Role, SetRole,
};
use im_api::routes;
use serde::Deserialize;

use super::{ALL, BRIDGE, WRITERS};
use crate::http::extract::{Body, By, Page, Params, Query, at_most, is_id, page, user};
use crate::http::problem::ApiError;
use crate::http::route::{AFTER, LIMIT, Param};
use crate::http::{App, Route};
use crate::jid::UserId;
use crate::store::group::MAX_MEMBERS;

pub const ROUTES: &[Route] = &[
    Route::new("POST", routes::GROUPS, "Create a group", || post(create))
        .for_scopes(WRITERS)
        .may(&[404, 409])
        .takes::<CreateGroup>(1 << 20)
        .gives::<Group>(201)
        .once(),
    Route::new("GET", routes::GROUPS, "The groups of a user, or all", || get(of_user))
        .for_scopes(ALL)
        .may(&[404])
        .query(&[Param::optional("member", "string", "Bare JID."), LIMIT, AFTER])
        .gives::<Groups>(200),
    Route::new("GET", routes::GROUP, "A group with its members", || get(read))
        .for_scopes(ALL)
        .may(&[404])
        .query(&[LIMIT, AFTER])
        .gives::<Group>(200),
    Route::new("PUT", routes::GROUP, "Report a group of a server's", || put(report))
        .for_scopes(BRIDGE)
        .may(&[409])
        .takes::<ReportGroup>(4 << 20)
        .gives::<GroupChanged>(200),
    Route::new("PATCH", routes::GROUP, "Change a group's information", || patch(change))
        .for_scopes(WRITERS)
        .may(&[404, 409])
        .takes::<PatchGroup>(64 << 10)
        .gives::<GroupChanged>(200),
    Route::new("DELETE", routes::GROUP, "Remove a group", || delete(remove))
        .for_scopes(WRITERS)
        .gives::<GroupChanged>(200),
    Route::new("PUT", routes::MEMBER, "Add a member or change its role", || put(set_member))
        .for_scopes(WRITERS)
        .may(&[404, 409])
        .takes::<SetRole>(4 << 10)
        .gives::<GroupChanged>(200),
    Route::new("DELETE", routes::MEMBER, "Remove a member", || delete(remove_member))
        .for_scopes(WRITERS)
        .may(&[404, 409])
        .query(&[Param::optional("reported", "boolean", "A bridge reports it: the last owner may go.")])
        .gives::<GroupChanged>(200),
];

async fn create(
    State(app): State<App>,
    By(cause): By,
    Body(new): Body<CreateGroup>,
) -> Result<(StatusCode, Json<Group>), ApiError> {
    let new = check(new)?;
    Ok((StatusCode::CREATED, Json(app.store.create_group(new, cause).await?)))
}

/// Checks a new group and normalises the addresses in it.
pub fn check(mut new: CreateGroup) -> Result<CreateGroup, ApiError> {
    if !is_id(&new.id) {
        return Err(ApiError::field("/id", "must be 1 to 128 characters of A-Z, a-z, 0-9, `.`, `_` and `-`"));
    }
    information(Some(&new.name), new.description.as_ref())?;
    if let Some(room) = &new.room {
        new.room =
            Some(UserId::parse(room).map_err(|e| ApiError::field("/room", e.to_string()))?.to_string());
    }
    if new.members.len() > 1_000 {
        return Err(ApiError::field("/members", "has more than 1,000 members"));
    }
    check_members(&mut new.members)?;
    if !new.members.iter().any(|m| m.role == Role::Owner) {
        return Err(ApiError::field("/members", "has no owner"));
    }
    Ok(new)
}

fn check_members(members: &mut [Member]) -> Result<(), ApiError> {
    let mut names = HashSet::new();
    for (i, member) in members.iter_mut().enumerate() {
        let at = || format!("/members/{i}/user");
        member.user =
            UserId::parse(&member.user).map_err(|e| ApiError::field(at(), e.to_string()))?.to_string();
        if !names.insert(member.user.clone()) {
            return Err(ApiError::field(at(), "is there twice"));
        }
    }
    Ok(())
}

fn information(name: Option<&String>, description: Option<&String>) -> Result<(), ApiError> {
    if name.is_some_and(|n| n.trim().is_empty()) {
        return Err(ApiError::field("/name", "must not be empty"));
    }
    at_most("/name", name, 256)?;
    at_most("/description", description, 4_096)
}

#[derive(Debug, Deserialize)]
struct MemberQuery {
    member: Option<String>,
    limit: Option<u32>,
    after: Option<String>,
}

async fn of_user(State(app): State<App>, Query(query): Query<MemberQuery>) -> Result<Json<Groups>, ApiError> {
    let limit = page(query.limit)?;
    let Some(member) = query.member else {
        let all = app.store.list_groups(limit, query.after).await?;
        return Ok(Json(Groups { items: all.items, next: all.next }));
    };
    Ok(Json(app.store.groups_of(&user("member", &member)?, limit, query.after).await?))
}

async fn report(
    State(app): State<App>,
    Params(id): Params<String>,
    By(cause): By,
    Body(mut report): Body<ReportGroup>,
) -> Result<Json<GroupChanged>, ApiError> {
    if !is_id(&id) {
        return Err(ApiError::parameter(
            "group",
            "must be 1 to 128 characters of A-Z, a-z, 0-9, `.`, `_` and `-`",
        ));
    }
    information(report.name.as_ref(), report.description.as_ref())?;
    if let Some(room) = &report.room {
        let room = UserId::parse(room).map_err(|e| ApiError::field("/room", e.to_string()))?;
        report.room = Some(room.to_string());
    }
    if let Some(members) = &mut report.members {
        if i64::try_from(members.len()).unwrap_or(i64::MAX) > MAX_MEMBERS {
            return Err(ApiError::field("/members", format!("has more than {MAX_MEMBERS} members")));
        }
        check_members(members)?;
    }
    Ok(Json(app.store.report_group(&id, report, cause).await?))
}

async fn read(
    State(app): State<App>,
    Params(id): Params<String>,
    Query(query): Query<Page>,
) -> Result<Json<Group>, ApiError> {
    Ok(Json(app.store.group(&id, page(query.limit)?, query.after).await?))
}

async fn change(
    State(app): State<App>,
    Params(id): Params<String>,
    By(cause): By,
    Body(patch): Body<PatchGroup>,
) -> Result<Json<GroupChanged>, ApiError> {
    information(patch.name.as_ref(), patch.description.as_ref())?;
    Ok(Json(app.store.patch_group(&id, patch, cause).await?))
}

async fn remove(
    State(app): State<App>,
    Params(id): Params<String>,
    By(cause): By,
) -> Result<Json<GroupChanged>, ApiError> {
    Ok(Json(app.store.remove_group(&id, cause).await?))
}

async fn set_member(
    State(app): State<App>,
    Params((id, name)): Params<(String, String)>,
    By(cause): By,
    Body(set): Body<SetRole>,
) -> Result<Json<GroupChanged>, ApiError> {
    Ok(Json(app.store.set_member(&id, &user("user", &name)?, Some(set.role), set.reported, cause).await?))
}

#[derive(Debug, Deserialize)]
struct Reported {
    #[serde(default)]
    reported: bool,
}

async fn remove_member(
    State(app): State<App>,
    Params((id, name)): Params<(String, String)>,
    Query(query): Query<Reported>,
    By(cause): By,
) -> Result<Json<GroupChanged>, ApiError> {
    Ok(Json(app.store.set_member(&id, &user("user", &name)?, None, query.reported, cause).await?))
}
