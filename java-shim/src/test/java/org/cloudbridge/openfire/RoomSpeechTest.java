/* What is said in a room is held once, goes out once, and what became of it is known exactly. */
package org.cloudbridge.openfire;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;

import org.dom4j.DocumentHelper;
import org.jivesoftware.openfire.interceptor.PacketRejectedException;
import org.junit.Before;
import org.junit.Test;
import org.xmpp.packet.JID;
import org.xmpp.packet.Message;
import org.xmpp.packet.Presence;

public class RoomSpeechTest {
    private static final JID HALL = new JID("hall@rooms.x.example");
    private static final JID ALICE = new JID("alice@x.example/phone");
    private static final JID BOB = new JID("bob@x.example/desk");

    /** A server with one room. */
    static final class Rooms implements RoomGate.Services, RoomWatch.Rooms {
        String affiliation = "member";
        boolean voice = true;
        boolean exists = true;
        List<RoomWatch.Affiliated> lists = new ArrayList<>();
        final List<RoomWatch.Occupant> occupants = new ArrayList<>();

        @Override
        public boolean isService(String domain) {
            return "rooms.x.example".equals(domain);
        }

        @Override
        public boolean exists(JID room) {
            return exists;
        }

        @Override
        public String affiliation(JID room, JID user) {
            return affiliation;
        }

        @Override
        public boolean hasVoice(JID room, String nickname) {
            return voice;
        }

        @Override
        public List<RoomWatch.Affiliated> affiliated(JID room) {
            return lists;
        }

        @Override
        public List<RoomWatch.Occupant> occupants() {
            return occupants;
        }
    }

    /** For tests that say nothing in rooms. */
    static RoomSpeech nothing() {
        Doubles.Host host = new Doubles.Host();
        Offers offers = new Offers(host, new Held(), new StanzaWriter.Pool());
        Rooms rooms = new Rooms();
        return new RoomSpeech(offers, new Doubles.Router(), new Doubles.Sessions(), domain -> false,
            new RoomWatch(Doubles.DOMAIN, host, offers, rooms), rooms, new RoomFanOut());
    }

    private final Doubles.Host host = new Doubles.Host();
    private final Doubles.Sessions sessions = new Doubles.Sessions();
    private final Doubles.Router router = new Doubles.Router();
    private final Held held = new Held();
    private final Offers offers = new Offers(host, held, new StanzaWriter.Pool());
    private final Rooms rooms = new Rooms();
    private final RoomFanOut fanOut = new RoomFanOut();
    private final RoomWatch watch = new RoomWatch(Doubles.DOMAIN, host, offers, rooms);
    private final RoomSpeech speech = new RoomSpeech(offers, router, sessions, rooms, watch, rooms, fanOut);
    private final MessageGate gate = new MessageGate(Doubles.DOMAIN, offers, null, speech);
    private final RoomJoins joins = new RoomJoins(Doubles.DOMAIN, rooms, watch, rooms, fanOut);
    private Doubles.Client alice;
    private Doubles.Client bob;

    @Before
    public void decide() {
        alice = sessions.add(ALICE.toString());
        bob = sessions.add(BOB.toString());
        watch.tells(fanOut);
        mode(Frame.MODE_DECIDE);
        watch.occupantJoined(HALL, ALICE, "al");
        watch.occupantJoined(HALL, BOB, "bo");
        host.offered.clear();
        host.notices.clear();
        router.then = this::asTheRoomDoes;
    }

    private void mode(int mode) {
        FilterTable table = FilterTable.read(FilterTableTest.frame(true, new Object[] {"message", "groupchat", "*", mode, mode >= Frame.MODE_MIRROR},
            new Object[] {"event", "room", "*", mode, false}));
        gate.filter(table);
        watch.filter(table);
        joins.filter(table);
    }

    /** Sends a copy to each occupant and announces it. */
    private void asTheRoomDoes(Message message) {
        String nickname = watch.nickname(HALL, message.getFrom());
        if (nickname == null) {
            return;
        }
        message.setFrom(new JID("hall", "rooms.x.example", nickname));
        for (Doubles.Client client : Arrays.asList(alice, bob)) {
            if (watch.nickname(HALL, client.jid) != null) {
                Message copy = message.createCopy();
                copy.setTo(client.jid);
                try {
                    fanOut.interceptPacket(copy, client.session(), false, false);
                    client.got.add(copy);
                } catch (PacketRejectedException e) {
                    continue;
                }
            }
        }
        watch.messageReceived(HALL, ALICE, nickname, message);
    }

    private static Message said(String attributes, String inner) throws Exception {
        return new Message(DocumentHelper.parseText("<message from='alice@x.example/phone' type='groupchat' id='m1' " + attributes + ">" + inner
            + "</message>").getRootElement());
    }

    private boolean taken(Message message) {
        return taken(message, alice);
    }

