//! What stands in IQs: roster, registration, search, discovery, commands, blocking, uploads, times, versions, bookmarks, push.

use super::Type::{Bool, Enum, Int, Jid, Text, Time};
use super::archive::RSM_ROW;
use super::form::FORM;
use super::{Attr, LANG, Object, Row, attr, attr_as, flag, object, one_attr, text, typed, wrap};

const ROSTER: &str = "jabber:iq:roster";
const EXCHANGE: &str = "http://jabber.org/protocol/rosterx";
const REGISTER: &str = "jabber:iq:register";
const GATEWAY: &str = "jabber:iq:gateway";
const SEARCH: &str = "jabber:iq:search";
const AUTH: &str = "jabber:iq:auth";
const BIND: &str = "urn:ietf:params:xml:ns:xmpp-bind";
const VERSION: &str = "jabber:iq:version";
const TIME: &str = "urn:xmpp:time";
const DISCO_INFO: &str = "http://jabber.org/protocol/disco#info";
const DISCO_ITEMS: &str = "http://jabber.org/protocol/disco#items";
const EXTDISCO: &str = "urn:xmpp:extdisco:2";
const COMMANDS: &str = "http://jabber.org/protocol/commands";
const BLOCKING: &str = "urn:xmpp:blocking";
const REPORTING: &str = "urn:xmpp:reporting:1";
const UPLOAD: &str = "urn:xmpp:http:upload:0";
const OOB: &str = "jabber:iq:oob";
const STATS: &str = "http://jabber.org/protocol/stats";
const OFFLINE: &str = "http://jabber.org/protocol/offline";
const PRIVATE: &str = "jabber:iq:private";
const BOOKMARKS: &str = "storage:bookmarks";
const PUSH: &str = "urn:xmpp:push:0";
const PRIVACY: &str = "jabber:iq:privacy";
/// A group of a server's: the bridge's own, for what has happened to one (docs/boundary.md, Events).
const GROUP: &str = "urn:cloudbridge:group:0";

static ROSTER_ITEM: Object = Object::new("roster_item")
    .attrs(&[
        attr("jid", Jid),
        attr("name", Text),
        attr("subscription", Enum(&["none", "to", "from", "both", "remove"])),
        attr("ask", Enum(&["subscribe"])),
        attr("approved", Bool),
    ])
    .rows(&[&[text("groups", &["group"], ROSTER)
        .list()
        .doc("Groups the contact is in", "RFC 6121 2.1.2.6")]]);

static ROSTER_OBJECT: Object = Object::new("roster").attrs(&[attr("ver", Text)]).rows(&[&[object(
    "items",
    &["item"],
    ROSTER,
    &ROSTER_ITEM,
)
.list()
.doc("The contacts", "RFC 6121 2.1.2")]]);

static EXCHANGE_ITEM: Object = Object::new("roster_exchange_item")
    .attrs(&[attr("action", Enum(&["add", "delete", "modify"])), attr("jid", Jid), attr("name", Text)])
    .rows(&[&[text("groups", &["group"], EXCHANGE).list().doc("Groups suggested", "XEP-0144")]]);
static EXCHANGE_ROW: Row = object("item", &["item"], EXCHANGE, &EXCHANGE_ITEM).doc("One contact", "XEP-0144");

static REGISTER_OOB: Object = Object::new("register_oob").rows(&[&[
    text("url", &["url"], "jabber:x:oob").doc("Where", "XEP-0077 5"),
    text("desc", &["desc"], "jabber:x:oob").doc("What", "XEP-0077 5"),
]]);

