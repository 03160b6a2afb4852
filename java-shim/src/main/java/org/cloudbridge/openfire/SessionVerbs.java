/*
 * APPLY, sessions: session.close. The client is told by a stream error, and a session that could be resumed (XEP-0198)
 * must not be: closing its connection alone would only detach it, and the client would be back a second later.
 */
package org.cloudbridge.openfire;

import java.util.Collection;

import org.jivesoftware.openfire.session.ClientSession;
import org.jivesoftware.openfire.session.LocalSession;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.xmpp.packet.JID;

/** The verbs that end sessions. */
final class SessionVerbs implements Appliers.Area {
    private static final Logger LOG = LoggerFactory.getLogger(SessionVerbs.class);
    /** With its prefix declared: over websockets it does not stand inside a stream element. */
    private static final String ERROR = "<stream:error xmlns:stream=\"http://etherx.jabber.org/streams\">"
        + "<policy-violation xmlns=\"urn:ietf:params:xml:ns:xmpp-streams\"/></stream:error>";

    /** Openfire's sessions. */
    interface Sessions {
        /** Null if there is none. */
        ClientSession get(JID fullJid);

        /** All of a user's, available or not. */
        Collection<ClientSession> all(String node);

        /** Ends a session that waits for its client without a connection. */
        void endDetached(LocalSession session) throws Exception;
    }

    private final Sessions sessions;

    SessionVerbs(Sessions sessions) {
        this.sessions = sessions;
    }

    @Override
    public void addTo(Appliers table) {
        table.verb("session.close", 1, (thread, arguments) -> {
            JID jid = new JID(arguments[0]);
            if (jid.getResource() == null) {
                return new Delivery.Result(Frame.OUTCOME_OK, endAll(jid.getNode()) + " closed");
            }
            ClientSession session = sessions.get(jid);
            if (session == null) {
                return new Delivery.Result(Frame.OUTCOME_OK, "0 closed");
            }
            end(session);
            return new Delivery.Result(Frame.OUTCOME_OK, "1 closed");
        });
    }

    /** Ends all sessions of a user; gives how many. One that fails does not keep the others. */
    int endAll(String node) {
        int ended = 0;
        for (ClientSession session : sessions.all(node)) {
            try {
                end(session);
                ended++;
            } catch (Throwable e) {
                LOG.warn("A session could not be closed: {}", e.getClass().getName());
            }
        }
        return ended;
    }

    private void end(ClientSession session) throws Exception {
        LocalSession local = session instanceof LocalSession ? (LocalSession) session : null;
        if (local != null) {
            local.getStreamManager().formalClose();
            if (local.isDetached()) {
                sessions.endDetached(local);
                return;
            }
        }
        session.deliverRawText(ERROR);
        session.close();
    }
}
