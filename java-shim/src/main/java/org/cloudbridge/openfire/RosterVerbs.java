/*
 * APPLY, rosters: roster.put and roster.remove. An item is set as a whole, with one push to the owner's clients and what
 * a subscription brings with it: the contact's presence when the owner may see it from now on, its end when no longer.
 *
 * What it leaves out: the contact's own roster, which the host sets by a verb of its own (a removal is different: there
 * Openfire itself ends the subscriptions on both sides).
 */
package org.cloudbridge.openfire;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;

import org.jivesoftware.openfire.roster.Roster;
import org.jivesoftware.openfire.roster.RosterItem;
import org.jivesoftware.openfire.user.UserAlreadyExistsException;
import org.jivesoftware.openfire.user.UserNotFoundException;
import org.xmpp.packet.JID;

/** The verbs that change rosters. */
final class RosterVerbs implements Appliers.Area {
    /** Openfire's rosters, and what a changed subscription shows. */
    interface Rosters {
        /** @throws UserNotFoundException also where Openfire would make an empty roster for nobody */
        Roster of(String owner) throws UserNotFoundException;

        /** The owner's clients get the contact's presence. */
        void show(String owner, JID contact);

        /** The owner's clients get `unavailable` from the contact's resources. */
        void hide(String owner, JID contact);
    }

    private static final Delivery.Result ALREADY = new Delivery.Result(Frame.OUTCOME_OK, "already");
    private static final int GROUPS_FROM = 5;
    /** Some versions push no item that has become none at all; they have a method of this name to tell. */
    private static final boolean KEEPS_NONE_QUIET = keepsNoneQuiet();

    private final Rosters rosters;

    RosterVerbs(Rosters rosters) {
        this.rosters = rosters;
    }

    @Override
    public void addTo(Appliers table) {
        table.verb("roster.put", GROUPS_FROM, (thread, arguments) -> {
            synchronized (RosterOrder.of(arguments[0])) {
                return put(thread, arguments);
            }
        });
        table.verb("roster.remove", 2, (thread, arguments) -> {
            synchronized (RosterOrder.of(arguments[0])) {
                return remove(thread, arguments[0], new JID(arguments[1]).asBareJID());
            }
        });
    }

    private Delivery.Result put(PumpThread thread, String[] arguments) throws Exception {
        String owner = arguments[0];
        JID contact = new JID(arguments[1]).asBareJID();
        String name = arguments[2].isEmpty() ? null : arguments[2];
        RosterItem.SubType subscription = subscription(arguments[3]);
        RosterItem.AskType ask = ask(arguments[4]);
        List<String> groups = new ArrayList<>(Arrays.asList(arguments).subList(GROUPS_FROM, arguments.length));

        Roster roster = rosters.of(owner);
        boolean known = roster.isRosterItem(contact);
        if (!known) {
            try {
                boolean done = subscription == RosterItem.SUB_NONE && ask == RosterItem.ASK_NONE;
                create(thread, owner, roster, contact, name, groups, done);
                if (done) {
                    return Delivery.Result.OK;
                }
            } catch (UserAlreadyExistsException e) {
                known = true; // Somebody was faster.
            }
        }
        RosterItem item = roster.getRosterItem(contact);
        RosterItem.SubType before = item.getSubStatus();
        if (known && before == subscription && ask == none(item.getAskStatus()) && text(name).equals(text(item.getNickname()))
            && sameGroups(groups, item)) {
            return ALREADY;
        }
        item.setNickname(name);
        if (!sameGroups(groups, item)) {
            item.setGroups(groups); // Openfire looks every one up among the shared groups.
        }
        item.setSubStatus(subscription);
        item.setAskStatus(ask);
        if (seesOwner(subscription)) {
            item.setRecvStatus(RosterItem.RECV_NONE); // Answered.
        }
        roster.updateRosterItem(item);
        if (KEEPS_NONE_QUIET && subscription == RosterItem.SUB_NONE && ask == RosterItem.ASK_NONE
            && item.getRecvStatus() == RosterItem.RECV_NONE) {
            roster.broadcast(item, true);
        }
        if (seesContact(subscription) && !seesContact(before)) {
            rosters.show(owner, contact);
        } else if (!seesContact(subscription) && seesContact(before)) {
            rosters.hide(owner, contact);
        }
        return Delivery.Result.OK;
    }

    /** Unless that is all, the push and the event wait for the update that follows. */
    private static void create(PumpThread thread, String owner, Roster roster, JID contact, String name, List<String> groups, boolean all)
        throws Exception {
        if (!all) {
            thread.begin(owner, contact);
        }
        try {
            roster.createRosterItem(contact, name, groups, all, true);
        } finally {
            thread.end();
        }
    }

    private Delivery.Result remove(PumpThread thread, String owner, JID contact) throws Exception {
        Roster roster = rosters.of(owner);
        if (!roster.isRosterItem(contact)) {
            return ALREADY;
        }
        boolean seen = seesContact(roster.getRosterItem(contact).getSubStatus());
        // It ends the subscriptions one by one first.
        thread.begin(owner, contact);
        try {
            roster.deleteRosterItem(contact, true);
        } finally {
            thread.end();
        }
        if (seen) {
            rosters.hide(owner, contact);
        }
        return Delivery.Result.OK;
    }

    private static RosterItem.SubType subscription(String word) {
        switch (word) {
            case "none":
                return RosterItem.SUB_NONE;
            case "to":
                return RosterItem.SUB_TO;
            case "from":
                return RosterItem.SUB_FROM;
            case "both":
                return RosterItem.SUB_BOTH;
            default:
                throw new IllegalArgumentException("no subscription: " + word);
        }
    }

    private static RosterItem.AskType ask(String word) {
        if (word.isEmpty()) {
            return RosterItem.ASK_NONE;
        }
        if (word.equals("subscribe")) {
            return RosterItem.ASK_SUBSCRIBE;
        }
        throw new IllegalArgumentException("no ask: " + word);
    }

    private static RosterItem.AskType none(RosterItem.AskType ask) {
        return ask == null ? RosterItem.ASK_NONE : ask;
    }

    private static boolean seesContact(RosterItem.SubType subscription) {
        return subscription == RosterItem.SUB_TO || subscription == RosterItem.SUB_BOTH;
    }

    private static boolean seesOwner(RosterItem.SubType subscription) {
        return subscription == RosterItem.SUB_FROM || subscription == RosterItem.SUB_BOTH;
    }

    private static String text(String value) {
        return value == null ? "" : value;
    }

    private static boolean sameGroups(List<String> groups, RosterItem item) {
        return new HashSet<>(groups).equals(new HashSet<>(item.getGroups()));
    }

    private static boolean keepsNoneQuiet() {
        try {
            return Roster.class.getDeclaredMethod("isSubscriptionRejected", RosterItem.class) != null;
        } catch (ReflectiveOperationException | RuntimeException e) {
            return false;
        }
    }
}
