/* Every effect is answered exactly once, a slow one stops one thread only, and every thread ends. */
package org.cloudbridge.openfire;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNotNull;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertSame;
import static org.junit.Assert.assertTrue;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

import org.junit.After;
import org.junit.Test;
import org.xmpp.packet.IQ;
import org.xmpp.packet.Message;
import org.xmpp.packet.Packet;

public class EffectPumpTest {
    private final Doubles.Host host = new Doubles.Host();
    private final Doubles.Sessions sessions = new Doubles.Sessions();
    private final Doubles.Router router = new Doubles.Router();
    private final Held held = new Held();
    private final SessionWatch watch = new SessionWatch(host);
    private volatile FilterTable table;
    private final Delivery delivery = new Delivery(Doubles.DOMAIN, router, sessions, watch, new OfflineWatch(host, new StanzaWriter.Pool()));
    private final EffectPump pump = new EffectPump(host, held, delivery, watch, given -> table = given, appliers(), 2, 6);

    private static Appliers appliers() {
        return new Appliers(table -> {
            table.verb("echo", 2, (thread, arguments) -> new Delivery.Result(Frame.OUTCOME_OK, String.join(",", arguments)));
            table.verb("nobody", 0, (thread, arguments) -> {
                throw new org.jivesoftware.openfire.user.UserNotFoundException();
            });
        });
    }

    private static final String XML = "<message xmlns='jabber:client' from='alice@x.example/a' to='bob@x.example' type='chat'><body>hi</body></message>";

    @After
    public void end() {
        host.stop(0);
        pump.join(5000);
        assertEquals(0, pump.size());
    }

    private String done() throws Exception {
        byte[] notice = host.notices.poll(10, TimeUnit.SECONDS);
        assertNotNull("no answer", notice);
        Frame.Reader reader = new Frame.Reader(notice);
        assertEquals(Frame.NOTICE_DONE, reader.opcode());
        return reader.takeLong() + " " + reader.takeInt() + " " + reader.takeStr();
    }

    private long hold() {
        Message message = new Message();
        message.setFrom("alice@x.example/a");
        message.setTo("bob@x.example");
        long token = held.nextToken();
        held.put(token, message);
        return token;
    }

    @Test
    public void heldPackets() throws Exception {
        pump.start();
        long token = hold();
        host.effects.add(new Frame.Writer(Frame.EFFECT_RELEASE).putLong(9).putLong(token).putBool(false).done());
        assertEquals("9 1 ", done());
        assertNotNull("kept, the host comes back to it", held.get(token));
        sessions.add("bob@x.example/r");
        host.effects.add(new Frame.Writer(Frame.EFFECT_RELEASE).putLong(10).putLong(token).putBool(false).done());
        assertEquals("10 0 ", done());
        assertNull(held.get(token));
        host.effects.add(new Frame.Writer(Frame.EFFECT_RELEASE).putLong(11).putLong(token).putBool(true).done());
        assertEquals("11 5 ", done());

        long stored = hold();
        host.effects.add(new Frame.Writer(Frame.EFFECT_STORED).putLong(12).putLong(stored).done());
        assertEquals("12 0 ", done());
        assertNull(held.get(stored));

        Doubles.Client alice = sessions.add("alice@x.example/a");
        long refused = hold();
        host.effects.add(new Frame.Writer(Frame.EFFECT_REFUSE).putLong(13).putLong(refused).putStr("cancel").putStr("policy-violation")
            .putStr("").done());
        assertEquals("13 0 ", done());
        assertEquals(1, alice.got.size());
        assertNull(held.get(refused));

        long replaced = hold();
        host.effects.add(new Frame.Writer(Frame.EFFECT_REPLACE).putLong(14).putLong(replaced).putStr(XML).putBool(false).done());
        assertEquals("14 0 ", done());
        assertNull(held.get(replaced));
        assertTrue(router.routed.get(router.routed.size() - 1).contains("hi"));
    }

    /** What is no message goes to its own keeper, and is forgotten unless the keeper failed. */
    @Test
    public void keepers() throws Exception {
        pump.start();
        StringBuilder calls = new StringBuilder();
        Delivery.Result[] answer = {Delivery.Result.OK};
        Held.Keeper keeper = new Held.Keeper() {
            @Override
            public Delivery.Result release(Packet packet) {
                calls.append("release;");
                if (answer[0] == null) {
                    throw new IllegalStateException("on purpose");
                }
                return answer[0];
            }

            @Override
            public Delivery.Result refuse(Packet packet, String type, String condition, String text) {
                calls.append("refuse " + type + " " + condition + " " + text + ";");
                return answer[0];
            }

            @Override
            public Delivery.Result replace(Packet packet, String xml, StanzaReader reader) {
                calls.append("replace " + xml + ";");
                return answer[0];
            }
        };
        held.put(50, new IQ(), keeper);
        host.effects.add(new Frame.Writer(Frame.EFFECT_REFUSE).putLong(1).putLong(50).putStr("auth").putStr("forbidden").putStr("no").done());
        assertEquals("1 0 ", done());
        held.put(51, new IQ(), keeper);
        host.effects.add(new Frame.Writer(Frame.EFFECT_REPLACE).putLong(2).putLong(51).putStr("<iq/>").putBool(false).done());
        assertEquals("2 0 ", done());
        held.put(52, new IQ(), keeper);
        answer[0] = null;
        host.effects.add(new Frame.Writer(Frame.EFFECT_RELEASE).putLong(3).putLong(52).putBool(false).done());
        assertEquals("3 4 java.lang.IllegalStateException", done());
        assertNotNull("kept, as for messages", held.get(52));
        answer[0] = Delivery.Result.GONE;
        host.effects.add(new Frame.Writer(Frame.EFFECT_RELEASE).putLong(4).putLong(52).putBool(true).done());
        assertEquals("4 1 ", done());
        assertEquals(0, held.size());
        host.effects.add(new Frame.Writer(Frame.EFFECT_RELEASE).putLong(5).putLong(52).putBool(false).done());
        assertEquals("5 5 ", done());
        assertEquals("refuse auth forbidden no;replace <iq/>;release;release;", calls.toString());
    }

