//! Footprints at work: what is published is asked of the platform first, then published on the publisher's behalf, no more exactly than the platform tells
//! it and to nobody whom its audience leaves out. Nothing of it is ever let go as it was written: an exact place would get out.
//!
//! Reading order: [`Core::offer_footprint`] (what is taken), [`ask`] (decide mode), [`told`] (mirror mode, and what is told late), [`downlink`].
//!
//! Leaves out: what a publish says (`modules::footprint`), Openfire's PEP (`pep`).

pub mod downlink;
mod platform;
mod publication;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use im_api::footprint::Audience;
use serde_json::Value;

use crate::config::{GeoUris, ModuleMode, Policy};
use crate::ffi::frame::Flags;
use crate::journal::Stream;
use crate::lanes::{Action, Held};
use crate::mapping::{self, Row, ids};
use crate::modules::chat::timestamp;
use crate::modules::footprint::access::{self, Access};
use crate::modules::footprint::shown::escaped;
use crate::modules::footprint::{self, About, GEOLOC, MICROBLOG, NS, PUBSUB, Wish, geo, shown};
use crate::platform::PlatformError;
use crate::stanza::{Limits, Stanza, jid};

use super::core::{Core, lock};
use super::pep::{self, PepError};
use super::rows::{answer, on_failure};
use platform::{Told, delete, mine, own_feature, put};
use publication::Publication;

/// How long a publish may be under way beyond the platform's time limit: Openfire has its own.
const PATIENCE: Duration = Duration::from_secs(120);
/// Marks of publishes that are under way begin so.
const MARK: &str = "footprint ";
/// Pause between two looks whether what was reported late has been told.
const LOOK: Duration = Duration::from_millis(20);

impl Core {
    /// A request to somebody's own PEP service passes by. True: taken.
    pub fn offer_footprint(
        &self,
        row: &Arc<Row>,
        token: u64,
        flags: Flags,
        stanza: &Stanza,
        value: &Value,
        bytes: &[u8],
    ) -> bool {
        let config = self.config();
        let settings = config.module(row.module());
        if !footprint::own(stanza) || settings.mode < ModuleMode::Mirror {
            return false;
        }
        let about = if publishes(row) { footprint::about(value, &config.footprint) } else { About::Place };
        let decides = settings.mode == ModuleMode::Decide && flags.hold();
        let lane: Arc<str> = format!("{} {}", row.module(), sender(stanza)).into();
        match about {
            About::Nothing => false,
            // It needs no answer, but must not overtake what does.
            About::Plain if !decides || !lock(&self.row_lanes).busy(&lane) => {
                self.no_longer_a_place(stanza, value);
                false
            }
            _ if decides => self.claim_footprint(row, token, lane, bytes),
            _ if settings.mode == ModuleMode::Mirror => {
                self.observe(row, bytes);
                false
            }
            _ => false,
        }
    }

    fn claim_footprint(&self, row: &Arc<Row>, token: u64, lane: Arc<str>, bytes: &[u8]) -> bool {
        let config = self.config();
        let full = lock(&self.row_lanes).held() >= config.held_max;
        let limit = Duration::from_millis(config.module(row.module()).timeout_ms) + PATIENCE;
        let held = self.held_by(row, token, lane, bytes, limit);
        self.row_counts.add(&row.name, "taken");
        let alone = (full || self.stopping.load(Ordering::Acquire)).then(|| on_failure(Policy::Closed));
        let moves = lock(&self.row_lanes).push(held, alone);
        self.carry_out_rows(moves);
        true
    }

    /// What had an entry's id, or the location, is no footprint any more.
    fn no_longer_a_place(&self, stanza: &Stanza, value: &Value) {
        if value.pointer("/pubsub/publish/node").and_then(Value::as_str) == Some(GEOLOC) {
            self.gone_later(&sender(stanza), GEOLOC, ids::LOCATION);
        } else if let Some(item) = value.pointer("/pubsub/publish/items/0/id").and_then(Value::as_str) {
            self.gone_later(&sender(stanza), MICROBLOG, item);
        }
    }

