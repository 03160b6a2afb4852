package org.cloudbridge.suite;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;

/** Everything one client received, in order; waits for events with a deadline. Nothing is ever taken out. */
final class Inbox {

    private final String owner;
    private final List<Xml> stanzas = new ArrayList<>();

    Inbox(String owner) {
        this.owner = owner;
    }

    synchronized void add(Xml stanza) {
        stanzas.add(stanza);
        notifyAll();
    }

    synchronized List<Xml> all() {
        return new ArrayList<>(stanzas);
    }

    List<Xml> matching(Predicate<Xml> wanted) {
        List<Xml> found = all();
        found.removeIf(wanted.negate());
        return found;
    }

    /** Messages with a body that were sent to this client itself: no carbons, no errors. */
    List<Xml> messages() {
        return matching(Inbox::isChat);
    }

    static boolean isChat(Xml stanza) {
        return stanza.isMessage() && !stanza.isError() && !stanza.isCarbon() && stanza.body() != null;
    }

    Xml await(String what, Predicate<Xml> wanted) throws InterruptedException {
        return await(what, 1, Await.SECONDS, wanted).get(0);
    }

    Xml awaitBody(String body) throws InterruptedException {
        return await("\"" + body + "\"", stanza -> isChat(stanza) && body.equals(stanza.body()));
    }

    Xml awaitId(String id) throws InterruptedException {
        return await("message " + id, stanza -> stanza.isMessage() && !stanza.isCarbon() && id.equals(stanza.id()));
    }

    private String lastMessages() {
        List<Xml> messages = matching(Xml::isMessage);
        String text = messages.subList(Math.max(0, messages.size() - 3), messages.size()).toString();
        return text.substring(0, Math.min(text.length(), 2000));
    }

    /** Waits until at least so many have come and gives all that have. */
    List<Xml> await(String what, int count, int seconds, Predicate<Xml> wanted) throws InterruptedException {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
        int seen = 0;
        List<Xml> found = new ArrayList<>();
        synchronized (this) {
            while (true) {
                for (; seen < stanzas.size(); seen++) {
                    if (wanted.test(stanzas.get(seen))) {
                        found.add(stanzas.get(seen));
                    }
                }
                if (found.size() >= count) {
                    return found;
                }
                long left = TimeUnit.NANOSECONDS.toMillis(deadline - System.nanoTime());
                if (left <= 0) {
                    throw new AssertionError(owner + " waited " + seconds + " s for " + count + " of " + what
                            + ", got " + found.size() + "; the last messages that came: " + lastMessages());
                }
                wait(left);
            }
        }
    }
}
