package org.cloudbridge.suite;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;

/** Contact lists in decide mode, step by step: Openfire's and the platform's say the same after each. */
final class Friends {

    private static final String LONG = String.join("", Collections.nCopies(1024, "x"));

    private Friends() {
    }

    /** Friends are decided at a platform of the suite's own. */
    static Server deciding(Stage stage, Stage.Remote remote, String... users) throws Exception {
        Lists.byHand();
        return remote.serve(stage.deciding(users)).set("user.mode", "off").set("friend.mode", "decide")
                .set("friend.timeoutMillis", 60_000);
    }

    @Scenario("a client gets the same list in off, watch, mirror and decide; the platform has it from mirror on")
    static void listInEveryMode(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = deciding(stage, remote, "juliet", "romeo").set("friend.mode", "off").up();
        Client romeo = stage.online(server, "romeo", "orchard");
        String juliet = server.jid("juliet");
        romeo.request("set", "", Lists.set(juliet, "Juliet", "Capulets", "Verona"));
        Map<String, String> plain = Lists.atOpenfire(romeo);
        Check.equal("{" + juliet + "=Juliet|none||[Capulets, Verona]}", plain.toString(), "the list without the bridge");
        Lists.subscription(romeo, "subscribe", "benvolio@elsewhere.example");
        Map<String, String> shown = Map.of("benvolio@elsewhere.example", "|none|ask|[]");
        Await.until("the client's list", () -> Lists.atClient(romeo).equals(shown));
        plain.putAll(shown);
        for (String mode : List.of("watch", "mirror", "decide")) {
            server.change("friend.mode", mode);
            Await.until("friend is in " + mode, () -> server.status().get("modules", "friend", "mode").text().equals(mode));
            Check.equal(plain, Lists.atOpenfire(romeo), "the list in " + mode);
            Check.equal(shown, Lists.atClient(romeo), "the list that the client gets in " + mode);
            if (mode.equals("watch")) {
                Check.equal(Map.of(), Lists.atPlatform(remote.platform, romeo.bareJid()), "the platform's list in watch");
            } else {
                romeo.request("set", "", Lists.set("benvolio@elsewhere.example", null));
                romeo.request("set", "", Lists.set(juliet, "Juliet in " + mode, "Capulets", "Verona"));
                Lists.agree(remote.platform, romeo, juliet, "Juliet in " + mode + "|none||[Capulets, Verona]");
                romeo.request("set", "", Lists.set(juliet, "Juliet", "Capulets", "Verona"));
                Lists.agree(remote.platform, romeo, juliet, "Juliet|none||[Capulets, Verona]");
            }
        }
    }

    @Scenario("a contact is at the platform before any client sees it, and each client sees it once")
    static void platformFirst(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = deciding(stage, remote, "juliet", "romeo").up();
        Client romeo = stage.online(server, "romeo", "orchard");
        Client phone = stage.online(server, "romeo", "phone");
        String juliet = server.jid("juliet");
        Lists.atClient(romeo);
        Lists.atClient(phone);
        remote.proxy.fault(SlowProxy.Fault.HOLD_ANSWERS, "/v1/friends/");
        String id = romeo.ask("set", "", Lists.set(juliet, "Juliet", "Capulets"));
        Await.until("the platform has it", () -> Lists.atPlatform(remote.platform, romeo.bareJid()).containsKey(juliet));
        romeo.ping();
        phone.ping();
        Check.equal(List.of(), Lists.pushes(romeo, juliet), "pushes before the platform has answered");
        Check.equal(List.of(), Lists.pushes(phone, juliet), "pushes at the phone before the platform has answered");
        Check.that(romeo.inbox.matching(stanza -> stanza.id().equals(id)).isEmpty(), "no answer yet");
        remote.proxy.fault(SlowProxy.Fault.NONE);
        Check.equal("result", romeo.awaitAnswer(id).attribute("type"), "the answer");
        Lists.agree(remote.platform, romeo, juliet, "Juliet|none||[Capulets]");
        server.awaitSettled();
        for (Client client : List.of(romeo, phone)) {
            Lists.awaitPushes(client, juliet, 1);
            client.ping();
            Check.equal(List.of("Juliet|none||[Capulets]"), Lists.pushes(client, juliet), "pushes at " + client.fullJid());
        }
        Check.equal(1L, Lists.version(remote.platform, romeo.bareJid()), "changes at the platform");
    }

