package org.cloudbridge.suite;

import java.util.Collections;
import java.util.List;
import java.util.Map;

/** Openfire's groups and the platform's, step by step: both have the same after each. */
final class Groups {

    private Groups() {
    }

    @Scenario("a group of Openfire's is made, described, filled, renamed, emptied and dissolved; the platform has each step, by one request")
    static void fromOpenfire(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = Teams.deciding(stage, remote, "juliet", "romeo").up();
        String juliet = server.jid("juliet");
        String romeo = server.jid("romeo");
        Await.until("the picture was told", () -> server.status().get("modules", "group", "picture", "told").isTrue());
        int before = Teams.told(remote);
        Teams.at(server, "create", "Night watch");
        Teams.agree(remote, server, "Night watch", "|[]|[]");
        Teams.at(server, "describe", "Night watch", "by turns & <quietly>");
        Teams.agree(remote, server, "Night watch", "by turns & <quietly>|[]|[]");
        Teams.at(server, "member", "Night watch", juliet);
        Teams.at(server, "member", "Night watch", "nurse@elsewhere.example");
        Teams.agree(remote, server, "Night watch", "by turns & <quietly>|[]|[" + juliet + ", nurse@elsewhere.example]");
        Teams.at(server, "admin", "Night watch", juliet);
        Teams.at(server, "admin", "Night watch", romeo);
        Teams.agree(remote, server, "Night watch", "by turns & <quietly>|[" + juliet + ", " + romeo + "]|[nurse@elsewhere.example]");
        Teams.at(server, "member", "Night watch", romeo);
        Teams.agree(remote, server, "Night watch", "by turns & <quietly>|[" + juliet + "]|[nurse@elsewhere.example, " + romeo + "]");
        Teams.at(server, "leave", "Night watch", "nurse@elsewhere.example");
        Teams.agree(remote, server, "Night watch", "by turns & <quietly>|[" + juliet + "]|[" + romeo + "]");
        Check.equal("Night watch", remote.platform.get(Teams.path("Night_20watch")).get("name").text(), "its name by its id");
        Teams.at(server, "rename", "Night watch", "Day & night");
        Teams.agree(remote, server, "Day & night", "by turns & <quietly>|[" + juliet + "]|[" + romeo + "]");
        Check.equal("Day & night", remote.platform.get(Teams.path("Night_20watch")).get("name").text(), "its name by the id that it keeps");
        // The name is free again, the id is not.
        Teams.at(server, "create", "Night watch");
        Teams.at(server, "member", "Night watch", romeo);
        Teams.agree(remote, server, "Night watch", "|[]|[" + romeo + "]");
        Check.equal("Night watch", remote.platform.get(Teams.path("Night_20watch_.2")).get("name").text(), "the id of its successor");
        Teams.at(server, "delete", "Day & night");
        Teams.agree(remote, server, "Day & night", null);
        Teams.at(server, "delete", "Night watch");
        Teams.agree(remote, server, "Night watch", null);
        server.awaitSettled();
        Check.equal(before + 13, Teams.told(remote), "requests about groups for thirteen changes");
        Teams.quiet(remote, server);
    }