    private boolean taken(Message message, Doubles.Client client) {
        try {
            gate.interceptPacket(message, client == null ? null : client.session(), true, false);
            return false;
        } catch (PacketRejectedException e) {
            return true;
        }
    }

    private String released(long token) throws Exception {
        return Doubles.onPump(() -> held.keeper(token).release(held.get(token))).detail;
    }

    @Test
    public void heldReleasedOnceAndWhomItReachedIsKnown() throws Exception {
        assertTrue(taken(said("to='hall@rooms.x.example'", "<body>hi</body>")));
        assertTrue(host.offered.get(0), host.offered.get(0).startsWith("1 33 <message"));
        assertEquals("accepted\nalice@x.example/phone\nbob@x.example/desk", released(1));
        assertEquals(1, router.routed.size());
        assertEquals(1, host.offered.size());
    }

    @Test
    public void whatTheRoomWouldNotTakeIsNotHeld() throws Exception {
        rooms.voice = false;
        assertFalse("no voice", taken(said("to='hall@rooms.x.example'", "<body>hi</body>")));
        rooms.voice = true;
        watch.occupantLeft(HALL, ALICE, "al");
        assertFalse("not in there", taken(said("to='hall@rooms.x.example'", "<body>hi</body>")));
        assertFalse("to a person", taken(said("to='bob@x.example'", "<body>hi</body>")));
        assertEquals(Collections.emptyList(), host.offered);
    }

    @Test
    public void whatTheRoomRefusesAfterAllIsSaid() throws Exception {
        assertTrue(taken(said("to='hall@rooms.x.example'", "<body>hi</body>")));
        router.then = message -> {
        };
        assertEquals("refused", released(1));
    }

    @Test
    public void whoLeavesBeforeTheReleaseHasSpokenAllTheSame() throws Exception {
        assertTrue(taken(said("to='hall@rooms.x.example'", "<body>hi</body>")));
        watch.occupantLeft(HALL, ALICE);
        String detail = Doubles.onPump(() -> {
            bob.instead = null;
            return held.keeper(1).release(held.get(1));
        }).detail;
        assertEquals("hall@rooms.x.example/al", bob.got.get(0).getFrom().toString());
        assertTrue(detail, detail.startsWith("handed"));
        assertEquals(Collections.emptyList(), router.routed);
    }

    @Test
    public void aMemberWhoHasJustJoinedHearsWhatIsReleasedOnlyAfterItsCatchUp() throws Exception {
        assertTrue(taken(said("to='hall@rooms.x.example'", "<body>1</body>")));
        watch.occupantLeft(HALL, BOB, "bo");
        Presence join = new Presence(DocumentHelper.parseText("<presence from='" + BOB + "' to='hall@rooms.x.example/bo'>"
            + "<x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='5'/><password>canary</password></x></presence>").getRootElement());
        joins.interceptPacket(join, bob.session(), true, false);
        assertTrue(join.toXML(), join.toXML().contains("<history maxstanzas=\"0\"/>") && !join.toXML().contains("\"5\""));
        assertTrue("the room still gets it", join.toXML().contains("canary"));
        watch.occupantJoined(HALL, BOB, "bo");
        joins.interceptPacket(join, bob.session(), true, true);
        assertEquals(1, fanOut.owed());
        assertEquals("accepted\nalice@x.example/phone", released(1));
        assertEquals(0, bob.got.size());
        fanOut.live(HALL, BOB, Long.MAX_VALUE);
        assertTrue(taken(said("to='hall@rooms.x.example'", "<body>2</body>")));
        assertEquals("accepted\nalice@x.example/phone\nbob@x.example/desk", released(2));
    }

    @Test
    public void theCatchUpOfAnEarlierJoinDoesNotEndThatOfALaterOne() {
        fanOut.owed(HALL, BOB);
        fanOut.told(HALL, BOB, 5);
        fanOut.gone(HALL, BOB);
        fanOut.owed(HALL, BOB);
        fanOut.live(HALL, BOB, 5);
        assertEquals("the later join is not even told", 1, fanOut.owed());
        fanOut.told(HALL, BOB, 7);
        fanOut.told(HALL, BOB, 8); // Another nickname.
        fanOut.live(HALL, BOB, 5);
        assertEquals(1, fanOut.owed());
        fanOut.live(HALL, BOB, 7);
        assertEquals(0, fanOut.owed());
    }

