/*
 * Where messages meet the host: an interceptor that looks at every packet on its way in, decides from the filter table
 * and two or three fields whether the host wants it, and only then serialises it. Runs on Openfire's router threads, so:
 * no network, no lock, and nothing may escape but the one exception that means "taken".
 *
 * Group chat goes on to RoomSpeech. What it leaves out: IQs and presence (IqGate, PresenceGate), which rejecting would make Openfire answer with an error.
 */
package org.cloudbridge.openfire;

import org.dom4j.Element;
import org.jivesoftware.openfire.interceptor.PacketInterceptor;
import org.jivesoftware.openfire.interceptor.PacketRejectedException;
import org.jivesoftware.openfire.session.ClientSession;
import org.jivesoftware.openfire.session.Session;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.xmpp.packet.JID;
import org.xmpp.packet.Message;
import org.xmpp.packet.Packet;

/** The message interceptor. */
final class MessageGate implements PacketInterceptor {
    private static final Logger LOG = LoggerFactory.getLogger(MessageGate.class);

    /** What the gate has to know about people; asked only for packets that may be held and decided. */
    interface People {
        /** A registered user of this server. May go to the database. */
        boolean isUser(String node);

        /** Has a session on this node, whatever its presence. */
        boolean isHere(String bareJid);

        /** Nobody of the user's is there to take a message, and Openfire would refuse this one instead of storing it. May go to the database. */
        boolean refuses(String node, Message message);
    }

    /** Thrown for every taken packet: one object, no stack, no message (a message would be sent to the client). */
    private static final class Taken extends PacketRejectedException {
        private static final long serialVersionUID = 1L;

        @Override
        public synchronized Throwable fillInStackTrace() {
            return this;
        }
    }

    private final Taken taken = new Taken();
    private final String domain;
    private final Offers offers;
    private final People people;
    private final RoomSpeech rooms;
    private final RareLog rareLog = new RareLog(LOG);
    private volatile FilterTable filter = FilterTable.NOTHING;

    MessageGate(String domain, Offers offers, People people, RoomSpeech rooms) {
        this.rooms = rooms;
        this.domain = domain;
        this.offers = offers;
        this.people = people;
    }

    void filter(FilterTable table) {
        filter = table;
    }

    @Override
    public void interceptPacket(Packet packet, Session session, boolean incoming, boolean processed) throws PacketRejectedException {
        if (!incoming || !(packet instanceof Message)) {
            return;
        }
        boolean take = false;
        try {
            if (processed) {
                rooms.processed();
            } else {
                take = offer((Message) packet, session);
            }
        } catch (HostException e) {
            // Fails open: what the host cannot judge goes its normal way.
            if (e.code() != HostException.CLOSED) {
                rareLog.warn("A message was let through, because the host failed (code " + e.code() + "): " + e.getMessage());
            }
            return;
        } catch (Throwable e) {
            // Openfire would log the whole packet with it.
            rareLog.warn("A message was let through, because the gate failed: " + e.getClass().getName());
            return;
        }
        if (take) {
            throw taken;
        }
    }

    private boolean offer(Message message, Session session) throws Exception {
        FilterTable table = filter;
        if (table == FilterTable.NOTHING || Thread.currentThread() instanceof PumpThread) {
            return false;
        }
        Element element = message.getElement();
        FilterTable.Row row = table.message(element.attributeValue("type"));
        if (row == null) {
            return false;
        }
        JID from = message.getFrom();
        boolean ours = mayBeHeld(from, session);
        if (!ours && !row.remote) {
            return false;
        }
        if (RoomSpeech.isGroupchat(message)) {
            return rooms.offer(message, ours, row);
        }
        // Only where something may be decided is it worth keeping the packet under a token.
        boolean hold = ours && row.mode == Frame.MODE_DECIDE;
        int flags = 0;
        if (Stanzas.isRerouted(element, domain)) {
            flags |= Frame.FLAG_REROUTED;
        }
        if (hold) {
            flags |= recipient(message.getTo(), from);
            if ((flags & Frame.FLAG_LOCAL_USER) != 0 && message.getTo() != null && people.refuses(message.getTo().getNode(), message)) {
                return false; // It must neither be stored nor handed over, and its sender is told at once.
            }
            return offers.hold(message, element, flags, null);
        }
        offers.show(element, flags);
        return false;
    }

    /** Sent by a client that is logged in here. An anonymous one is unknown to the platform, so it is never held. */
    private boolean mayBeHeld(JID from, Session session) {
        return from != null && from.getNode() != null && from.getResource() != null && domain.equals(from.getDomain())
            && session instanceof ClientSession && !((ClientSession) session).isAnonymousUser();
    }

    /** The recipient's flags. Rooms, services and remote domains are no users of ours; without a `to` it is the sender's own account. */
    private int recipient(JID to, JID from) {
        JID who = to == null ? from : to;
        if (who.getNode() == null || !domain.equals(who.getDomain())) {
            return 0;
        }
        int flags = people.isHere(who.toBareJID()) ? Frame.FLAG_RECIPIENT_HERE : 0;
        return people.isUser(who.getNode()) ? flags | Frame.FLAG_LOCAL_USER : flags;
    }
}
