package org.cloudbridge.suite;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jivesoftware.smack.XMPPConnectionRegistry;
import org.jivesoftware.smackx.disco.ServiceDiscoveryManager;
import org.jivesoftware.smackx.geoloc.packet.GeoLocation;

/** Places that people publish by PEP, in decide mode: what friends get, what the platform has, and that both go together. */
final class Footprints {

    private static final String PUBSUB = "http://jabber.org/protocol/pubsub";
    private static final String EVENT = PUBSUB + "#event";
    private static final String MICROBLOG = "urn:xmpp:microblog:0";
    private static final String GEOLOC = "http://jabber.org/protocol/geoloc";
    private static final String OURS = "urn:cloudbridge:footprint:0";
    /** No coarse place has these digits. */
    private static final String EXACT = "45.44196";
    private static final String PLACE = "<geoloc xmlns='" + GEOLOC + "'><lat>" + EXACT + "</lat><lon>10.99875</lon><street>Via Cappello</street></geoloc>";

    private static boolean listening;

    private Footprints() {
    }

    /** Clients that want events of these nodes say so by their capabilities (XEP-0163 4.3). */
    private static synchronized void listening() {
        if (!listening) {
            XMPPConnectionRegistry.addConnectionCreationListener(connection -> {
                ServiceDiscoveryManager discovery = ServiceDiscoveryManager.getInstanceFor(connection);
                discovery.addFeature(MICROBLOG + "+notify");
                discovery.addFeature(GEOLOC + "+notify");
            });
            listening = true;
        }
    }

    private static Server deciding(Stage stage, Stage.Remote remote) throws Exception {
        listening();
        return Friends.deciding(stage, remote, "juliet", "romeo", "nurse").set("footprint.mode", "decide")
                .set("footprint.timeoutMillis", 20_000);
    }

    /** A deciding server on a platform of its own, Juliet and Romeo who are friends, and the nurse, who is nobody's. */
    private static final class Verona {

        private final Stage.Remote remote;
        private final Server server;
        private final Client juliet;
        private final Client romeo;
        private final Client nurse;

        Verona(Stage stage) throws Exception {
            remote = stage.remote();
            server = deciding(stage, remote).up();
            juliet = stage.online(server, "juliet", "balcony");
            romeo = stage.online(server, "romeo", "orchard");
            nurse = stage.online(server, "nurse", "kitchen");
            Lists.befriend(remote.platform, juliet, romeo);
        }
    }

    private static String publish(String node, String item, String payload, String beside) {
        String id = item.isEmpty() ? "" : " id='" + item + "'";
        return "<pubsub xmlns='" + PUBSUB + "'><publish node='" + node + "'><item" + id + ">" + payload + "</item></publish>" + beside + "</pubsub>";
    }

    private static String entry(String item, String title, String beside) {
        return publish(MICROBLOG, item, "<entry xmlns='http://www.w3.org/2005/Atom'><title>" + title
                + "</title><link rel='enclosure' href='https://upload.example.org/1/a.png'/>" + PLACE + "</entry>", beside);
    }

    private static String retract(String node, String item) {
        return "<pubsub xmlns='" + PUBSUB + "'><retract node='" + node + "' notify='1'><item id='" + item + "'/></retract></pubsub>";
    }

    private static String owner(String inner) {
        return "<pubsub xmlns='" + PUBSUB + "#owner'>" + inner + "</pubsub>";
    }

    private static String share(String attributes, String inner) {
        return "<share xmlns='" + OURS + "' " + attributes + ">" + inner + "</share>";
    }

    /** The footprint as somebody sees it at the platform; empty when they do not. */
    private static String seen(Stage.Remote remote, Client owner, String id, String viewer) throws Exception {
        String path = "/v1/footprints/" + Platform.encode(owner.bareJid()) + "/" + Platform.encode(id) + "?viewer=" + Platform.encode(viewer);
        java.net.http.HttpResponse<String> answer = remote.platform.ask("GET", path, "");
        Check.that(answer.statusCode() == 200 || answer.statusCode() == 404, path + ": " + answer.statusCode() + " " + answer.body());
        return answer.statusCode() == 200 ? answer.body() : "";
    }

    /** Items on a node, as somebody reads them; an error's condition instead. */
    private static String items(Client reader, String owner, String node) throws Exception {
        return reader.answer("get", owner, "<pubsub xmlns='" + PUBSUB + "'><items node='" + node + "'/></pubsub>").toString();
    }

