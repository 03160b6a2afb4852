//! Footprints: what stands beside a published place, and the search for what was shared (docs/footprint.md). Our own namespace, where no standard has one.

use super::Type::{Bool, Enum, Jid, Text, Time};
use super::archive::RSM_ROW;
use super::{Object, Row, attr, object, one_attr};
use crate::stanza::json::table::pep;

const FOOTPRINT: &str = "urn:cloudbridge:footprint:0";
const PRECISIONS: &[&str] = &["exact", "street", "district", "city"];

static SHARE: Object = Object::new("footprint_share")
    .attrs(&[attr("audience", Text), attr("group", Text), attr("precision", Text), attr("track", Text)])
    .rows(&[&[
        one_attr("people", &["person"], FOOTPRINT, "jid", Jid)
            .list()
            .doc("Who may see it", "docs/footprint.md"),
        one_attr("media", &["media"], FOOTPRINT, "id", Text)
            .list()
            .doc("Media of the platform", "docs/footprint.md"),
    ]]);
/// In a publish, or in its entry.
pub static SHARE_ROW: Row =
    object("share", &["share"], FOOTPRINT, &SHARE).doc("For whom it is and how exactly", "docs/footprint.md");

static ITEM: Object = Object::new("footprint")
    .attrs(&[attr("id", Text), attr("user", Jid), attr("precision", Enum(PRECISIONS)), attr("track", Text)])
    .rows(&[&[
        one_attr("media", &["media"], FOOTPRINT, "id", Text)
            .list()
            .doc("Media of the platform", "docs/footprint.md"),
        pep::ENTRY_ROW,
    ]]);

static FOOTPRINTS: Object = Object::new("footprints")
    .attrs(&[
        attr("user", Jid),
        attr("since", Time),
        attr("until", Time),
        attr("area", Text),
        attr("track", Text),
        attr("complete", Bool),
    ])
    .rows(&[&[
        object("items", &["item"], FOOTPRINT, &ITEM).list().doc("What was found", "docs/footprint.md"),
        RSM_ROW,
    ]]);

/// Rows for stanzas.
pub static ROWS: &[Row] = &[object("footprints", &["footprints"], FOOTPRINT, &FOOTPRINTS)
    .doc("A search for footprints and what it found", "docs/footprint.md")];