    @Scenario("a group of the platform's is made, described, filled, renamed, emptied and dissolved; Openfire follows each step")
    static void fromPlatform(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = Teams.deciding(stage, remote, "juliet", "romeo").up();
        String juliet = server.jid("juliet");
        String romeo = server.jid("romeo");
        remote.platform.post("/v1/groups", "{\"id\":\"t1\",\"name\":\"Team\",\"description\":\"one\",\"members\":[{\"user\":\"" + juliet
                + "\",\"role\":\"owner\"},{\"user\":\"" + romeo + "\",\"role\":\"member\"}]}");
        Teams.agree(remote, server, "Team", "one|[" + juliet + "]|[" + romeo + "]");
        remote.platform.put(Teams.path("t1", romeo), "{\"role\":\"admin\"}");
        Teams.agree(remote, server, "Team", "one|[" + juliet + ", " + romeo + "]|[]");
        remote.platform.put(Teams.path("t1", romeo), "{\"role\":\"member\"}");
        Teams.agree(remote, server, "Team", "one|[" + juliet + "]|[" + romeo + "]");
        Check.equal(200, remote.platform.ask("PATCH", Teams.path("t1"), "{\"name\":\"Crew\",\"description\":\"two\"}").statusCode(), "status");
        Teams.agree(remote, server, "Crew", "two|[" + juliet + "]|[" + romeo + "]");
        Check.equal(200, remote.platform.ask("PATCH", Teams.path("t1"), "{\"description\":\"\"}").statusCode(), "status");
        remote.platform.delete(Teams.path("t1", romeo));
        Teams.agree(remote, server, "Crew", "|[" + juliet + "]|[]");
        server.awaitSettled();
        Check.equal("owner", remote.platform.get(Teams.path("t1")).get("members", 0, "role").text(), "what Openfire calls an administrator stays owner");
        // A name that another group here has, and one that no table here holds.
        remote.platform.post("/v1/groups", "{\"id\":\"t2\",\"name\":\"Crew\",\"members\":[{\"user\":\"" + romeo + "\",\"role\":\"owner\"}]}");
        String longName = String.join("", Collections.nCopies(256, "\u00e5"));
        String longText = String.join("", Collections.nCopies(4096, "d"));
        remote.platform.post("/v1/groups", "{\"id\":\"t3\",\"name\":\"" + longName + "\",\"description\":\"" + longText
                + "\",\"members\":[{\"user\":\"" + juliet + "\",\"role\":\"owner\"}]}");
        Await.until("both are here", () -> Teams.atOpenfire(server).size() == 3);
        server.awaitSettled();
        remote.platform.put(Teams.path("t3", romeo), "{\"role\":\"member\"}");
        Await.until("he is a member", () -> Teams.atOpenfire(server).toString().contains("|[" + juliet + "]|[" + romeo + "]"));
        server.awaitSettled();
        Json.Value third = remote.platform.get(Teams.path("t3"));
        Check.equal(longName, third.get("name").text(), "a long name as the platform has it");
        Check.equal(longText, third.get("description").text(), "a long description as the platform has it");
        Check.equal("Crew", remote.platform.get(Teams.path("t2")).get("name").text(), "a name that was taken here, at the platform");
        Check.that(Teams.atOpenfire(server).keySet().stream().allMatch(name -> name.length() <= 50), "names fit: " + Teams.atOpenfire(server));
        for (String id : List.of("t1", "t2", "t3")) {
            remote.platform.delete(Teams.path(id));
        }
        Teams.agree(remote, server, "Crew", null);
        Check.equal(Map.of(), Teams.atOpenfire(server), "groups in the end");
        Teams.quiet(remote, server);
    }

    @Scenario("names of any characters come to the platform and back, groups of such names are changed from there")
    static void oddNames(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = Teams.deciding(stage, remote, "juliet", "romeo").up();
        String juliet = server.jid("juliet");
        List<String> names = List.of("a", "..", "_", "_2e", "a/b?c=d#e", "100%", "' OR 1=1 --", "\"<&>\"", "caf\u00e9", "\u6771\u4eac\u90fd\u5e81\u8077\u54e1\u7d44\u5408\u9023\u5408\u4f1a\u672c\u90e8",
                "\ud83c\udf39 rose", "Upper", String.join("", Collections.nCopies(50, "x")));
        for (String name : names) {
            Teams.at(server, "create", name);
            Teams.at(server, "member", name, juliet);
        }
        Teams.agree(remote, server, "a", "|[]|[" + juliet + "]");
        for (Json.Value group : remote.platform.get("/v1/groups?limit=256").get("items").list()) {
            remote.platform.put(Teams.path(group.get("id").text(), server.jid("romeo")), "{\"role\":\"admin\"}");
            remote.platform.ask("PATCH", Teams.path(group.get("id").text()), "{\"description\":\"changed\"}");
        }
        for (String name : names) {
            Teams.agree(remote, server, name, "changed|[" + server.jid("romeo") + "]|[" + juliet + "]");
        }
        for (Json.Value group : remote.platform.get("/v1/groups?limit=256").get("items").list()) {
            remote.platform.delete(Teams.path(group.get("id").text()));
        }
        Teams.agree(remote, server, "a", null);
        Check.equal(Map.of(), Teams.atOpenfire(server), "groups in the end");
    }