    private static List<Xml> events(Client client, String node) {
        List<Xml> found = new ArrayList<>();
        for (Xml stanza : client.inbox.matching(s -> s.isMessage() && s.child(EVENT, "event") != null)) {
            if (stanza.toString().contains(node) && !stanza.toString().contains("}configuration")) {
                found.add(stanza);
            }
        }
        return found;
    }

    private static Xml awaitEvent(Client client, String what, String text) throws Exception {
        return client.inbox.await(what, s -> s.isMessage() && s.child(EVENT, "event") != null && s.toString().contains(text));
    }

    private static String find(Client asker, Server server, String attributes) throws Exception {
        return asker.request("get", "find." + server.domain(), "<footprints xmlns='" + OURS + "' " + attributes + "/>").toString();
    }

    @Scenario("an entry with a place: the platform has it exactly, friends get the event coarsely, others nothing; retracted it is gone on both sides")
    static void entryToFriends(Stage stage) throws Exception {
        Verona verona = new Verona(stage);
        verona.remote.proxy.fault(SlowProxy.Fault.HOLD_ANSWERS, "/v1/footprints");
        String asked = verona.juliet.ask("set", "", entry("tag:1", "Here", ""));
        verona.remote.proxy.awaitRequests("PUT /v1/footprints/", 1);
        verona.juliet.ping();
        verona.romeo.ping();
        Check.equal(0, events(verona.romeo, MICROBLOG).size(), "events before the platform has answered");
        verona.remote.proxy.fault(SlowProxy.Fault.NONE);
        Check.equal("result", verona.juliet.awaitAnswer(asked).attribute("type"), "the answer");
        String event = awaitEvent(verona.romeo, "the event", "Here").toString();
        Check.that(!event.contains(EXACT) && !event.contains("Cappello") && event.contains("}lat>") && event.contains("upload.example.org"),
                "the event is coarse: " + event);
        verona.nurse.ping();
        Check.equal(0, events(verona.nurse, MICROBLOG).size(), "events of somebody who is no friend");
        Check.that(seen(verona.remote, verona.juliet, "tag.3A1", verona.juliet.bareJid()).contains(EXACT), "its owner sees it exactly");
        String friend = seen(verona.remote, verona.juliet, "tag.3A1", verona.romeo.bareJid());
        Check.that(!friend.isEmpty() && !friend.contains(EXACT), "a friend sees it coarsely: " + friend);
        Check.equal("", seen(verona.remote, verona.juliet, "tag.3A1", verona.nurse.bareJid()), "what the nurse sees");
        Check.that(!items(verona.romeo, verona.juliet.bareJid(), MICROBLOG).contains(EXACT), "the item is coarse");
        Check.that(items(verona.nurse, verona.juliet.bareJid(), MICROBLOG).contains("error"), "the node is not for others");
        Check.that(find(verona.romeo, verona.server, "area='10,45,12,46'").contains("Here"), "found by area");
        Check.that(!find(verona.romeo, verona.server, "area='0,0,1,1'").contains("Here"), "not found elsewhere");
        Check.that(!find(verona.nurse, verona.server, "").contains("Here"), "not found by others");
        verona.juliet.request("set", "", retract(MICROBLOG, "tag:1"));
        awaitEvent(verona.romeo, "the retraction", "}retract");
        Check.equal("", seen(verona.remote, verona.juliet, "tag.3A1", verona.juliet.bareJid()), "what is left at the platform");
        Check.that(!items(verona.romeo, verona.juliet.bareJid(), MICROBLOG).contains("tag:1"), "what is left in PEP");
        verona.server.awaitSettled();
        verona.juliet.ping();
        Check.equal(1, verona.juliet.inbox.matching(s -> s.name().equals("iq") && s.id().equals(asked)).size(), "answers to the publish");
        Check.equal(1, (int) events(verona.romeo, MICROBLOG).stream().filter(e -> e.toString().contains("Here")).count(), "events about it");
    }

