/*
 * Who is logged in on this node: kept as a small map for the gate and the pump, and told to the host as SESSION notices.
 *
 * availableSession runs on the client's thread in the middle of its login, and on Openfire 4.2 and 4.3 an exception from
 * it leaves the session uninitialised for good; so every callback is microseconds and lets nothing out.
 *
 * What it leaves out: anonymous sessions (the platform does not know them), sessions of other cluster nodes (each node
 * tells its own), and judging who is online, which is the platform's.
 */
package org.cloudbridge.openfire;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;

import org.jivesoftware.openfire.SessionManager;
import org.jivesoftware.openfire.event.SessionEventListener;
import org.jivesoftware.openfire.session.ClientSession;
import org.jivesoftware.openfire.session.LocalClientSession;
import org.jivesoftware.openfire.session.Session;
import org.jivesoftware.openfire.user.PresenceEventListener;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.xmpp.packet.JID;
import org.xmpp.packet.Presence;

/** Session and presence events to notices. Both interfaces are the same in all versions. */
final class SessionWatch implements SessionEventListener, PresenceEventListener {
    private static final Logger LOG = LoggerFactory.getLogger(SessionWatch.class);
    /** How long after its login a session may be expected to send its first presence. */
    private static final long CONNECTING_NANOS = 2_000_000_000L;

    private final HostCalls host;
    private final RareLog rareLog = new RareLog(LOG);
    private final AtomicLong seq = new AtomicLong();
    /** bare JID -> full JID -> when it last came up (bound or became available), System.nanoTime. */
    private final ConcurrentHashMap<String, ConcurrentHashMap<String, Long>> users = new ConcurrentHashMap<>();
    private volatile boolean wanted;

    SessionWatch(HostCalls host) {
        this.host = host;
    }

    /** Whether the host wants SESSION notices (the filter table says). */
    void wanted(boolean yes) {
        wanted = yes;
    }

    /** Learns the sessions that were there before the plugin; call after the listeners are registered. */
    void learn() {
        long longAgo = System.nanoTime() - 2 * CONNECTING_NANOS;
        for (ClientSession session : SessionManager.getInstance().getSessions()) {
            if (isOurs(session)) {
                JID jid = session.getAddress();
                up(jid, longAgo, true);
                if (SessionManager.getInstance().getSession(jid) == null) {
                    down(jid); // It left meanwhile, and its event may have come before we put it in.
                }
            }
        }
    }

    /** Has a session here, whatever its presence. */
    boolean isHere(String bareJid) {
        return users.containsKey(bareJid);
    }

    /** Has a session that came up a moment ago. */
    boolean isConnecting(String bareJid) {
        ConcurrentHashMap<String, Long> sessions = users.get(bareJid);
        if (sessions != null) {
            long now = System.nanoTime();
            for (Long since : sessions.values()) {
                if (now - since < CONNECTING_NANOS) {
                    return true;
                }
            }
        }
        return false;
    }

    /** The SESSIONS notice: everything as it is now. */
    void snapshot() throws HostException {
        long number = seq.incrementAndGet(); // Before the state is read, so that what happens meanwhile counts as newer.
        List<ClientSession> sessions = new ArrayList<>();
        for (ClientSession session : SessionManager.getInstance().getSessions()) {
            if (isOurs(session)) {
                sessions.add(session);
            }
        }
        Frame.Writer frame = new Frame.Writer(Frame.NOTICE_SESSIONS, 64 + 64 * sessions.size());
        frame.putLong(number).putInt(sessions.size());
        for (ClientSession session : sessions) {
            frame.putStr(session.getAddress().toString());
            state(frame, session.getPresence());
        }
        host.notice(frame.done());
    }

    @Override
    public void sessionCreated(Session session) {
        try {
            if (isOurs(session)) {
                up(session.getAddress(), System.nanoTime(), false);
                report(session.getAddress(), null);
            }
        } catch (Throwable e) {
            failed("sessionCreated", e);
        }
    }

