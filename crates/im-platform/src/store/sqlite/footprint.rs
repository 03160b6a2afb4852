//! Footprints in SQLite. Searches of an area walk a few squares of the grid side by side, newest first, so they cost what they look at and not what
//! the world holds. What a viewer may not see is skipped while walking, at most [`LOOK`] per page.

use async_trait::async_trait;
use im_api::footprint::{Audience, Feature, FeatureCollection, Point, Precision, Properties};
use rusqlite::{CachedStatement, OptionalExtension, Row, params};
use serde_json::json;
use serde_json::value::RawValue;

use super::downlink::announce;
use super::once::once;
use super::space::{self, Interface, Space};
use super::writer::Tx;
use super::{Sqlite, friend, group, users};
use crate::clock::{self, Millis};
use crate::jid::{Jid, UserId};
use crate::store::footprint::{Find, Footprints, NewFootprint, Viewer, grid};
use crate::store::{Cause, Result, StoreError};

/// Footprints one page may look at.
const LOOK: u32 = 2_000;

#[async_trait]
impl Footprints for Sqlite {
    async fn share(&self, new: NewFootprint, cause: Cause) -> Result<Feature> {
        let limits = self.settings.limits;
        self.write(move |tx| once(tx, &cause, new.user.as_str(), || share(tx, &new, &cause, limits))).await
    }

    async fn footprint(&self, viewer: &Viewer, user: &UserId, id: &str) -> Result<Feature> {
        let (viewer, user, id) = (viewer.clone(), user.clone(), id.to_owned());
        self.read(move |tx| {
            let found = match users::find(tx, &user)? {
                Some(owner) => by_name(tx, owner.id, &id)?,
                None => None,
            };
            let eyes = Eyes::of(tx, &viewer)?;
            match found {
                Some(print) if eyes.may_see(tx, &print)? => print.feature(tx, eyes.exact(&print)),
                _ => Err(StoreError::NotFound("footprint")),
            }
        })
        .await
    }

    async fn find(&self, find: Find) -> Result<FeatureCollection> {
        self.read(move |tx| search(tx, &find)).await
    }

    async fn remove_footprint(&self, user: &UserId, id: &str, cause: Cause) -> Result<()> {
        let (user, id) = (user.clone(), id.to_owned());
        self.write(move |tx| {
            let Some(owner) = users::find(tx, &user)? else { return Ok(()) };
            let Some(print) = by_name(tx, owner.id, &id)? else { return Ok(()) };
            delete(tx, print.id)?;
            tx.after.erased.set(true);
            announce(tx, &cause, "im.footprint.removed", user.as_str(), &json!({ "id": id })).map(|_| ())
        })
        .await
    }
}

/// Removes one with its places in the grid.
pub fn delete(tx: Tx<'_>, id: i64) -> Result<()> {
    tx.conn.prepare_cached("DELETE FROM footprint_media WHERE footprint = ?1")?.execute([id])?;
    tx.conn.prepare_cached("DELETE FROM footprint_people WHERE footprint = ?1")?.execute([id])?;
    let sql = "DELETE FROM footprints WHERE id = ?1 RETURNING at, shown_lat, shown_lon";
    let read = |r: &Row<'_>| Ok((r.get::<_, Millis>(0)?, r.get::<_, f64>(1)?, r.get::<_, f64>(2)?));
    if let Some((at, lat, lon)) = tx.conn.prepare_cached(sql)?.query_row([id], read).optional()? {
        let sql = "DELETE FROM footprint_cells WHERE level = ?1 AND cell = ?2 AND at = ?3 AND footprint = ?4";
        for level in grid::LEVELS {
            tx.conn.prepare_cached(sql)?.execute(params![level, grid::cell(lat, lon, level), at, id])?;
        }
    }
    Ok(())
}

