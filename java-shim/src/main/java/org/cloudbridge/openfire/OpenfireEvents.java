/*
 * What happened in Openfire, whoever did it: rosters and accounts that changed, told to the host as the stanza that says
 * the same (docs/boundary.md, Events). Also what the bridge itself did is told: the host knows its own by value.
 *
 * These callbacks run on any thread, in the middle of what happens there, so they are cheap and let nothing out. Both
 * interfaces are the same in all versions.
 *
 * What it leaves out: contacts that are there because of shared groups alone are not of the owner's list; items that no client
 * is shown (a mere request that waits for the owner's answer) are told as removed, since they may have been shown before;
 * passwords are no part of an event.
 */
package org.cloudbridge.openfire;

import java.util.Map;

import org.dom4j.DocumentFactory;
import org.dom4j.Element;
import org.jivesoftware.openfire.event.UserEventListener;
import org.jivesoftware.openfire.roster.Roster;
import org.jivesoftware.openfire.roster.RosterEventListener;
import org.jivesoftware.openfire.roster.RosterItem;
import org.jivesoftware.openfire.user.User;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.xmpp.packet.JID;

/** Roster and account events to offers. */
final class OpenfireEvents implements RosterEventListener, UserEventListener {
    private static final Logger LOG = LoggerFactory.getLogger(OpenfireEvents.class);
    private static final String EVENT = "event";
    private static final String SUBSCRIBING = "org.jivesoftware.openfire.handler.PresenceSubscribeHandler";

    private final String domain;
    private final Offers offers;
    private final RareLog rareLog = new RareLog(LOG);
    private final Object order = new Object();
    private volatile FilterTable filter = FilterTable.NOTHING;

    OpenfireEvents(String domain, Offers offers) {
        this.domain = domain;
        this.offers = offers;
    }

    void filter(FilterTable table) {
        filter = table;
    }

    @Override
    public void rosterLoaded(Roster roster) {
        // Nothing has changed.
    }

    @Override
    public boolean addingContact(Roster roster, RosterItem item, boolean persistent) {
        return persistent;
    }

    @Override
    public void contactAdded(Roster roster, RosterItem item) {
        roster(roster, item, true, false);
    }

    @Override
    public void contactUpdated(Roster roster, RosterItem item) {
        roster(roster, item, false, false);
    }

    @Override
    public void contactDeleted(Roster roster, RosterItem item) {
        roster(roster, item, false, true);
    }

    @Override
    public void userCreated(User user, Map params) {
        user(user, false);
    }

    @Override
    public void userDeleting(User user, Map params) {
        user(user, true);
    }

    @Override
    public void userModified(User user, Map params) {
        Object what = params == null ? null : params.get("type");
        if ("nameModified".equals(what) || "emailModified".equals(what)) {
            user(user, false);
        }
    }

    private void roster(Roster roster, RosterItem item, boolean added, boolean deleted) {
        try {
            if (filter.wanted(EVENT, "roster", "*") == null || isOfGroupsAlone(item) || added && isHalfSubscribed(item)) {
                return;
            }
            PumpThread thread = PumpThread.current();
            if (thread != null && !deleted && thread.isHalfDone(roster.getUsername(), item.getJid())) {
                return;
            }
            // Two threads may have changed the same item: whoever is told last has looked last.
            synchronized (order) {
                Element iq = iq();
                iq.addAttribute("to", bare(roster.getUsername()));
                item(iq.addElement("query", IqStandIn.ROSTER), item, deleted || isUnseen(item));
                offers.show(iq, Frame.FLAG_EVENT);
            }
        } catch (Throwable e) {
            failed("A roster change", e);
        }
    }

    private void user(User user, boolean deleted) {
        try {
            if (filter.wanted(EVENT, "user", "*") == null) {
                return;
            }
            Element iq = iq();
            iq.addAttribute("from", bare(user.getUsername()));
            Element query = iq.addElement("query", "jabber:iq:register");
            if (deleted) {
                query.addElement("remove");
            } else {
                query.addElement("username").addText(user.getUsername());
                query.addElement("name").addText(text(user.getName()));
                query.addElement("email").addText(text(user.getEmail()));
            }
            offers.show(iq, Frame.FLAG_EVENT);
        } catch (Throwable e) {
            failed("A change of an account", e);
        }
    }

    /** Writes an item as a roster push does, or as its removal. */
    static void item(Element query, RosterItem item, boolean deleted) {
        Element element = query.addElement("item");
        element.addAttribute("jid", item.getJid().toBareJID());
        if (deleted) {
            element.addAttribute("subscription", "remove");
            return;
        }
        String[] state = OpenfireServer.state(item);
        String name = text(item.getNickname());
        element.addAttribute("name", name.isEmpty() ? null : name);
        element.addAttribute("subscription", state[0]);
        element.addAttribute("ask", state[1].isEmpty() ? null : state[1]);
        for (String group : item.getGroups()) {
            if (group != null) {
                element.addElement("group").addText(group);
            }
        }
    }

    /** An empty item that Openfire makes for a subscription and fills a moment later, with an event of its own. */
    private static boolean isHalfSubscribed(RosterItem item) {
        if (item.getSubStatus() != RosterItem.SUB_NONE || item.getAskStatus() == RosterItem.ASK_SUBSCRIBE
            || !text(item.getNickname()).isEmpty() || !item.getGroups().isEmpty()) {
            return false;
        }
        for (StackTraceElement frame : Thread.currentThread().getStackTrace()) {
            if (SUBSCRIBING.equals(frame.getClassName())) {
                return true;
            }
        }
        return false;
    }

    /** There because of shared groups, and never kept: Openfire makes it anew from the groups whenever it loads the roster. */
    static boolean isOfGroupsAlone(RosterItem item) {
        return item.getID() == 0 && item.isShared();
    }

    /** Nothing that the owner's clients are shown, and nothing of the owner's making. */
    static boolean isUnseen(RosterItem item) {
        if (item.isOnlyShared() && item.getSubStatus() == RosterItem.SUB_FROM) {
            return true;
        }
        return item.getSubStatus() == RosterItem.SUB_NONE && item.getAskStatus() != RosterItem.ASK_SUBSCRIBE
            && item.getRecvStatus() == RosterItem.RECV_SUBSCRIBE && text(item.getNickname()).isEmpty() && item.getGroups().isEmpty();
    }

    private String bare(String node) {
        return new JID(node, domain, null, true).toBareJID();
    }

    private static Element iq() {
        Element iq = DocumentFactory.getInstance().createElement("iq");
        iq.addAttribute("type", "set");
        return iq;
    }

    private static String text(String value) {
        return value == null ? "" : value;
    }

    private void failed(String what, Throwable e) {
        if (!(e instanceof HostException && ((HostException) e).code() == HostException.CLOSED)) {
            rareLog.warn(what + " could not be told to the host: " + e.getClass().getName());
        }
    }
}
