/*
 * Letting messages go: routing a held or rebuilt one, handing a stored one to exactly one session, telling a sender no,
 * and the sent carbons that Openfire would have made. Runs on pump threads only.
 *
 * The rule behind it: nothing of ours may end in Openfire's offline store unless native handling was asked for (force).
 * So it looks before it routes (RFC 6121 8.5.2 and 8.5.3), and OfflineWatch looks while it routes.
 *
 * What it leaves out: deciding. Outcomes go back to the host as they are.
 */
package org.cloudbridge.openfire;

import java.util.Collection;

import org.dom4j.Attribute;
import org.dom4j.Element;
import org.jivesoftware.openfire.PacketRouter;
import org.jivesoftware.openfire.session.ClientSession;
import org.xmpp.packet.JID;
import org.xmpp.packet.Message;
import org.xmpp.packet.Presence;

/** Everything that an effect does to a message. */
final class Delivery {
    /** What became of an effect: one of Frame.OUTCOME_* and a word of detail. */
    static final class Result {
        static final Result OK = new Result(Frame.OUTCOME_OK, "");
        static final Result GONE = new Result(Frame.OUTCOME_GONE, "");
        static final Result CONNECTING = new Result(Frame.OUTCOME_CONNECTING, "");
        static final Result FELLBACK = new Result(Frame.OUTCOME_FELLBACK, "");
        static final Result LOST = new Result(Frame.OUTCOME_LOST, "");

        final int outcome;
        final String detail;

        Result(int outcome, String detail) {
            this.outcome = outcome;
            this.detail = detail;
        }
    }

    /** The sessions of this server's users, as Openfire's SessionManager gives them. */
    interface Sessions {
        /** The session with this full JID, available or not; null if there is none. */
        ClientSession get(JID fullJid);

        /** The available sessions of a user; may contain nulls (one that has just left). */
        Collection<ClientSession> available(String node);
    }

    private enum Reach { DIRECT, AS_BARE, CONNECTING, GONE }

    private static final int CLOSING_SENDER_TRIES = 50;
    private static final int CLOSING_SENDER_PAUSE_MILLIS = 20;

    private final String domain;
    private final PacketRouter router;
    private final Sessions sessions;
    private final SessionWatch watch;
    private final OfflineWatch offline;

    Delivery(String domain, PacketRouter router, Sessions sessions, SessionWatch watch, OfflineWatch offline) {
        this.domain = domain;
        this.router = router;
        this.sessions = sessions;
        this.watch = watch;
        this.offline = offline;
    }

    /** Routes the message. Unless forced, only if somebody can take it now. */
    Result route(PumpThread thread, Message message, boolean force) throws InterruptedException {
        JID to = message.getTo();
        JID from = message.getFrom();
        Reach reach = force ? Reach.DIRECT : reach(message);
        if (reach == Reach.GONE) {
            return Result.GONE;
        }
        if (reach == Reach.CONNECTING) {
            return Result.CONNECTING;
        }
        // Openfire makes the sent carbons only while the sending session lives; and route() strips the private mark.
        boolean ownCarbons = isOrphan(from) && Stanzas.isCarbonWorthy(message.getElement());
        if (reach == Reach.AS_BARE) {
            // RFC 6121 8.5.3.2.1. Openfire does so by itself, but only for chat, and only with a priority of 1 or more.
            message.setTo(to.asBareJID());
        }
        int fate;
        try {
            fate = routeOnce(thread, message, force);
        } catch (RuntimeException e) {
            message.setTo(to);
            throw e;
        }
        switch (fate) {
            case PumpThread.REMOVED:
                message.setTo(to);
                return Result.FELLBACK;
            case PumpThread.STORED:
                return new Result(Frame.OUTCOME_OK, "offline");
            case PumpThread.BOUNCED:
                return new Result(Frame.OUTCOME_OK, "bounced");
            default:
                if (!force) {
                    offline.remember(message);
                }
                if (ownCarbons) {
                    carbons(message);
                }
                return Result.OK;
        }
    }

