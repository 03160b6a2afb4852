/* What an item becomes, what the owner's clients see of it, and how often. */
package org.cloudbridge.openfire;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.fail;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ExecutionException;

import org.jivesoftware.openfire.roster.Roster;
import org.jivesoftware.openfire.roster.RosterItem;
import org.jivesoftware.openfire.user.UserAlreadyExistsException;
import org.jivesoftware.openfire.user.UserNotFoundException;
import org.junit.Test;
import org.xmpp.packet.JID;

public class RosterVerbsTest {
    private final List<String> calls = new ArrayList<>();
    private boolean someoneIsFaster;

    private static final class Item extends RosterItem {
        Item(JID jid, String name, List<String> groups) {
            super(jid, SUB_NONE, ASK_NONE, RECV_NONE, name, groups);
        }

        @Override
        public void setGroups(List<String> changed) {
            groups = changed; // Without asking the groups' database.
        }
    }

    /** A roster without a database; updates of an item that has become none are pushed by nobody, as on 4.2. */
    private final class Paper extends Roster {
        @Override
        public RosterItem createRosterItem(JID user, String name, List<String> groups, boolean push, boolean persistent)
            throws UserAlreadyExistsException {
            RosterItem item = new Item(user, name, groups);
            rosterItems.put(user.toBareJID(), item);
            if (someoneIsFaster) {
                throw new UserAlreadyExistsException();
            }
            calls.add("create" + (push ? " push" : "") + (PumpThread.current().isHalfDone("alice", user) ? "" : " event"));
            return item;
        }

        @Override
        public void updateRosterItem(RosterItem item) {
            calls.add("update " + item.getNickname() + " " + item.getSubStatus().getName() + " " + item.getAskStatus().name() + " "
                + item.getRecvStatus().name() + " " + item.getGroups() + (PumpThread.current().isHalfDone("alice", item.getJid()) ? " quiet" : ""));
        }

        @Override
        public void broadcast(RosterItem item, boolean optimize) {
            calls.add("push");
        }

        @Override
        public RosterItem deleteRosterItem(JID user, boolean check) {
            calls.add("delete " + check + (PumpThread.current().isHalfDone("alice", user) ? "" : " told"));
            return rosterItems.remove(user.toBareJID());
        }
    }

    private final Paper roster = new Paper();
    private final Appliers table = new Appliers(new RosterVerbs(new RosterVerbs.Rosters() {
        @Override
        public Roster of(String owner) throws UserNotFoundException {
            if (!owner.equals("alice")) {
                throw new UserNotFoundException();
            }
            return roster;
        }

        @Override
        public void show(String owner, JID contact) {
            calls.add("show " + contact);
        }

        @Override
        public void hide(String owner, JID contact) {
            calls.add("hide " + contact);
        }
    }));

    private String apply(String verb, String... arguments) throws Exception {
        calls.clear();
        Delivery.Result result = Doubles.onPump(() -> table.apply(PumpThread.current(), verb, arguments));
        return result.outcome + result.detail + " " + String.join("; ", calls);
    }

    private static final String BOB = "bob@x.example";

    @Test
    public void aNewItem() throws Exception {
        assertEquals("0 create; update Bob both NONE NONE [A, B]; show bob@x.example",
            apply("roster.put", "alice", BOB, "Bob", "both", "", "A", "B"));
        assertEquals("0already ", apply("roster.put", "alice", BOB, "Bob", "both", "", "B", "A"));
        assertEquals("0 create push event", apply("roster.put", "alice", "carol@x.example/r", "", "none", ""));
        assertEquals("0already ", apply("roster.put", "alice", "carol@x.example", "", "none", ""));
        assertEquals("0 create; update null none SUBSCRIBE NONE []", apply("roster.put", "alice", "dave@x.example", "", "none", "subscribe"));
    }

    @Test
    public void aChangedItem() throws Exception {
        apply("roster.put", "alice", BOB, "Bob", "from", "");
        roster.getRosterItem(new JID(BOB)).setRecvStatus(RosterItem.RECV_SUBSCRIBE);
        assertEquals("renamed, and it still waits for nothing", "0 update Bobby from NONE NONE []", apply("roster.put", "alice", BOB, "Bobby", "from", ""));
        assertEquals("0 update Bobby to NONE NONE []; show bob@x.example", apply("roster.put", "alice", BOB, "Bobby", "to", ""));
        assertEquals("0 update Bobby both NONE NONE [G]", apply("roster.put", "alice", BOB, "Bobby", "both", "", "G"));
        assertEquals("the push that 4.2 leaves out", "0 update Bobby none NONE NONE [G]; push; hide bob@x.example",
            apply("roster.put", "alice", BOB, "Bobby", "none", "", "G"));
        roster.getRosterItem(new JID(BOB)).setRecvStatus(RosterItem.RECV_SUBSCRIBE);
        assertEquals("a request that waits goes on waiting", "0 update B none NONE SUBSCRIBE []", apply("roster.put", "alice", BOB, "B", "none", ""));
    }

    @Test
    public void removed() throws Exception {
        assertEquals("0already ", apply("roster.remove", "alice", BOB));
        apply("roster.put", "alice", BOB, "", "to", "");
        assertEquals("0 delete true; hide bob@x.example", apply("roster.remove", "alice", BOB));
        apply("roster.put", "alice", BOB, "", "from", "");
        assertEquals("0 delete true", apply("roster.remove", "alice", BOB));
    }

    @Test
    public void failures() throws Exception {
        assertEquals("1 ", apply("roster.put", "nobody", BOB, "", "none", ""));
        assertEquals("1 ", apply("roster.remove", "nobody", BOB));
        someoneIsFaster = true;
        assertEquals("0 update x none SUBSCRIBE NONE []", apply("roster.put", "alice", BOB, "x", "none", "subscribe"));
        for (String[] wrong : new String[][] {{"alice", BOB, "", "remove", ""}, {"alice", BOB, "", "none", "unsubscribe"},
            {"alice", "@", "", "none", ""}}) {
            try {
                apply("roster.put", wrong);
                fail(Arrays.toString(wrong));
            } catch (ExecutionException e) {
                assertEquals(IllegalArgumentException.class, e.getCause().getClass());
            }
        }
    }
}
