package org.cloudbridge.suite;

import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;

/** Beside Openfire: below deciding nobody notices the plugin; on the way up, down and out nothing is lost. */
final class Coexist {

    private static final String[] USERS = {"juliet", "mercutio", "romeo"};
    private static final String[] MODULES = {"chat", "state", "user", "friend", "room"};
    /** What clients receive without the plugin; recorded once for all scenarios of a run. */
    private static List<Script.Step> plain;

    private Coexist() {
    }

    private static Script script(Stage stage) throws Exception {
        Path file = stage.world.root.resolve("tests/openfire/scripts/coexist.txt");
        Script script = Script.read(file);
        Check.that(script.size() >= 40, file + " has only " + script.size() + " actions");
        return script;
    }

    private static List<Script.Step> plain(Stage stage) throws Exception {
        synchronized (Coexist.class) {
            if (plain == null) {
                plain = script(stage).run(stage.openfire().users(USERS).start());
            }
            return plain;
        }
    }

    private static void unnoticed(Stage stage, Server server, String mode) throws Exception {
        List<Script.Step> expected = plain(stage);
        for (String module : MODULES) {
            server.set(module + ".mode", mode);
        }
        server.start();
        if (mode.equals("mirror")) {
            server.awaitReady();
        }
        List<Script.Step> actual = script(stage).run(server);
        String difference = Script.difference("without the plugin", expected, "with it, all modules in " + mode + " mode", actual);
        Check.that(difference.isEmpty(), difference);
    }

    @Scenario("the same script of actions on a second plain server gives the same: what is compared is not by chance")
    static void plainIsPlain(Stage stage) throws Exception {
        List<Script.Step> expected = plain(stage);
        List<Script.Step> actual = script(stage).run(stage.openfire().users(USERS).start());
        String difference = Script.difference("one plain server", expected, "another one", actual);
        Check.that(difference.isEmpty(), difference);
    }

    @Scenario("off: everything that clients receive during the script is as without the plugin")
    static void off(Stage stage) throws Exception {
        unnoticed(stage, stage.bridge(USERS), "off");
    }

    @Scenario("watch: everything that clients receive during the script is as without the plugin")
    static void watch(Stage stage) throws Exception {
        unnoticed(stage, stage.bridge(USERS), "watch");
    }

    @Scenario("mirror: everything that clients receive during the script is as without the plugin; the platform is told")
    static void mirror(Stage stage) throws Exception {
        Server server = stage.bridge(USERS);
        unnoticed(stage, server, "mirror");
        Check.that(server.count("mirrored") > 20, "messages were mirrored; status " + server.status());
        server.awaitSettled();
    }

    @Scenario(value = "up and down the ladder under load, off, watch, mirror, decide, mirror, off: nothing lost, doubled, out of order",
            seconds = 180)
    static void ladderUnderLoad(Stage stage) throws Exception {
        Server server = stage.bridge("juliet", "romeo", "mercutio", "benvolio").set("chat.mode", "off").set("state.mode", "off").start();
        Client juliet = stage.online(server, "juliet", "balcony");
        Client romeo = stage.online(server, "romeo", "orchard");
        Client mercutio = stage.online(server, "mercutio", "street");
        Client benvolio = stage.online(server, "benvolio", "street");
        Ledger ledger = new Ledger();
        AtomicBoolean over = new AtomicBoolean();
        AtomicInteger rounds = new AtomicInteger();
        Decide.inParallel(
                () -> converse(ledger, juliet, romeo, over, rounds),
                () -> converse(ledger, mercutio, benvolio, over, rounds),
                () -> {
                    try {
                        for (String mode : new String[] {"watch", "mirror", "decide", "mirror", "off", "decide", "off"}) {
                            step(server, mode, rounds);
                        }
                    } finally {
                        over.set(true);
                    }
                    return null;
                });
        ledger.allTaken();
        ledger.awaitAll(juliet, romeo, mercutio, benvolio);
        ledger.check(juliet, romeo, mercutio, benvolio);
        Check.that(server.count("taken") > 0, "some were held; status " + server.status());
        Check.equal(0L, server.held(), "messages still held");
    }

