/*
 * A client that costs next to nothing: one plain socket, prepared bytes, a reader that looks for one mark and reads two
 * numbers. A real XMPP library would be the bottleneck of what is measured here, and would share its cores.
 */
package org.cloudbridge.load;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;

final class Client {
    static final String RESOURCE = "bench";
    private static final int BYTES = 400;
    private static final byte[] MARK = "<body>T".getBytes(StandardCharsets.US_ASCII);
    private static final int TIME_DIGITS = 19;
    private static final int COUNT_DIGITS = 9;
    private static final int AFTER_MARK = TIME_DIGITS + 1 + COUNT_DIGITS;
    private static final int MOST_AT_ONCE = 32;
    private static final int LOGIN_MILLIS = 20_000;

    final String jid;
    private final Socket socket;
    private final InputStream in;
    private final OutputStream out;
    private final byte[] buffer = new byte[128 * 1024];
    private int filled;

    /** The message to the partner, and where its numbers stand. */
    private byte[] message;
    private int timeAt;
    private int countAt;
    private int sentEver;
    private int expected;

    /** What the partner's reader counts down from: how many of ours it has got. */
    final AtomicInteger arrived = new AtomicInteger();
    volatile Thread sender;
    volatile Client partner;
    /** Delivery times of the round under way, and how many there are. */
    volatile long[] times = new long[0];
    volatile int got;
    volatile String fault;

