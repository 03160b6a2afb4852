import org.jivesoftware.openfire.session.ClientSession;
import org.jivesoftware.openfire.session.Session;

/** An int until 4.7, an enum since. Seen from a sub-interface as well, where the owner in the class file is another one. */
class ChangedReturnType {
    boolean closed(Session session) {
        return session.getStatus() == -1;
    }

    boolean open(ClientSession session) {
        return session.getStatus() == 1;
    }
}
