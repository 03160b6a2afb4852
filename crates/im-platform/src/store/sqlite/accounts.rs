//! Accounts in SQLite.

use async_trait::async_trait;
use im_api::secret::Secret;
use im_api::user::{Erased, Mechanism, SessionEnd, User, Users as Page, Verifier};
use rusqlite::{OptionalExtension, Row, params};
use serde_json::json;

use super::downlink::announce;
use super::once::once;
use super::writer::Tx;
use super::{Sqlite, erase, users};
use crate::clock;
use crate::jid::UserId;
use crate::store::user::{ATTEMPTS_FORGOTTEN, Login, NewUser, Search, Users, lock_after};
use crate::store::{Cause, Result, StoreError};

#[async_trait]
impl Users for Sqlite {
    async fn create_user(&self, new: NewUser, cause: Cause) -> Result<User> {
        self.write(move |tx| once(tx, &cause, new.user.as_str(), || create(tx, &new, &cause))).await
    }

    async fn user(&self, user: &UserId) -> Result<User> {
        let user = user.clone();
        self.read(move |tx| read(tx, &user)).await
    }

    async fn search(&self, search: Search) -> Result<Page> {
        self.read(move |tx| find(tx, &search)).await
    }

    async fn set_verifiers(&self, user: &UserId, verifiers: Vec<Verifier>, cause: Cause) -> Result<()> {
        let user = user.clone();
        self.write(move |tx| {
            let row = users::known(tx, &user)?;
            write_verifiers(tx, row.id, &verifiers)?;
            tx.conn.prepare_cached("DELETE FROM attempts WHERE user = ?1")?.execute([row.id])?;
            announce(tx, &cause, "im.user.password", user.as_str(), &json!({})).map(|_| ())
        })
        .await
    }

    async fn begin_login(&self, user: &UserId) -> Result<Login> {
        let user = user.clone();
        self.write(move |tx| {
            let Some(row) = users::find(tx, &user)? else { return Ok(Login::Unknown) };
            let verifiers = verifiers(tx, row.id)?;
            if verifiers.is_empty() {
                return Ok(Login::Unknown);
            }
            let sql = "SELECT failures, last_at, locked_until FROM attempts WHERE user = ?1";
            let read = |r: &Row<'_>| Ok((r.get::<_, i64>(0)?, r.get::<_, i64>(1)?, r.get::<_, i64>(2)?));
            let before = tx.conn.prepare_cached(sql)?.query_row([row.id], read).optional()?;
            let (failures, last_at, locked_until) = before.unwrap_or((0, 0, 0));
            if locked_until > tx.now {
                return Ok(Login::Locked(locked_until - tx.now));
            }
            let forgotten = tx.now - last_at >= ATTEMPTS_FORGOTTEN;
            let failures = if forgotten { 1 } else { failures + 1 };
            let sql = "INSERT OR REPLACE INTO attempts (user, failures, last_at, locked_until) VALUES (?1, ?2, ?3, ?4)";
            tx.conn
                .prepare_cached(sql)?
                .execute(params![row.id, failures, tx.now, tx.now + lock_after(failures)])?;
            Ok(Login::Verifiers(verifiers))
        })
        .await
    }

    async fn login_succeeded(&self, user: &UserId) -> Result<()> {
        let user = user.clone();
        self.write(move |tx| {
            let sql = "DELETE FROM attempts WHERE user = (SELECT id FROM users WHERE jid = ?1)";
            tx.conn.prepare_cached(sql)?.execute([user.as_str()])?;
            Ok(())
        })
        .await
    }

    async fn read_verifiers(&self, user: &UserId, cause: Cause) -> Result<Vec<Verifier>> {
        let user = user.clone();
        self.write(move |tx| {
            let row = users::known(tx, &user)?;
            let sql = "INSERT INTO audit (at, caller, action, subject) VALUES (?1, ?2, 'read verifiers', ?3)";
            tx.conn.prepare_cached(sql)?.execute(params![tx.now, cause.caller, user.as_str()])?;
            let locked = "SELECT 1 FROM attempts WHERE user = ?1 AND locked_until > ?2";
            if tx.conn.prepare_cached(locked)?.exists([row.id, tx.now])? {
                return Ok(Vec::new());
            }
            let verifiers = verifiers(tx, row.id)?;
            if verifiers.is_empty() { Err(StoreError::NotFound("password")) } else { Ok(verifiers) }
        })
        .await
    }

