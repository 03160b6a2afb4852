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
 * Nobody is asked about what the sender may not do here: a change of affiliations is held only if the sender is one of the
 * room's owners or administrators, what only owners may only if an owner in the room sent it. The room says no to the others.
 * Whatever became of what was held, the room's lists are told again afterwards (After): what others were asked about, and the
 * room did otherwise or not at all, is put right by that.
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

    private static final String ADMIN = "http://jabber.org/protocol/muc#admin";
    private static final String OWNER = "http://jabber.org/protocol/muc#owner";

    /** Openfire's room services. */
    interface Services {
        /** Whether this is the domain of a room service of this server. A look into a map. */
        boolean isService(String domain);
    }

    /** What somebody wants to know of requests to rooms after they have been dealt with, held or not. */
    interface After {
        /** Somebody was asked about a request and may think now that it has been done, or has not. It is done now, or will not be. */
        void asked(JID room);

        /** A request of the type `set` has been processed by the room, has failed there, or never came there. */
        void requested(JID room);
    }

    /** What the sender of a request is in the room. */
    interface Standing {
        /** The name of an affiliation; empty when there is no such room. */
        String affiliation(JID room, JID user) throws Exception;

        /** Whether this session is in the room. */
        boolean isIn(JID room, JID session);
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
    private final Standing standing;
    private final After after;
    private final RareLog rareLog = new RareLog(LOG);
    /** What has just been rejected on a thread. No thread-local, which would outlive the plugin on Openfire's threads. */
    private final ConcurrentHashMap<Thread, IQ> unanswered = new ConcurrentHashMap<>();
    private volatile FilterTable filter = FilterTable.NOTHING;

    RoomGate(String domain, Offers offers, PacketRouter router, Delivery.Sessions sessions, Services services, Standing standing,
             After after) {
        this.domain = domain;
        this.offers = offers;
        this.router = router;
        this.sessions = sessions;
        this.services = services;
        this.standing = standing;
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

    private boolean takes(IQ iq, Session session) throws Exception {
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
        boolean decided = ours && row.mode == Frame.MODE_DECIDE;
        if (decided && iq.getType() == IQ.Type.set && !mayDoIt(iq, child.getNamespaceURI())) {
            return false;
        }
        Element stanza = withoutSecrets(iq.getElement());
        if (!decided) {
            offers.show(stanza, Frame.FLAG_ROOM);
            return false;
        }
        boolean taken = offers.hold(iq, stanza, Frame.FLAG_ROOM, this);
        if (taken) {
            unanswered.put(Thread.currentThread(), iq);
        }
        return taken;
    }

    /** Whether the room would not say no for what the sender is in it. */
    private boolean mayDoIt(IQ iq, String namespace) throws Exception {
        JID room = iq.getTo().asBareJID();
        if (ADMIN.equals(namespace)) {
            String affiliation = standing.affiliation(room, iq.getFrom());
            return "owner".equals(affiliation) || "admin".equals(affiliation);
        }
        return !OWNER.equals(namespace) || standing.isIn(room, iq.getFrom()) && "owner".equals(standing.affiliation(room, iq.getFrom()));
    }

    /** The room answers. Without a session there is nobody to answer, and nobody who is in the room. */
    @Override
    public Delivery.Result release(Packet packet) {
        IQ iq = (IQ) packet;
        boolean gone = sessions.get(iq.getFrom()) == null;
        begins(iq);
        if (!gone) {
            router.route(iq);
        }
        ends(iq);
        return gone ? new Delivery.Result(Frame.OUTCOME_OK, "no session") : Delivery.Result.OK;
    }

    @Override
    public Delivery.Result refuse(Packet packet, String type, String condition, String text) {
        IQ iq = (IQ) packet;
        Delivery.Result result = IqStandIn.answer(sessions, iq, Stanzas.error(iq, type, condition, text), "");
        begins(iq);
        ends(iq);
        return result;
    }

    @Override
    public Delivery.Result replace(Packet packet, String xml, StanzaReader reader) throws Exception {
        IQ iq = (IQ) packet;
        Delivery.Result result = IqStandIn.answer(sessions, iq, IqStandIn.replacement(iq, xml, reader), "");
        begins(iq);
        ends(iq);
        return result;
    }

    private void begins(IQ iq) {
        if (iq.getType() == IQ.Type.set) {
            after.asked(iq.getTo().asBareJID());
        }
    }

    private void ends(IQ iq) {
        if (iq.getType() == IQ.Type.set) {
            after.requested(iq.getTo().asBareJID());
        }
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