    /// The platform is told that an item is no footprint (any more).
    fn gone_later(&self, user: &str, node: &str, item: &str) {
        let payload = access::retract(node, &[item.to_owned()]);
        self.observe_as("footprint.retract", &request(user, &payload));
    }

    fn observe_as(&self, row: &str, xml: &str) {
        if let Some(row) = self.registry().row(row).cloned() {
            self.observe(&row, xml.as_bytes());
        }
    }

    /// A chat message that is nothing but a place is one for its recipient, too (`footprint.geoUri` = `chat`).
    pub fn offer_chat_place(&self, bytes: &[u8]) {
        let config = self.config();
        let wanted =
            config.footprint.geo == GeoUris::Chat && config.module("footprint").mode >= ModuleMode::Mirror;
        if !wanted || !bytes.windows(4).any(|w| w.eq_ignore_ascii_case(b"geo:")) {
            return;
        }
        let Ok(stanza) = Stanza::parse(bytes, &Limits::default()) else { return };
        if let Some((xml, _)) = chat_place(&stanza, &self.start.domain) {
            self.observe_as("footprint.share", &xml);
        }
    }

    /// Publishes that were under way when the last run ended.
    pub fn interrupted_footprints(&self) -> Vec<String> {
        self.journal.marks(MARK).into_iter().map(|(rest, _)| rest).collect()
    }

    /// What of them is not in PEP has not happened: its client had no answer. Keeps those that Openfire could not say about yet.
    pub fn recover_footprints(&self, interrupted: &mut Vec<String>) {
        interrupted.retain(|rest| {
            let mut parts = rest.splitn(3, ' ');
            let (Some(user), Some(node), Some(item)) = (parts.next(), parts.next(), parts.next()) else {
                return false;
            };
            match pep::items(self, user, node, Some(item)) {
                Ok(found) if found.iter().any(|i| i == item) => {}
                Ok(_) => self.gone_later(user, node, item),
                Err(error) => {
                    let why = format!("a publish that was interrupted cannot be looked up: {error}");
                    self.failed("row", why);
                    return true;
                }
            }
            self.unmark(&format!("{MARK}{rest}"));
            false
        });
    }

    fn unmark(&self, mark: &str) {
        if let Err(error) = self.journal.unmark(mark) {
            self.failed("journal", error.to_string());
        }
    }

    /// Waits until what was told late about somebody's places has been told: what is newer must not be overtaken by it. False: it has not.
    fn caught_up(&self, user: &str, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        while self.is_behind(user) {
            if Instant::now() >= deadline || !self.breaker.closed() || self.ending.load(Ordering::Acquire) {
                return false;
            }
            std::thread::park_timeout(LOOK);
        }
        true
    }

    fn is_behind(&self, user: &str) -> bool {
        if self.journal.depth(Stream::Calls).entries == 0 {
            return false;
        }
        let entries = self.journal.read(Stream::Calls, 0, usize::MAX, usize::MAX).unwrap_or_default();
        let from = format!("{user}/");
        entries.iter().filter_map(|(_, entry)| super::rows::observed(self, entry)).any(|(_, row, stanza)| {
            let sender = stanza.from().unwrap_or_default();
            row.module() == "footprint" && (sender == user || sender.starts_with(&from))
        })
    }
}

/// Whether a row is about a publish.
fn publishes(row: &Row) -> bool {
    matches!(row.name.as_str(), "footprint.share" | "footprint.location")
}

fn sender(stanza: &Stanza) -> String {
    stanza.from().and_then(jid::bare_with_local).map(String::from).unwrap_or_default()
}

/// A request of somebody's to their own PEP service.
fn request(user: &str, payload: &str) -> String {
    format!("<iq xmlns='jabber:client' type='set' id='cb' from='{}'>{payload}</iq>", escaped(user))
}