    /** Gives the message to this session and to nobody else. */
    Result handOver(PumpThread thread, String fullJid, Message message) {
        ClientSession session = sessions.get(new JID(fullJid));
        // What a client asked an archive for comes whether it has sent presence or not.
        boolean able = session != null && !isClosed(session)
            && (isAvailable(session) || message.getChildElement("result", NoHandler.ARCHIVE) != null);
        if (!able) {
            return Result.GONE;
        }
        long before = session.getNumServerPackets();
        int fate;
        thread.launch(message, false);
        try {
            session.process(message);
        } finally {
            fate = thread.landed();
        }
        if (fate == PumpThread.REMOVED || fate == PumpThread.BOUNCED) {
            return Result.GONE;
        }
        if (fate == PumpThread.UNSEEN && isClosed(session) && session.getNumServerPackets() == before) {
            // It closed under our hands, and what is not storable in Openfire's eyes was dropped without a word.
            return Result.GONE;
        }
        offline.remember(message);
        return Result.OK;
    }

    /** The copies of a message for the sender's other resources (XEP-0280), as Openfire makes them when it routes. */
    void carbons(Message message) {
        JID from = message.getFrom();
        Element element = message.getElement();
        if (from == null || from.getNode() == null || !domain.equals(from.getDomain()) || !Stanzas.isCarbonWorthy(element)) {
            return;
        }
        for (ClientSession session : sessions.available(from.getNode())) {
            if (session != null && !from.equals(session.getAddress()) && isAvailable(session) && session.isMessageCarbonsEnabled()) {
                session.process(Stanzas.sentCarbon(element, from, session.getAddress()));
            }
        }
    }

    /** Tells the sender that its message was refused. */
    Result refuse(Message original, String type, String condition, String text) {
        ClientSession session = sessions.get(original.getFrom());
        if (session == null) {
            return new Result(Frame.OUTCOME_OK, "no session");
        }
        session.process(Stanzas.error(original, type, condition, text));
        return Result.OK;
    }

    private Reach reach(Message message) {
        JID to = message.getTo();
        boolean self = to == null;
        if (self) {
            to = message.getFrom();
        }
        if (to == null || to.getNode() == null || !domain.equals(to.getDomain())) {
            return Reach.DIRECT; // Servers, services and other domains answer for themselves.
        }
        boolean full = !self && to.getResource() != null;
        if (full) {
            ClientSession session = sessions.get(to);
            if (session != null && isAvailable(session)) {
                return Reach.DIRECT;
            }
            if (!Stanzas.isForAnybody(message.getElement())) {
                // Openfire drops it, and so does RFC 6121 8.5.3.2.
                return session != null && watch.isConnecting(to.toBareJID()) ? Reach.CONNECTING : Reach.GONE;
            }
        }
        for (ClientSession session : sessions.available(to.getNode())) {
            // Not initialised: in the middle of its login, when the bare JID still means the offline store.
            if (session != null && isAvailable(session) && session.getPresence().getPriority() >= 0 && session.isInitialized()) {
                return full ? Reach.AS_BARE : Reach.DIRECT;
            }
        }
        return watch.isConnecting(to.toBareJID()) ? Reach.CONNECTING : Reach.GONE;
    }

    /**
     * Routes and says what the offline store did. While the sender's session is closing (marked closed, but still to be
     * found) the router answers not-authorized and drops the message: then it is put right and routed again once the
     * session is gone, which is as good as a sender who left before.
     */
    private int routeOnce(PumpThread thread, Message message, boolean force) throws InterruptedException {
        Element element = message.getElement();
        JID to = message.getTo();
        JID from = message.getFrom();
        String type = element.attributeValue("type");
        for (int tries = 1; ; tries++) {
            int fate;
            thread.launch(message, force);
            try {
                router.route(message);
            } finally {
                fate = thread.landed();
            }
            Element error = element.element("error");
            boolean turnedAway = from != null && message.getFrom() == null && error != null && error.element("not-authorized") != null;
            if (!turnedAway || tries == CLOSING_SENDER_TRIES) {
                return fate;
            }
            element.remove(error);
            Attribute typeAttribute = element.attribute("type");
            if (type != null) {
                element.addAttribute("type", type);
            } else if (typeAttribute != null) {
                element.remove(typeAttribute);
            }
            message.setFrom(from);
            message.setTo(to);
            Thread.sleep(CLOSING_SENDER_PAUSE_MILLIS);
        }
    }

    private boolean isOrphan(JID from) {
        return from != null && from.getNode() != null && domain.equals(from.getDomain()) && sessions.get(from) == null;
    }

    private static boolean isAvailable(ClientSession session) {
        Presence presence = session.getPresence();
        return presence != null && presence.isAvailable();
    }

    private static boolean isClosed(ClientSession session) {
        try {
            return session.isClosed();
        } catch (NullPointerException e) {
            return false; // 4.2: a detached XEP-0198 session has no connection to ask; it keeps stanzas for the resume.
        }
    }
}
