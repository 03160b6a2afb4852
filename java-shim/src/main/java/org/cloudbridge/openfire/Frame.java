/*
 * The bytes that cross between the shim and the Rust host: the Java side of docs/boundary.md, whose other side is
 * src/ffi/frame.rs. `cargo xtask test` compares the numbers of the two.
 *
 * What it leaves out: what the frames mean. A writer and a reader of the six field kinds, and the numbers, that is all.
 * Big-endian throughout; `str` is UTF-8 with an int length and never null (empty means absent).
 */
package org.cloudbridge.openfire;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** Opcodes, flags and outcomes of docs/boundary.md, and the reader and writer of frames. */
final class Frame {
    /** The one config frame. */
    static final int START = 1;
    /** The one table frame. */
    static final int FILTER_TABLE = 1;

    static final int FLAG_HOLD = 1;
    static final int FLAG_LOCAL_USER = 2;
    static final int FLAG_REROUTED = 4;
    static final int FLAG_RECIPIENT_HERE = 8;
    static final int FLAG_EVENT = 16;
    static final int FLAG_ROOM = 32;

    static final int PASS = 0;
    static final int TAKEN = 1;

    static final int EFFECT_RELEASE = 1;
    static final int EFFECT_STORED = 2;
    static final int EFFECT_REFUSE = 3;
    static final int EFFECT_ROUTE = 4;
    static final int EFFECT_STORED_BYTES = 5;
    static final int EFFECT_REFUSE_BYTES = 6;
    static final int EFFECT_HANDOVER = 7;
    static final int EFFECT_REPLACE = 8;
    static final int EFFECT_LOG = 9;
    static final int EFFECT_SNAPSHOT = 10;
    static final int EFFECT_FILTER = 11;
    static final int EFFECT_APPLY = 12;

    static final int NOTICE_DONE = 1;
    static final int NOTICE_SESSION = 2;
    static final int NOTICE_SESSIONS = 3;
    static final int NOTICE_SETTING = 4;
    static final int NOTICE_FELLBACK = 5;
    static final int NOTICE_DROPPED = 6;
    static final int NOTICE_OCCUPANT = 7;
    static final int NOTICE_OCCUPANTS = 8;

    static final int OUTCOME_OK = 0;
    static final int OUTCOME_GONE = 1;
    static final int OUTCOME_CONNECTING = 2;
    static final int OUTCOME_FELLBACK = 3;
    static final int OUTCOME_FAILED = 4;
    static final int OUTCOME_LOST = 5;

    static final int ASK_TEST_PLATFORM = 1;
    static final int ASK_CHECK_SETTINGS = 2;
    static final int ASK_PAGE = 3;
    static final int ASK_PANIC = 4;
    static final int ASK_VERIFY = 5;
    static final int ASK_SCRAM = 6;
    static final int ASK_EXPLAIN = 7;
    static final int ASK_IMPORT = 8;
    static final int ASK_CONVERT = 9;
    static final int ASK_CALL = 10;
    static final int ASK_SUBSCRIBE = 11;
    static final int ASK_EVENTS = 12;

    static final int ANSWER_OK = 0;
    static final int ANSWER_ERROR = 1;

    static final int MODE_OFF = 0;
    static final int MODE_WATCH = 1;
    static final int MODE_MIRROR = 2;
    static final int MODE_SHADOW = 3;
    static final int MODE_DECIDE = 4;

    private Frame() {
    }

    /** Builds one frame; every method returns this. */
    static final class Writer {
        private byte[] bytes;
        private int length;

        Writer(int opcode) {
            this(opcode, 64);
        }

        Writer(int opcode, int sizeHint) {
            bytes = new byte[Math.max(16, sizeHint)];
            bytes[0] = (byte) opcode;
            length = 1;
        }

        Writer putLong(long value) {
            room(8);
            for (int shift = 56; shift >= 0; shift -= 8) {
                bytes[length++] = (byte) (value >>> shift);
            }
            return this;
        }

        Writer putInt(int value) {
            room(4);
            for (int shift = 24; shift >= 0; shift -= 8) {
                bytes[length++] = (byte) (value >>> shift);
            }
            return this;
        }

        Writer putBool(boolean value) {
            room(1);
            bytes[length++] = (byte) (value ? 1 : 0);
            return this;
        }

        /** A null is written as the empty string, which means absent. */
        Writer putStr(String value) {
            return value == null ? putInt(0) : putBytes(value.getBytes(StandardCharsets.UTF_8));
        }

        Writer putBytes(byte[] value) {
            return putBytes(value, value.length);
        }

        Writer putBytes(byte[] value, int count) {
            putInt(count);
            room(count);
            System.arraycopy(value, 0, bytes, length, count);
            length += count;
            return this;
        }

        byte[] done() {
            return Arrays.copyOf(bytes, length);
        }

        private void room(int more) {
            if (bytes.length - length < more) {
                bytes = Arrays.copyOf(bytes, Math.max(length + more, bytes.length * 2));
            }
        }
    }

    /** Reads one frame; a frame that ends early or has an impossible length is an IllegalArgumentException. */
    static final class Reader {
        private final byte[] bytes;
        private int at;

        Reader(byte[] bytes) {
            this.bytes = bytes;
        }

        int opcode() {
            need(1);
            return bytes[at++] & 0xff;
        }

        long takeLong() {
            need(8);
            long value = 0;
            for (int i = 0; i < 8; i++) {
                value = value << 8 | bytes[at++] & 0xff;
            }
            return value;
        }

        int takeInt() {
            need(4);
            int value = 0;
            for (int i = 0; i < 4; i++) {
                value = value << 8 | bytes[at++] & 0xff;
            }
            return value;
        }

        boolean takeBool() {
            need(1);
            return bytes[at++] != 0;
        }

        String takeStr() {
            int count = takeInt();
            need(count);
            String value = new String(bytes, at, count, StandardCharsets.UTF_8);
            at += count;
            return value;
        }

        byte[] takeBytes() {
            int count = takeInt();
            need(count);
            byte[] value = Arrays.copyOfRange(bytes, at, at + count);
            at += count;
            return value;
        }

        /** The number of items of a list; each item has at least one byte, so no count can exceed what is left. */
        int takeCount() {
            int count = takeInt();
            need(count);
            return count;
        }

        boolean hasMore() {
            return at < bytes.length;
        }

        private void need(int count) {
            if (count < 0 || bytes.length - at < count) {
                throw new IllegalArgumentException("frame ends at " + bytes.length + ", wanted " + count + " at " + at);
            }
        }
    }
}
