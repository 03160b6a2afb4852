//! Rooms (paper: "chat room"): who is in which room, what of that the platform has been told, what a message to a room is, what is handed over.
//!
//! The lanes of rooms hold joins, leaves and messages in one order, so what the platform had been told when it judged a message is known; whom
//! the room reached in the end is told by the shim. The difference of the two is all that has to be put right afterwards.
//!
//! Sources: XEP-0045, XEP-0184, XEP-0333, XEP-0359, XEP-0203. This is a data structure and functions: no I/O, no threads.

mod receipts;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use im_api::room::{Occupant, RoomItem, RoomMessage};
use serde_json::value::RawValue;

use crate::mapping::explain::Note;
use crate::modules::chat;
use crate::stanza::{Element, Stanza, jid, json};

pub use self::receipts::{Collected, Known, Receipts};

/// What the rows that are carried out by code say for `batch`.
pub const SAY: &str = "room.say";
/// See [`SAY`].
pub const OCCUPANTS: &str = "room.occupants";
/// See [`SAY`].
pub const RECEIPTS: &str = "room.receipts";
/// Our own namespace: whom a message reached (shim to host), and feedback (docs/rooms.md).
pub const OWN: &str = "urn:cloudbridge:room:0";

const CHAT_STATES: &str = "http://jabber.org/protocol/chatstates";
const REAL_TIME_TEXT: &str = "urn:xmpp:rtt:0";
const HINTS: &str = "urn:xmpp:hints";
const XEP_0184: &str = "urn:xmpp:receipts";
const MARKERS: &str = "urn:xmpp:chat-markers:0";
const CLIENT: &str = "jabber:client";

/// One reading of one session in one room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Taken before it was read; grows.
    pub seq: u64,
    /// The room.
    pub room: String,
    /// Full JID.
    pub jid: String,
    /// Nickname.
    pub nick: String,
    /// Affiliated as member or higher.
    pub member: bool,
    /// Whether it is in the room.
    pub open: bool,
}

/// Full JIDs that the platform was told to be in a room.
pub type Told = Arc<BTreeSet<String>>;

/// A message that is held, as far as it is not in the stanza.
#[derive(Debug, Clone, Default)]
pub struct Said {
    /// Under which name it is said.
    pub nick: String,
    /// Who was told to be there when the platform was asked; None: it was not asked since the start.
    pub told: Option<Told>,
}

/// All occupants of this node.
#[derive(Debug, Default)]
pub struct Rooms {
    here: HashMap<String, HashMap<String, Reading>>,
    told: HashMap<String, Told>,
    /// Highest number that the last snapshot contains.
    floor: u64,
    last: u64,
    complete: bool,
    /// Held messages, by their sequence in the journal.
    pub said: HashMap<u64, Said>,
    /// Members in a room who may be owed something since the platform could not be asked when they joined.
    owed: HashSet<(String, String)>,
}

impl Rooms {
    /// One session has joined, left, or is called otherwise. False when something newer is known of it.
    pub fn apply(&mut self, reading: &Reading) -> bool {
        self.last = self.last.max(reading.seq);
        let room = self.here.entry(reading.room.clone()).or_default();
        if room.get(&reading.jid).is_some_and(|known| known.seq >= reading.seq) {
            return false;
        }
        if !reading.open {
            self.owed.remove(&(reading.room.clone(), reading.jid.clone()));
        }
        room.insert(reading.jid.clone(), reading.clone());
        true
    }

    /// The shim has listed everybody: who is not listed and not known from something later is in no room.
    pub fn replace(&mut self, seq: u64, all: Vec<Reading>) {
        let listed: HashSet<(&str, &str)> = all.iter().map(|r| (r.room.as_str(), r.jid.as_str())).collect();
        for (room, occupants) in &mut self.here {
            occupants.retain(|jid, known| known.seq > seq || listed.contains(&(room.as_str(), jid.as_str())));
        }
        for reading in &all {
            self.apply(reading);
        }
        self.here.retain(|_, occupants| !occupants.is_empty());
        self.last = self.last.max(seq);
        self.complete = true;
    }

    /// Forgets everything but what is held: nobody has told us for a while.
    pub fn reset(&mut self) {
        let said = std::mem::take(&mut self.said);
        *self = Rooms { said, ..Rooms::default() };
    }

