//! A footprint on its way into PEP: onto its owner's node if nobody reads that who may not see it, else to those whom it is for, one by one, as the node
//! would have told them.
//!
//! Leaves out: what it says (`modules::footprint::shown`).

use std::time::Duration;

use im_api::footprint::{Audience, Share};
use im_api::friend::{Friends, Subscription};
use im_api::group::Group;
use im_api::routes;
use serde_json::Value;

use super::platform::{Told, limit, own_feature, put, read, seen_by};
use super::{GEOLOC, pep};
use crate::ffi::frame::Outcome;
use crate::host::core::Core;
use crate::host::pep::PepError;
use crate::mapping::Row;
use crate::modules::footprint::access::{self, Access};
use crate::platform::PlatformError;

/// How long Openfire may take for one message.
const MESSAGE: Duration = Duration::from_secs(15);

/// What is to be published.
#[derive(Debug)]
pub struct Publication {
    /// Owner, bare JID.
    pub user: String,
    /// PEP's node.
    pub node: &'static str,
    /// PEP's item.
    pub item: String,
    /// The footprint.
    pub id: String,
    /// For whom.
    pub audience: Audience,
    /// What others get, as XML.
    pub payload: String,
    /// Who reads the node, or will.
    pub access: Access,
    /// The node is made first, with these options of the publish.
    pub create: Option<Vec<(String, Vec<String>)>>,
    /// The platform has it: it can say who may see it.
    pub platform_knows: bool,
}

impl Publication {
    /// Publishes it on the owner's behalf.
    ///
    /// # Errors
    /// Openfire's own.
    pub fn carry_out(&self, core: &Core) -> Result<(), PepError> {
        if !self.fits(core, &self.access) {
            return self.tell_its_people(core);
        }
        if let Some(options) = &self.create {
            match pep::ask(core, &self.user, "set", &access::create(self.node, &self.access, options)) {
                // Somebody was faster: then it must be a node that lets nobody else in.
                Err(PepError::Refused { condition, .. }) if condition == "conflict" => {
                    let there = pep::node(core, &self.user, self.node)?;
                    if there.is_some_and(|access| !self.fits(core, &access)) {
                        return self.tell_its_people(core);
                    }
                }
                other => drop(other?),
            }
        }
        let order = access::publish(self.node, &self.item, &self.payload);
        pep::ask(core, &self.user, "set", &order).map(drop)
    }

    /// Whether a node's readers are of the audience. Openfire lets those read a node for a group to whom it shows the group in their contact lists; these may
    /// be fewer than its members, who then would hear nothing, or more.
    fn fits(&self, core: &Core, access: &Access) -> bool {
        let shown = |group: &String| {
            let done = core.effects.apply(MESSAGE, "group.shown", &[group]);
            matches!(done, Some((Outcome::Ok, to)) if to == "members")
        };
        access.within(&self.audience)
            && match access {
                Access::Roster(groups) => groups.iter().all(shown),
                Access::Open | Access::Presence | Access::Whitelist(_) => true,
            }
    }

    /// The node's readers see the end of what was there before; its people get it directly.
    fn tell_its_people(&self, core: &Core) -> Result<(), PepError> {
        let before = match self.node {
            GEOLOC => pep::items(core, &self.user, self.node, None)?,
            _ => pep::items(core, &self.user, self.node, Some(&self.item))?,
        };
        pep::retract(core, &self.user, self.node, &before)?;
        if self.platform_knows {
            let payload = Some(self.payload.as_str());
            tell_people(core, &self.user, self.node, &self.item, &self.audience, payload, Some(&self.id));
        }
        Ok(())
    }
}

/// Tells each of an audience about an item, or (no payload) of its end. `id`: only those who may see this footprint.
pub fn tell_people(
    core: &Core,
    user: &str,
    node: &str,
    item: &str,
    audience: &Audience,
    payload: Option<&str>,
    id: Option<&str>,
) {
    let people = match people(core, user, audience) {
        Ok(people) => people,
        Err(error) => {
            return core.failed("row", format!("whom a footprint is for cannot be listed: {error}"));
        }
    };
    for person in people {
        if let Some(id) = id {
            match seen_by(core, &person, user, id) {
                Ok(Some(_)) => {}
                Ok(None) => continue,
                Err(error) => {
                    return core.failed("row", format!("who may see a footprint cannot be told: {error}"));
                }
            }
        }
        let message = access::event(user, &person, &core.keys.next(), node, item, payload);
        if core.effects.apply(MESSAGE, "route", &[message]).is_none() {
            core.failed("row", "an event about a footprint was not routed".into());
        }
    }
}

