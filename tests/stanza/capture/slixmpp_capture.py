"""Prints stanzas that slixmpp makes, as a case file: see capture.sh. Fixed ids and times, so that two runs print the same."""

import re

import slixmpp
from datetime import datetime, timezone
from xml.etree import ElementTree as ET

WHEN = datetime(2026, 3, 1, 7, 30, 0, tzinfo=timezone.utc)
PLUGINS = """xep_0004 xep_0012 xep_0013 xep_0030 xep_0033 xep_0045 xep_0048 xep_0049 xep_0050 xep_0054 xep_0055 xep_0059 xep_0060 xep_0066 xep_0071
xep_0077 xep_0080 xep_0084 xep_0085 xep_0092 xep_0106 xep_0107 xep_0108 xep_0115 xep_0118 xep_0131 xep_0133 xep_0152 xep_0153 xep_0163
xep_0172 xep_0184 xep_0191 xep_0199 xep_0202 xep_0203 xep_0221 xep_0222 xep_0223 xep_0224 xep_0231 xep_0249 xep_0280 xep_0297 xep_0300 xep_0308 xep_0313
xep_0317 xep_0319 xep_0332 xep_0333 xep_0334 xep_0335 xep_0359 xep_0369 xep_0377 xep_0380 xep_0382 xep_0394 xep_0402 xep_0421 xep_0422 xep_0424 xep_0425
xep_0428 xep_0437 xep_0439 xep_0441 xep_0444 xep_0461""".split()

print(f"# Made by slixmpp {slixmpp.__version__} (tests/stanza/capture/slixmpp_capture.py): not by hand.")
client = slixmpp.ClientXMPP("mei@lotus.example/phone", "pw")
for plugin in PLUGINS:
    try:
        client.register_plugin(plugin)
    except Exception as error:  # an optional dependency that is not there
        print(f"# without {plugin}: {type(error).__name__}")

number = 0


def show(title, stanza):
    global number
    number += 1
    stanza["id"] = f"x{number}"
    print(f"=? {title}")
    # A stream declares the namespace once for all; one stanza alone says it itself.
    text = str(stanza).replace("\n", "&#10;")
    print(re.sub(r"^<(\w+)", r'<\1 xmlns="jabber:client"', text))


def message(**values):
    stanza = client.make_message(mto="tariq@lotus.example", mfrom="mei@lotus.example/phone", mtype="chat")
    for key, value in values.items():
        stanza[key] = value
    return stanza


def iq(kind="set"):
    stanza = client.Iq()
    stanza["type"] = kind
    stanza["to"] = "tariq@lotus.example"
    return stanza


def with_(stanza, *changes):
    for change in changes:
        change(stanza)
    return stanza


def put(interface, key, value):
    return lambda stanza: stanza[interface].__setitem__(key, value)


def attempt(title, make):
    """Some plugins differ between versions; what one cannot make is named in the file."""
    try:
        show(title, make())
    except Exception as error:
        print(f"# {title}: {type(error).__name__}: {error}")


def chat():
    return message(body='Where are you? <here> & "there"')


attempt("a chat message", chat)


def languages():
    stanza = client.make_message(mto="tariq@lotus.example", mtype="normal")
    stanza["body|en"] = "Hello"
    stanza["body|de"] = "Hallo"
    stanza["subject|fr"] = "Salut"
    return stanza


attempt("bodies and subjects in languages", languages)


def thread():
    stanza = message(body="x", thread="child")
    stanza["parent_thread"] = "parent"
    return stanza


attempt("a thread with a parent", thread)
for state in ("active", "composing", "paused", "inactive", "gone"):
    attempt(f"chat state {state}", lambda state=state: message(chat_state=state))
attempt("asks for a receipt", lambda: message(body="x", request_receipt=True))
attempt("a receipt", lambda: message(receipt="x1"))


