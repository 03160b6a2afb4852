//! Footprints that are shared or removed at the platform: published in their owner's PEP, or retracted there.
//!
//! Leaves out: the poll and its cursor (`host::downlink`).

use im_api::downlink::DownEvent;
use im_api::footprint::{Audience, Feature};
use serde_json::Value;

use super::publication::Publication;
use super::{GEOLOC, MICROBLOG, default_access, ids, pep, shown};
use crate::host::core::Core;
use crate::host::downlink::{Carried, ends};
use crate::host::pep::PepError;
use crate::stanza::jid::Jid;

/// Carries out an event about a footprint. The platform's own changes come here alone: those of bridges end before.
pub fn carry_out(core: &Core, event: &DownEvent) -> Carried {
    let shared = event.kind == "im.footprint.shared";
    let row = if shared { "footprint.publish" } else { "footprint.unpublish" };
    let Some(local) = local(core, &event.subject) else { return Carried::Nothing };
    let done = if shared { publish(core, &local, event) } else { retract(core, &local, event) };
    let outcome = match done {
        Ok(true) => "applied",
        Ok(false) => "gone",
        Err(_) if ends(core) => return Carried::Withdrawn,
        Err(why) => {
            core.failed("downlink", format!("{row}: {why}"));
            "failed"
        }
    };
    core.row_counts.add(row, outcome);
    Carried::Out(outcome)
}

/// The owner, if they are of this server.
fn local(core: &Core, subject: &str) -> Option<String> {
    let jid = Jid::new(subject).ok()?;
    (jid.domain().as_str() == core.start.domain && jid.node().is_some()).then(|| jid.to_bare().to_string())
}

fn publish(core: &Core, user: &str, event: &DownEvent) -> Result<bool, String> {
    let feature: Feature = serde_json::from_str(event.data.get()).map_err(|e| e.to_string())?;
    let Some((_, id)) = feature.id.split_once('/') else { return Err("the footprint has no id".into()) };
    let (node, item) = place_of(id);
    let there = pep::node(core, user, node).map_err(|e| e.to_string())?;
    let publication = Publication {
        user: user.to_owned(),
        node,
        item,
        id: id.to_owned(),
        audience: feature.properties.audience.clone().unwrap_or(Audience::Me),
        payload: shown::of_feature(id, &feature),
        create: there.is_none().then(Vec::new),
        access: there.unwrap_or_else(|| default_access(core)),
        platform_knows: true,
    };
    match publication.carry_out(core) {
        Ok(()) => Ok(true),
        Err(PepError::Nobody) => Ok(false),
        Err(error) => Err(error.to_string()),
    }
}

fn retract(core: &Core, user: &str, event: &DownEvent) -> Result<bool, String> {
    let data: Value = serde_json::from_str(event.data.get()).map_err(|e| e.to_string())?;
    let Some(id) = data["id"].as_str() else { return Err("the footprint has no id".into()) };
    let (node, item) = place_of(id);
    let items = match id == ids::LOCATION {
        // Whatever the client called it.
        true => pep::items(core, user, node, None).map_err(|e| e.to_string())?,
        false => vec![item],
    };
    match pep::retract(core, user, node, &items) {
        Ok(gone) => Ok(gone > 0),
        Err(error) => Err(error.to_string()),
    }
}

/// Node and item of a footprint.
fn place_of(id: &str) -> (&'static str, String) {
    match id {
        ids::LOCATION => (GEOLOC, "current".to_owned()),
        id if ids::is_location(id) => (GEOLOC, id.to_owned()),
        id => (MICROBLOG, ids::to_item(id)),
    }
}