    @Scenario("add, subscribe both ways, rename, regroup, delete: after each step both lists agree at both ends")
    static void handshake(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = deciding(stage, remote, "juliet", "romeo").up();
        Client romeo = stage.online(server, "romeo", "orchard");
        Client juliet = stage.online(server, "juliet", "balcony");
        Lists.atClient(romeo);
        Lists.atClient(juliet);
        Steps steps = new Steps(remote.platform, romeo, juliet);
        romeo.request("set", "", Lists.set(juliet.bareJid(), "Juliet", "Capulets"));
        steps.agree("add", "Juliet|none||[Capulets]", null);
        Lists.subscription(romeo, "subscribe", juliet.bareJid());
        juliet.inbox.await("a request", stanza -> Lists.isPresence(stanza, "subscribe", romeo.bareJid()));
        steps.agree("subscribe", "Juliet|none|ask|[Capulets]", null);
        Lists.subscription(juliet, "subscribed", romeo.bareJid());
        steps.agree("subscribed", "Juliet|to||[Capulets]", "|from||[]");
        Lists.subscription(juliet, "subscribe", romeo.bareJid());
        romeo.inbox.await("a request", stanza -> Lists.isPresence(stanza, "subscribe", juliet.bareJid()));
        steps.agree("subscribe back", "Juliet|to||[Capulets]", "|from|ask|[]");
        Lists.subscription(romeo, "subscribed", juliet.bareJid());
        steps.agree("subscribed back", "Juliet|both||[Capulets]", "|both||[]");
        long before = Lists.version(remote.platform, romeo.bareJid());
        romeo.request("set", "", Lists.set(juliet.bareJid(), "J.", "Capulets"));
        steps.agree("rename", "J.|both||[Capulets]", "|both||[]");
        romeo.request("set", "", Lists.set(juliet.bareJid(), "J.", "Verona", "Beloved"));
        steps.agree("regroup", "J.|both||[Beloved, Verona]", "|both||[]");
        Check.equal(before + 2, Lists.version(remote.platform, romeo.bareJid()), "changes at the platform");
        romeo.request("set", "", Lists.remove(juliet.bareJid()));
        steps.agree("delete", null, "|none||[]");
        juliet.request("set", "", Lists.remove(romeo.bareJid()));
        steps.agree("delete back", null, null);
        quiet(remote, server, romeo);
        steps.check();
    }

    /** Steps of two people, and how long both lists took to agree after each. */
    private static final class Steps {

        private final Platform platform;
        private final Client one;
        private final Client other;
        private final List<String> took = new ArrayList<>();
        private final List<Long> millis = new ArrayList<>();
        private long begin = System.nanoTime();

        Steps(Platform platform, Client one, Client other) {
            this.platform = platform;
            this.one = one;
            this.other = other;
        }

        void agree(String step, String atOne, String atOther) throws Exception {
            Lists.agree(platform, one, other.bareJid(), atOne);
            Lists.agree(platform, other, one.bareJid(), atOther);
            long since = (System.nanoTime() - begin) / 1_000_000;
            took.add(step + " " + since);
            millis.add(since);
            begin = System.nanoTime();
        }

        /** A busy machine may delay one step, not most of them. */
        void check() {
            System.out.println("  both lists agreed, ms from the step before: " + took);
            Collections.sort(millis);
            Check.that(millis.get(millis.size() * 3 / 4) <= Lists.STEP_SECONDS * 1000, "steps took " + took);
        }
    }

    /**
     * Nothing goes on any more: other contacts' changes run through everything that is in order (the downlink, the pushes,
     * what is told), and all that was counted meanwhile is those changes.
     */
    static void quiet(Stage.Remote remote, Server server, Client client) throws Exception {
        String mark = Client.newId() + "@marks.example";
        // Whatever was under way before the first has ended with it.
        mark(remote, server, client, mark, "first");
        long told = told(remote);
        long version = Lists.version(remote.platform, client.bareJid());
        int pushes = pushes(client);
        mark(remote, server, client, mark, "second");
        remote.platform.delete(Lists.path(client.bareJid(), mark));
        Lists.awaitPushes(client, mark, 3);
        Await.until("the end of the mark was told", () -> told(remote) >= told + 2);
        server.awaitSettled();
        client.ping();
        Check.equal(told + 2, told(remote), "requests about friends for two changes at the platform");
        Check.equal(version + 2, Lists.version(remote.platform, client.bareJid()), "changes of the list for them");
        Check.equal(pushes + 2, pushes(client), "pushes for them");
    }

