package org.cloudbridge.suite;

import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What somebody says to the platform, by one HTTP request each, arrives as XMPP: once, in order, whoever restarts meanwhile. */
final class Downlink {

    private Downlink() {
    }

    private static Server deciding(Stage stage, Stage.Remote remote, String... users) {
        return remote.serve(stage.decidingAll(users)).set("chat.timeoutMillis", 60_000);
    }

    /** A chat message through the platform, as one curl would send it. */
    private static void say(Stage.Remote remote, String to, String id, String more) throws Exception {
        post(remote, "{\"to\":\"" + to + "\",\"stanza\":{\"kind\":\"message\",\"type\":\"chat\",\"id\":\"" + id
                + "\",\"body\":\"from the platform\"" + more + "}}");
    }

    private static void post(Stage.Remote remote, String body) throws Exception {
        HttpResponse<String> answer = remote.platform.ask("POST", "/v1/downlink", body);
        Check.equal(202, answer.statusCode(), "status of " + body + "; it said: " + answer.body());
    }

    private static void listens(Server server) throws Exception {
        Await.until("the bridge listens to the platform", () -> server.status().get("listens").isTrue());
    }

    @Scenario("a message, an account, a forced logout, an account's end: each comes by one request to the platform")
    static void eachKind(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = deciding(stage, remote, "juliet", "romeo").up();
        listens(server);
        Client romeo = stage.online(server, "romeo", "orchard");
        say(remote, romeo.bareJid(), "d1", "");
        Xml first = romeo.inbox.awaitId("d1");
        Check.equal(server.domain(), first.attribute("from"), "the sender when none is named");
        Check.equal("from the platform", first.body(), "the text");
        say(remote, romeo.fullJid(), "d2", ",\"from\":\"" + server.jid("juliet") + "\"");
        Check.equal(server.jid("juliet"), romeo.inbox.awaitId("d2").attribute("from"), "the sender that is named");
        post(remote, "{\"to\":\"" + romeo.fullJid() + "\",\"stanza\":{\"kind\":\"presence\",\"from\":\"" + server.jid("juliet")
                + "/there\",\"status\":\"only for you\"}}");
        romeo.inbox.await("a presence", stanza -> stanza.name().equals("presence") && stanza.toString().contains("only for you"));
        remote.platform.create(server.jid("paris"), "paris-secret");
        Await.until("the account is here", () -> server.command("exists paris").equals("true"));
        remote.platform.delete("/v1/users/" + Platform.encode(server.jid("paris")));
        Await.until("the account is gone", () -> server.command("exists paris").equals("false"));
        remote.platform.delete("/v1/sessions/" + Platform.encode(server.jid("romeo")) + "/orchard");
        Await.until("romeo is logged out", () -> !romeo.connected());
        Check.equal("[]", server.status().get("failures").text(), "failures");
    }

    @Scenario("the line for a user in README.md does what it says: its body, sent to the platform, arrives at romeo")
    static void readme(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = deciding(stage, remote, "juliet", "romeo").up();
        listens(server);
        Client romeo = stage.online(server, "romeo", "orchard");
        String text = Files.readString(stage.world.root.resolve("README.md"));
        Matcher line = Pattern.compile("-d '(\\{\"to\": \"romeo@localhost\".*\\})'").matcher(text);
        Check.that(line.find(), "README.md has a line for a user");
        post(remote, line.group(1).replace("@localhost", "@" + server.domain()));
        romeo.inbox.awaitBody(Json.parse(line.group(1)).get("stanza", "body").text());
    }

