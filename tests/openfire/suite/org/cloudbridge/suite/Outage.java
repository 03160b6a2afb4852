package org.cloudbridge.suite;

import java.util.List;
import java.util.stream.Collectors;

/** A platform that is slow, mute, late or gone: every message has exactly one outcome, whatever the platform did. */
final class Outage {

    private static final int LIMIT = 1500;

    private Outage() {
    }

    private static Server impatient(Stage stage, Stage.Remote remote, String onFailure) throws Exception {
        return remote.serve(stage.deciding("juliet", "romeo", "mercutio"))
                .set("chat.timeoutMillis", LIMIT).set("chat.onFailure", onFailure).up();
    }

    @Scenario("the platform falls silent with 50 held, policy open: Openfire delivers each, once, in order")
    static void silentOpen(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = impatient(stage, remote, "open");
        Client juliet = stage.online(server, "juliet", "balcony");
        Client romeo = stage.online(server, "romeo", "orchard");
        remote.awaitReachable(server, "romeo");
        remote.proxy.fault(SlowProxy.Fault.BLACKHOLE);
        Ledger ledger = new Ledger();
        ledger.send(juliet, romeo.bareJid(), 50);
        ledger.allTaken();
        ledger.awaitAll(romeo);
        ledger.check(romeo);
        Check.that(server.count("alone") >= 50, "50 were held and decided alone; status " + server.status());
        ledger.send(juliet, romeo.bareJid(), 50);
        ledger.allTaken();
        ledger.awaitAll(romeo);
        healed(stage, remote, server, juliet, romeo, ledger);
    }

    @Scenario("the platform falls silent with 50 held, policy closed: each sender gets one error, nobody the message")
    static void silentClosed(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = impatient(stage, remote, "closed");
        Client juliet = stage.online(server, "juliet", "balcony");
        Client romeo = stage.online(server, "romeo", "orchard");
        remote.awaitReachable(server, "romeo");
        remote.proxy.fault(SlowProxy.Fault.BLACKHOLE);
        Ledger ledger = new Ledger();
        ledger.send(juliet, romeo.bareJid(), 50);
        refused(juliet, ledger, 50);
        ledger.send(juliet, romeo.bareJid(), 20);
        refused(juliet, ledger, 70);
        healed(stage, remote, server, juliet, romeo, ledger);
    }

    @Scenario("the breaker opens with 50 held, policy open: Openfire delivers each at once, in order; then nobody waits")
    static void breakerOpensOpen(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = patientBut(stage, remote, "open");
        Client juliet = stage.online(server, "juliet", "balcony");
        Client romeo = stage.online(server, "romeo", "orchard");
        remote.awaitReachable(server, "romeo");
        Ledger ledger = new Ledger();
        holdFiftyAndBreak(remote, server, juliet, romeo, ledger);
        ledger.allTaken();
        ledger.awaitAll(romeo);
        ledger.send(juliet, romeo.bareJid(), 50);
        ledger.allTaken();
        ledger.awaitAll(romeo);
        ledger.check(romeo);
        healed(stage, remote, server, juliet, romeo, ledger);
    }

    @Scenario("the breaker opens with 50 held, policy closed: each sender gets one error at once; then nobody waits")
    static void breakerOpensClosed(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = patientBut(stage, remote, "closed");
        Client juliet = stage.online(server, "juliet", "balcony");
        Client romeo = stage.online(server, "romeo", "orchard");
        remote.awaitReachable(server, "romeo");
        Ledger ledger = new Ledger();
        holdFiftyAndBreak(remote, server, juliet, romeo, ledger);
        refused(juliet, ledger, 50);
        ledger.send(juliet, romeo.bareJid(), 20);
        refused(juliet, ledger, 70);
        healed(stage, remote, server, juliet, romeo, ledger);
    }

