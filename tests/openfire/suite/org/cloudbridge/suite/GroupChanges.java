package org.cloudbridge.suite;

import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;

/** Groups when a mode changes, when nobody answers, when processes end, and when both sides change them at once. */
final class GroupChanges {

    private GroupChanges() {
    }

    private static void awaitPicture(Server server) throws Exception {
        Await.until("the picture was told; status " + server.status(),
                () -> server.status().get("modules", "group", "picture", "told").isTrue());
        server.awaitSettled();
    }

    private static void mode(Server server, String mode) throws Exception {
        server.change("group.mode", mode);
        Await.until("group is in " + mode, () -> server.status().get("modules", "group", "mode").text().equals(mode));
    }

    private static void make(Stage.Remote remote, String id, String owner) throws Exception {
        remote.platform.post("/v1/groups", "{\"id\":\"" + id + "\",\"name\":\"" + id + "\",\"members\":[{\"user\":\"" + owner + "\",\"role\":\"owner\"}]}");
    }

    @Scenario(value = "what is there when the module is switched on comes together, mode by mode; kill -9 in the middle of the picture", seconds = 240)
    static void ladder(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = Teams.deciding(stage, remote, "juliet", "romeo").set("group.mode", "off").up();
        String juliet = server.jid("juliet");
        String romeo = server.jid("romeo");
        for (int i = 0; i < 45; i++) {
            Teams.at(server, "create", "group " + i);
            Teams.at(server, "member", "group " + i, juliet);
        }
        Teams.at(server, "create", "both");
        Teams.at(server, "admin", "both", juliet);
        make(remote, "both", romeo);
        make(remote, "theirs", romeo);
        mode(server, "watch");
        Teams.at(server, "describe", "group 1", "seen by nobody");
        server.awaitSettled();
        Check.equal(0, remote.proxy.requests("PUT /v1/groups") + remote.proxy.requests("GET /v1/groups"), "requests about groups in watch");

        mode(server, "mirror");
        awaitPicture(server);
        Map<String, String> there = Teams.atPlatform(remote.platform);
        Check.equal(47, there.size(), "groups at the platform in mirror");
        Check.equal("seen by nobody|[]|[" + juliet + "]", there.get("group 1"), "one of them");
        Check.equal("|[" + juliet + ", " + romeo + "]|[]", there.get("both"), "one that both had: nobody loses a member by switching on");
        Check.equal(46, Teams.atOpenfire(server).size(), "groups in Openfire: mirror changes nothing here");
        remote.platform.put(Teams.path("both", server.jid("juliet")), "{\"role\":\"member\"}");
        Teams.at(server, "leave", "group 2", juliet);
        Await.until("it was told", () -> "|[]|[]".equals(Teams.atPlatform(remote.platform).get("group 2")));

        // In decide the platform's word is law here as well; the picture is told again, and is interrupted.
        remote.proxy.delayAnswers(300, "/v1/groups");
        int before = remote.proxy.requests("GET /v1/groups/");
        mode(server, "decide");
        remote.proxy.awaitRequests("GET /v1/groups/", before + 10);
        stage.expectError("HSQLDB|hsqldb");
        server.kill();
        remote.proxy.fault(SlowProxy.Fault.NONE);
        server.start().awaitReady();
        // A killed HSQLDB may have forgotten the last property.
        mode(server, "decide");
        awaitPicture(server);
        Teams.agree(remote, server, "theirs", "|[" + romeo + "]|[]");
        Check.equal(47, Teams.atOpenfire(server).size(), "groups on both sides");
        Teams.quiet(remote, server);
    }

