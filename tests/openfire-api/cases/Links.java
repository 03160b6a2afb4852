import java.util.ArrayList;
import java.util.List;
import org.jivesoftware.openfire.event.SessionEventListener;
import org.jivesoftware.openfire.session.ClientSession;
import org.jivesoftware.openfire.session.Session;
import org.jivesoftware.util.JiveGlobals;
import org.xmpp.packet.JID;

/** What every version has: nothing to report. A method of an ancestor interface, a lambda of the JDK's, an array, an inner class. */
class Links implements SessionEventListener {
    private final List<Session[]> seen = new ArrayList<>();

    public void sessionCreated(Session session) {
        seen.add(new Session[] {session});
    }

    public void sessionDestroyed(Session session) {
        Runnable later = () -> seen.remove(session);
        later.run();
    }

    public void anonymousSessionCreated(Session session) {}

    public void anonymousSessionDestroyed(Session session) {}

    public void resourceBound(Session session) {
        if (session instanceof ClientSession) {
            JID address = ((ClientSession) session).getAddress();
            System.out.println(JiveGlobals.getProperty(address.toBareJID()) + session.hashCode());
        }
    }
}