    Client(int port, String domain, String user, String password) throws IOException {
        jid = user + "@" + domain + "/" + RESOURCE;
        socket = new Socket(InetAddress.getByName("127.0.0.1"), port);
        socket.setTcpNoDelay(true);
        socket.setSoTimeout(LOGIN_MILLIS);
        in = socket.getInputStream();
        out = socket.getOutputStream();
        String stream = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='" + domain
            + "' version='1.0'>";
        say(stream, "</stream:features>");
        String secret = Base64.getEncoder().encodeToString(("\0" + user + "\0" + password).getBytes(StandardCharsets.UTF_8));
        say("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + secret + "</auth>", "<success");
        say(stream, "</stream:features>");
        say("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>" + RESOURCE + "</resource></bind></iq>",
            "id=\"b\"");
        say("<iq type='set' id='s'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>", "id=\"s\"");
        say("<presence/><iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>", "id=\"p\"");
        socket.setSoTimeout(0);
    }

    private void say(String text, String answer) throws IOException {
        out.write(text.getBytes(StandardCharsets.UTF_8));
        StringBuilder heard = new StringBuilder();
        while (heard.indexOf(answer) < 0 && heard.indexOf("failure") < 0) {
            int count = in.read(buffer);
            if (count < 0) {
                break;
            }
            heard.append(new String(buffer, 0, count, StandardCharsets.UTF_8));
        }
        if (heard.indexOf(answer) < 0) {
            throw new IOException("no " + answer + " but " + heard);
        }
    }

    /** From now on this client writes to that one and reads what comes. */
    void pairWith(Client other) {
        partner = other;
        String head = "<message to=\"" + other.jid + "\" type=\"chat\" id=\"purple";
        String middle = "\">" + new String(MARK, StandardCharsets.US_ASCII);
        String tail = "</body><active xmlns=\"http://jabber.org/protocol/chatstates\"/><request xmlns=\"urn:xmpp:receipts\"/></message>";
        // What the server adds is the sender's address.
        int size = head.length() + COUNT_DIGITS + middle.length() + AFTER_MARK + tail.length() + " from=\"\"".length() + jid.length();
        String text = " thou art".repeat(50).substring(0, Math.max(0, BYTES - size));
        String whole = head + "0".repeat(COUNT_DIGITS) + middle + "0".repeat(TIME_DIGITS) + "-" + "0".repeat(COUNT_DIGITS) + text + tail;
        message = whole.getBytes(StandardCharsets.US_ASCII);
        timeAt = head.length() + COUNT_DIGITS + middle.length();
        countAt = head.length();
        Thread reader = new Thread(this::read, "reader-" + jid);
        reader.setDaemon(true);
        reader.start();
    }

    /** Sends so many messages, never more than `window` on their way; `gapNanos` apart, or as fast as it goes when 0. */
    void send(int count, int window, long gapNanos) throws IOException {
        sender = Thread.currentThread();
        arrived.set(0);
        byte[] batch = new byte[message.length * MOST_AT_ONCE];
        for (int i = 0; i < MOST_AT_ONCE; i++) {
            System.arraycopy(message, 0, batch, i * message.length, message.length);
        }
        long due = System.nanoTime();
        int sent = 0;
        while (sent < count && partner.fault == null) {
            int room = Math.min(count - sent, Math.min(MOST_AT_ONCE, window - (sent - arrived.get())));
            if (gapNanos > 0) {
                long wait = due - System.nanoTime();
                if (wait > 0) {
                    LockSupport.parkNanos(wait);
                    continue;
                }
                due += gapNanos;
                room = Math.min(room, 1);
            }
            // Small writes cost the server more than they cost us: wait for a few places.
            if (room <= 0 || gapNanos == 0 && room < MOST_AT_ONCE / 4 && room < count - sent) {
                LockSupport.parkNanos(200_000);
                continue;
            }
            long now = System.nanoTime();
            for (int i = 0; i < room; i++) {
                int at = i * message.length;
                digits(batch, at + timeAt, TIME_DIGITS, now);
                digits(batch, at + timeAt + TIME_DIGITS + 1, COUNT_DIGITS, sentEver);
                digits(batch, at + countAt, COUNT_DIGITS, sentEver++);
            }
            out.write(batch, 0, room * message.length);
            sent += room;
        }
    }

    private static void digits(byte[] into, int at, int count, long value) {
        for (int i = count - 1; i >= 0; i--) {
            into[at + i] = (byte) ('0' + value % 10);
            value /= 10;
        }
    }

    private void read() {
        try {
            filled = 0;
            while (true) {
                int count = in.read(buffer, filled, buffer.length - filled);
                if (count < 0) {
                    throw new IOException("the server closed the stream");
                }
                filled += count;
                look();
            }
        } catch (IOException | RuntimeException e) {
            fault = jid + ": " + e;
        }
    }

    private void look() throws IOException {
        long now = System.nanoTime();
        int at = 0;
        int end = filled - MARK.length - AFTER_MARK;
        int found = 0;
        while (at <= end) {
            if (buffer[at] != '<' || buffer[at + 6] != 'T' || !Arrays.equals(buffer, at, at + MARK.length, MARK, 0, MARK.length)) {
                at++;
                continue;
            }
            at += MARK.length;
            long sent = number(at, TIME_DIGITS);
            long count = number(at + TIME_DIGITS + 1, COUNT_DIGITS);
            if (count != expected) {
                throw new IOException("message " + count + " came when " + expected + " was due");
            }
            expected++;
            times[got + found++] = now - sent;
            at += AFTER_MARK;
        }
        System.arraycopy(buffer, at, buffer, 0, filled - at);
        filled -= at;
        if (found > 0) {
            got += found;
            partner.arrived.addAndGet(found);
            Thread waiting = partner.sender;
            if (waiting != null && got % 8 == 0) {
                LockSupport.unpark(waiting);
            }
        }
    }

    private long number(int at, int digits) {
        long value = 0;
        for (int i = at; i < at + digits; i++) {
            value = value * 10 + buffer[i] - '0';
        }
        return value;
    }

    void begin(int count) {
        got = 0;
        times = new long[count];
    }

    void close() {
        try {
            out.write("</stream:stream>".getBytes(StandardCharsets.US_ASCII));
            socket.close();
        } catch (IOException e) {
            // It is closed all the same.
        }
    }
}
