//! Footprints: an entity per owner, and beside it where they are found: squares of the grid by day, on every level, for others' eyes. A square's entries
//! are written before the footprint and removed after it; who finds one looks the footprint up. What a viewer may not see is skipped while walking.

mod find;

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use im_api::footprint::{Audience, Feature, FeatureCollection, Point, Precision, Properties};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::chat::raw;
use super::group::GroupDoc;
use super::list::ttl;
use super::once::answer_row;
use super::part::{Part, end_of};
use super::schema::{GROUPS, LISTS, PRINTS};
use super::{AT_ONCE, Cassandra, DAY};
use crate::clock::{self, Millis};
use crate::jid::UserId;
use crate::store::footprint::{Find, Footprints, NewFootprint, Viewer, grid};
use crate::store::{Cause, Result, StoreError};

/// Footprints one page may look at.
const LOOK: usize = 2_000;
/// How much of an index is read at once.
const AHEAD: i32 = 64;

/// The head of a user's footprints and media.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PrintsDoc {
    /// Bytes of media.
    pub media: u64,
}

/// A footprint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Print {
    pub id: i64,
    pub at: Millis,
    pub exact: (f64, f64),
    /// What others see and search by.
    pub shown: (f64, f64),
    pub precision: Precision,
    pub audience: Audience,
    /// Which group of that id.
    pub born: i64,
    pub text: Option<String>,
    pub place: Option<String>,
    pub media: Vec<String>,
    pub links: Vec<String>,
    pub track: Option<String>,
    pub stanza: Option<String>,
    pub created_at: Millis,
}

pub fn print_row(name: &str) -> String {
    format!("f/{name}")
}

/// The people of an audience.
pub fn chosen(audience: &Audience) -> &[String] {
    match audience {
        Audience::People(people) => people,
        _ => &[],
    }
}

/// An audience with its people by address, each once.
pub fn in_order(audience: &Audience) -> Audience {
    match audience {
        Audience::People(people) => {
            let people: std::collections::BTreeSet<&String> = people.iter().collect();
            Audience::People(people.into_iter().cloned().collect())
        }
        other => other.clone(),
    }
}

/// An audience without one of its people.
pub fn without(audience: &Audience, user: &str) -> Audience {
    match audience {
        Audience::People(people) => {
            Audience::People(people.iter().filter(|person| *person != user).cloned().collect())
        }
        other => other.clone(),
    }
}

/// Removes the rows of a footprint.
fn take_out(part: &mut Part<PrintsDoc>, name: &str, print: &Print) {
    part.remove(print_row(name));
    part.remove(time_row(print.at, print.id));
    for medium in &print.media {
        part.remove(shows_row(medium, name));
    }
}

/// A time and a number, as text in their order.
fn ordered(at: Millis, id: i64) -> String {
    format!("{:020}\0{:020}", at.saturating_add(1 << 60).max(0), id)
}

fn time_row(at: Millis, id: i64) -> String {
    format!("t/{}", ordered(at, id))
}

fn shows_row(medium: &str, name: &str) -> String {
    format!("s/{medium}\0{name}")
}

/// A day as text in order.
fn day_name(day: i64) -> String {
    format!("{:010}", day + 1_000_000_000)
}

fn cell_name(level: u8, cell: i64) -> String {
    format!("{level}/{cell}")
}

#[async_trait]
impl Footprints for Cassandra {
    async fn share(&self, new: NewFootprint, cause: Cause) -> Result<Feature> {
        self.open_or()?;
        self.is_once(&cause, new.user.as_str()).await?;
        let shared = self.share_one(&new, &cause).await;
        self.end_once(&cause, shared).await
    }

    async fn footprint(&self, viewer: &Viewer, user: &UserId, id: &str) -> Result<Feature> {
        self.open_or()?;
        let eyes = self.eyes(viewer).await?;
        let found = match self.find_user(user.as_str()).await? {
            Some(_) => self.print(user.as_str(), id).await?,
            None => None,
        };
        match found {
            Some(print) if self.may_see(&eyes, user.as_str(), &print).await? => {
                print.feature(user.as_str(), id, eyes.exact(user.as_str()))
            }
            _ => Err(StoreError::NotFound("footprint")),
        }
    }