    /// Whether a snapshot can be made.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.complete
    }

    /// Everybody who is in a room, for the platform, with the highest number in it. From now on that is what it was told.
    pub fn snapshot(&mut self) -> (u64, Vec<Occupant>) {
        let open = self.here.values().flat_map(|r| r.values()).filter(|r| r.open);
        let mut all = Vec::new();
        let mut told: HashMap<String, BTreeSet<String>> = HashMap::new();
        for reading in open {
            let Some((user, resource)) = user_and_resource(&reading.jid) else { continue };
            let (room, nick) = (reading.room.clone(), reading.nick.clone());
            told.entry(room.clone()).or_default().insert(reading.jid.clone());
            all.push(Occupant { room, user, resource, nick });
        }
        self.told = told.into_iter().map(|(room, who)| (room, Arc::new(who))).collect();
        self.floor = self.last;
        (self.last, all)
    }

    /// The platform has been told of a join or leave.
    pub fn tell(&mut self, reading: &Reading) {
        if reading.seq <= self.floor {
            return;
        }
        let told = Arc::make_mut(self.told.entry(reading.room.clone()).or_default());
        match reading.open {
            true => told.insert(reading.jid.clone()),
            false => told.remove(&reading.jid),
        };
    }

    /// Who has been told to be in a room.
    #[must_use]
    pub fn told(&self, room: &str) -> Told {
        self.told.get(room).cloned().unwrap_or_default()
    }

    /// The nickname of a session; None when it is not in the room.
    #[must_use]
    pub fn nick(&self, room: &str, jid: &str) -> Option<&str> {
        self.here.get(room)?.get(jid).filter(|r| r.open).map(|r| r.nick.as_str())
    }

    /// Occupants on this node, and rooms that have any.
    #[must_use]
    pub fn count(&self) -> (usize, usize) {
        let of = |room: &HashMap<String, Reading>| room.values().filter(|r| r.open).count();
        let rooms = self.here.values().map(of).filter(|n| *n > 0);
        (rooms.clone().sum(), rooms.count())
    }

    /// A member has joined while the platform could not be asked.
    pub fn owe(&mut self, reading: &Reading) {
        self.owed.insert((reading.room.clone(), reading.jid.clone()));
    }

    /// Those, once the platform can be asked.
    pub fn owed(&mut self) -> Vec<Reading> {
        let owed = std::mem::take(&mut self.owed);
        owed.iter()
            .filter_map(|(room, jid)| self.here.get(room)?.get(jid).filter(|r| r.open).cloned())
            .collect()
    }

    /// The room is gone.
    pub fn forget(&mut self, room: &str) {
        self.here.remove(room);
        self.told.remove(room);
        self.owed.retain(|(of, _)| of != room);
    }
}

fn user_and_resource(full: &str) -> Option<(String, String)> {
    let (_, resource) = full.split_once('/')?;
    Some((jid::bare_with_local(full)?.into_owned(), resource.to_owned()))
}

/// What a group chat message is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The room, which is its lane.
    pub room: String,
    /// The speaker's full JID, as Openfire writes it.
    pub from: String,
    /// What.
    pub kind: Kind,
    /// What it reports of other messages.
    pub receipts: Vec<(String, bool)>,
}

/// See [`Claim`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The platform puts it on the timeline.
    Message,
    /// It only keeps its place (a subject, a chat state, a marker).
    Passing,
    /// A receipt to one occupant, which the room would not take.
    ReceiptOnly,
}

/// Whether and how a group chat message is claimed. None: not ours, or it carries a room's password.
#[must_use]
pub fn claim(stanza: &Stanza) -> Option<Claim> {
    if stanza.type_() != Some("groupchat") || chat::holds_secret(stanza) {
        return None;
    }
    let (from, to) = (stanza.from()?, stanza.to()?);
    jid::bare_with_local(from)?;
    let room = jid::bare_with_local(to)?.into_owned();
    let root = stanza.root();
    let receipts = receipts_of(stanza);
    let hint = |name: &str| root.elements().any(|e| e.is(name, HINTS));
    let content = root.elements().any(|e| !idle(&e));
    let kind = match (to.contains('/'), content && !hint("no-store")) {
        (true, _) if receipts.is_empty() || root.child("body", CLIENT).is_some() => return None,
        (true, _) => Kind::ReceiptOnly,
        (false, true) => Kind::Message,
        (false, false) => Kind::Passing,
    };
    Some(Claim { room, from: from.to_owned(), kind, receipts })
}

/// What the row does not say about a message of its own.
#[must_use]
pub fn note(stanza: &Stanza) -> Note {
    match claim(stanza).map(|claim| claim.kind) {
        None => Note::Left("it carries a room's password, or is no message that a room would take.".into()),
        Some(Kind::Message) => Note::More(
            "In decide mode it is held only if its sender is in that room, on this server, and may speak there; otherwise the room answers as ever.".into(),
        ),
        Some(_) => Note::Unasked(
            "it holds nothing that somebody who is away would miss, so nobody is asked; it only keeps its place behind messages that are held.".into(),
        ),
    }
}