    @Scenario("a walk for one chosen friend: she alone gets each step and finds the track; what is for nobody is in no node; a wrong demand is refused")
    static void chosenPeople(Stage stage) throws Exception {
        Verona verona = new Verona(stage);
        verona.juliet.request("set", "", publish(GEOLOC, "", PLACE, ""));
        Check.that(!awaitEvent(verona.romeo, "where she is", "}lat>").toString().contains(EXACT), "coarsely");
        for (String lat : List.of("45.51234", "45.52345")) {
            verona.juliet.request("set", "", publish(GEOLOC, "", "<geoloc xmlns='" + GEOLOC + "'><lat>" + lat + "</lat><lon>11.5</lon></geoloc>",
                    share("track='walk' precision='exact'", "<person jid='" + verona.nurse.bareJid() + "'/>")));
            awaitEvent(verona.nurse, "a step", lat);
        }
        awaitEvent(verona.romeo, "the end of what he saw", "}retract");
        Check.that(find(verona.nurse, verona.server, "user='" + verona.juliet.bareJid() + "' track='walk'").split("}entry>").length == 3, "the track has two points");
        Check.that(!find(verona.romeo, verona.server, "track='walk'").contains("}entry>"), "nobody else finds it");
        verona.juliet.request("set", "", entry("mine", "For me", share("audience='me'", "")));
        verona.romeo.ping();
        verona.nurse.ping();
        for (Client other : List.of(verona.romeo, verona.nurse)) {
            Check.that(events(other, "").stream().noneMatch(e -> e.toString().contains("For me")), "events of " + other.fullJid());
            Check.equal("", seen(verona.remote, verona.juliet, "mine", other.bareJid()), "at the platform for " + other.fullJid());
        }
        Check.that(events(verona.romeo, GEOLOC).stream().noneMatch(e -> e.toString().contains("45.5123") || e.toString().contains("45.5234")), "no step at romeo");
        Check.that(find(verona.juliet, verona.server, "").contains("For me"), "its owner finds it");
        Xml refused = verona.juliet.answer("set", "", entry("bad", "Bad", share("audience='self'", "")));
        Check.equal("error", refused.attribute("type"), "an audience that is none");
        verona.juliet.request("set", "", entry("open", "Open", "").replace("</pubsub>", "<publish-options><x xmlns='jabber:x:data' type='submit'>"
                + "<field var='FORM_TYPE' type='hidden'><value>" + PUBSUB + "#publish-options</value></field>"
                + "<field var='pubsub#access_model'><value>open</value></field></x></publish-options></pubsub>"));
        Check.that(!seen(verona.remote, verona.juliet, "open", verona.nurse.bareJid()).isEmpty(), "a node that is made open is for all");
        Check.that(items(verona.nurse, verona.juliet.bareJid(), MICROBLOG).contains("Open"), "in PEP, too");
        Check.that(!items(verona.nurse, verona.juliet.bareJid(), MICROBLOG).contains(EXACT), "coarsely");
        verona.juliet.request("set", "", owner("<configure node='" + MICROBLOG + "'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>"
                + PUBSUB + "#node_config</value></field><field var='pubsub#access_model'><value>presence</value></field></x></configure>"));
        Await.until("the platform follows", () -> seen(verona.remote, verona.juliet, "open", verona.nurse.bareJid()).isEmpty());
        Check.that(!seen(verona.remote, verona.juliet, "open", verona.romeo.bareJid()).isEmpty(), "friends still see it");
        verona.juliet.request("set", "", owner("<delete node='" + MICROBLOG + "'/>"));
        Await.until("all is gone", () -> seen(verona.remote, verona.juliet, "open", verona.juliet.bareJid()).isEmpty() && seen(verona.remote, verona.juliet, "mine", verona.juliet.bareJid()).isEmpty());
    }

    @Scenario("shared at the platform: friends get the event, nothing exact; removed there it is retracted; no change comes back")
    static void atThePlatform(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = deciding(stage, remote).up();
        Client juliet = stage.online(server, "juliet", "balcony");
        Client romeo = stage.online(server, "romeo", "orchard");
        Lists.befriend(remote.platform, juliet, romeo);
        remote.platform.post("/v1/footprints", "{\"id\":\"globe\",\"user\":\"" + juliet.bareJid() + "\",\"lat\":" + EXACT
                + ",\"lon\":10.99875,\"text\":\"To be\",\"audience\":\"friends\"}");
        Check.that(!awaitEvent(romeo, "the event", "To be").toString().contains(EXACT), "coarsely");
        remote.platform.ask("DELETE", "/v1/footprints/" + Platform.encode(juliet.bareJid()) + "/globe", "");
        awaitEvent(romeo, "the retraction", "}retract");
        server.awaitSettled();
        juliet.ping();
        Check.equal(0, remote.proxy.requests("PUT /v1/footprints/"), "changes that came back");
        Check.equal(0, remote.proxy.requests("DELETE /v1/footprints/"), "removals that came back");
    }