    async fn erase(&self, user: &UserId, cause: Cause) -> Result<Erased> {
        let jid = user.clone();
        let id = self.write(move |tx| erase::begin(tx, &jid, &cause)).await?;
        let mut erased = Erased::default();
        loop {
            let (more, piece) = self.write(move |tx| erase::piece(tx, id)).await?;
            erased.messages += piece.messages;
            erased.room_messages += piece.room_messages;
            erased.events += piece.events;
            erased.friends += piece.friends;
            erased.memberships += piece.memberships;
            erased.footprints += piece.footprints;
            erased.media += piece.media;
            if !more {
                return Ok(erased);
            }
        }
    }

    async fn end_session(&self, user: &UserId, resource: &str, cause: Cause) -> Result<SessionEnd> {
        let (user, resource) = (user.clone(), resource.to_owned());
        self.write(move |tx| {
            let row = users::known(tx, &user)?;
            let sql = "DELETE FROM sessions WHERE user = ?1 AND resource = ?2 AND node = '' AND open = 1";
            let closed = tx.conn.prepare_cached(sql)?.execute(params![row.id, resource])?;
            let sql = "SELECT 1 FROM sessions WHERE user = ?1 AND resource = ?2 AND open = 1";
            if tx.conn.prepare_cached(sql)?.exists(params![row.id, resource])? {
                let data = json!({ "user": user.as_str(), "resource": resource });
                announce(tx, &cause, "im.session.close", user.as_str(), &data)?;
                return Ok(SessionEnd::Asked);
            }
            if closed > 0 { Ok(SessionEnd::Closed) } else { Err(StoreError::NotFound("session")) }
        })
        .await
    }
}

pub fn create(tx: Tx<'_>, new: &NewUser, cause: &Cause) -> Result<User> {
    let taken = StoreError::Conflict("this user exists");
    let sql = "SELECT id, origin FROM users WHERE jid = ?1";
    let row = |r: &Row<'_>| Ok((r.get::<_, i64>(0)?, r.get::<_, String>(1)?));
    let id = match tx.conn.prepare_cached(sql)?.query_row([new.user.as_str()], row).optional()? {
        Some((_, origin)) if origin == "api" => return Err(taken),
        Some((id, _)) if !verifiers(tx, id)?.is_empty() => return Err(taken),
        Some((id, _)) => id,
        None => users::seen(tx, &new.user)?.id,
    };
    let sql = "UPDATE users SET origin = 'api', name = ?2, email = ?3 WHERE id = ?1";
    tx.conn.prepare_cached(sql)?.execute(params![id, new.name, new.email])?;
    write_verifiers(tx, id, &new.verifiers)?;
    let user = read(tx, &new.user)?;
    announce(tx, cause, "im.user.created", new.user.as_str(), &user)?;
    Ok(user)
}

/// An account from elsewhere: made, or, when it is here without a password, given the one that it has there. True when anything changed.
pub fn import(tx: Tx<'_>, new: &NewUser, cause: &Cause) -> Result<bool> {
    match create(tx, new, cause) {
        Ok(_) => return Ok(true),
        Err(StoreError::Conflict(_)) => {}
        Err(error) => return Err(error),
    }
    let row = users::known(tx, &new.user)?;
    if new.verifiers.is_empty() || !verifiers(tx, row.id)?.is_empty() {
        return Ok(false);
    }
    write_verifiers(tx, row.id, &new.verifiers)?;
    Ok(true)
}

const COLUMNS: &str =
    "u.jid, u.name, u.email, u.origin, u.created_at, EXISTS (SELECT 1 FROM verifiers v WHERE v.user = u.id)";

fn to_user(r: &Row<'_>) -> rusqlite::Result<User> {
    Ok(User {
        user: r.get(0)?,
        name: r.get(1)?,
        email: r.get(2)?,
        origin: r.get(3)?,
        created_at: clock::format(r.get(4)?),
        password: r.get(5)?,
    })
}

fn read(tx: Tx<'_>, user: &UserId) -> Result<User> {
    let sql = format!("SELECT {COLUMNS} FROM users u WHERE u.jid = ?1");
    let found = tx.conn.prepare_cached(&sql)?.query_row([user.as_str()], to_user).optional()?;
    found.ok_or(StoreError::NotFound("user"))
}

