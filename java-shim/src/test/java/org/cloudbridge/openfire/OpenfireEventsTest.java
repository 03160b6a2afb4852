/* Each event as the stanza that says the same, and nothing let out. */
package org.cloudbridge.openfire;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;

import java.util.Arrays;
import java.util.Collections;
import java.util.Date;

import org.jivesoftware.openfire.roster.Roster;
import org.jivesoftware.openfire.roster.RosterItem;
import org.jivesoftware.openfire.user.User;
import org.junit.Before;
import org.junit.Test;
import org.xmpp.packet.JID;

public class OpenfireEventsTest {
    private final Doubles.Host host = new Doubles.Host();
    private final OpenfireEvents events = new OpenfireEvents(Doubles.DOMAIN, new Offers(host, new Held(), new StanzaWriter.Pool()));
    private final Roster roster = new Roster() {
        @Override
        public String getUsername() {
            return "alice";
        }
    };

    @Before
    public void wanted() {
        events.filter(FilterTable.read(FilterTableTest.frame(false, new Object[] {"event", "roster user", "*", Frame.MODE_WATCH, false})));
    }

    private static RosterItem item(RosterItem.SubType sub, RosterItem.AskType ask, RosterItem.RecvType recv, String name, String... groups) {
        return new RosterItem(new JID("bob@x.example"), sub, ask, recv, name, Arrays.asList(groups));
    }

    private static final String PUSH = "0 16 <iq xmlns=\"jabber:client\" type=\"set\" to=\"alice@x.example\"><query xmlns=\"jabber:iq:roster\">";

    @Test
    public void rosters() {
        RosterItem item = item(RosterItem.SUB_TO, RosterItem.ASK_SUBSCRIBE, RosterItem.RECV_NONE, "Bob", "Friends", "A & B");
        events.contactAdded(roster, item);
        events.contactUpdated(roster, item(RosterItem.SUB_NONE, RosterItem.ASK_NONE, RosterItem.RECV_NONE, null));
        events.contactDeleted(roster, item);
        assertTrue(events.addingContact(roster, item, true));
        events.rosterLoaded(roster);
        assertEquals(Arrays.asList(
            PUSH + "<item jid=\"bob@x.example\" name=\"Bob\" subscription=\"to\" ask=\"subscribe\"><group>Friends</group><group>A &amp; B</group></item></query></iq>",
            PUSH + "<item jid=\"bob@x.example\" subscription=\"none\"/></query></iq>",
            PUSH + "<item jid=\"bob@x.example\" subscription=\"remove\"/></query></iq>"), host.offered);
    }

    @Test
    public void whatNobodySeesIsTheSameAsRemoved() throws Exception {
        RosterItem request = item(RosterItem.SUB_NONE, RosterItem.ASK_NONE, RosterItem.RECV_SUBSCRIBE, "");
        events.contactUpdated(roster, request);
        assertEquals(Collections.singletonList(PUSH + "<item jid=\"bob@x.example\" subscription=\"remove\"/></query></iq>"), host.offered);
        host.offered.clear();
        events.contactUpdated(roster, item(RosterItem.SUB_NONE, RosterItem.ASK_NONE, RosterItem.RECV_SUBSCRIBE, "named"));
        assertEquals(1, host.offered.size());
        Doubles.onPump(() -> {
            PumpThread.current().begin("alice", new JID("bob@x.example"));
            events.contactAdded(roster, item(RosterItem.SUB_NONE, RosterItem.ASK_NONE, RosterItem.RECV_NONE, "x"));
            events.contactUpdated(roster, item(RosterItem.SUB_FROM, RosterItem.ASK_UNSUBSCRIBE, RosterItem.RECV_NONE, "x"));
            PumpThread.current().end();
            events.contactUpdated(roster, item(RosterItem.SUB_BOTH, RosterItem.ASK_NONE, RosterItem.RECV_NONE, "x"));
            return null;
        });
        assertEquals("what the bridge did is told once, as it ended", 2, host.offered.size());
    }

    @Test
    public void accounts() {
        User user = new User("carl", "Carl <C>", "c@example.org", new Date(), new Date());
        events.userCreated(user, Collections.emptyMap());
        events.userModified(user, Collections.singletonMap("type", "emailModified"));
        events.userModified(user, Collections.singletonMap("type", "passwordModified"));
        events.userDeleting(user, Collections.emptyMap());
        String head = "0 16 <iq xmlns=\"jabber:client\" type=\"set\" from=\"carl@x.example\"><query xmlns=\"jabber:iq:register\">";
        String facts = head + "<username>carl</username><name>Carl &lt;C&gt;</name><email>c@example.org</email></query></iq>";
        assertEquals(Arrays.asList(facts, facts, head + "<remove/></query></iq>"), host.offered);
    }

    @Test
    public void onlyWhatTheTableWants() {
        events.filter(FilterTable.read(FilterTableTest.frame(false, new Object[] {"event", "user", "*", Frame.MODE_MIRROR, false})));
        events.contactDeleted(roster, item(RosterItem.SUB_TO, RosterItem.ASK_NONE, RosterItem.RECV_NONE, ""));
        events.filter(FilterTable.NOTHING);
        events.userCreated(new User("c", "", "", new Date(), new Date()), null);
        assertEquals(Collections.emptyList(), host.offered);
    }

    @Test
    public void nothingGetsOut() {
        host.failure = new IllegalStateException("x");
        events.contactDeleted(roster, item(RosterItem.SUB_TO, RosterItem.ASK_NONE, RosterItem.RECV_NONE, ""));
        events.contactAdded(null, null);
        events.userCreated(null, null);
        events.userModified(null, null);
        assertEquals(Collections.emptyList(), host.offered);
    }
}
