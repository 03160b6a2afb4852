/*
 * Privacy lists (XEP-0016, and XEP-0191 where Openfire has it, which is kept in the same lists) as far as they concern a
 * message that may be held: whom Openfire refuses, the platform must not store. Where a session takes the message, that
 * session's own list judges when the message is released, or handed over: Openfire asks it in ClientSession.process.
 */
package org.cloudbridge.openfire;

import java.util.Collection;

import org.jivesoftware.openfire.privacy.PrivacyList;
import org.jivesoftware.openfire.privacy.PrivacyListManager;
import org.jivesoftware.openfire.session.ClientSession;
import org.xmpp.packet.Message;
import org.xmpp.packet.Presence;

/** What Openfire does with a message for somebody who is away. */
final class PrivacyLists {
    private PrivacyLists() {
    }

    /** None of these sessions of the user takes messages, and the user's default list denies this one: the rule of OfflineMessageStrategy. */
    static boolean refuses(Collection<ClientSession> sessions, String node, Message message) {
        for (ClientSession session : sessions) {
            Presence presence = session == null ? null : session.getPresence();
            if (presence != null && presence.isAvailable() && presence.getPriority() >= 0) {
                return false;
            }
        }
        PrivacyList list = PrivacyListManager.getInstance().getDefaultPrivacyList(node);
        return list != null && list.shouldBlockPacket(message);
    }
}
