/*
 * Writes a packet's dom4j tree as UTF-8 XML into a reused buffer, which is what a packet costs on the router's thread.
 * Packet.toXML() builds a writer, a String and then bytes; this walks the tree once and copies nothing twice.
 *
 * The output means the same as dom4j's own, with two differences, both wanted by the reader on the other side: the
 * stanza's default namespace is written out as jabber:client (Openfire strips it from the tree), and characters that XML
 * 1.0 does not allow become U+FFFD instead of references that no parser accepts.
 *
 * What it leaves out: comments and processing instructions (XMPP forbids both), pretty printing, and any thought about
 * which packets deserve it. Not thread-safe: borrow one from the Pool. No thread-locals, which would outlive the plugin
 * on Openfire's threads.
 */
package org.cloudbridge.openfire;

import java.util.Arrays;
import java.util.concurrent.atomic.AtomicReferenceArray;

import org.dom4j.Attribute;
import org.dom4j.Element;
import org.dom4j.Namespace;
import org.dom4j.Node;
import org.dom4j.QName;

/** A reusable serialiser; buffer() and length() hold the last stanza until the next write. */
final class StanzaWriter {
    static final String STANZA_NAMESPACE = "jabber:client";
    private static final int FIRST_SIZE = 2048;
    private static final int KEPT_SIZE = 64 * 1024;
    private static final int MAX_SIZE = 64 * 1024 * 1024;

    /** Stands in for what XML 1.0 does not allow. */
    private static final char NOT_XML = '\ufffd';
    private static final boolean[] PLAIN_IN_TEXT = plain("\t\n", "<>&");
    private static final boolean[] PLAIN_IN_ATTRIBUTE = plain("", "<>&\"");

    private static boolean[] plain(String besides, String not) {
        boolean[] table = new boolean[0x80];
        for (char c = 0; c < table.length; c++) {
            table[c] = c >= 0x20 && not.indexOf(c) < 0 || besides.indexOf(c) >= 0;
        }
        return table;
    }

    /** Writers in waiting. A slot per thread in the usual case; who finds it empty makes a new one. */
    static final class Pool {
        private static final int SLOTS = 64;
        private final AtomicReferenceArray<StanzaWriter> slots = new AtomicReferenceArray<>(SLOTS);

        StanzaWriter borrow() {
            StanzaWriter writer = slots.getAndSet(slot(), null);
            return writer == null ? new StanzaWriter() : writer;
        }

        /** Big buffers are let go: one 64 KiB message must not cost 64 KiB for ever. */
        void giveBack(StanzaWriter writer) {
            if (writer.buffer.length <= KEPT_SIZE) {
                slots.lazySet(slot(), writer);
            }
        }

        @SuppressWarnings("deprecation") // Thread.threadId() is Java 19
        private static int slot() {
            return (int) (Thread.currentThread().getId() & SLOTS - 1);
        }
    }

    private byte[] buffer = new byte[FIRST_SIZE];
    private int length;
    // The namespaces in scope, innermost last.
    private String[] prefixes = new String[16];
    private String[] uris = new String[16];
    private int scopes;

    /** The bytes of the last stanza, valid up to length(). */
    byte[] buffer() {
        return buffer;
    }

    int length() {
        return length;
    }

    /** Serialises the tree; the result is in buffer() and length(). */
    void write(Element root) {
        length = 0;
        scopes = 0;
        // In the tree of a stanza "no namespace" stands for the stream's content namespace.
        declare("", "");
        element(root, true);
    }

