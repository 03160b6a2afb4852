/* Frames are what java.io.DataInputStream reads, and a frame that lies about its lengths is refused. */
package org.cloudbridge.openfire;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertTrue;
import static org.junit.Assert.fail;

import java.io.ByteArrayInputStream;
import java.io.DataInputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

import org.junit.Test;

public class FrameTest {
    @Test
    public void writesWhatDataInputStreamReads() throws Exception {
        byte[] frame = new Frame.Writer(200).putLong(Long.MIN_VALUE + 5).putInt(-2).putBool(true).putStr("\u00e9\ud83d\ude00")
            .putStr(null).putBytes(new byte[] {1, 2, 3}).done();
        DataInputStream in = new DataInputStream(new ByteArrayInputStream(frame));
        assertEquals(200, in.readUnsignedByte());
        assertEquals(Long.MIN_VALUE + 5, in.readLong());
        assertEquals(-2, in.readInt());
        assertTrue(in.readBoolean());
        byte[] text = new byte[in.readInt()];
        in.readFully(text);
        assertEquals("\u00e9\ud83d\ude00", new String(text, StandardCharsets.UTF_8));
        assertEquals(0, in.readInt());
        assertEquals(3, in.readInt());
        assertEquals(3, in.available());
    }

    @Test
    public void readsWhatItWrites() {
        byte[] big = new byte[5000];
        Arrays.fill(big, (byte) 7);
        Frame.Reader reader = new Frame.Reader(new Frame.Writer(3).putLong(-1).putInt(Integer.MAX_VALUE).putBool(false)
            .putStr("x").putBytes(big).putInt(2).putStr("a").putStr("b").done());
        assertEquals(3, reader.opcode());
        assertEquals(-1, reader.takeLong());
        assertEquals(Integer.MAX_VALUE, reader.takeInt());
        assertFalse(reader.takeBool());
        assertEquals("x", reader.takeStr());
        assertArrayEquals(big, reader.takeBytes());
        assertEquals(2, reader.takeCount());
        assertEquals("a", reader.takeStr());
        assertEquals("b", reader.takeStr());
    }

    @Test
    public void refusesLengthsThatCannotBe() {
        byte[][] frames = {
            {}, {1, 0, 0, 0}, new Frame.Writer(1).putInt(5).done(), new Frame.Writer(1).putInt(-1).done(),
            new Frame.Writer(1).putInt(Integer.MAX_VALUE).putStr("x").done(),
        };
        for (byte[] frame : frames) {
            try {
                Frame.Reader reader = new Frame.Reader(frame);
                reader.opcode();
                reader.takeStr();
                fail("read " + Arrays.toString(frame));
            } catch (IllegalArgumentException expected) {
                // As it must be.
            }
        }
    }
}
