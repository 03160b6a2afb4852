//! Who is in a room, and what follows from it for members: the room's counters, and the ranges of the timeline that a member misses. A range opens when
//! the member leaves and closes when it comes, so a message writes nothing per member.

use im_api::room::Affiliation;
use rusqlite::{OptionalExtension, Row, params};

use crate::store::Result;
use crate::store::room::Occupancy;
use crate::store::sqlite::writer::Tx;

pub fn is_member(tx: Tx<'_>, room: i64, user: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM room_members WHERE room = ?1 AND user = ?2";
    Ok(tx.conn.prepare_cached(sql)?.exists(params![room, user])?)
}

pub fn is_present(tx: Tx<'_>, room: i64, user: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM occupants WHERE room = ?1 AND user = ?2 AND open = 1";
    Ok(tx.conn.prepare_cached(sql)?.exists(params![room, user])?)
}

/// Writes one join or leave unless a later one is known, and what follows from it for a member.
pub fn occupy(tx: Tx<'_>, node: &str, seq: i64, room: i64, who: &Occupancy, open: bool) -> Result<()> {
    let user = who.user.as_str();
    let sql = "SELECT seq, open FROM occupants WHERE room = ?1 AND user = ?2 AND resource = ?3 AND node = ?4";
    let read = |r: &Row<'_>| Ok((r.get::<_, i64>(0)?, r.get::<_, bool>(1)?));
    let before =
        tx.conn.prepare_cached(sql)?.query_row(params![room, user, who.resource, node], read).optional()?;
    if before.is_some_and(|(known, _)| known > seq) {
        return Ok(());
    }
    let was_present = is_present(tx, room, user)?;
    let sql = "INSERT OR REPLACE INTO occupants (room, user, resource, node, seq, nick, open, changed_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    tx.conn.prepare_cached(sql)?.execute(params![
        room,
        user,
        who.resource,
        node,
        seq,
        who.nick,
        open,
        tx.now
    ])?;
    let more = i64::from(open) - i64::from(before.is_some_and(|(_, was)| was));
    came_or_went(tx, room, user, was_present, more)
}

/// The room's counters and the member's ranges after `more` occupants of this user.
fn came_or_went(tx: Tx<'_>, room: i64, user: &str, was_present: bool, more: i64) -> Result<()> {
    let present = is_present(tx, room, user)?;
    let member = was_present != present && is_member(tx, room, user)?;
    let members = if member { i64::from(present) - i64::from(was_present) } else { 0 };
    let sql = "UPDATE rooms SET occupants = occupants + ?2, present = present + ?3 WHERE id = ?1";
    tx.conn.prepare_cached(sql)?.execute([room, more, members])?;
    if member { if present { arrived(tx, room, user) } else { left(tx, room, user) } } else { Ok(()) }
}

fn left(tx: Tx<'_>, room: i64, user: &str) -> Result<()> {
    let sql = "INSERT OR IGNORE INTO room_missed (room, user, from_seq) SELECT id, ?2, next_seq FROM rooms WHERE id = ?1";
    tx.conn.prepare_cached(sql)?.execute(params![room, user])?;
    Ok(())
}

fn arrived(tx: Tx<'_>, room: i64, user: &str) -> Result<()> {
    let sql = "UPDATE room_missed SET to_seq = (SELECT next_seq - 1 FROM rooms WHERE id = ?1)
        WHERE room = ?1 AND user = ?2 AND to_seq IS NULL";
    tx.conn.prepare_cached(sql)?.execute(params![room, user])?;
    let sql = "DELETE FROM room_missed WHERE room = ?1 AND user = ?2 AND to_seq < from_seq";
    tx.conn.prepare_cached(sql)?.execute(params![room, user])?;
    Ok(())
}