    /** A time limit that is never reached, so that only the breaker can decide. */
    private static Server patientBut(Stage stage, Stage.Remote remote, String onFailure) throws Exception {
        return Decide.patient(stage, remote, "juliet", "romeo", "mercutio").set("chat.onFailure", onFailure).up();
    }

    private static void holdFiftyAndBreak(Stage.Remote remote, Server server, Client juliet, Client romeo, Ledger ledger)
            throws Exception {
        remote.proxy.fault(SlowProxy.Fault.HOLD_ANSWERS, "/v1/messages");
        ledger.send(juliet, romeo.bareJid(), 50);
        juliet.ping();
        server.awaitHeld(50);
        remote.proxy.fault(SlowProxy.Fault.RESET);
        Await.until("the breaker opens",
                () -> server.status().get("platform", "breaker", "state").text().equals("open"));
    }

    /** So many errors in all: one for each message sent, of the kind that says to try again. */
    private static void refused(Client juliet, Ledger ledger, int count) throws Exception {
        List<Xml> errors = juliet.inbox.await("errors", count, Await.SECONDS, Xml::isError);
        for (Xml error : errors) {
            Check.equal("wait", error.child("jabber:client", "error").attribute("type"), "type of " + error);
            ledger.refused(error.id());
        }
        List<String> ids = juliet.inbox.matching(Xml::isError).stream().map(Xml::id).collect(Collectors.toList());
        Check.equal((long) ids.size(), ids.stream().distinct().count(), "errors, one for each message");
        Check.equal(count, ids.size(), "errors");
    }

    /** The platform is back: everything is settled, deciding works again, and nothing of before comes a second time. */
    private static void healed(Stage stage, Stage.Remote remote, Server server, Client juliet, Client romeo, Ledger ledger)
            throws Exception {
        remote.proxy.fault(SlowProxy.Fault.NONE);
        server.awaitReady();
        server.awaitSettled();
        Decide.awaitPending(remote, server, "romeo", "juliet", 0);
        romeo.disconnect();
        remote.awaitUnreachable(server, "romeo");
        ledger.send(juliet, server.jid("romeo"), 5);
        ledger.allTaken();
        Decide.awaitPending(remote, server, "romeo", "juliet", 5);
        Client again = stage.online(server, "romeo", "orchard");
        ledger.awaitAll(romeo, again);
        ledger.send(juliet, server.jid("romeo"));
        ledger.allTaken();
        ledger.awaitAll(romeo, again);
        ledger.check(romeo, again);
        Check.equal(0, server.storedByOpenfire("romeo"), "messages in Openfire's own store");
        Check.equal(6, ledger.arrived(again), "messages after the next login");
    }

    @Scenario("executed but answered too late, recipient offline, policy open: settled; each message comes once")
    static void lateAnswersOpen(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = impatient(stage, remote, "open");
        Client juliet = stage.online(server, "juliet", "balcony");
        Ledger ledger = new Ledger();
        remote.proxy.fault(SlowProxy.Fault.HOLD_ANSWERS, "/v1/messages");
        ledger.send(juliet, server.jid("romeo"), 20);
        ledger.allTaken();
        remote.proxy.awaitRequests("POST /v1/messages", 1);
        Await.until("20 decided alone", () -> server.count("alone") >= 20);
        remote.proxy.fault(SlowProxy.Fault.NONE);
        comesOnce(stage, remote, server, juliet, ledger);
    }

    @Scenario("executed and the answers lost, recipient offline, policy open: settled; each message comes once")
    static void lostAnswersOpen(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = impatient(stage, remote, "open");
        Client juliet = stage.online(server, "juliet", "balcony");
        Ledger ledger = new Ledger();
        remote.proxy.fault(SlowProxy.Fault.DROP_ANSWERS, "/v1/messages");
        ledger.send(juliet, server.jid("romeo"), 20);
        ledger.allTaken();
        Await.until("20 decided alone", () -> server.count("alone") >= 20);
        remote.proxy.fault(SlowProxy.Fault.NONE);
        comesOnce(stage, remote, server, juliet, ledger);
    }

