/*
 * Where presence meets the host: an interceptor like MessageGate, for what users say about themselves. Held is only a
 * change of a session that is available already and speaks to everybody (no `to`, no `type`): the first presence makes a
 * session reachable and brings its offline messages, `unavailable` must never wait, and a handshake is a handshake.
 *
 * Two dangers, both seen on live servers. Released after its session has ended, a presence leaves a ghost that is online
 * for ever; released after a later `unavailable`, it revives. So what is held is numbered per session: at its release it
 * must still be the newest, and if something newer came while it was being routed, that is routed once more behind it:
 * at once if Openfire is done with it, else by its own thread when it is (two at the same moment, and Openfire's own
 * bookkeeping of who left when fails).
 *
 * Openfire answers a rejected presence with an error. That error passes this interceptor on its way out, on the same
 * thread and before the rejecting call returns, and is stopped there.
 *
 * What it leaves out: who sees which presence, which is Openfire's.
 */
package org.cloudbridge.openfire;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

import org.dom4j.Element;
import org.jivesoftware.openfire.PacketRouter;
import org.jivesoftware.openfire.interceptor.PacketInterceptor;
import org.jivesoftware.openfire.interceptor.PacketRejectedException;
import org.jivesoftware.openfire.session.ClientSession;
import org.jivesoftware.openfire.session.Session;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.xmpp.packet.JID;
import org.xmpp.packet.Packet;
import org.xmpp.packet.Presence;

/** The presence interceptor, and the keeper of what it holds. */
final class PresenceGate implements PacketInterceptor, Held.Keeper {
    private static final Logger LOG = LoggerFactory.getLogger(PresenceGate.class);
    private static final String PRESENCE = "presence";
    private static final String AVAILABLE = "available";
    private static final String UNAVAILABLE = "unavailable";

    /** One object, no stack, no message (a message would be sent to the client). */
    private static final class Rejected extends PacketRejectedException {
        private static final long serialVersionUID = 1L;

        @Override
        public synchronized Throwable fillInStackTrace() {
            return this;
        }
    }

    /** A session that has something held; all others are not remembered. */
    private static final class Line {
        /** How many of its presences are held. */
        int held;
        /** The last that it said to everybody. */
        Packet newest;
        /** That has been let through by itself, so that nothing of ours comes after it. */
        boolean newestPassed;
        /** Openfire is done with it. */
        boolean newestDone;
        /** It is to be routed once more then. */
        boolean again;

        /** Itself, as long as there is something to remember. */
        Line orNone() {
            return held == 0 && !again ? null : this;
        }
    }

    private final Rejected rejected = new Rejected();
    private final String domain;
    private final Offers offers;
    private final PacketRouter router;
    private final Delivery.Sessions sessions;
    private final RareLog rareLog = new RareLog(LOG);
    private final ConcurrentHashMap<JID, Line> lines = new ConcurrentHashMap<>();
    /** What has just been rejected on a thread. No thread-local, which would outlive the plugin on Openfire's threads. */
    private final ConcurrentHashMap<Thread, Presence> unanswered = new ConcurrentHashMap<>();
    /** Threads that route something once more, which nobody need look at. */
    private final Set<Thread> repeating = ConcurrentHashMap.newKeySet();
    private volatile FilterTable filter = FilterTable.NOTHING;

    PresenceGate(String domain, Offers offers, PacketRouter router, Delivery.Sessions sessions) {
        this.domain = domain;
        this.offers = offers;
        this.router = router;
        this.sessions = sessions;
    }

    void filter(FilterTable table) {
        filter = table;
    }

    @Override
    public void interceptPacket(Packet packet, Session session, boolean incoming, boolean processed) throws PacketRejectedException {
        if (!(packet instanceof Presence)) {
            return;
        }
        if (processed) {
            if (incoming && !lines.isEmpty()) {
                done((Presence) packet);
            }
            return;
        }
        boolean stop = false;
        try {
            if (incoming) {
                stop = takes((Presence) packet, session);
            } else {
                stop = isOwnError((Presence) packet);
            }
        } catch (HostException e) {
            if (e.code() != HostException.CLOSED) {
                rareLog.warn("A presence was let through, because the host failed (code " + e.code() + "): " + e.getMessage());
            }
        } catch (Throwable e) {
            rareLog.warn("A presence was let through, because the gate failed: " + e.getClass().getName());
        }
        if (stop) {
            throw rejected;
        }
    }

    private boolean takes(Presence presence, Session session) throws HostException {
        if (!unanswered.isEmpty()) {
            unanswered.remove(Thread.currentThread());
        }
        FilterTable table = filter;
        if (PumpThread.current() != null || repeating.contains(Thread.currentThread()) || table == FilterTable.NOTHING && lines.isEmpty()) {
            return false;
        }
        Element element = presence.getElement();
        String type = element.attributeValue("type");
        JID from = presence.getFrom();
        boolean toAll = presence.getTo() == null && (type == null || UNAVAILABLE.equals(type)) && isUser(from);
        FilterTable.Row row = table.wanted(PRESENCE, type == null ? AVAILABLE : type, "");
        boolean ours = isUser(from) && session instanceof ClientSession && !((ClientSession) session).isAnonymousUser();
        boolean hold = row != null && row.mode == Frame.MODE_DECIDE && ours && toAll && type == null && isAvailable((ClientSession) session);
        if (toAll) {
            said(presence, from, hold);
        }
        boolean taken = false;
        try {
            if (hold) {
                taken = offers.hold(presence, element, 0, this);
            } else if (row != null && (ours || row.remote)) {
                offers.show(element, 0);
            }
        } finally {
            if (hold && !taken) {
                passed(presence, from);
            }
        }
        if (taken) {
            unanswered.put(Thread.currentThread(), presence);
        }
        return taken;
    }