static REGISTER_OBJECT: Object = Object::new("register").rows(&[&[
    flag("registered", &["registered"], REGISTER).doc("There is a registration already", "XEP-0077 3.1"),
    flag("remove", &["remove"], REGISTER).doc("Cancels the registration", "XEP-0077 3.2"),
    text("instructions", &["instructions"], REGISTER).doc("What to do", "XEP-0077 14.1"),
    text("username", &["username"], REGISTER).doc("Account name", "XEP-0077 14.1"),
    text("nick", &["nick"], REGISTER).doc("Nickname", "XEP-0077 14.1"),
    text("password", &["password"], REGISTER).secret().doc("Password", "XEP-0077 14.1"),
    text("name", &["name"], REGISTER).doc("Full name", "XEP-0077 14.1"),
    text("first", &["first"], REGISTER).doc("Given name", "XEP-0077 14.1"),
    text("last", &["last"], REGISTER).doc("Family name", "XEP-0077 14.1"),
    text("email", &["email"], REGISTER).doc("E-mail address", "XEP-0077 14.1"),
    text("address", &["address"], REGISTER).doc("Street", "XEP-0077 14.1"),
    text("city", &["city"], REGISTER).doc("City", "XEP-0077 14.1"),
    text("state", &["state"], REGISTER).doc("Region", "XEP-0077 14.1"),
    text("zip", &["zip"], REGISTER).doc("Postal code", "XEP-0077 14.1"),
    text("phone", &["phone"], REGISTER).doc("Telephone", "XEP-0077 14.1"),
    text("url", &["url"], REGISTER).doc("Web page", "XEP-0077 14.1"),
    text("date", &["date"], REGISTER).doc("Some date", "XEP-0077 14.1"),
    text("misc", &["misc"], REGISTER).doc("Anything", "XEP-0077 14.1"),
    text("text", &["text"], REGISTER).doc("Any text", "XEP-0077 14.1"),
    text("key", &["key"], REGISTER).secret().doc("Session key of old gateways", "XEP-0077 14.1"),
    FORM,
    object("oob", &["x"], "jabber:x:oob", &REGISTER_OOB).doc("Register on a page instead", "XEP-0077 5"),
]]);

static GATEWAY_OBJECT: Object = Object::new("gateway").rows(&[&[
    text("desc", &["desc"], GATEWAY).doc("What to ask the user", "XEP-0100"),
    text("prompt", &["prompt"], GATEWAY).doc("The label, or the answer", "XEP-0100"),
    text("jid", &["jid"], GATEWAY).doc("The address it stands for", "XEP-0100"),
]]);

static SEARCH_ITEM: Object = Object::new("search_item").attrs(&[attr("jid", Jid)]).rows(&[SEARCH_FIELDS]);
static SEARCH_FIELDS: &[Row] = &[
    text("first", &["first"], SEARCH).doc("Given name", "XEP-0055"),
    text("last", &["last"], SEARCH).doc("Family name", "XEP-0055"),
    text("nick", &["nick"], SEARCH).doc("Nickname", "XEP-0055"),
    text("email", &["email"], SEARCH).doc("E-mail address", "XEP-0055"),
];
static SEARCH_OBJECT: Object = Object::new("search").rows(&[
    SEARCH_FIELDS,
    &[
        text("instructions", &["instructions"], SEARCH).doc("What to do", "XEP-0055"),
        object("items", &["item"], SEARCH, &SEARCH_ITEM).list().doc("Who was found", "XEP-0055"),
        FORM,
        RSM_ROW,
    ],
]);

static AUTH_OBJECT: Object = Object::new("auth").rows(&[&[
    text("username", &["username"], AUTH).doc("Account name", "XEP-0078"),
    text("password", &["password"], AUTH).secret().doc("Password", "XEP-0078"),
    text("digest", &["digest"], AUTH).secret().doc("Hash of stream id and password", "XEP-0078"),
    text("resource", &["resource"], AUTH).doc("Resource", "XEP-0078"),
]]);

static BIND_OBJECT: Object = Object::new("bind").rows(&[&[
    text("resource", &["resource"], BIND).doc("The resource wanted", "RFC 6120 7"),
    typed("jid", &["jid"], BIND, Jid).doc("The full JID given", "RFC 6120 7"),
]]);

static VERSION_OBJECT: Object = Object::new("version").rows(&[&[
    text("name", &["name"], VERSION).doc("The software", "XEP-0092"),
    text("version", &["version"], VERSION).doc("Its version", "XEP-0092"),
    text("os", &["os"], VERSION).doc("Its system", "XEP-0092"),
]]);

static TIME_OBJECT: Object = Object::new("time").rows(&[&[
    text("tzo", &["tzo"], TIME).doc("Time zone", "XEP-0202"),
    typed("utc", &["utc"], TIME, Time).doc("The time", "XEP-0202"),
]]);

static LAST: Object = Object::new("lastactivity").attrs(&[attr("seconds", Int)]).text("status");

static IDENTITY: Object = Object::new("disco_identity").attrs(&[
    attr("category", Text),
    attr("type", Text),
    attr("name", Text),
    LANG,
]);
static DISCO: Object = Object::new("disco").attrs(&[attr("node", Text)]).rows(&[&[
    object("identities", &["identity"], DISCO_INFO, &IDENTITY).list().doc("What it is", "XEP-0030 3.1"),
    one_attr("features", &["feature"], DISCO_INFO, "var", Text).list().doc("What it can do", "XEP-0030 3.1"),
    super::Row { key: "forms", ..FORM }.list().doc("More about it", "XEP-0128"),
    RSM_ROW,
]]);

