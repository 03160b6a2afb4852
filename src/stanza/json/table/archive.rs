//! Message archives (XEP-0313) and paging through results (XEP-0059).

use super::Type::{Bool, Enum, Int, Text, Time};
use super::message::FORWARDED;
use super::{Object, Row, attr, flag, object, text, typed};
use crate::stanza::json::table::form::FORM;

const MAM: &str = "urn:xmpp:mam:2";
const RSM: &str = "http://jabber.org/protocol/rsm";

static FIRST: Object = Object::new("first").attrs(&[attr("index", Int)]).text("id");

static SET: Object = Object::new("rsm").rows(&[&[
    typed("max", &["max"], RSM, Int).doc("At most so many", "XEP-0059"),
    text("before", &["before"], RSM).doc("The page before this id; empty = the last page", "XEP-0059"),
    text("after", &["after"], RSM).doc("The page after this id", "XEP-0059"),
    typed("index", &["index"], RSM, Int).doc("The page from this position", "XEP-0059"),
    object("first", &["first"], RSM, &FIRST).doc("Id and position of the first item", "XEP-0059"),
    text("last", &["last"], RSM).doc("Id of the last item", "XEP-0059"),
    typed("count", &["count"], RSM, Int).doc("How many there are in all", "XEP-0059"),
]]);
/// Result set management, wherever it stands.
pub static RSM_ROW: Row = object("rsm", &["set"], RSM, &SET).doc("The page wanted or given", "XEP-0059");

static QUERY: Object = Object::new("archive").attrs(&[attr("queryid", Text), attr("node", Text)]).rows(&[&[
    FORM,
    RSM_ROW,
    flag("flip_page", &["flip-page"], MAM).doc("Newest first within the page", "XEP-0313"),
]]);

static RESULT: Object = Object::new("archive_result")
    .attrs(&[attr("queryid", Text), attr("id", Text)])
    .rows(&[&[FORWARDED.doc("The archived stanza", "XEP-0313")]]);

static FIN: Object = Object::new("archive_fin")
    .attrs(&[attr("complete", Bool), attr("stable", Bool), attr("queryid", Text)])
    .rows(&[&[RSM_ROW]]);

static JID: Row = text("jid", &["jid"], MAM).doc("An address", "XEP-0441");

static PREFS: Object =
    Object::new("archive_prefs").attrs(&[attr("default", Enum(&["always", "never", "roster"]))]).rows(&[&[
        super::wrap("always", &["always"], MAM, &JID).doc("Always archived", "XEP-0441"),
        super::wrap("never", &["never"], MAM, &JID).doc("Never archived", "XEP-0441"),
    ]]);

static EDGE: Object = Object::new("archive_edge").attrs(&[attr("id", Text), attr("timestamp", Time)]);

static METADATA: Object = Object::new("archive_metadata").rows(&[&[
    object("start", &["start"], MAM, &EDGE).doc("The oldest message", "XEP-0313"),
    object("end", &["end"], MAM, &EDGE).doc("The newest message", "XEP-0313"),
]]);

/// Rows for archives and paging directly in a stanza.
pub static ROWS: &[Row] = &[
    object("archive", &["query"], MAM, &QUERY).doc("Asks an archive", "XEP-0313"),
    object("archive_result", &["result"], MAM, &RESULT).doc("One archived message", "XEP-0313"),
    object("archive_fin", &["fin"], MAM, &FIN).doc("The end of a page", "XEP-0313"),
    object("archive_prefs", &["prefs"], MAM, &PREFS).doc("What is archived", "XEP-0441"),
    object("archive_metadata", &["metadata"], MAM, &METADATA).doc("The archive's extent", "XEP-0313"),
    RSM_ROW,
];
