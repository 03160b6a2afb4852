package org.cloudbridge.suite;

import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.Callable;

/** Groups as Openfire has them and as the platform has them, in one spelling, so that they can be compared. */
final class Teams {

    private Teams() {
    }

    /** Groups are decided at a platform of the suite's own; nothing else is told to it but who is known. */
    static Server deciding(Stage stage, Stage.Remote remote, String... users) throws Exception {
        return remote.serve(stage.deciding(users)).set("group.mode", "decide");
    }

    /** Has the admin console's work done. */
    static void at(Server server, String what, String... words) throws Exception {
        StringBuilder line = new StringBuilder("group ").append(what);
        for (String word : words) {
            line.append(' ').append(URLEncoder.encode(word, StandardCharsets.UTF_8));
        }
        server.command(line.toString());
    }

    /** Name to "description|administrators|members". */
    static Map<String, String> atOpenfire(Server server) throws Exception {
        Map<String, String> found = new TreeMap<>();
        for (String line : server.command("group list").split("\t")) {
            String[] words = line.split(" ");
            if (words.length == 4) {
                found.put(decode(words[0]), decode(words[1]).trim() + "|" + addresses(decode(words[2])) + "|" + addresses(decode(words[3])));
            }
        }
        return found;
    }

    private static String decode(String text) {
        return URLDecoder.decode(text, StandardCharsets.UTF_8);
    }

    private static String addresses(String list) {
        TreeSet<String> found = new TreeSet<>();
        for (String one : list.trim().split(",")) {
            if (!one.isEmpty()) {
                found.add(one);
            }
        }
        return found.toString();
    }

    /** The same of the platform's groups that are no rooms; its owners are administrators. */
    static Map<String, String> atPlatform(Platform platform) throws Exception {
        Map<String, String> found = new TreeMap<>();
        String after = "";
        do {
            Json.Value page = platform.get("/v1/groups?limit=256" + after);
            for (Json.Value group : page.get("items").list()) {
                if (!group.get("room").present()) {
                    Json.Value whole = platform.get(path(group.get("id").text()) + "?limit=256");
                    found.put(whole.get("name").text(), spelled(whole));
                }
            }
            after = page.get("next").present() ? "&after=" + Platform.encode(page.get("next").text()) : "";
        } while (!after.isEmpty());
        return found;
    }

    private static String spelled(Json.Value group) {
        TreeSet<String> admins = new TreeSet<>();
        TreeSet<String> members = new TreeSet<>();
        if (group.get("members").present()) {
            for (Json.Value member : group.get("members").list()) {
                (member.get("role").text().equals("member") ? members : admins).add(member.get("user").text());
            }
        }
        return (group.get("description").present() ? group.get("description").text() : "") + "|" + admins + "|" + members;
    }

    static String path(String id) {
        return "/v1/groups/" + Platform.encode(id);
    }

    static String path(String id, String user) {
        return path(id) + "/members/" + Platform.encode(user);
    }

    /** Waits until both sides have all the same, this among it (null: no such group). */
    static void agree(Stage.Remote remote, Server server, String name, String group) throws Exception {
        Object[] last = new Object[2];
        Callable<Boolean> same = () -> {
            Map<String, String> here = atOpenfire(server);
            Map<String, String> there = atPlatform(remote.platform);
            last[0] = here;
            last[1] = there;
            return here.equals(there) && (group == null ? !here.containsKey(name) : group.equals(here.get(name)));
        };
        try {
            Await.until("", same);
        } catch (AssertionError e) {
            throw new AssertionError("no agreement on " + name + " as " + group + ": Openfire " + last[0] + ", platform " + last[1]
                    + "; status " + server.status());
        }
    }

    /** Changes of groups that the bridge has told. */
    static int told(Stage.Remote remote) {
        return remote.proxy.requests("PUT /v1/groups/") + remote.proxy.requests("DELETE /v1/groups/");
    }

    /**
     * Nothing is under way: a change at the platform is made here and told once, as everything that happens here is, and that
     * is all that was told meanwhile.
     */
    static void quiet(Stage.Remote remote, Server server) throws Exception {
        String mark = "mark-" + Client.newId();
        mark(remote, server, mark, "first");
        int before = told(remote);
        mark(remote, server, mark, "second");
        Check.equal(before + 1, told(remote), "requests about groups for one change at the platform");
        remote.platform.delete(path(mark));
        agree(remote, server, mark, null);
        Await.until("its end was told", () -> remote.proxy.requests("DELETE " + path(mark)) == 1);
        server.awaitSettled();
        Check.equal(before + 2, told(remote), "requests about groups for two changes at the platform");
    }

    private static void mark(Stage.Remote remote, Server server, String mark, String description) throws Exception {
        int before = remote.proxy.requests("PUT " + path(mark));
        boolean first = description.equals("first");
        if (first) {
            remote.platform.post("/v1/groups", "{\"id\":\"" + mark + "\",\"name\":\"" + mark
                    + "\",\"members\":[{\"user\":\"" + server.jid("juliet") + "\",\"role\":\"owner\"}]}");
        } else {
            remote.platform.ask("PATCH", path(mark), "{\"description\":\"" + description + "\"}");
        }
        agree(remote, server, mark, (first ? "" : description) + "|[" + server.jid("juliet") + "]|[]");
        Await.until("what it did in Openfire was told", () -> remote.proxy.requests("PUT " + path(mark)) > before);
        server.awaitSettled();
    }
}
