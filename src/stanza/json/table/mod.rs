//! The mapping as data: one table, read by the encoder, the decoder, the schema and the documentation.
//!
//! A [`Row`] says: this element, below that parent, is this key with a value of this [`Shape`]. An [`Object`] is the list of rows, attributes and
//! text that one element may hold. Nothing here runs; what a shape means is said once, at [`Shape`], and done in `encode` and `decode`.
//!
//! The rules that every row obeys:
//! - a key has one JSON type. What does not fit that type exactly (a priority of `+1`, a second `<body/>`) is not bent: it stays as written, in `rest`
//!   (elements, text) or `a` (attributes) of the same object;
//! - several rows may name the same element; the first that fits takes it;
//! - several rows may share a key when the element's name, written under [`Object::name_key`], tells them apart.
//!
//! Leaves out: what belongs to no standard that the bridge meets (it travels in `rest`), and every judgement about the values.

pub mod archive;
pub mod footprint;
pub mod form;
pub mod iq;
pub mod message;
pub mod muc;
pub mod pep;
pub mod presence;
pub mod pubsub;
pub mod vcard;

/// `jabber:client`, for all three stanza namespaces.
pub const CLIENT: &str = "jabber:client";
/// Stanza error conditions (RFC 6120 8.3.3).
pub const STANZAS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
/// As a row's namespace: any that no other row of the object names.
pub const ANY: &str = "*";

/// What the text of an attribute or element is, and so which JSON type it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// Any text: a string.
    Text,
    /// A JID (RFC 7622): a string. What is none stays as written, like everything that does not fit its type.
    Jid,
    /// A date and time (XEP-0082): a string, never converted.
    Time,
    /// An integer in plain digits, at most 15 of them (every JSON reader holds those exactly): a number.
    Int,
    /// A decimal or double spelled as JSON spells numbers, at most 17 digits: a number with the wire's spelling.
    Decimal,
    /// An XML boolean: `true`, `false`, or, for the wire's other spelling, the numbers 1 and 0.
    Bool,
    /// One of these words: a string.
    Enum(&'static [&'static str]),
}

/// An attribute with a key of its own.
#[derive(Debug, Clone, Copy)]
pub struct Attr {
    /// Key in the object.
    pub key: &'static str,
    /// Attribute name.
    pub name: &'static str,
    /// Attribute namespace; empty, or that of `xml:`.
    pub ns: &'static str,
    /// Type of the value.
    pub ty: Type,
    /// What the key says when the attribute is absent; empty = the key is absent too.
    pub default: &'static str,
    /// Masked unless asked.
    pub secret: bool,
}

/// How an element that a row names becomes a value.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// Empty element without attributes: `true`.
    Flag,
    /// Element with nothing but text: the text.
    Text(Type),
    /// Empty element with exactly this attribute: its value.
    Attr(&'static str, Type),
    /// Empty element of several names: the name, as a string.
    Name(Also),
    /// An element: an object.
    Object(&'static Object),
    /// An element without attributes around many of one other: the list of those.
    Wrap(&'static Row),
    /// An element whose text is JSON: that JSON, byte for byte.
    Json,
    /// Any element as a tree: `{"n": name, "ns": namespace, "a": {attributes}, "c": [text or tree]}`.
    Tree,
}

/// What may stand inside the element of a [`Shape::Name`], and the key beside the row's own that takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Also {
    /// Nothing.
    Nothing,
    /// Text.
    Text(&'static str),
    /// One empty element of the same namespace: its name.
    Name(&'static str),
}

/// How often the element of a row occurs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Many {
    /// Once; the value itself. Any further one is left to later rows or to `rest`.
    One,
    /// Any number: always a list.
    List,
    /// Once per `xml:lang`, which the element must carry: an object from language to value.
    Langs,
}

/// An element with a key of its own.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Key in the object.
    pub key: &'static str,
    /// Element names; empty = any name of the namespace.
    pub names: &'static [&'static str],
    /// Element namespace, or [`ANY`].
    pub ns: &'static str,
    /// What the element becomes.
    pub shape: Shape,
    /// How often.
    pub many: Many,
    /// Masked unless asked.
    pub secret: bool,
    /// What it is, for the documentation.
    pub doc: &'static str,
    /// Where it is defined: RFC section or XEP.
    pub source: &'static str,
}

