package org.cloudbridge.suite;

import java.nio.file.Path;
import java.util.List;

/** What is claimed in decide mode, and what becomes of it: the table line by line, and what a table cannot say. */
final class Claimed {

    private Claimed() {
    }

    @Scenario(value = "the table of what is claimed, line by line (scripts/claimed.txt)", seconds = 300)
    static void table(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = Decide.patient(stage, remote, "juliet", "romeo", "mercutio", "benvolio", "tybalt")
                .set("room.mode", "decide").set("room.timeoutMillis", 60_000)
                .components().openfireProperty("xmpp.auth.anonymous", true).up();
        Claims claims = new Claims(server, remote);
        Path table = stage.world.root.resolve("tests/openfire/scripts/claimed.txt");
        List<String> wrong = claims.run(table);
        Check.that(claims.messages() >= 50, "the table has only " + claims.messages() + " messages");
        Check.that(wrong.isEmpty(), wrong.size() + " of " + claims.messages() + " messages are not as " + table.getFileName()
                + " says:\n" + String.join("\n", wrong));
    }

    @Scenario("the sender leaves before the release: its messages arrive once, its other resource has one copy of each")
    static void senderLeaves(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = Decide.patient(stage, remote, "juliet", "romeo").up();
        Client balcony = stage.online(server, "juliet", "balcony");
        Client chamber = stage.online(server, "juliet", "chamber");
        chamber.enableCarbons();
        Client romeo = stage.online(server, "romeo", "orchard");
        remote.awaitReachable(server, "romeo");
        remote.proxy.fault(SlowProxy.Fault.HOLD_ANSWERS, "/v1/messages");
        Ledger ledger = new Ledger();
        ledger.send(balcony, romeo.bareJid(), 10);
        balcony.ping();
        ledger.allTaken();
        remote.proxy.awaitRequests("POST /v1/messages", 1);
        balcony.disconnect();
        Await.until("the sender's session is gone", () -> server.command("sessions").equals("2"));
        remote.proxy.fault(SlowProxy.Fault.NONE);
        ledger.awaitAll(romeo);
        ledger.check(romeo);
        chamber.inbox.await("sent carbons", 10, Await.SECONDS, stanza -> stanza.carbon("sent") != null);
        server.awaitSettled();
        chamber.ping();
        Check.equal(10, chamber.inbox.matching(stanza -> stanza.carbon("sent") != null).size(), "copies of what was sent");
    }

    @Scenario("a XEP-0198 client vanishes with 20 messages unacknowledged, 20 more are sent while it is away: on resume "
            + "all come, once, in order")
    static void resumed(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = Decide.patient(stage, remote, "juliet", "romeo").up();
        Client juliet = stage.online(server, "juliet", "balcony");
        Client romeo = stage.resumable(server, "romeo", "orchard");
        remote.awaitReachable(server, "romeo");
        Ledger ledger = vanish(server, juliet, romeo);
        romeo.resume();
        ledger.awaitAll(romeo);
        romeo.ping();
        ledger.check(romeo);
        Check.equal(0, server.storedByOpenfire("romeo"), "messages in Openfire's own store");
        ledger.send(juliet, romeo.bareJid(), 5);
        ledger.allTaken();
        ledger.awaitAll(romeo);
        ledger.check(romeo);
        // In order: a session that could be resumed once more would outlive the scenario.
        romeo.disconnect();
    }

    @Scenario("the same client never resumes: when its session dies the messages go to the platform, and come once, in "
            + "order, at the next login")
    static void neverResumed(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = Decide.patient(stage, remote, "juliet", "romeo")
                .openfireProperty("xmpp.session.detach.timeout", 1).up();
        Client juliet = stage.online(server, "juliet", "balcony");
        Client romeo = stage.resumable(server, "romeo", "orchard");
        remote.awaitReachable(server, "romeo");
        Ledger ledger = vanish(server, juliet, romeo);
        Await.until("Openfire gives the session up", () -> {
            server.command("reap");
            return server.command("sessions").equals("1");
        });
        Decide.awaitPending(remote, server, "romeo", "juliet", 40);
        Client again = stage.online(server, "romeo", "orchard");
        ledger.awaitAll(romeo, again);
        again.ping();
        ledger.check(romeo, again);
        Decide.awaitPending(remote, server, "romeo", "juliet", 0);
        Check.equal(0, server.storedByOpenfire("romeo"), "messages in Openfire's own store");
    }

    /** 20 messages that it does not acknowledge, then the network goes, then 20 more. */
    private static Ledger vanish(Server server, Client juliet, Client romeo) throws Exception {
        romeo.deafen();
        Ledger ledger = new Ledger();
        long before = server.count("released");
        ledger.send(juliet, romeo.bareJid(), 20);
        Await.until("20 were released", () -> server.count("released") - before >= 20);
        romeo.cut();
        ledger.send(juliet, romeo.bareJid(), 20);
        juliet.ping();
        ledger.allTaken();
        Await.until("nothing is held", () -> server.held() == 0);
        return ledger;
    }

    @Scenario("people of another server (s2s): what they send is mirrored, never held; what is sent to them passes")
    static void remoteServer(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server mantua = stage.openfire().users("lorenzo").domain("mantua.example").federated().start();
        Server verona = Decide.patient(stage, remote, "juliet", "romeo").federated().up();
        Server.introduce(verona, mantua);
        Client lorenzo = stage.online(mantua, "lorenzo", "cell");
        Client romeo = stage.online(verona, "romeo", "orchard");
        remote.awaitReachable(verona, "romeo");
        Json.Value before = verona.status().get("modules", "chat", "counts");
        romeo.chat(lorenzo.bareJid(), "are you there?");
        lorenzo.inbox.awaitBody("are you there?");
        lorenzo.chat(romeo.bareJid(), "to the bare address");
        romeo.inbox.awaitBody("to the bare address");
        lorenzo.chat(romeo.fullJid(), "to the full address");
        romeo.inbox.awaitBody("to the full address");
        lorenzo.chat(verona.jid("juliet"), "while you were away");
        lorenzo.chat(romeo.bareJid(), "the last one");
        romeo.inbox.awaitBody("the last one");
        Await.until("Openfire keeps what came for juliet", () -> verona.storedByOpenfire("juliet") == 1);
        Json.Value after = verona.status().get("modules", "chat", "counts");
        Check.equal(before.get("taken").number(), after.get("taken").number(), "messages held");
        Check.equal(before.get("mirrored").number() + 5, after.get("mirrored").number(), "messages mirrored");
        Client juliet = stage.online(verona, "juliet", "balcony");
        juliet.inbox.awaitBody("while you were away");
    }
}