    private static void comesOnce(Stage stage, Stage.Remote remote, Server server, Client juliet, Ledger ledger)
            throws Exception {
        server.awaitReady();
        server.awaitSettled();
        Client romeo = stage.online(server, "romeo", "orchard");
        ledger.awaitAll(romeo);
        remote.awaitReachable(server, "romeo");
        ledger.send(juliet, server.jid("romeo"));
        ledger.allTaken();
        ledger.awaitAll(romeo);
        ledger.check(romeo);
        romeo.disconnect();
        Client again = stage.online(server, "romeo", "orchard");
        ledger.send(juliet, again.fullJid());
        ledger.allTaken();
        ledger.awaitAll(romeo, again);
        ledger.check(romeo, again);
        Decide.awaitPending(remote, server, "romeo", "juliet", 0);
    }

    @Scenario("executed but answered too late, policy closed: one error each; the platform's copies are cancelled")
    static void lateAnswersClosed(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = impatient(stage, remote, "closed");
        Client juliet = stage.online(server, "juliet", "balcony");
        Ledger ledger = new Ledger();
        remote.proxy.fault(SlowProxy.Fault.HOLD_ANSWERS, "/v1/messages");
        ledger.send(juliet, server.jid("romeo"), 20);
        refused(juliet, ledger, 20);
        remote.proxy.fault(SlowProxy.Fault.NONE);
        server.awaitReady();
        server.awaitSettled();
        Decide.awaitPending(remote, server, "romeo", "juliet", 0);
        Client romeo = stage.online(server, "romeo", "orchard");
        remote.awaitReachable(server, "romeo");
        ledger.send(juliet, server.jid("romeo"));
        ledger.allTaken();
        ledger.awaitAll(romeo);
        ledger.check(romeo);
    }

    @Scenario("answers come late but in time: messages wait and arrive in order; other conversations do not wait for it")
    static void slowIsNotDead(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = Decide.patient(stage, remote, "juliet", "romeo").up();
        Client juliet = stage.online(server, "juliet", "balcony");
        Client romeo = stage.online(server, "romeo", "orchard");
        remote.awaitReachable(server, "juliet", "romeo");
        remote.proxy.delayAnswers(400, "/v1/messages");
        Ledger ledger = new Ledger();
        ledger.send(juliet, romeo.bareJid(), 30);
        ledger.send(romeo, juliet.bareJid(), 30);
        ledger.allTaken();
        ledger.awaitAll(juliet, romeo);
        ledger.check(juliet, romeo);
        Check.equal(0L, server.count("alone"), "decided alone");
    }

    @Scenario("a wrong token: the page says so, chat goes on natively, a right one heals it without a restart")
    static void wrongToken(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = remote.serve(stage.deciding("juliet", "romeo"));
        server.set("platform.token.password", "wrong").start();
        Client juliet = stage.online(server, "juliet", "balcony");
        Client romeo = stage.online(server, "romeo", "orchard");
        Await.until("the refusal is on the page; status " + server.status(),
                () -> server.status().get("failures").text().matches("(?s).*(401|403|token|unauthorized|credential).*"));
        Check.that(!server.status().get("platform", "reachable").isTrue(), "the platform counts as not reachable");
        Ledger ledger = new Ledger();
        ledger.send(juliet, romeo.bareJid(), 5);
        ledger.allTaken();
        ledger.awaitAll(romeo);
        ledger.check(romeo);
        Check.that(!server.log().contains(Platform.TOKEN), "no token in the log");
        server.command("secret plugin.cloudbridge.platform.token.password " + Platform.TOKEN);
        server.awaitReady();
        ledger.send(juliet, romeo.bareJid(), 5);
        ledger.allTaken();
        ledger.awaitAll(romeo);
        ledger.check(romeo);
    }
}
