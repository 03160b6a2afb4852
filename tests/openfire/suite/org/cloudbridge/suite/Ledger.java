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
    private final List<String> unordered = new ArrayList<>();

    /** This sender's messages may come in another order: they were sent while a plugin was being exchanged. */
    synchronized void unordered(String from) {
        unordered.add(from + " to ");
    }

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

    /** Sends a chat state, which must keep its place between the messages. */
    String sendState(Client from, String to, String state) throws Exception {
        String id = Client.newId();
        sent(from.fullJid(), to, id);
        from.send(id, to, "chat", "<" + state + " xmlns='http://jabber.org/protocol/chatstates'/>");
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

    /** The same for one sender. */
    synchronized void allTakenOf(String from) {
        sent.values().stream().filter(entry -> entry.conversation.startsWith(from + " to "))
                .forEach(entry -> entry.taken = true);
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
            received(recipient).forEach(message -> ids.add(message.id()));
        }
        return ids.size();
    }

    private List<Xml> received(Client recipient) {
        return recipient.inbox.matching(stanza ->
                stanza.isMessage() && !stanza.isError() && !stanza.isCarbon() && knows(stanza));
    }

    /** Waits until every message that a server has taken has arrived at one of these clients. */
    void awaitAll(Client... recipients) throws Exception {
        awaitAll(Await.SECONDS, recipients);
    }

    void awaitAll(int seconds, Client... recipients) throws Exception {
        long deadline = System.nanoTime() + seconds * 1_000_000_000L;
        // Losses end in the report of check(), which says more than a deadline.
        while (!missing(recipients).isEmpty() && System.nanoTime() < deadline) {
            Await.pause();
        }
    }

    /** Ids that were taken, not refused, and have arrived nowhere. */
    Set<String> missing(Client... recipients) {
        Set<String> ids = new LinkedHashSet<>();
        synchronized (this) {
            sent.forEach((id, entry) -> {
                if (entry.taken && !entry.refused) {
                    ids.add(id);
                }
            });
        }
        for (Client recipient : recipients) {
            received(recipient).forEach(message -> ids.remove(message.id()));
        }
        return ids;
    }

    /** Every message that a server has taken arrived at one of these clients, once, in order; no refused one did. */
    void check(Client... recipients) {
        check(0, 0, recipients);
    }

    /**
     * As {@link #check}, after a server was killed: so many messages may have come twice, under the same id, because
     * their release was under way; and so many may be missing that the dead server had given to the socket's queue.
     */
    void check(int repeatable, int inSocket, Client... recipients) {
        List<String> wrong = problems(repeatable, inSocket, recipients);
        Check.that(wrong.isEmpty(), wrong.size() + " things wrong with " + size() + " messages:\n  "
                + String.join("\n  ", wrong.subList(0, Math.min(wrong.size(), 30))));
    }

    private List<String> problems(int repeatable, int inSocket, Client... recipients) {
        List<String> wrong = new ArrayList<>();
        Map<String, Integer> times = new HashMap<>();
        int repeated = 0;
        for (Client recipient : recipients) {
            Map<String, Integer> last = new HashMap<>();
            for (Xml message : received(recipient)) {
                Entry entry = entry(message.id());
                String which = entry.conversation + " #" + entry.number + " (" + message.id() + ")";
                boolean again = times.merge(message.id(), 1, Integer::sum) > 1;
                if (again && ++repeated > repeatable) {
                    wrong.add("doubled: " + which);
                }
                Integer before = last.put(entry.conversation, entry.number);
                boolean ordered = unordered.stream().noneMatch(entry.conversation::startsWith);
                if (before != null && before >= entry.number && !again && ordered) {
                    wrong.add("out of order: " + which + " after #" + before);
                }
                if (entry.refused) {
                    wrong.add("refused, and arrived: " + which);
                }
            }
        }
        Set<String> lost = missing(recipients);
        if (lost.size() > inSocket) {
            lost.forEach(id -> wrong.add("lost: " + entry(id).conversation + " #" + entry(id).number + " (" + id + ")"));
        }
        return wrong;
    }

    private synchronized Entry entry(String id) {
        return sent.get(id);
    }
}
