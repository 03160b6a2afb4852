//! What stands in messages: text, threads, states, receipts, ids, carbons, corrections, reactions, hints, references, encrypted payloads.

use super::Type::{Int, Jid, Text, Time};
use super::{
    Attr, CLIENT, INNER_STANZA, Object, Row, attr, flag, json, name, object, one_attr, text, tree, wrap,
};

const RECEIPTS: &str = "urn:xmpp:receipts";
const MARKERS: &str = "urn:xmpp:chat-markers:0";
const SID: &str = "urn:xmpp:sid:0";
const CARBONS: &str = "urn:xmpp:carbons:2";
const FORWARD: &str = "urn:xmpp:forward:0";
const RETRACT: &str = "urn:xmpp:message-retract:1";
const MODERATE: &str = "urn:xmpp:message-moderate:1";
const FASTEN: &str = "urn:xmpp:fasten:0";
const RETRACT_0: &str = "urn:xmpp:message-retract:0";
const HINTS: &str = "urn:xmpp:hints";
const SHIM: &str = "http://jabber.org/protocol/shim";
const JSON_0: &str = "urn:xmpp:json:0";
const JSON_MSG: &str = "urn:xmpp:json-msg:0";
const ADDRESS: &str = "http://jabber.org/protocol/address";
const FALLBACK: &str = "urn:xmpp:fallback:0";
const AXOLOTL: &str = "eu.siacs.conversations.axolotl";
const OMEMO: &str = "urn:xmpp:omemo:2";
const REACTIONS: &str = "urn:xmpp:reactions:0";
const CONFIRM: &str = "http://jabber.org/protocol/http-auth";

static THREAD: Object = Object::new("thread").attrs(&[attr("parent", Text)]).text("id");

static RECEIPT: Object = Object::new("receipt").named("kind").attrs(&[attr("id", Text)]);

static MARKER: Object = Object::new("marker").named("kind").attrs(&[attr("id", Text), attr("thread", Text)]);

/// When and by whom something was held back (XEP-0203); archives and forwards use it too.
pub static DELAY: Object =
    Object::new("delay").attrs(&[attr("stamp", Time), attr("from", Jid)]).text("reason");

/// One row for every place where a forwarded stanza may stand.
pub static FORWARDED: Row = object("forwarded", &["forwarded"], FORWARD, &FORWARDED_OBJECT);

static FORWARDED_OBJECT: Object = Object::new("forwarded").rows(&[
    &[object("delay", &["delay"], "urn:xmpp:delay", &DELAY).doc("When it was sent at first", "XEP-0297")],
    INNER_STANZA,
]);

static CARBON: Object =
    Object::new("carbon").named("dir").rows(&[&[FORWARDED.doc("The copied stanza", "XEP-0280")]]);

static STANZA_ID: Object = Object::new("stanza_id").attrs(&[attr("id", Text), attr("by", Jid)]);

static REPLY: Object = Object::new("reply").attrs(&[attr("id", Text), attr("to", Jid)]);

static REACTIONS_OBJECT: Object = Object::new("reactions").attrs(&[attr("id", Text)]).rows(&[&[text(
    "reactions",
    &["reaction"],
    REACTIONS,
)
.list()
.doc("The emoji", "XEP-0444")]]);

static MODERATED: Object = Object::new("moderated").attrs(&[attr("by", Jid)]).rows(&[&[one_attr(
    "occupant_id",
    &["occupant-id"],
    "urn:xmpp:occupant-id:0",
    "id",
    Text,
)
.doc("The moderator's occupant id", "XEP-0425")]]);

static RETRACT_OBJECT: Object = Object::new("retract").attrs(&[attr("id", Text)]).rows(&[&[
    text("reason", &["reason"], RETRACT).doc("Why", "XEP-0424"),
    object("moderated", &["moderated"], MODERATE, &MODERATED)
        .doc("The moderator, when it was not the author", "XEP-0425"),
]]);

