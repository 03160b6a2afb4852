/* No client sees an error for a held presence, and nobody stays online who is not. */
package org.cloudbridge.openfire;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertTrue;

import java.util.Collections;

import org.dom4j.DocumentHelper;
import org.jivesoftware.openfire.interceptor.PacketRejectedException;
import org.junit.Before;
import org.junit.Test;
import org.xmpp.packet.JID;
import org.xmpp.packet.Message;
import org.xmpp.packet.PacketError;
import org.xmpp.packet.Presence;

public class PresenceGateTest {
    private final Doubles.Host host = new Doubles.Host();
    private final Doubles.Sessions sessions = new Doubles.Sessions();
    private final Doubles.Router router = new Doubles.Router();
    private final Held held = new Held();
    private final PresenceGate gate = new PresenceGate(Doubles.DOMAIN, new Offers(host, held, new StanzaWriter.Pool()), router, sessions);
    private Doubles.Client alice;

    @Before
    public void decide() {
        alice = sessions.add("alice@x.example/phone");
        rows("available unavailable", Frame.MODE_DECIDE, false);
    }

    private void rows(String types, int mode, boolean remote) {
        gate.filter(FilterTable.read(FilterTableTest.frame(false, new Object[] {"presence", types, "*", mode, remote})));
    }

    private static Presence presence(String attributes, String show) throws Exception {
        return new Presence(DocumentHelper.parseText("<presence from='alice@x.example/phone' " + attributes + ">"
            + (show.isEmpty() ? "" : "<show>" + show + "</show>") + "</presence>").getRootElement());
    }

    private boolean taken(Presence presence) {
        return taken(presence, true, alice);
    }

    private boolean taken(Presence presence, boolean incoming, Doubles.Client client) {
        try {
            gate.interceptPacket(presence, client == null ? null : client.session(), incoming, false);
            return false;
        } catch (PacketRejectedException e) {
            return true;
        }
    }

    private int release(long token) throws Exception {
        return Doubles.onPump(() -> gate.release(held.get(token))).outcome;
    }

    /** The error as Openfire makes it from a rejected presence. */
    private static Presence error(Presence rejected) {
        Presence error = new Presence();
        error.setID(rejected.getID());
        error.setTo(new JID("alice@x.example/phone"));
        error.setFrom(rejected.getTo());
        error.setError(PacketError.Condition.not_allowed);
        return error;
    }

    @Test
    public void heldAndReleased() throws Exception {
        Presence away = presence("id='p1'", "away");
        assertTrue(taken(away));
        assertTrue(host.offered.get(0), host.offered.get(0).startsWith("1 1 <presence"));
        assertEquals(0, release(1));
        assertEquals(Collections.singletonList(away.toXML()), router.routed);
        assertEquals(0, gate.lines());
    }

    @Test
    public void theAutomaticErrorIsStoppedOnceAndOnlyThatOne() throws Exception {
        Presence away = presence("id='p1'", "away");
        assertTrue(taken(away));
        Presence other = error(away);
        other.setID("p2");
        assertFalse("another id", taken(other, false, alice));
        Presence elsewhere = error(away);
        elsewhere.setTo("bob@x.example/r");
        assertFalse("to somebody else", taken(elsewhere, false, alice));
        boolean[] onAnotherThread = new boolean[1];
        Thread thread = new Thread(() -> onAnotherThread[0] = taken(error(away), false, alice));
        thread.start();
        thread.join();
        assertFalse("on another thread", onAnotherThread[0]);
        assertFalse("no error", taken(away.createCopy(), false, alice));
        assertTrue(taken(error(away), false, alice));
        assertFalse("only once", taken(error(away), false, alice));

        assertTrue("without an id", taken(presence("", "dnd")));
        assertTrue(taken(error(presence("", "dnd")), false, alice));

        assertTrue(taken(presence("id='p3'", "xa")));
        host.answer = Frame.PASS;
        assertFalse("the next packet in ends the wait", taken(presence("id='p4'", "")));
        assertFalse(taken(error(presence("id='p3'", "xa")), false, alice));
    }

    @Test
    public void onlyChangesOfAnAvailableSessionToEverybodyAreHeld() throws Exception {
        rows("*", Frame.MODE_DECIDE, false);
        for (String attributes : new String[] {"type='unavailable'", "to='room@conference.x.example/a'", "type='subscribe' to='bob@x.example'",
            "type='unsubscribed' to='bob@x.example'", "type='probe' to='bob@x.example'"}) {
            assertFalse(attributes, taken(presence(attributes, "")));
        }
        alice.available = false;
        assertFalse("the first one", taken(presence("", "")));
        alice.available = true;
        assertEquals(6, host.offered.size());
        for (String offered : host.offered) {
            assertTrue(offered, offered.startsWith("0 0 "));
        }
        alice.anonymous = true;
        assertFalse(taken(presence("", "away")));
        alice.anonymous = false;
        assertFalse("of a plugin", taken(presence("", "away"), true, null));
        assertFalse(Doubles.onPump(() -> taken(presence("", "away"))));
        gate.interceptPacket(new Message(), alice.session(), true, false);
        assertEquals(6, host.offered.size());
        assertEquals(0, gate.lines());
        rows("*", Frame.MODE_MIRROR, true);
        assertFalse(taken(presence("", "away"), true, null));
        assertFalse(taken(presence("", "away")));
        assertEquals(8, host.offered.size());
    }

    @Test
    public void noGhost() throws Exception {
        assertTrue(taken(presence("", "away")));
        sessions.remove(alice);
        assertEquals(Frame.OUTCOME_GONE, release(1));
        assertEquals(Collections.emptyList(), router.routed);
        assertEquals(0, gate.lines());
    }

