/*
 * Where requests to rooms meet the host: an interceptor for the IQs that this server's clients send to a room service of
 * this server. Openfire has no handler for those that one could stand in for, so they are held as presence is: rejected
 * on their way in, the error by which Openfire answers that stopped on its way out, and routed again at the host's word.
 *
 * Every module whose rows say `"source": "room"` uses this one gate. What no row names is not touched, and what goes to
 * the own server, to people or to other services is not looked at.
 *
 * Passwords of rooms stop here: what the host reads is a copy without them.
 *
 * What it leaves out: who may do what in a room, which is the room's; joins and what is said (RoomWatch, MessageGate).
 */
package org.cloudbridge.openfire;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.ConcurrentHashMap;

import org.dom4j.Element;
import org.jivesoftware.openfire.PacketRouter;
import org.jivesoftware.openfire.interceptor.PacketInterceptor;
import org.jivesoftware.openfire.interceptor.PacketRejectedException;
import org.jivesoftware.openfire.session.ClientSession;
import org.jivesoftware.openfire.session.Session;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.xmpp.packet.IQ;
import org.xmpp.packet.JID;
import org.xmpp.packet.Packet;

/** The interceptor of IQs to rooms, and the keeper of what it holds. */
final class RoomGate implements PacketInterceptor, Held.Keeper {
    private static final Logger LOG = LoggerFactory.getLogger(RoomGate.class);

    /** Openfire's room services. */
    interface Services {
        /** Whether this is the domain of a room service of this server. A look into a map. */
        boolean isService(String domain);
    }

    /** What somebody wants to know of requests to rooms after they have been dealt with, held or not. */
    interface After {
        /** A request of the type `set` has been processed by the room, or has failed there. */
        void requested(JID room);
    }

    /** One object, no stack, no message (a message would be sent to the client). */
    private static final class Rejected extends PacketRejectedException {
        private static final long serialVersionUID = 1L;

        @Override
        public synchronized Throwable fillInStackTrace() {
            return this;
        }
    }

    private final Rejected rejected = new Rejected();
    private final String domain;
    private final Offers offers;
    private final PacketRouter router;
    private final Delivery.Sessions sessions;
    private final Services services;
    private final After after;
    private final RareLog rareLog = new RareLog(LOG);
    /** What has just been rejected on a thread. No thread-local, which would outlive the plugin on Openfire's threads. */
    private final ConcurrentHashMap<Thread, IQ> unanswered = new ConcurrentHashMap<>();
    private volatile FilterTable filter = FilterTable.NOTHING;

    RoomGate(String domain, Offers offers, PacketRouter router, Delivery.Sessions sessions, Services services, After after) {
        this.domain = domain;
        this.offers = offers;
        this.router = router;
        this.sessions = sessions;
        this.services = services;
        this.after = after;
    }

    void filter(FilterTable table) {
        filter = table;
    }

    @Override
    public void interceptPacket(Packet packet, Session session, boolean incoming, boolean processed) throws PacketRejectedException {
        if (!(packet instanceof IQ)) {
            return;
        }
        boolean stop = false;
        try {
            IQ iq = (IQ) packet;
            if (processed) {
                if (incoming && filter != FilterTable.NOTHING && iq.getType() == IQ.Type.set && isToRoom(iq)) {
                    after.requested(iq.getTo().asBareJID());
                }
            } else if (incoming) {
                stop = takes(iq, session);
            } else {
                stop = isOwnError(iq);
            }
        } catch (HostException e) {
            if (e.code() != HostException.CLOSED) {
                rareLog.warn("A request to a room was let through, because the host failed (code " + e.code() + "): " + e.getMessage());
            }
        } catch (Throwable e) {
            rareLog.warn("A request to a room was let through, because the gate failed: " + e.getClass().getName());
        }
        if (stop) {
            throw rejected;
        }
    }

