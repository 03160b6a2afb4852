package org.cloudbridge.suite;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import org.jivesoftware.smack.provider.ProviderManager;

/** Contact lists when others change them, when nobody answers, and how people are found. */
final class FriendChanges {

    private static final String SEARCH = "jabber:iq:search";
    private static final String ITEMS = "http://jabber.org/protocol/disco#items";
    private static final String INFO = "http://jabber.org/protocol/disco#info";

    private FriendChanges() {
    }

    @Scenario("a change at the platform reaches every client of the owner once, also when Openfire was down meanwhile")
    static void atThePlatform(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = Friends.deciding(stage, remote, "juliet", "romeo").up();
        Client romeo = stage.online(server, "romeo", "orchard");
        Client phone = stage.online(server, "romeo", "phone");
        Lists.atClient(romeo);
        Lists.atClient(phone);
        String juliet = server.jid("juliet");
        String path = Lists.path(romeo.bareJid(), juliet);
        remote.platform.put(path, "{\"subscription\":\"none\",\"name\":\"Juliet\",\"groups\":[\"Capulets\",\"Verona\"]}");
        for (Client client : List.of(romeo, phone)) {
            Lists.awaitPushes(client, juliet, 1);
        }
        Lists.agree(remote.platform, romeo, juliet, "Juliet|none||[Capulets, Verona]");
        remote.platform.put(path, "{\"subscription\":\"none\",\"name\":\"J.\"}");
        Lists.agree(remote.platform, romeo, juliet, "J.|none||[]");
        remote.platform.delete(path);
        Lists.agree(remote.platform, romeo, juliet, (String) null);
        Friends.quiet(remote, server, romeo);
        for (Client client : List.of(romeo, phone)) {
            client.ping();
            Check.equal(List.of("Juliet|none||[Capulets, Verona]", "J.|none||[]", "|remove||[]"), Lists.pushes(client, juliet),
                    "pushes at " + client.fullJid());
        }
        romeo.disconnect();
        phone.disconnect();
        server.stop();
        remote.platform.put(path, "{\"subscription\":\"none\",\"name\":\"While you were away\"}");
        server.start().awaitReady();
        Client again = stage.online(server, "romeo", "orchard");
        Lists.agree(remote.platform, again, juliet, "While you were away|none||[]");
        Friends.quiet(remote, server, again);
        again.disconnect();
        stage.expectError("HSQLDB|hsqldb");
        server.kill();
        remote.platform.put(path, "{\"subscription\":\"none\",\"name\":\"While you were dead\"}");
        server.start().awaitReady();
        Client third = stage.online(server, "romeo", "orchard");
        Lists.agree(remote.platform, third, juliet, "While you were dead|none||[]");
    }

    @Scenario("client and platform change the same contact at once, 20 times: both end with the same, then silence")
    static void bothAtOnce(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = Friends.deciding(stage, remote, "juliet", "romeo").up();
        Client romeo = stage.online(server, "romeo", "orchard");
        Client phone = stage.online(server, "romeo", "phone");
        Client friend = stage.online(server, "juliet", "balcony");
        Lists.atClient(phone);
        String juliet = server.jid("juliet");
        String path = Lists.path(romeo.bareJid(), juliet);
        // Openfire 4.2.0 pushes no change of a contact without subscription.
        Lists.befriend(remote.platform, romeo, friend);
        long slowest = 0;
        for (int round = 0; round < 20; round++) {
            String name = "name " + round;
            String group = "group " + round;
            CountDownLatch go = new CountDownLatch(1);
            CompletableFuture<Void> there = CompletableFuture.runAsync(() -> integrator(remote, go, path, name, group));
            switch (round % 4) {
                case 0:
                    go.countDown();
                    romeo.request("set", "", Lists.set(juliet, name, "client " + round));
                    break;
                case 1:
                    String id = romeo.ask("set", "", Lists.set(juliet, name, "client " + round));
                    go.countDown();
                    romeo.awaitAnswer(id);
                    break;
                case 2:
                    // The client's change has been executed at the platform, the other one comes before the answer.
                    int before = remote.proxy.requests("PUT /v1/friends/");
                    remote.proxy.fault(SlowProxy.Fault.HOLD_ANSWERS, "/v1/friends/");
                    String held = romeo.ask("set", "", Lists.set(juliet, name, "client " + round));
                    remote.proxy.awaitRequests("PUT /v1/friends/", before + 1);
                    go.countDown();
                    there.get();
                    remote.proxy.fault(SlowProxy.Fault.NONE);
                    romeo.awaitAnswer(held);
                    break;
                default:
                    go.countDown();
                    List<String> ids = new ArrayList<>();
                    for (String other : List.of("a", "b", "c")) {
                        ids.add(romeo.ask("set", "", Lists.set(juliet, name + other, "client " + round)));
                        ids.add(phone.ask("set", "", Lists.set(juliet, name + other, "phone " + round)));
                    }
                    for (int i = 0; i < ids.size(); i++) {
                        (i % 2 == 0 ? romeo : phone).awaitAnswer(ids.get(i));
                    }
            }
            there.get();
            // Agreeing for a moment is not enough: it must be so when nothing is under way any more.
            long begin = System.nanoTime();
            server.awaitSettled();
            Friends.quiet(remote, server, romeo);
            Lists.agree(remote.platform, romeo, juliet, item -> item != null);
                        slowest = Math.max(slowest, (System.nanoTime() - begin) / 1_000_000);
        }
        List<String> pushes = Lists.pushes(phone, juliet);
        Check.equal(Lists.atOpenfire(phone).get(juliet), pushes.get(pushes.size() - 1), "the last push");
        System.out.println("  settled, marked twice and compared within " + slowest + " ms after every round; "
                + Lists.version(remote.platform, romeo.bareJid()) + " changes at the platform");
    }