    private void element(Element element, boolean root) {
        QName name = element.getQName();
        String prefix = name.getNamespacePrefix();
        String uri = name.getNamespaceURI();
        int outerScopes = scopes;

        room(1);
        buffer[length++] = '<';
        qualified(prefix, name.getName());
        if (root && prefix.isEmpty() && uri.isEmpty()) {
            namespace("", STANZA_NAMESPACE);
        } else if (!uri.equals(lookup(prefix)) && !"xml".equals(prefix)) {
            declare(prefix, uri);
            namespace(prefix, uri);
        }
        int nodes = element.nodeCount();
        boolean content = false;
        for (int i = 0; i < nodes; i++) {
            Node node = element.node(i);
            if (node instanceof Namespace) {
                extraNamespace((Namespace) node, prefix, uri, outerScopes);
            } else {
                content = true;
            }
        }
        int attributes = element.attributeCount();
        for (int i = 0; i < attributes; i++) {
            attribute(element.attribute(i));
        }
        if (content) {
            room(1);
            buffer[length++] = '>';
            for (int i = 0; i < nodes; i++) {
                Node node = element.node(i);
                switch (node.getNodeType()) {
                    case Node.ELEMENT_NODE:
                        element((Element) node, false);
                        break;
                    case Node.TEXT_NODE:
                    case Node.CDATA_SECTION_NODE:
                    case Node.ENTITY_REFERENCE_NODE:
                        text(node.getText(), false);
                        break;
                    default:
                        break;
                }
            }
            room(2);
            buffer[length++] = '<';
            buffer[length++] = '/';
            qualified(prefix, name.getName());
            room(1);
            buffer[length++] = '>';
        } else {
            room(2);
            buffer[length++] = '/';
            buffer[length++] = '>';
        }
        scopes = outerScopes;
    }

    /** A declaration that the tree carries beside the element's own name; kept because QNames in content may rely on it. */
    private void extraNamespace(Namespace declared, String elementPrefix, String elementUri, int outerScopes) {
        String prefix = declared.getPrefix();
        String uri = declared.getURI();
        if (prefix.equals(elementPrefix) || "xml".equals(prefix) || uri.equals(lookup(prefix))) {
            return; // The element's own name decides; the rest is known already.
        }
        for (int i = outerScopes; i < scopes; i++) {
            if (prefixes[i].equals(prefix)) {
                return; // Declared on this very element; twice would not be well-formed.
            }
        }
        if (uri.isEmpty() && !prefix.isEmpty()) {
            return; // Namespaces in XML 1.0 cannot take a prefix back.
        }
        declare(prefix, uri);
        namespace(prefix, uri);
    }

    private void attribute(Attribute attribute) {
        QName name = attribute.getQName();
        String prefix = name.getNamespacePrefix();
        if (!prefix.isEmpty() && !"xml".equals(prefix) && !name.getNamespaceURI().equals(lookup(prefix))) {
            declare(prefix, name.getNamespaceURI());
            namespace(prefix, name.getNamespaceURI());
        }
        String value = attribute.getValue();
        if (value == null) {
            return;
        }
        room(1);
        buffer[length++] = ' ';
        qualified(prefix, name.getName());
        room(2);
        buffer[length++] = '=';
        buffer[length++] = '"';
        text(value, true);
        room(1);
        buffer[length++] = '"';
    }

    private void namespace(String prefix, String uri) {
        ascii(prefix.isEmpty() ? " xmlns" : " xmlns:");
        raw(prefix);
        room(2);
        buffer[length++] = '=';
        buffer[length++] = '"';
        text(uri, true);
        room(1);
        buffer[length++] = '"';
    }

    private void qualified(String prefix, String local) {
        if (!prefix.isEmpty()) {
            raw(prefix);
            room(1);
            buffer[length++] = ':';
        }
        raw(local);
    }

    private String lookup(String prefix) {
        for (int i = scopes - 1; i >= 0; i--) {
            if (prefixes[i].equals(prefix)) {
                return uris[i];
            }
        }
        return null;
    }

    private void declare(String prefix, String uri) {
        if (scopes == prefixes.length) {
            prefixes = Arrays.copyOf(prefixes, scopes * 2);
            uris = Arrays.copyOf(uris, scopes * 2);
        }
        prefixes[scopes] = prefix;
        uris[scopes++] = uri;
    }

