/*
 * The natives with a ticket already in hand, as an interface, so that everything above it can be tested without a
 * native library. The production implementation is the last class of this file and does nothing but pass calls on.
 */
package org.cloudbridge.openfire;

import java.nio.charset.StandardCharsets;

/** A started host. */
interface HostCalls {
    /** 0 = PASS, 1 = TAKEN. */
    int offer(long token, int flags, byte[] stanza, int length) throws HostException;

    void notice(byte[] frame) throws HostException;

    /** One effect, or null when the wait ended without one. */
    byte[] take(int waitMillis) throws HostException;

    byte[] ask(byte[] frame) throws HostException;

    byte[] describe(String query) throws HostException;

    void stop(int drainMillis) throws HostException;

    /** The real one. */
    final class Native implements HostCalls {
        private final long ticket;

        Native(byte[] startFrame) throws HostException {
            ticket = Host.start(startFrame);
        }

        @Override
        public int offer(long token, int flags, byte[] stanza, int length) throws HostException {
            return Host.offer(ticket, token, flags, stanza, length);
        }

        @Override
        public void notice(byte[] frame) throws HostException {
            Host.notify(ticket, frame);
        }

        @Override
        public byte[] take(int waitMillis) throws HostException {
            return Host.take(ticket, waitMillis);
        }

        @Override
        public byte[] ask(byte[] frame) throws HostException {
            return Host.ask(ticket, frame);
        }

        @Override
        public byte[] describe(String query) throws HostException {
            return Host.describe(ticket, query.getBytes(StandardCharsets.UTF_8));
        }

        @Override
        public void stop(int drainMillis) throws HostException {
            Host.stop(ticket, drainMillis);
        }
    }
}
