package org.cloudbridge.suite;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Predicate;
import org.jivesoftware.smack.roster.Roster;

/** Contact lists as a client sees them and as the platform has them, in one spelling, so that they can be compared. */
final class Lists {

    static final String ROSTER = "jabber:iq:roster";

    /** How long both sides may take to agree after a step; usually it is a fraction of a second. */
    static final int STEP_SECONDS = 2;

    static {
        // Smack would refuse every request for a subscription by itself.
        Roster.setDefaultSubscriptionMode(Roster.SubscriptionMode.manual);
    }

    private Lists() {
    }

    /** Makes Smack leave subscriptions to the scenario; before the first client. */
    static void byHand() {
        // The class is initialised by that.
    }

    /** The list as Openfire keeps it: address to "name|subscription|ask|groups". */
    static Map<String, String> atOpenfire(Client owner) throws Exception {
        Map<String, String> found = new TreeMap<>();
        for (String line : owner.server.command("roster " + owner.user).split("\t")) {
            if (!line.isEmpty()) {
                found.put(line.substring(0, line.indexOf('@') < 0 ? line.indexOf('=') : line.indexOf('=', line.indexOf('@'))),
                        line.substring(line.indexOf('=', Math.max(0, line.indexOf('@'))) + 1));
            }
        }
        return found;
    }

    /** The list that a client gets; from here on it gets pushes. */
    static Map<String, String> atClient(Client client) throws Exception {
        Map<String, String> found = new TreeMap<>();
        Xml query = client.request("get", "", "<query xmlns='jabber:iq:roster'/>").child(ROSTER, "query");
        for (Xml item : query.children()) {
            found.put(item.attribute("jid"), spelled(item));
        }
        return found;
    }

    /** What of a list Openfire 4.2.0 shows to who asks for it: it leaves out contacts without any subscription. */
    static Map<String, String> shown(Map<String, String> list) {
        Map<String, String> found = new TreeMap<>(list);
        found.values().removeIf(item -> item.contains("|none||["));
        return found;
    }

    private static String spelled(Xml item) {
        TreeSet<String> groups = new TreeSet<>();
        item.children().forEach(group -> groups.add(group.text()));
        return spelled(item.attribute("name"), item.attribute("subscription"), item.attribute("ask").equals("subscribe"), groups);
    }

    private static String spelled(String name, String subscription, boolean ask, TreeSet<String> groups) {
        return name + "|" + subscription + "|" + (ask ? "ask" : "") + "|" + groups;
    }

    static Map<String, String> atPlatform(Platform platform, String user) throws Exception {
        Map<String, String> found = new TreeMap<>();
        String after = "";
        do {
            Json.Value page = platform.get("/v1/friends/" + Platform.encode(user) + "?limit=100" + after);
            for (Json.Value item : page.get("items").list()) {
                TreeSet<String> groups = new TreeSet<>();
                if (item.get("groups").present()) {
                    item.get("groups").list().forEach(group -> groups.add(group.text()));
                }
                String name = item.get("name").present() ? item.get("name").text() : "";
                found.put(item.get("friend").text(),
                        spelled(name, item.get("subscription").text(), item.get("ask").isTrue(), groups));
            }
            after = page.get("next").present() ? "&after=" + Platform.encode(page.get("next").text()) : "";
        } while (!after.isEmpty());
        return found;
    }

    /** How often the platform's list has changed. */
    static long version(Platform platform, String user) throws Exception {
        return platform.get("/v1/friends/" + Platform.encode(user)).get("ver").number();
    }

