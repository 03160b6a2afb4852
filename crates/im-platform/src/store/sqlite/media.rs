//! What is known of media, in SQLite.

use async_trait::async_trait;
use im_api::footprint::Audience;
use im_api::media::Medium;
use rusqlite::{OptionalExtension, Row, params};

use super::footprint::People;
use super::space::{self, Interface, Space};
use super::writer::Tx;
use super::{Sqlite, footprint, group, users};
use crate::clock::{self, Millis};
use crate::jid::UserId;
use crate::store::footprint::Viewer;
use crate::store::media::Media;
use crate::store::{Result, StoreError};

#[async_trait]
impl Media for Sqlite {
    async fn upload_begins(&self, file: &str) -> Result<()> {
        let file = file.to_owned();
        self.write(move |tx| {
            let sql = "INSERT OR REPLACE INTO doomed_files (name, due_at) VALUES (?1, ?2)";
            tx.conn.prepare_cached(sql)?.execute(params![file, tx.now + UPLOAD])?;
            Ok(())
        })
        .await
    }

    async fn add_medium(
        &self,
        medium: Medium,
        file: &str,
        audience: Audience,
        quota: u64,
    ) -> Result<(Medium, bool)> {
        let (file, limits) = (file.to_owned(), self.settings.limits);
        self.write(move |tx| add(tx, medium, &file, &audience, quota, limits)).await
    }

    async fn medium(&self, viewer: &Viewer, id: &str) -> Result<(Medium, String)> {
        let (viewer, id) = (viewer.clone(), id.to_owned());
        self.read(move |tx| {
            let none = StoreError::NotFound("medium");
            let Some(row) = find(tx, &id)? else { return Err(none) };
            let owner = (row.owner, row.medium.user.as_str());
            let people = Some(People::Medium(&id));
            let seen = footprint::admits(tx, &viewer, owner, &row.audience, row.grp.as_deref(), people)?
                || footprint::shows_medium(tx, &viewer, row.owner, &id)?;
            if seen { Ok((row.medium, row.file)) } else { Err(none) }
        })
        .await
    }

    async fn remove_medium(&self, user: &UserId, id: &str) -> Result<bool> {
        let (user, id) = (user.clone(), id.to_owned());
        self.write(move |tx| {
            let Some(owner) = users::find(tx, &user)? else { return Ok(false) };
            let sql = "DELETE FROM media WHERE id = ?1 AND user = ?2";
            Ok(tx.conn.prepare_cached(sql)?.execute(params![id, owner.id])? > 0)
        })
        .await
    }

    async fn doomed_files(&self) -> Result<Vec<String>> {
        self.read(|tx| {
            let sql = "SELECT name FROM doomed_files WHERE due_at <= ?1 LIMIT 100";
            let mut sql = tx.conn.prepare_cached(sql)?;
            Ok(sql.query_map([tx.now], |r| r.get(0))?.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    async fn files_removed(&self, names: Vec<String>) -> Result<()> {
        self.write(move |tx| {
            for name in &names {
                tx.conn.prepare_cached("DELETE FROM doomed_files WHERE name = ?1")?.execute([name])?;
            }
            Ok(())
        })
        .await
    }
}

/// Forgets that somebody was among the people of media; at most `limit` of them.
pub fn forget_person(tx: Tx<'_>, jid: &str, limit: i64) -> Result<usize> {
    let sql = "DELETE FROM media_people WHERE jid = ?1 AND medium IN
        (SELECT medium FROM media_people WHERE jid = ?1 LIMIT ?2)";
    Ok(tx.conn.prepare_cached(sql)?.execute(params![jid, limit])?)
}

/// How long an upload may take.
const UPLOAD: Millis = 3_600_000;

struct MediumRow {
    owner: i64,
    file: String,
    audience: String,
    grp: Option<String>,
    medium: Medium,
}

fn find(tx: Tx<'_>, id: &str) -> Result<Option<MediumRow>> {
    let sql = "SELECT m.user, m.audience, m.grp, u.jid, m.kind, m.size, m.sha256, m.created_at, m.file
        FROM media m JOIN users u ON u.id = m.user WHERE m.id = ?1";
    let row = |r: &Row<'_>| {
        let medium = Medium {
            id: id.into(),
            user: r.get(3)?,
            content_type: r.get(4)?,
            size: u64::try_from(r.get::<_, i64>(5)?).unwrap_or(0),
            sha256: r.get(6)?,
            created_at: clock::format(r.get(7)?),
        };
        Ok(MediumRow { owner: r.get(0)?, file: r.get(8)?, audience: r.get(1)?, grp: r.get(2)?, medium })
    };
    Ok(tx.conn.prepare_cached(sql)?.query_row([id], row).optional()?)
}

fn add(
    tx: Tx<'_>,
    medium: Medium,
    file: &str,
    audience: &Audience,
    quota: u64,
    limits: Space,
) -> Result<(Medium, bool)> {
    let user = UserId::parse(&medium.user).map_err(|_| StoreError::NotFound("user"))?;
    let owner = users::known(tx, &user)?;
    if let Some(before) = find(tx, &medium.id)? {
        let same = before.owner == owner.id && before.medium.sha256 == medium.sha256;
        let taken = StoreError::Conflict("this id has another file");
        return if same { Ok((before.medium, false)) } else { Err(taken) };
    }
    let people = match audience {
        Audience::People(people) => people.as_slice(),
        _ => &[],
    };
    let (audience, grp) = footprint::write_audience(audience);
    if let Some(grp) = grp
        && group::role_of(tx, grp, owner.id)?.is_none()
    {
        return Err(StoreError::NotFound("group of this user"));
    }
    let sql = "SELECT coalesce(sum(size), 0) FROM media WHERE user = ?1";
    let has: i64 = tx.conn.prepare_cached(sql)?.query_row([owner.id], |r| r.get(0))?;
    if u64::try_from(has).unwrap_or(0).saturating_add(medium.size) > quota {
        return Err(StoreError::Limit(
            "the user's share of media space is used up (setting media.max_megabytes_per_user)",
        ));
    }
    space::require(tx, limits, Interface::Media, usize::try_from(medium.size).unwrap_or(usize::MAX))?;
    tx.conn.prepare_cached("DELETE FROM doomed_files WHERE name = ?1")?.execute([file])?;
    let sql = "INSERT INTO media (id, user, kind, size, sha256, audience, grp, created_at, file)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let size = i64::try_from(medium.size).unwrap_or(i64::MAX);
    tx.conn.prepare_cached(sql)?.execute(params![
        medium.id,
        owner.id,
        medium.content_type,
        size,
        medium.sha256,
        audience,
        grp,
        tx.now,
        file
    ])?;
    let sql = "INSERT OR IGNORE INTO media_people (medium, jid) VALUES (?1, ?2)";
    for person in people {
        tx.conn.prepare_cached(sql)?.execute(params![medium.id, person])?;
    }
    Ok((Medium { created_at: clock::format(tx.now), ..medium }, true))
}
