package org.cloudbridge.suite;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/** States in decide mode: the platform stores a change, then contacts see it; nobody is online who is not. */
final class States {

    private static final String TELLS = "POST /v1/nodes/";

    private States() {
    }

    /** Two friends on a server that decides about states, romeo online at his orchard, juliet nowhere. */
    private static final class Pair {

        final Stage stage;
        final Stage.Remote remote;
        final Server server;
        final Client romeo;
        final String juliet;

        Pair(Stage stage, String... settings) throws Exception {
            Lists.byHand();
            this.stage = stage;
            remote = stage.remote();
            server = Decide.patient(stage, remote, "juliet", "romeo").set("state.mode", "decide").set("user.mode", "off")
                    .set("friend.mode", "mirror").set("state.timeoutMillis", 60_000).settings(settings);
            server.up();
            romeo = stage.online(server, "romeo", "orchard");
            juliet = server.jid("juliet");
            Client there = stage.online(server, "juliet", "introduction");
            Lists.befriend(remote.platform, romeo, there);
            there.disconnect();
            seesLast("unavailable", "introduction");
            awaitGone();
            awaitState("offline");
        }

        /** Openfire 4.2.0 writes who went offline a moment after contacts have seen it; a login meanwhile breaks its row. */
        void awaitGone() throws Exception {
            Await.until("only romeo is there", () -> server.command("sessions").equals("1"));
        }

        Client online(String resource) throws Exception {
            Client client = stage.online(server, "juliet", resource);
            sees(resource, "||0", 1);
            awaitState("online");
            settle();
            return client;
        }

        /** Where changes are told; leases are on their way all the time. */
        String states() throws Exception {
            return "/v1/nodes/" + server.status().get("node").text() + "/states";
        }

        /** Nothing about a session waits to be told or shown. */
        void settle() throws Exception {
            Await.until("no presence is held", () -> server.status().get("modules", "state", "held").number() == 0);
        }

        Json.Value state() throws Exception {
            return remote.platform.get("/v1/state/" + Platform.encode(juliet));
        }

        void awaitState(String wanted) throws Exception {
            Await.until("the platform takes juliet for " + wanted + "; it says " + state(),
                    () -> state().get("state").text().equals(wanted));
        }

        /** All that romeo saw of a resource: "type|show|status". */
        List<String> seen(String resource) {
            List<String> found = new ArrayList<>();
            for (Xml stanza : romeo.inbox.matching(stanza -> isOf(stanza, resource))) {
                found.add(spelled(stanza));
            }
            return found;
        }

        private boolean isOf(Xml stanza, String resource) {
            return stanza.name().equals("presence") && stanza.attribute("from").equals(juliet + "/" + resource);
        }

        private String spelled(Xml stanza) {
            return text(stanza, "show") + "|" + text(stanza, "status") + "|"
                    + (stanza.attribute("type").isEmpty() ? text(stanza, "priority") : stanza.attribute("type"));
        }

        private String text(Xml stanza, String name) {
            Xml child = stanza.child("jabber:client", name);
            return child == null ? "" : child.text();
        }

        /** Waits until romeo has seen this so often. */
        void sees(String resource, String what, int count) throws Exception {
            romeo.inbox.await(what + " of " + resource + "; seen " + seen(resource), count, Await.SECONDS,
                    stanza -> isOf(stanza, resource) && spelled(stanza).equals(what));
        }

        void seesLast(String type, String resource) throws Exception {
            Await.until("the last that romeo sees of " + resource + " is " + type,
                    () -> { List<String> all = seen(resource); return !all.isEmpty() && all.get(all.size() - 1).endsWith(type); });
        }

        /** A message runs through the server to romeo: what was routed to him before has arrived. */
        void flush(Client from) throws Exception {
            from.ping();
            romeo.ping();
        }
    }

    private static void say(Client client, String show, String status, int priority) throws Exception {
        client.raw("<presence>" + (show.isEmpty() ? "" : "<show>" + show + "</show>")
                + (status.isEmpty() ? "" : "<status>" + status + "</status>") + "<priority>" + priority + "</priority></presence>");
    }

