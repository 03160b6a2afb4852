/* Requests to rooms are held without a trace for the client, their passwords cross nowhere, and nothing else is touched. */
package org.cloudbridge.openfire;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertSame;
import static org.junit.Assert.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;

import org.dom4j.DocumentHelper;
import org.jivesoftware.openfire.interceptor.PacketRejectedException;
import org.junit.Before;
import org.junit.Test;
import org.xmpp.packet.IQ;
import org.xmpp.packet.JID;
import org.xmpp.packet.Message;
import org.xmpp.packet.PacketError;

public class RoomGateTest {
    private static final String ADMIN = "http://jabber.org/protocol/muc#admin";
    private static final String OWNER = "http://jabber.org/protocol/muc#owner";
    private final Doubles.Host host = new Doubles.Host();
    private final Doubles.Sessions sessions = new Doubles.Sessions();
    private final Doubles.Router router = new Doubles.Router();
    private final Held held = new Held();
    private final List<String> requested = new ArrayList<>();
    private final RoomGate gate = new RoomGate(Doubles.DOMAIN, new Offers(host, held, new StanzaWriter.Pool()), router, sessions,
        "rooms.x.example"::equals, new RoomGate.Standing() {
            @Override
            public String affiliation(JID room, JID user) {
                return affiliation;
            }

            @Override
            public boolean isIn(JID room, JID session) {
                return inside;
            }
        }, new RoomGate.After() {
            @Override
            public void asked(JID room) {
                requested.add("asked " + room + ' ' + router.routed.size());
            }

            @Override
            public void requested(JID room) {
                requested.add("requested " + room + ' ' + router.routed.size());
            }
        });
    private String affiliation = "owner";
    private boolean inside = true;
    private Doubles.Client alice;

    @Before
    public void decide() {
        alice = sessions.add("alice@x.example/phone");
        rows(Frame.MODE_DECIDE, false);
    }

    private void rows(int mode, boolean remote) {
        gate.filter(FilterTable.read(FilterTableTest.frame(false, new Object[] {"room", "get set", ADMIN, mode, remote},
            new Object[] {"room", "set", OWNER, mode, remote})));
    }

    private static IQ iq(String attributes, String inner) throws Exception {
        return new IQ(DocumentHelper.parseText("<iq from='alice@x.example/phone' id='i1' " + attributes + ">" + inner + "</iq>").getRootElement());
    }

    private static IQ admin(String attributes) throws Exception {
        return iq(attributes, "<query xmlns='" + ADMIN + "'><item affiliation='member' jid='bob@x.example'/></query>");
    }

    private boolean taken(IQ iq) {
        return taken(iq, true, alice);
    }

    private boolean taken(IQ iq, boolean incoming, Doubles.Client client) {
        try {
            gate.interceptPacket(iq, client == null ? null : client.session(), incoming, false);
            return false;
        } catch (PacketRejectedException e) {
            return true;
        }
    }

    private static IQ error(IQ rejected) {
        IQ error = IQ.createResultIQ(rejected);
        error.setError(PacketError.Condition.not_allowed);
        return error;
    }

    @Test
    public void heldAndReleasedAndThenTheListsMayBeOthers() throws Exception {
        IQ set = admin("type='set' to='hall@rooms.x.example'");
        assertTrue(taken(set));
        assertTrue(host.offered.get(0), host.offered.get(0).startsWith("1 33 <iq"));
        assertEquals(Collections.emptyList(), requested);
        assertEquals(Frame.OUTCOME_OK, Doubles.onPump(() -> held.keeper(1).release(held.get(1))).outcome);
        assertEquals(Collections.singletonList(set.toXML()), router.routed);
        assertEquals(Arrays.asList("asked hall@rooms.x.example 0", "requested hall@rooms.x.example 1"), requested);
    }

    @Test
    public void whatTheSenderMayNotDoIsLeftToTheRoom() throws Exception {
        String destroy = "<query xmlns='" + OWNER + "'><destroy/></query>";
        for (String none : new String[] {"member", "none", "outcast", ""}) {
            affiliation = none;
            assertFalse(none, taken(admin("type='set' to='hall@rooms.x.example'")));
            assertFalse(none, taken(iq("type='set' to='hall@rooms.x.example'", destroy)));
        }
        affiliation = "admin";
        assertFalse("only an owner", taken(iq("type='set' to='hall@rooms.x.example'", destroy)));
        assertEquals("nobody is asked, nothing is shown", Collections.emptyList(), host.offered);
        assertTrue(taken(admin("type='set' to='hall@rooms.x.example'")));
        affiliation = "owner";
        assertTrue(taken(iq("type='set' to='hall@rooms.x.example'", destroy)));
        inside = false;
        assertFalse("from outside", taken(iq("type='set' to='hall@rooms.x.example'", destroy)));
        affiliation = "none";
        assertTrue("everybody may read", taken(admin("type='get' to='hall@rooms.x.example'")));
    }

    @Test
    public void theAutomaticErrorIsStoppedOnceAndOnlyThatOne() throws Exception {
        IQ set = admin("type='set' to='hall@rooms.x.example'");
        assertTrue(taken(set));
        IQ other = error(set);
        other.setID("i2");
        assertFalse("another id", taken(other, false, alice));
        IQ elsewhere = error(set);
        elsewhere.setTo("bob@x.example/r");
        assertFalse("to somebody else", taken(elsewhere, false, alice));
        boolean[] onAnotherThread = new boolean[1];
        Thread thread = new Thread(() -> onAnotherThread[0] = taken(error(set), false, alice));
        thread.start();
        thread.join();
        assertFalse("on another thread", onAnotherThread[0]);
        assertFalse("a result", taken(IQ.createResultIQ(set), false, alice));
        assertTrue(taken(error(set), false, alice));
        assertFalse("only once", taken(error(set), false, alice));

        assertTrue(taken(set));
        assertFalse("the next request in ends the wait", taken(iq("type='get' to='x.example'", "<ping xmlns='urn:xmpp:ping'/>")));
        assertFalse(taken(error(set), false, alice));
    }