/// Whether a viewer may see a footprint of this owner that shows this medium.
pub fn shows_medium(tx: Tx<'_>, viewer: &Viewer, owner: i64, medium: &str) -> Result<bool> {
    let eyes = Eyes::of(tx, viewer)?;
    let sql = format!(
        "SELECT {COLUMNS} FROM footprint_media m JOIN footprints f ON f.id = m.footprint
         JOIN users u ON u.id = f.user WHERE f.user = ?1 AND m.medium = ?2 LIMIT 100"
    );
    let mut sql = tx.conn.prepare_cached(&sql)?;
    let prints = sql.query_map(params![owner, medium], Print::read)?.collect::<rusqlite::Result<Vec<_>>>()?;
    for print in &prints {
        if eyes.may_see(tx, print)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Forgets that somebody was among the people of footprints; at most `limit` of them.
pub fn forget_person(tx: Tx<'_>, jid: &str, limit: i64) -> Result<usize> {
    let sql = "DELETE FROM footprint_people WHERE jid = ?1 AND footprint IN
        (SELECT footprint FROM footprint_people WHERE jid = ?1 LIMIT ?2)";
    Ok(tx.conn.prepare_cached(sql)?.execute(params![jid, limit])?)
}

/// Whether an audience lets this viewer in; the owner and an operator are always let in.
pub fn admits(
    tx: Tx<'_>,
    viewer: &Viewer,
    owner: (i64, &str),
    audience: &str,
    grp: Option<&str>,
    people: Option<People<'_>>,
) -> Result<bool> {
    Eyes::of(tx, viewer)?.admitted(tx, owner, audience, grp, people)
}

/// What has a list of people of its own.
#[derive(Clone, Copy)]
pub enum People<'a> {
    Footprint(i64),
    Medium(&'a str),
}

/// A viewer, looked up once.
enum Eyes {
    Operator,
    User { id: i64, jid: String, bare: Jid },
}

impl Eyes {
    fn of(tx: Tx<'_>, viewer: &Viewer) -> Result<Self> {
        let Viewer::User(user) = viewer else { return Ok(Self::Operator) };
        let row = users::known(tx, user)?;
        let bare = Jid::new(user.as_str()).map_err(|e| StoreError::Corrupt(Box::new(e)))?;
        Ok(Self::User { id: row.id, jid: user.to_string(), bare })
    }

    fn exact(&self, print: &Print) -> bool {
        match self {
            Self::Operator => true,
            Self::User { id, .. } => *id == print.owner,
        }
    }

    fn may_see(&self, tx: Tx<'_>, print: &Print) -> Result<bool> {
        self.admitted(
            tx,
            (print.owner, &print.user),
            &print.audience,
            print.grp.as_deref(),
            Some(People::Footprint(print.id)),
        )
    }

    fn admitted(
        &self,
        tx: Tx<'_>,
        owner: (i64, &str),
        audience: &str,
        grp: Option<&str>,
        people: Option<People<'_>>,
    ) -> Result<bool> {
        let Self::User { id, jid, bare } = self else { return Ok(true) };
        if *id == owner.0 {
            return Ok(true);
        }
        let let_in = match (audience, grp) {
            ("all", _) => true,
            ("friends", _) => {
                let sql = "SELECT 1 FROM friends WHERE user = ?1 AND friend = ?2 AND subscription IN ('from', 'both')";
                tx.conn.prepare_cached(sql)?.exists(params![owner.0, jid])?
            }
            // Both must belong to it: an owner who left shares with it no longer.
            ("group", Some(grp)) => {
                group::role_of(tx, grp, *id)?.is_some() && group::role_of(tx, grp, owner.0)?.is_some()
            }
            ("people", _) => match people {
                None => false,
                Some(People::Footprint(id)) => {
                    let sql = "SELECT 1 FROM footprint_people WHERE footprint = ?1 AND jid = ?2";
                    tx.conn.prepare_cached(sql)?.exists(params![id, jid])?
                }
                Some(People::Medium(id)) => {
                    let sql = "SELECT 1 FROM media_people WHERE medium = ?1 AND jid = ?2";
                    tx.conn.prepare_cached(sql)?.exists(params![id, jid])?
                }
            },
            _ => false,
        };
        if !let_in {
            return Ok(false);
        }
        let owner_jid = Jid::new(owner.1).map_err(|e| StoreError::Corrupt(Box::new(e)))?;
        Ok(!friend::is_blocked(tx, owner.0, bare)? && !friend::is_blocked(tx, *id, &owner_jid)?)
    }
}

/// A row with its owner's address.
#[derive(Debug, Clone, PartialEq)]
struct Print {
    id: i64,
    owner: i64,
    user: String,
    name: String,
    at: Millis,
    exact: (f64, f64),
    shown: (f64, f64),
    precision: Precision,
    audience: String,
    grp: Option<String>,
    text: Option<String>,
    place: Option<String>,
    media: String,
    links: String,
    track: Option<String>,
    stanza: Option<String>,
}

const COLUMNS: &str = "f.id, f.user, u.jid, f.name, f.at, f.lat, f.lon, f.shown_lat, f.shown_lon, f.precision, f.audience, f.grp,
    f.text, f.place, f.media, f.links, f.track, f.stanza";

impl Print {
    fn read(r: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: r.get(0)?,
            owner: r.get(1)?,
            user: r.get(2)?,
            name: r.get(3)?,
            at: r.get(4)?,
            exact: (r.get(5)?, r.get(6)?),
            shown: (r.get(7)?, r.get(8)?),
            precision: read_precision(r.get_ref(9)?.as_str()?),
            audience: r.get(10)?,
            grp: r.get(11)?,
            text: r.get(12)?,
            place: r.get(13)?,
            media: r.get(14)?,
            links: r.get(15)?,
            track: r.get(16)?,
            stanza: r.get(17)?,
        })
    }

    /// As somebody sees it: `own` with everything, else only what the precision lets through. A stanza or a place's name could give a coarse
    /// place away.
    fn feature(&self, tx: Tx<'_>, own: bool) -> Result<Feature> {
        let (lat, lon) = if own { self.exact } else { self.shown };
        let open = own || self.precision == Precision::Exact;
        let audience = match (self.audience.as_str(), &self.grp) {
            ("all", _) => Audience::All,
            ("friends", _) => Audience::Friends,
            ("group", Some(grp)) => Audience::Group(grp.clone()),
            ("people", _) if own => Audience::People(people(tx, self.id)?),
            _ => Audience::Me,
        };
        let stanza = match &self.stanza {
            Some(text) if open => {
                Some(RawValue::from_string(text.clone()).map_err(|e| StoreError::Corrupt(Box::new(e)))?)
            }
            _ => None,
        };
        Ok(Feature {
            kind: "Feature".into(),
            id: format!("{}/{}", self.user, self.name),
            geometry: Point { kind: "Point".into(), coordinates: [lon, lat] },
            properties: Properties {
                user: self.user.clone(),
                at: clock::format(self.at),
                text: self.text.clone(),
                place: self.place.clone().filter(|_| open),
                audience: own.then_some(audience),
                precision: self.precision,
                media: serde_json::from_str(&self.media).unwrap_or_default(),
                links: serde_json::from_str(&self.links).unwrap_or_default(),
                track: self.track.clone(),
                stanza,
            },
        })
    }
}