/// The place that a chat message is, as a publish for its recipient alone, and that recipient.
fn chat_place(stanza: &Stanza, domain: &str) -> Option<(String, String)> {
    if !matches!(stanza.type_(), None | Some("chat" | "normal")) {
        return None;
    }
    let from = jid::bare_with_local(stanza.from()?)?;
    let to = jid::bare_with_local(stanza.to()?)?;
    if from.split_once('@')?.1 != domain || from == to {
        return None;
    }
    let body = stanza.root().child("body", "jabber:client")?.text();
    let (lat, lon) = geo::whole(&body)?;
    let name = format!("{from} {to} {} {body}", stanza.id().unwrap_or_default());
    let item = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, name.as_bytes());
    let payload = format!(
        "<pubsub xmlns='{PUBSUB}'><publish node='{MICROBLOG}'><item id='chat-{item}'><entry xmlns='http://www.w3.org/2005/Atom'>\
         <geoloc xmlns='{GEOLOC}'><lat>{lat}</lat><lon>{lon}</lon></geoloc></entry></item></publish>\
         <share xmlns='{NS}' audience='people' precision='exact'><person jid='{}'/></share></pubsub>",
        escaped(&to)
    );
    Some((request(&from, &payload), to.into_owned()))
}

/// A claimed request, on a thread that may wait.
pub fn ask(core: &Core, held: &Held, row: &Arc<Row>) {
    let Ok(stanza) = Stanza::parse(&held.bytes, &Limits::default()) else { return };
    let value = mapping::value(&stanza, true);
    let work = Work { core, held, row, stanza: &stanza, value: &value, user: sender(&stanza) };
    let action = match row.name.as_str() {
        "footprint.share" | "footprint.location" => work.share(),
        "footprint.retract" => work.retract(),
        "footprint.purge" | "footprint.delete" => work.withdraw(),
        _ => work.configure(),
    };
    answer(core, held, action, None);
}

/// One claimed request.
struct Work<'a> {
    core: &'a Core,
    held: &'a Held,
    row: &'a Arc<Row>,
    stanza: &'a Stanza,
    value: &'a Value,
    user: String,
}

