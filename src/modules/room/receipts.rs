//! Receipts become counts: collected for a moment, told in one request per room, and what changed goes to each speaker in one message.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use im_api::room::{Feedback, Receipt, ReceiptKind};

use super::OWN;

/// How long receipts are collected before they are told.
const COLLECT: Duration = Duration::from_millis(250);
/// Receipts in one request, and how many are kept while the platform cannot be asked.
const BATCH: usize = 1_000;
const KEPT: usize = 20_000;
/// Messages of a room whose receipts can still be recognised.
const RECENT: usize = 1_000;

/// A message whose receipts are recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its key.
    pub key: String,
    /// Its `id`, by which clients name it.
    pub id: String,
    /// The platform's id of it.
    pub stanza_id: String,
    /// Full JID of its speaker.
    pub from: String,
}

#[derive(Debug, Default)]
struct Room {
    known: VecDeque<Known>,
    waiting: Vec<Receipt>,
    since: Option<Instant>,
}

/// What is to be told of one room.
#[derive(Debug)]
pub struct Collected {
    /// The room.
    pub room: String,
    /// At most as many as fit into one request.
    pub items: Vec<Receipt>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Receipts {
    rooms: HashMap<String, Room>,
}

impl Receipts {
    /// From now on receipts for this message are recognised.
    pub fn know(&mut self, room: &str, known: Known) {
        if known.id.is_empty() {
            return;
        }
        let room = self.rooms.entry(room.to_owned()).or_default();
        room.known.retain(|k| k.key != known.key);
        room.known.push_back(known);
        if room.known.len() > RECENT {
            room.known.pop_front();
        }
    }

    /// Somebody reports a message of this id. False when nobody knows it.
    pub fn add(&mut self, room: &str, id: &str, user: &str, read: bool, now: Instant) -> bool {
        let Some(room) = self.rooms.get_mut(room) else { return false };
        let found = room.known.iter().rev().find(|k| k.id == id || k.stanza_id == id);
        let Some(key) = found.map(|k| k.key.clone()) else { return false };
        if room.waiting.len() >= KEPT {
            return false;
        }
        let kind = if read { ReceiptKind::Read } else { ReceiptKind::Delivered };
        room.waiting.push(Receipt { key, user: user.to_owned(), kind });
        room.since.get_or_insert(now);
        true
    }

    /// What has been collected long enough, or is enough for a request.
    pub fn due(&mut self, now: Instant) -> Vec<Collected> {
        let due =
            |room: &Room| room.since.is_some_and(|at| now >= at + COLLECT || room.waiting.len() >= BATCH);
        self.rooms
            .iter_mut()
            .filter(|(_, room)| due(room))
            .map(|(name, room)| {
                let items: Vec<_> = room.waiting.drain(..room.waiting.len().min(BATCH)).collect();
                room.since = (!room.waiting.is_empty()).then_some(now);
                Collected { room: name.clone(), items }
            })
            .collect()
    }

    /// They could not be told: they come before what came since.
    pub fn give_back(&mut self, collected: Collected, now: Instant) {
        let room = self.rooms.entry(collected.room).or_default();
        room.waiting.splice(0..0, collected.items);
        room.since = Some(now);
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.rooms.values().map(|r| r.waiting.len()).sum()
    }

    /// The messages for speakers: full JID and XML, one each, with all counts that changed.
    #[must_use]
    pub fn messages(&self, room: &str, feedback: &[Feedback]) -> Vec<(String, String)> {
        let mut speakers: Vec<(String, String)> = Vec::new();
        let escape = |text: &str| quick_xml::escape::escape(text).into_owned();
        for one in feedback {
            let known = self.rooms.get(room).and_then(|r| r.known.iter().find(|k| k.key == one.key));
            let Some(known) = known else { continue };
            let counts = format!(
                "<feedback xmlns=\"{OWN}\" id=\"{}\" delivered=\"{}\" read=\"{}\"/>",
                escape(&known.id),
                one.delivered,
                one.read
            );
            match speakers.iter_mut().find(|(from, _)| *from == known.from) {
                Some((_, all)) => all.push_str(&counts),
                None => speakers.push((known.from.clone(), counts)),
            }
        }
        let message = |(to, counts): (String, String)| {
            let xml = format!(
                "<message xmlns=\"jabber:client\" from=\"{}\" to=\"{}\" type=\"headline\">{counts}<no-store xmlns=\"urn:xmpp:hints\"/></message>",
                escape(room),
                escape(&to)
            );
            (to, xml)
        };
        speakers.into_iter().map(message).collect()
    }

    /// The room is gone.
    pub fn forget(&mut self, room: &str) {
        self.rooms.remove(room);
    }
}