    @Scenario("a stanza that cannot be read is said on the page, and the next one goes on")
    static void bad(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = deciding(stage, remote, "juliet", "romeo").up();
        listens(server);
        Client romeo = stage.online(server, "romeo", "orchard");
        say(remote, romeo.bareJid(), "b1", "");
        post(remote, "{\"to\":\"" + romeo.bareJid() + "\",\"stanza\":{\"kind\":\"message\",\"bdy\":\"canary-of-the-downlink\"}}");
        say(remote, romeo.bareJid(), "b2", "");
        romeo.inbox.awaitId("b2");
        romeo.inbox.awaitId("b1");
        String failures = server.status().get("failures").text();
        Check.that(failures.contains("im.stanza of the platform's cannot be used") && failures.contains("/bdy"), "it is said: " + failures);
        Check.that(!failures.contains("canary-of-the-downlink") && !server.log().contains("canary-of-the-downlink"), "without its text");
        Check.equal(2L, server.status().get("modules", "chat", "rows", "chat.route", "applied").number(), "what was routed");
    }

    @Scenario(value = "Openfire stopped, Openfire killed, the platform killed: what was said meanwhile comes afterwards, once", seconds = 240)
    static void restarts(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = deciding(stage, remote, "juliet", "romeo").up();
        listens(server);
        stage.expectError("HSQLDB|hsqldb");
        for (String how : new String[] {"stopped", "killed"}) {
            if (how.equals("stopped")) {
                server.stop();
            } else {
                // The answer is under way, and the poll that would acknowledge it never comes.
                int before = remote.proxy.requests("GET /v1/downlink");
                remote.proxy.fault(SlowProxy.Fault.HOLD_ANSWERS, "/v1/downlink");
                remote.proxy.awaitRequests("GET /v1/downlink", before + 1);
                say(remote, server.jid("romeo"), how + "-before", "");
                server.kill();
                remote.proxy.fault(SlowProxy.Fault.NONE);
            }
            for (int i = 0; i < 5; i++) {
                say(remote, server.jid("romeo"), how + i, "");
            }
            server.start().awaitReady();
            // Whether he is there already when they come or not, he gets each once.
            Client romeo = stage.online(server, "romeo", how);
            for (int i = 0; i < 5; i++) {
                romeo.inbox.awaitId(how + i);
            }
            if (how.equals("killed")) {
                romeo.inbox.awaitId(how + "-before");
            }
            romeo.ping();
            long count = romeo.inbox.messages().stream().map(Xml::id).filter(id -> id.startsWith(how)).count();
            Check.equal(how.equals("killed") ? 6L : 5L, count, "messages that came after it was " + how);
            romeo.disconnect();
        }
        Client romeo = stage.online(server, "romeo", "orchard");
        remote.kill();
        remote.startAgain();
        say(remote, romeo.bareJid(), "again", "");
        romeo.inbox.awaitId("again");
    }

    @Scenario("told that it is in a cluster the bridge shares its place by properties; while it is not the senior member it leaves what is said")
    static void member(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = deciding(stage, remote, "juliet", "romeo").up();
        listens(server);
        Client romeo = stage.online(server, "romeo", "orchard");
        server.change("clustered", true);
        String node = server.status().get("node").text();
        Await.until("the node is named",
                () -> server.command("get plugin.cloudbridge.cluster.node." + node).equals("member"));
        say(remote, romeo.bareJid(), "m1", "");
        romeo.inbox.awaitId("m1");
        Await.until("the place is shared", () -> {
            String cursor = server.command("get plugin.cloudbridge.downlink.cursor");
            return cursor.contains("after") && !cursor.contains("done");
        });
        server.change("senior", false);
        Await.until("it is told that another one is senior", () -> !server.status().get("listens").isTrue());
        say(remote, romeo.bareJid(), "m2", "");
        romeo.ping();
        Check.equal(1L, server.status().get("modules", "chat", "rows", "chat.route", "applied").number(), "what was routed");
        server.change("senior", true);
        romeo.inbox.awaitId("m2");
        say(remote, romeo.bareJid(), "m3", "");
        romeo.inbox.awaitId("m3");
        long count = romeo.inbox.messages().stream().map(Xml::id).filter(id -> id.startsWith("m") && id.length() == 2).count();
        Check.equal(3L, count, "messages, each once");
    }
}
