/* A state of the platform is seen by contacts who come later, by nobody else, and by nobody once states are not decided. */
package org.cloudbridge.openfire;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;

import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.List;

import org.jivesoftware.openfire.roster.Roster;
import org.jivesoftware.openfire.roster.RosterItem;
import org.junit.Test;
import org.xmpp.packet.JID;
import org.xmpp.packet.Packet;
import org.xmpp.packet.Presence;

public class ShownStatesTest {
    private static final JID BOB = new JID("bob@x.example");

    private final Doubles.Router router = new Doubles.Router();
    private final ShownStates states = new ShownStates(router, new RosterVerbs.Rosters() {
        @Override
        public Roster of(String owner) {
            return new Roster() {
                @Override
                public Collection<RosterItem> getRosterItems() {
                    return Arrays.asList(item("carol@x.example", RosterItem.SUB_BOTH),
                        item("bob@x.example", owner.equals("alice") ? RosterItem.SUB_TO : RosterItem.SUB_FROM));
                }
            };
        }

        @Override
        public void show(String owner, JID contact) {
            throw new UnsupportedOperationException();
        }

        @Override
        public void hide(String owner, JID contact) {
            throw new UnsupportedOperationException();
        }
    });

    private static RosterItem item(String contact, RosterItem.SubType subscription) {
        return new RosterItem(new JID(contact), subscription, RosterItem.ASK_NONE, RosterItem.RECV_NONE, "", Collections.emptyList());
    }

    private static Presence of(Presence presence) {
        presence.setFrom(new JID("bob@x.example/cloudbridge"));
        return presence;
    }

    private List<Packet> comes(String jid) {
        Doubles.Client client = new Doubles.Client(jid);
        states.availableSession(client.session(), new Presence());
        return client.got;
    }

    private static FilterTable table(int mode) {
        return FilterTable.read(FilterTableTest.frame(true, new Object[] {"presence", "available", "*", mode, false}));
    }

    @Test
    public void whoMayAndComesLaterSeesIt() {
        Presence busy = of(new Presence());
        busy.setShow(Presence.Show.dnd);
        states.show(BOB, busy);
        assertEquals(1, router.routed.size());
        List<Packet> seen = comes("alice@x.example/home");
        assertEquals(1, seen.size());
        assertEquals("alice@x.example/home", seen.get(0).getTo().toString());
        assertEquals("bob@x.example/cloudbridge", seen.get(0).getFrom().toString());
        assertEquals(Presence.Show.dnd, ((Presence) seen.get(0)).getShow());
        assertEquals(Collections.emptyList(), comes("dave@x.example/home"));
        states.show(BOB, of(new Presence(Presence.Type.unavailable)));
        assertEquals(Collections.emptyList(), comes("alice@x.example/later"));
    }

    @Test
    public void nothingStaysWhereNothingIsDecided() {
        states.show(BOB, of(new Presence()));
        states.filter(table(Frame.MODE_DECIDE));
        assertEquals(1, router.routed.size());
        states.filter(table(Frame.MODE_WATCH));
        assertEquals(2, router.routed.size());
        assertTrue(router.routed.get(1).contains("type=\"unavailable\"") && router.routed.get(1).contains("bob@x.example/cloudbridge"));
        assertEquals(Collections.emptyList(), comes("alice@x.example/home"));
        states.filter(FilterTable.NOTHING);
        assertEquals(2, router.routed.size());
    }
}
