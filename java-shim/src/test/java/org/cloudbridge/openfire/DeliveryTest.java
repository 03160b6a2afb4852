/* Who can take a message, what is reported, and that nothing is done when nobody can. */
package org.cloudbridge.openfire;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;

import org.dom4j.DocumentHelper;
import org.dom4j.Element;
import org.junit.Test;
import org.xmpp.packet.Message;
import org.xmpp.packet.PacketError;

public class DeliveryTest {
    private final Doubles.Host host = new Doubles.Host();
    private final Doubles.Sessions sessions = new Doubles.Sessions();
    private final Doubles.Router router = new Doubles.Router();
    private final Delivery delivery = new Delivery(Doubles.DOMAIN, router, sessions, new SessionWatch(host),
        new OfflineWatch(host, new StanzaWriter.Pool()));

    private static final String CHAT = "<message from='alice@x.example/a' to='TO' type='chat' id='7'><body>hi</body></message>";

    private static Message message(String xml) throws Exception {
        return new Message(DocumentHelper.parseText(xml).getRootElement());
    }

    private int route(Message message, boolean force) throws Exception {
        return Doubles.onPump(() -> delivery.route(PumpThread.current(), message, force)).outcome;
    }

    private int route(String to) throws Exception {
        return route(message(CHAT.replace("TO", to)), false);
    }

    @Test
    public void withoutAnybodyNothingIsDone() throws Exception {
        assertEquals(Frame.OUTCOME_GONE, route("bob@x.example"));
        assertEquals(Frame.OUTCOME_GONE, route("bob@x.example/phone"));
        Doubles.Client bob = sessions.add("bob@x.example/phone");
        bob.priority = -1;
        assertEquals("a negative priority takes nothing for the bare JID", Frame.OUTCOME_GONE, route("bob@x.example"));
        bob.priority = 0;
        bob.initialized = false;
        assertEquals("the bare JID would mean the offline store", Frame.OUTCOME_GONE, route("bob@x.example"));
        assertEquals(0, router.routed.size());
    }

    @Test
    public void whoCanTakeItGetsIt() throws Exception {
        Doubles.Client bob = sessions.add("bob@x.example/phone");
        assertEquals(Frame.OUTCOME_OK, route("bob@x.example"));
        bob.priority = -1;
        assertEquals("a full JID is taken at any priority", Frame.OUTCOME_OK, route("bob@x.example/phone"));
        assertEquals("others answer for themselves", Frame.OUTCOME_OK, route("bob@other.example"));
        assertEquals(Frame.OUTCOME_OK, route("room@conference.x.example"));
        assertEquals(4, router.routed.size());
    }

    @Test
    public void whatAnArchiveGivesNeedsNoPresence() throws Exception {
        Doubles.Client bob = sessions.add("bob@x.example/phone");
        bob.available = false;
        String kept = CHAT.replace("TO", "bob@x.example/phone");
        String result = "<message to='bob@x.example/phone'><result xmlns='urn:xmpp:mam:2' id='1'/></message>";
        assertEquals(Frame.OUTCOME_GONE, handOver(kept));
        assertEquals(Frame.OUTCOME_OK, handOver(result));
        assertEquals(1, bob.got.size());
        sessions.remove(bob);
        assertEquals(Frame.OUTCOME_GONE, handOver(result));
    }

    private int handOver(String xml) throws Exception {
        Message message = message(xml);
        return Doubles.onPump(() -> delivery.handOver(PumpThread.current(), "bob@x.example/phone", message)).outcome;
    }

    @Test
    public void whatIsForAGoneResourceGoesToTheBareJid() throws Exception {
        sessions.add("bob@x.example/phone");
        assertEquals(Frame.OUTCOME_OK, route("bob@x.example/gone"));
        assertEquals(Frame.OUTCOME_OK, route(gone("normal"), false));
        for (String routed : router.routed) {
            assertTrue(routed, routed.contains("to=\"bob@x.example\""));
        }
        assertEquals("only for whom it is addressed to", Frame.OUTCOME_GONE, route(gone("headline"), false));
    }

    private static Message gone(String type) throws Exception {
        return message(CHAT.replace("TO", "bob@x.example/gone").replace("type='chat'", "type='" + type + "'"));
    }

    @Test
    public void forcedIsRoutedWhateverTheRecipient() throws Exception {
        assertEquals(Frame.OUTCOME_OK, route(message(CHAT.replace("TO", "bob@x.example")), true));
        router.then = message -> PumpThread.current().fate(PumpThread.STORED);
        Delivery.Result result = Doubles.onPump(() -> delivery.route(PumpThread.current(), message(CHAT.replace("TO", "bob@x.example")), true));
        assertEquals(Frame.OUTCOME_OK, result.outcome);
        assertEquals("offline", result.detail);
    }

    @Test
    public void whatTheOfflineStoreGaveBackIsKeptAsItWas() throws Exception {
        sessions.add("bob@x.example/phone");
        router.then = message -> PumpThread.current().fate(PumpThread.REMOVED);
        Message message = message(CHAT.replace("TO", "bob@x.example/gone"));
        assertEquals(Frame.OUTCOME_FELLBACK, route(message, false));
        assertEquals("bob@x.example/gone", message.getTo().toString());
    }

