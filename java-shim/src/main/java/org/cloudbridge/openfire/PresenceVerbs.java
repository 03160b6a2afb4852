/*
 * APPLY, packets of the server's own making: presence.show and route. A presence that is set at the platform comes from
 * the user's JID with a resource of ours and no `to`; Openfire sends it to the user's contacts, also without a session.
 */
package org.cloudbridge.openfire;

import org.dom4j.Element;
import org.jivesoftware.openfire.PacketRouter;
import org.xmpp.packet.IQ;
import org.xmpp.packet.JID;
import org.xmpp.packet.Message;
import org.xmpp.packet.Packet;
import org.xmpp.packet.Presence;
import org.xmpp.packet.Roster;

/** The verbs that route. */
final class PresenceVerbs implements Appliers.Area {
    /** The resource of presence that comes from the platform. */
    static final String RESOURCE = "cloudbridge";
    private static final String UNAVAILABLE = "unavailable";

    private final UserVerbs.Accounts accounts;
    private final PacketRouter router;

    private final ShownStates shown;

    PresenceVerbs(UserVerbs.Accounts accounts, PacketRouter router, ShownStates shown) {
        this.accounts = accounts;
        this.shown = shown;
        this.router = router;
    }

    @Override
    public void addTo(Appliers table) {
        table.verb("presence.show", 3, (thread, arguments) -> show(new JID(arguments[0]), arguments[1], arguments[2]));
        table.verb("route", 1, (thread, arguments) -> {
            route(packet(thread.reader.parse(arguments[0])));
            return Delivery.Result.OK;
        });
    }

    private Delivery.Result show(JID user, String show, String status) {
        if (user.getNode() == null || !accounts.exists(user.getNode())) {
            return Delivery.Result.GONE;
        }
        Presence presence = UNAVAILABLE.equals(show) ? new Presence(Presence.Type.unavailable) : new Presence();
        if (!show.isEmpty() && !UNAVAILABLE.equals(show)) {
            presence.setShow(Presence.Show.valueOf(show));
        }
        if (!status.isEmpty()) {
            presence.setStatus(status);
        }
        presence.setFrom(new JID(user.getNode(), user.getDomain(), RESOURCE));
        shown.show(user.asBareJID(), presence);
        return Delivery.Result.OK;
    }

    private void route(Packet packet) {
        router.route(packet);
    }

    private static Packet packet(Element stanza) {
        switch (stanza.getName()) {
            case "message":
                return new Message(stanza, true);
            case "presence":
                return new Presence(stanza, true);
            case "iq":
                // Openfire's roster handler casts what it gets.
                return stanza.element("query") != null && IqStandIn.ROSTER.equals(stanza.element("query").getNamespaceURI())
                    ? new Roster(stanza) : new IQ(stanza, true);
            default:
                throw new IllegalArgumentException("no stanza: " + stanza.getName());
        }
    }
}
