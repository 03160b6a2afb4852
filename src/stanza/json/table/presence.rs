//! What stands in presences: show, status, priority, capabilities, idle time, avatars' hashes, hats.

use super::Type::{Enum, Int, Text, Time};
use super::{CLIENT, Object, Row, attr, object, one_attr, text, typed, wrap};

const UPDATE: &str = "vcard-temp:x:update";

static CAPS: Object = Object::new("caps").attrs(&[
    attr("hash", Text),
    attr("node", Text),
    attr("ver", Text),
    attr("ext", Text),
]);

static VCARD_UPDATE: Object = Object::new("vcard_update").rows(&[&[
    text("photo", &["photo"], UPDATE).doc("SHA-1 of the avatar; empty = there is none", "XEP-0153")
]]);

static HAT: Object =
    Object::new("hat").attrs(&[attr("title", Text), attr("uri", Text), attr("hue", super::Type::Decimal)]);
static HAT_ROW: Row = object("hat", &["hat"], "urn:xmpp:hats:0", &HAT).doc("One hat", "XEP-0317");

/// Rows for anything that a presence carries directly.
pub static ROWS: &[Row] = &[
    typed("show", &["show"], CLIENT, Enum(&["away", "chat", "dnd", "xa"]))
        .doc("How available; absent = available", "RFC 6121 4.7.2.1"),
    text("status", &["status"], CLIENT)
        .doc("A few words, without a language of their own", "RFC 6121 4.7.2.2"),
    text("statuses", &["status"], CLIENT).langs().doc("The same by language", "RFC 6121 4.7.2.2"),
    typed("priority", &["priority"], CLIENT, Int)
        .doc("Priority of the resource, -128 to 127", "RFC 6121 4.7.2.3"),
    object("caps", &["c"], "http://jabber.org/protocol/caps", &CAPS)
        .doc("What the client can do", "XEP-0115"),
    one_attr("idle_since", &["idle"], "urn:xmpp:idle:1", "since", Time)
        .doc("When the user was last active", "XEP-0319"),
    object("vcard_update", &["x"], UPDATE, &VCARD_UPDATE).doc("The avatar in the vCard", "XEP-0153"),
    wrap("hats", &["hats"], "urn:xmpp:hats:0", &HAT_ROW).doc("Roles shown in a room", "XEP-0317"),
];