/// Sets or takes an affiliation; true when that changed anything.
pub fn affiliate(tx: Tx<'_>, room: i64, user: &str, affiliation: Option<Affiliation>) -> Result<bool> {
    let sql = "SELECT affiliation FROM room_members WHERE room = ?1 AND user = ?2";
    let before: Option<String> =
        tx.conn.prepare_cached(sql)?.query_row(params![room, user], |r| r.get(0)).optional()?;
    if before.as_deref() == affiliation.map(write_affiliation) {
        return Ok(false);
    }
    let (was, present) = (before.is_some(), is_present(tx, room, user)?);
    match affiliation {
        Some(affiliation) => {
            let sql = "INSERT OR REPLACE INTO room_members (room, user, affiliation) VALUES (?1, ?2, ?3)";
            tx.conn.prepare_cached(sql)?.execute(params![room, user, write_affiliation(affiliation)])?;
            if !was && !present {
                left(tx, room, user)?;
            }
        }
        None => {
            let sql = "DELETE FROM room_members WHERE room = ?1 AND user = ?2";
            tx.conn.prepare_cached(sql)?.execute(params![room, user])?;
            let sql = "DELETE FROM room_missed WHERE room = ?1 AND user = ?2";
            tx.conn.prepare_cached(sql)?.execute(params![room, user])?;
        }
    }
    let more = i64::from(affiliation.is_some()) - i64::from(was);
    let sql = "UPDATE rooms SET members = members + ?2, present = present + ?3 WHERE id = ?1";
    tx.conn.prepare_cached(sql)?.execute([room, more, if present { more } else { 0 }])?;
    super::group::group_follows(tx, room, user, affiliation)?;
    Ok(true)
}

/// The occupants of a node whose epoch has ended are gone.
pub fn node_gone(tx: Tx<'_>, node: &str) -> Result<()> {
    let mut sql =
        tx.conn.prepare_cached("SELECT room, user, resource FROM occupants WHERE node = ?1 AND open = 1")?;
    let read = |r: &Row<'_>| Ok((r.get::<_, i64>(0)?, r.get::<_, String>(1)?, r.get::<_, String>(2)?));
    let gone = sql.query_map([node], read)?.collect::<rusqlite::Result<Vec<_>>>()?;
    for (room, user, resource) in gone {
        vacate(tx, room, &user, &resource, node)?;
    }
    tx.conn.prepare_cached("DELETE FROM occupants WHERE node = ?1")?.execute([node])?;
    Ok(())
}

/// A session that has ended is in no room any more.
pub fn session_gone(tx: Tx<'_>, node: &str, user: &str, resource: &str) -> Result<()> {
    let sql = "SELECT room FROM occupants WHERE user = ?1 AND resource = ?2 AND node = ?3 AND open = 1";
    let mut sql = tx.conn.prepare_cached(sql)?;
    let rooms =
        sql.query_map([user, resource, node], |r| r.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?;
    for room in rooms {
        vacate(tx, room, user, resource, node)?;
    }
    Ok(())
}

fn vacate(tx: Tx<'_>, room: i64, user: &str, resource: &str, node: &str) -> Result<()> {
    let sql = "UPDATE occupants SET open = 0, nick = '', changed_at = ?5
        WHERE room = ?1 AND user = ?2 AND resource = ?3 AND node = ?4 AND open = 1";
    tx.conn.prepare_cached(sql)?.execute(params![room, user, resource, node, tx.now])?;
    came_or_went(tx, room, user, true, -1)
}

/// Takes an erased user out of all rooms; gives how many memberships there were.
pub fn forget_user(tx: Tx<'_>, user: &str) -> Result<u64> {
    let mut sql = tx.conn.prepare_cached("SELECT room FROM room_members WHERE user = ?1")?;
    let rooms = sql.query_map([user], |r| r.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?;
    for room in &rooms {
        affiliate(tx, *room, user, None)?;
    }
    let sql = "UPDATE rooms SET occupants = occupants -
            (SELECT count(*) FROM occupants o WHERE o.room = rooms.id AND o.user = ?1 AND o.open = 1)
        WHERE id IN (SELECT room FROM occupants WHERE user = ?1)";
    tx.conn.prepare_cached(sql)?.execute([user])?;
    tx.conn.prepare_cached("DELETE FROM occupants WHERE user = ?1")?.execute([user])?;
    Ok(u64::try_from(rooms.len()).unwrap_or(0))
}

fn write_affiliation(affiliation: Affiliation) -> &'static str {
    match affiliation {
        Affiliation::Owner => "owner",
        Affiliation::Admin => "admin",
        Affiliation::Member => "member",
    }
}
