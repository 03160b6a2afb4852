package org.cloudbridge.suite;

import java.util.ArrayList;
import java.util.List;

/** Another plugin of the same Openfire (examples/java-plugin) and the bridge: it converts, calls a row, listens; each comes and goes as it likes. */
final class JavaApi {

    private static final String EXAMPLE = "bridgeexample";
    private static final String NAMESPACE = "urn:example:bridge";

    private JavaApi() {
    }

    private static void plug(Server server) throws Exception {
        Check.equal("true", server.command("plug " + EXAMPLE + " " + server.example()), "the example is loaded");
    }

    private static String json(String stanza) {
        return "<json xmlns='" + NAMESPACE + "'>" + Client.escape(stanza) + "</json>";
    }

    private static String call(String row, String stanza) {
        return "<call xmlns='" + NAMESPACE + "' row='" + row + "'>" + Client.escape(stanza) + "</call>";
    }

    private static Xml told(Client client, String type, String payload, String name) throws Exception {
        return client.request(type, client.server.domain(), payload).child(NAMESPACE, name);
    }

    private static String refused(Client client, String payload) throws Exception {
        Xml answer = client.answer("get", client.server.domain(), payload);
        Check.equal("error", answer.attribute("type"), "the answer to " + payload + ", " + answer);
        return answer.toString();
    }

    private static List<Json.Value> events(Client client) throws Exception {
        List<Json.Value> all = new ArrayList<>();
        for (Xml event : told(client, "get", "<events xmlns='" + NAMESPACE + "'/>", "events").children()) {
            all.add(Json.parse(event.text()));
        }
        return all;
    }

    /** The event of a type about the stanza with this id, as soon as there is one. */
    private static Json.Value awaitEvent(Client client, String type, String id) throws Exception {
        List<Json.Value> found = new ArrayList<>();
        Await.until("the example is told " + type + " of " + id, () -> {
            for (Json.Value event : events(client)) {
                if (event.get("type").text().equals(type) && event.get("data", "stanza", "id").text().equals(id)) {
                    found.add(event);
                }
            }
            return !found.isEmpty();
        });
        return found.get(0);
    }

    @Scenario("another plugin converts a stanza and back, calls a row whose change comes to Openfire, and sees what is decided")
    static void convertCallListen(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = Friends.deciding(stage, remote, "juliet", "romeo").up();
        plug(server);
        Client romeo = stage.online(server, "romeo", "orchard");
        Client juliet = stage.online(server, "juliet", "balcony");
        remote.awaitReachable(server, "juliet", "romeo");
        String message = "<message to='" + juliet.bareJid() + "' type='chat' id='c1'><body>a & b \ud83d\ude00</body>"
                .replace("&", "&amp;") + "<x xmlns='urn:x'><y a='1'/>text</x></message>";
        Xml converted = told(romeo, "get", json(message), "json");
        Check.equal("true", converted.attribute("same"), "the way back gives the same");
        Check.equal("Message", converted.attribute("packet"), "the packet's class");
        Check.equal("a & b \ud83d\ude00", Json.parse(converted.text()).get("body").text(), "the body");
        String roster = "<iq type='set' id='r1' from='" + romeo.fullJid() + "'><query xmlns='jabber:iq:roster'><item jid='"
                + juliet.bareJid() + "' name='Juliet'/></query></iq>";
        Check.equal("Roster", told(romeo, "get", json(roster), "json").attribute("packet"), "what Openfire wants of a roster IQ");
        Check.that(refused(romeo, json("<message")).contains("well-formed"), "what is wrong with a stanza is said");

        Lists.atClient(romeo);
        Xml outcome = told(romeo, "set", call("friend.set", roster), "call");
        Check.equal("native", outcome.child(NAMESPACE, "outcome").text(), "the outcome of " + outcome);
        Check.equal("200", outcome.child(NAMESPACE, "status").text(), "the status of " + outcome);
        Lists.agree(remote.platform, romeo, juliet.bareJid(), "Juliet|none||[]");
        Check.that(refused(romeo, call("user.register", roster)).contains("secrets"), "secret rows are not called for others");
        Check.that(refused(romeo, call("friend.nothing", roster)).contains("there is no row"), "the row's name is said to be wrong");
        remote.proxy.fault(SlowProxy.Fault.BLACKHOLE, "/v1/friends/");
        Xml dead = told(romeo, "set", call("friend.set", roster), "call");
        Check.equal("unavailable", dead.child(NAMESPACE, "outcome").text(), "the outcome of " + dead);
        remote.proxy.fault(SlowProxy.Fault.NONE);

        String id = romeo.chat(juliet.bareJid(), "canary-of-the-feed");
        juliet.inbox.awaitId(id);
        Json.Value event = awaitEvent(romeo, "im.stanza.decided", id);
        Check.equal("released", event.get("data", "context", "outcome").text(), "what became of it: " + event);
        Check.that(!events(romeo).toString().contains("canary-of-the-feed"), "no text without the admin's word");
        server.change("mirror.bodies", true);
        id = romeo.chat(juliet.bareJid(), "may be told");
        juliet.inbox.awaitId(id);
        Check.equal("may be told", awaitEvent(romeo, "im.stanza.decided", id).get("data", "stanza", "body").text(), "the text");
        Check.equal(1L, server.status().get("feed", "subscriptions").number(), "subscriptions");
    }

