/*
 * The packets that the host has taken and the shim keeps under their tokens, so that a released one is neither
 * serialised nor parsed again. How many there may be is the host's business: it is asked before each.
 *
 * A message to a person is let go by Delivery. Whatever else is held comes with the gate that knows how to let it go.
 */
package org.cloudbridge.openfire;

import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.xmpp.packet.Message;
import org.xmpp.packet.Packet;

/** token -> packet. Tokens are unique within one load of the plugin and never 0. */
final class Held {
    private static final Logger LOG = LoggerFactory.getLogger(Held.class);

    /** Lets packets go that are no messages to people. Called on pump threads; after OK the token is forgotten. */
    interface Keeper {
        /** Lets the packet go its normal way. */
        Delivery.Result release(Packet packet) throws Exception;

        /** Tells the sender no, or nobody anything where that is the rule for such packets. */
        Delivery.Result refuse(Packet packet, String type, String condition, String text) throws Exception;

        /** Answers with these bytes instead. */
        Delivery.Result replace(Packet packet, String xml, StanzaReader reader) throws Exception;
    }

    private static final class Entry {
        final Packet packet;
        final Keeper keeper;

        Entry(Packet packet, Keeper keeper) {
            this.packet = packet;
            this.keeper = keeper;
        }
    }

    private final ConcurrentHashMap<Long, Entry> packets = new ConcurrentHashMap<>();
    private final AtomicLong tokens = new AtomicLong();

    long nextToken() {
        return tokens.incrementAndGet();
    }

    /** Keeps a message. */
    void put(long token, Packet packet) {
        put(token, packet, null);
    }

    /** Keeps a packet that only its keeper can let go. */
    void put(long token, Packet packet, Keeper keeper) {
        packets.put(token, new Entry(packet, keeper));
    }

    /** The packet, or null if there is none (any more). */
    Packet get(long token) {
        Entry entry = packets.get(token);
        return entry == null ? null : entry.packet;
    }

    /** The keeper of that packet; null for messages and for tokens that are not known (any more). */
    Keeper keeper(long token) {
        Entry entry = packets.get(token);
        return entry == null ? null : entry.keeper;
    }

    void forget(long token) {
        packets.remove(token);
    }

    int size() {
        return packets.size();
    }

    /**
     * The end: what a keeper still has goes its normal way, so that nobody waits for an answer that cannot come any more.
     * Messages, those to rooms as well, are in the host's journal.
     */
    void letGo() {
        for (Long token : packets.keySet()) {
            Entry entry = packets.remove(token);
            if (entry != null && entry.keeper != null && !(entry.packet instanceof Message)) {
                try {
                    entry.keeper.release(entry.packet);
                } catch (Exception e) {
                    LOG.warn("A held packet could not be let go: {}", e.getClass().getName());
                }
            }
        }
    }
}
