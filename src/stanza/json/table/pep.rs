//! Payloads that people publish (XEP-0163): place, posts, mood, activity, tune, nickname, avatar, bookmarks. They also stand directly in stanzas.

use super::Type::{Bool, Decimal, Int, Jid, Text, Time};
use super::footprint::SHARE_ROW;
use super::iq::BOOKMARKS_ROW;
use super::{ANY, Also, Attr, LANG, Object, Row, attr, name_also, object, text, tree, typed};
use crate::stanza::json::table::form::FORM;

const GEOLOC: &str = "http://jabber.org/protocol/geoloc";
const ATOM: &str = "http://www.w3.org/2005/Atom";
const XHTML: &str = "http://www.w3.org/1999/xhtml";
const THREADING: &str = "http://purl.org/syndication/thread/1.0";
const MOOD: &str = "http://jabber.org/protocol/mood";
const ACTIVITY: &str = "http://jabber.org/protocol/activity";
const TUNE: &str = "http://jabber.org/protocol/tune";
const AVATAR: &str = "urn:xmpp:avatar:metadata";
const BOOKMARKS2: &str = "urn:xmpp:bookmarks:1";
const DEVICES: &str = "eu.siacs.conversations.axolotl";
const OMEMO: &str = "urn:xmpp:omemo:2";

static GEOLOC_OBJECT: Object = Object::new("geoloc").attrs(&[LANG]).rows(&[&[
    typed("accuracy", &["accuracy"], GEOLOC, Decimal).doc("Horizontal error in metres", "XEP-0080"),
    typed("alt", &["alt"], GEOLOC, Decimal).doc("Altitude in metres", "XEP-0080"),
    typed("altaccuracy", &["altaccuracy"], GEOLOC, Decimal).doc("Vertical error in metres", "XEP-0080"),
    text("area", &["area"], GEOLOC).doc("A named area, such as a campus", "XEP-0080"),
    typed("bearing", &["bearing"], GEOLOC, Decimal).doc("Direction of movement in degrees", "XEP-0080"),
    text("building", &["building"], GEOLOC).doc("A building", "XEP-0080"),
    text("country", &["country"], GEOLOC).doc("Country", "XEP-0080"),
    text("countrycode", &["countrycode"], GEOLOC).doc("Its ISO 3166 code", "XEP-0080"),
    text("datum", &["datum"], GEOLOC).doc("GPS datum", "XEP-0080"),
    text("description", &["description"], GEOLOC).doc("The place in words", "XEP-0080"),
    typed("error", &["error"], GEOLOC, Decimal).doc("Error in arc minutes (older)", "XEP-0080"),
    text("floor", &["floor"], GEOLOC).doc("Floor", "XEP-0080"),
    typed("lat", &["lat"], GEOLOC, Decimal).doc("Latitude in degrees north", "XEP-0080"),
    text("locality", &["locality"], GEOLOC).doc("Town", "XEP-0080"),
    typed("lon", &["lon"], GEOLOC, Decimal).doc("Longitude in degrees east", "XEP-0080"),
    text("postalcode", &["postalcode"], GEOLOC).doc("Postal code", "XEP-0080"),
    text("region", &["region"], GEOLOC).doc("Region", "XEP-0080"),
    text("room", &["room"], GEOLOC).doc("Room", "XEP-0080"),
    typed("speed", &["speed"], GEOLOC, Decimal).doc("Speed in metres per second", "XEP-0080"),
    text("street", &["street"], GEOLOC).doc("Street", "XEP-0080"),
    text("text", &["text"], GEOLOC).doc("Anything else", "XEP-0080"),
    typed("timestamp", &["timestamp"], GEOLOC, Time).doc("When it was measured", "XEP-0080"),
    text("tzo", &["tzo"], GEOLOC).doc("Time zone there", "XEP-0080"),
    text("uri", &["uri"], GEOLOC).doc("A page about the place", "XEP-0080"),
]]);
static GEOLOC_ROW: Row = object("geoloc", &["geoloc"], GEOLOC, &GEOLOC_OBJECT).doc("A place", "XEP-0080");

const TYPE: Attr = attr("type", Text);
static TEXT: Object =
    Object::new("atom_text")
        .attrs(&[TYPE, LANG])
        .text("text")
        .rows(&[&[tree("xhtml", &["div"], XHTML).doc("Formatted text, as a tree", "RFC 4287 3.1.1.3")]]);
static CONTENT: Object =
    Object::new("atom_content").attrs(&[TYPE, LANG, attr("src", Text)]).text("text").rows(&[&[
        tree("xhtml", &["div"], XHTML).doc("Formatted text, as a tree", "RFC 4287 4.1.3"),
        tree("xml", &[], ANY).doc("Other XML, as a tree", "RFC 4287 4.1.3"),
    ]]);