/// What one element may hold under keys.
#[derive(Debug, Clone, Copy)]
pub struct Object {
    /// Name in the schema.
    pub name: &'static str,
    /// Key under which the element's name is written, when a row allows several names.
    pub name_key: &'static str,
    /// Its attributes.
    pub attrs: &'static [Attr],
    /// Key and type of its text.
    pub text: Option<(&'static str, Type)>,
    /// Its children, in groups that objects may share.
    pub groups: &'static [&'static [Row]],
    /// A form field: its content is secret when its type or name says so.
    pub field: bool,
}

impl Object {
    pub(super) const fn new(name: &'static str) -> Object {
        Object { name, name_key: "", attrs: &[], text: None, groups: &[], field: false }
    }
    pub(super) const fn named(mut self, key: &'static str) -> Object {
        self.name_key = key;
        self
    }
    pub(super) const fn attrs(mut self, attrs: &'static [Attr]) -> Object {
        self.attrs = attrs;
        self
    }
    pub(super) const fn text(mut self, key: &'static str) -> Object {
        self.text = Some((key, Type::Text));
        self
    }
    pub(super) const fn rows(mut self, groups: &'static [&'static [Row]]) -> Object {
        self.groups = groups;
        self
    }

    /// All rows, in the order in which they are tried.
    pub fn all_rows(&self) -> impl Iterator<Item = &'static Row> + use<> {
        self.groups.iter().flat_map(|group| group.iter())
    }
}

impl Row {
    pub(super) const fn list(mut self) -> Row {
        self.many = Many::List;
        self
    }
    pub(super) const fn langs(mut self) -> Row {
        self.many = Many::Langs;
        self
    }
    pub(super) const fn secret(mut self) -> Row {
        self.secret = true;
        self
    }
    pub(super) const fn doc(mut self, doc: &'static str, source: &'static str) -> Row {
        self.doc = doc;
        self.source = source;
        self
    }
}