fn share(tx: Tx<'_>, new: &NewFootprint, cause: &Cause, limits: Space) -> Result<Feature> {
    let owner = users::known(tx, &new.user)?;
    let (audience, grp) = write_audience(&new.audience);
    if let Some(grp) = grp
        && group::role_of(tx, grp, owner.id)?.is_none()
    {
        return Err(StoreError::NotFound("group of this user"));
    }
    let before = by_name(tx, owner.id, &new.id)?;
    let at = new.at.or(before.as_ref().map(|b| b.at)).unwrap_or(tx.now);
    let shown = grid::shown(new.lat, new.lon, new.precision);
    let print = Print {
        id: before.as_ref().map_or(0, |b| b.id),
        owner: owner.id,
        user: new.user.to_string(),
        name: new.id.clone(),
        at,
        exact: (new.lat, new.lon),
        shown,
        precision: new.precision,
        audience: audience.into(),
        grp: grp.map(Into::into),
        text: new.text.clone(),
        place: new.place.clone(),
        media: json!(new.media).to_string(),
        links: json!(new.links).to_string(),
        track: new.track.clone(),
        stanza: new.stanza.clone(),
    };
    let chosen: &[String] = match &new.audience {
        Audience::People(people) => people,
        _ => &[],
    };
    if let Some(before) = before {
        if before == print && people(tx, before.id)? == chosen {
            return print.feature(tx, true);
        }
        if !new.replace {
            return Err(StoreError::Conflict("this id has another footprint"));
        }
        delete(tx, before.id)?;
        tx.after.erased.set(true);
    }
    let sql = "INSERT INTO footprints (user, name, at, lat, lon, shown_lat, shown_lon, precision, audience, grp, text, place, media, stanza, created_at,
        links, track) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)";
    let precision = write_precision(new.precision);
    tx.conn.prepare_cached(sql)?.execute(params![
        owner.id,
        new.id,
        at,
        new.lat,
        new.lon,
        shown.0,
        shown.1,
        precision,
        audience,
        grp,
        new.text,
        new.place,
        print.media,
        new.stanza,
        tx.now,
        print.links,
        new.track
    ])?;
    let id = tx.conn.last_insert_rowid();
    let print = Print { id, ..print };
    let sql = "INSERT OR IGNORE INTO footprint_people (footprint, jid) VALUES (?1, ?2)";
    for jid in chosen {
        tx.conn.prepare_cached(sql)?.execute(params![id, jid])?;
    }
    let sql = "INSERT INTO footprint_cells (level, cell, at, footprint) VALUES (?1, ?2, ?3, ?4)";
    for level in grid::LEVELS {
        tx.conn.prepare_cached(sql)?.execute(params![level, grid::cell(shown.0, shown.1, level), at, id])?;
    }
    space::require(tx, limits, Interface::Footprints, 0)?;
    let feature = print.feature(tx, true)?;
    let sql = "INSERT OR IGNORE INTO footprint_media (medium, footprint) VALUES (?1, ?2)";
    for medium in &new.media {
        tx.conn.prepare_cached(sql)?.execute(params![medium, id])?;
    }
    // What bridges publish for others is what others may see.
    announce(tx, cause, "im.footprint.shared", new.user.as_str(), &{
        let mut public = print.feature(tx, false)?;
        public.properties.audience.clone_from(&feature.properties.audience);
        public
    })?;
    Ok(feature)
}