static ITEM: Object = Object::new("disco_item").attrs(&[
    attr("jid", Jid),
    attr("node", Text),
    attr("name", Text),
    attr("action", Enum(&["remove", "update"])),
]);
static ITEMS: Object = Object::new("items").attrs(&[attr("node", Text)]).rows(&[&[
    object("items", &["item"], DISCO_ITEMS, &ITEM).list().doc("What belongs to it", "XEP-0030 4.1"),
    RSM_ROW,
]]);

static SERVICE: Object = Object::new("extdisco_service")
    .attrs(&[
        attr("type", Text),
        attr("host", Text),
        attr("port", Int),
        attr("transport", Text),
        attr("name", Text),
        attr("username", Text),
        Attr { secret: true, ..attr("password", Text) },
        attr("restricted", Bool),
        attr("expires", Time),
        attr("action", Text),
    ])
    .rows(&[&[FORM]]);
static SERVICES: Object = Object::new("extdisco").attrs(&[attr("type", Text)]).rows(&[&[object(
    "services",
    &["service"],
    EXTDISCO,
    &SERVICE,
)
.list()
.doc("Services outside XMPP, such as STUN and TURN", "XEP-0215")]]);
static CREDENTIALS: Object =
    Object::new("extdisco_credentials").rows(&[&[object("services", &["service"], EXTDISCO, &SERVICE)
        .list()
        .doc("The services", "XEP-0215")]]);

static NOTE: Object =
    Object::new("command_note").attrs(&[attr("type", Enum(&["info", "warn", "error"])), LANG]).text("text");
static ACTIONS: Object =
    Object::new("command_actions").attrs(&[attr("execute", Enum(&["prev", "next", "complete"]))]).rows(&[&[
        flag("prev", &["prev"], COMMANDS).doc("Going back is possible", "XEP-0050"),
        flag("next", &["next"], COMMANDS).doc("Going on is possible", "XEP-0050"),
        flag("complete", &["complete"], COMMANDS).doc("Finishing is possible", "XEP-0050"),
    ]]);
static COMMAND: Object = Object::new("command")
    .attrs(&[
        attr("node", Text),
        attr("sessionid", Text),
        attr("action", Enum(&["cancel", "complete", "execute", "next", "prev"])),
        attr("status", Enum(&["canceled", "completed", "executing"])),
        LANG,
    ])
    .rows(&[&[
        object("actions", &["actions"], COMMANDS, &ACTIONS).doc("What can be done next", "XEP-0050"),
        FORM,
        object("notes", &["note"], COMMANDS, &NOTE).list().doc("Remarks", "XEP-0050"),
    ]]);

static REPORT: Object = Object::new("report").attrs(&[attr("reason", Text)]).rows(&[&[
    object("stanza_ids", &["stanza-id"], "urn:xmpp:sid:0", &REPORT_ID)
        .list()
        .doc("The messages reported", "XEP-0377"),
    text("text", &["text"], REPORTING).doc("Words, without a language of their own", "XEP-0377"),
    text("texts", &["text"], REPORTING).langs().doc("The same by language", "XEP-0377"),
]]);
static REPORT_ID: Object = Object::new("report_stanza_id").attrs(&[attr("id", Text), attr("by", Jid)]);
static BLOCK_ITEM: Object = Object::new("block_item").attrs(&[attr("jid", Jid)]).rows(&[&[object(
    "report",
    &["report"],
    REPORTING,
    &REPORT,
)
.doc("Reports the contact at the same time", "XEP-0377")]]);
static BLOCK_ROW: Row = object("item", &["item"], BLOCKING, &BLOCK_ITEM).doc("One address", "XEP-0191");

static UPLOAD_REQUEST: Object = Object::new("upload_request").attrs(&[
    attr("filename", Text),
    attr("size", Int),
    attr_as("content_type", "content-type", Text),
]);
static UPLOAD_HEADER: Object = Object::new("upload_header").attrs(&[attr("name", Text)]).text("value");
static PUT: Object = Object::new("upload_put").attrs(&[attr("url", Text)]).rows(&[&[object(
    "headers",
    &["header"],
    UPLOAD,
    &UPLOAD_HEADER,
)
.list()
.secret()
.doc("Headers to send; they may hold credentials", "XEP-0363")]]);
static SLOT: Object = Object::new("upload_slot").rows(&[&[
    object("put", &["put"], UPLOAD, &PUT).doc("Where to upload", "XEP-0363"),
    one_attr("get", &["get"], UPLOAD, "url", Text).doc("Where it will be", "XEP-0363"),
]]);