const fn row(key: &'static str, names: &'static [&'static str], ns: &'static str, shape: Shape) -> Row {
    Row { key, names, ns, shape, many: Many::One, secret: false, doc: "", source: "" }
}
/// `key`: an empty element.
pub(super) const fn flag(key: &'static str, names: &'static [&'static str], ns: &'static str) -> Row {
    row(key, names, ns, Shape::Flag)
}
/// `key`: the text of an element.
pub(super) const fn text(key: &'static str, names: &'static [&'static str], ns: &'static str) -> Row {
    row(key, names, ns, Shape::Text(Type::Text))
}
/// `key`: the typed text of an element.
pub(super) const fn typed(
    key: &'static str,
    names: &'static [&'static str],
    ns: &'static str,
    ty: Type,
) -> Row {
    row(key, names, ns, Shape::Text(ty))
}
/// `key`: the only attribute of an empty element.
pub(super) const fn one_attr(
    key: &'static str,
    names: &'static [&'static str],
    ns: &'static str,
    attr: &'static str,
    ty: Type,
) -> Row {
    row(key, names, ns, Shape::Attr(attr, ty))
}
/// `key`: the name of an empty element.
pub(super) const fn name(key: &'static str, names: &'static [&'static str], ns: &'static str) -> Row {
    row(key, names, ns, Shape::Name(Also::Nothing))
}
/// `key`: the name of an element, and a second key for what is in it.
pub(super) const fn name_also(
    key: &'static str,
    names: &'static [&'static str],
    ns: &'static str,
    also: Also,
) -> Row {
    row(key, names, ns, Shape::Name(also))
}
/// `key`: an object.
pub(super) const fn object(
    key: &'static str,
    names: &'static [&'static str],
    ns: &'static str,
    object: &'static Object,
) -> Row {
    row(key, names, ns, Shape::Object(object))
}
/// `key`: the list inside a wrapping element.
pub(super) const fn wrap(
    key: &'static str,
    names: &'static [&'static str],
    ns: &'static str,
    inner: &'static Row,
) -> Row {
    row(key, names, ns, Shape::Wrap(inner))
}
/// `key`: JSON text.
pub(super) const fn json(key: &'static str, names: &'static [&'static str], ns: &'static str) -> Row {
    row(key, names, ns, Shape::Json)
}
/// `key`: a generic tree.
pub(super) const fn tree(key: &'static str, names: &'static [&'static str], ns: &'static str) -> Row {
    row(key, names, ns, Shape::Tree)
}
/// An attribute whose key is its name.
pub(super) const fn attr(name: &'static str, ty: Type) -> Attr {
    Attr { key: name, name, ns: "", ty, default: "", secret: false }
}
/// An attribute under another key.
pub(super) const fn attr_as(key: &'static str, name: &'static str, ty: Type) -> Attr {
    Attr { key, name, ns: "", ty, default: "", secret: false }
}
/// `xml:lang`, as `lang`.
pub(super) const LANG: Attr =
    Attr { key: "lang", name: "lang", ns: crate::stanza::XML_NS, ty: Type::Text, default: "", secret: false };

const MESSAGE_TYPES: Type = Type::Enum(&["normal", "chat", "groupchat", "headline", "error"]);
const PRESENCE_TYPES: Type = Type::Enum(&[
    "available",
    "unavailable",
    "subscribe",
    "subscribed",
    "unsubscribe",
    "unsubscribed",
    "probe",
    "error",
]);
const IQ_TYPES: Type = Type::Enum(&["get", "set", "result", "error"]);

const fn stanza_type(ty: Type, default: &'static str) -> Attr {
    Attr { key: "type", name: "type", ns: "", ty, default, secret: false }
}

/// Every group of rows that stands directly in a stanza, whatever its kind.
pub static STANZA_ROWS: &[&[Row]] = &[
    message::ROWS,
    presence::ROWS,
    ERROR_ROWS,
    archive::ROWS,
    muc::ROWS,
    iq::ROWS,
    form::ROWS,
    pubsub::ROWS,
    pep::ROWS,
    footprint::ROWS,
    vcard::ROWS,
];

/// `<message/>` (RFC 6121 5).
pub static MESSAGE: Object = Object::new("message").named("kind").rows(STANZA_ROWS).attrs(&[
    stanza_type(MESSAGE_TYPES, "normal"),
    attr("id", Type::Text),
    attr("from", Type::Jid),
    attr("to", Type::Jid),
    LANG,
]);
/// `<presence/>` (RFC 6121 4).
pub static PRESENCE: Object = Object::new("presence").named("kind").rows(STANZA_ROWS).attrs(&[
    stanza_type(PRESENCE_TYPES, "available"),
    attr("id", Type::Text),
    attr("from", Type::Jid),
    attr("to", Type::Jid),
    LANG,
]);
/// `<iq/>` (RFC 6120 8.2.3).
pub static IQ: Object = Object::new("iq").named("kind").rows(STANZA_ROWS).attrs(&[
    stanza_type(IQ_TYPES, ""),
    attr("id", Type::Text),
    attr("from", Type::Jid),
    attr("to", Type::Jid),
    LANG,
]);

/// A complete stanza inside another (`kind` tells which).
pub static INNER_STANZA: &[Row] = &[
    object("stanza", &["message"], CLIENT, &MESSAGE)
        .doc("The stanza itself, mapped like any other", "XEP-0297"),
    object("stanza", &["presence"], CLIENT, &PRESENCE).doc("The same for a presence", "XEP-0297"),
    object("stanza", &["iq"], CLIENT, &IQ).doc("The same for an IQ", "XEP-0297"),
];

/// The conditions of RFC 6120 8.3.3, and `payment-required`, which RFC 3920 had.
pub const CONDITIONS: &[&str] = &[
    "bad-request",
    "conflict",
    "feature-not-implemented",
    "forbidden",
    "gone",
    "internal-server-error",
    "item-not-found",
    "jid-malformed",
    "not-acceptable",
    "not-allowed",
    "not-authorized",
    "payment-required",
    "policy-violation",
    "recipient-unavailable",
    "redirect",
    "registration-required",
    "remote-server-not-found",
    "remote-server-timeout",
    "resource-constraint",
    "service-unavailable",
    "subscription-required",
    "undefined-condition",
    "unexpected-request",
];

static ERROR: Object = Object::new("error")
    .attrs(&[
        attr("type", Type::Enum(&["auth", "cancel", "continue", "modify", "wait"])),
        attr("by", Type::Jid),
        attr("code", Type::Int),
    ])
    .rows(&[&[
        name_also("condition", CONDITIONS, STANZAS, Also::Text("uri")).doc(
            "The defined condition; `uri` is the new address that `gone` and `redirect` carry",
            "RFC 6120 8.3.3",
        ),
        text("text", &["text"], STANZAS)
            .doc("What a person may read, without a language of its own", "RFC 6120 8.3.2"),
        text("texts", &["text"], STANZAS).langs().doc("The same by language", "RFC 6120 8.3.2"),
        tree("app", &[], ANY).list().doc("Application-specific conditions", "RFC 6120 8.3.4"),
    ]]);

static ERROR_ROWS: &[Row] = &[object("error", &["error"], CLIENT, &ERROR)
    .doc("Why a stanza came back; what it carried stays beside it under its own keys", "RFC 6120 8.3")];