    @Test
    public void noRevival() throws Exception {
        host.answer = Frame.TAKEN;
        assertTrue(taken(presence("", "away")));
        assertFalse("unavailable is never held", taken(presence("type='unavailable'", "")));
        assertEquals(Frame.OUTCOME_GONE, release(1));

        assertTrue(taken(presence("", "away")));
        rows("available", Frame.MODE_DECIDE, false);
        assertFalse(taken(presence("type='unavailable'", ""), true, null));
        assertEquals("also one that is not in the table and has no session any more", Frame.OUTCOME_GONE, release(2));

        assertTrue(taken(presence("", "away")));
        alice.available = false;
        assertEquals("the same address, but not available", Frame.OUTCOME_GONE, release(3));
        assertEquals(Collections.emptyList(), router.routed);
        assertEquals(0, gate.lines());
    }

    @Test
    public void theNewestCounts() throws Exception {
        assertTrue(taken(presence("", "away")));
        assertTrue(taken(presence("", "dnd")));
        assertEquals(Frame.OUTCOME_GONE, release(1));
        assertFalse("directed presence is another matter", taken(presence("to='room@conference.x.example/a'", "chat")));
        assertEquals(0, release(2));
        assertTrue(router.routed.get(0).contains("dnd"));
        assertTrue(taken(presence("", "xa")));
        host.answer = Frame.PASS;
        assertFalse(taken(presence("", "chat")));
        assertEquals(Frame.OUTCOME_GONE, release(3));
        assertEquals(1, router.routed.size());
        assertEquals(0, gate.lines());
    }

    @Test
    public void whatComesDuringTheReleaseHasTheLastWord() throws Exception {
        assertTrue(taken(presence("", "away")));
        host.answer = Frame.PASS;
        Presence[] during = {presence("type='unavailable'", "")};
        router.thenPresence = () -> {
            if (during[0] != null) {
                Presence now = during[0];
                during[0] = null;
                onSocket(() -> {
                    taken(now);
                    done(now);
                });
            }
        };
        assertEquals(0, release(1));
        assertEquals(2, router.routed.size());
        assertTrue(router.routed.get(1), router.routed.get(1).contains("unavailable"));
        assertEquals(0, gate.lines());

        host.answer = Frame.TAKEN;
        router.routed.clear();
        assertTrue(taken(presence("", "xa")));
        router.thenPresence = () -> sessions.remove(alice);
        assertEquals(0, release(2));
        assertTrue("the session ended meanwhile", router.routed.get(1).contains("unavailable"));
        assertEquals(0, gate.lines());
    }

    @Test
    public void whatOpenfireIsStillAtIsRepeatedByItsOwnThread() throws Exception {
        assertTrue(taken(presence("", "away")));
        host.answer = Frame.PASS;
        Presence during = presence("type='unavailable'", "");
        router.thenPresence = () -> {
            router.thenPresence = null;
            onSocket(() -> taken(during));
        };
        assertEquals(0, release(1));
        assertEquals("not beside it", 1, router.routed.size());
        Thread[] routing = new Thread[1];
        router.thenPresence = () -> {
            routing[0] = Thread.currentThread();
            // Openfire's router asks us about what we repeat, too.
            assertFalse(taken(during));
        };
        int shown = host.offered.size();
        done(during);
        assertEquals(2, router.routed.size());
        assertTrue(router.routed.get(1), router.routed.get(1).contains("unavailable"));
        assertEquals(Thread.currentThread(), routing[0]);
        assertEquals("the host has seen it once", shown, host.offered.size());
        assertEquals(0, gate.lines());
        done(during);
        assertEquals("once", 2, router.routed.size());
    }

    private void done(Presence presence) {
        try {
            gate.interceptPacket(presence, alice.session(), true, true);
        } catch (PacketRejectedException e) {
            throw new AssertionError(e);
        }
    }

    private static void onSocket(Runnable what) {
        Thread client = new Thread(what);
        client.start();
        try {
            client.join();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    public void refusedAndReplaced() throws Exception {
        Presence away = presence("id='p1'", "away");
        assertTrue(taken(away));
        assertEquals(0, gate.refuse(away, "cancel", "not-allowed", "").outcome);
        assertEquals(0, alice.got.size());
        assertEquals(0, gate.lines());
        assertTrue(taken(away));
        assertEquals(0, Doubles.onPump(() -> gate.replace(away, "<presence xmlns='jabber:client'><show>dnd</show></presence>",
            new StanzaReader())).outcome);
        assertEquals("<presence from=\"alice@x.example/phone\" id=\"p1\"><show>dnd</show></presence>", router.routed.get(0));
    }

    @Test
    public void aFailureLetsItPass() throws Exception {
        host.failure = new HostException(HostException.PANIC, "x");
        assertFalse(taken(presence("", "away")));
        host.failure = new IllegalStateException("x");
        assertFalse(taken(presence("", "away")));
        assertEquals(0, held.size());
        assertEquals(0, gate.lines());
        host.failure = null;
        assertTrue(taken(presence("", "away")));
        router.thenPresence = () -> {
            throw new IllegalStateException("on purpose");
        };
        try {
            Doubles.onPump(() -> gate.release(held.get(3)));
            assertTrue("must fail", false);
        } catch (java.util.concurrent.ExecutionException expected) {
            assertEquals(0, gate.lines());
        }
        gate.filter(FilterTable.NOTHING);
        assertFalse(taken(presence("", "away")));
    }
}