    private static void noErrors(Client... clients) {
        for (Client client : clients) {
            Check.equal(List.of(), client.inbox.matching(Xml::isError), "errors at " + client.user);
        }
    }

    private static int tells(Stage.Remote remote) {
        return remote.proxy.requests(TELLS);
    }

    @Scenario("a change of show or status: the platform has it before the contact sees it, and the contact sees it once")
    static void platformFirst(Stage stage) throws Exception {
        Pair pair = new Pair(stage);
        Client juliet = pair.online("balcony");
        String[][] changes = {{"dnd", "busy"}, {"away", "away"}, {"xa", "away"}, {"chat", "online"}, {"", "online"}};
        for (String[] change : changes) {
            String status = "feeling " + change[0];
            pair.remote.proxy.fault(SlowProxy.Fault.HOLD_ANSWERS, pair.states());
            say(juliet, change[0], status, 0);
            Await.until("the platform has " + status, () -> status.equals(pair.state().get("status").text()));
            Check.equal(change[1], pair.state().get("state").text(), "the state of show \"" + change[0] + "\"");
            pair.flush(juliet);
            String wanted = change[0] + "|" + status + "|0";
            Check.that(!pair.seen("balcony").contains(wanted), "the contact sees it after the platform has answered");
            pair.remote.proxy.fault(SlowProxy.Fault.NONE);
            pair.sees("balcony", wanted, 1);
        }
        pair.settle();
        pair.flush(juliet);
        Check.equal(List.of("||0", "dnd|feeling dnd|0", "away|feeling away|0", "xa|feeling xa|0", "chat|feeling chat|0",
                "|feeling |0"), pair.seen("balcony"), "all that the contact saw");
        noErrors(juliet, pair.romeo);
    }

    @Scenario("20 changes in 5 s are at most 3 writes at the platform; the last one wins there and at the contact")
    static void twenty(Stage stage) throws Exception {
        Pair pair = new Pair(stage);
        Client juliet = pair.online("balcony");
        for (int gap : new int[] {250, 0}) {
            int before = tells(pair.remote);
            ScheduledExecutorService clock = Executors.newSingleThreadScheduledExecutor();
            for (int i = 0; i < 20; i++) {
                int number = i;
                clock.schedule(() -> {
                    say(juliet, number % 2 == 0 ? "dnd" : "away", gap + " change " + number, 0);
                    return null;
                }, i * gap, TimeUnit.MILLISECONDS);
            }
            clock.shutdown();
            Check.that(clock.awaitTermination(60, TimeUnit.SECONDS), "all 20 were sent");
            pair.sees("balcony", "away|" + gap + " change 19|0", 1);
            Check.equal(gap + " change 19", pair.state().get("status").text(), "the status at the platform");
            pair.settle();
            pair.flush(juliet);
            List<String> seen = pair.seen("balcony");
            Check.equal("away|" + gap + " change 19|0", seen.get(seen.size() - 1), "the last that the contact saw");
            int writes = tells(pair.remote) - before;
            System.out.println("  20 changes, one each " + gap + " ms: " + writes + " writes, the contact saw " + seen.size());
            Check.that(writes <= 3, "20 changes were " + writes + " writes");
            Check.equal(seen.size(), (int) seen.stream().distinct().count(), "nothing is seen twice: " + seen);
            // The pause of this session is over when the next change goes out at once.
            say(juliet, "", "between " + gap, 0);
            pair.sees("balcony", "|between " + gap + "|0", 1);
        }
        noErrors(juliet, pair.romeo);
    }

    @Scenario("resources are aggregated by priority; dnd is busy; a negative priority takes no messages")
    static void aggregated(Stage stage) throws Exception {
        Pair pair = new Pair(stage);
        Client balcony = pair.online("balcony");
        Client phone = pair.online("phone");
        say(balcony, "dnd", "", 5);
        pair.sees("balcony", "dnd||5", 1);
        Check.equal("busy", pair.state().get("state").text(), "the state with dnd in front");
        say(phone, "away", "", 7);
        pair.sees("phone", "away||7", 1);
        Check.equal("away", pair.state().get("state").text(), "the state with away in front");
        say(phone, "away", "", -1);
        pair.sees("phone", "away||-1", 1);
        // Whether one can be reached never waits, so the contact may be first here.
        pair.awaitState("busy");
        Check.that(pair.state().get("reachable").isTrue(), "reachable at the balcony");
        balcony.disconnect();
        pair.sees("balcony", "||unavailable", 1);
        pair.awaitState("away");
        Check.that(!pair.state().get("reachable").isTrue(), "a negative priority alone is not reachable");
        phone.unavailable();
        pair.sees("phone", "||unavailable", 1);
        pair.awaitState("offline");
        noErrors(balcony, phone, pair.romeo);
    }

