/*
 * Which packets the host wants to see at all: the FILTER frame of docs/boundary.md as a lookup. It is asked for every
 * packet that passes through Openfire, before anything is serialised, so messages (the bulk) are a table of six slots.
 *
 * What it leaves out: the packet itself. It knows strings only, so that gates for IQ and presence can use it as it is.
 */
package org.cloudbridge.openfire;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** An immutable filter table; a new frame makes a new one. */
final class FilterTable {
    private static final String ANY = "*";
    private static final String IQ = "iq";
    /** IQs that clients send to rooms. */
    static final String ROOM = "room";
    private static final String[] MESSAGE_TYPES = {"chat", "normal", "headline", "groupchat", "error"};

    /** Nothing is looked at: what holds until the host has said otherwise, and after it has stopped. */
    static final FilterTable NOTHING = new FilterTable(new Row[0], false, false, Collections.<String, Set<String>>emptyMap());

    /** One row as the host sent it. */
    static final class Row {
        private final String kind;
        /** Never empty; of a component its subdomain. */
        final String[] types;
        /** Of the child of an IQ, to whomever it goes. */
        final String namespace;
        /** One of Frame.MODE_*. */
        final int mode;
        /** Packets of remote servers, components and plugins are offered too, without HOLD. */
        final boolean remote;

        Row(String kind, String types, String namespace, int mode, boolean remote) {
            this.kind = kind;
            this.types = types.trim().split(" +");
            this.namespace = namespace;
            this.mode = mode;
            this.remote = remote;
        }

        private boolean matches(String wantedKind, String type, String wantedNamespace) {
            // Only IQs are told apart by the namespace of their child.
            boolean byNamespace = IQ.equals(kind) || ROOM.equals(kind);
            if (!kind.equals(wantedKind) || byNamespace && !ANY.equals(namespace) && !namespace.equals(wantedNamespace)) {
                return false;
            }
            for (String one : types) {
                if (ANY.equals(one) || one.equals(type)) {
                    return true;
                }
            }
            return false;
        }
    }

    private final Row[] rows;
    private final Row[] messages = new Row[MESSAGE_TYPES.length];
    /** Whether SESSION notices are wanted. */
    final boolean sessions;
    /** Whether VERIFY and SCRAM decide who logs in. */
    final boolean login;
    /** Whether a row of IQs to rooms is there at all. */
    final boolean rooms;
    private final Map<String, Set<String>> names;

    private FilterTable(Row[] rows, boolean sessions, boolean login, Map<String, Set<String>> names) {
        this.names = names;
        this.rows = rows;
        this.sessions = sessions;
        this.login = login;
        rooms = !rows(ROOM).isEmpty();
        for (int i = 0; i < messages.length; i++) {
            messages[i] = find("message", MESSAGE_TYPES[i], ANY);
        }
    }

    /** Reads a FILTER frame. */
    static FilterTable read(byte[] frame) {
        Frame.Reader reader = new Frame.Reader(frame);
        int opcode = reader.opcode();
        if (opcode != Frame.FILTER_TABLE) {
            throw new IllegalArgumentException("not a filter frame: opcode " + opcode);
        }
        Row[] rows = new Row[reader.takeCount()];
        for (int i = 0; i < rows.length; i++) {
            rows[i] = new Row(reader.takeStr(), reader.takeStr(), reader.takeStr(), reader.takeInt(), reader.takeBool());
        }
        boolean sessions = reader.takeBool();
        // A host of the time before logins ends its frame here, one of the time before names behind the next.
        boolean login = reader.hasMore() && reader.takeBool();
        Map<String, Set<String>> names = new HashMap<>();
        for (int left = reader.hasMore() ? reader.takeCount() : 0; left > 0; left--) {
            names.computeIfAbsent(reader.takeStr(), name -> new HashSet<>()).add(reader.takeStr());
        }
        return new FilterTable(rows, sessions, login, names);
    }

    /** What the host has said under this name; empty when nothing. */
    Set<String> named(String name) {
        Set<String> all = names.get(name);
        return all == null ? Collections.<String>emptySet() : all;
    }

    /** The row of a message by its type attribute (absent or unknown means normal, RFC 6121 5.2.2); null = not looked at. */
    Row message(String type) {
        Row row = messages[slot(type)];
        return row == null || row.mode == Frame.MODE_OFF ? null : row;
    }

    /** The first row that matches, whatever its mode; null when none does. */
    Row find(String kind, String type, String namespace) {
        for (Row row : rows) {
            if (row.matches(kind, type, namespace)) {
                return row;
            }
        }
        return null;
    }

    /** The row that counts, unless it is off; null = not looked at. */
    Row wanted(String kind, String type, String namespace) {
        Row row = find(kind, type, namespace);
        return row == null || row.mode == Frame.MODE_OFF ? null : row;
    }

    /** The rows of this kind that are not off, in their order. */
    List<Row> rows(String kind) {
        List<Row> found = new ArrayList<>();
        for (Row row : rows) {
            if (row.kind.equals(kind) && row.mode != Frame.MODE_OFF) {
                found.add(row);
            }
        }
        return found;
    }

    private static int slot(String type) {
        if (type != null) {
            for (int i = 0; i < MESSAGE_TYPES.length; i++) {
                if (MESSAGE_TYPES[i].equals(type)) {
                    return i;
                }
            }
        }
        return 1;
    }
}