impl Work<'_> {
    fn share(&self) -> Action {
        let (core, config) = (self.core, self.core.config());
        match footprint::about(self.value, &config.footprint) {
            About::Place => {}
            about => {
                if about == About::Plain {
                    core.no_longer_a_place(self.stanza, self.value);
                }
                return Action::Release { force: true };
            }
        }
        let wish = match Wish::read(self.value, &self.held.key, &config.footprint) {
            Ok(wish) => wish,
            Err(why) => return refuse("modify", "not-acceptable", &why),
        };
        if wish.stops {
            return self.stop();
        }
        let node = match pep::node(core, &self.user, wish.node) {
            Ok(node) => node,
            Err(error) => return self.openfire_failed(&error),
        };
        if let Some(why) = node.as_ref().and_then(|access| access::unmet(&wish.options, access)) {
            return refuse("cancel", "conflict", &format!("precondition-not-met: {why}"));
        }
        let access = node.clone().unwrap_or_else(|| new_node(core, &wish));
        let Some(audience) = wish.audience.clone().or_else(|| access.audience()) else {
            let why = "the node is for several groups; say for whom this is, or choose one group";
            return refuse("modify", "not-acceptable", why);
        };
        let precision = wish.precision.unwrap_or(config.footprint.precision);
        let id = wish.id(&self.held.key);
        let share = wish.share(
            id.clone(),
            audience.clone(),
            precision,
            &timestamp(self.held.sent_ms),
            Some(self.value),
        );
        let Some(payload) = footprint::payload(self.stanza) else {
            return refuse("modify", "bad-request", "there is no payload");
        };
        let mut publication = Publication {
            user: self.user.clone(),
            node: wish.node,
            item: wish.item.clone(),
            id,
            audience,
            payload: shown::payload(payload, wish.at, precision),
            access,
            create: node.is_none().then(|| wish.options.clone()),
            platform_knows: true,
        };
        let mark = format!("{MARK}{} {} {}", self.user, wish.node, wish.item);
        if let Err(error) = core.journal.mark(&mark, self.held.seq) {
            core.failed("journal", error.to_string());
            return on_failure(Policy::Closed);
        }
        let limit = Duration::from_millis(config.module("footprint").timeout_ms);
        let told = match core.caught_up(&self.user, limit) {
            true => put(core, self.row, self.value, &share, &self.held.key, limit),
            false => Told::Ill { executed: false },
        };
        let action = match told {
            Told::Taken => self.publish(&publication, &wish),
            Told::Unknown if matches!(publication.audience, Audience::Group(_)) => {
                refuse("cancel", "item-not-found", "the platform has no such group of yours")
            }
            // Nobody is locked out by a platform that does not know them.
            Told::Unknown => Action::Release { force: true },
            Told::Refused(action) => action,
            Told::Ill { executed } => match config.module("footprint").on_failure {
                Policy::Closed => {
                    if executed {
                        core.gone_later(&self.user, wish.node, late_item(&wish, &publication.id));
                    }
                    on_failure(Policy::Closed)
                }
                Policy::Open => {
                    core.observe_as(&self.row.name, &late(&publication, payload.to_xml_string(), &share));
                    core.row_counts.add(&self.row.name, "late");
                    publication.platform_knows = false;
                    self.publish(&publication, &wish)
                }
            },
        };
        core.unmark(&mark);
        action
    }

    fn publish(&self, publication: &Publication, wish: &Wish) -> Action {
        match publication.carry_out(self.core) {
            Ok(()) if wish.made_id => self.result(&format!(
                "<pubsub xmlns='{PUBSUB}'><publish node='{}'><item id='{}'/></publish></pubsub>",
                wish.node,
                escaped(&wish.item)
            )),
            Ok(()) => self.result(""),
            Err(error) => {
                self.core.gone_later(&self.user, wish.node, late_item(wish, &publication.id));
                self.openfire_failed(&error)
            }
        }
    }

    /// An empty place: nothing is shared any more.
    fn stop(&self) -> Action {
        match self.forget(&[ids::LOCATION.to_owned()]) {
            Ok(()) => Action::Release { force: true },
            Err(action) => action,
        }
    }

    fn retract(&self) -> Action {
        let node = self.value.pointer("/pubsub/retract/node").and_then(Value::as_str).unwrap_or_default();
        let items = footprint::retracted(self.value);
        let ids: Vec<String> = items.iter().map(|item| footprint_of(node, item)).collect();
        // Whom they were for is known only before.
        let known: Vec<_> = ids
            .iter()
            .zip(&items)
            .filter_map(|(id, item)| Some((item, own_feature(self.core, &self.user, id)?)))
            .collect();
        if let Err(action) = self.forget(&ids) {
            return action;
        }
        let payload =
            self.stanza.root().child("pubsub", PUBSUB).map(|p| p.to_xml_string()).unwrap_or_default();
        match pep::ask(self.core, &self.user, "set", &payload) {
            Ok(_) => self.result(""),
            // Not on the node: what the node's readers must not see was told to its people alone.
            Err(error) if error.is_not_there() && !known.is_empty() => {
                if let Err(error) = pep::retract(self.core, &self.user, node, &items) {
                    return self.openfire_failed(&error);
                }
                for (item, feature) in known {
                    let audience = feature.properties.audience.unwrap_or(Audience::Me);
                    publication::tell_people(self.core, &self.user, node, item, &audience, None, None);
                }
                self.result("")
            }
            Err(error) => self.openfire_failed(&error),
        }
    }

    fn withdraw(&self) -> Action {
        let node = ["purge", "delete"].iter().find_map(|what| {
            self.value.pointer(&format!("/pubsub_owner/{what}/node")).and_then(Value::as_str)
        });
        let found = self.caught_up().and_then(|()| mine(self.core, &self.user, self.limit()));
        let ids = match found {
            Ok(ids) => ids.into_iter().filter(|id| belongs(node.unwrap_or_default(), id)).collect::<Vec<_>>(),
            Err(error) => return self.without_platform(&error),
        };
        match self.forget(&ids) {
            Ok(()) => Action::Release { force: true },
            Err(action) => action,
        }
    }

    /// Openfire changes the node first; then what is on it is for the same people at the platform.
    fn configure(&self) -> Action {
        let payload = self.stanza.root().elements().next().map(|p| p.to_xml_string()).unwrap_or_default();
        match pep::ask(self.core, &self.user, "set", &payload) {
            Ok(_) => {
                self.core.observe(self.row, &self.held.bytes);
                self.result("")
            }
            Err(error) => self.openfire_failed(&error),
        }
    }

    /// Removes footprints at the platform; `Err`: what the client gets instead of going on.
    fn forget(&self, ids: &[String]) -> Result<(), Action> {
        let gone = self.caught_up().and_then(|()| {
            ids.iter().try_for_each(|id| delete(self.core, &self.user, id, &self.held.key, self.limit()))
        });
        match gone {
            Ok(()) => Ok(()),
            Err(error) => match self.without_platform(&error) {
                Action::Release { .. } => Ok(()),
                action => Err(action),
            },
        }
    }

    fn caught_up(&self) -> Result<(), PlatformError> {
        match self.core.caught_up(&self.user, self.limit()) {
            true => Ok(()),
            false => Err(PlatformError::Absent("what was reported late has not been told yet".into())),
        }
    }

    /// The platform did not answer to a request that can be made again as it is: `open` tells it later.
    fn without_platform(&self, error: &PlatformError) -> Action {
        self.core.failed("row", format!("{}: {error}", self.row.name));
        if error.platform_is_ill() {
            self.core.breaker.failure(&error.to_string(), error.refused_credential());
        }
        match self.core.config().module("footprint").on_failure {
            Policy::Closed => on_failure(Policy::Closed),
            Policy::Open => {
                self.core.observe(self.row, &self.held.bytes);
                self.core.row_counts.add(&self.row.name, "late");
                Action::Release { force: true }
            }
        }
    }

    fn limit(&self) -> Duration {
        Duration::from_millis(self.core.config().module("footprint").timeout_ms)
    }

    fn openfire_failed(&self, error: &PepError) -> Action {
        if let PepError::Silent(why) = error {
            self.core.failed("row", format!("{}: {why}", self.row.name));
        }
        error.action()
    }

    /// The answer that Openfire would have given.
    fn result(&self, payload: &str) -> Action {
        let to = self.stanza.from().unwrap_or_default();
        let xml = format!(
            "<iq xmlns='jabber:client' type='result' id='{}' from='{}' to='{}'>{payload}</iq>",
            escaped(self.stanza.id().unwrap_or_default()),
            escaped(&self.user),
            escaped(to)
        );
        Action::Replace { xml: xml.into() }
    }
}

