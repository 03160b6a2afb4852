package org.cloudbridge.suite;

import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** What an Openfire has gathered comes to the platform: accounts with their SCRAM verifiers, rosters, offline messages. */
final class Importing {

    private static final String[] HOUSES = {"abram", "benvolio", "juliet", "mercutio", "nurse", "paris", "romeo", "tybalt"};

    private Importing() {
    }

    private static Json.Value progress(Server server) throws Exception {
        return server.status().get("import");
    }

    /** Has it run and waits for its end. */
    private static Json.Value run(Server server, String step) throws Exception {
        long before = progress(server).get("at_ms").present() ? progress(server).get("at_ms").number() : 0;
        new Form(server).act("action=import&step=" + step);
        Await.until(step + " has ended", () -> {
            Json.Value now = progress(server);
            return now.get("at_ms").number() > before && !now.get("running").isTrue()
                    && (now.get("complete").isTrue() || now.get("error").present());
        });
        Json.Value end = progress(server);
        Check.that(end.get("complete").isTrue(), step + " came to its end: " + end);
        return end;
    }

    private static List<String> names(Json.Value progress) {
        return progress.get("named").list().stream().map(Json.Value::text).collect(Collectors.toList());
    }

    @Scenario(value = "import: dry run, kill -9 in the middle, on from there, again without effect; then the platform decides alone", seconds = 240)
    static void everything(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = remote.serve(stage.bridge(HOUSES)).openfireProperty("xmpp.client.tls.policy", "required").start();
        for (String owner : HOUSES) {
            for (String contact : HOUSES) {
                if (!owner.equals(contact)) {
                    server.command("contact " + owner + " " + contact);
                }
            }
        }
        Client juliet = stage.online(server, "juliet", "balcony");
        for (String user : new String[] {"benvolio", "romeo"}) {
            for (int i = 0; i < 5; i++) {
                juliet.chat(server.jid(user), "for " + user + " " + i);
            }
        }
        juliet.ping();
        juliet.disconnect();
        Await.until("Openfire keeps the messages", () -> server.storedByOpenfire("romeo") == 5);
        server.change("user.mode", "mirror");
        server.change("chat.mode", "decide");
        server.awaitReady();
        Await.until("nobody is online", () -> server.command("sessions").equals("0"));

        Json.Value dry = run(server, "dry");
        Check.equal((long) HOUSES.length, dry.get("users").number(), "users looked at");
        Check.equal(10L, dry.get("messages").number(), "messages waiting");
        Check.that(names(dry).contains(server.jid("romeo") + " is not at the platform"), "differences: " + dry);
        Check.equal(false, dry.get("advises_decide").isTrue(), "deciding is advised");
        Check.equal(false, remote.platform.keepsPassword(server.jid("romeo")), "a dry run makes something");

        remote.proxy.delayAnswers(400, "/v1/import");
        int before = remote.proxy.requests("POST /v1/import");
        new Form(server).act("action=import&step=start");
        remote.proxy.awaitRequests("POST /v1/import", before + 4);
        server.kill();
        remote.proxy.fault(SlowProxy.Fault.NONE);
        server.start().awaitReady();
        Json.Value cut = progress(server);
        Check.that(!cut.get("complete").isTrue() && cut.get("users").number() > 0, "it stands in the middle: " + cut);
        Json.Value done = run(server, "start");
        Check.equal(cut.get("source").text(), done.get("source").text(), "the run that goes on");
        Check.equal((long) HOUSES.length, done.get("users").number(), "users imported, each once");
        Check.equal(10L, done.get("messages").number(), "messages that the platform keeps");
        Check.equal(0L, done.get("differences").number(), "differences: " + done);
        Check.equal(0L, done.get("without_verifier").number(), "users without a verifier");

        Json.Value again = run(server, "start");
        Check.equal(0L, again.get("made").number(), "things made by a repetition: " + again);
        Json.Value same = run(server, "dry");
        Check.equal(0L, same.get("differences").number(), "differences afterwards: " + same);
        Check.equal(0L, same.get("messages").number(), "messages that wait in Openfire");
        Check.equal(true, same.get("advises_decide").isTrue(), "deciding is advised");

        server.change("user.mode", "decide");
        server.change("friend.mode", "decide");
        Await.until("the platform decides", () -> server.command("provider").contains("cloudbridge"));
        for (String mechanism : new String[] {"SCRAM-SHA-1", "PLAIN"}) {
            Check.equal("", Logins.tryLogin(server, "nurse", Server.password("nurse"), mechanism), mechanism);
            Check.equal("not-authorized", Logins.tryLogin(server, "nurse", "wrong", mechanism), mechanism);
        }
        Json.Value logins = server.status().get("modules", "user", "logins");
        Check.that(logins.get("right").number() >= 3 && !logins.get("unknown").present(),
                "the platform decided, Openfire's own was never asked: " + logins);

        for (String user : new String[] {"benvolio", "romeo"}) {
            Client client = stage.online(server, user, "home");
            List<String> expected = Stream.of(0, 1, 2, 3, 4).map(i -> "for " + user + " " + i).collect(Collectors.toList());
            client.inbox.awaitBody("for " + user + " 4");
            client.disconnect();
            Await.until("it is gone", () -> server.command("sessions").equals("0"));
            Client next = stage.online(server, user, "home");
            next.inbox.awaitId(next.chat(next.fullJid(), "to myself"));
            Check.equal(expected, client.inbox.messages().stream().map(Xml::body).collect(Collectors.toList()), "messages to " + user);
            Check.that(client.inbox.messages().stream().allMatch(Xml::isDelayed), "each says when it was sent");
            Check.equal(1, next.inbox.messages().size(), "messages at the next login");
            next.disconnect();
        }
    }
}
