//! Footprints, and the grid they are searched by.

use async_trait::async_trait;
use im_api::footprint::{Audience, Feature, FeatureCollection, Precision};

use super::{Cause, Result};
use crate::clock::Millis;
use crate::jid::UserId;

/// A footprint to share, checked.
#[derive(Debug, Clone)]
pub struct NewFootprint {
    /// Its id, unique per user.
    pub id: String,
    /// Owner.
    pub user: UserId,
    /// Latitude.
    pub lat: f64,
    /// Longitude.
    pub lon: f64,
    /// When it was; None: now.
    pub at: Option<Millis>,
    /// What was said.
    pub text: Option<String>,
    /// Name of the place.
    pub place: Option<String>,
    /// Audience.
    pub audience: Audience,
    /// Precision.
    pub precision: Precision,
    /// Media.
    pub media: Vec<String>,
    /// URLs.
    pub links: Vec<String>,
    /// The track that it is a point of.
    pub track: Option<String>,
    /// Stanza JSON.
    pub stanza: Option<String>,
    /// It takes the place of another one under its id, instead of being refused.
    pub replace: bool,
}

/// Who looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Viewer {
    /// A person: audience, precision and blocks apply.
    User(UserId),
    /// An operator: sees all of it as exactly as its owner.
    Operator,
}

/// An area. `west > east` crosses the antimeridian.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Area {
    /// Degrees.
    pub west: f64,
    /// Degrees.
    pub south: f64,
    /// Degrees.
    pub east: f64,
    /// Degrees.
    pub north: f64,
}

impl Area {
    /// Whether a point is in it, edges included.
    #[must_use]
    pub fn contains(&self, lat: f64, lon: f64) -> bool {
        let across = if self.west <= self.east {
            (self.west..=self.east).contains(&lon)
        } else {
            lon >= self.west || lon <= self.east
        };
        across && (self.south..=self.north).contains(&lat)
    }
}

/// A search.
#[derive(Debug, Clone)]
pub struct Find {
    /// For whose eyes.
    pub viewer: Viewer,
    /// Only there.
    pub area: Option<Area>,
    /// Only at or after.
    pub since: Option<Millis>,
    /// Only before.
    pub until: Option<Millis>,
    /// Only of this one.
    pub user: Option<UserId>,
    /// Only of this track.
    pub track: Option<String>,
    /// At most so many.
    pub limit: u32,
    /// After this position (time and number).
    pub after: Option<(Millis, i64)>,
}

/// Footprints.
#[async_trait]
pub trait Footprints: Send + Sync + 'static {
    /// Shares one.
    ///
    /// # Errors
    /// `NotFound` (user, group), `Conflict` (id taken by a different footprint, unless it replaces it; the same again gives the first answer).
    async fn share(&self, new: NewFootprint, cause: Cause) -> Result<Feature>;

    /// One, if the viewer may see it.
    ///
    /// # Errors
    /// `NotFound`.
    async fn footprint(&self, viewer: &Viewer, user: &UserId, id: &str) -> Result<Feature>;

    /// Finds, newest first.
    ///
    /// # Errors
    /// `NotFound` (viewer).
    async fn find(&self, find: Find) -> Result<FeatureCollection>;

    /// Removes one; one that is not there is fine.
    ///
    /// # Errors
    /// What the store reports.
    async fn remove_footprint(&self, user: &UserId, id: &str, cause: Cause) -> Result<()>;
}

/// The grid: level n has 2^n by 2^n cells over the world.
pub mod grid {
    use super::Area;

    pub use im_api::footprint::shown;

    /// The levels kept.
    pub const LEVELS: [u8; 8] = [0, 3, 6, 8, 10, 12, 14, 16];
    /// Cells one search may walk side by side.
    const MAX_CELLS: u64 = 16;