static OOB_OBJECT: Object = Object::new("oob_transfer").attrs(&[attr("sid", Text)]).rows(&[&[
    text("url", &["url"], OOB).doc("Where", "XEP-0066"),
    text("desc", &["desc"], OOB).doc("What", "XEP-0066"),
]]);

static STAT: Object = Object::new("stat")
    .attrs(&[attr("name", Text), attr("units", Text), attr("value", Text)])
    .rows(&[&[object("error", &["error"], STATS, &STAT_ERROR).doc("Why there is no value", "XEP-0039")]]);
static STAT_ERROR: Object = Object::new("stat_error").attrs(&[attr("code", Int)]).text("text");
static STAT_ROW: Row = object("stat", &["stat"], STATS, &STAT).doc("One figure", "XEP-0039");

static OFFLINE_ITEM: Object = Object::new("offline_item").attrs(&[
    attr("action", Enum(&["view", "remove"])),
    attr("jid", Jid),
    attr("node", Text),
]);
static OFFLINE_OBJECT: Object = Object::new("offline").rows(&[&[
    flag("fetch", &["fetch"], OFFLINE).doc("All of them, please", "XEP-0013"),
    flag("purge", &["purge"], OFFLINE).doc("Remove all", "XEP-0013"),
    object("items", &["item"], OFFLINE, &OFFLINE_ITEM).list().doc("Single messages", "XEP-0013"),
]]);

static CONFERENCE: Object = Object::new("bookmark_conference")
    .attrs(&[attr("jid", Jid), attr("name", Text), attr("autojoin", Bool)])
    .rows(&[&[
        text("nick", &["nick"], BOOKMARKS).doc("Nickname there", "XEP-0048"),
        text("password", &["password"], BOOKMARKS).secret().doc("Password of the room", "XEP-0048"),
    ]]);
static URL: Object = Object::new("bookmark_url").attrs(&[attr("name", Text), attr("url", Text)]);
static BOOKMARKS_OBJECT: Object = Object::new("bookmarks").rows(&[&[
    object("conferences", &["conference"], BOOKMARKS, &CONFERENCE).list().doc("Rooms", "XEP-0048"),
    object("urls", &["url"], BOOKMARKS, &URL).list().doc("Pages", "XEP-0048"),
]]);
/// Bookmarks of the older kind, in private storage and in PEP.
pub static BOOKMARKS_ROW: Row =
    object("bookmarks", &["storage"], BOOKMARKS, &BOOKMARKS_OBJECT).doc("Bookmarks, all in one", "XEP-0048");

static PRIVATE_OBJECT: Object = Object::new("private").rows(&[&[
    BOOKMARKS_ROW,
    super::tree("data", &[], super::ANY).list().doc("Whatever else is stored, as trees", "XEP-0049"),
]]);

static PUSH_ENABLE: Object =
    Object::new("push_enable").attrs(&[attr("jid", Jid), attr("node", Text)]).rows(&[&[FORM]]);
static PUSH_DISABLE: Object = Object::new("push_disable").attrs(&[attr("jid", Jid), attr("node", Text)]);

static PRIVACY_ITEM: Object = Object::new("privacy_item")
    .attrs(&[
        attr("type", Enum(&["group", "jid", "subscription"])),
        attr("value", Text),
        attr("action", Enum(&["allow", "deny"])),
        super::attr_as("position", "order", Int),
    ])
    .rows(&[&[
        flag("message", &["message"], PRIVACY).doc("Messages only", "XEP-0016"),
        flag("presence_in", &["presence-in"], PRIVACY).doc("Presences that arrive", "XEP-0016"),
        flag("presence_out", &["presence-out"], PRIVACY).doc("Presences that leave", "XEP-0016"),
        flag("iq", &["iq"], PRIVACY).doc("IQs", "XEP-0016"),
    ]]);
static PRIVACY_LIST: Object = Object::new("privacy_list").attrs(&[attr("name", Text)]).rows(&[&[object(
    "items",
    &["item"],
    PRIVACY,
    &PRIVACY_ITEM,
)
.list()
.doc("Its rules", "XEP-0016")]]);
static PRIVACY_NAME: Object = Object::new("privacy_name").attrs(&[attr("name", Text)]);
static PRIVACY_OBJECT: Object = Object::new("privacy").rows(&[&[
    object("active", &["active"], PRIVACY, &PRIVACY_NAME)
        .doc("The list in force for this session", "XEP-0016"),
    object("default", &["default"], PRIVACY, &PRIVACY_NAME).doc("The list for all", "XEP-0016"),
    object("lists", &["list"], PRIVACY, &PRIVACY_LIST).list().doc("The lists", "XEP-0016"),
]]);