/// Nothing that somebody who was away would miss. A subject stands in the room itself.
fn idle(element: &Element<'_>) -> bool {
    [CHAT_STATES, HINTS, REAL_TIME_TEXT].contains(&element.ns())
        || element.is("thread", CLIENT)
        || element.is("subject", CLIENT)
        || element.is("received", XEP_0184)
        || (element.ns() == MARKERS && element.name() != "markable")
        || element.ns() == "urn:xmpp:sid:0"
}

/// Ids of messages that a message reports as delivered (false) or read (true).
#[must_use]
pub fn receipts_of(stanza: &Stanza) -> Vec<(String, bool)> {
    let of = |e: Element<'_>| {
        let read = match (e.ns(), e.name()) {
            (XEP_0184 | MARKERS, "received") => false,
            (MARKERS, "displayed" | "acknowledged") => true,
            _ => return None,
        };
        Some((e.attr("id")?.to_owned(), read))
    };
    stanza.root().elements().filter_map(of).collect()
}

/// The message as the platform takes it.
#[must_use]
pub fn item(stanza: &Stanza, key: &str, nick: &str, sent_ms: u64) -> Option<RoomItem> {
    let mut text = Vec::new();
    json::encode(stanza, json::Options::default(), &mut text);
    Some(RoomItem {
        key: key.to_owned(),
        from: jid::bare_with_local(stanza.from()?)?.into_owned(),
        nick: nick.to_owned(),
        sent_at: chat::timestamp(sent_ms),
        stanza: RawValue::from_string(String::from_utf8(text).ok()?).ok()?,
    })
}

/// Bare JIDs, once each.
#[must_use]
pub fn users<'a>(jids: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    jids.filter_map(|full| jid::bare_with_local(full).map(|bare| bare.into_owned())).collect()
}

/// Where the platform's judgement was not what happened: whom the message reached and whom it did not, against what was told. The speaker is
/// neither.
#[must_use]
pub fn difference(told: &Told, reached: &BTreeSet<String>, speaker: &str) -> (Vec<String>, Vec<String>) {
    let told = users(told.iter().map(String::as_str));
    let but = |set: &BTreeSet<String>, other: &BTreeSet<String>| {
        set.difference(other).filter(|user| *user != speaker).cloned().collect::<Vec<_>>()
    };
    (but(reached, &told), but(&told, reached))
}

/// A missed message as it is handed to a session: from its speaker in the room, with the time it was said at and the platform's id of it.
///
/// # Errors
/// When it is no stanza JSON.
pub fn missed(message: &RoomMessage, room: &str, to: &str, domain: &str) -> Result<String, String> {
    let mut stanza = json::decode(message.stanza.get().as_bytes(), json::Mode::Strict)
        .map_err(|e| format!("a room message of the platform is no stanza JSON: {e}"))?;
    stanza.set_attr("from", Some(&format!("{room}/{}", message.nick)));
    stanza.set_attr("to", Some(to));
    stanza.set_attr("type", Some("groupchat"));
    let escape = |text: &str| quick_xml::escape::escape(text).into_owned();
    let id = format!(
        "<stanza-id xmlns=\"urn:xmpp:sid:0\" by=\"{}\" id=\"{}\"/>",
        escape(domain),
        escape(&message.stanza_id)
    );
    // Cannot fail: the element is well-formed by construction.
    let _ = stanza.append(&id);
    Ok(chat::with_delay(stanza, room, &message.sent_at))
}

/// The stanza without what the shim has put in, and that: the nickname and full JIDs that the message reached.
#[must_use]
pub fn reached(stanza: &Stanza) -> Option<(Stanza, String, BTreeSet<String>)> {
    let root = stanza.root();
    let ours = root.child("reached", OWN)?;
    let nick = ours.attr("nick").unwrap_or_default().to_owned();
    let jids: Vec<String> = ours.elements().filter_map(|e| e.attr("jid").map(str::to_owned)).collect();
    let xml = stanza.to_xml_string();
    // It is the last child, as the shim writes it.
    let (before, _) = xml.rsplit_once("<reached ")?;
    let whole = format!("{before}</message>");
    let clean = Stanza::parse(whole.as_bytes(), &crate::stanza::Limits::default()).ok()?;
    Some((clean, nick, users(jids.iter().map(String::as_str))))
}