    async fn find(&self, find: Find) -> Result<FeatureCollection> {
        self.open_or()?;
        let eyes = self.eyes(&find.viewer).await?;
        if let Some(user) = &find.user
            && self.find_user(user.as_str()).await?.is_none()
        {
            return Ok(collection(Vec::new(), None));
        }
        let limit = usize::try_from(find.limit).unwrap_or(usize::MAX);
        let mut candidates = self.candidates(&find).await?;
        let (mut features, mut last, mut looked) = (Vec::new(), None, 0);
        loop {
            let most = (LOOK - looked).min((limit - features.len()).max(8)).min(64);
            let piece = candidates.take(self, most).await?;
            if piece.is_empty() {
                return Ok(collection(features, None));
            }
            let (eyes, find) = (&eyes, &find);
            let seen: Vec<((Millis, i64), Option<Feature>)> = stream::iter(piece)
                .map(|c| async move {
                    let feature = self.seen(eyes, find, &c).await?;
                    Ok::<_, StoreError>(((c.at, c.id), feature))
                })
                .buffered(AT_ONCE)
                .try_collect()
                .await?;
            for (position, feature) in seen {
                if features.len() == limit || looked == LOOK {
                    return Ok(collection(features, last));
                }
                looked += 1;
                last = Some(position);
                features.extend(feature);
            }
            if features.len() == limit || looked == LOOK {
                let more = !candidates.take(self, 1).await?.is_empty();
                return Ok(collection(features, last.filter(|_| more)));
            }
        }
    }

    async fn remove_footprint(&self, user: &UserId, id: &str, cause: Cause) -> Result<()> {
        self.open_or()?;
        if self.find_user(user.as_str()).await?.is_none() {
            return Ok(());
        }
        self.drop_print(user.as_str(), id, Some(&cause)).await.map(|_| ())
    }
}

/// A viewer, looked up once.
pub enum Eyes {
    Operator,
    User(String),
}

impl Eyes {
    pub fn exact(&self, owner: &str) -> bool {
        match self {
            Self::Operator => true,
            Self::User(viewer) => viewer == owner,
        }
    }
}

impl Print {
    /// As somebody sees it: `own` with everything, else only what the precision lets through. A stanza or a place's name could give a coarse
    /// place away.
    fn feature(&self, owner: &str, name: &str, own: bool) -> Result<Feature> {
        let (lat, lon) = if own { self.exact } else { self.shown };
        let open = own || self.precision == Precision::Exact;
        let stanza = self.stanza.clone().filter(|_| open).map(raw).transpose()?;
        Ok(Feature {
            kind: "Feature".into(),
            id: format!("{owner}/{name}"),
            geometry: Point { kind: "Point".into(), coordinates: [lon, lat] },
            properties: Properties {
                user: owner.into(),
                at: clock::format(self.at),
                text: self.text.clone(),
                place: self.place.clone().filter(|_| open),
                audience: own.then(|| self.audience.clone()),
                precision: self.precision,
                media: self.media.clone(),
                links: self.links.clone(),
                track: self.track.clone(),
                stanza,
            },
        })
    }
}

impl Cassandra {
    pub(super) async fn eyes(&self, viewer: &Viewer) -> Result<Eyes> {
        let Viewer::User(user) = viewer else { return Ok(Eyes::Operator) };
        self.known_user(user.as_str()).await?;
        Ok(Eyes::User(user.to_string()))
    }

    async fn may_see(&self, eyes: &Eyes, owner: &str, print: &Print) -> Result<bool> {
        self.admitted(eyes, owner, &print.audience, print.born).await
    }

    /// Whether an audience lets this viewer in; the owner and an operator are always let in.
    pub(super) async fn admitted(
        &self,
        eyes: &Eyes,
        owner: &str,
        audience: &Audience,
        born: i64,
    ) -> Result<bool> {
        let Eyes::User(viewer) = eyes else { return Ok(true) };
        if viewer == owner {
            return Ok(true);
        }
        let let_in = match audience {
            Audience::Me => false,
            Audience::All => true,
            Audience::Friends => {
                let row = super::friend::friend_row(viewer);
                let entry = self.row::<im_api::friend::FriendEntry>(LISTS, owner, &row).await?;
                use im_api::friend::Subscription::{Both, From};
                entry.is_some_and(|entry| matches!(entry.subscription, From | Both))
            }
            Audience::People(people) => people.contains(viewer),
            // Both must belong to it, and it must be the same one: an owner who left shares with it no longer.
            Audience::Group(group) => {
                self.group_born(group).await? == Some(born)
                    && self.role_of(group, viewer).await?.is_some()
                    && self.role_of(group, owner).await?.is_some()
            }
        };
        Ok(let_in && !self.blocks_either(owner, viewer).await?)
    }