static GROUP_MEMBER: Object =
    Object::new("group_member").attrs(&[attr("jid", Jid), attr("role", Enum(&["admin", "member", "none"]))]);
static GROUP_OBJECT: Object = Object::new("group")
    .attrs(&[attr("id", Text), attr("name", Text), attr("description", Text)])
    .rows(&[&[
        flag("removed", &["removed"], GROUP).doc("It is dissolved", "docs/boundary.md"),
        object("members", &["member"], GROUP, &GROUP_MEMBER).list().doc("Who is in it", "docs/boundary.md"),
    ]]);

/// Rows for anything that an IQ carries directly.
pub static ROWS: &[Row] = &[
    object("roster", &["query"], ROSTER, &ROSTER_OBJECT)
        .doc("The contact list, or a change to it", "RFC 6121 2"),
    wrap("roster_exchange", &["x"], EXCHANGE, &EXCHANGE_ROW).doc("Contacts suggested", "XEP-0144"),
    object("register", &["query"], REGISTER, &REGISTER_OBJECT).doc(
        "Registration, password change, removal; nothing is required, the password is masked",
        "XEP-0077",
    ),
    object("group", &["group"], GROUP, &GROUP_OBJECT)
        .doc("What has happened to a group of the server's", "docs/boundary.md"),
    object("gateway", &["query"], GATEWAY, &GATEWAY_OBJECT).doc("Addresses of a gateway", "XEP-0100"),
    object("search", &["query"], SEARCH, &SEARCH_OBJECT).doc("Finding people", "XEP-0055"),
    object("auth", &["query"], AUTH, &AUTH_OBJECT)
        .doc("Login of old clients; secrets are masked", "XEP-0078"),
    object("bind", &["bind"], BIND, &BIND_OBJECT).doc("Binds a resource", "RFC 6120 7"),
    flag("session", &["session"], "urn:ietf:params:xml:ns:xmpp-session")
        .doc("Session of old clients", "RFC 3921 3"),
    object("version", &["query"], VERSION, &VERSION_OBJECT).doc("Software version", "XEP-0092"),
    flag("ping", &["ping"], "urn:xmpp:ping").doc("Are you there?", "XEP-0199"),
    object("time", &["time"], TIME, &TIME_OBJECT).doc("What time is it?", "XEP-0202"),
    object("lastactivity", &["query"], "jabber:iq:last", &LAST)
        .doc("Idle time, uptime, or last status", "XEP-0012"),
    object("disco", &["query"], DISCO_INFO, &DISCO).doc("What is it, and what can it do?", "XEP-0030"),
    object("items", &["query"], DISCO_ITEMS, &ITEMS).doc("What belongs to it?", "XEP-0030"),
    object("extdisco", &["services"], EXTDISCO, &SERVICES).doc("Services outside XMPP", "XEP-0215"),
    object("extdisco_credentials", &["credentials"], EXTDISCO, &CREDENTIALS)
        .doc("Credentials for one of them", "XEP-0215"),
    object("command", &["command"], COMMANDS, &COMMAND).doc("Ad-hoc commands", "XEP-0050"),
    wrap("blocklist", &["blocklist"], BLOCKING, &BLOCK_ROW).doc("Who is blocked", "XEP-0191"),
    wrap("block", &["block"], BLOCKING, &BLOCK_ROW).doc("Blocks", "XEP-0191"),
    wrap("unblock", &["unblock"], BLOCKING, &BLOCK_ROW).doc("Unblocks; empty = everybody", "XEP-0191"),
    object("upload_request", &["request"], UPLOAD, &UPLOAD_REQUEST).doc("Wants to upload a file", "XEP-0363"),
    object("upload_slot", &["slot"], UPLOAD, &SLOT).doc("Where to upload it", "XEP-0363"),
    object("oob_transfer", &["query"], OOB, &OOB_OBJECT).doc("Offers a file elsewhere", "XEP-0066"),
    wrap("stats", &["query"], STATS, &STAT_ROW).doc("Figures", "XEP-0039"),
    object("offline", &["offline"], OFFLINE, &OFFLINE_OBJECT).doc("Offline messages one by one", "XEP-0013"),
    object("private", &["query"], PRIVATE, &PRIVATE_OBJECT).doc("Private storage", "XEP-0049"),
    object("push_enable", &["enable"], PUSH, &PUSH_ENABLE).doc("Push to this service", "XEP-0357"),
    object("push_disable", &["disable"], PUSH, &PUSH_DISABLE).doc("No more", "XEP-0357"),
    object("privacy", &["query"], PRIVACY, &PRIVACY_OBJECT).doc("Privacy lists", "XEP-0016"),
];
