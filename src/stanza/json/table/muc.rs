//! Rooms (XEP-0045): joining, what a room tells, administering and owning it.

use super::Type::{Enum, Int, Jid, Text, Time};
use super::form::FORM;
use super::{Attr, Object, Row, attr, object, one_attr, text};

const MUC: &str = "http://jabber.org/protocol/muc";
const USER: &str = "http://jabber.org/protocol/muc#user";
const ADMIN: &str = "http://jabber.org/protocol/muc#admin";
const OWNER: &str = "http://jabber.org/protocol/muc#owner";

const AFFILIATION: Attr = attr("affiliation", Enum(&["owner", "admin", "member", "none", "outcast"]));
const ROLE: Attr = attr("role", Enum(&["moderator", "participant", "visitor", "none"]));

static HISTORY: Object = Object::new("muc_history").attrs(&[
    attr("maxchars", Int),
    attr("maxstanzas", Int),
    attr("seconds", Int),
    attr("since", Time),
]);

static JOIN: Object = Object::new("muc").rows(&[&[
    object("history", &["history"], MUC, &HISTORY)
        .doc("How much of the discussion to send", "XEP-0045 7.2.13"),
    text("password", &["password"], MUC).secret().doc("Password of the room", "XEP-0045 7.2.5"),
]]);

static ACTOR: Object = Object::new("muc_actor").attrs(&[attr("jid", Jid), attr("nick", Text)]);

static USER_CONTINUE: Row = one_attr("continue", &["continue"], USER, "thread", Text)
    .doc("The conversation that goes on in the room", "XEP-0045 7.8.2");

static USER_ITEM: Object = Object::new("muc_user_item")
    .attrs(&[AFFILIATION, ROLE, attr("jid", Jid), attr("nick", Text)])
    .rows(&[&[
        object("actor", &["actor"], USER, &ACTOR).doc("Who did it", "XEP-0045 8.2"),
        text("reason", &["reason"], USER).doc("Why", "XEP-0045 8.2"),
        USER_CONTINUE,
    ]]);

static ADMIN_ITEM: Object = Object::new("muc_admin_item")
    .attrs(&[AFFILIATION, ROLE, attr("jid", Jid), attr("nick", Text)])
    .rows(&[&[
        object("actor", &["actor"], ADMIN, &ACTOR).doc("Who did it", "XEP-0045 9"),
        text("reason", &["reason"], ADMIN).doc("Why", "XEP-0045 9"),
    ]]);

static INVITATION: Object = Object::new("muc_invitation")
    .attrs(&[attr("to", Jid), attr("from", Jid)])
    .rows(&[&[text("reason", &["reason"], USER).doc("Why", "XEP-0045 7.8.2"), USER_CONTINUE]]);

static USER_DESTROY: Object = Object::new("muc_user_destroy").attrs(&[attr("jid", Jid)]).rows(&[&[
    text("reason", &["reason"], USER).doc("Why", "XEP-0045 10.9"),
    text("password", &["password"], USER)
        .secret()
        .doc("Password of the room that replaces it", "XEP-0045 10.9"),
]]);

static USER_OBJECT: Object = Object::new("muc_user").rows(&[&[
    object("items", &["item"], USER, &USER_ITEM)
        .list()
        .doc("Affiliation, role and address of an occupant", "XEP-0045 7.2.2"),
    one_attr("status", &["status"], USER, "code", Int)
        .list()
        .doc("Status codes: 110 yourself, 201 created, 307 kicked ...", "XEP-0045 15.6"),
    object("invites", &["invite"], USER, &INVITATION).list().doc("Mediated invitations", "XEP-0045 7.8.2"),
    object("declines", &["decline"], USER, &INVITATION).list().doc("Declined ones", "XEP-0045 7.8.2"),
    object("destroy", &["destroy"], USER, &USER_DESTROY).doc("The room is gone", "XEP-0045 10.9"),
    text("password", &["password"], USER).secret().doc("Password to join with", "XEP-0045 7.8.2"),
]]);

static ADMIN_OBJECT: Object =
    Object::new("muc_admin").rows(&[&[object("items", &["item"], ADMIN, &ADMIN_ITEM)
        .list()
        .doc("Who has, or gets, which affiliation or role", "XEP-0045 9")]]);

static OWNER_DESTROY: Object = Object::new("muc_owner_destroy").attrs(&[attr("jid", Jid)]).rows(&[&[
    text("reason", &["reason"], OWNER).doc("Why", "XEP-0045 10.9"),
    text("password", &["password"], OWNER)
        .secret()
        .doc("Password of the room that replaces it", "XEP-0045 10.9"),
]]);

static OWNER_OBJECT: Object = Object::new("muc_owner").rows(&[&[
    FORM,
    object("destroy", &["destroy"], OWNER, &OWNER_DESTROY).doc("Destroys the room", "XEP-0045 10.9"),
]]);

/// Rows for rooms.
pub static ROWS: &[Row] = &[
    object("muc", &["x"], MUC, &JOIN).doc("Joins a room", "XEP-0045 7.2"),
    object("muc_user", &["x"], USER, &USER_OBJECT)
        .doc("What a room says about occupants and invitations", "XEP-0045 7"),
    object("muc_admin", &["query"], ADMIN, &ADMIN_OBJECT)
        .doc("Affiliations and roles: read, change", "XEP-0045 9"),
    object("muc_owner", &["query"], OWNER, &OWNER_OBJECT)
        .doc("The room's configuration; destroying it", "XEP-0045 10"),
    text("muc_unique", &["unique"], "http://jabber.org/protocol/muc#unique")
        .doc("A room name that nobody has", "XEP-0307"),
];