    @Test
    public void whatNoRowNamesIsNotTouched() throws Exception {
        assertFalse("another namespace", taken(iq("type='get' to='hall@rooms.x.example'", "<query xmlns='http://jabber.org/protocol/disco#info'/>")));
        assertFalse("another type", taken(iq("type='get' to='hall@rooms.x.example'", "<query xmlns='" + OWNER + "'/>")));
        assertFalse("an answer", taken(iq("type='result' to='hall@rooms.x.example'", "<query xmlns='" + ADMIN + "'/>")));
        assertFalse("to a person", taken(admin("type='set' to='bob@x.example'")));
        assertFalse("to the server", taken(admin("type='set' to='x.example'")));
        assertFalse("to nobody", taken(admin("type='set'")));
        assertFalse("to the service", taken(admin("type='set' to='rooms.x.example'")));
        assertFalse("to a service of another kind", taken(admin("type='set' to='hall@find.x.example'")));
        assertFalse("to another server's room", taken(admin("type='set' to='hall@rooms.y.example'")));
        assertFalse("of a plugin", taken(admin("type='set' to='hall@rooms.x.example'"), true, null));
        alice.anonymous = true;
        assertFalse("of a guest", taken(admin("type='set' to='hall@rooms.x.example'")));
        alice.anonymous = false;
        assertFalse("of our own", Doubles.onPump(() -> taken(admin("type='set' to='hall@rooms.x.example'"))));
        gate.interceptPacket(new Message(), alice.session(), true, false);
        gate.filter(FilterTable.NOTHING);
        assertFalse("without a table", taken(admin("type='set' to='hall@rooms.x.example'")));
        assertEquals(Collections.emptyList(), host.offered);
    }

    @Test
    public void belowDecidingItIsShownAndPasses() throws Exception {
        rows(Frame.MODE_MIRROR, false);
        assertFalse(taken(admin("type='set' to='hall@rooms.x.example'")));
        assertTrue(host.offered.get(0), host.offered.get(0).startsWith("0 32 <iq"));
        gate.interceptPacket(admin("type='set' to='hall@rooms.x.example'"), alice.session(), true, true);
        assertEquals(Collections.singletonList("requested hall@rooms.x.example 0"), requested);
    }

    @Test
    public void failsOpen() throws Exception {
        host.failure = new IllegalStateException("on purpose");
        assertFalse(taken(admin("type='set' to='hall@rooms.x.example'")));
        host.failure = null;
        host.answer = Frame.PASS;
        assertFalse(taken(admin("type='set' to='hall@rooms.x.example'")));
        assertEquals(0, held.size());
    }

    @Test
    public void refusedOrAnsweredAndNobodyIsAnsweredWhoHasGone() throws Exception {
        IQ set = admin("type='set' to='hall@rooms.x.example'");
        assertEquals(Frame.OUTCOME_OK, gate.refuse(set, "auth", "forbidden", "no").outcome);
        assertTrue(alice.got.get(0).toXML(), alice.got.get(0).toXML().contains("<forbidden"));
        assertEquals("hall@rooms.x.example", alice.got.get(0).getFrom().toString());
        assertEquals(Frame.OUTCOME_OK, gate.replace(set, "<iq xmlns='jabber:client' type='result'/>", new StanzaReader()).outcome);
        assertEquals("i1", alice.got.get(1).getID());
        sessions.remove(alice);
        assertEquals("no session", gate.release(set).detail);
        assertEquals("no session", gate.refuse(set, "auth", "forbidden", "no").detail);
        assertEquals("told again each time", 4, Collections.frequency(requested, "asked hall@rooms.x.example 0"));
        assertEquals("told again each time", 4, Collections.frequency(requested, "requested hall@rooms.x.example 0"));
        assertEquals(Collections.emptyList(), router.routed);
    }

    @Test
    public void passwordsOfRoomsCrossNowhere() throws Exception {
        IQ form = iq("type='set' to='hall@rooms.x.example'", "<query xmlns='" + OWNER + "'><x xmlns='jabber:x:data' type='submit'>"
            + "<field var='muc#roomconfig_roomname'><value>Hall</value></field>"
            + "<field var='muc#roomconfig_roomsecret'><value>canary</value></field>"
            + "<field var='x' type='text-private'><value>canary</value></field></x></query>");
        assertTrue(taken(form));
        assertTrue(taken(iq("type='set' to='hall@rooms.x.example'", "<query xmlns='" + OWNER + "'><destroy jid='a@b'><password>canary</password></destroy></query>")));
        for (String offered : host.offered) {
            assertFalse(offered, offered.contains("canary"));
        }
        assertTrue(host.offered.get(0), host.offered.get(0).contains("Hall"));
        assertTrue("the room gets it", form.toXML().contains("canary"));
        gate.refuse(form, "wait", "remote-server-timeout", "");
        assertFalse(alice.got.get(0).toXML(), alice.got.get(0).toXML().contains("canary"));
        IQ without = admin("type='set' to='hall@rooms.x.example'");
        assertSame("nothing is copied for nothing", without.getElement(), RoomGate.withoutSecrets(without.getElement()));
    }
}
