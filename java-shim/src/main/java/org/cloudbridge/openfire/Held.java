/*
 * The packets that the host has taken and the shim keeps under their tokens, so that a released one is neither
 * serialised nor parsed again. How many there may be is the host's business: it is asked before each.
 */
package org.cloudbridge.openfire;

import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;

import org.xmpp.packet.Packet;

/** token -> packet. Tokens are unique within one load of the plugin and never 0. */
final class Held {
    private final ConcurrentHashMap<Long, Packet> packets = new ConcurrentHashMap<>();
    private final AtomicLong tokens = new AtomicLong();

    long nextToken() {
        return tokens.incrementAndGet();
    }

    void put(long token, Packet packet) {
        packets.put(token, packet);
    }

    Packet get(long token) {
        return packets.get(token);
    }

    void forget(long token) {
        packets.remove(token);
    }

    int size() {
        return packets.size();
    }

    void clear() {
        packets.clear();
    }
}
