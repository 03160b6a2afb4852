/*
 * Joins on their way in. What a member missed comes from the platform, so the room is asked for no history: the join itself
 * is changed in place, and passes. From then on until its catch-up the session is owed something (RoomFanOut).
 *
 * Left as they are: joins of people who are no members (the platform keeps nothing for them), of members who have another
 * session in the room already (they miss nothing; the new one gets the room's own history), and of everybody while rooms
 * are not decided.
 */
package org.cloudbridge.openfire;

import java.util.ArrayList;
import java.util.List;

import org.dom4j.Element;
import org.dom4j.QName;
import org.jivesoftware.openfire.interceptor.PacketInterceptor;
import org.jivesoftware.openfire.session.ClientSession;
import org.jivesoftware.openfire.session.Session;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.xmpp.packet.JID;
import org.xmpp.packet.Packet;
import org.xmpp.packet.Presence;

/** The interceptor of joins. Rejects nothing. */
final class RoomJoins implements PacketInterceptor {
    private static final Logger LOG = LoggerFactory.getLogger(RoomJoins.class);
    private static final QName JOIN = QName.get("x", "http://jabber.org/protocol/muc");

    private final String domain;
    private final RoomGate.Services services;
    private final RoomWatch watch;
    private final RoomWatch.Rooms rooms;
    private final RoomFanOut fanOut;
    private final RareLog rareLog = new RareLog(LOG);
    private volatile boolean decides;

    RoomJoins(String domain, RoomGate.Services services, RoomWatch watch, RoomWatch.Rooms rooms, RoomFanOut fanOut) {
        this.domain = domain;
        this.services = services;
        this.watch = watch;
        this.rooms = rooms;
        this.fanOut = fanOut;
    }

    void filter(FilterTable table) {
        FilterTable.Row row = table.wanted("message", "groupchat", "*");
        decides = row != null && row.mode == Frame.MODE_DECIDE;
    }

    @Override
    public void interceptPacket(Packet packet, Session session, boolean incoming, boolean processed) {
        if (!incoming || !decides || !(packet instanceof Presence)) {
            return;
        }
        try {
            Presence presence = (Presence) packet;
            JID to = presence.getTo();
            if (to == null || to.getNode() == null || to.getResource() == null || presence.getElement().attributeValue("type") != null
                || !services.isService(to.getDomain())) {
                return;
            }
            if (processed) {
                settle(to.asBareJID(), presence.getFrom());
            } else {
                join(presence, to.asBareJID(), session);
            }
        } catch (Throwable e) {
            rareLog.warn("A join was left as it is: " + e.getClass().getName());
        }
    }

    private void join(Presence presence, JID room, Session session) throws Exception {
        JID from = presence.getFrom();
        Element join = presence.getElement().element(JOIN);
        boolean ours = from != null && from.getNode() != null && from.getResource() != null && domain.equals(from.getDomain())
            && session instanceof ClientSession && !((ClientSession) session).isAnonymousUser();
        if (join == null || !ours || watch.isHere(room, from.asBareJID()) || !isMember(rooms.affiliation(room, from))) {
            return;
        }
        List<Element> histories = new ArrayList<>();
        for (Object one : join.elements("history")) {
            histories.add((Element) one);
        }
        for (Element history : histories) {
            history.detach();
        }
        join.addElement("history", JOIN.getNamespaceURI()).addAttribute("maxstanzas", "0");
        fanOut.owed(room, from);
    }

    /** Whoever has not got in is owed nothing. */
    private void settle(JID room, JID from) {
        if (from != null && fanOut.owed() > 0 && watch.nickname(room, from) == null) {
            fanOut.gone(room, from);
        }
    }

    private static boolean isMember(String affiliation) {
        return "owner".equals(affiliation) || "admin".equals(affiliation) || "member".equals(affiliation);
    }
}