    @Test
    public void verbs() throws Exception {
        pump.start();
        host.effects.add(new Frame.Writer(Frame.EFFECT_APPLY).putLong(1).putStr("no.such").putInt(0).done());
        assertEquals("1 4 unknown verb no.such", done());
        host.effects.add(new Frame.Writer(Frame.EFFECT_APPLY).putLong(2).putStr("echo").putInt(1).putStr("a").done());
        assertEquals("2 4 echo needs 2 arguments", done());
        host.effects.add(new Frame.Writer(Frame.EFFECT_APPLY).putLong(3).putStr("echo").putInt(2).putStr("a").putStr("").done());
        assertEquals("3 0 a,", done());
        host.effects.add(new Frame.Writer(Frame.EFFECT_APPLY).putLong(4).putStr("nobody").putInt(0).done());
        assertEquals("4 1 ", done());
    }

    @Test
    public void bytes() throws Exception {
        pump.start();
        Doubles.Client bob = sessions.add("bob@x.example/r");
        Doubles.Client alice = sessions.add("alice@x.example/a");
        host.effects.add(new Frame.Writer(Frame.EFFECT_ROUTE).putLong(1).putStr(XML).putBool(false).done());
        assertEquals("1 0 ", done());
        host.effects.add(new Frame.Writer(Frame.EFFECT_STORED_BYTES).putLong(2).putStr(XML).done());
        assertEquals("2 0 ", done());
        host.effects.add(new Frame.Writer(Frame.EFFECT_REFUSE_BYTES).putLong(3).putStr(XML).putStr("wait").putStr("remote-server-timeout")
            .putStr("x").done());
        assertEquals("3 0 ", done());
        assertEquals(1, alice.got.size());
        host.effects.add(new Frame.Writer(Frame.EFFECT_HANDOVER).putLong(4).putStr("bob@x.example/r").putStr(XML).done());
        assertEquals("4 0 ", done());
        assertEquals(1, bob.got.size());
        host.effects.add(new Frame.Writer(Frame.EFFECT_ROUTE).putLong(5)
            .putStr("<!DOCTYPE m [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><message>&e;</message>").putBool(true).done());
        assertTrue(done().startsWith("5 4 "));
        host.effects.add(new Frame.Writer(Frame.EFFECT_ROUTE).putLong(6).putStr("<iq/>").putBool(true).done());
        assertTrue(done().startsWith("6 4 "));
        host.effects.add(new Frame.Writer(99).putLong(7).done());
        assertEquals("7 4 unknown effect 99", done());
    }

    @Test
    public void thingsWithoutAnAnswer() throws Exception {
        pump.start();
        byte[] rows = FilterTableTest.frame(true, new Object[] {"message", "chat", "*", Frame.MODE_WATCH, false});
        host.effects.add(new Frame.Writer(Frame.EFFECT_FILTER).putLong(2).putBytes(rows).done());
        host.effects.add(new Frame.Writer(Frame.EFFECT_LOG).putInt(3).putStr("org.cloudbridge.test").putStr("a line").done());
        host.effects.add(new Frame.Writer(Frame.EFFECT_STORED).putLong(1).putLong(77).done());
        assertEquals("1 5 ", done());
        for (int i = 0; table == null && i < 500; i++) {
            Thread.sleep(10);
        }
        assertEquals(Frame.MODE_WATCH, table.message("chat").mode);
        byte[] older = FilterTableTest.frame(true, new Object[] {"message", "chat", "*", Frame.MODE_DECIDE, false});
        host.effects.add(new Frame.Writer(Frame.EFFECT_FILTER).putLong(1).putBytes(older).done());
        host.effects.add(new Frame.Writer(Frame.EFFECT_STORED).putLong(2).putLong(78).done());
        assertEquals("2 5 ", done());
        assertEquals("one that another thread took first stays", Frame.MODE_WATCH, table.message("chat").mode);
        assertTrue(host.notices.isEmpty());
    }

    @Test
    public void stuckThreadsAreHelpedOut() throws Exception {
        CountDownLatch open = new CountDownLatch(1);
        Message[] seen = new Message[1];
        router.then = message -> {
            seen[0] = PumpThread.current().inFlight();
            try {
                open.await(20, TimeUnit.SECONDS);
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        };
        sessions.add("bob@x.example/r");
        pump.start();
        long[] tokens = {hold(), hold()};
        for (long token : tokens) {
            host.effects.add(new Frame.Writer(Frame.EFFECT_RELEASE).putLong(100 + token).putLong(token).putBool(false).done());
        }
        host.effects.add(new Frame.Writer(Frame.EFFECT_STORED).putLong(1).putLong(hold()).done());
        assertEquals("answered while both first threads are stuck", "1 0 ", done());
        assertTrue(pump.size() > 2);
        open.countDown();
        done();
        done();
        assertSame(Message.class, seen[0].getClass());
    }
}
