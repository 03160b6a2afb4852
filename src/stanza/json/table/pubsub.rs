//! Publish-subscribe (XEP-0060) and PEP (XEP-0163): requests, owners' requests, events. Payloads are those of `pep`.

use super::Type::{Bool, Enum, Int, Jid, Text, Time};
use super::archive::RSM_ROW;
use super::footprint::SHARE_ROW;
use super::form::FORM;
use super::{Attr, Object, Row, attr, flag, object};
use crate::stanza::json::table::{ANY, one_attr, pep, tree};

const PUBSUB: &str = "http://jabber.org/protocol/pubsub";
const OWNER: &str = "http://jabber.org/protocol/pubsub#owner";
const EVENT: &str = "http://jabber.org/protocol/pubsub#event";

const NODE: Attr = attr("node", Text);
const SUBSCRIPTION: Attr = attr("subscription", Enum(&["none", "pending", "subscribed", "unconfigured"]));
const AFFILIATION: Attr =
    attr("affiliation", Enum(&["member", "none", "outcast", "owner", "publisher", "publish-only"]));

static OTHER: &[Row] =
    &[tree("payload", &[], ANY).list().doc("A payload that has no row of its own", "XEP-0060")];

static ITEM: Object = Object::new("pubsub_item")
    .attrs(&[attr("id", Text), attr("publisher", Text), NODE])
    .rows(&[pep::ROWS, pep::ONLY_ITEMS, OTHER]);
static ITEM_ROW: Row = object("items", &["item"], PUBSUB, &ITEM).list().doc("The items", "XEP-0060 12.1");

static PUBLISH: Object = Object::new("pubsub_publish").attrs(&[NODE]).rows(&[&[ITEM_ROW]]);
static ITEMS: Object = Object::new("pubsub_items")
    .attrs(&[NODE, attr("max_items", Int), attr("subid", Text)])
    .rows(&[&[ITEM_ROW]]);
static RETRACT: Object =
    Object::new("pubsub_retract").attrs(&[NODE, attr("notify", Bool)]).rows(&[&[ITEM_ROW]]);
static SUBSCRIBE: Object = Object::new("pubsub_subscribe").attrs(&[NODE, attr("jid", Jid)]);
static UNSUBSCRIBE: Object =
    Object::new("pubsub_unsubscribe").attrs(&[NODE, attr("jid", Jid), attr("subid", Text)]);
static SUBSCRIPTION_STATE: Object = Object::new("pubsub_subscription")
    .attrs(&[NODE, attr("jid", Jid), attr("subid", Text), SUBSCRIPTION, attr("expiry", Time)])
    .rows(&[&[object("options", &["subscribe-options"], PUBSUB, &SUBSCRIBE_OPTIONS)
        .doc("Whether it must or may be configured", "XEP-0060 6.1.3")]]);
static SUBSCRIBE_OPTIONS: Object =
    Object::new("pubsub_subscribe_options")
        .rows(&[&[flag("required", &["required"], PUBSUB).doc("It must", "XEP-0060 6.1.3")]]);
static SUBSCRIPTIONS: Object = Object::new("pubsub_subscriptions").attrs(&[NODE]).rows(&[&[object(
    "subscriptions",
    &["subscription"],
    PUBSUB,
    &SUBSCRIPTION_STATE,
)
.list()
.doc("The subscriptions", "XEP-0060 5.6")]]);
static AFFILIATION_STATE: Object =
    Object::new("pubsub_affiliation").attrs(&[NODE, attr("jid", Jid), AFFILIATION]);
static AFFILIATIONS: Object = Object::new("pubsub_affiliations").attrs(&[NODE]).rows(&[&[object(
    "affiliations",
    &["affiliation"],
    PUBSUB,
    &AFFILIATION_STATE,
)
.list()
.doc("The affiliations", "XEP-0060 5.7")]]);
static CREATE: Object = Object::new("pubsub_create").attrs(&[NODE]);
static CONFIGURE: Object = Object::new("pubsub_configure").attrs(&[NODE]).rows(&[&[FORM]]);
static OPTIONS: Object =
    Object::new("pubsub_options").attrs(&[NODE, attr("jid", Jid), attr("subid", Text)]).rows(&[&[FORM]]);
static DEFAULT: Object = Object::new("pubsub_default").attrs(&[NODE, attr("type", Text)]).rows(&[&[FORM]]);
static PUBLISH_OPTIONS: Object = Object::new("pubsub_publish_options").rows(&[&[FORM]]);

static PUBSUB_OBJECT: Object = Object::new("pubsub").rows(&[&[
    SHARE_ROW,
    object("publish", &["publish"], PUBSUB, &PUBLISH).doc("Publishes", "XEP-0060 7.1"),
    object("publish_options", &["publish-options"], PUBSUB, &PUBLISH_OPTIONS)
        .doc("On what conditions", "XEP-0060 7.1.5"),
    object("items", &["items"], PUBSUB, &ITEMS).doc("Reads items, or brings them", "XEP-0060 6.5"),
    object("retract", &["retract"], PUBSUB, &RETRACT).doc("Removes items", "XEP-0060 7.2"),
    object("subscribe", &["subscribe"], PUBSUB, &SUBSCRIBE).doc("Subscribes", "XEP-0060 6.1"),
    object("unsubscribe", &["unsubscribe"], PUBSUB, &UNSUBSCRIBE).doc("Unsubscribes", "XEP-0060 6.2"),
    object("subscription", &["subscription"], PUBSUB, &SUBSCRIPTION_STATE)
        .doc("How it stands now", "XEP-0060 6.1"),
    object("subscriptions", &["subscriptions"], PUBSUB, &SUBSCRIPTIONS)
        .doc("One's own subscriptions", "XEP-0060 5.6"),
    object("affiliations", &["affiliations"], PUBSUB, &AFFILIATIONS)
        .doc("One's own affiliations", "XEP-0060 5.7"),
    object("create", &["create"], PUBSUB, &CREATE).doc("Creates a node", "XEP-0060 8.1"),
    object("configure", &["configure"], PUBSUB, &CONFIGURE).doc("With this configuration", "XEP-0060 8.1.3"),
    object("options", &["options"], PUBSUB, &OPTIONS).doc("Options of a subscription", "XEP-0060 6.3"),
    object("default", &["default"], PUBSUB, &DEFAULT).doc("Default options", "XEP-0060 6.4"),
    RSM_ROW,
]]);

