import org.jivesoftware.openfire.muc.MUCEventListener;
import org.xmpp.packet.JID;
import org.xmpp.packet.Message;

/** Complete for 4.2.0. */
class MissingListenerMethod implements MUCEventListener {
    public void roomCreated(JID room) {}

    public void roomDestroyed(JID room) {}

    public void occupantJoined(JID room, JID user, String nickname) {}

    public void occupantLeft(JID room, JID user) {}

    public void nicknameChanged(JID room, JID user, String oldNickname, String newNickname) {}

    public void messageReceived(JID room, JID user, String nickname, Message message) {}

    public void privateMessageRecieved(JID to, JID from, Message message) {}

    public void roomSubjectChanged(JID room, JID user, String subject) {}
}