attempt("a correction", lambda: with_(message(body="nine"), put("replace", "id", "x1")))
attempt("markable", lambda: with_(message(body="x"), lambda m: m.enable("markable")))
attempt("displayed", lambda: with_(message(), put("displayed", "id", "x1")))
attempt("delayed", lambda: with_(message(body="late"), lambda m: m["delay"].set_stamp(WHEN), lambda m: m["delay"].set_from("lotus.example"), lambda m: m["delay"].set_text("Offline")))
attempt("origin id", lambda: with_(message(body="x"), put("origin_id", "id", "o1")))
attempt("stanza id", lambda: with_(message(body="x"), put("stanza_id", "id", "5f3d"), put("stanza_id", "by", slixmpp.JID("tariq@lotus.example"))))
attempt("occupant id", lambda: with_(message(body="x"), put("occupant-id", "id", "dd72")))
attempt("hints", lambda: with_(message(body="x"), lambda m: m.enable("store"), lambda m: m.enable("no-copy")))
attempt("attention", lambda: with_(message(), lambda m: m.__setitem__("attention", True)))
attempt("a nickname", lambda: with_(message(body="x"), put("nick", "nick", "M")))
attempt("out of band", lambda: with_(message(body="x"), put("oob", "url", "https://files.example/a?b=c&d=e"), put("oob", "desc", "A file")))
attempt("formatted text", lambda: with_(message(body="Wow"), lambda m: m["html"].__setitem__("body", "<p>Wow, <em>really</em> <strong>green</strong>!</p>")))
attempt("a direct invitation", lambda: with_(message(), put("groupchat_invite", "jid", "garden@rooms.lotus.example"), put("groupchat_invite", "reason", "Roses"), put("groupchat_invite", "password", "pw")))
attempt("a reply", lambda: with_(message(body="yes"), put("reply", "id", "x1"), put("reply", "to", slixmpp.JID("tariq@lotus.example/desk"))))
attempt("reactions", lambda: with_(message(), put("reactions", "id", "x1"), lambda m: m["reactions"].set_values({"👋"})))
attempt("a spoiler", lambda: with_(message(body="x"), lambda m: m["spoiler"].xml.__setattr__("text", "the end")))
attempt("how it is encrypted", lambda: with_(message(body="?"), put("eme", "namespace", "eu.siacs.conversations.axolotl"), put("eme", "name", "OMEMO")))
attempt("headers", lambda: with_(message(body="x"), put("headers", "headers", {"Urgency": "high", "TTL": "30"})))
attempt("JSON", lambda: with_(message(), put("json", "value", {"a": [1, 2.5]})))


def forwarded():
    from slixmpp.plugins.xep_0297 import Forwarded

    stanza = Forwarded()
    stanza["stanza"] = message(body="inside")
    stanza["delay"]["stamp"] = WHEN
    return stanza


attempt("a forward", lambda: with_(message(body="look"), lambda m: m.append(forwarded())))
attempt("a retraction", lambda: with_(message(body="gone"), put("retract", "id", "x1")))
attempt("a fallback", lambda: with_(message(body="> x"), put("fallback", "for", "urn:xmpp:reply:0")))
attempt("several recipients", lambda: with_(message(body="x"), lambda m: m["addresses"].add_address(atype="to", jid="a@lotus.example", desc="Ay")))
attempt("an error", lambda: with_(message(body="x"), lambda m: m.__setitem__("type", "error"), put("error", "condition", "gone"), put("error", "gone", "xmpp:a@b"), put("error", "text", "moved"), put("error", "type", "cancel")))


def event(stanza):
    from slixmpp.plugins.xep_0060.stanza import EventItem

    items = stanza["pubsub_event"]["items"]
    items["node"] = "http://jabber.org/protocol/nick"
    item = EventItem()
    item["id"] = "current"
    item["payload"] = ET.fromstring("<nick xmlns='http://jabber.org/protocol/nick'>M</nick>")
    items.append(item)


attempt("an event", lambda: with_(message(), event))

attempt("initial presence", lambda: client.Presence())


def presence(**values):
    stanza = client.Presence()
    for key, value in values.items():
        stanza[key] = value
    return stanza