    fn place(value: f64, from: f64, span: f64, level: u8) -> i64 {
        let cells = f64::from(1_u32 << level);
        // Fits: at most 2^16.
        #[allow(clippy::cast_possible_truncation)]
        let index = (((value - from) / span) * cells).floor() as i64;
        index.clamp(0, (1 << level) - 1)
    }

    /// The cell of a point on a level.
    #[must_use]
    pub fn cell(lat: f64, lon: f64, level: u8) -> i64 {
        (place(lat, -90.0, 180.0, level) << 32) | place(lon, -180.0, 360.0, level)
    }

    /// The finest level on which the area has few cells, and those.
    #[must_use]
    pub fn cover(area: &Area) -> (u8, Vec<i64>) {
        let halves: &[(f64, f64)] = if area.west <= area.east {
            &[(area.west, area.east)]
        } else {
            &[(area.west, 180.0), (-180.0, area.east)]
        };
        let rows = |level| (place(area.south, -90.0, 180.0, level), place(area.north, -90.0, 180.0, level));
        let columns = |half: &(f64, f64), level| {
            (place(half.0, -180.0, 360.0, level), place(half.1, -180.0, 360.0, level))
        };
        let count = |level| {
            let (south, north) = rows(level);
            let wide: i64 = halves.iter().map(|h| columns(h, level)).map(|(w, e)| e - w + 1).sum();
            ((north - south + 1) * wide).unsigned_abs()
        };
        let level = LEVELS.iter().rev().copied().find(|l| count(*l) <= MAX_CELLS).unwrap_or(0);
        let (south, north) = rows(level);
        let mut cells = Vec::new();
        for half in halves {
            let (west, east) = columns(half, level);
            for row in south..=north {
                cells.extend((west..=east).map(|column| (row << 32) | column));
            }
        }
        cells.sort_unstable();
        cells.dedup();
        (level, cells)
    }

    #[cfg(test)]
    mod tests {
        use im_api::footprint::Precision;

        use super::*;

        #[test]
        fn a_coarse_place_is_the_same_for_all_points_of_its_cell_and_about_as_far_as_said() {
            for (precision, metres) in
                [(Precision::Street, 100.0), (Precision::District, 1e3), (Precision::City, 1e4)]
            {
                for (lat, lon) in
                    [(0.0, 0.0), (48.137_154, 11.576_124), (-33.9, 151.2), (64.15, -21.94), (89.0, 10.0)]
                {
                    let (a, b) = shown(lat, lon, precision);
                    assert_eq!((a, b), shown(a, b, precision), "the middle shows itself");
                    let (north, east) =
                        ((a - lat) * 111_195.0, (b - lon) * 111_195.0 * lat.to_radians().cos());
                    assert!(north.hypot(east) < metres * 1.2, "{precision:?} {lat} {lon}: {north} {east}");
                }
            }
            assert_eq!(shown(1.234_567_8, 2.0, Precision::Exact), (1.234_567_8, 2.0));
        }

        #[test]
        fn an_area_is_covered_by_few_cells_that_hold_its_points() {
            let areas = [
                Area { west: 11.0, south: 48.0, east: 12.0, north: 48.5 },
                Area { west: -180.0, south: -90.0, east: 180.0, north: 90.0 },
                Area { west: 179.0, south: -1.0, east: -179.0, north: 1.0 },
                Area { west: 11.5761, south: 48.1371, east: 11.5762, north: 48.1372 },
                Area { west: 5.0, south: 5.0, east: 5.0, north: 5.0 },
            ];
            for area in areas {
                let (level, cells) = cover(&area);
                assert!(cells.len() <= 16, "{area:?} {}", cells.len());
                for lat in [area.south, area.north, (area.south + area.north) / 2.0] {
                    for lon in [area.west, area.east] {
                        assert!(area.contains(lat, lon));
                        assert!(cells.contains(&cell(lat, lon, level)), "{area:?} {lat} {lon}");
                    }
                }
            }
        }
    }
}