/// The people of a footprint, by address.
fn people(tx: Tx<'_>, footprint: i64) -> Result<Vec<String>> {
    let mut sql =
        tx.conn.prepare_cached("SELECT jid FROM footprint_people WHERE footprint = ?1 ORDER BY jid")?;
    let rows = sql.query_map([footprint], |r| r.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn by_name(tx: Tx<'_>, owner: i64, name: &str) -> Result<Option<Print>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM footprints f JOIN users u ON u.id = f.user WHERE f.user = ?1 AND f.name = ?2"
    );
    Ok(tx.conn.prepare_cached(&sql)?.query_row(params![owner, name], Print::read).optional()?)
}

fn search(tx: Tx<'_>, find: &Find) -> Result<FeatureCollection> {
    let eyes = Eyes::of(tx, &find.viewer)?;
    let owner = match &find.user {
        Some(user) => match users::find(tx, user)? {
            Some(row) => Some(row.id),
            None => return Ok(collection(Vec::new(), None)),
        },
        None => None,
    };
    let limit = usize::try_from(find.limit).unwrap_or(usize::MAX);
    let (mut features, mut last) = (Vec::new(), None);
    let mut candidates = Candidates::new(tx, find, owner)?;
    let mut looked = 0;
    while let Some(print) = candidates.next(tx)? {
        if features.len() == limit || looked == LOOK {
            return Ok(collection(features, last));
        }
        looked += 1;
        last = Some((print.at, print.id));
        let own = eyes.exact(&print);
        // Others search by what they are shown, else many small searches would find the exact place.
        let (lat, lon) = if own { print.exact } else { print.shown };
        let wanted = find.area.is_none_or(|area| area.contains(lat, lon))
            && find.track.as_ref().is_none_or(|track| print.track.as_ref() == Some(track));
        if wanted && eyes.may_see(tx, &print)? {
            features.push(print.feature(tx, own)?);
        }
    }
    Ok(collection(features, None))
}

/// Footprints in the order (time, number), newest first, from the index that fits: the owner's, the grid's, or time's. Nothing is fetched before it is
/// asked for, so a page costs what it looks at: of each index a few entries ahead, of the footprints themselves one at a time.
struct Candidates<'a> {
    find: &'a Find,
    source: Source<'a>,
    /// Before the first or at the last one given.
    position: (Millis, i64),
}

/// Where the next one comes from.
enum Source<'a> {
    /// Of one owner, or (None) of all: whole footprints, a piece at a time.
    Time { owner: Option<i64>, piece: std::vec::IntoIter<Print>, size: u32, done: bool },
    /// Of an area: squares of one level, side by side.
    Grid { level: u8, squares: Vec<Square>, in_cell: CachedStatement<'a>, by_id: CachedStatement<'a> },
}

/// One square of the grid with what was read of it: the newest last.
struct Square {
    cell: i64,
    ahead: Vec<(Millis, i64)>,
    size: u32,
    done: bool,
}

/// How much of an index is read at first; each further time twice as much.
const AHEAD: u32 = 4;
/// And at most.
const MOST_AHEAD: u32 = 256;

impl<'a> Candidates<'a> {
    fn new(tx: Tx<'a>, find: &'a Find, owner: Option<i64>) -> Result<Self> {
        // The owner's index is exact enough. An owner who searches an area with the grid would miss what is shown elsewhere; the grid is for others.
        let source = match find.area.as_ref().filter(|_| owner.is_none()).map(grid::cover) {
            Some((level, cells)) => {
                let square = |cell| Square { cell, ahead: Vec::new(), size: AHEAD, done: false };
                let squares = cells.into_iter().map(square).collect();
                let by_id = format!(
                    "SELECT {COLUMNS} FROM footprints f JOIN users u ON u.id = f.user WHERE f.id = ?1"
                );
                let (in_cell, by_id) = (tx.conn.prepare_cached(IN_CELL)?, tx.conn.prepare_cached(&by_id)?);
                Source::Grid { level, squares, in_cell, by_id }
            }
            // One more than a page: it says whether there are more.
            None => {
                let size = find.limit.saturating_add(1).clamp(AHEAD, MOST_AHEAD);
                Source::Time { owner, piece: Vec::new().into_iter(), size, done: false }
            }
        };
        let until = find.until.map_or((Millis::MAX, i64::MAX), |until| (until, i64::MIN));
        Ok(Self { find, source, position: find.after.map_or(until, |after| after.min(until)) })
    }