    @Test
    public void whoDidNotGetInIsOwedNothingAndOthersJoinAsEver() throws Exception {
        watch.occupantLeft(HALL, BOB, "bo");
        Presence join = new Presence(DocumentHelper.parseText("<presence from='" + BOB + "' to='hall@rooms.x.example/bo'>"
            + "<x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='5'/></x></presence>").getRootElement());
        joins.interceptPacket(join.createCopy(), bob.session(), true, false);
        assertEquals(1, fanOut.owed());
        joins.interceptPacket(join, bob.session(), true, true);
        assertEquals(0, fanOut.owed());
        String before = join.toXML();
        rooms.affiliation = "none";
        joins.interceptPacket(join, bob.session(), true, false);
        rooms.affiliation = "member";
        bob.anonymous = true;
        joins.interceptPacket(join, bob.session(), true, false);
        bob.anonymous = false;
        joins.interceptPacket(join, null, true, false);
        watch.occupantJoined(HALL, new JID("bob@x.example/other"), "b2");
        joins.interceptPacket(join, bob.session(), true, false);
        assertEquals(before, join.toXML());
        assertEquals(0, fanOut.owed());
    }

    @Test
    public void whatPassesIsToldAfterwardsIfTheRoomAcceptedIt() throws Exception {
        host.answer = Frame.PASS;
        Message message = said("to='hall@rooms.x.example'", "<body>hi</body>");
        assertFalse(taken(message));
        Message copy = message.createCopy();
        copy.setTo("somebody@y.example/r");
        gate.interceptPacket(copy, null, true, true);
        assertEquals("a copy to somebody elsewhere", 1, host.offered.size());
        asTheRoomDoes(message);
        gate.interceptPacket(message, alice.session(), true, true);
        String told = host.offered.get(1);
        assertTrue(told, told.startsWith("0 48 <message") && told.contains("from=\"alice@x.example/phone\"") && told.contains("to=\"hall@rooms.x.example\""));
        assertTrue(told, told.contains("<reached xmlns=\"urn:cloudbridge:room:0\" nick=\"al\"><to jid=\"alice@x.example/phone\"/><to jid=\"bob@x.example/desk\"/></reached>"));
        Message other = said("to='hall@rooms.x.example'", "<body>hi</body>");
        assertFalse(taken(other));
        gate.interceptPacket(other, alice.session(), true, true);
        assertEquals("refused by the room: not told", 3, host.offered.size());
    }

    @Test
    public void inMirrorOnlyWhatWasAcceptedIsToldAndInWatchItIsCounted() throws Exception {
        mode(Frame.MODE_MIRROR);
        Message message = said("to='hall@rooms.x.example'", "<body>hi</body>");
        assertFalse(taken(message));
        assertEquals(0, host.offered.size());
        asTheRoomDoes(message);
        gate.interceptPacket(message, alice.session(), true, true);
        assertTrue(host.offered.get(0), host.offered.get(0).startsWith("0 48 <message"));
        mode(Frame.MODE_WATCH);
        Message counted = said("to='hall@rooms.x.example'", "<body>hi</body>");
        assertFalse(taken(counted));
        gate.interceptPacket(counted, alice.session(), true, true);
        assertEquals(2, host.offered.size());
        assertTrue(host.offered.get(1), host.offered.get(1).startsWith("0 32 <message"));
    }

    @Test
    public void aReceiptToOneOccupantIsTakenAndAnotherMessageToOneIsNot() throws Exception {
        assertTrue(taken(said("to='hall@rooms.x.example/bo'", "<received xmlns='urn:xmpp:receipts' id='m0'/>")));
        assertFalse(taken(said("to='hall@rooms.x.example/bo'", "<body>hi</body>")));
        assertFalse(taken(said("to='hall@rooms.x.example/bo'", "<body>hi</body><received xmlns='urn:xmpp:receipts' id='m0'/>")));
    }

    @Test
    public void joinsAndLeavesAreToldWithGrowingNumbersAndListsWhenTheyChange() throws Exception {
        rooms.lists.add(new RoomWatch.Affiliated(new JID("alice@x.example"), "owner"));
        watch.roomCreated(7L, HALL);
        watch.requested(HALL);
        assertEquals("told once", 1, host.offered.size());
        assertTrue(host.offered.get(0), host.offered.get(0).startsWith("0 48 <iq")
            && host.offered.get(0).contains("<item affiliation=\"owner\" jid=\"alice@x.example\"/>"));
        watch.occupantLeft(HALL, BOB);
        watch.occupantJoined(HALL, new JID("eve@y.example/r"), "eve");
        Frame.Reader left = new Frame.Reader(host.notices.take());
        assertEquals(Frame.NOTICE_OCCUPANT, left.opcode());
        long first = left.takeLong();
        assertEquals(HALL.toString() + ' ' + BOB, left.takeStr() + ' ' + left.takeStr());
        assertEquals(0, host.notices.size());
        rooms.occupants.add(new RoomWatch.Occupant(HALL, ALICE, "al"));
        watch.snapshot();
        Frame.Reader all = new Frame.Reader(host.notices.take());
        assertEquals(Frame.NOTICE_OCCUPANTS, all.opcode());
        assertTrue(all.takeLong() > first);
        assertEquals(1, all.takeCount());
        watch.roomDestroyed(HALL);
        assertTrue(host.offered.get(1), host.offered.get(1).contains("<destroy"));
    }
}
