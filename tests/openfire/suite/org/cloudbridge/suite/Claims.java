package org.cloudbridge.suite;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Runs the table of what is claimed (tests/openfire/scripts/claimed.txt) on a deciding server, line by line, and gathers
 * every line that is not as the table says.
 */
final class Claims {

    private final Server server;
    private final Stage.Remote remote;
    private final Map<String, RawClient> clients = new LinkedHashMap<>();
    private final Map<String, String> users = new LinkedHashMap<>();
    /** Ids that the platform has stored and not handed over, by user. */
    private final Map<String, List<String>> stored = new LinkedHashMap<>();
    private final List<String> wrong = new ArrayList<>();
    private Component tool;
    private int messages;

    Claims(Server server, Stage.Remote remote) {
        this.server = server;
        this.remote = remote;
    }

    /** Gives what is wrong; runs to the end in any case. */
    List<String> run(Path table) throws Exception {
        tool = Component.connect(server, "tool");
        clients.put("anon", RawClient.anonymous(server));
        clients.get("anon").send("<presence/>");
        users.put("anon", "");
        int number = 0;
        try {
            for (String line : Files.readAllLines(table, StandardCharsets.UTF_8)) {
                number++;
                if (!line.isBlank() && !line.startsWith("#")) {
                    String where = "line " + number + ": " + line;
                    try {
                        perform(filled(line), where);
                    } catch (AssertionError e) {
                        wrong.add(where + "\n    " + e.getMessage());
                    }
                }
            }
        } finally {
            tool.close();
            for (RawClient client : clients.values()) {
                client.close();
            }
        }
        return wrong;
    }

    int messages() {
        return messages;
    }

    private String filled(String line) {
        return line.replace("{d}", Server.DOMAIN).replace("{anon}", clients.get("anon").jid())
                .replaceAll("\\{(\\w+)}", "$1@" + Server.DOMAIN).replace("@64k", "<body>" + "0123456789abcdef".repeat(4096) + "</body>");
    }

    private void perform(String line, String where) throws Exception {
        String[] words = line.split(" ");
        switch (words[0]) {
            case "login":
                RawClient client = RawClient.login(server, words[2], Server.password(words[2]), words[1]);
                clients.put(words[1], client);
                users.put(words[1], words[2]);
                if (!words[3].equals("-")) {
                    client.send("<presence><priority>" + words[3] + "</priority></presence>");
                }
                client.ping();
                break;
            case "logout":
                RawClient leaving = clients.remove(words[1]);
                leaving.logout();
                Await.until("the session of " + leaving.jid() + " is gone",
                        () -> server.command("sessions").equals(String.valueOf(clients.size())));
                break;
            case "create":
                server.command("user " + words[1] + " " + Server.password(words[1]));
                break;
            case "reachable":
                remote.awaitReachable(server, words[1]);
                break;
            case "unreachable":
                remote.awaitUnreachable(server, words[1]);
                break;
            case "handed":
                handed(words[1], words.length > 2);
                break;
            default:
                if (line.contains(" | ")) {
                    message(line.split(" \\| ", 3), where);
                } else {
                    clients.get(words[0]).send(line.substring(words[0].length() + 1));
                    clients.get(words[0]).ping();
                }
        }
    }

    private void message(String[] parts, String where) throws Exception {
        String[] head = parts[0].split(" ");
        boolean plugin = head[0].equals("plugin");
        String to = head[plugin ? 3 : 2];
        String type = head[plugin ? 4 : 3];
        String id = "c-" + ++messages;
        List<String> expected = Arrays.asList(parts[1].split("; "));
        String user = to.replaceAll("@.*", "");
        Map<String, Long> before = facts(expected);
        Map<String, Integer> had = new LinkedHashMap<>();
        clients.forEach((name, client) -> had.put(name, client.inbox.all().size()));
        String from = plugin ? " from='" + head[1] + "'" : head[0].equals("tool") ? " from='helper@" + tool.domain + "'" : "";
        String xml = "<message id='" + id + "' to='" + to + "'" + from + (type.equals("-") ? "" : " type='" + type + "'") + ">"
                + parts[2] + "</message>";
        send(head[0], xml);
        Await.until("nothing is held", () -> server.held() == 0);
        for (String word : expected) {
            if (word.startsWith("at ") || word.startsWith("error ")) {
                for (String name : word.startsWith("at ") ? word.substring(3).split(" ") : new String[] {head[0]}) {
                    inbox(name).await(word + " of " + id, stanza -> stanza.id().equals(id));
                }
            }
        }
        if (expected.contains("platform")) {
            stored.computeIfAbsent(user, key -> new ArrayList<>()).add(id);
            Await.until("the platform has stored it", () -> server.count("stored") > before.get("platform"));
        }
        if (expected.contains("timeline")) {
            Await.until("the room has it", () -> facts(expected).get("timeline") > before.get("timeline"));
        }
        for (RawClient client : clients.values()) {
            client.ping();
        }
        compare(expected, before, id, head[0], where);
    }

