package org.cloudbridge.suite;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Everything that was sent, against everything that arrived: what was lost, what came twice, what came out of order.
 * A conversation is everything that one sender (one of its resources) sends to one user.
 */
final class Ledger {

    private static final class Entry {

        final String conversation;
        final int number;
        boolean taken;
        boolean refused;

        Entry(String conversation, int number) {
            this.conversation = conversation;
            this.number = number;
        }
    }

    private final Map<String, Entry> sent = new LinkedHashMap<>();
    private final Map<String, Integer> numbers = new HashMap<>();

    /** Notes a message before it is sent. */
    synchronized void sent(String from, String to, String id) {
        String conversation = from + " to " + to;
        int number = numbers.merge(conversation, 1, Integer::sum);
        sent.put(id, new Entry(conversation, number));
    }

    /** Sends a numbered chat message and notes it. */
    String send(Client from, String to) throws Exception {
        String id = Client.newId();
        sent(from.fullJid(), to, id);
        from.send(id, to, "chat", "<body>" + id + "</body>");
        return id;
    }

    void send(Client from, String to, int count) throws Exception {
        for (int i = 0; i < count; i++) {
            send(from, to);
        }
    }

    /** The server told the sender that it has this message: from here on it must not get lost. */
    synchronized void taken(String id) {
        Entry entry = sent.get(id);
        if (entry != null) {
            entry.taken = true;
        }
    }

    /** Everything sent so far counts as taken: its senders had an answer to a later request. */
    synchronized void allTaken() {
        sent.values().forEach(entry -> entry.taken = true);
    }

    /** The sender got an error for it: it must not arrive. */
    synchronized void refused(String id) {
        sent.get(id).refused = true;
    }

    synchronized int size() {
        return sent.size();
    }

    synchronized boolean knows(Xml stanza) {
        return sent.containsKey(stanza.id());
    }

    /** How many different messages of the ledger these clients have got. */
    int arrived(Client... recipients) {
        Set<String> ids = new LinkedHashSet<>();
        for (Client recipient : recipients) {
            recipient.inbox.messages().stream().filter(this::knows).forEach(message -> ids.add(message.id()));
        }
        return ids.size();
    }

    /** Every message that a server has taken, and no other of its kind, arrived at one of these clients, once, in order. */
    synchronized void check(Client... recipients) {
        List<String> wrong = problems(0, recipients);
        Check.that(wrong.isEmpty(), wrong.size() + " things wrong with " + sent.size() + " messages:\n  "
                + String.join("\n  ", wrong.subList(0, Math.min(wrong.size(), 30))));
    }

    /**
     * As {@link #check}, after the server was killed: so many messages may have come twice, under the same id and right
     * where they belong, because their release was under way.
     */
    synchronized void checkAfterKill(int repeatable, Client... recipients) {
        List<String> wrong = problems(repeatable, recipients);
        Check.that(wrong.isEmpty(), wrong.size() + " things wrong with " + sent.size() + " messages:\n  "
                + String.join("\n  ", wrong.subList(0, Math.min(wrong.size(), 30))));
    }

    private List<String> problems(int repeatable, Client... recipients) {
        List<String> wrong = new ArrayList<>();
        Map<String, Integer> times = new HashMap<>();
        int repeated = 0;
        for (Client recipient : recipients) {
            Map<String, Integer> last = new HashMap<>();
            for (Xml message : recipient.inbox.messages()) {
                Entry entry = sent.get(message.id());
                if (entry == null) {
                    continue;
                }
                boolean again = times.merge(message.id(), 1, Integer::sum) > 1;
                if (again && ++repeated > repeatable) {
                    wrong.add("doubled: " + entry.conversation + " #" + entry.number + " (" + message.id() + ")");
                }
                Integer before = last.put(entry.conversation, entry.number);
                if (before != null && before >= entry.number && !again) {
                    wrong.add("out of order: " + entry.conversation + " #" + entry.number + " after #" + before);
                }
                if (entry.refused) {
                    wrong.add("refused, and arrived: " + entry.conversation + " #" + entry.number);
                }
            }
        }
        sent.forEach((id, entry) -> {
            if (entry.taken && !entry.refused && !times.containsKey(id)) {
                wrong.add("lost: " + entry.conversation + " #" + entry.number + " (" + id + ")");
            }
        });
        return wrong;
    }
}