    private static void mark(Stage.Remote remote, Server server, Client client, String contact, String name) throws Exception {
        String node = "/" + contact.split("@")[0];
        int before = remote.proxy.requests("PUT /v1/friends/", node);
        int pushes = Lists.pushes(client, contact).size();
        remote.platform.put(Lists.path(client.bareJid(), contact), "{\"subscription\":\"none\",\"name\":\"" + name + "\"}");
        Lists.awaitPushes(client, contact, pushes + 1);
        Await.until("what it did in Openfire was told",
                () -> remote.proxy.requests("PUT /v1/friends/", node) > before);
        server.awaitSettled();
        client.ping();
    }

    private static long told(Stage.Remote remote) {
        return remote.proxy.requests("PUT /v1/friends/") + remote.proxy.requests("DELETE /v1/friends/");
    }

    private static int pushes(Client client) {
        return client.inbox.matching(stanza -> stanza.name().equals("iq") && stanza.attribute("type").equals("set")).size();
    }

    @Scenario("what the platform will not have, the client is told; its list is as before, nobody gets a push")
    static void refused(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = deciding(stage, remote, "juliet", "romeo").up();
        Client romeo = stage.online(server, "romeo", "orchard");
        String juliet = server.jid("juliet");
        romeo.request("set", "", Lists.set(juliet, "Juliet"));
        Lists.agree(remote.platform, romeo, juliet, "Juliet|none||[]");
        server.awaitSettled();
        int pushes = pushes(romeo);
        String[] groups = new String[65];
        for (int i = 0; i < groups.length; i++) {
            groups[i] = "group " + i;
        }
        for (String wanted : List.of(Lists.set(juliet, LONG), Lists.set(juliet, "Juliet", groups),
                Lists.set("tybalt@" + server.domain(), LONG))) {
            Xml answer = romeo.answer("set", "", wanted);
            Check.equal("error", answer.attribute("type"), "the answer to too much");
            String type = answer.child("jabber:client", "error").attribute("type");
            Check.that(type.equals("modify") || type.equals("cancel"), "it is of no use to try again: " + answer);
        }
        server.awaitSettled();
        romeo.ping();
        Check.equal(Map.of(juliet, "Juliet|none||[]"), Lists.atOpenfire(romeo), "the list afterwards");
        Lists.agree(remote.platform, romeo, juliet, "Juliet|none||[]");
        Check.equal(pushes, pushes(romeo), "pushes");
    }

    @Scenario("contacts of other servers, 64 groups, escaped addresses, names with everything in them: both lists agree")
    static void unusual(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = deciding(stage, remote, "juliet", "romeo").up();
        Client romeo = stage.online(server, "romeo", "orchard");
        String[] groups = new String[64];
        for (int i = 0; i < groups.length; i++) {
            groups[i] = "<group & \"" + i + "\"> \u00e9\ud83c\udf39";
        }
        Map<String, String> names = Map.of(
                "d\\27artagnan@" + server.domain(), "D'Artagnan \"le mousquetaire\" <&>",
                "space\\20cadet@musketeers.example", "\u6731\u8389\u53f6 \ud83c\udf39",
                "at\\40sign@musketeers.example", " spaces ",
                "musketeers@conference.paris.example", "A room",
                "100%25/2?x=1#y@musketeers.example".replace("/", "\\2f"), "100%");
        for (Map.Entry<String, String> one : names.entrySet()) {
            romeo.request("set", "", Lists.set(one.getKey(), one.getValue(), groups));
            Lists.agree(remote.platform, romeo, one.getKey(), item -> item != null && item.startsWith(one.getValue() + "|none||")
                    && item.split("<group").length == 65);
        }
        Check.equal((long) names.size(), Lists.version(remote.platform, romeo.bareJid()), "changes at the platform");
        for (String contact : names.keySet()) {
            romeo.request("set", "", Lists.remove(contact));
            Lists.agree(remote.platform, romeo, contact, (String) null);
        }
        quiet(remote, server, romeo);
    }
}