static PERSON: Object = Object::new("atom_person").rows(&[&[
    text("name", &["name"], ATOM).doc("Name", "RFC 4287 3.2"),
    text("uri", &["uri"], ATOM).doc("Address; with XMPP an xmpp: URI", "RFC 4287 3.2, XEP-0277"),
    text("email", &["email"], ATOM).doc("E-mail address", "RFC 4287 3.2"),
]]);
static CATEGORY: Object =
    Object::new("atom_category").attrs(&[attr("term", Text), attr("scheme", Text), attr("label", Text)]);
static LINK: Object = Object::new("atom_link").attrs(&[
    attr("href", Text),
    attr("rel", Text),
    TYPE,
    attr("hreflang", Text),
    attr("title", Text),
    attr("length", Int),
    attr("ref", Text),
]);
static GENERATOR: Object =
    Object::new("atom_generator").attrs(&[attr("uri", Text), attr("version", Text)]).text("name");
static IN_REPLY_TO: Object = Object::new("atom_in_reply_to").attrs(&[
    attr("ref", Text),
    attr("href", Text),
    TYPE,
    attr("source", Text),
]);

static ENTRY: Object = Object::new("entry").attrs(&[LANG]).rows(&[&[
    text("id", &["id"], ATOM).doc("Its id", "RFC 4287 4.2.6"),
    typed("published", &["published"], ATOM, Time).doc("When it was published", "RFC 4287 4.2.9"),
    typed("updated", &["updated"], ATOM, Time).doc("When it was last changed", "RFC 4287 4.2.15"),
    object("title", &["title"], ATOM, &TEXT)
        .list()
        .doc("The text, or its title", "RFC 4287 4.2.14, XEP-0277"),
    object("content", &["content"], ATOM, &CONTENT)
        .list()
        .doc("The text in full, by format", "RFC 4287 4.1.3, XEP-0277"),
    object("summary", &["summary"], ATOM, &TEXT).list().doc("A summary", "RFC 4287 4.2.13"),
    object("authors", &["author"], ATOM, &PERSON).list().doc("Who wrote it", "RFC 4287 4.2.1"),
    object("contributors", &["contributor"], ATOM, &PERSON).list().doc("Who helped", "RFC 4287 4.2.3"),
    object("links", &["link"], ATOM, &LINK)
        .list()
        .doc("Itself elsewhere, pictures, comments", "RFC 4287 4.2.7, XEP-0277"),
    object("categories", &["category"], ATOM, &CATEGORY).list().doc("Tags", "RFC 4287 4.2.2"),
    object("generator", &["generator"], ATOM, &GENERATOR).doc("The program", "RFC 4287 4.2.4"),
    object("rights", &["rights"], ATOM, &TEXT).doc("Licence", "RFC 4287 4.2.10"),
    tree("source", &["source"], ATOM).doc("The feed from which it was copied, as a tree", "RFC 4287 4.2.11"),
    object("in_reply_to", &["in-reply-to"], THREADING, &IN_REPLY_TO)
        .list()
        .doc("What it answers", "RFC 4685"),
    GEOLOC_ROW,
    SHARE_ROW,
]]);

static MOOD_OBJECT: Object = Object::new("mood").rows(&[&[
    text("text", &["text"], MOOD).doc("Why", "XEP-0107"),
    text("texts", &["text"], MOOD).langs().doc("The same by language", "XEP-0107"),
    name_also("value", &[], MOOD, Also::Nothing).doc("The mood: the element's name", "XEP-0107"),
]]);
static ACTIVITY_OBJECT: Object = Object::new("activity").rows(&[&[
    text("text", &["text"], ACTIVITY).doc("In words", "XEP-0108"),
    text("texts", &["text"], ACTIVITY).langs().doc("The same by language", "XEP-0108"),
    name_also("general", &[], ACTIVITY, Also::Name("specific"))
        .doc("The general activity; `specific`, when given, is the one inside it", "XEP-0108"),
]]);
static TUNE_OBJECT: Object = Object::new("tune").rows(&[&[
    text("artist", &["artist"], TUNE).doc("Artist", "XEP-0118"),
    typed("length", &["length"], TUNE, Int).doc("Seconds", "XEP-0118"),
    typed("rating", &["rating"], TUNE, Int).doc("1 to 10", "XEP-0118"),
    text("source", &["source"], TUNE).doc("Album or station", "XEP-0118"),
    text("title", &["title"], TUNE).doc("Title", "XEP-0118"),
    text("track", &["track"], TUNE).doc("Track", "XEP-0118"),
    text("uri", &["uri"], TUNE).doc("A page about it", "XEP-0118"),
]]);

