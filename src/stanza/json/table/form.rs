//! Data forms (XEP-0004, with the media of XEP-0221 and the validation of XEP-0122).

use super::Type::{Enum, Int, Text};
use super::{Object, Row, attr, attr_as, flag, object, text};

const DATA: &str = "jabber:x:data";
const VALIDATE: &str = "http://jabber.org/protocol/xdata-validate";
const MEDIA: &str = "urn:xmpp:media-element";

static OPTION: Object =
    Object::new("form_option")
        .attrs(&[attr("label", Text)])
        .rows(&[&[text("value", &["value"], DATA).doc("What is sent when it is chosen", "XEP-0004")]]);

static URI: Object = Object::new("media_uri").attrs(&[attr("type", Text)]).text("uri");
static MEDIA_OBJECT: Object = Object::new("media")
    .attrs(&[attr("height", Int), attr("width", Int)])
    .rows(&[&[object("uris", &["uri"], MEDIA, &URI).list().doc("Where it is, by format", "XEP-0221")]]);

static RANGE: Object = Object::new("validate_range").attrs(&[attr("min", Text), attr("max", Text)]);
static VALIDATE_OBJECT: Object = Object::new("validate").attrs(&[attr("datatype", Text)]).rows(&[&[
    flag("basic", &["basic"], VALIDATE).doc("Any value of the datatype", "XEP-0122"),
    flag("open", &["open"], VALIDATE).doc("Other values than the options too", "XEP-0122"),
    object("range", &["range"], VALIDATE, &RANGE).doc("Within these bounds", "XEP-0122"),
    text("regex", &["regex"], VALIDATE).doc("What matches", "XEP-0122"),
    object("list_range", &["list-range"], VALIDATE, &RANGE).doc("So many of the options", "XEP-0122"),
]]);

static FIELD: Object = Object {
    field: true,
    ..Object::new("form_field").attrs(&[attr("var", Text), attr("type", Text), attr("label", Text)]).rows(&[
        &[
            text("desc", &["desc"], DATA).doc("A longer explanation", "XEP-0004"),
            flag("required", &["required"], DATA).doc("Must be filled in", "XEP-0004"),
            text("values", &["value"], DATA)
                .list()
                .doc("Its values; masked when the field is a password", "XEP-0004"),
            object("options", &["option"], DATA, &OPTION).list().doc("What may be chosen", "XEP-0004"),
            object("media", &["media"], MEDIA, &MEDIA_OBJECT)
                .doc("A picture or sound, such as a CAPTCHA", "XEP-0221"),
            object("validate", &["validate"], VALIDATE, &VALIDATE_OBJECT)
                .doc("What values are valid", "XEP-0122"),
        ],
    ])
};
static FIELD_ROW: Row = object("fields", &["field"], DATA, &FIELD).list().doc("The fields", "XEP-0004");

static REPORTED: Object = Object::new("form_reported").rows(&[&[FIELD_ROW]]);
static ITEM: Object = Object::new("form_item").rows(&[&[FIELD_ROW]]);

static FORM_OBJECT: Object =
    Object::new("form").attrs(&[attr("type", Enum(&["form", "submit", "cancel", "result"]))]).rows(&[&[
        text("title", &["title"], DATA).doc("Its title", "XEP-0004"),
        text("instructions", &["instructions"], DATA).list().doc("What to do, line by line", "XEP-0004"),
        FIELD_ROW,
        object("reported", &["reported"], DATA, &REPORTED).doc("The columns of a result", "XEP-0004"),
        object("items", &["item"], DATA, &ITEM).list().doc("The rows of a result", "XEP-0004"),
    ]]);

/// A form inside another element.
pub static FORM: Row = object("form", &["x"], DATA, &FORM_OBJECT).doc("A data form", "XEP-0004");

/// A CAPTCHA's challenge (XEP-0158) and robot check.
static CAPTCHA: Object = Object::new("captcha").rows(&[&[FORM]]);

static BOB: Object = Object::new("bob")
    .attrs(&[attr("cid", Text), attr("type", Text), attr_as("max_age", "max-age", Int)])
    .text("data");

/// Rows for forms and what comes with them directly in a stanza.
pub static ROWS: &[Row] = &[
    object("dataform", &["x"], DATA, &FORM_OBJECT).doc("A data form", "XEP-0004"),
    object("captcha", &["captcha"], "urn:xmpp:captcha", &CAPTCHA).doc("Prove to be human", "XEP-0158"),
    object("bob", &["data"], "urn:xmpp:bob", &BOB).list().doc("Bits of binary", "XEP-0231"),
];
