/*
 * Notices when Openfire's own offline store takes a message that the bridge routed, and takes it out again: that store
 * loses what comes in while its owner logs in (read: it selects all rows and then deletes all rows of the user), and it
 * orders by the millisecond. What was taken out goes back to the platform.
 *
 * The row is found by its exact text and deleted by its number, in SQL. OfflineMessageStore offers deletion by timestamp
 * only, which would take along every other message of that millisecond. A row that is not there any more was deleted by
 * the flood at a login; whether read or unread is told by the flood itself, which passes every message that it delivers
 * through the interceptors.
 *
 * What it leaves out: messages that are none of ours, and those that were let go by force (native handling was asked for).
 */
package org.cloudbridge.openfire;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.Map;

import org.dom4j.Element;
import org.jivesoftware.database.DbConnectionManager;
import org.jivesoftware.openfire.OfflineMessage;
import org.jivesoftware.openfire.OfflineMessageListener;
import org.jivesoftware.openfire.OfflineMessageStore;
import org.jivesoftware.openfire.interceptor.PacketInterceptor;
import org.jivesoftware.openfire.session.Session;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.xmpp.packet.JID;
import org.xmpp.packet.Message;
import org.xmpp.packet.Packet;

/** The union of OfflineMessageListener: messageStored takes a Message up to 4.6.3 and an OfflineMessage since. */
final class OfflineWatch implements OfflineMessageListener, PacketInterceptor {
    private static final Logger LOG = LoggerFactory.getLogger(OfflineWatch.class);
    private static final String FIND = "SELECT messageID, stanza FROM ofOffline WHERE username=?";
    private static final String DELETE = "DELETE FROM ofOffline WHERE username=? AND messageID=?";
    private static final long REMEMBERED_MILLIS = 600_000;
    private static final int REMEMBERED_COUNT = 10_000;
    private static final long FLOOD_NANOS = 500_000_000L;
    private static final int FLOOD_LOOK_MILLIS = 10;

    private final HostCalls host;
    private final StanzaWriter.Pool writers;
    private final RareLog rareLog = new RareLog(LOG);

    /** Keys of messages with the time; the oldest fall out. */
    private static final class Lately extends LinkedHashMap<String, Long> {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(Map.Entry<String, Long> eldest) {
            return size() > REMEMBERED_COUNT || System.currentTimeMillis() - eldest.getValue() > REMEMBERED_MILLIS;
        }
    }

    /** What we delivered lately: a dying connection may still push it into the offline store later. */
    private final Lately delivered = new Lately();
    /** What the floods at logins delivered lately. */
    private final Lately flooded = new Lately();

    OfflineWatch(HostCalls host, StanzaWriter.Pool writers) {
        this.host = host;
        this.writers = writers;
    }

    /** The message has been delivered by an effect, as far as anybody can tell. */
    void remember(Message message) {
        put(delivered, message);
    }

    /** Sees what goes out to clients, for the messages that a flood delivers; they have a class of their own. */
    @Override
    public void interceptPacket(Packet packet, Session session, boolean incoming, boolean processed) {
        if (packet instanceof OfflineMessage && !incoming && !processed) {
            try {
                put(flooded, (Message) packet);
            } catch (Throwable e) {
                rareLog.warn("A delivered offline message was not noted: " + e.getClass().getName());
            }
        }
    }

    @Override
    public void messageBounced(Message message) {
        try {
            PumpThread thread = PumpThread.current();
            if (thread != null && isSame(thread.inFlight(), message)) {
                thread.fate(PumpThread.BOUNCED);
            }
        } catch (Throwable e) {
            rareLog.warn("messageBounced failed: " + e.getClass().getName());
        }
    }

    @Override
    public void messageStored(Message message) {
        stored(message);
    }

    /** Since Openfire 4.6.4, in the place of the one above. */
    public void messageStored(OfflineMessage message) {
        stored(message);
    }

