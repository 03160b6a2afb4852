package org.cloudbridge.suite;

import java.util.function.Consumer;

/**
 * Cuts the characters of a stream into its top-level elements, exactly as they came: Smack's own parse would hide what
 * a server changed. Knows as much XML as XMPP allows: no comments, no processing instructions but the declaration.
 */
final class StanzaSplitter {

    private final Consumer<String> stanzas;
    private final StringBuilder buffer = new StringBuilder();
    private int depth;
    private int tagStart = -1;
    private char quote;

    StanzaSplitter(Consumer<String> stanzas) {
        this.stanzas = stanzas;
    }

    void accept(CharSequence characters) {
        for (int i = 0; i < characters.length(); i++) {
            accept(characters.charAt(i));
        }
    }

    private void accept(char c) {
        if (tagStart < 0 && c != '<') {
            if (depth > 1) {
                buffer.append(c);
            }
            return;
        }
        if (tagStart < 0) {
            tagStart = buffer.length();
        }
        buffer.append(c);
        if (quote != 0) {
            if (c == quote) {
                quote = 0;
            }
        } else if (c == '"' || c == '\'') {
            quote = c;
        } else if (c == '>') {
            endOfTag(buffer.substring(tagStart));
            tagStart = -1;
        }
    }

    private void endOfTag(String tag) {
        if (tag.startsWith("<?") || tag.startsWith("<stream:stream")) {
            // A new stream: the first one, or the one after STARTTLS or SASL, which closes none.
            depth = tag.startsWith("<?") ? 0 : 1;
            buffer.setLength(0);
            return;
        }
        if (tag.startsWith("</")) {
            depth--;
        } else if (!tag.endsWith("/>")) {
            depth++;
        }
        if (depth <= 1) {
            String stanza = buffer.toString();
            buffer.setLength(0);
            if (depth == 1) {
                stanzas.accept(stanza);
            }
        }
    }
}