/// First those whose address begins so, by address; then those whose name does, by name. Each is a range of an index, so a page costs what it holds.
/// The cursor says in which range it stands: `j` address, or `n` name, a zero byte, address.
fn find(tx: Tx<'_>, search: &Search) -> Result<Page> {
    let limit = usize::try_from(search.limit).unwrap_or(usize::MAX);
    let viewer = search.viewer.as_ref().map(|v| v.as_str().to_owned()).unwrap_or_default();
    let end = format!("{}\u{10FFFF}", search.query);
    let seen =
        "NOT EXISTS (SELECT 1 FROM blocks b WHERE b.user = u.id AND b.blocked = ?4) AND u.erasing IS NULL";
    let here = search.domain.as_ref().map(|domain| format!("@{domain}")).unwrap_or_default();
    let after = search.after.as_deref().unwrap_or("j");
    let mut items = Vec::new();
    if let Some(after) = after.strip_prefix('j') {
        let sql = format!(
            "SELECT {COLUMNS} FROM users u WHERE u.jid >= ?1 AND u.jid < ?2 AND u.jid > ?3 AND {seen}
             AND (?6 = '' OR substr(u.jid, -length(?6)) = ?6) ORDER BY u.jid LIMIT ?5"
        );
        let mut sql = tx.conn.prepare_cached(&sql)?;
        let values = params![search.query, end, after, viewer, search.limit + 1, here];
        items = sql.query_map(values, to_user)?.collect::<rusqlite::Result<Vec<_>>>()?;
    }
    let by_address = items.len();
    // An empty query is the list of all: names would only repeat it.
    if items.len() <= limit && !search.query.is_empty() {
        let (name, jid) = after.strip_prefix('n').and_then(|a| a.split_once('\0')).unwrap_or(("", ""));
        let sql = format!(
            "SELECT {COLUMNS} FROM users u WHERE u.name >= ?1 COLLATE NOCASE AND u.name < ?2 COLLATE NOCASE
             AND (u.name COLLATE NOCASE, u.jid) > (?6, ?7) AND {seen} AND NOT (u.jid >= ?1 AND u.jid < ?2)
             AND (?8 = '' OR substr(u.jid, -length(?8)) = ?8) ORDER BY u.name COLLATE NOCASE, u.jid LIMIT ?5 + ?3"
        );
        let mut sql = tx.conn.prepare_cached(&sql)?;
        let room = i64::try_from(limit + 1 - items.len()).unwrap_or(1);
        let values = params![search.query, end, 0, viewer, room, name, jid, here];
        let named = sql.query_map(values, to_user)?.collect::<rusqlite::Result<Vec<_>>>()?;
        items.extend(named);
    }
    for user in &mut items {
        user.email = None;
    }
    let next = (items.len() > limit).then(|| {
        items.truncate(limit);
        let last =
            items.last().map(|u| (u.name.clone().unwrap_or_default(), u.user.clone())).unwrap_or_default();
        if limit <= by_address { format!("j{}", last.1) } else { format!("n{}\0{}", last.0, last.1) }
    });
    Ok(Page { items, next })
}

fn write_verifiers(tx: Tx<'_>, user: i64, verifiers: &[Verifier]) -> Result<()> {
    tx.conn.prepare_cached("DELETE FROM verifiers WHERE user = ?1")?.execute([user])?;
    let sql = "INSERT INTO verifiers (user, mechanism, salt, iterations, stored_key, server_key) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    for v in verifiers {
        let (stored, server) = (&v.stored_key.0, &v.server_key.0);
        let row = params![user, mechanism(v.mechanism), v.salt, v.iterations, stored, server];
        tx.conn.prepare_cached(sql)?.execute(row)?;
    }
    Ok(())
}

fn verifiers(tx: Tx<'_>, user: i64) -> Result<Vec<Verifier>> {
    let sql = "SELECT mechanism, salt, iterations, stored_key, server_key FROM verifiers WHERE user = ?1 ORDER BY mechanism";
    let mut sql = tx.conn.prepare_cached(sql)?;
    let read = |r: &Row<'_>| {
        let sha1 = r.get_ref(0)?.as_str()? == mechanism(Mechanism::ScramSha1);
        Ok(Verifier {
            mechanism: if sha1 { Mechanism::ScramSha1 } else { Mechanism::ScramSha256 },
            salt: r.get(1)?,
            iterations: r.get(2)?,
            stored_key: Secret(r.get(3)?),
            server_key: Secret(r.get(4)?),
        })
    };
    Ok(sql.query_map([user], read)?.collect::<rusqlite::Result<_>>()?)
}

fn mechanism(mechanism: Mechanism) -> &'static str {
    match mechanism {
        Mechanism::ScramSha1 => "SCRAM-SHA-1",
        Mechanism::ScramSha256 => "SCRAM-SHA-256",
    }
}