    private static void integrator(Stage.Remote remote, CountDownLatch go, String path, String name, String group) {
        try {
            go.await();
            remote.platform.put(path, "{\"subscription\":\"both\",\"name\":\"Juliet\",\"groups\":[\"" + group + "\"]}");
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }

    @Scenario("the platform is dead, policy open: lists change as ever, and the platform learns it when it is back")
    static void deadOpen(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = Friends.deciding(stage, remote, "juliet", "romeo").set("friend.timeoutMillis", 1500).up();
        Client romeo = stage.online(server, "romeo", "orchard");
        Client juliet = stage.online(server, "juliet", "balcony");
        romeo.request("set", "", Lists.set("gone@elsewhere.example", "to be deleted"));
        Lists.agree(remote.platform, romeo, "gone@elsewhere.example", "to be deleted|none||[]");
        remote.kill();
        romeo.request("set", "", Lists.set(juliet.bareJid(), "Juliet", "Capulets"));
        romeo.request("set", "", Lists.remove("gone@elsewhere.example"));
        Lists.befriend(null, romeo, juliet);
        remote.startAgain();
        server.awaitReady();
        Lists.agree(remote.platform, romeo, juliet.bareJid(), "Juliet|both||[Capulets]");
        Lists.agree(remote.platform, juliet, romeo.bareJid(), "|both||[]");
        Friends.quiet(remote, server, romeo);
        // Executed, but the answer is lost.
        remote.proxy.fault(SlowProxy.Fault.BLACKHOLE, "/v1/friends/");
        romeo.request("set", "", Lists.set(juliet.bareJid(), "J.", "Capulets"));
        remote.proxy.fault(SlowProxy.Fault.NONE);
        server.awaitReady();
        Lists.agree(remote.platform, romeo, juliet.bareJid(), "J.|both||[Capulets]");
    }

    @Scenario("the platform is dead, policy closed: the client gets one error that says to wait; its list is as before")
    static void deadClosed(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = Friends.deciding(stage, remote, "juliet", "romeo").set("friend.timeoutMillis", 1500)
                .set("friend.onFailure", "closed").up();
        Client romeo = stage.online(server, "romeo", "orchard");
        String juliet = server.jid("juliet");
        romeo.request("set", "", Lists.set(juliet, "Juliet"));
        Lists.agree(remote.platform, romeo, juliet, "Juliet|none||[]");
        server.awaitSettled();
        remote.proxy.fault(SlowProxy.Fault.BLACKHOLE, "/v1/friends/");
        waits(romeo, Lists.set(juliet, "too late"));
        remote.kill();
        waits(romeo, Lists.set(juliet, "never"));
        waits(romeo, Lists.remove(juliet));
        Check.equal(Map.of(juliet, "Juliet|none||[]"), Lists.atOpenfire(romeo), "the list afterwards");
        remote.proxy.fault(SlowProxy.Fault.NONE);
        remote.startAgain();
        server.awaitReady();
        Lists.agree(remote.platform, romeo, juliet, "Juliet|none||[]");
        romeo.request("set", "", Lists.set(juliet, "J."));
        Lists.agree(remote.platform, romeo, juliet, "J.|none||[]");
        Friends.quiet(remote, server, romeo);
    }

    private static void waits(Client client, String payload) throws Exception {
        String id = client.ask("set", "", payload);
        Xml answer = client.awaitAnswer(id);
        Check.equal("error", answer.attribute("type"), "the answer of a dead platform");
        Check.equal("wait", answer.child("jabber:client", "error").attribute("type"), "its kind: " + answer);
        client.ping();
        Check.equal(1, client.inbox.matching(stanza -> stanza.id().equals(id)).size(), "answers");
    }

    @Scenario("people are found by service discovery and the beginning of address or name; only people of this server")
    static void find(Stage stage) throws Exception {
        // Smack 4.4.8 gives its connection up when it reads found items outside of a data form.
        ProviderManager.removeIQProvider("query", SEARCH);
        Stage.Remote remote = stage.remote();
        Server server = Friends.deciding(stage, remote, "juliet", "romeo", "rosaline").up();
        Client romeo = stage.online(server, "romeo", "orchard");
        remote.platform.post("/v1/users", "{\"user\":\"o\\\\27hara@" + server.domain() + "\",\"name\":\"Zo\u00eb O'Hara & <Sons>\"}");
        remote.platform.post("/v1/users", "{\"user\":\"rover@elsewhere.example\",\"name\":\"Rover\"}");
        String service = service(server, romeo);
        Xml form = romeo.request("get", service, "<query xmlns='jabber:iq:search'/>").child(SEARCH, "query");
        Check.that(form.child(SEARCH, "instructions") != null && form.child(SEARCH, "nick") != null, "a form: " + form);
        Check.equal(List.of(server.jid("romeo"), server.jid("rosaline")), found(romeo, service, "ro"), "found by \"ro\"");
        Check.equal(List.of(server.jid("rosaline")), found(romeo, service, "ros"), "found by \"ros\"");
        Check.equal(List.of("o\\27hara@" + server.domain()), found(romeo, service, "Zo\u00eb"), "found by name");
        Check.equal(List.of("o\\27hara@" + server.domain()), found(romeo, service, "o\\27h"), "found by an escaped address");
        Xml byForm = romeo.request("set", service, "<query xmlns='jabber:iq:search'><x xmlns='jabber:x:data' type='submit'>"
                + "<field var='nick'><value>ros</value></field></x></query>").child(SEARCH, "query").child("jabber:x:data", "x");
        Check.that(byForm != null && byForm.child("jabber:x:data", "reported") != null
                && byForm.child("jabber:x:data", "item").toString().contains(server.jid("rosaline")), "found by a form: " + byForm);
        for (String nobody : List.of("nobody", "%", "_", "r%", "\\", "\"", "' OR 1=1 --", "&<>", "\ud83c\udf39", "rover")) {
            Check.equal(List.of(), found(romeo, service, nobody), "found by \"" + nobody + "\"");
        }
        remote.kill();
        Xml answer = romeo.answer("set", service, "<query xmlns='jabber:iq:search'><nick>ro</nick></query>");
        Check.equal("error", answer.attribute("type"), "a search with the platform dead");
        server.change("friend.mode", "off");
        Await.until("the service is gone", () -> romeo.request("get", server.domain(), "<query xmlns='" + ITEMS + "'/>")
                .child(ITEMS, "query").children().stream().noneMatch(item -> item.attribute("jid").equals(service)));
    }

    private static String service(Server server, Client client) throws Exception {
        for (Xml item : client.request("get", server.domain(), "<query xmlns='" + ITEMS + "'/>").child(ITEMS, "query").children()) {
            String jid = item.attribute("jid");
            Xml info = client.request("get", jid, "<query xmlns='" + INFO + "'/>").child(INFO, "query");
            Xml identity = info.child(INFO, "identity");
            if (identity.attribute("category").equals("directory") && identity.attribute("type").equals("user")) {
                Check.that(info.children().stream().anyMatch(feature -> feature.attribute("var").equals(SEARCH)),
                        "it announces the search: " + info);
                return jid;
            }
        }
        throw new AssertionError("no service of kind directory/user");
    }

    private static List<String> found(Client client, String service, String words) throws Exception {
        Xml result = client.request("set", service,
                "<query xmlns='jabber:iq:search'><nick>" + Client.escape(words) + "</nick></query>");
        Check.equal(service, result.attribute("from"), "who answers");
        List<String> jids = new ArrayList<>();
        result.child(SEARCH, "query").children().forEach(item -> jids.add(item.attribute("jid")));
        jids.sort(null);
        return jids;
    }
}
