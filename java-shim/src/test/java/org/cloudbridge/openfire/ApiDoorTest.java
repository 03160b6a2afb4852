/* What gets out of the door is the JDK's, whatever happens behind it. */
package org.cloudbridge.openfire;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertTrue;
import static org.junit.Assert.fail;

import java.util.Arrays;
import java.util.Collections;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;

import org.junit.Test;

public class ApiDoorTest {
    private final Doubles.Host host = new Doubles.Host();

    private Object ask(Object... request) {
        return ApiDoor.apply(host, request);
    }

    private void answers(int ask, Frame.Writer answer) {
        host.answers.put(ask, answer.done());
    }

    private void refused(Class<? extends RuntimeException> kind, String words, Object... request) {
        try {
            ask(request);
            fail("no exception");
        } catch (RuntimeException e) {
            assertEquals(kind, e.getClass());
            assertTrue(e.getMessage(), e.getMessage().contains(words));
            assertNull("a cause could be a class of ours", e.getCause());
        }
    }

    @Test
    public void answersAreStringsListsAndMaps() {
        assertEquals(ApiDoor.VERSION, ask("version"));
        assertEquals(true, ask("running"));
        answers(Frame.ASK_CONVERT, new Frame.Writer(Frame.ANSWER_OK).putStr("{}"));
        assertEquals("{}", ask("toJson", "<message/>"));
        answers(Frame.ASK_CALL, new Frame.Writer(Frame.ANSWER_OK).putInt(1).putStr("outcome").putStr("native"));
        assertEquals(Collections.singletonMap("outcome", "native"), ask("call", "friend.set", "<iq/>", "", 100));
        answers(Frame.ASK_SUBSCRIBE, new Frame.Writer(Frame.ANSWER_OK).putLong(7));
        assertEquals(7L, ask("subscribe", ""));
        answers(Frame.ASK_EVENTS, new Frame.Writer(Frame.ANSWER_OK).putInt(2).putStr("a").putStr("b"));
        assertEquals(Arrays.asList("a", "b"), ask("events", 7L, 10, 0));
    }

    @Test
    public void whatIsWrongIsNamedAndNoClassOfOursGetsOut() {
        answers(Frame.ASK_CALL, new Frame.Writer(Frame.ANSWER_ERROR).putStr("there is no row x"));
        refused(IllegalArgumentException.class, "no row x", "call", "x", "<iq/>", "", 100);
        refused(IllegalArgumentException.class, "no function", "dance");
        refused(IllegalArgumentException.class, "argument 1", "toJson");
        refused(IllegalArgumentException.class, "argument 1", "toJson", 5);
        refused(IllegalArgumentException.class, "argument 4", "call", "x", "<iq/>", "", "soon");
        refused(IllegalStateException.class, "code", "toXml", "{}");
    }

    @Test
    public void aSubscriptionThatIsOverIsNull() {
        answers(Frame.ASK_EVENTS, new Frame.Writer(Frame.ANSWER_ERROR).putStr("there is no such subscription"));
        assertNull(ask("events", 7L, 10, 0));
    }

    @Test
    public void withoutABridgeItSaysSo() {
        assertEquals(false, ApiDoor.apply(null, new Object[] {"running"}));
        try {
            ApiDoor.apply(null, new Object[] {"toJson", "<message/>"});
            fail("no exception");
        } catch (IllegalStateException e) {
            assertEquals("Cloud Bridge is not running", e.getMessage());
        }
    }

    @Test
    public void nobodyWaitsOnAThreadThatReadsSockets() throws Exception {
        FutureTask<Void> task = new FutureTask<>(() -> {
            refused(IllegalStateException.class, "must not", "call", "friend.set", "<iq/>", "", 100);
            return null;
        });
        new Thread(task, "socket_c2s-thread-3").start();
        task.get(20, TimeUnit.SECONDS);
    }
}