    private static void step(Server server, String mode, AtomicInteger rounds) throws Exception {
        for (String module : new String[] {"chat", "state"}) {
            server.change(module + ".mode", module.equals("state") && mode.equals("decide") ? "mirror" : mode);
        }
        Await.until("chat is in " + mode + " mode", () -> server.status().get("modules", "chat", "mode").text().equals(mode));
        long taken = server.count("taken");
        if (mode.equals("decide")) {
            Await.until("messages are held", () -> server.count("taken") > taken + 20);
        }
        int from = rounds.get();
        Await.until("people went on chatting in " + mode + " mode", () -> rounds.get() > from + 4);
    }

    /** Both talk until it is over; a round ends when all of it has arrived. */
    private static Void converse(Ledger ledger, Client one, Client other, AtomicBoolean over, AtomicInteger rounds) throws Exception {
        while (!over.get()) {
            String last = "";
            String back = "";
            for (int i = 0; i < 10; i++) {
                last = ledger.send(one, other.bareJid());
                ledger.sendState(one, other.bareJid(), "composing");
                back = ledger.send(other, one.bareJid());
            }
            other.inbox.awaitId(last);
            one.inbox.awaitId(back);
            rounds.incrementAndGet();
        }
        return null;
    }

    @Scenario("back from decide to off: what the platform keeps is handed over at the next login, then it is asked nothing more")
    static void backToOff(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = Decide.patient(stage, remote, "juliet", "romeo").up();
        Client juliet = stage.online(server, "juliet", "balcony");
        Ledger ledger = new Ledger();
        ledger.send(juliet, server.jid("romeo"), 20);
        Decide.awaitPending(remote, server, "romeo", "juliet", 20);
        server.change("state.mode", "off");
        server.change("chat.mode", "off");
        Await.until("chat is off", () -> server.status().get("modules", "chat", "mode").text().equals("off"));
        ledger.send(juliet, server.jid("romeo"), 1);
        juliet.ping();
        Check.equal(1, server.storedByOpenfire("romeo"), "a message that was sent after that is Openfire's");
        ledger.unordered(juliet.fullJid());
        ledger.allTaken();
        Client romeo = stage.online(server, "romeo", "orchard");
        ledger.awaitAll(romeo);
        ledger.check(romeo);
        Decide.awaitPending(remote, server, "romeo", "juliet", 0);
        Await.until("the bridge is done with the platform", () -> server.status().get("platform", "kind").text().equals("none"));
    }

    @Scenario("the jar removed while deciding: users log in, the log says whose messages are only at the platform; with the jar "
            + "back they are handed over")
    static void jarRemoved(Stage stage) throws Exception {
        Server server = stage.deciding("juliet", "romeo", "mercutio").set("friend.mode", "decide").up();
        Client juliet = stage.online(server, "juliet", "balcony");
        Ledger ledger = new Ledger();
        long before = server.count("stored");
        ledger.send(juliet, server.jid("romeo"), 10);
        ledger.allTaken();
        Await.until("the platform keeps 10", () -> server.count("stored") - before >= 10);
        Json.Value kept = server.status().get("modules", "chat", "kept_by_platform");
        Check.equal(10L, kept.get("messages").number(), "messages that the status page says only the platform has");
        Check.equal(server.jid("romeo"), kept.get("who").list().get(0).get("user").text(), "whose they are");
        Check.equal("true", server.command("remove"), "the plugin is gone");
        Client romeo = stage.online(server, "romeo", "orchard");
        Client mercutio = stage.online(server, "mercutio", "street");
        mercutio.chat(romeo.bareJid(), "without it");
        romeo.inbox.awaitBody("without it");
        RawClient.login(server, "mercutio", Server.password("mercutio"), "by-plain").logout();
        Check.equal(0, ledger.arrived(romeo), "messages that are only at the platform");
        romeo.disconnect();
        Check.that(server.log().contains("10 messages for 1 user are kept only by the platform"), "the log says what is owed");
        server.replaceJar();
        server.awaitReady();
        Client again = stage.online(server, "romeo", "orchard");
        ledger.awaitAll(again);
        ledger.check(again);
        Await.until("the status page says that nothing is kept",
                () -> server.status().get("modules", "chat", "kept_by_platform", "messages").number() == 0);
    }
}
