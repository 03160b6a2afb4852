package org.jivesoftware.openfire.event;

import org.jivesoftware.openfire.session.Session;

public interface SessionEventListener {
    void sessionCreated(Session session);

    void sessionDestroyed(Session session);

    void anonymousSessionCreated(Session session);

    void anonymousSessionDestroyed(Session session);

    void resourceBound(Session session);
}