    @Scenario(value = "the bridge comes, is replaced and goes while another plugin listens: nothing breaks, nothing of either stays",
            seconds = 300)
    static void comeAndGo(Stage stage) throws Exception {
        Server server = stage.openfire().users("juliet", "romeo").set("chat.mode", "decide").start();
        plug(server);
        Client romeo = stage.online(server, "romeo", "orchard");
        Check.that(refused(romeo, json("<message/>")).contains("service-unavailable"), "without a bridge it says so");
        int replaced = 3;
        for (int round = 0; round < replaced; round++) {
            // Somebody talks and somebody listens all the time; what happens in between is not promised.
            server.replaceJar();
            server.awaitReady();
            Check.equal("true", told(romeo, "get", json("<message to='a@b'/>"), "json").attribute("same"), "it converts");
            Await.until("the example listens again", () -> server.status().get("feed", "subscriptions").number() == 1);
            Client juliet = stage.online(server, "juliet", "balcony" + round);
            Await.until("decided by the platform", () -> {
                long before = server.count("released");
                romeo.inbox.awaitId(juliet.chat(romeo.fullJid(), "hello"));
                return server.count("released") > before;
            });
            String id = juliet.chat(romeo.fullJid(), "is it told?");
            romeo.inbox.awaitId(id);
            Check.equal("released", awaitEvent(romeo, "im.stanza.decided", id).get("data", "context", "outcome").text(), "its outcome");
            juliet.disconnect();
        }
        Check.equal("1 " + replaced, server.command("loaders"), "class loaders of the bridge: alive, ever");
        Check.equal("true", server.command("remove"), "the bridge is gone");
        Check.that(refused(romeo, json("<message/>")).contains("service-unavailable"), "without a bridge it says so again");
        Check.equal("0 " + replaced, server.command("loaders"), "class loaders of the bridge: alive, ever");
        server.replaceJar();
        server.awaitReady();
        Await.until("the example listens again", () -> server.status().get("feed", "subscriptions").number() == 1);
        Check.equal("true", server.command("unplug " + EXAMPLE), "the example is gone");
        Check.equal(0L, server.status().get("feed", "subscriptions").number(), "subscriptions when the example is gone");
        Check.equal("0", server.command("instances org.cloudbridge.example.ExamplePlugin"), "instances of the example");
        Check.equal("0", server.command("instances org.cloudbridge.api.CloudBridgeApi$Subscription"), "its subscriptions");
        Check.that(!server.command("threads").contains("cloudbridge-events"), "its thread is gone");
    }

    @Scenario(value = "a listener that throws or hangs harms nobody: messages come, the bridge is replaced, its classes leave", seconds = 240)
    static void badListeners(Stage stage) throws Exception {
        Server server = stage.deciding("juliet", "romeo").up();
        plug(server);
        Client romeo = stage.online(server, "romeo", "orchard");
        Client juliet = stage.online(server, "juliet", "balcony");
        server.command("property plugin.bridgeexample.listener throw");
        Ledger ledger = new Ledger();
        ledger.send(juliet, romeo.bareJid(), 20);
        juliet.ping();
        ledger.allTaken();
        ledger.awaitAll(romeo);
        server.command("property plugin.bridgeexample.listener");
        String id = juliet.chat(romeo.bareJid(), "well again");
        awaitEvent(romeo, "im.stanza.decided", id);

        server.command("property plugin.bridgeexample.listener stall");
        ledger.send(juliet, romeo.bareJid(), 1200);
        juliet.ping();
        ledger.allTaken();
        ledger.awaitAll(romeo);
        ledger.check(romeo);
        server.replaceJar();
        server.awaitReady();
        Check.equal("1 2", server.command("loaders"), "class loaders of the bridge while a listener hangs: alive, ever");
        server.command("property plugin.bridgeexample.listener");
        Await.until("the example listens again", () -> server.status().get("feed", "subscriptions").number() == 1);
        Client garden = stage.online(server, "juliet", "garden");
        Await.until("decided by the platform", () -> {
            long before = server.count("released");
            romeo.inbox.awaitId(garden.chat(romeo.fullJid(), "hello"));
            return server.count("released") > before;
        });
        id = garden.chat(romeo.bareJid(), "is it told?");
        awaitEvent(romeo, "im.stanza.decided", id);
    }
}