    @Scenario("the platform is dead: open publishes coarsely and tells it later, closed refuses once; a killed Openfire leaves nothing half shared")
    static void deadAndKilled(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = deciding(stage, remote).set("footprint.timeoutMillis", 1500).up();
        Client juliet = stage.online(server, "juliet", "balcony");
        Client romeo = stage.online(server, "romeo", "orchard");
        Lists.befriend(remote.platform, juliet, romeo);
        server.awaitSettled();
        remote.kill();
        juliet.request("set", "", entry("late", "Late", ""));
        Check.that(!awaitEvent(romeo, "the event", "Late").toString().contains(EXACT), "coarsely");
        remote.startAgain();
        server.awaitReady();
        Await.until("the platform is told", () -> seen(remote, juliet, "late", juliet.bareJid()).contains(EXACT));
        server.change("footprint.onFailure", "closed");
        server.awaitSettled();
        remote.kill();
        Xml refused = juliet.answer("set", "", entry("never", "Never", ""));
        Check.equal("wait", refused.child("jabber:client", "error").attribute("type"), "the answer of a dead platform: " + refused);
        romeo.ping();
        Check.that(events(romeo, MICROBLOG).stream().noneMatch(e -> e.toString().contains("Never")), "nothing was published");
        remote.startAgain();
        server.awaitReady();
        // What may have been executed is taken back first; what is newer waits for that.
        Await.until("nothing is left to tell", () -> server.status().get("journal", "calls").number() == 0);
        server.change("footprint.timeoutMillis", 60_000);
        remote.proxy.fault(SlowProxy.Fault.HOLD_ANSWERS, "/v1/footprints");
        int before = remote.proxy.requests("PUT /v1/footprints/");
        juliet.ask("set", "", entry("half", "Half", ""));
        remote.proxy.awaitRequests("PUT /v1/footprints/", before + 1);
        Await.until("the platform has it", () -> !seen(remote, juliet, "half", juliet.bareJid()).isEmpty());
        stage.expectError("HSQLDB|hsqldb");
        server.kill();
        remote.proxy.fault(SlowProxy.Fault.NONE);
        server.start().awaitReady();
        Await.until("what nobody was answered about is taken back", () -> seen(remote, juliet, "half", juliet.bareJid()).isEmpty());
    }

    @Scenario("a client that knows nothing of this (Smack's own GeoLocationManager) makes its node, publishes and stops; another one's listener hears of it coarsely")
    static void bySmack(Stage stage) throws Exception {
        Verona verona = new Verona(stage);
        List<GeoLocation> heard = new CopyOnWriteArrayList<>();
        verona.romeo.places().addGeoLocationListener((from, place, id, message) -> heard.add(place));
        verona.juliet.places().publishGeoLocation(new GeoLocation.Builder().setLat(Double.valueOf(EXACT)).setLon(10.99875).setStreet("Via Cappello").build());
        Await.until("Smack tells its listener", () -> !heard.isEmpty());
        GeoLocation place = heard.get(0);
        Check.that(Math.abs(place.getLat() - Double.parseDouble(EXACT)) < 0.1 && !place.getLat().toString().startsWith(EXACT) && place.getStreet() == null,
                "coarsely: " + place.toXML());
        Check.that(seen(verona.remote, verona.juliet, "location.00", verona.juliet.bareJid()).contains(EXACT), "the platform has it exactly");
        Check.equal("", seen(verona.remote, verona.juliet, "location.00", verona.nurse.bareJid()), "what somebody who is no friend sees");
        verona.juliet.places().stopPublishingGeolocation();
        Await.until("nothing is left at the platform", () -> seen(verona.remote, verona.juliet, "location.00", verona.juliet.bareJid()).isEmpty());
        Check.that(!items(verona.romeo, verona.juliet.bareJid(), GEOLOC).contains("}lat>"), "nothing is left in PEP");
    }

