package org.cloudbridge.suite;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Actions of several clients as data (see tests/openfire/scripts), and everything that each client receives after each. */
final class Script {

    /** One action, and what each client received until it was over. */
    static final class Step {

        final String action;
        final List<String> received = new ArrayList<>();

        Step(String action) {
            this.action = action;
        }
    }

    private static final class Action {

        final int line;
        final String who;
        String text;
        boolean anyOrder;
        /** Who has to receive what before it is over. */
        final List<String[]> awaited = new ArrayList<>();

        Action(int line, String who, String text) {
            this.line = line;
            this.who = who;
            this.text = text;
        }
    }

    private static final Pattern USER = Pattern.compile("\\{(\\w+)}");
    /** What differs between two runs of the same: stamps, seconds, identifiers that a server made. */
    private static final String[][] MASKS = {
        {"\\d{4}-\\d\\d-\\d\\dT[0-9:.]+(Z|[+-]\\d\\d:\\d\\d)?", "STAMP"},
        {"\\b\\d{8}T\\d\\d:\\d\\d:\\d\\d", "STAMP"},
        {" seconds=\\[\\d+]", " seconds=[N]"},
        {" ver=\\[-?\\d+]", " ver=[VERSION]"},
        {" to=\\[verona\\.example/\\w+]", " to=[verona.example/STREAM]"},
        {" id=\\[(?!s-)[^\\]]*]", " id=[ID]"},
    };

    private final List<Action> actions = new ArrayList<>();

    private Script() {
    }

    static Script read(Path file) throws Exception {
        Script script = new Script();
        Action last = null;
        int number = 0;
        for (String line : Files.readAllLines(file, StandardCharsets.UTF_8)) {
            number++;
            if (line.isBlank() || line.startsWith("#")) {
                continue;
            }
            String[] words = line.trim().split(" ", 3);
            if (!line.startsWith(" ")) {
                last = new Action(number, words[0], line.substring(words[0].length()).trim());
                script.actions.add(last);
            } else if (words[0].equals("await")) {
                last.awaited.add(new String[] {words[1], words[2]});
            } else if (words[0].equals("anyorder")) {
                last.anyOrder = true;
            } else {
                last.text += line.trim();
            }
        }
        return script;
    }

    int size() {
        return actions.size();
    }

    /** Runs it on a started server. Every client that is still there at the end is closed. */
    List<Step> run(Server server) throws Exception {
        Map<String, RawClient> clients = new LinkedHashMap<>();
        Map<String, Integer> seen = new LinkedHashMap<>();
        List<Step> steps = new ArrayList<>();
        try {
            for (Action action : actions) {
                steps.add(perform(action, server, clients, seen));
            }
        } finally {
            for (RawClient client : clients.values()) {
                client.close();
            }
        }
        return steps;
    }

    private Step perform(Action action, Server server, Map<String, RawClient> clients, Map<String, Integer> seen)
            throws Exception {
        String[] words = action.text.split(" ");
        Step step = new Step("line " + action.line + ": " + action.who + " " + action.text);
        List<String> received = step.received;
        switch (action.who) {
            case "login":
                String password = words.length > 2 ? words[2] : Server.password(words[1]);
                clients.put(words[0], RawClient.login(server, words[1], password, words[0].equals("?") ? "" : words[0]));
                seen.put(words[0], 0);
                break;
            case "refused":
                for (Xml stanza : RawClient.refused(server, words[0], words[1]).inbox.all()) {
                    received.add(words[0] + " < " + mask(stanza.exact(), ""));
                }
                break;
            case "logout":
                RawClient leaving = clients.remove(words[0]);
                leaving.logout();
                collect(words[0], leaving, seen, received);
                Await.until("the session of " + leaving.jid() + " is gone",
                        () -> server.command("sessions").equals(String.valueOf(clients.size())));
                break;
            default:
                clients.get(action.who).send(filled(action.text));
        }
        settle(action, clients, seen);
        clients.forEach((name, client) -> collect(name, client, seen, received));
        if (action.anyOrder) {
            received.sort(null);
        }
        return step;
    }

    /** Lasts until the server has handled the action and everybody has what it led to. */
    private static void settle(Action action, Map<String, RawClient> clients, Map<String, Integer> seen) throws Exception {
        RawClient sender = clients.get(action.who);
        if (sender != null && !action.text.contains("<remove/>")) {
            sender.ping();
        }
        for (String[] wait : action.awaited) {
            RawClient client = clients.get(wait[0]);
            int from = seen.get(wait[0]);
            Await.until(wait[0] + " receives " + wait[1] + " after line " + action.line + "; it has " + client.inbox.all(), () -> {
                List<Xml> all = client.inbox.all();
                return all.subList(from, all.size()).stream().anyMatch(stanza -> stanza.exact().contains(wait[1]));
            });
        }
        if (action.text.contains("<remove/>")) {
            // The account takes its session with it.
            RawClient gone = clients.remove(action.who);
            gone.awaitEnd();
        }
        for (RawClient client : clients.values()) {
            client.ping();
        }
    }

    private static void collect(String name, RawClient client, Map<String, Integer> seen, List<String> received) {
        List<Xml> all = client.inbox.all();
        for (Xml stanza : all.subList(seen.get(name), all.size())) {
            if (!RawClient.isPing(stanza)) {
                received.add(name + " < " + mask(stanza.exact(), name.equals("?") ? client.resource() : ""));
            }
        }
        seen.put(name, all.size());
    }

    private static String filled(String text) {
        Matcher user = USER.matcher(text.replace("{d}", Server.DOMAIN));
        return user.replaceAll("$1@" + Server.DOMAIN);
    }

    private static String mask(String text, String resource) {
        String masked = resource.isEmpty() ? text : text.replace(resource, "RESOURCE");
        for (String[] mask : MASKS) {
            masked = masked.replaceAll(mask[0], mask[1]);
        }
        return masked;
    }

    /** Empty when both are the same; else every step that differs, with the lines that only one of them has. */
    static String difference(String before, List<Step> expected, String after, List<Step> actual) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < expected.size(); i++) {
            List<String> one = expected.get(i).received;
            List<String> two = actual.get(i).received;
            if (!one.equals(two)) {
                text.append(expected.get(i).action).append('\n');
                append(text, "  - ", one, two);
                append(text, "  + ", two, one);
                if (sorted(one).equals(sorted(two))) {
                    text.append("    (in another order)\n");
                }
            }
        }
        return text.length() == 0 ? "" : "- " + before + ", + " + after + "\n" + text;
    }

    private static void append(StringBuilder text, String sign, List<String> mine, List<String> other) {
        List<String> left = new ArrayList<>(other);
        for (String line : mine) {
            if (!left.remove(line)) {
                text.append(sign).append(line).append('\n');
            }
        }
    }

    private static List<String> sorted(List<String> lines) {
        List<String> copy = new ArrayList<>(lines);
        copy.sort(null);
        return copy;
    }
}