    @Test
    public void aClosingSenderDoesNotLoseTheMessage() throws Exception {
        sessions.add("bob@x.example/phone");
        Doubles.Client alice = sessions.add("alice@x.example/a");
        Message message = message(CHAT.replace("TO", "bob@x.example").replace(" type='chat'", ""));
        String before = message.toXML();
        router.then = routed -> {
            if (router.routed.size() < 3) {
                // What MessageRouter does with the message of a session that is closed but still listed.
                routed.setTo(alice.jid);
                routed.setFrom((org.xmpp.packet.JID) null);
                routed.setError(PacketError.Condition.not_authorized);
            }
        };
        assertEquals(Frame.OUTCOME_OK, route(message, false));
        assertEquals(3, router.routed.size());
        assertEquals(StanzaWriterTest.tree(before.getBytes("UTF-8")), StanzaWriterTest.tree(router.routed.get(2).getBytes("UTF-8")));
    }

    @Test
    public void handOverGoesToOneSessionOnly() throws Exception {
        Doubles.Client phone = sessions.add("bob@x.example/phone");
        Doubles.Client desk = sessions.add("bob@x.example/desk");
        desk.carbons = true;
        Message message = message(CHAT.replace("TO", "bob@x.example"));
        assertEquals(Frame.OUTCOME_OK, handOver("bob@x.example/phone", message));
        assertEquals(1, phone.got.size());
        assertEquals(0, desk.got.size());
        assertEquals(Frame.OUTCOME_GONE, handOver("bob@x.example/other", message));
        phone.available = false;
        assertEquals(Frame.OUTCOME_GONE, handOver("bob@x.example/phone", message));
        phone.available = true;
        phone.instead = () -> phone.closed = true;
        assertEquals("closed under our hands", Frame.OUTCOME_GONE, handOver("bob@x.example/phone", message));
        phone.closed = false;
        phone.instead = () -> PumpThread.current().fate(PumpThread.REMOVED);
        assertEquals(Frame.OUTCOME_GONE, handOver("bob@x.example/phone", message));
    }

    private int handOver(String jid, Message message) throws Exception {
        return Doubles.onPump(() -> delivery.handOver(PumpThread.current(), jid, message)).outcome;
    }

    @Test
    public void carbonsGoToTheSendersOtherResources() throws Exception {
        Doubles.Client sender = sessions.add("alice@x.example/a");
        Doubles.Client other = sessions.add("alice@x.example/b");
        Doubles.Client without = sessions.add("alice@x.example/c");
        sender.carbons = true;
        other.carbons = true;
        delivery.carbons(message(CHAT.replace("TO", "bob@x.example")));
        assertEquals(0, sender.got.size());
        assertEquals(0, without.got.size());
        assertEquals(1, other.got.size());
        Element carbon = other.got.get(0).getElement();
        assertEquals(StanzaWriterTest.tree(("<message from='alice@x.example' to='alice@x.example/b' type='chat'><sent xmlns='urn:xmpp:carbons:2'>"
            + "<forwarded xmlns='urn:xmpp:forward:0'>" + CHAT.replace("TO", "bob@x.example").replace("<message", "<message xmlns='jabber:client'")
            + "</forwarded></sent></message>").getBytes("UTF-8")), StanzaWriterTest.tree(carbon.asXML().getBytes("UTF-8")));
        delivery.carbons(message(CHAT.replace("TO", "bob@x.example").replace("<body>", "<private xmlns='urn:xmpp:carbons:2'/><body>")));
        delivery.carbons(message(CHAT.replace("TO", "bob@x.example").replace("<body>", "<no-copy xmlns='urn:xmpp:hints'/><body>")));
        delivery.carbons(message(CHAT.replace("TO", "bob@x.example").replace("'chat'", "'headline'")));
        assertEquals(1, other.got.size());
    }

    @Test
    public void theSentCarbonsOfASenderWhoLeftAreMadeHere() throws Exception {
        sessions.add("bob@x.example/phone");
        Doubles.Client other = sessions.add("alice@x.example/b");
        other.carbons = true;
        assertEquals(Frame.OUTCOME_OK, route("bob@x.example"));
        assertEquals(1, other.got.size());
        sessions.add("alice@x.example/a");
        assertEquals(Frame.OUTCOME_OK, route("bob@x.example"));
        assertEquals("with the sender there, Openfire makes them", 1, other.got.size());
    }

    @Test
    public void aRefusalIsAnErrorWithThePayload() throws Exception {
        Message message = message(CHAT.replace("TO", "bob@x.example"));
        assertEquals("no session", delivery.refuse(message, "wait", "resource-constraint", "later").detail);
        Doubles.Client alice = sessions.add("alice@x.example/a");
        delivery.refuse(message, "wait", "resource-constraint", "later");
        assertEquals(StanzaWriterTest.tree(("<message from='bob@x.example' to='alice@x.example/a' type='error' id='7'><body>hi</body>"
                + "<error type='wait'><resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
                + "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>later</text></error></message>").getBytes("UTF-8")),
            StanzaWriterTest.tree(alice.got.get(0).toXML().getBytes("UTF-8")));
        assertEquals("alice@x.example/a", message.getFrom().toString());
    }
}