static AVATAR_INFO: Object = Object::new("avatar_info").attrs(&[
    attr("id", Text),
    attr("bytes", Int),
    TYPE,
    attr("height", Int),
    attr("width", Int),
    attr("url", Text),
]);
static AVATAR_OBJECT: Object = Object::new("avatar_metadata").rows(&[&[
    object("info", &["info"], AVATAR, &AVATAR_INFO)
        .list()
        .doc("The picture by format; none = switched off", "XEP-0084"),
    tree("pointer", &["pointer"], AVATAR).list().doc("Pictures elsewhere, as trees", "XEP-0084"),
]]);

static CONFERENCE: Object =
    Object::new("conference").attrs(&[attr("name", Text), attr("autojoin", Bool)]).rows(&[&[
        text("nick", &["nick"], BOOKMARKS2).doc("Nickname there", "XEP-0402"),
        text("password", &["password"], BOOKMARKS2).secret().doc("Password of the room", "XEP-0402"),
        tree("extensions", &["extensions"], BOOKMARKS2)
            .doc("What clients keep with it, as a tree", "XEP-0402"),
    ]]);

static DEVICE: Object = Object::new("device").attrs(&[attr("id", Int), attr("label", Text)]);
static DEVICE_LIST: Object =
    Object::new("axolotl_devices").rows(&[&[object("devices", &["device"], DEVICES, &DEVICE)
        .list()
        .doc("Device numbers", "XEP-0384 0.3")]]);
static OMEMO_DEVICES: Object =
    Object::new("omemo_devices")
        .rows(&[&[object("devices", &["device"], OMEMO, &DEVICE).list().doc("Device numbers", "XEP-0384")]]);

static ADDRESSABLE: Object = Object::new("reachability_address").attrs(&[attr("uri", Text)]);
static REACH: Object =
    Object::new("reach").rows(&[&[object("addresses", &["addr"], "urn:xmpp:reach:0", &ADDRESSABLE)
        .list()
        .doc("The addresses", "XEP-0152")]]);

static NOTIFICATION: Object = Object::new("push_notification").rows(&[&[FORM]]);

static DISPLAYED: Object =
    Object::new("displayed")
        .rows(&[&[object("stanza_id", &["stanza-id"], "urn:xmpp:sid:0", &DISPLAYED_ID)
            .doc("Up to here", "XEP-0490")]]);
static DISPLAYED_ID: Object = Object::new("displayed_id").attrs(&[attr("id", Text), attr("by", Jid)]);

/// A post, wherever it stands.
pub static ENTRY_ROW: Row =
    object("entry", &["entry"], ATOM, &ENTRY).doc("A post (microblog)", "RFC 4287, XEP-0277, XEP-0472");

/// Rows for payloads, in pubsub items and directly in stanzas.
pub static ROWS: &[Row] = &[
    GEOLOC_ROW,
    ENTRY_ROW,
    object("mood", &["mood"], MOOD, &MOOD_OBJECT).doc("How somebody feels", "XEP-0107"),
    object("activity", &["activity"], ACTIVITY, &ACTIVITY_OBJECT).doc("What somebody does", "XEP-0108"),
    object("tune", &["tune"], TUNE, &TUNE_OBJECT).doc("What somebody listens to", "XEP-0118"),
    text("nick", &["nick"], "http://jabber.org/protocol/nick").doc("Nickname", "XEP-0172"),
    text("avatar_data", &["data"], "urn:xmpp:avatar:data").doc("Avatar, base64", "XEP-0084"),
    object("avatar_metadata", &["metadata"], AVATAR, &AVATAR_OBJECT).doc("About the avatar", "XEP-0084"),
    object("conference", &["conference"], BOOKMARKS2, &CONFERENCE).doc("A bookmarked room", "XEP-0402"),
    BOOKMARKS_ROW,
    object("reach", &["reach"], "urn:xmpp:reach:0", &REACH).doc("Other ways to reach somebody", "XEP-0152"),
    object("axolotl_devices", &["list"], DEVICES, &DEVICE_LIST).doc("Devices for OMEMO", "XEP-0384 0.3"),
    object("omemo_devices", &["devices"], OMEMO, &OMEMO_DEVICES).doc("Devices for OMEMO 2", "XEP-0384"),
    object("displayed", &["displayed"], "urn:xmpp:mds:displayed:0", &DISPLAYED)
        .doc("Read on another device up to here", "XEP-0490"),
    object("push_notification", &["notification"], PUSH, &NOTIFICATION)
        .doc("What a push service gets", "XEP-0357"),
];
const PUSH: &str = "urn:xmpp:push:0";

/// Rows for payloads that stand elsewhere under another meaning when they are directly in a stanza.
pub static ONLY_ITEMS: &[Row] = &[
    super::json("json", &["json"], "urn:xmpp:json:0").doc("JSON, byte for byte", "XEP-0335"),
    text("json_text", &["json"], "urn:xmpp:json:0")
        .doc("The same as text, when it is not JSON or is spread over lines", "XEP-0335"),
    super::vcard::VCARD,
];