    /** Notes what a session says to everybody, if that matters: it is about to be held, or something before it is. */
    private void said(final Presence presence, JID from, final boolean hold) {
        if (!hold && !lines.containsKey(from)) {
            return;
        }
        lines.compute(from, (jid, known) -> {
            if (known == null && !hold) {
                return null;
            }
            Line line = known == null ? new Line() : known;
            line.held += hold ? 1 : 0;
            line.newest = presence;
            line.newestPassed = !hold;
            line.newestDone = false;
            return line;
        });
    }

    /** It is not held after all. */
    private void passed(final Presence presence, JID from) {
        lines.computeIfPresent(from, (jid, line) -> {
            line.held--;
            if (line.newest == presence) {
                line.newestPassed = true;
            }
            return line.orNone();
        });
    }

    /** Openfire is done with what a session said to everybody. */
    private void done(Presence presence) {
        try {
            final Presence[] again = new Presence[1];
            lines.computeIfPresent(presence.getFrom(), (jid, line) -> {
                if (line.newest != presence) {
                    return line;
                }
                line.newestDone = true;
                if (line.again) {
                    line.again = false;
                    again[0] = presence.createCopy();
                }
                return line.orNone();
            });
            if (again[0] != null) {
                repeating.add(Thread.currentThread());
                try {
                    router.route(again[0]);
                } finally {
                    repeating.remove(Thread.currentThread());
                }
            }
        } catch (Throwable e) {
            rareLog.warn("A presence was not repeated: " + e.getClass().getName());
        }
    }

    @Override
    public Delivery.Result release(Packet packet) {
        final JID from = packet.getFrom();
        Line line = lines.get(from);
        ClientSession session = sessions.get(from);
        if (line == null || line.newest != packet || session == null || !isAvailable(session)) {
            settled(from);
            return Delivery.Result.GONE;
        }
        Packet copy = packet.createCopy(); // Routing writes addresses into it.
        try {
            router.route((Presence) copy);
        } finally {
            Presence after = newerThan(packet, from);
            settled(from);
            if (after != null) {
                router.route(after);
            }
        }
        return Delivery.Result.OK;
    }

    /** What has to follow, since it went by while the released one was on its way; usually nothing. */
    private Presence newerThan(Packet released, JID from) {
        if (sessions.get(from) == null) {
            Presence unavailable = new Presence(Presence.Type.unavailable);
            unavailable.setFrom(from);
            return unavailable;
        }
        final Presence[] newer = new Presence[1];
        lines.computeIfPresent(from, (jid, line) -> {
            if (line.newest != released && line.newestPassed) {
                if (line.newestDone) {
                    newer[0] = (Presence) line.newest.createCopy();
                } else {
                    line.again = true;
                }
            }
            return line;
        });
        return newer[0];
    }

    private void settled(JID from) {
        lines.computeIfPresent(from, (jid, line) -> {
            line.held--;
            return line.orNone();
        });
    }

    /** Nobody is told: a presence is no question. */
    @Override
    public Delivery.Result refuse(Packet packet, String type, String condition, String text) {
        settled(packet.getFrom());
        return Delivery.Result.OK;
    }

    /** The platform's form of it, under the same conditions. */
    @Override
    public Delivery.Result replace(Packet packet, String xml, StanzaReader reader) throws Exception {
        Presence other = reader.presence(xml);
        Element element = packet.getElement();
        // In place, so that it keeps its number; addresses and id are the client's.
        element.setContent(other.getElement().content());
        return release(packet);
    }

    /** The error by which Openfire answers what was rejected a moment ago on this thread. */
    private boolean isOwnError(Presence presence) {
        if (unanswered.isEmpty()) {
            return false;
        }
        Presence held = unanswered.get(Thread.currentThread());
        if (held == null || presence.getElement().element("error") == null || held.getFrom() == null
            || !held.getFrom().equals(presence.getTo())) {
            return false;
        }
        String id = held.getID();
        if (id == null ? presence.getID() != null : !id.equals(presence.getID())) {
            return false;
        }
        unanswered.remove(Thread.currentThread());
        return true;
    }

    private boolean isUser(JID from) {
        return from != null && from.getNode() != null && from.getResource() != null && domain.equals(from.getDomain());
    }

    private static boolean isAvailable(ClientSession session) {
        Presence presence = session.getPresence();
        return presence != null && presence.isAvailable();
    }

    /** How many sessions have something held; for tests. */
    int lines() {
        return lines.size();
    }
}