    private void stored(Message message) {
        try {
            PumpThread thread = PumpThread.current();
            if (thread != null && isSame(thread.inFlight(), message)) {
                boolean takenBack = thread.mustTakeBack() && (remove(message) || wasDeletedUnread(message));
                thread.fate(takenBack ? PumpThread.REMOVED : PumpThread.STORED);
            } else if (take(delivered, message) && remove(message)) {
                StanzaWriter writer = writers.borrow();
                writer.write(message.getElement());
                host.notice(new Frame.Writer(Frame.NOTICE_FELLBACK, writer.length() + 8)
                    .putBytes(writer.buffer(), writer.length()).done());
                writers.giveBack(writer);
            }
        } catch (Throwable e) {
            rareLog.warn("A message of ours may have stayed in Openfire's offline store: " + e.getClass().getName());
        }
    }

    /** There is no such row: did a flood deliver it? It deletes before it delivers, so it gets a moment to do so. */
    private boolean wasDeletedUnread(Message message) throws InterruptedException {
        if (key(message) == null || message.getBody() == null || message.getChildElement("no-store", "urn:xmpp:hints") != null) {
            return false; // 4.2 says "stored" also of what it does not store.
        }
        long end = System.nanoTime() + FLOOD_NANOS;
        while (!take(flooded, message)) {
            if (System.nanoTime() - end > 0) {
                return true;
            }
            Thread.sleep(FLOOD_LOOK_MILLIS);
        }
        return false;
    }

    private static void put(Lately lately, Message message) {
        String key = key(message);
        if (key != null) {
            synchronized (lately) {
                lately.put(key, System.currentTimeMillis());
            }
        }
    }

    private static boolean take(Lately lately, Message message) {
        String key = key(message);
        if (key == null) {
            return false;
        }
        synchronized (lately) {
            return lately.remove(key) != null;
        }
    }

    /** True if the row was there and we deleted it. */
    private static boolean remove(Message message) throws SQLException {
        JID to = message.getTo();
        if (to == null || to.getNode() == null) {
            return false;
        }
        String user = to.getNode();
        String text = message.getElement().asXML(); // As the store writes it.
        boolean removed = false;
        Connection connection = null;
        PreparedStatement find = null;
        PreparedStatement delete = null;
        ResultSet rows = null;
        try {
            connection = DbConnectionManager.getConnection();
            find = connection.prepareStatement(FIND);
            find.setString(1, user);
            rows = find.executeQuery();
            long id = 0;
            boolean found = false;
            while (rows.next()) {
                long rowId = rows.getLong(1);
                if (text.equals(rows.getString(2)) && (!found || rowId > id)) {
                    id = rowId;
                    found = true;
                }
            }
            if (found) {
                delete = connection.prepareStatement(DELETE);
                delete.setString(1, user);
                delete.setLong(2, id);
                removed = delete.executeUpdate() > 0;
            }
        } finally {
            DbConnectionManager.closeStatement(delete);
            DbConnectionManager.closeConnection(rows, find, connection);
        }
        if (removed) {
            // Deletes nothing (no message is that old), but makes the store forget the size that it had cached for the user.
            OfflineMessageStore.getInstance().deleteMessage(user, new Date(0));
        }
        return removed;
    }

    private static boolean isSame(Message mine, Message other) {
        if (mine == null) {
            return false;
        }
        Element a = mine.getElement();
        Element b = other.getElement();
        return a == b || mine.getID() != null && equal(a, b, "id") && equal(a, b, "from") && equal(a, b, "to") && equal(a, b, "type")
            && a.nodeCount() == b.nodeCount();
    }

    private static boolean equal(Element a, Element b, String attribute) {
        String value = a.attributeValue(attribute);
        return value == null ? b.attributeValue(attribute) == null : value.equals(b.attributeValue(attribute));
    }

    private static String key(Message message) {
        Element element = message.getElement();
        String id = element.attributeValue("id");
        return id == null ? null : element.attributeValue("from") + '\n' + element.attributeValue("to") + '\n' + id;
    }
}
