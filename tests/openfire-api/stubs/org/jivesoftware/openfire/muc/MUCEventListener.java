package org.jivesoftware.openfire.muc;

import org.xmpp.packet.JID;
import org.xmpp.packet.Message;

public interface MUCEventListener {
    void roomCreated(JID room);

    void roomDestroyed(JID room);

    void occupantJoined(JID room, JID user, String nickname);

    void occupantLeft(JID room, JID user);

    void nicknameChanged(JID room, JID user, String oldNickname, String newNickname);

    void messageReceived(JID room, JID user, String nickname, Message message);

    void privateMessageRecieved(JID to, JID from, Message message);

    void roomSubjectChanged(JID room, JID user, String subject);
}
