/*
 * How a packet is offered to the host, which is the same for every gate: serialised once into a borrowed buffer, kept
 * under a token first where it may be held, and forgotten again unless it is taken.
 *
 * What it leaves out: which packets are offered with which flags (the gates), and what is done when it fails (likewise:
 * every gate lets the packet go its normal way).
 */
package org.cloudbridge.openfire;

import org.dom4j.Element;
import org.xmpp.packet.Packet;

/** The one door to HostCalls.offer. */
final class Offers {
    private final HostCalls host;
    private final Held held;
    private final StanzaWriter.Pool writers;

    Offers(HostCalls host, Held held, StanzaWriter.Pool writers) {
        this.host = host;
        this.held = held;
        this.writers = writers;
    }

    /** Offers without holding; whatever the host says, the packet stays where it is. */
    void show(Element stanza, int flags) throws HostException {
        StanzaWriter writer = writers.borrow();
        writer.write(stanza);
        host.offer(0, flags, writer.buffer(), writer.length());
        writers.giveBack(writer);
    }

    /**
     * Offers with HOLD; true = taken, and the packet is kept under its token until an effect names it.
     *
     * @param stanza what the host reads; the packet's own tree, or a copy that says more
     * @param keeper lets the packet go later; null for messages
     */
    boolean hold(Packet packet, Element stanza, int flags, Held.Keeper keeper) throws HostException {
        StanzaWriter writer = writers.borrow();
        writer.write(stanza);
        long token = held.nextToken();
        // Before the offer: its release may be under way before the offer returns.
        held.put(token, packet, keeper);
        boolean taken = false;
        try {
            taken = host.offer(token, flags | Frame.FLAG_HOLD, writer.buffer(), writer.length()) == Frame.TAKEN;
        } finally {
            if (!taken) {
                held.forget(token);
            }
        }
        writers.giveBack(writer);
        return taken;
    }
}