    @Scenario("a shared group follows: the platform's member appears in rosters and disappears, and is nobody's friend by it")
    static void sharedRoster(Stage stage) throws Exception {
        Lists.byHand();
        Stage.Remote remote = stage.remote();
        Server server = Teams.deciding(stage, remote, "juliet", "romeo").set("friend.mode", "decide").up();
        Client juliet = stage.online(server, "juliet", "balcony");
        Client romeo = stage.online(server, "romeo", "orchard");
        Lists.atClient(juliet);
        Lists.atClient(romeo);
        Teams.at(server, "create", "lovers");
        Teams.at(server, "share", "lovers", "Star-crossed");
        Teams.at(server, "member", "lovers", juliet.bareJid());
        Teams.agree(remote, server, "lovers", "|[]|[" + juliet.bareJid() + "]");
        remote.platform.put(Teams.path("lovers", romeo.bareJid()), "{\"role\":\"member\"}");
        Lists.awaitPushes(juliet, romeo.bareJid(), 1);
        Lists.awaitPushes(romeo, juliet.bareJid(), 1);
        Check.equal(List.of("romeo|both||[Star-crossed]"), Lists.pushes(juliet, romeo.bareJid()), "pushes to her");
        juliet.inbox.await("his presence", stanza -> Lists.isPresence(stanza, "", romeo.bareJid()));
        remote.platform.delete(Teams.path("lovers", romeo.bareJid()));
        Lists.awaitPushes(juliet, romeo.bareJid(), 2);
        Check.equal("|remove||[]", Lists.pushes(juliet, romeo.bareJid()).get(1), "the second push");
        Teams.agree(remote, server, "lovers", "|[]|[" + juliet.bareJid() + "]");
        server.awaitSettled();
        Check.equal(Map.of(), Lists.atPlatform(remote.platform, juliet.bareJid()), "her friends at the platform");
        Check.equal(0, remote.proxy.requests("PUT /v1/friends/") + remote.proxy.requests("DELETE /v1/friends/"), "requests about friends");
        Teams.quiet(remote, server);
    }

    @Scenario("a member without an account here waits at the platform and is in the group as soon as there is one")
    static void withoutAccount(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = Teams.deciding(stage, remote, "juliet").up();
        String juliet = server.jid("juliet");
        String paris = server.jid("paris");
        remote.platform.create(paris, "paris-secret");
        remote.platform.post("/v1/groups", "{\"id\":\"t\",\"name\":\"t\",\"members\":[{\"user\":\"" + juliet
                + "\",\"role\":\"owner\"},{\"user\":\"" + paris + "\",\"role\":\"member\"}]}");
        Await.until("the group is here", () -> "|[" .concat(juliet).concat("]|[]").equals(Teams.atOpenfire(server).get("t")));
        server.restart();
        server.awaitReady();
        Await.until("the picture was told", () -> server.status().get("modules", "group", "picture", "told").isTrue());
        server.awaitSettled();
        Check.equal("|[" + juliet + "]|[" + paris + "]", Teams.atPlatform(remote.platform).get("t"), "the group at the platform after a restart");
        server.command("user paris paris-secret");
        Teams.agree(remote, server, "t", "|[" + juliet + "]|[" + paris + "]");
        server.command("delete paris");
        Await.until("Openfire took him out", () -> ("|[" + juliet + "]|[]").equals(Teams.atOpenfire(server).get("t")));
        Teams.agree(remote, server, "t", "|[" + juliet + "]|[]");
    }
}
