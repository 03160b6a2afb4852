package org.cloudbridge.suite;

import java.util.concurrent.atomic.AtomicBoolean;

/** Processes that end, in order or not, under load: the ledger says what became of every message. */
final class Survival {

    private Survival() {
    }

    /** Sends in a loop until told to stop or until the connection is gone. */
    private static final class Load {

        private final Thread thread;
        private final AtomicBoolean enough = new AtomicBoolean();

        Load(Ledger ledger, Client from, String... recipients) {
            from.onAcknowledged(ledger::taken);
            thread = new Thread(() -> {
                try {
                    for (int i = 0; !enough.get() && from.connected(); i++) {
                        ledger.send(from, recipients[i % recipients.length]);
                        if (i % 10 == 9) {
                            from.requestAck();
                            from.ping();
                        }
                    }
                } catch (Exception e) {
                    // The server is gone.
                }
            }, "load");
            thread.setDaemon(true);
            thread.start();
        }

        void end() throws InterruptedException {
            enough.set(true);
            thread.join();
        }
    }

    @Scenario(value = "kill -9 of Openfire under load: nothing that it had taken is lost; only a release under way repeats",
            seconds = 240)
    static void killOpenfire(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = Decide.patient(stage, remote, "juliet", "romeo", "mercutio").up();
        killUnderLoad(stage, remote, server, server::kill);
    }

    @Scenario(value = "kill -9 of Openfire and its embedded platform under load: as above; the platform's data survive",
            seconds = 240)
    static void killBoth(Stage stage) throws Exception {
        Server server = stage.deciding("juliet", "romeo", "mercutio").set("chat.timeoutMillis", 60_000).up();
        killUnderLoad(stage, null, server, () -> {
            ProcessHandle platform = server.platform();
            platform.destroyForcibly();
            server.kill();
            Check.that(Processes.ended(platform, 20), "the platform is gone");
        });
    }

    private interface Kill {
        void run() throws Exception;
    }

    private static void killUnderLoad(Stage stage, Stage.Remote remote, Server server, Kill kill) throws Exception {
        Ledger ledger = new Ledger();
        Client romeo = stage.online(server, "romeo", "orchard");
        Client juliet = stage.withAcks(server, "juliet", "balcony");
        Load load = new Load(ledger, juliet, server.jid("romeo"), server.jid("mercutio"));
        romeo.inbox.await("messages", 300, Await.SECONDS, Inbox::isChat);
        if (remote != null) {
            // From here on messages pile up: at the kill some are held for certain.
            remote.proxy.fault(SlowProxy.Fault.HOLD_ANSWERS, "/v1/messages");
            server.awaitHeld(100);
        }
        kill.run();
        load.end();
        if (remote != null) {
            remote.proxy.fault(SlowProxy.Fault.NONE);
        }
        server.start().awaitReady();
        Client romeoAgain = stage.online(server, "romeo", "orchard");
        Client mercutio = stage.online(server, "mercutio", "street");
        ledger.awaitAll(romeo, romeoAgain, mercutio);
        ledger.check(2, 0, romeo, romeoAgain, mercutio);
        server.awaitSettled();
        Client julietAgain = stage.online(server, "juliet", "chamber");
        ledger.send(julietAgain, romeoAgain.bareJid(), 5);
        ledger.send(julietAgain, mercutio.bareJid(), 5);
        ledger.allTakenOf(julietAgain.fullJid());
        ledger.awaitAll(romeo, romeoAgain, mercutio);
        ledger.check(2, 0, romeo, romeoAgain, mercutio);
    }

    @Scenario(value = "kill -9 of the embedded platform under load: it comes back by itself, each message comes once",
            seconds = 240)
    static void killPlatform(Stage stage) throws Exception {
        Server server = stage.deciding("juliet", "romeo", "mercutio").up();
        Ledger ledger = new Ledger();
        Client romeo = stage.online(server, "romeo", "orchard");
        Client juliet = stage.withAcks(server, "juliet", "balcony");
        Load load = new Load(ledger, juliet, server.jid("romeo"), server.jid("mercutio"));
        for (int round = 1; round <= 3; round++) {
            romeo.inbox.await("messages", 150 * round, Await.SECONDS, Inbox::isChat);
            ProcessHandle platform = server.platform();
            platform.destroyForcibly();
            Await.until("another platform process runs", () -> {
                ProcessHandle now = server.platform();
                return now != null && now.pid() != platform.pid();
            });
            server.awaitReady();
        }
        load.end();
        ledger.allTaken();
        Client mercutio = stage.online(server, "mercutio", "street");
        ledger.awaitAll(romeo, mercutio);
        server.awaitSettled();
        ledger.check(romeo, mercutio);
    }

    @Scenario(value = "SIGTERM with 100 held and a mute platform: it ends in time; at the next start all come, once, stamped",
            seconds = 240)
    static void terminated(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = Decide.patient(stage, remote, "juliet", "romeo")
                .set("stop.drainMillis", 1000).up();
        Client juliet = stage.online(server, "juliet", "balcony");
        Client romeo = stage.online(server, "romeo", "orchard");
        remote.awaitReachable(server, "romeo");
        remote.proxy.fault(SlowProxy.Fault.HOLD_ANSWERS, "/v1/messages");
        Ledger ledger = new Ledger();
        ledger.send(juliet, romeo.bareJid(), 100);
        juliet.ping();
        ledger.allTaken();
        server.awaitHeld(100);
        server.terminate();
        server.awaitEnd(30);
        remote.proxy.fault(SlowProxy.Fault.NONE);
        server.start().awaitReady();
        Client again = stage.online(server, "romeo", "orchard");
        ledger.awaitAll(romeo, again);
        ledger.check(romeo, again);
        for (Xml message : again.inbox.messages()) {
            Check.that(message.isDelayed(), "a replayed message has its time: " + message);
        }
        Check.equal(0, server.storedByOpenfire("romeo"), "messages in Openfire's own store");
    }