    @Scenario("a state set at the platform appears to contacts as presence, and so does its end")
    static void atThePlatform(Stage stage) throws Exception {
        Pair pair = new Pair(stage);
        set(pair, 1, "watch", true, "dnd", "at the platform");
        pair.sees("cloudbridge", "dnd|at the platform|", 1);
        set(pair, 2, "watch", true, "away", "still there");
        pair.sees("cloudbridge", "away|still there|", 1);
        set(pair, 3, "watch", false, "", "");
        pair.sees("cloudbridge", "||unavailable", 1);
        pair.awaitState("offline");
        // A contact who comes later sees it too, and not what has ended.
        set(pair, 4, "watch", true, "xa", "again");
        pair.sees("cloudbridge", "xa|again|", 1);
        Client later = stage.online(pair.server, "romeo", "later");
        later.inbox.await("juliet's state", stanza -> Lists.isPresence(stanza, "", pair.juliet));
        set(pair, 5, "watch", false, "", "");
        pair.sees("cloudbridge", "||unavailable", 2);
        Client balcony = pair.online("balcony");
        say(balcony, "chat", "here", 5);
        pair.sees("balcony", "chat|here|5", 1);
        noErrors(balcony, later, pair.romeo);
    }

    private static void set(Pair pair, int seq, String resource, boolean open, String show, String status) throws Exception {
        pair.remote.platform.put("/v1/state/" + Platform.encode(pair.juliet) + "/" + resource,
                "{\"seq\":" + seq + ",\"open\":" + open + ",\"user\":\"" + pair.juliet + "\",\"resource\":\"" + resource
                + "\",\"available\":" + open + ",\"priority\":0"
                + (show.isEmpty() ? "" : ",\"show\":\"" + show + "\"")
                + (status.isEmpty() ? "" : ",\"status\":\"" + status + "\"") + "}");
    }

    @Scenario("a socket cut, or unavailable sent, while a presence is held leaves nobody online, 20 times each")
    static void goneWhileHeld(Stage stage) throws Exception {
        Pair pair = new Pair(stage);
        for (int round = 0; round < 40; round++) {
            boolean cut = round % 2 == 0;
            String resource = "r" + round;
            Client juliet = pair.online(resource);
            int before = tells(pair.remote);
            pair.remote.proxy.fault(SlowProxy.Fault.HOLD_ANSWERS, pair.states());
            say(juliet, "dnd", "held", 0);
            pair.remote.proxy.awaitRequests(TELLS, before + 1);
            if (cut) {
                juliet.cut();
            } else {
                juliet.unavailable();
            }
            if (round % 4 < 2) {
                // The end is seen first; otherwise it races with the release.
                pair.sees(resource, "||unavailable", 1);
            }
            pair.remote.proxy.fault(SlowProxy.Fault.NONE);
            pair.seesLast("unavailable", resource);
            pair.awaitState("offline");
            pair.settle();
            if (!cut) {
                noErrors(juliet);
                juliet.disconnect();
            }
            pair.awaitGone();
        }
        pair.romeo.ping();
        for (int round = 0; round < 40; round++) {
            List<String> seen = pair.seen("r" + round);
            Check.equal("||unavailable", seen.get(seen.size() - 1), "the last seen of r" + round + ": " + seen);
        }
        Client later = stage.online(pair.server, "romeo", "later");
        later.ping();
        Check.equal(List.of(), later.inbox.matching(stanza -> Lists.isPresence(stanza, "", pair.juliet)), "ghosts");
        pair.awaitState("offline");
    }