static RETRACTED: Object =
    Object::new("retracted").attrs(&[attr("id", Text), attr("stamp", Time), attr("by", Jid)]).rows(&[&[
        text("reason", &["reason"], RETRACT).doc("Why", "XEP-0424"),
        object("moderated", &["moderated"], MODERATE, &MODERATED).doc("The moderator", "XEP-0425"),
    ]]);

static MODERATE_OBJECT: Object = Object::new("moderate").attrs(&[attr("id", Text)]).rows(&[&[
    flag("retract", &["retract"], RETRACT).doc("Retract the message", "XEP-0425"),
    text("reason", &["reason"], MODERATE).doc("Why", "XEP-0425"),
]]);

static APPLY_TO: Object = Object::new("apply_to").attrs(&[attr("id", Text)]).rows(&[&[
    flag("retract", &["retract"], RETRACT_0).doc("Retract the message", "XEP-0424 0.3"),
    tree("external", &["external"], FASTEN).list().doc("Elements outside that belong to it", "XEP-0422"),
]]);

static SPAN: Object = Object::new("span").attrs(&[attr("start", Int), attr("end", Int)]);

static FALLBACK_OBJECT: Object = Object::new("fallback").attrs(&[attr("for", Text)]).rows(&[&[
    object("bodies", &["body"], FALLBACK, &SPAN)
        .list()
        .doc("Parts of the body that stand in for the feature", "XEP-0428"),
    object("subjects", &["subject"], FALLBACK, &SPAN).list().doc("Parts of the subject", "XEP-0428"),
]]);

static ENCRYPTION: Object = Object::new("encryption").attrs(&[attr("namespace", Text), attr("name", Text)]);

static OMEMO_KEY: Object = Object::new("omemo_key")
    .attrs(&[attr("rid", Int), attr("prekey", super::Type::Bool), attr("kex", super::Type::Bool)])
    .text("data");

static AXOLOTL_HEADER: Object = Object::new("axolotl_header").attrs(&[attr("sid", Int)]).rows(&[&[
    object("keys", &["key"], AXOLOTL, &OMEMO_KEY)
        .list()
        .doc("The message key, once for each device", "XEP-0384 0.3"),
    text("iv", &["iv"], AXOLOTL).doc("Initialisation vector", "XEP-0384 0.3"),
]]);

static AXOLOTL_OBJECT: Object = Object::new("axolotl").rows(&[&[
    object("header", &["header"], AXOLOTL, &AXOLOTL_HEADER).doc("Who can open it", "XEP-0384 0.3"),
    text("payload", &["payload"], AXOLOTL).doc("The ciphertext, opaque", "XEP-0384 0.3"),
]]);

static OMEMO_KEYS: Object = Object::new("omemo_keys").attrs(&[attr("jid", Jid)]).rows(&[&[object(
    "keys",
    &["key"],
    OMEMO,
    &OMEMO_KEY,
)
.list()
.doc("The message key, once for each device", "XEP-0384")]]);

static OMEMO_HEADER: Object = Object::new("omemo_header").attrs(&[attr("sid", Int)]).rows(&[&[object(
    "recipients",
    &["keys"],
    OMEMO,
    &OMEMO_KEYS,
)
.list()
.doc("Devices by account", "XEP-0384")]]);

static OMEMO_OBJECT: Object = Object::new("omemo").rows(&[&[
    object("header", &["header"], OMEMO, &OMEMO_HEADER).doc("Who can open it", "XEP-0384"),
    text("payload", &["payload"], OMEMO).doc("The ciphertext, opaque", "XEP-0384"),
]]);

static REFERENCE: Object = Object::new("reference").attrs(&[
    attr("type", Text),
    attr("uri", Text),
    attr("begin", Int),
    attr("end", Int),
    attr("anchor", Text),
]);

static OOB: Object = Object::new("oob").rows(&[&[
    text("url", &["url"], "jabber:x:oob").doc("Where", "XEP-0066"),
    text("desc", &["desc"], "jabber:x:oob").doc("What", "XEP-0066"),
]]);

