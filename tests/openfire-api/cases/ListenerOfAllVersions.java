import org.jivesoftware.openfire.muc.MUCEventListener;
import org.xmpp.packet.JID;
import org.xmpp.packet.Message;

/** The union of all versions: nothing to report. */
class ListenerOfAllVersions implements MUCEventListener {
    public void roomCreated(JID room) {}

    public void roomCreated(long id, JID room) {}

    public void roomDestroyed(JID room) {}

    public void roomDestroyed(long id, JID room) {}

    public void roomClearChatHistory(long id, JID room) {}

    public void occupantJoined(JID room, JID user, String nickname) {}

    public void occupantLeft(JID room, JID user) {}

    public void occupantLeft(JID room, JID user, String nickname) {}

    public void occupantNickKicked(JID room, String nickname) {}

    public void nicknameChanged(JID room, JID user, String oldNickname, String newNickname) {}

    public void messageReceived(JID room, JID user, String nickname, Message message) {}

    public void privateMessageRecieved(JID to, JID from, Message message) {}

    public void roomSubjectChanged(JID room, JID user, String subject) {}
}