    private void send(String sender, String xml) throws Exception {
        if (sender.equals("plugin")) {
            server.command("route " + xml);
        } else if (sender.equals("tool")) {
            tool.send(xml);
            // The server has read it when it has answered what was sent after it.
            String id = "sync-" + messages;
            tool.send("<iq type='get' id='" + id + "' from='helper@" + tool.domain + "' to='" + Server.DOMAIN
                    + "'><ping xmlns='urn:xmpp:ping'/></iq>");
            tool.inbox.await("the answer to a ping", stanza -> stanza.id().equals(id));
        } else {
            clients.get(sender).send(xml);
            clients.get(sender).ping();
        }
    }

    private Inbox inbox(String name) {
        return name.equals("tool") ? tool.inbox : clients.get(name).inbox;
    }

    /** What may change: held, stored, mirrored; the stores of Openfire that the line speaks of. */
    private Map<String, Long> facts(List<String> expected) throws Exception {
        Map<String, Long> facts = new TreeMap<>();
        Json.Value counts = server.status().get("modules", "chat", "counts");
        facts.put("held", counts.get("taken").number());
        facts.put("platform", counts.get("stored").number());
        facts.put("mirrored", counts.get("mirrored").number());
        Json.Value said = server.status().get("modules", "room", "rows", "room.say", "released");
        facts.put("timeline", said.present() ? said.number() : 0L);
        for (String word : expected) {
            if (word.startsWith("openfire ")) {
                facts.put(word, (long) server.storedByOpenfire(word.substring(9)));
            }
        }
        return facts;
    }

    private void compare(List<String> expected, Map<String, Long> before, String id, String sender, String where) throws Exception {
        List<String> mistakes = new ArrayList<>();
        Map<String, Long> after = facts(expected);
        after.forEach((fact, count) -> {
            boolean wanted = expected.contains(fact);
            // What a table line does not speak of: copies of what the bridge let pass.
            boolean counts = !fact.equals("mirrored") || wanted;
            if (counts && (count - before.get(fact) == 1) != wanted) {
                mistakes.add((wanted ? "not " : "") + fact + " (" + before.get(fact) + ", then " + count + ")");
            }
        });
        List<String> at = new ArrayList<>();
        String error = "";
        List<String> names = new ArrayList<>(clients.keySet());
        names.add("tool");
        for (String name : names) {
            for (Xml stanza : inbox(name).matching(stanza -> stanza.isMessage() && stanza.id().equals(id))) {
                // An error that was sent is a message like others; one that comes back says who could not be reached.
                if (name.equals(sender) && stanza.isError()) {
                    error += stanza.child("jabber:client", "error").children().get(0).name();
                } else {
                    at.add(name);
                }
            }
        }
        String wantedError = "";
        boolean somewhere = false;
        for (String word : expected) {
            if (word.startsWith("error ")) {
                wantedError = word.substring(6);
            } else if (word.startsWith("at ")) {
                somewhere = true;
                check(mistakes, word, at.equals(Arrays.asList(word.substring(3).split(" "))), "it arrived at " + at);
            } else if (word.startsWith("one of ")) {
                somewhere = true;
                List<String> choice = Arrays.asList(word.substring(7).split(" "));
                check(mistakes, word, at.size() == 1 && choice.contains(at.get(0)), "it arrived at " + at);
            }
        }
        check(mistakes, "nowhere", somewhere || at.isEmpty(), "it arrived at " + at);
        check(mistakes, "the sender's error", wantedError.equals(error), "it got [" + error + "], not [" + wantedError + "]");
        if (!mistakes.isEmpty()) {
            wrong.add(where.substring(0, Math.min(where.length(), 300)) + "\n    " + String.join("\n    ", mistakes));
        }
    }

    private static void check(List<String> mistakes, String what, boolean right, String otherwise) {
        if (!right) {
            mistakes.add(what + ": " + otherwise);
        }
    }

    private void handed(String name, boolean nothing) throws Exception {
        RawClient client = clients.get(name);
        String user = users.get(name);
        List<String> ids = stored.getOrDefault(user, List.of());
        if (!nothing && !ids.isEmpty()) {
            client.inbox.await("what the platform stored", ids.size(), Await.SECONDS, stanza -> ids.contains(stanza.id()));
        }
        // In the end nothing is pending, so that the platform takes the user for reachable.
        remote.awaitReachable(server, user);
        client.ping();
        List<String> got = new ArrayList<>();
        for (Xml stanza : client.inbox.matching(Xml::isMessage)) {
            if (ids.contains(stanza.id())) {
                got.add(stanza.id());
                Check.that(stanza.isDelayed(), "it has its time: " + stanza.id());
            }
        }
        stored.remove(user);
        Check.equal(nothing ? List.of() : ids, got, "handed over to " + name);
    }
}