/// The people of an audience, without its owner.
fn people(core: &Core, user: &str, audience: &Audience) -> Result<Vec<String>, PlatformError> {
    let mut people = match audience {
        Audience::Me => Vec::new(),
        Audience::People(people) => people.clone(),
        Audience::Group(group) => members(core, group)?,
        Audience::Friends | Audience::All => friends(core, user)?,
    };
    people.retain(|person| person != user);
    Ok(people)
}

fn friends(core: &Core, user: &str) -> Result<Vec<String>, PlatformError> {
    let mut all = Vec::new();
    let mut after = String::new();
    loop {
        let path = routes::path(routes::FRIENDS, &[user]) + "?limit=200" + &after;
        let Some(page): Option<Friends> = read(core, &path, limit(core))? else { return Ok(all) };
        let seen = |s: Subscription| matches!(s, Subscription::From | Subscription::Both);
        all.extend(page.items.into_iter().filter(|f| seen(f.entry.subscription)).map(|f| f.friend));
        match page.next {
            Some(next) => after = routes::path("&after={x}", &[&next]),
            None => return Ok(all),
        }
    }
}

fn members(core: &Core, group: &str) -> Result<Vec<String>, PlatformError> {
    let mut all = Vec::new();
    let mut after = String::new();
    loop {
        let path = routes::path(routes::GROUP, &[group]) + "?limit=200" + &after;
        let Some(page): Option<Group> = read(core, &path, limit(core))? else { return Ok(all) };
        all.extend(page.members.into_iter().map(|m| m.user));
        match page.next {
            Some(next) => after = routes::path("&after={x}", &[&next]),
            None => return Ok(all),
        }
    }
}

/// Who may read a node has changed: what is on it is for the same people at the platform from now on.
pub fn follow_access(
    core: &Core,
    row: &Row,
    value: &Value,
    user: &str,
    key: &str,
    limit: Duration,
) -> Result<(), PlatformError> {
    let node = ["configure", "affiliations"]
        .iter()
        .find_map(|what| value.pointer(&format!("/pubsub_owner/{what}/node")).and_then(Value::as_str))
        .unwrap_or_default();
    let looked_up = pep::node(core, user, node).and_then(|access| match access {
        Some(access) => pep::items(core, user, node, None).map(|items| Some((access, items))),
        None => Ok(None),
    });
    let (access, items) = match looked_up {
        Ok(Some(found)) => found,
        Ok(None) => return Ok(()),
        Err(error) => {
            return Err(PlatformError::Absent(format!("who may read a node cannot be found out: {error}")));
        }
    };
    // Of several groups the platform knows no audience: then it is for nobody else.
    let audience = access.audience().unwrap_or(Audience::Me);
    let mut footprints: Vec<String> = items.iter().map(|item| super::footprint_of(node, item)).collect();
    footprints.dedup();
    for id in footprints {
        let Some(feature) = own_feature(core, user, &id) else { continue };
        let properties = feature.properties;
        if properties.audience.as_ref() == Some(&audience) {
            continue;
        }
        let share = Share {
            id: Some(id),
            user: user.to_owned(),
            lat: feature.geometry.coordinates[1],
            lon: feature.geometry.coordinates[0],
            at: Some(properties.at),
            text: properties.text,
            place: properties.place,
            audience: audience.clone(),
            precision: properties.precision,
            media: properties.media,
            links: properties.links,
            track: properties.track,
            stanza: properties.stanza,
        };
        match put(core, row, value, &share, key, limit) {
            Told::Taken | Told::Unknown => {}
            Told::Refused(_) => core.row_counts.add(&row.name, "refused"),
            Told::Ill { .. } => {
                return Err(PlatformError::Absent("the platform did not take an audience".into()));
            }
        }
    }
    Ok(())
}
