/* What is offered, with which flags, and what happens to the packet for each answer of the host. */
package org.cloudbridge.openfire;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertSame;
import static org.junit.Assert.assertTrue;

import org.dom4j.DocumentHelper;
import org.jivesoftware.openfire.interceptor.PacketRejectedException;
import org.jivesoftware.openfire.session.ClientSession;
import org.junit.Before;
import org.junit.Test;
import org.xmpp.packet.Message;
import org.xmpp.packet.Presence;

public class MessageGateTest {
    private final Doubles.Host host = new Doubles.Host();
    private final Held held = new Held();
    private final Doubles.Client alice = new Doubles.Client("alice@x.example/phone");
    private String asked = "";
    private MessageGate gate;

    @Before
    public void gate() {
        gate = new MessageGate(Doubles.DOMAIN, new Offers(host, held, new StanzaWriter.Pool()), new MessageGate.People() {
            @Override
            public boolean isUser(String node) {
                asked += "user " + node + ";";
                return !node.equals("nobody");
            }

            @Override
            public boolean isHere(String bareJid) {
                asked += "here " + bareJid + ";";
                return bareJid.equals("bob@x.example");
            }

            @Override
            public boolean refuses(String node, Message message) {
                return node.equals("shylock");
            }
        }, RoomSpeechTest.nothing());
        mode(Frame.MODE_DECIDE, false);
    }

    private void mode(int mode, boolean remote) {
        gate.filter(FilterTable.read(FilterTableTest.frame(false, new Object[] {"message", "chat normal", "*", mode, remote})));
    }

    private static Message message(String xml) throws Exception {
        return new Message(DocumentHelper.parseText(xml).getRootElement());
    }

    private boolean taken(Message message, ClientSession session) {
        try {
            gate.interceptPacket(message, session, true, false);
            return false;
        } catch (PacketRejectedException e) {
            assertNull("a message would go to the client", e.getRejectionMessage());
            return true;
        }
    }

    private static final String CHAT = "<message from='alice@x.example/phone' to='bob@x.example' type='chat'><body>hi</body></message>";

    @Test
    public void aTakenPacketIsKeptUnderItsToken() throws Exception {
        Message message = message(CHAT);
        assertTrue(taken(message, alice.session()));
        assertSame(message, held.get(1));
        assertEquals("1 11 " + CHAT.replace("<message", "<message xmlns=\"jabber:client\"").replace('\'', '"'), host.offered.get(0));
        assertEquals("here bob@x.example;user bob;", asked);
        assertTrue(taken(message(CHAT), alice.session()));
        assertEquals(2, held.size());
    }

    @Test
    public void whatOpenfireRefusesIsNotHeld() throws Exception {
        assertFalse(taken(message(CHAT.replace("bob", "shylock")), alice.session()));
        assertEquals(0, host.offered.size());
        assertEquals(0, held.size());
    }

    @Test
    public void aPassedPacketIsForgotten() throws Exception {
        host.answer = Frame.PASS;
        assertFalse(taken(message(CHAT), alice.session()));
        assertEquals(0, held.size());
        assertEquals(1, host.offered.size());
    }

    @Test
    public void aFailingHostLetsThePacketPass() throws Exception {
        for (Exception failure : new Exception[] {new HostException(HostException.PANIC, "on purpose"),
            new HostException(HostException.CLOSED, "closed"), new IllegalStateException("x")}) {
            host.failure = failure;
            assertFalse(taken(message(CHAT), alice.session()));
            assertEquals(0, held.size());
        }
    }

    @Test
    public void onlyIncomingUnprocessedMessagesAreLookedAt() throws Exception {
        gate.interceptPacket(message(CHAT), alice.session(), false, false);
        gate.interceptPacket(message(CHAT), alice.session(), true, true);
        gate.interceptPacket(new Presence(), alice.session(), true, false);
        assertEquals(0, host.offered.size());
    }

    @Test
    public void whatTheTableDoesNotListIsNotOffered() throws Exception {
        for (String type : new String[] {"groupchat", "error", "headline"}) {
            assertFalse(taken(message(CHAT.replace("'chat'", "'" + type + "'")), alice.session()));
        }
        assertEquals(0, host.offered.size());
        assertTrue("no type is normal", taken(message(CHAT.replace(" type='chat'", "")), alice.session()));
    }

    @Test
    public void ourOwnRoutesAreNotOffered() throws Exception {
        Message message = message(CHAT);
        assertFalse(Doubles.onPump(() -> taken(message, alice.session())));
        assertEquals(0, host.offered.size());
    }

    @Test
    public void othersThanLocalClientsAreOfferedOnlyWhereWantedAndNeverHeld() throws Exception {
        String[] others = {
            CHAT.replace("alice@x.example/phone", "carol@other.example/r"), CHAT.replace("alice@x.example/phone", "x.example"),
            CHAT.replace("alice@x.example/phone", "room@conference.x.example/nick"), CHAT.replace(" from='alice@x.example/phone'", ""),
            CHAT.replace("/phone", ""),
        };
        for (String other : others) {
            assertFalse(other, taken(message(other), null));
        }
        assertEquals(0, host.offered.size());
        mode(Frame.MODE_DECIDE, true);
        for (String other : others) {
            assertFalse("cannot be taken, whatever the host says", taken(message(other), null));
        }
        assertEquals(others.length, host.offered.size());
        for (String offered : host.offered) {
            assertTrue(offered, offered.startsWith("0 0 "));
        }
        alice.anonymous = true;
        assertFalse(taken(message(CHAT), alice.session()));
        assertEquals("", asked);
    }

    @Test
    public void peopleAreLookedUpOnlyWhereItIsDecided() throws Exception {
        mode(Frame.MODE_MIRROR, false);
        host.answer = Frame.PASS;
        assertFalse(taken(message(CHAT), alice.session()));
        // Nothing is kept under a token either: what cannot be decided need not be held.
        assertTrue(host.offered.get(0), host.offered.get(0).startsWith("0 0 "));
        assertEquals("", asked);
    }

    @Test
    public void recipients() throws Exception {
        String[][] cases = {
            {" to='bob@x.example'", "11"}, {" to='bob@x.example/r'", "11"}, {" to='dave@x.example'", "3"}, {" to='nobody@x.example'", "1"},
            {" to='x.example'", "1"}, {" to='room@conference.x.example'", "1"}, {" to='bob@other.example'", "1"}, {"", "3"},
        };
        for (String[] one : cases) {
            host.offered.clear();
            taken(message(CHAT.replace(" to='bob@x.example'", one[0])), alice.session());
            assertEquals(one[0], one[1], host.offered.get(0).split(" ")[1]);
        }
    }

    @Test
    public void aStampOfThisServerMeansRerouted() throws Exception {
        String delayed = CHAT.replace("</message>", "<delay xmlns='urn:xmpp:delay' from='FROM' stamp='2026-01-01T00:00:00Z'/></message>");
        taken(message(delayed.replace("FROM", "x.example")), alice.session());
        taken(message(delayed.replace("FROM", "other.example")), alice.session());
        assertTrue(host.offered.get(0).startsWith("1 15 "));
        assertTrue(host.offered.get(1).startsWith("2 11 "));
    }
}