    @Scenario("Openfire killed: the platform takes everybody offline when the lease ends")
    static void killed(Stage stage) throws Exception {
        Pair pair = new Pair(stage, "platform.leaseSeconds=3");
        Client juliet = pair.online("balcony");
        say(juliet, "dnd", "", 0);
        pair.sees("balcony", "dnd||0", 1);
        stage.expectError("HSQLDB|hsqldb");
        pair.server.kill();
        long begin = System.nanoTime();
        pair.awaitState("offline");
        System.out.println("  offline " + (System.nanoTime() - begin) / 1_000_000 + " ms after the kill");
        pair.remote.awaitUnreachable(pair.server, "juliet", "romeo");
        pair.server.start().awaitReady();
        Client later = stage.online(pair.server, "romeo", "later");
        later.ping();
        Check.equal(List.of(), later.inbox.matching(stanza -> Lists.isPresence(stanza, "", pair.juliet)), "ghosts");
    }

    @Scenario("the platform is slow or dead: open shows the change and tells it later, closed drops it; no error ever")
    static void slow(Stage stage) throws Exception {
        Pair pair = new Pair(stage, "state.timeoutMillis=500", "state.onFailure=open");
        Client juliet = pair.online("balcony");
        pair.remote.proxy.fault(SlowProxy.Fault.BLACKHOLE, pair.states());
        say(juliet, "dnd", "slow and open", 0);
        pair.sees("balcony", "dnd|slow and open|0", 1);
        say(juliet, "away", "dead and open", 0);
        pair.sees("balcony", "away|dead and open|0", 1);
        pair.remote.proxy.fault(SlowProxy.Fault.NONE);
        pair.server.awaitReady();
        Await.until("the platform is told", () -> pair.state().get("status").text().equals("dead and open"));
        pair.server.change("state.onFailure", "closed");
        say(juliet, "chat", "well", 0);
        pair.sees("balcony", "chat|well|0", 1);
        pair.remote.proxy.fault(SlowProxy.Fault.BLACKHOLE, pair.states());
        say(juliet, "dnd", "slow and closed", 0);
        pair.settle();
        say(juliet, "dnd", "dead and closed", 0);
        pair.settle();
        pair.remote.proxy.fault(SlowProxy.Fault.NONE);
        pair.server.awaitReady();
        Await.until("the platform knows what is so; it says " + pair.state(),
                () -> pair.state().get("status").text().equals("well"));
        say(juliet, "", "well again", 0);
        pair.sees("balcony", "|well again|0", 1);
        pair.flush(juliet);
        Check.that(Collections.disjoint(pair.seen("balcony"), List.of("dnd|slow and closed|0", "dnd|dead and closed|0")),
                "what was dropped is not seen: " + pair.seen("balcony"));
        noErrors(juliet, pair.romeo);
    }

    @Scenario("initial, directed and room presence never wait for the platform")
    static void untouched(Stage stage) throws Exception {
        Pair pair = new Pair(stage);
        pair.remote.proxy.fault(SlowProxy.Fault.HOLD_ANSWERS, pair.states());
        Client juliet = stage.online(pair.server, "juliet", "balcony");
        pair.sees("balcony", "||0", 1);
        juliet.raw("<presence to='" + pair.romeo.fullJid() + "'><status>for you</status></presence>");
        pair.sees("balcony", "|for you|", 1);
        String room = "garden@conference." + pair.server.domain() + "/juliet";
        juliet.raw("<presence to='" + room + "'><x xmlns='http://jabber.org/protocol/muc'/></presence>");
        juliet.inbox.await("herself in the room", stanza -> stanza.attribute("from").equals(room) && stanza.name().equals("presence"));
        juliet.raw("<presence type='unavailable' to='" + room + "'/>");
        juliet.inbox.await("herself leaving", stanza -> stanza.attribute("from").equals(room)
                && stanza.attribute("type").equals("unavailable"));
        juliet.unavailable();
        pair.sees("balcony", "||unavailable", 1);
        noErrors(juliet, pair.romeo);
        pair.remote.proxy.fault(SlowProxy.Fault.NONE);
        pair.awaitState("offline");
    }
}