fn refuse(kind: &'static str, condition: &str, text: &str) -> Action {
    Action::Refuse { kind: kind.into(), condition: condition.into(), text: text.into() }
}

/// Who may read a node that a publish makes.
fn new_node(core: &Core, wish: &Wish) -> Access {
    access::wanted(&wish.options).unwrap_or_else(|| default_access(core))
}

fn default_access(core: &Core) -> Access {
    match core.config().footprint.audience {
        Audience::All => Access::Open,
        Audience::Me => Access::Whitelist(Vec::new()),
        _ => Access::Presence,
    }
}

/// The footprint that an item of a node is.
fn footprint_of(node: &str, item: &str) -> String {
    match node {
        GEOLOC if ids::is_location(item) => item.to_owned(),
        GEOLOC => ids::LOCATION.to_owned(),
        _ => ids::of_item(item),
    }
}

/// Whether a footprint was shared by a node.
fn belongs(node: &str, id: &str) -> bool {
    ids::is_location(id) == (node == GEOLOC)
}

/// What names a publish's footprint in a request that is told later: of a point of a track its own id.
fn late_item<'a>(wish: &'a Wish, id: &'a str) -> &'a str {
    if wish.node == GEOLOC { id } else { &wish.item }
}

/// A publish as it is told later: with everything that was decided about it.
fn late(publication: &Publication, payload: String, share: &im_api::footprint::Share) -> String {
    let word = |value: Value| value.as_str().unwrap_or_default().to_owned();
    let (audience, group, people) = match &share.audience {
        Audience::Me => ("me", None, &[][..]),
        Audience::Friends => ("friends", None, &[][..]),
        Audience::All => ("all", None, &[][..]),
        Audience::Group(group) => ("group", Some(group), &[][..]),
        Audience::People(people) => ("people", None, &people[..]),
    };
    let group = group.map(|g| format!(" group='{}'", escaped(g))).unwrap_or_default();
    let track = share.track.as_ref().map(|t| format!(" track='{}'", escaped(t))).unwrap_or_default();
    let people: String = people.iter().map(|p| format!("<person jid='{}'/>", escaped(p))).collect();
    let media: String = share.media.iter().map(|m| format!("<media id='{}'/>", escaped(m))).collect();
    let precision = word(serde_json::to_value(share.precision).unwrap_or_default());
    let item = if publication.node == GEOLOC { &publication.id } else { &publication.item };
    let payload = format!(
        "<pubsub xmlns='{PUBSUB}'><publish node='{}'><item id='{}'>{payload}</item></publish>\
         <share xmlns='{NS}' audience='{audience}'{group} precision='{precision}'{track}>{people}{media}</share></pubsub>",
        publication.node,
        escaped(item)
    );
    request(&publication.user, &payload)
}