    @Scenario(value = "the jar is replaced 20 times with 50 held and some stored: none lost, none doubled, one class loader, "
            + "the same threads, connected users keep receiving", seconds = 500)
    static void jarReplaced(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = Decide.patient(stage, remote, "juliet", "romeo", "mercutio", "benvolio")
                .set("stop.drainMillis", 200).up();
        Client juliet = stage.online(server, "juliet", "balcony");
        Client romeo = stage.online(server, "romeo", "orchard");
        Client benvolio = stage.withAcks(server, "benvolio", "square");
        remote.awaitReachable(server, "romeo");
        Ledger ledger = new Ledger();
        ledger.unordered(benvolio.fullJid());
        String javaThreads = ours(server.command("threads"));
        String nativeThreads = ours(server.command("tasks"));
        for (int round = 0; round < 20; round++) {
            remote.proxy.fault(SlowProxy.Fault.HOLD_ANSWERS, "/v1/messages");
            ledger.send(juliet, romeo.bareJid(), 50);
            ledger.send(juliet, server.jid("mercutio"), 5);
            juliet.ping();
            server.awaitHeld(50);
            // Somebody goes on talking all the time.
            Load load = new Load(ledger, benvolio, romeo.bareJid());
            server.replaceJar();
            load.end();
            remote.proxy.fault(SlowProxy.Fault.NONE);
            server.awaitReady();
        }
        ledger.allTaken();
        Client mercutio = stage.online(server, "mercutio", "street");
        ledger.awaitAll(romeo, mercutio);
        server.awaitSettled();
        ledger.check(romeo, mercutio);
        Check.equal("1 21", server.command("loaders"), "class loaders: alive, ever");
        Check.equal(javaThreads, ours(server.command("threads")), "Java threads of ours");
        Check.equal(nativeThreads, ours(server.command("tasks")), "native threads of ours");
    }

    private static String ours(String names) {
        StringBuilder found = new StringBuilder();
        for (String name : names.split("\t")) {
            if (name.toLowerCase(java.util.Locale.ROOT).contains("cloudbridge")) {
                found.append(name.replaceAll("[0-9]+", "N")).append('\n');
            }
        }
        return found.toString();
    }

    @Scenario("a data folder that cannot be used: one clear line on the page and in the log, chat as always")
    static void noDataFolder(Stage stage) throws Exception {
        stage.expectError("Cloud Bridge|cloudbridge");
        Server server = stage.deciding("juliet", "romeo");
        java.nio.file.Files.createDirectories(server.home());
        java.nio.file.Path file = java.nio.file.Files.write(server.home().resolve("in-the-way"), new byte[0]);
        server.set("dataDir", file.resolve("data")).start();
        Check.that(server.status().get("fault").text().contains("in-the-way"), "the page says which folder: " + server.status());
        Check.that(server.log().contains("in-the-way"), "so does the log");
        chats(stage, server);
    }

    @Scenario("a panic in the host becomes an exception: the server lives, chat goes on, the page says so")
    static void panic(Stage stage) throws Exception {
        stage.expectError("(?i)panic");
        Server server = stage.deciding("juliet", "romeo").up();
        String answer = new Form(server).act("action=panic");
        Check.that(answer.contains("code 4"), "the page says what happened: " + answer);
        chats(stage, server);
        server.awaitReady();
        Decide.onlineAndOffline(stage, server);
    }

    private static void chats(Stage stage, Server server) throws Exception {
        try (Client juliet = stage.online(server, "juliet", "window"); Client romeo = stage.online(server, "romeo", "wall")) {
            juliet.chat(romeo.fullJid(), "still there");
            romeo.inbox.awaitBody("still there");
        }
        Await.until("both have gone", () -> server.command("sessions").equals("0"));
    }

    @Scenario(value = "-Xcheck:jni has nothing to say about us, over chat, hand-over, replacement and stop", seconds = 240)
    static void checkJni(Stage stage) throws Exception {
        Server server = stage.deciding("juliet", "romeo").jvm("-Xcheck:jni").up();
        Decide.onlineAndOffline(stage, server);
        server.replaceJar();
        server.awaitReady();
        server.stop();
        StringBuilder complaints = new StringBuilder();
        server.console().lines().filter(line -> line.contains("in native method") || line.contains("JNI")
                || line.contains("cloudbridge")).forEach(line -> complaints.append(line).append('\n'));
        Check.equal("", complaints.toString(), "what the JVM said about native code");
    }

    @Scenario("on the newest JDK of this machine: boots, decides, hands over, stops")
    static void newestJava(Stage stage) throws Exception {
        if (stage.world.newestJava == null) {
            stage.skip("no JDK newer than the one that builds");
            return;
        }
        Server server = stage.deciding("juliet", "romeo").java(stage.world.newestJava).up();
        Decide.onlineAndOffline(stage, server);
        server.stop();
    }
}
