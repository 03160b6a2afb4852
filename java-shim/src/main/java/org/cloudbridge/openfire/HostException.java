/*
 * The one exception that the natives throw, with a closed set of codes. Callers branch on the code, people read the
 * message. The Rust side constructs it (src/ffi), so its constructor (int, String) is part of the boundary.
 */
package org.cloudbridge.openfire;

/** What the Rust host answers when it cannot do as asked. */
public final class HostException extends Exception {
    private static final long serialVersionUID = 1L;

    /** The ticket is not open (any more). */
    public static final int CLOSED = 1;
    /** A frame could not be read. */
    public static final int INVALID = 2;
    /** A setting is wrong. */
    public static final int CONFIG = 3;
    /** A bug of ours; the packet passes. */
    public static final int PANIC = 4;
    /** Too much at once. */
    public static final int BUSY = 5;
    /** Data directory or journal. */
    public static final int IO = 6;
    /** It took too long. */
    public static final int TIMEOUT = 7;
    /** Not on this machine or not in this version. */
    public static final int UNSUPPORTED = 8;

    private final int code;

    /** Called from Rust: one of the codes above and one line for a person. */
    public HostException(int code, String message) {
        super(message);
        this.code = code;
    }

    /** One of the constants above. */
    public int code() {
        return code;
    }
}