/// An entry of the journal is told: in mirror mode, and what was decided without the platform. `Err`: it is ill and is told again later.
pub fn told(core: &Core, row: &Row, stanza: &Stanza, key: &str, sent_ms: u64) -> Result<(), PlatformError> {
    let value = mapping::value(stanza, true);
    let user = sender(stanza);
    let limit = Duration::from_millis(core.config().module("footprint").timeout_ms);
    let nodes = ["/pubsub/retract/node", "/pubsub_owner/purge/node", "/pubsub_owner/delete/node"];
    let node = nodes.iter().find_map(|at| value.pointer(at)).and_then(Value::as_str).unwrap_or_default();
    match row.name.as_str() {
        "footprint.share" | "footprint.location" => {
            told_share(core, row, stanza, &value, key, sent_ms, limit)?
        }
        "footprint.retract" => footprint::retracted(&value)
            .iter()
            .try_for_each(|item| delete(core, &user, &footprint_of(node, item), key, limit))?,
        "footprint.purge" | "footprint.delete" => mine(core, &user, limit)?
            .iter()
            .filter(|id| belongs(node, id))
            .try_for_each(|id| delete(core, &user, id, key, limit))?,
        _ => publication::follow_access(core, row, &value, &user, key, limit)?,
    }
    core.row_counts.add(&row.name, "told");
    core.breaker.success();
    Ok(())
}

fn told_share(
    core: &Core,
    row: &Row,
    stanza: &Stanza,
    value: &Value,
    key: &str,
    sent_ms: u64,
    limit: Duration,
) -> Result<(), PlatformError> {
    let config = core.config();
    let wish = match Wish::read(value, key, &config.footprint) {
        Ok(wish) => wish,
        Err(why) => {
            core.row_counts.add(&row.name, "refused");
            core.failed("row", format!("{}: {why}", row.name));
            return Ok(());
        }
    };
    if wish.stops {
        return delete(core, &wish.user, ids::LOCATION, key, limit);
    }
    let audience = match &wish.audience {
        Some(audience) => audience.clone(),
        // What cannot be found out is for nobody else.
        None => pep::node(core, &wish.user, wish.node)
            .map(|node| node.unwrap_or_else(|| new_node(core, &wish)).audience())
            .ok()
            .flatten()
            .unwrap_or(Audience::Me),
    };
    let precision = wish.precision.unwrap_or(config.footprint.precision);
    let late = stanza.id() == Some("cb");
    let mut share =
        wish.share(wish.id(key), audience, precision, &timestamp(sent_ms), (!late).then_some(value));
    if config.module("footprint").mode == ModuleMode::Mirror && !config.mirror_bodies {
        (share.text, share.stanza) = (None, None);
    }
    match put(core, row, value, &share, key, limit) {
        Told::Taken | Told::Unknown => Ok(()),
        Told::Refused(_) => {
            core.row_counts.add(&row.name, "refused");
            core.failed("row", format!("{}: the platform will not have it", row.name));
            Ok(())
        }
        Told::Ill { .. } => Err(PlatformError::Absent("the platform did not take a footprint".into())),
    }
}