    /** Waits until both sides have this item (null: none) and agree on the whole list; gives the milliseconds it took. */
    static long agree(Platform platform, Client owner, String contact, Predicate<String> wanted) throws Exception {
        long begin = System.nanoTime();
        List<Object> last = new ArrayList<>();
        try {
            Await.until("", STEP_SECONDS * 10, () -> {
                Map<String, String> here = atOpenfire(owner);
                Map<String, String> there = atPlatform(platform, owner.bareJid());
                Map<String, String> seen = atClient(owner);
                last.clear();
                last.add("Openfire " + here + ", platform " + there + ", client " + seen);
                return here.equals(there) && seen.equals(shown(here)) && wanted.test(here.get(contact));
            });
        } catch (AssertionError e) {
            throw new AssertionError("the lists of " + owner.user + " do not come to agree on " + contact + ": " + last);
        }
        return (System.nanoTime() - begin) / 1_000_000;
    }

    static long agree(Platform platform, Client owner, String contact, String wanted) throws Exception {
        return agree(platform, owner, contact, item -> wanted == null ? item == null : wanted.equals(item));
    }

    /** What a client writes to set an item. */
    static String set(String contact, String name, String... groups) {
        StringBuilder text = new StringBuilder("<query xmlns='jabber:iq:roster'><item jid='" + attribute(contact) + "'");
        if (name != null) {
            text.append(" name='").append(attribute(name)).append("'");
        }
        text.append(">");
        for (String group : groups) {
            text.append("<group>").append(Client.escape(group)).append("</group>");
        }
        return text.append("</item></query>").toString();
    }

    static String remove(String contact) {
        return "<query xmlns='jabber:iq:roster'><item jid='" + attribute(contact) + "' subscription='remove'/></query>";
    }

    private static String attribute(String text) {
        return Client.escape(text).replace("'", "&apos;");
    }

    /** The path of an item at the platform. */
    static String path(String owner, String contact) {
        return "/v1/friends/" + Platform.encode(owner) + "/" + Platform.encode(contact);
    }

    /** The items of all roster pushes about a contact that have come. */
    static List<String> pushes(Client client, String contact) {
        List<String> found = new ArrayList<>();
        for (Xml push : client.inbox.matching(stanza -> isPush(stanza, contact))) {
            found.add(spelled(push.child(ROSTER, "query").children().get(0)));
        }
        return found;
    }

    static void awaitPushes(Client client, String contact, int count) throws Exception {
        client.inbox.await("roster pushes about " + contact, count, Await.SECONDS, stanza -> isPush(stanza, contact));
    }

    private static boolean isPush(Xml stanza, String contact) {
        Xml query = stanza.name().equals("iq") && stanza.attribute("type").equals("set") ? stanza.child(ROSTER, "query") : null;
        return query != null && !query.children().isEmpty() && query.children().get(0).attribute("jid").equals(contact);
    }

    static void subscription(Client from, String type, String to) throws Exception {
        from.raw("<presence type='" + type + "' to='" + to + "'/>");
    }

    /** Both see each other's presence, step by step as clients do it; both have asked for their lists. */
    static void befriend(Platform platform, Client one, Client other) throws Exception {
        atClient(one);
        atClient(other);
        subscription(one, "subscribe", other.bareJid());
        other.inbox.await("a request", stanza -> isPresence(stanza, "subscribe", one.bareJid()));
        subscription(other, "subscribed", one.bareJid());
        subscription(other, "subscribe", one.bareJid());
        one.inbox.await("a request", stanza -> isPresence(stanza, "subscribe", other.bareJid()));
        subscription(one, "subscribed", other.bareJid());
        Await.until("both see each other", () -> both(one, other) && both(other, one));
        if (platform != null) {
            agree(platform, one, other.bareJid(), "|both||[]");
            agree(platform, other, one.bareJid(), "|both||[]");
        }
    }

    private static boolean both(Client owner, Client contact) throws Exception {
        return atClient(owner).getOrDefault(contact.bareJid(), "").contains("|both|");
    }

    /** Of this type ("" = available) and from this bare JID. */
    static boolean isPresence(Xml stanza, String type, String from) {
        return stanza.name().equals("presence") && stanza.attribute("type").equals(type)
                && stanza.attribute("from").split("/")[0].equals(from);
    }
}
