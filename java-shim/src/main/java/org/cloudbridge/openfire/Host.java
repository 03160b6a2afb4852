/*
 * The natives of the Rust host, exactly as docs/boundary.md lists them. Java calls Rust, Rust never calls Java, and
 * everything that crosses is bytes.
 *
 * What it leaves out: frames (Frame), where the library comes from (NativeFiles), who calls (HostCalls).
 */
package org.cloudbridge.openfire;

/** The seven natives. A ticket is never a pointer: a call after stop throws HostException with code CLOSED. */
final class Host {
    private Host() {
    }

    /** Loads the library for this class loader; the path must not have been loaded by another one. */
    static void load(String path) {
        System.load(path);
    }

    static native long start(byte[] config) throws HostException;

    static native byte[] describe(long ticket, byte[] query) throws HostException;

    static native int offer(long ticket, long token, int flags, byte[] stanza, int length) throws HostException;

    static native void notify(long ticket, byte[] frame) throws HostException;

    static native byte[] take(long ticket, int waitMillis) throws HostException;

    static native byte[] ask(long ticket, byte[] frame) throws HostException;

    static native void stop(long ticket, int drainMillis) throws HostException;
}