    @Scenario("a node for one group: its members get the entry and see it at the platform, other friends neither; they read it in PEP where Openfire "
            + "shows the group to just them, nobody does where it shows it to everybody or to nobody")
    static void forGroup(Stage stage) throws Exception {
        Verona verona = new Verona(stage);
        Lists.befriend(verona.remote.platform, verona.juliet, verona.nurse);
        verona.remote.platform.post("/v1/groups", "{\"id\":\"Night_20watch\",\"name\":\"Night watch\",\"members\":[{\"user\":\"" + verona.juliet.bareJid()
                + "\",\"role\":\"owner\"},{\"user\":\"" + verona.nurse.bareJid() + "\",\"role\":\"member\"}]}");
        forGroup(verona.remote, verona.juliet, verona.nurse, verona.romeo, "Nobody sees it", false);
        Teams.at(verona.server, "create", "Night watch");
        for (Client member : List.of(verona.juliet, verona.nurse)) {
            Teams.at(verona.server, "member", "Night watch", member.bareJid());
        }
        Teams.at(verona.server, "share", "Night watch", "Night watch");
        forGroup(verona.remote, verona.juliet, verona.nurse, verona.romeo, "Members see it", true);
        Teams.at(verona.server, "share", "Night watch", "Night watch", "everybody");
        forGroup(verona.remote, verona.juliet, verona.nurse, verona.romeo, "Everybody sees it", false);
        verona.romeo.ping();
        Check.that(events(verona.romeo, MICROBLOG).stream().noneMatch(e -> e.toString().contains(" sees it")), "events of another friend");
        Check.that(!find(verona.romeo, verona.server, "").contains(" see"), "found by another friend");
        Check.that(find(verona.nurse, verona.server, "").contains("Members see it"), "found by a member");
    }

    private static void forGroup(Stage.Remote remote, Client owner, Client member, Client other, String title, boolean inPep) throws Exception {
        String id = title.split(" ")[0];
        owner.request("set", "", entry(id, title, "").replace("</pubsub>", "<publish-options><x xmlns='jabber:x:data' type='submit'>"
                + "<field var='FORM_TYPE' type='hidden'><value>" + PUBSUB + "#publish-options</value></field>"
                + "<field var='pubsub#access_model'><value>roster</value></field>"
                + "<field var='pubsub#roster_groups_allowed'><value>Night watch</value></field></x></publish-options></pubsub>"));
        Check.that(!awaitEvent(member, "the event", title).toString().contains(EXACT), "coarsely");
        Check.that(!seen(remote, owner, id, member.bareJid()).isEmpty(), "a member sees it at the platform: " + title);
        Check.equal("", seen(remote, owner, id, other.bareJid()), "what another friend sees there");
        Check.equal(inPep, items(member, owner.bareJid(), MICROBLOG).contains(title), "a member reads it in PEP: " + title);
        Check.that(!items(other, owner.bareJid(), MICROBLOG).contains(title), "another friend reads it in PEP: " + title);
    }

    @Scenario("the platform's map in Chromium: an entry of an XMPP client appears while somebody looks, and goes when it is retracted")
    static void onTheMap(Stage stage) throws Exception {
        Path program = Browser.find();
        if (program == null) {
            stage.skip("no Chromium on this machine");
            return;
        }
        Stage.Remote remote = stage.remote();
        Server server = deciding(stage, remote).up();
        Client juliet = stage.online(server, "juliet", "balcony");
        try (Browser browser = Browser.start(program, stage.directory())) {
            browser.follow(remote.platform.consoleLink());
            browser.awaitTrue("document.querySelector('#menu') !== null");
            browser.evaluate("location.hash = '#/footprints'");
            browser.awaitTrue("document.querySelectorAll('path.land').length > 0 && document.querySelectorAll('.dot').length === 0");
            juliet.request("set", "", entry("live", "Here I am", ""));
            browser.awaitTrue("document.querySelectorAll('.dot').length === 1 && document.body.innerText.includes('Via Cappello')");
            browser.evaluate("document.querySelector('.places button').click()");
            browser.awaitTrue("document.querySelector('.footprint')?.innerText.includes('Here I am') === true");
            browser.screenshot(stage.world.openfire.resolve("screenshots/map.png"));
            juliet.request("set", "", retract(MICROBLOG, "live"));
            browser.awaitTrue("document.querySelectorAll('.dot').length === 0 && !document.body.innerText.includes('Via Cappello')");
            Check.equal(List.of(), browser.complaints(), "what the browser complained about");
        }
    }
}