    async fn group_born(&self, group: &str) -> Result<Option<i64>> {
        Ok(self.head::<GroupDoc>(GROUPS, group).await?.map(|doc| doc.born))
    }

    /// The group of an audience, in which the owner must be.
    pub(super) async fn shared_with(&self, owner: &str, audience: &Audience) -> Result<i64> {
        let Audience::Group(group) = audience else { return Ok(0) };
        match (self.group_born(group).await?, self.role_of(group, owner).await?) {
            (Some(born), Some(_)) => Ok(born),
            _ => Err(StoreError::NotFound("group of this user")),
        }
    }

    /// Whether a viewer may see a footprint of this owner that shows this medium.
    pub(super) async fn shows_medium(&self, eyes: &Eyes, owner: &str, medium: &str) -> Result<bool> {
        let (from, to) = (format!("s/{medium}\0"), format!("s/{medium}\u{1}"));
        let rows: Vec<(String, bool)> = self.rows(PRINTS, owner, (&from, &to), 100, false).await?;
        for (sort, _) in rows {
            let name = sort.rsplit('\0').next().unwrap_or_default();
            if let Some(print) = self.print(owner, name).await?
                && self.may_see(eyes, owner, &print).await?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A footprint, unless it is past its time.
    pub(super) async fn print(&self, owner: &str, name: &str) -> Result<Option<Print>> {
        let print = self.row::<Print>(PRINTS, owner, &print_row(name)).await?;
        let kept = self.settings.footprints;
        Ok(print.filter(|print| kept == 0 || print.created_at > self.clock.now() - kept))
    }

    async fn share_one(&self, new: &NewFootprint, cause: &Cause) -> Result<Feature> {
        let (owner, name) = (new.user.as_str(), new.id.as_str());
        self.known_user(owner).await?;
        let born = self.shared_with(owner, &new.audience).await?;
        let life = Some(self.settings.footprints).filter(|kept| *kept > 0).map(ttl);
        let mut turn = self.turn(PRINTS, owner).await;
        loop {
            let mut part = turn.load::<PrintsDoc>().await?;
            let n = part.n;
            if let Some(row) = answer_row(cause)
                && let Some(first) = self.row::<Feature>(PRINTS, owner, &row).await?
            {
                return Ok(first);
            }
            let now = self.clock.now();
            let before = self.row::<Print>(PRINTS, owner, &print_row(name)).await?;
            let print = Print {
                id: before.as_ref().map_or(n, |b| b.id),
                at: new.at.or(before.as_ref().map(|b| b.at)).unwrap_or(now),
                exact: (new.lat, new.lon),
                shown: grid::shown(new.lat, new.lon, new.precision),
                precision: new.precision,
                audience: in_order(&new.audience),
                born,
                text: new.text.clone(),
                place: new.place.clone(),
                media: new.media.clone(),
                links: new.links.clone(),
                track: new.track.clone(),
                stanza: new.stanza.clone(),
                created_at: before.as_ref().map_or(now, |b| b.created_at),
            };
            let mut print = print;
            let feature = print.feature(owner, name, true)?;
            if let Some(before) = &before {
                if *before == print {
                    return Ok(feature);
                }
                if !new.replace {
                    return Err(StoreError::Conflict("this id has another footprint"));
                }
                (print.id, print.created_at) = (n, now);
                take_out(&mut part, name, before);
            }
            for person in chosen(&print.audience) {
                let entry = format!("{}\0{owner}\0{name}", PRINTS.0);
                self.list_put(&format!("chosen/{person}"), &entry, "", n, None).await?;
            }
            self.write_areas(owner, name, &print, life).await?;
            self.list_put("sharers", owner, "", n, None).await?;
            part.put(print_row(name), &print, life)?;
            part.put(time_row(print.at, print.id), &name, life)?;
            for medium in &print.media {
                part.put(shows_row(medium, name), &true, life)?;
            }
            let doc = part.doc.take().unwrap_or_default();
            part.doc = Some(doc);
            // What bridges publish for others is what others may see.
            let mut public = print.feature(owner, name, false)?;
            public.properties.audience.clone_from(&feature.properties.audience);
            part.say(self.saying(cause, "im.footprint.shared", owner, &public).await?);
            self.answer_once(&mut part, (PRINTS, owner), cause, owner, &feature).await?;
            if self.settings.footprints > 0 {
                let due = format!("{:020}\0{owner}\0{name}", now + self.settings.footprints);
                self.list_put("due/prints", &due, "", n, None).await?;
            }
            if turn.commit(part).await? {
                if let Some(before) = before {
                    self.remove_areas(&before).await?;
                }
                return Ok(feature);
            }
            self.remove_areas(&print).await?;
        }
    }

    /// Removes one with its places in the grid; true when it was there.
    pub(super) async fn drop_print(&self, owner: &str, name: &str, cause: Option<&Cause>) -> Result<bool> {
        let mut turn = self.turn(PRINTS, owner).await;
        let print = loop {
            let mut part = turn.load::<PrintsDoc>().await?;
            let Some(print) = self.row::<Print>(PRINTS, owner, &print_row(name)).await? else {
                return Ok(false);
            };
            take_out(&mut part, name, &print);
            if let Some(cause) = cause {
                let data = json!({ "id": name });
                part.say(self.saying(cause, "im.footprint.removed", owner, &data).await?);
            }
            if turn.commit(part).await? {
                break print;
            }
        };
        drop(turn);
        self.remove_areas(&print).await?;
        for person in chosen(&print.audience) {
            let entry = format!("{}\0{owner}\0{name}", PRINTS.0);
            self.list_remove(&format!("chosen/{person}"), &entry, self.tick(0)).await?;
        }
        Ok(true)
    }

    async fn write_areas(&self, owner: &str, name: &str, print: &Print, life: Option<i32>) -> Result<()> {
        let day = print.at.div_euclid(DAY);
        stream::iter(grid::LEVELS)
            .map(Ok)
            .try_for_each_concurrent(AT_ONCE, |level| async move {
                let cell = cell_name(level, grid::cell(print.shown.0, print.shown.1, level));
                if self.first_time(&format!("{cell}\0{day}")) {
                    self.list_put(&format!("days/{cell}"), &day_name(day), "", 1, None).await?;
                }
                let sql = "INSERT INTO areas (cell, day, at, id, owner, name) VALUES (?, ?, ?, ?, ?, ?) USING TTL ?";
                let values = (self.key(&cell), day, print.at, print.id, owner, name, life.unwrap_or(0));
                self.cql.write(sql, values).await
            })
            .await
    }

    async fn remove_areas(&self, print: &Print) -> Result<()> {
        let day = print.at.div_euclid(DAY);
        stream::iter(grid::LEVELS)
            .map(Ok)
            .try_for_each_concurrent(AT_ONCE, |level| async move {
                let cell = cell_name(level, grid::cell(print.shown.0, print.shown.1, level));
                let sql = "DELETE FROM areas WHERE cell = ? AND day = ? AND at = ? AND id = ?";
                self.cql.write(sql, (self.key(&cell), day, print.at, print.id)).await
            })
            .await
    }

    /// Somebody who is erased is among the people of a footprint no longer.
    pub(super) async fn forget_chosen(&self, owner: &str, name: &str, user: &str) -> Result<()> {
        let life = Some(self.settings.footprints).filter(|kept| *kept > 0).map(ttl);
        let mut turn = self.turn(PRINTS, owner).await;
        loop {
            let mut part = turn.load::<PrintsDoc>().await?;
            let Some(mut print) = self.row::<Print>(PRINTS, owner, &print_row(name)).await? else {
                return Ok(());
            };
            print.audience = without(&print.audience, user);
            part.put(print_row(name), &print, life)?;
            if turn.commit(part).await? {
                return Ok(());
            }
        }
    }
}

fn collection(features: Vec<Feature>, next: Option<(Millis, i64)>) -> FeatureCollection {
    let next = next.map(|(at, id)| format!("{at}.{id}"));
    FeatureCollection { kind: "FeatureCollection".into(), features, next }
}

impl Cassandra {
    /// Names of all footprints of an owner, a piece of them.
    pub(super) async fn prints_of(&self, owner: &str, limit: i32) -> Result<Vec<String>> {
        let rows: Vec<(String, Print)> =
            self.rows(PRINTS, owner, ("f/", &end_of("f/")), limit, false).await?;
        Ok(rows.into_iter().map(|(sort, _)| sort.trim_start_matches("f/").to_owned()).collect())
    }
}