static INVITE: Object = Object::new("invite").attrs(&[
    attr("jid", Jid),
    Attr { secret: true, ..attr("password", Text) },
    attr("reason", Text),
    attr("continue", super::Type::Bool),
    attr("thread", Text),
]);

static PAYLOAD: Object = Object::new("payload").attrs(&[attr("datatype", Text)]).rows(&[&[
    json("data", &["json"], JSON_0).doc("The data, byte for byte", "XEP-0335"),
    text("text", &["json"], JSON_0)
        .doc("The same as text, when it is not JSON or is spread over lines", "XEP-0335"),
]]);

static HEADER: Object = Object::new("header").attrs(&[attr("name", Text)]).text("value");
/// A header of SHIM.
pub static HEADER_ROW: Row = object("header", &["header"], SHIM, &HEADER).doc("One header", "XEP-0131");

static ADDRESS_OBJECT: Object = Object::new("address").attrs(&[
    attr("type", Text),
    attr("jid", Jid),
    attr("uri", Text),
    attr("node", Text),
    attr("desc", Text),
    attr("delivered", super::Type::Bool),
]);
static ADDRESS_ROW: Row =
    object("address", &["address"], ADDRESS, &ADDRESS_OBJECT).doc("One address", "XEP-0033");

static CONFIRM_OBJECT: Object =
    Object::new("confirm").attrs(&[attr("id", Text), attr("method", Text), attr("url", Text)]);

static LEGACY_DELAY: Object =
    Object::new("legacy_delay").attrs(&[attr("stamp", Text), attr("from", Jid)]).text("reason");