attempt("presence with everything", lambda: presence(type="dnd", status="Exam", priority=-3))
attempt("statuses in languages", lambda: with_(presence(), lambda p: p.__setitem__("status|en", "Exam"), lambda p: p.__setitem__("status|de", "Prüfung")))
for kind in ("unavailable", "subscribe", "subscribed", "unsubscribe", "unsubscribed", "probe", "away", "xa", "chat"):
    attempt(f"presence {kind}", lambda kind=kind: presence(type=kind, to="tariq@lotus.example"))
attempt("capabilities", lambda: with_(presence(), put("caps", "node", "https://client.example"), put("caps", "hash", "sha-1"), put("caps", "ver", "QgayPKaw=")))
attempt("idle since", lambda: with_(presence(), put("idle", "since", WHEN)))
attempt("avatar in the vCard", lambda: with_(presence(), put("vcard_temp_update", "photo", "01b8")))
attempt("joins a room", lambda: with_(presence(to="garden@rooms.lotus.example/Mei"), put("muc_join", "password", "pw"), lambda p: p["muc_join"]["history"].__setitem__("maxstanzas", "10")))
attempt("an occupant", lambda: with_(presence(**{"from": "garden@rooms.lotus.example/Mei"}), put("muc", "affiliation", "owner"), put("muc", "role", "moderator"), put("muc", "jid", slixmpp.JID("mei@lotus.example/phone")), lambda p: p["muc"].__setitem__("status_codes", {110})))

attempt("ping", lambda: with_(iq("get"), lambda i: i.enable("ping")))
attempt("roster", lambda: with_(iq(), lambda i: i["roster"].set_items({"wei@lotus.example": {"name": "Wei", "subscription": "both", "groups": ["Work", "Garden & more"]}})))
attempt("registers", lambda: with_(iq(), put("register", "username", "mei"), put("register", "password", "pw"), put("register", "email", "a@b")))
attempt("cancels a registration", lambda: with_(iq(), put("register", "remove", True)))
attempt("version", lambda: with_(iq("result"), put("software_version", "name", "Lotus"), put("software_version", "version", "1"), put("software_version", "os", "Debian")))
attempt("last activity", lambda: with_(iq("result"), put("last_activity", "seconds", 903), put("last_activity", "status", "Home")))
attempt("disco#info", lambda: with_(iq("result"), lambda i: i["disco_info"].add_identity("client", "phone", "Lotus", "en"), lambda i: i["disco_info"].add_feature("urn:xmpp:ping"), lambda i: i["disco_info"].__setitem__("node", "n")))
attempt("disco#items", lambda: with_(iq("result"), lambda i: i["disco_items"].add_item("rooms.lotus.example", node="n", name="Rooms")))
attempt("carbons", lambda: with_(iq(), lambda i: i.enable("carbon_enable")))


def form():
    form = client["xep_0004"].make_form(ftype="submit", title="A form", instructions="Fill it in\nall of it")
    form.add_field(var="FORM_TYPE", ftype="hidden", value="urn:x")
    form.add_field(var="list", ftype="list-multi", value=["a", "b"], options=[{"label": "A", "value": "a"}, {"label": "B", "value": "b"}])
    form.add_field(var="yes", ftype="boolean", value=True, required=True, desc="Really?")
    return form


attempt("a form", lambda: with_(message(), lambda m: m.append(form())))
attempt("a form to fill in", lambda: with_(message(), lambda m: m.append(with_(form(), lambda f: f.__setitem__("type", "form")))))
attempt("a command", lambda: with_(iq(), put("command", "node", "list"), put("command", "action", "execute"), lambda i: i["command"].append(form())))
attempt("a command done", lambda: with_(iq("result"), put("command", "node", "list"), put("command", "status", "completed"), put("command", "sessionid", "s"), lambda i: i["command"].add_note("Listed", ntype="info")))