static OWNER_SUBSCRIPTION: Object =
    Object::new("pubsub_owner_subscription").attrs(&[attr("jid", Jid), attr("subid", Text), SUBSCRIPTION]);
static OWNER_SUBSCRIPTIONS: Object =
    Object::new("pubsub_owner_subscriptions").attrs(&[NODE]).rows(&[&[object(
        "subscriptions",
        &["subscription"],
        OWNER,
        &OWNER_SUBSCRIPTION,
    )
    .list()
    .doc("Everybody's subscriptions", "XEP-0060 8.8")]]);
static OWNER_AFFILIATION: Object =
    Object::new("pubsub_owner_affiliation").attrs(&[attr("jid", Jid), AFFILIATION]);
static OWNER_AFFILIATIONS: Object =
    Object::new("pubsub_owner_affiliations").attrs(&[NODE]).rows(&[&[object(
        "affiliations",
        &["affiliation"],
        OWNER,
        &OWNER_AFFILIATION,
    )
    .list()
    .doc("Everybody's affiliations", "XEP-0060 8.9")]]);
static OWNER_DELETE: Object = Object::new("pubsub_owner_delete").attrs(&[NODE]).rows(&[&[one_attr(
    "redirect",
    &["redirect"],
    OWNER,
    "uri",
    Text,
)
.doc("Where it went", "XEP-0060 8.4")]]);

static OWNER_OBJECT: Object = Object::new("pubsub_owner").rows(&[&[
    object("configure", &["configure"], OWNER, &CONFIGURE).doc("A node's configuration", "XEP-0060 8.2"),
    object("default", &["default"], OWNER, &DEFAULT).doc("The default one", "XEP-0060 8.3"),
    object("delete", &["delete"], OWNER, &OWNER_DELETE).doc("Deletes a node", "XEP-0060 8.4"),
    object("purge", &["purge"], OWNER, &CREATE).doc("Removes all its items", "XEP-0060 8.5"),
    object("subscriptions", &["subscriptions"], OWNER, &OWNER_SUBSCRIPTIONS)
        .doc("Its subscriptions", "XEP-0060 8.8"),
    object("affiliations", &["affiliations"], OWNER, &OWNER_AFFILIATIONS)
        .doc("Its affiliations", "XEP-0060 8.9"),
]]);

static EVENT_ITEMS: Object = Object::new("pubsub_event_items").attrs(&[NODE]).rows(&[&[
    object("items", &["item"], EVENT, &ITEM).list().doc("New items", "XEP-0060 7.1.2"),
    one_attr("retracts", &["retract"], EVENT, "id", Text).list().doc("Removed ones", "XEP-0060 7.2.2"),
]]);
static EVENT_DELETE: Object = Object::new("pubsub_event_delete").attrs(&[NODE]).rows(&[&[one_attr(
    "redirect",
    &["redirect"],
    EVENT,
    "uri",
    Text,
)
.doc("Where it went", "XEP-0060 8.4")]]);
static EVENT_NODE: Object = Object::new("pubsub_event_node").attrs(&[NODE]);
static EVENT_COLLECTION: Object = Object::new("pubsub_event_collection").attrs(&[NODE]).rows(&[&[
    object("associate", &["associate"], EVENT, &EVENT_NODE).doc("A node joined it", "XEP-0248"),
    object("disassociate", &["disassociate"], EVENT, &EVENT_NODE).doc("A node left it", "XEP-0248"),
]]);

static EVENT_OBJECT: Object = Object::new("pubsub_event").rows(&[&[
    object("items", &["items"], EVENT, &EVENT_ITEMS).doc("Items came or went", "XEP-0060 7.1.2"),
    object("configuration", &["configuration"], EVENT, &CONFIGURE)
        .doc("The configuration changed", "XEP-0060 8.2"),
    object("delete", &["delete"], EVENT, &EVENT_DELETE).doc("The node is gone", "XEP-0060 8.4"),
    object("purge", &["purge"], EVENT, &EVENT_NODE).doc("All items are gone", "XEP-0060 8.5"),
    object("subscription", &["subscription"], EVENT, &SUBSCRIPTION_STATE)
        .doc("A subscription changed", "XEP-0060 8.6"),
    object("collection", &["collection"], EVENT, &EVENT_COLLECTION).doc("A collection changed", "XEP-0248"),
]]);

/// Rows for publish-subscribe.
pub static ROWS: &[Row] = &[
    object("pubsub", &["pubsub"], PUBSUB, &PUBSUB_OBJECT).doc("Publish, subscribe, read", "XEP-0060"),
    object("pubsub_owner", &["pubsub"], OWNER, &OWNER_OBJECT).doc("What only an owner may", "XEP-0060 8"),
    object("pubsub_event", &["event"], EVENT, &EVENT_OBJECT).doc("What happened at a node", "XEP-0060 7.1.2"),
];