/// Rows for anything that a message carries directly.
pub static ROWS: &[Row] = &[
    text("body", &["body"], CLIENT).doc("The text, without a language of its own", "RFC 6121 5.2.3"),
    text("bodies", &["body"], CLIENT).langs().doc("Texts that carry a language", "RFC 6121 5.2.3"),
    text("subject", &["subject"], CLIENT)
        .doc("The subject, without a language of its own; empty = cleared", "RFC 6121 5.2.4"),
    text("subjects", &["subject"], CLIENT).langs().doc("Subjects that carry a language", "RFC 6121 5.2.4"),
    object("thread", &["thread"], CLIENT, &THREAD).doc("The conversation", "RFC 6121 5.2.5, XEP-0201"),
    name(
        "state",
        &["active", "composing", "paused", "inactive", "gone"],
        "http://jabber.org/protocol/chatstates",
    )
    .doc("Chat state", "XEP-0085"),
    object("receipt", &["request", "received"], RECEIPTS, &RECEIPT)
        .doc("Asks for a receipt (`request`) or is one (`received`, with the `id`)", "XEP-0184"),
    object("markers", &["markable", "received", "displayed", "acknowledged"], MARKERS, &MARKER)
        .list()
        .doc("Chat markers; `received` and `acknowledged` are those of older versions", "XEP-0333"),
    object("delay", &["delay"], "urn:xmpp:delay", &DELAY)
        .doc("It was held back: when, by whom, why", "XEP-0203"),
    object("delays", &["delay"], "urn:xmpp:delay", &DELAY)
        .list()
        .doc("Further delays, by other holders", "XEP-0203"),
    object("legacy_delay", &["x"], "jabber:x:delay", &LEGACY_DELAY)
        .doc("The same as older servers write it", "XEP-0091"),
    one_attr("origin_id", &["origin-id"], SID, "id", Text).doc("The sender's own id", "XEP-0359"),
    object("stanza_ids", &["stanza-id"], SID, &STANZA_ID)
        .list()
        .doc("Ids given on the way, and by whom", "XEP-0359"),
    one_attr("occupant_id", &["occupant-id"], "urn:xmpp:occupant-id:0", "id", Text)
        .doc("Who it is in this room, whatever the nickname", "XEP-0421"),
    object("carbon", &["sent", "received"], CARBONS, &CARBON)
        .doc("A copy for the user's other devices", "XEP-0280"),
    name("carbons", &["enable", "disable"], CARBONS).doc("Switches carbons", "XEP-0280"),
    flag("carbon_private", &["private"], CARBONS).doc("No carbon of this message, please", "XEP-0280"),
    FORWARDED.doc("A forwarded stanza", "XEP-0297"),
    one_attr("replace", &["replace"], "urn:xmpp:message-correct:0", "id", Text)
        .doc("The message that this one corrects", "XEP-0308"),
    object("reply", &["reply"], "urn:xmpp:reply:0", &REPLY)
        .doc("The message that this one answers", "XEP-0461"),
    object("reactions", &["reactions"], REACTIONS, &REACTIONS_OBJECT)
        .doc("All reactions of the sender to a message; an empty list takes them back", "XEP-0444"),
    object("retract", &["retract"], RETRACT, &RETRACT_OBJECT).doc("Takes a message back", "XEP-0424"),
    object("retracted", &["retracted"], RETRACT, &RETRACTED)
        .doc("What an archive keeps in its place", "XEP-0424"),
    object("moderate", &["moderate"], MODERATE, &MODERATE_OBJECT).doc("A moderator's request", "XEP-0425"),
    object("apply_to", &["apply-to"], FASTEN, &APPLY_TO)
        .doc("Something fastened to another message", "XEP-0422"),
    name("hints", &["no-permanent-store", "no-store", "no-copy", "store"], HINTS)
        .list()
        .doc("Hints for servers", "XEP-0334"),
    object("fallback", &["fallback"], FALLBACK, &FALLBACK_OBJECT)
        .list()
        .doc("Which text is only for clients that do not know the feature", "XEP-0428"),
    object("encryption", &["encryption"], "urn:xmpp:eme:0", &ENCRYPTION)
        .doc("How the message is encrypted", "XEP-0380"),
    object("axolotl", &["encrypted"], AXOLOTL, &AXOLOTL_OBJECT)
        .doc("OMEMO as most clients speak it: keys for devices and an opaque payload", "XEP-0384 0.3"),
    object("omemo", &["encrypted"], OMEMO, &OMEMO_OBJECT)
        .doc("OMEMO 2: the same, keys grouped by account", "XEP-0384"),
    object("references", &["reference"], "urn:xmpp:reference:0", &REFERENCE)
        .list()
        .doc("Mentions and other references", "XEP-0372"),
    one_attr("attach_to", &["attach-to"], "urn:xmpp:message-attaching:1", "id", Text)
        .doc("The message to which this one is attached", "XEP-0367"),
    object("oob", &["x"], "jabber:x:oob", &OOB).doc("A file or page elsewhere", "XEP-0066"),
    tree("html", &["html"], "http://jabber.org/protocol/xhtml-im")
        .doc("Formatted text, as a tree", "XEP-0071"),
    object("invite", &["x"], "jabber:x:conference", &INVITE).doc("Direct invitation to a room", "XEP-0249"),
    flag("attention", &["attention"], "urn:xmpp:attention:0").doc("Asks for attention", "XEP-0224"),
    text("spoiler", &["spoiler"], "urn:xmpp:spoiler:0")
        .doc("The text is to be hidden, behind this hint", "XEP-0382"),
    text("spoilers", &["spoiler"], "urn:xmpp:spoiler:0")
        .langs()
        .doc("Hints that carry a language", "XEP-0382"),
    object("payloads", &["payload"], JSON_MSG, &PAYLOAD).list().doc("Typed JSON", "XEP-0432"),
    json("json", &["json"], JSON_0).doc("JSON, byte for byte", "XEP-0335"),
    text("json_text", &["json"], JSON_0)
        .doc("The same as text, when it is not JSON or is spread over lines", "XEP-0335"),
    wrap("headers", &["headers"], SHIM, &HEADER_ROW).doc("Headers such as Created, TTL, Urgency", "XEP-0131"),
    wrap("addresses", &["addresses"], ADDRESS, &ADDRESS_ROW).doc("Several recipients", "XEP-0033"),
    object("confirm", &["confirm"], CONFIRM, &CONFIRM_OBJECT).doc("Confirms an HTTP request", "XEP-0070"),
];