    private boolean takes(IQ iq, Session session) throws HostException {
        if (!unanswered.isEmpty()) {
            unanswered.remove(Thread.currentThread());
        }
        FilterTable table = filter;
        if (!table.rooms || PumpThread.current() != null || !isRequest(iq) || !isToRoom(iq)) {
            return false;
        }
        Element child = iq.getChildElement();
        FilterTable.Row row = child == null ? null : table.wanted(FilterTable.ROOM, iq.getType().name(), child.getNamespaceURI());
        JID from = iq.getFrom();
        boolean ours = from != null && from.getNode() != null && from.getResource() != null && domain.equals(from.getDomain())
            && session instanceof ClientSession && !((ClientSession) session).isAnonymousUser();
        if (row == null || !ours && !row.remote) {
            return false;
        }
        Element stanza = withoutSecrets(iq.getElement());
        if (!ours || row.mode != Frame.MODE_DECIDE) {
            offers.show(stanza, Frame.FLAG_ROOM);
            return false;
        }
        boolean taken = offers.hold(iq, stanza, Frame.FLAG_ROOM, this);
        if (taken) {
            unanswered.put(Thread.currentThread(), iq);
        }
        return taken;
    }

    /** The room answers. Without a session there is nobody to answer, and nobody who is in the room. */
    @Override
    public Delivery.Result release(Packet packet) {
        IQ iq = (IQ) packet;
        if (sessions.get(iq.getFrom()) == null) {
            return new Delivery.Result(Frame.OUTCOME_OK, "no session");
        }
        router.route(iq);
        if (iq.getType() == IQ.Type.set && iq.getTo() != null) {
            after.requested(iq.getTo().asBareJID());
        }
        return Delivery.Result.OK;
    }

    @Override
    public Delivery.Result refuse(Packet packet, String type, String condition, String text) {
        IQ iq = (IQ) packet;
        return IqStandIn.answer(sessions, iq, Stanzas.error(iq, type, condition, text), "");
    }

    @Override
    public Delivery.Result replace(Packet packet, String xml, StanzaReader reader) throws Exception {
        IQ iq = (IQ) packet;
        return IqStandIn.answer(sessions, iq, IqStandIn.replacement(iq, xml, reader), "");
    }

    /** The error by which Openfire answers what was rejected a moment ago on this thread. */
    private boolean isOwnError(IQ iq) {
        if (unanswered.isEmpty()) {
            return false;
        }
        IQ held = unanswered.get(Thread.currentThread());
        if (held == null || iq.getType() != IQ.Type.error || held.getFrom() == null || !held.getFrom().equals(iq.getTo())
            || held.getID() == null || !held.getID().equals(iq.getID())) {
            return false;
        }
        unanswered.remove(Thread.currentThread());
        return true;
    }

    private boolean isToRoom(IQ iq) {
        JID to = iq.getTo();
        return to != null && to.getNode() != null && !domain.equals(to.getDomain()) && services.isService(to.getDomain());
    }

    private static boolean isRequest(IQ iq) {
        return iq.getType() == IQ.Type.get || iq.getType() == IQ.Type.set;
    }

    /** The stanza itself, or a copy without the passwords that a form or the news of a room's end carries. */
    static Element withoutSecrets(Element stanza) {
        if (secrets(stanza).isEmpty()) {
            return stanza;
        }
        Element copy = stanza.createCopy();
        for (Element secret : secrets(copy)) {
            secret.detach();
        }
        return copy;
    }

    /** Elements `password`, and fields of forms that are named or typed as secrets (XEP-0045 10.1.3: muc#roomconfig_roomsecret). */
    private static List<Element> secrets(Element within) {
        List<Element> found = new ArrayList<>();
        for (Iterator<?> all = within.elementIterator(); all.hasNext();) {
            Element element = (Element) all.next();
            String var = element.attributeValue("var", "");
            boolean field = "field".equals(element.getName())
                && ("text-private".equals(element.attributeValue("type")) || var.endsWith("secret") || var.contains("password"));
            if ("password".equals(element.getName()) || field) {
                found.add(element);
            } else {
                found.addAll(secrets(element));
            }
        }
        return found;
    }
}