    fn next(&mut self, tx: Tx<'_>) -> Result<Option<Print>> {
        let since = self.find.since.unwrap_or(Millis::MIN);
        let next = match &mut self.source {
            Source::Time { owner, piece, size, done } => match piece.next() {
                None if !*done => {
                    let fetched = in_time(tx, *owner, self.position, since, *size)?;
                    *done = fetched.len() < usize::try_from(*size).unwrap_or(usize::MAX);
                    *piece = fetched.into_iter();
                    *size = size.saturating_mul(2).min(MOST_AHEAD);
                    piece.next()
                }
                next => next,
            },
            Source::Grid { level, squares, in_cell, by_id } => {
                for square in squares.iter_mut() {
                    square.look_ahead(in_cell, *level, self.position, since)?;
                }
                let newest = squares.iter_mut().filter(|s| !s.ahead.is_empty());
                match newest.max_by_key(|square| square.ahead.last().copied()).and_then(|s| s.ahead.pop()) {
                    Some((_, id)) => Some(by_id.query_row([id], Print::read)?),
                    None => None,
                }
            }
        };
        if let Some(print) = &next {
            self.position = (print.at, print.id);
        }
        Ok(next)
    }
}

impl Square {
    /// Reads on when everything that was read has been given. `position` is behind all of it, and nothing of this square is between.
    fn look_ahead(
        &mut self,
        in_cell: &mut CachedStatement<'_>,
        level: u8,
        position: (Millis, i64),
        since: Millis,
    ) -> Result<()> {
        if self.done || !self.ahead.is_empty() {
            return Ok(());
        }
        let read = |r: &Row<'_>| Ok((r.get::<_, Millis>(0)?, r.get::<_, i64>(1)?));
        let rows =
            in_cell.query_map(params![level, self.cell, position.0, position.1, since, self.size], read)?;
        self.ahead = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        self.done = self.ahead.len() < usize::try_from(self.size).unwrap_or(usize::MAX);
        self.size = self.size.saturating_mul(2).min(MOST_AHEAD);
        self.ahead.reverse();
        Ok(())
    }
}

const IN_CELL: &str = "SELECT at, footprint FROM footprint_cells WHERE level = ?1 AND cell = ?2 AND (at, footprint) < (?3, ?4) AND at >= ?5
    ORDER BY at DESC, footprint DESC LIMIT ?6";

fn in_time(
    tx: Tx<'_>,
    owner: Option<i64>,
    before: (Millis, i64),
    since: Millis,
    limit: u32,
) -> Result<Vec<Print>> {
    let whose = if owner.is_some() { "f.user = ?5 AND" } else { "?5 IS NULL AND" };
    let sql = format!(
        "SELECT {COLUMNS} FROM footprints f JOIN users u ON u.id = f.user
         WHERE {whose} (f.at, f.id) < (?1, ?2) AND f.at >= ?3 ORDER BY f.at DESC, f.id DESC LIMIT ?4"
    );
    let mut sql = tx.conn.prepare_cached(&sql)?;
    let rows = sql.query_map(params![before.0, before.1, since, limit, owner], Print::read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn collection(features: Vec<Feature>, next: Option<(Millis, i64)>) -> FeatureCollection {
    let next = next.map(|(at, id)| format!("{at}.{id}"));
    FeatureCollection { kind: "FeatureCollection".into(), features, next }
}

/// The audience's word and its group.
pub fn write_audience(audience: &Audience) -> (&'static str, Option<&str>) {
    match audience {
        Audience::Me => ("me", None),
        Audience::Friends => ("friends", None),
        Audience::Group(group) => ("group", Some(group)),
        Audience::People(_) => ("people", None),
        Audience::All => ("all", None),
    }
}

fn write_precision(precision: Precision) -> &'static str {
    match precision {
        Precision::Exact => "exact",
        Precision::Street => "street",
        Precision::District => "district",
        Precision::City => "city",
    }
}

fn read_precision(text: &str) -> Precision {
    match text {
        "exact" => Precision::Exact,
        "street" => Precision::Street,
        "district" => Precision::District,
        _ => Precision::City,
    }
}
