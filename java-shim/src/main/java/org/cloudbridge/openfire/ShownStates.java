/*
 * The states that contacts see from the platform (presence.show), as long as they last. Openfire tells a contact who comes
 * online later only of sessions, and such a state has none; so it is given here to each session that becomes available.
 * When states are no longer decided, or the plugin ends, none stays behind: their end is shown.
 *
 * What it leaves out: contacts whose subscription begins while a state lasts; they see its next change. What lasted when the
 * server ended is shown again at its next change, too.
 */
package org.cloudbridge.openfire;

import java.util.concurrent.ConcurrentHashMap;

import org.jivesoftware.openfire.PacketRouter;
import org.jivesoftware.openfire.roster.RosterItem;
import org.jivesoftware.openfire.session.ClientSession;
import org.jivesoftware.openfire.user.PresenceEventListener;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.xmpp.packet.JID;
import org.xmpp.packet.Presence;

/** What is shown now, by bare JID. */
final class ShownStates implements PresenceEventListener {
    private static final Logger LOG = LoggerFactory.getLogger(ShownStates.class);

    private final PacketRouter router;
    private final RosterVerbs.Rosters rosters;
    private final RareLog rareLog = new RareLog(LOG);
    private final ConcurrentHashMap<JID, Presence> shown = new ConcurrentHashMap<>();

    ShownStates(PacketRouter router, RosterVerbs.Rosters rosters) {
        this.router = router;
        this.rosters = rosters;
    }

    /** Shows it to all contacts; `unavailable` ends what was shown. */
    void show(JID user, Presence presence) {
        if (presence.isAvailable()) {
            shown.put(user, presence.createCopy());
        } else {
            shown.remove(user);
        }
        router.route(presence);
    }

    /** Nothing is shown where states are not decided. */
    void filter(FilterTable table) {
        for (FilterTable.Row row : table.rows("presence")) {
            if (row.mode == Frame.MODE_DECIDE) {
                return;
            }
        }
        for (JID user : shown.keySet()) {
            Presence presence = shown.remove(user);
            if (presence != null) {
                Presence end = new Presence(Presence.Type.unavailable);
                end.setFrom(presence.getFrom());
                router.route(end);
            }
        }
    }

    @Override
    public void availableSession(ClientSession session, Presence presence) {
        if (shown.isEmpty()) {
            return;
        }
        try {
            JID user = session.getAddress();
            if (session.isAnonymousUser() || user == null || user.getNode() == null) {
                return;
            }
            for (RosterItem item : rosters.of(user.getNode()).getRosterItems()) {
                Presence state = shown.get(item.getJid().asBareJID());
                if (state != null && (item.getSubStatus() == RosterItem.SUB_TO || item.getSubStatus() == RosterItem.SUB_BOTH)) {
                    Presence copy = state.createCopy();
                    copy.setTo(user);
                    session.process(copy);
                }
            }
        } catch (Throwable e) {
            rareLog.warn("A state of the platform could not be shown to a new session: " + e.getClass().getName());
        }
    }

    @Override
    public void unavailableSession(ClientSession session, Presence presence) {
        // Sees nothing any more.
    }

    @Override
    public void presenceChanged(ClientSession session, Presence presence) {
        // Has seen it.
    }

    @Override
    public void subscribedToPresence(JID subscriber, JID authorizer) {
        // Sees the next change.
    }

    @Override
    public void unsubscribedToPresence(JID unsubscriber, JID recipient) {
        // Openfire sends it the end of sessions only; no client shows a contact that it does not have.
    }
}