    @Scenario(value = "a dead platform, a stopped Openfire, a killed one: what changed meanwhile on either side is so on both afterwards", seconds = 240)
    static void outages(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = Teams.deciding(stage, remote, "juliet", "romeo").up();
        String juliet = server.jid("juliet");
        String romeo = server.jid("romeo");
        make(remote, "t", juliet);
        Teams.agree(remote, server, "t", "|[" + juliet + "]|[]");
        awaitPicture(server);
        remote.kill();
        Teams.at(server, "describe", "t", "nobody answers");
        Teams.at(server, "member", "t", romeo);
        Teams.at(server, "create", "meanwhile");
        Teams.at(server, "member", "meanwhile", romeo);
        remote.startAgain();
        server.awaitReady();
        Teams.agree(remote, server, "meanwhile", "|[]|[" + romeo + "]");
        Teams.agree(remote, server, "t", "nobody answers|[" + juliet + "]|[" + romeo + "]");
        server.awaitSettled();

        server.stop();
        remote.platform.delete(Teams.path("meanwhile"));
        remote.platform.delete(Teams.path("t", romeo));
        make(remote, "new", romeo);
        server.start().awaitReady();
        Teams.agree(remote, server, "new", "|[" + romeo + "]|[]");
        Teams.agree(remote, server, "meanwhile", null);
        Teams.agree(remote, server, "t", "nobody answers|[" + juliet + "]|[]");
        server.awaitSettled();
        awaitPicture(server);

        // What Openfire has told itself and nobody else yet is in the journal.
        remote.proxy.fault(SlowProxy.Fault.BLACKHOLE, "/v1/groups");
        Teams.at(server, "member", "t", romeo);
        Teams.at(server, "delete", "new");
        stage.expectError("HSQLDB|hsqldb");
        Teams.at(server, "create", "the last");
        server.kill();
        remote.platform.ask("PATCH", Teams.path("t"), "{\"description\":\"while it was dead\"}");
        remote.proxy.fault(SlowProxy.Fault.NONE);
        server.start().awaitReady();
        awaitPicture(server);
        Teams.agree(remote, server, "t", "while it was dead|[" + juliet + "]|[" + romeo + "]");
        Teams.quiet(remote, server);
    }

    @Scenario(value = "both sides change the same group at once, 20 times: both end with the same, then silence", seconds = 300)
    static void bothAtOnce(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = Teams.deciding(stage, remote, "juliet", "romeo", "nurse").up();
        String juliet = server.jid("juliet");
        String romeo = server.jid("romeo");
        String nurse = server.jid("nurse");
        make(remote, "t", juliet);
        Teams.agree(remote, server, "t", "|[" + juliet + "]|[]");
        for (int round = 0; round < 20; round++) {
            CountDownLatch go = new CountDownLatch(1);
            int number = round;
            CompletableFuture<Void> there = CompletableFuture.runAsync(() -> integrator(remote, go, number, romeo, nurse));
            go.countDown();
            switch (round % 4) {
                case 0:
                    Teams.at(server, "describe", "t", "here " + round);
                    Teams.at(server, "admin", "t", romeo);
                    break;
                case 1:
                    Teams.at(server, "leave", "t", romeo);
                    Teams.at(server, "member", "t", romeo);
                    break;
                case 2:
                    Teams.at(server, "member", "t", nurse);
                    Teams.at(server, "leave", "t", nurse);
                    Teams.at(server, "describe", "t", "");
                    break;
                default:
                    Teams.at(server, "admin", "t", nurse);
                    Teams.at(server, "member", "t", nurse);
            }
            there.get();
            server.awaitSettled();
            // Agreeing for a moment is not enough: it must be so when nothing is under way any more.
            Teams.quiet(remote, server);
            Check.equal(Teams.atOpenfire(server), Teams.atPlatform(remote.platform), "groups after round " + round);
        }
    }

    private static void integrator(Stage.Remote remote, CountDownLatch go, int round, String romeo, String nurse) {
        try {
            go.await();
            remote.platform.ask("PATCH", Teams.path("t"), "{\"description\":\"there " + round + "\"}");
            remote.platform.put(Teams.path("t", romeo), "{\"role\":\"member\"}");
            remote.platform.put(Teams.path("t", nurse), "{\"role\":\"admin\"}");
            remote.platform.delete(Teams.path("t", nurse));
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }

    @Scenario("a read-only group provider: group.mode decide is refused, the page says why; its groups are told all the same")
    static void readOnlyProvider(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = Teams.deciding(stage, remote, "juliet").up();
        Teams.at(server, "create", "t");
        Teams.at(server, "member", "t", server.jid("juliet"));
        Teams.agree(remote, server, "t", "|[]|[" + server.jid("juliet") + "]");
        server.command("property provider.group.className org.cloudbridge.launcher.ReadOnlyGroups");
        Await.until("group is in mirror mode", () -> server.status().get("modules", "group", "mode").text().equals("mirror"));
        Check.that(server.page("").body().contains("read-only"), "the page says why");
        remote.platform.ask("PATCH", Teams.path("t"), "{\"description\":\"not to be had\"}");
        server.restart();
        server.awaitReady();
        awaitPicture(server);
        Check.equal("mirror", server.status().get("modules", "group", "mode").text(), "mode after a restart");
        Check.equal("|[]|[" + server.jid("juliet") + "]", Teams.atOpenfire(server).get("t"), "the group in Openfire");
        Check.equal("|[]|[" + server.jid("juliet") + "]", Teams.atPlatform(remote.platform).get("t"), "what Openfire has counts");
    }
}