def room_admin(stanza):
    from slixmpp.plugins.xep_0045.stanza import MUCAdminItem

    item = MUCAdminItem()
    item["affiliation"] = "member"
    item["jid"] = slixmpp.JID("wei@lotus.example")
    item["reason"] = "Helps"
    stanza["mucadmin_query"].append(item)


attempt("room admin", lambda: with_(iq(), room_admin))
attempt("destroys a room", lambda: with_(iq(), lambda i: i["mucowner_query"]["destroy"].__setitem__("jid", "orchard@rooms.lotus.example"), lambda i: i["mucowner_query"]["destroy"].__setitem__("reason", "Winter")))
attempt("archive query", lambda: with_(iq(), put("mam", "queryid", "q1"), lambda i: i["mam"].__setitem__("with", slixmpp.JID("tariq@lotus.example")), lambda i: i["mam"].__setitem__("start", WHEN), lambda i: i["mam"]["rsm"].__setitem__("max", "10")))
attempt("archive preferences", lambda: with_(iq(), put("mam_prefs", "default", "roster"), put("mam_prefs", "always", {slixmpp.JID("a@lotus.example")})))
attempt("a vCard", lambda: with_(iq(), lambda i: i["vcard_temp"].__setitem__("FN", "Mei Lin"), lambda i: i["vcard_temp"]["N"].__setitem__("FAMILY", "Lin"), lambda i: i["vcard_temp"].__setitem__("NICKNAME", ["M"]), lambda i: i["vcard_temp"].__setitem__("BDAY", "1990-08-06")))
attempt("bookmarks", lambda: with_(iq(), lambda i: i["private"]["bookmarks"].add_conference("garden@rooms.lotus.example", "Mei", name="Garden", autojoin=True, password="pw")))


def publish(stanza, node, payload):
    from slixmpp.plugins.xep_0060.stanza import Item

    stanza["pubsub"]["publish"]["node"] = node
    item = Item()
    item["id"] = "1"
    item.append(payload)
    stanza["pubsub"]["publish"].append(item)


def geoloc():
    from slixmpp.plugins.xep_0080 import Geoloc

    place = Geoloc()
    for key, value in {"lat": 45.44, "lon": 12.33, "accuracy": 20.0, "locality": "Venice"}.items():
        place[key] = value
    return place


def mood():
    from slixmpp.plugins.xep_0107.stanza import UserMood

    stanza = UserMood()
    stanza["value"] = "happy"
    stanza["text"] = "Spring"
    return stanza


def activity():
    from slixmpp.plugins.xep_0108.stanza import UserActivity

    stanza = UserActivity()
    stanza["value"] = ("doing_chores", "buying_groceries")
    stanza["text"] = "Tea"
    return stanza


def tune():
    from slixmpp.plugins.xep_0118.stanza import UserTune

    stanza = UserTune()
    for key, value in {"artist": "Finzi", "length": "255", "title": "Introduction"}.items():
        stanza[key] = value
    return stanza


attempt("publishes a place", lambda: with_(iq(), lambda i: publish(i, "http://jabber.org/protocol/geoloc", geoloc())))
attempt("publishes a mood", lambda: with_(iq(), lambda i: publish(i, "http://jabber.org/protocol/mood", mood())))
attempt("publishes an activity", lambda: with_(iq(), lambda i: publish(i, "http://jabber.org/protocol/activity", activity())))
attempt("publishes a tune", lambda: with_(iq(), lambda i: publish(i, "http://jabber.org/protocol/tune", tune())))
attempt("subscribes", lambda: with_(iq(), lambda i: i["pubsub"]["subscribe"].__setitem__("node", "n"), lambda i: i["pubsub"]["subscribe"].__setitem__("jid", slixmpp.JID("mei@lotus.example"))))
attempt("creates a node", lambda: with_(iq(), lambda i: i["pubsub"]["create"].__setitem__("node", "n"), lambda i: i["pubsub"]["configure"].append(form())))
attempt("an IQ error", lambda: with_(iq("error"), put("error", "condition", "bad-request"), put("error", "type", "modify")))
