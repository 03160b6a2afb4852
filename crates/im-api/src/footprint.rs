//! Footprints: where somebody was and what they wanted to say about it, for an audience and with a precision. Answers are GeoJSON (RFC 7946).

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Who may see it. The owner always may; who is blocked never.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Audience {
    /// Nobody else.
    Me,
    /// Friends who may see the owner's presence (subscription `from` or `both` in the owner's list).
    Friends,
    /// Members of this group.
    Group(String),
    /// These people: bare JIDs, at most 200.
    People(Vec<String>),
    /// Every user of the platform.
    All,
}

/// How exactly others see the place. They get the middle of a cell of about this size, and areas are searched by it too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Precision {
    /// As given.
    Exact,
    /// About 100 m.
    Street,
    /// About 1 km.
    District,
    /// About 10 km.
    #[default]
    City,
}

/// POST footprints: 201 with [`Feature`]; another footprint under an id that is taken is refused. PUT footprint: 200 with [`Feature`]; it takes the
/// place of what has this id.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Share {
    /// Its id, chosen by the caller (the PEP item's, say); 1 to 128 characters of `[A-Za-z0-9._-]`, unique per user. One is made when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Owner, bare JID.
    pub user: String,
    /// Latitude, -90 to 90 (WGS 84).
    pub lat: f64,
    /// Longitude, -180 to 180.
    pub lon: f64,
    /// When it was; now when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// What was said, at most 10,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Name of the place, at most 256 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// Who may see it.
    pub audience: Audience,
    /// How exactly.
    #[serde(default)]
    pub precision: Precision,
    /// Ids of media, at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<String>,
    /// Pictures and pages elsewhere: http or https URLs, at most 16 of at most 2,048 characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<String>,
    /// The track that it is a point of; named as ids are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub track: Option<String>,
    /// The stanza it came in, as stanza JSON; for its owner only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stanza: Option<Box<RawValue>>,
}

/// A GeoJSON point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Point {
    /// Always `Point`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Longitude, latitude; as exact as the viewer may see.
    pub coordinates: [f64; 2],
}

/// What a footprint says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Properties {
    /// Owner.
    pub user: String,
    /// When it was.
    pub at: String,
    /// What was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Name of the place; only when the precision is exact, or for the owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// Audience; for the owner only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<Audience>,
    /// How exact the point is.
    pub precision: Precision,
    /// Media.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<String>,
    /// Pictures and pages elsewhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<String>,
    /// The track that it is a point of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub track: Option<String>,
    /// The stanza it came in; for the owner only, unless it was shared exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stanza: Option<Box<RawValue>>,
}

/// A footprint as a GeoJSON feature.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Feature {
    /// Always `Feature`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `user/id`.
    pub id: String,
    /// Where.
    pub geometry: Point,
    /// The rest.
    pub properties: Properties,
}

/// GET footprints `?viewer=&bbox=west,south,east,north&since=&until=&user=&track=&limit=&after=`: newest first. West beyond east crosses the
/// antimeridian. A page may be short, or empty, and still have a `next`: what the viewer may not see was skipped.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FeatureCollection {
    /// Always `FeatureCollection`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The footprints.
    pub features: Vec<Feature>,
    /// Cursor of the next page (`after=`); absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The place that others see (latitude, longitude): the middle of a cell whose size does not depend on where in it the point is.
///
/// ```
/// use im_api::footprint::{Precision, shown};
/// assert_eq!(shown(45.441_96, 10.998_75, Precision::District), (45.445, 10.996_394));
/// ```
#[must_use]
pub fn shown(lat: f64, lon: f64, precision: Precision) -> (f64, f64) {
    // Degrees of latitude: about 100 m, 1 km, 10 km.
    let step = match precision {
        Precision::Exact => return (lat, lon),
        Precision::Street => 0.001,
        Precision::District => 0.01,
        Precision::City => 0.1,
    };
    let middle = |value: f64, step: f64| (value / step).floor() * step + step / 2.0;
    let row = middle(lat, step).clamp(-90.0, 90.0);
    // A degree of longitude shrinks towards the poles; the step grows with it, by row, so that a cell stays about as wide as high.
    let step = (step / row.to_radians().cos().max(0.001)).min(180.0);
    let round = |value: f64| (value * 1e6).round() / 1e6;
    (round(row), round(middle(lon, step).clamp(-180.0, 180.0)))
}
