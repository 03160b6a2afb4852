package org.cloudbridge.suite;

import java.net.http.HttpResponse;
import java.nio.file.Files;

/** The rungs below deciding: nothing changes for anybody who chats. */
final class Ladder {

    private Ladder() {
    }

    /** An exchange that must look as it does without the plugin, including a message for somebody who is away. */
    private static void chatsAsAlways(Stage stage, Server server) throws Exception {
        Client juliet = stage.online(server, "juliet", "balcony");
        Client romeo = stage.online(server, "romeo", "orchard");
        juliet.chat(romeo.bareJid(), "to the bare address");
        Check.that(!romeo.inbox.awaitBody("to the bare address").isDelayed(), "it is not stamped");
        juliet.chat(romeo.fullJid(), "to the full address");
        romeo.inbox.awaitBody("to the full address");
        romeo.disconnect();
        juliet.chat(server.jid("romeo"), "while you were away");
        juliet.ping();
        Check.equal(1, server.storedByOpenfire("romeo"), "messages in Openfire's own store");
        Client again = stage.online(server, "romeo", "orchard");
        again.inbox.awaitBody("while you were away");
    }

    @Scenario("a fresh install watches: it counts, stores nothing, starts no platform; chat is as always")
    static void freshInstallWatches(Stage stage) throws Exception {
        Server server = stage.bridge("juliet", "romeo").start();
        chatsAsAlways(stage, server);
        Json.Value status = server.status();
        Check.equal("watch", status.get("modules", "chat", "mode").text(), "mode of a fresh install");
        Check.equal(3L, server.count("seen"), "messages seen");
        Check.equal(0L, server.count("taken"), "messages taken");
        Check.equal(0L, status.get("journal", "held").number() + status.get("journal", "events").number(), "journal entries");
        Check.equal(null, server.platform(), "the embedded platform's process");
    }

    @Scenario("off: nothing is looked at; chat is as always")
    static void offLooksAtNothing(Stage stage) throws Exception {
        Server server = stage.bridge("juliet", "romeo").set("chat.mode", "off").set("state.mode", "off").start();
        chatsAsAlways(stage, server);
        Check.equal(0L, server.count("seen"), "messages seen");
    }

    @Scenario("mirror: chat is as always; copies reach the platform, without texts")
    static void mirrorCopies(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = remote.serve(stage.bridge("juliet", "romeo")).set("chat.mode", "mirror").start();
        chatsAsAlways(stage, server);
        remote.proxy.awaitRequests("POST /v1/events", 1);
        server.awaitSettled();
        Check.equal(3L, server.count("mirrored"), "copies made");
        Check.that(remote.proxy.saw("romeo@"), "the platform was told who wrote to whom");
        Check.that(!remote.proxy.saw("while you were away"), "the platform was told no text");
    }

    @Scenario("mirror with texts, when the administrator says so")
    static void mirrorTexts(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = remote.serve(stage.bridge("juliet", "romeo")).set("chat.mode", "mirror")
                .set("mirror.bodies", true).start();
        chatsAsAlways(stage, server);
        server.awaitSettled();
        Check.that(remote.proxy.saw("while you were away"), "the platform was told the text");
    }

    @Scenario("mirror with a dead platform: chat is as always; copies wait and are delivered when it is back")
    static void mirrorOutlivesThePlatform(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = remote.serve(stage.bridge("juliet", "romeo")).set("chat.mode", "mirror").start();
        remote.proxy.fault(SlowProxy.Fault.RESET);
        chatsAsAlways(stage, server);
        Check.equal(3L, server.status().get("journal", "events").number(), "copies waiting");
        remote.proxy.fault(SlowProxy.Fault.NONE);
        server.awaitSettled();
    }

    @Scenario("the ladder can be climbed and descended while people chat; a removed jar leaves the server working")
    static void upAndDown(Stage stage) throws Exception {
        Server server = stage.bridge("juliet", "romeo").start();
        Client juliet = stage.online(server, "juliet", "balcony");
        Client romeo = stage.online(server, "romeo", "orchard");
        Ledger ledger = new Ledger();
        for (String mode : new String[] {"mirror", "decide", "watch", "decide", "off", "decide"}) {
            server.change("chat.mode", mode);
            Await.until("chat is in " + mode + " mode",
                    () -> server.status().get("modules", "chat", "mode").text().equals(mode));
            if (mode.equals("decide")) {
                server.awaitReady();
            }
            ledger.send(juliet, romeo.bareJid(), 10);
            ledger.send(romeo, juliet.bareJid(), 10);
        }
        ledger.allTaken();
        ledger.awaitAll(juliet, romeo);
        ledger.check(juliet, romeo);
        ProcessHandle platform = server.platform();
        Check.that(platform != null, "deciding started the embedded platform");
        Check.equal("true", server.command("remove"), "the plugin is gone");
        Check.that(Processes.ended(platform, 20), "its platform is gone with it");
        juliet.chat(romeo.bareJid(), "without it");
        romeo.inbox.awaitBody("without it");
        Check.equal("0 1", server.command("loaders"), "class loaders of the removed plugin: alive, ever");
    }

    @Scenario("state lives in the home's cloudbridge folder, closed to others; nothing durable under plugins")
    static void stateHasItsPlace(Stage stage) throws Exception {
        Server server = stage.deciding("juliet").start().awaitReady();
        var folder = server.home().resolve("cloudbridge");
        Check.equal("rwx------", java.nio.file.attribute.PosixFilePermissions.toString(
                Files.getPosixFilePermissions(folder)), "permissions of " + folder);
        Check.equal(folder.toRealPath().toString(), server.status().get("journal", "folder").text(), "the journal's folder");
    }

    @Scenario("the page renders, refuses a form without its token, saves one with it, and masks secrets")
    static void page(Stage stage) throws Exception {
        Server server = stage.bridge("juliet").set("platform.token.password", "canary-secret").start();
        HttpResponse<String> page = server.page("");
        Check.equal(200, page.statusCode(), "status of the page");
        Check.that(page.body().contains("plugin.cloudbridge.chat.mode"), "the page has the chat mode's field");
        Check.that(!page.body().contains("canary-secret"), "the page shows no secret");
        Check.that(!server.page("?json").body().contains("canary-secret"), "the status shows no secret");
        Form form = new Form(server);
        String forged = form.post("csrf=wrong&action=save&plugin.cloudbridge.chat.mode=mirror");
        Check.that(forged.contains("expired"), "a forged form is refused: " + forged);
        Check.equal("watch", server.status().get("modules", "chat", "mode").text(), "the mode after a forged form");
        String saved = form.act("action=save&plugin.cloudbridge.chat.mode=mirror&plugin.cloudbridge.platform.token.password=");
        Await.until("the form changed the mode; the page said: " + saved,
                () -> server.status().get("modules", "chat", "mode").text().equals("mirror"));
        String wrong = form.act("action=save&plugin.cloudbridge.chat.timeoutMillis=soon");
        Check.that(wrong.contains("time limit"), "a wrong value is named: " + wrong);
        server.awaitReady();
        String tried = form.act("action=test");
        Check.that(tried.contains("im-platform"), "the test of the platform says what it reached: " + tried);
        Check.equal("canary-secret", server.command("get plugin.cloudbridge.platform.token.password"), "the secret afterwards");
    }
}
