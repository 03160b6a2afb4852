/* The first row that matches counts, and no row means not looked at. */
package org.cloudbridge.openfire;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertTrue;
import static org.junit.Assert.fail;

import org.junit.Test;

public class FilterTableTest {
    /** Rows: kind, types, namespace, mode, remote. */
    static byte[] frame(boolean sessions, Object[]... rows) {
        Frame.Writer frame = new Frame.Writer(Frame.FILTER_TABLE).putInt(rows.length);
        for (Object[] row : rows) {
            frame.putStr((String) row[0]).putStr((String) row[1]).putStr((String) row[2]).putInt((Integer) row[3])
                .putBool((Boolean) row[4]);
        }
        return frame.putBool(sessions).done();
    }

    @Test
    public void firstRowThatMatchesCounts() {
        FilterTable table = FilterTable.read(frame(true,
            new Object[] {"message", "headline", "*", Frame.MODE_OFF, false},
            new Object[] {"message", "chat normal", "*", Frame.MODE_DECIDE, false},
            new Object[] {"message", "chat headline", "*", Frame.MODE_WATCH, true},
            new Object[] {"iq", "set get", "jabber:iq:roster", Frame.MODE_MIRROR, false},
            new Object[] {"presence", "*", "*", Frame.MODE_WATCH, false}));
        assertTrue(table.sessions);
        assertEquals(Frame.MODE_DECIDE, table.message("chat").mode);
        assertEquals(Frame.MODE_DECIDE, table.message("normal").mode);
        assertEquals("absent means normal", Frame.MODE_DECIDE, table.message(null).mode);
        assertEquals("unknown means normal", Frame.MODE_DECIDE, table.message("strange").mode);
        assertNull("off is not looked at", table.message("headline"));
        assertNull(table.message("groupchat"));
        assertNull(table.message("error"));
        assertEquals(Frame.MODE_MIRROR, table.find("iq", "set", "jabber:iq:roster").mode);
        assertNull(table.find("iq", "result", "jabber:iq:roster"));
        assertNull(table.find("iq", "set", "jabber:iq:register"));
        assertEquals(Frame.MODE_WATCH, table.find("presence", "unavailable", "").mode);
    }

    @Test
    public void theLoginFlagMayBeMissing() {
        byte[] old = frame(true, new Object[] {"event", "roster", "*", Frame.MODE_MIRROR, false});
        assertFalse(FilterTable.read(old).login);
        for (boolean login : new boolean[] {true, false}) {
            byte[] frame = java.util.Arrays.copyOf(old, old.length + 1);
            frame[old.length] = (byte) (login ? 1 : 0);
            assertEquals(login, FilterTable.read(frame).login);
            assertTrue(FilterTable.read(frame).sessions);
        }
        assertFalse(FilterTable.NOTHING.login);
    }

    @Test
    public void namesMayBeMissing() {
        byte[] old = frame(true, new Object[] {"iq", "set", "http://jabber.org/protocol/pubsub", Frame.MODE_WATCH, false});
        assertTrue(FilterTable.read(old).named("pubsub.node").isEmpty());
        byte[] named = new Frame.Writer(Frame.FILTER_TABLE).putInt(0).putBool(true).putBool(true).putInt(3)
            .putStr("pubsub.node").putStr("a").putStr("pubsub.node").putStr("b").putStr("later").putStr("c").done();
        assertEquals(new java.util.HashSet<>(java.util.Arrays.asList("a", "b")), FilterTable.read(named).named("pubsub.node"));
        assertTrue(FilterTable.read(named).login);
    }

    @Test
    public void newKinds() {
        FilterTable table = FilterTable.read(frame(true,
            new Object[] {"iq", "set", "jabber:iq:roster", Frame.MODE_OFF, false},
            new Object[] {"iq", "get set", "jabber:iq:roster", Frame.MODE_DECIDE, false},
            new Object[] {"component", "people", "jabber:iq:search", Frame.MODE_DECIDE, false},
            new Object[] {"component", "old", "jabber:iq:search", Frame.MODE_OFF, false},
            new Object[] {"event", "roster user", "*", Frame.MODE_WATCH, false}));
        assertNull("the first row counts, and it is off", table.wanted("iq", "set", "jabber:iq:roster"));
        assertEquals(Frame.MODE_DECIDE, table.wanted("iq", "get", "jabber:iq:roster").mode);
        assertEquals(1, table.rows("component").size());
        assertEquals("people", table.rows("component").get(0).types[0]);
        assertEquals(Frame.MODE_WATCH, table.wanted("event", "user", "*").mode);
    }

    @Test
    public void aStarTakesEveryType() {
        FilterTable table = FilterTable.read(frame(false, new Object[] {"message", "*", "*", Frame.MODE_MIRROR, true}));
        assertFalse(table.sessions);
        for (String type : new String[] {null, "chat", "normal", "headline", "groupchat", "error"}) {
            assertTrue(table.message(type).remote);
        }
    }

    @Test
    public void nothingLooksAtNothing() {
        assertNull(FilterTable.NOTHING.message("chat"));
        try {
            FilterTable.read(new byte[] {2, 0, 0, 0, 0, 0});
            fail("read a frame of another kind");
        } catch (IllegalArgumentException expected) {
            // As it must be.
        }
    }
}
