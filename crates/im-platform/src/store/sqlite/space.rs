//! How much each interface keeps, against its limit. The counters are kept by triggers (migration 5), so that nothing that is written or removed,
//! by whomever, is forgotten; a check is one look at one row.
//!
//! At its limit an interface refuses what is new with [`StoreError::Limit`], which names it. Two give way instead: the history of messages, whose
//! oldest entries were handed over long ago, and the downlink, whose readers are told (`CursorGone`). What is pending never gives way.

use rusqlite::params;

use super::Settings;
use super::writer::Tx;
use crate::store::{Result, StoreError};

/// An interface that keeps something that grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interface {
    /// One-to-one messages, pending and history.
    Messages,
    /// Timelines of rooms.
    Rooms,
    /// Mirror events.
    Events,
    /// Footprints.
    Footprints,
    /// Media, as files.
    Media,
    /// Announcements.
    Downlink,
}

/// Bytes that each interface may keep; 0 is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Space {
    /// One-to-one messages.
    pub messages: u64,
    /// Timelines of rooms.
    pub rooms: u64,
    /// Mirror events.
    pub events: u64,
    /// Footprints.
    pub footprints: u64,
    /// Media.
    pub media: u64,
    /// Announcements.
    pub downlink: u64,
}

/// Interface, its row in `space`, what a refusal says, the gauges of its bytes and items.
pub const INTERFACES: [(Interface, &str, &str, &str, &str); 6] = [
    (
        Interface::Messages,
        "messages",
        "the space of messages is used up (setting limits.message_megabytes)",
        "messages_bytes",
        "messages_items",
    ),
    (
        Interface::Rooms,
        "rooms",
        "the space of rooms is used up (setting limits.room_megabytes)",
        "rooms_bytes",
        "rooms_items",
    ),
    (
        Interface::Events,
        "events",
        "the space of events is used up (setting limits.event_megabytes)",
        "events_bytes",
        "events_items",
    ),
    (
        Interface::Footprints,
        "footprints",
        "the space of footprints is used up (setting limits.footprint_megabytes)",
        "footprints_bytes",
        "footprints_items",
    ),
    (
        Interface::Media,
        "media",
        "the space of media is used up (setting limits.media_megabytes)",
        "media_bytes",
        "media_items",
    ),
    (
        Interface::Downlink,
        "downlink",
        "the space of the downlink is used up (setting limits.downlink_megabytes)",
        "downlink_bytes",
        "downlink_items",
    ),
];

impl Space {
    /// The limit of one.
    #[must_use]
    pub fn of(&self, interface: Interface) -> u64 {
        match interface {
            Interface::Messages => self.messages,
            Interface::Rooms => self.rooms,
            Interface::Events => self.events,
            Interface::Footprints => self.footprints,
            Interface::Media => self.media,
            Interface::Downlink => self.downlink,
        }
    }
}

/// Bytes and items that an interface keeps now.
pub fn used(tx: Tx<'_>, interface: Interface) -> Result<(u64, u64)> {
    let row = INTERFACES.iter().find(|(of, ..)| *of == interface).map_or("", |(_, row, ..)| *row);
    let sql = "SELECT bytes, items FROM space WHERE interface = ?1";
    let read = |r: &rusqlite::Row<'_>| Ok((r.get::<_, i64>(0)?, r.get::<_, i64>(1)?));
    let (bytes, items) = tx.conn.prepare_cached(sql)?.query_row([row], read)?;
    Ok((u64::try_from(bytes).unwrap_or(0), u64::try_from(items).unwrap_or(0)))
}

/// Whether so many more bytes fit.
pub fn fits(tx: Tx<'_>, limits: Space, interface: Interface, more: usize) -> Result<bool> {
    let limit = limits.of(interface);
    if limit == 0 {
        return Ok(true);
    }
    let more = u64::try_from(more).unwrap_or(u64::MAX);
    Ok(used(tx, interface)?.0.saturating_add(more) <= limit)
}

/// Refuses what does not fit.
pub fn require(tx: Tx<'_>, limits: Space, interface: Interface, more: usize) -> Result<()> {
    if fits(tx, limits, interface, more)? {
        return Ok(());
    }
    let said = INTERFACES.iter().find(|(of, ..)| *of == interface).map_or("", |(_, _, said, ..)| *said);
    Err(StoreError::Limit(said))
}

/// Messages of the history that make room for one new message, at most.
const GIVE_WAY: usize = 64;

/// Makes room for a message: the oldest of the history lose their text, and stay as answers under their keys. False: what is pending fills it all.
pub fn make_room(tx: Tx<'_>, limits: Space, more: usize) -> Result<bool> {
    for _ in 0..GIVE_WAY {
        if fits(tx, limits, Interface::Messages, more)? {
            return Ok(true);
        }
        // The index is named: another one would do, and look at all that have no text.
        let sql = "UPDATE messages SET from_jid = '', to_jid = '', from_user = NULL, to_user = NULL, stanza = NULL
            WHERE id = (SELECT id FROM messages INDEXED BY messages_history WHERE seq IS NULL AND stanza IS NOT NULL ORDER BY decided_at LIMIT 1)";
        if tx.conn.prepare_cached(sql)?.execute([])? == 0 {
            return Ok(false);
        }
    }
    fits(tx, limits, Interface::Messages, more)
}

/// One round of cutting the downlink from its beginning to what it may keep; true when there may be more.
pub fn cut_downlink(tx: Tx<'_>, settings: &Settings, piece: i64) -> Result<bool> {
    let limit = settings.limits.downlink;
    let (mut used, _) = used(tx, Interface::Downlink)?;
    if limit == 0 || used <= limit {
        return Ok(false);
    }
    let sql = "SELECT seq, octet_length(data) FROM downlink ORDER BY seq LIMIT ?1";
    let mut sql = tx.conn.prepare_cached(sql)?;
    let read = |r: &rusqlite::Row<'_>| Ok((r.get::<_, i64>(0)?, r.get::<_, i64>(1)?));
    let oldest = sql.query_map([piece], read)?.collect::<rusqlite::Result<Vec<_>>>()?;
    let mut cut = None;
    for (seq, bytes) in oldest {
        if used <= limit {
            break;
        }
        used = used.saturating_sub(u64::try_from(bytes).unwrap_or(0));
        cut = Some(seq);
    }
    let Some(cut) = cut else { return Ok(false) };
    forget_downlink(tx, cut)?;
    Ok(true)
}

/// Removes announcements up to this one, and remembers how far.
pub fn forget_downlink(tx: Tx<'_>, upto: i64) -> Result<()> {
    tx.conn.prepare_cached("DELETE FROM downlink WHERE seq <= ?1")?.execute(params![upto])?;
    tx.conn.prepare_cached("UPDATE downlink_floor SET seq = max(seq, ?1)")?.execute(params![upto])?;
    Ok(())
}