    /** Names: nothing in them needs escaping, but they may be beyond ASCII. */
    private void raw(String value) {
        text(value, true);
    }

    private void ascii(String value) {
        int count = value.length();
        room(count);
        for (int i = 0; i < count; i++) {
            buffer[length++] = (byte) value.charAt(i);
        }
    }

    private void text(String value, boolean inAttribute) {
        boolean[] plain = inAttribute ? PLAIN_IN_ATTRIBUTE : PLAIN_IN_TEXT;
        int count = value.length();
        int i = 0;
        while (i < count) {
            // The fast run: ASCII that needs no escaping, one byte each, room checked once.
            room(count - i);
            byte[] out = buffer;
            int at = length;
            char c = 0;
            while (i < count && (c = value.charAt(i)) < 0x80 && plain[c]) {
                out[at++] = (byte) c;
                i++;
            }
            length = at;
            if (i == count) {
                return;
            }
            if (c < 0x80) {
                escaped(c, inAttribute);
                i++;
            } else {
                i = beyondAscii(value, i);
            }
        }
    }

    /** Writes the run of characters beyond ASCII that begins at i; gives where it ends. */
    private int beyondAscii(String value, int from) {
        int count = value.length();
        room(3 * (count - from)); // Also for surrogate pairs: four bytes for two chars.
        byte[] out = buffer;
        int at = length;
        int i = from;
        for (char c; i < count && (c = value.charAt(i)) >= 0x80; i++) {
            if (c < 0x800) {
                out[at++] = (byte) (0xc0 | c >> 6);
                out[at++] = (byte) (0x80 | c & 0x3f);
                continue;
            }
            if (Character.isSurrogate(c)) {
                if (Character.isHighSurrogate(c) && i + 1 < count && Character.isLowSurrogate(value.charAt(i + 1))) {
                    int point = Character.toCodePoint(c, value.charAt(++i));
                    out[at++] = (byte) (0xf0 | point >> 18);
                    out[at++] = (byte) (0x80 | point >> 12 & 0x3f);
                    out[at++] = (byte) (0x80 | point >> 6 & 0x3f);
                    out[at++] = (byte) (0x80 | point & 0x3f);
                    continue;
                }
                c = NOT_XML;
            } else if (c >= 0xfffe) {
                c = NOT_XML;
            }
            out[at++] = (byte) (0xe0 | c >> 12);
            out[at++] = (byte) (0x80 | c >> 6 & 0x3f);
            out[at++] = (byte) (0x80 | c & 0x3f);
        }
        length = at;
        return i;
    }

    /** Writes an ASCII character that cannot stand as it is. */
    private void escaped(char c, boolean inAttribute) {
        switch (c) {
            case '<':
                ascii("&lt;");
                break;
            case '>':
                ascii("&gt;");
                break;
            case '&':
                ascii("&amp;");
                break;
            case '"':
                ascii("&quot;");
                break;
            case '\r': // A parser would turn it into a line feed.
                ascii("&#13;");
                break;
            case '\n': // A parser would turn these into spaces in an attribute.
                ascii("&#10;");
                break;
            case '\t':
                ascii("&#9;");
                break;
            default:
                room(3);
                buffer[length++] = (byte) (0xe0 | NOT_XML >> 12);
                buffer[length++] = (byte) (0x80 | NOT_XML >> 6 & 0x3f);
                buffer[length++] = (byte) (0x80 | NOT_XML & 0x3f);
        }
    }

    private void room(int more) {
        int needed = length + more;
        if (needed > buffer.length) {
            if (needed > MAX_SIZE) {
                throw new IllegalStateException("stanza larger than " + MAX_SIZE + " bytes");
            }
            buffer = Arrays.copyOf(buffer, Math.max(needed, buffer.length * 2));
        }
    }
}