    @Override
    public void sessionDestroyed(Session session) {
        try {
            if (session == null) {
                return; // 4.2 dispatches null when it no longer finds the session itself.
            }
            JID jid = session.getAddress();
            ClientSession other = SessionManager.getInstance().getSession(jid);
            if (other == null || other == session) {
                down(jid);
            }
            report(jid, session);
        } catch (Throwable e) {
            failed("sessionDestroyed", e);
        }
    }

    @Override
    public void availableSession(ClientSession session, Presence presence) {
        try {
            if (isOurs(session)) {
                up(session.getAddress(), System.nanoTime(), false);
                report(session.getAddress(), null);
            }
        } catch (Throwable e) {
            failed("availableSession", e);
        }
    }

    @Override
    public void unavailableSession(ClientSession session, Presence presence) {
        presenceOf(session, "unavailableSession");
    }

    @Override
    public void presenceChanged(ClientSession session, Presence presence) {
        presenceOf(session, "presenceChanged");
    }

    @Override
    public void resourceBound(Session session) {
        // sessionCreated has told it already.
    }

    @Override
    public void anonymousSessionCreated(Session session) {
        // Anonymous sessions are left out.
    }

    @Override
    public void anonymousSessionDestroyed(Session session) {
        // Anonymous sessions are left out.
    }

    @Override
    public void subscribedToPresence(JID subscriber, JID authorizer) {
        // Rosters are another module's.
    }

    @Override
    public void unsubscribedToPresence(JID unsubscriber, JID recipient) {
        // Rosters are another module's.
    }

    private void presenceOf(ClientSession session, String event) {
        try {
            if (isOurs(session)) {
                report(session.getAddress(), null);
            }
        } catch (Throwable e) {
            failed(event, e);
        }
    }

    /** Tells how the session with this address stands now; `gone` has ended even if it can still be found. */
    private void report(JID jid, Session gone) throws HostException {
        if (!wanted) {
            return;
        }
        long number = seq.incrementAndGet();
        ClientSession session = SessionManager.getInstance().getSession(jid);
        boolean open = session != null && session != gone;
        Frame.Writer frame = new Frame.Writer(Frame.NOTICE_SESSION, 128);
        frame.putLong(number).putStr(jid.toString()).putBool(open);
        state(frame, open ? session.getPresence() : null);
        host.notice(frame.done());
    }

    private static void state(Frame.Writer frame, Presence presence) {
        if (presence == null || !presence.isAvailable()) {
            frame.putBool(false).putInt(0).putStr("").putStr("");
            return;
        }
        Presence.Show show = presence.getShow();
        frame.putBool(true).putInt(presence.getPriority()).putStr(show == null ? "" : show.name()).putStr(presence.getStatus());
    }

    private static boolean isOurs(Session session) {
        return session instanceof LocalClientSession && session.getAddress() != null && session.getAddress().getNode() != null
            && session.getAddress().getResource() != null && !((ClientSession) session).isAnonymousUser();
    }

    private void up(final JID jid, final long when, final boolean onlyIfNew) {
        users.compute(jid.toBareJID(), (bare, known) -> {
            ConcurrentHashMap<String, Long> sessions = known == null ? new ConcurrentHashMap<>(4) : known;
            if (onlyIfNew) {
                sessions.putIfAbsent(jid.toString(), when);
            } else {
                sessions.put(jid.toString(), when);
            }
            return sessions;
        });
    }

    private void down(final JID jid) {
        users.computeIfPresent(jid.toBareJID(), (bare, sessions) -> {
            sessions.remove(jid.toString());
            return sessions.isEmpty() ? null : sessions;
        });
    }

    private void failed(String event, Throwable e) {
        if (!(e instanceof HostException && ((HostException) e).code() == HostException.CLOSED)) {
            rareLog.warn("The session event " + event + " could not be passed on: " + e.getClass().getName());
        }
    }
}
