/*
 * APPLY, reading what Openfire has, for the import: users a page at a time, rosters, offline messages, and dropping those
 * that the platform has taken over. What is read is XML in the DONE's detail.
 *
 * Users are paged by name, not by number: accounts that come and go between two pages must not shift the rest. The
 * names are kept between the pages of one walk, since providers give them all or by number.
 */
package org.cloudbridge.openfire;

import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.Date;
import java.util.List;
import java.util.NavigableSet;
import java.util.TreeSet;

import org.dom4j.DocumentFactory;
import org.dom4j.Element;
import org.jivesoftware.openfire.OfflineMessage;
import org.jivesoftware.openfire.auth.AuthProvider;
import org.jivesoftware.openfire.roster.RosterItem;
import org.jivesoftware.openfire.user.User;
import org.jivesoftware.openfire.user.UserNotFoundException;

/** The verbs that read. */
final class ReadVerbs implements Appliers.Area {
    /** What there is to read. */
    interface Source {
        Collection<String> usernames();

        User user(String node) throws UserNotFoundException;

        boolean isAdmin(String node);

        /** Openfire's own provider, also while ours stands before it. */
        AuthProvider auth();

        Collection<OfflineMessage> offline(String node);

        /** Deletes the offline messages of exactly this moment. */
        void dropOffline(String node, Date created);
    }

    private static final long NAMES_NANOS = 60_000_000_000L;

    private final Source source;
    private final RosterVerbs.Rosters rosters;
    private NavigableSet<String> names;
    private long namesRead;

    ReadVerbs(Source source, RosterVerbs.Rosters rosters) {
        this.source = source;
        this.rosters = rosters;
    }

    @Override
    public void addTo(Appliers table) {
        table.verb("read.users", 2, (thread, arguments) -> users(arguments[0], Integer.parseInt(arguments[1])));
        table.verb("read.roster", 1, (thread, arguments) -> roster(arguments[0]));
        table.verb("read.offline", 1, (thread, arguments) -> offline(arguments[0]));
        table.verb("drop.offline", 2, (thread, arguments) -> drop(arguments[0],
            OffsetDateTime.parse(arguments[1]).toInstant().toEpochMilli()));
    }

    private Delivery.Result users(String after, int limit) {
        Element users = DocumentFactory.getInstance().createElement("users");
        int count = 0;
        for (String name : namesAfter(after)) {
            if (count == limit) {
                break;
            }
            try {
                user(users, source.user(name));
                count++;
            } catch (UserNotFoundException e) {
                // Deleted since the names were read.
            }
        }
        return detail(users);
    }

    private void user(Element users, User user) {
        Element element = users.addElement("user");
        element.addAttribute("node", user.getUsername());
        element.addAttribute("name", text(user.getName()));
        element.addAttribute("email", text(user.getEmail()));
        element.addAttribute("admin", String.valueOf(source.isAdmin(user.getUsername())));
        String[] scram = scram(user.getUsername());
        element.addAttribute("salt", scram[0]);
        element.addAttribute("iterations", scram[1]);
        element.addAttribute("stored-key", scram[2]);
        element.addAttribute("server-key", scram[3]);
    }

    /** The four values, or four empty ones. */
    private String[] scram(String node) {
        try {
            AuthProvider auth = source.auth();
            if (auth != null && auth.isScramSupported()) {
                String salt = auth.getSalt(node);
                String stored = auth.getStoredKey(node);
                String server = auth.getServerKey(node);
                if (salt != null && stored != null && server != null) {
                    return new String[] {salt, String.valueOf(auth.getIterations(node)), stored, server};
                }
            }
        } catch (UserNotFoundException | RuntimeException e) {
            // The provider has none for this user.
        }
        return new String[] {"", "", "", ""};
    }

    private synchronized Collection<String> namesAfter(String after) {
        if (names == null || after.isEmpty() || System.nanoTime() - namesRead > NAMES_NANOS) {
            names = new TreeSet<>(source.usernames());
        }
        namesRead = System.nanoTime();
        NavigableSet<String> rest = after.isEmpty() ? names : names.tailSet(after, false);
        if (rest.isEmpty()) {
            names = null; // The walk is over.
        }
        return rest;
    }

    private Delivery.Result roster(String node) throws Exception {
        Element query = DocumentFactory.getInstance().createElement("query", IqStandIn.ROSTER);
        for (RosterItem item : rosters.of(node).getRosterItems()) {
            if (!OpenfireEvents.isUnseen(item) && !OpenfireEvents.isOfGroupsAlone(item)) {
                OpenfireEvents.item(query, item, false);
            }
        }
        return detail(query);
    }

    private Delivery.Result offline(String node) throws Exception {
        source.user(node);
        List<OfflineMessage> messages = oldestFirst(node);
        StringBuilder text = new StringBuilder("<messages");
        if (!messages.isEmpty()) {
            Date newest = messages.get(messages.size() - 1).getCreationDate();
            text.append(" newest=\"").append(newest.toInstant()).append('"');
        }
        text.append('>');
        for (OfflineMessage message : messages) {
            text.append(Stanzas.text(message.getElement()));
        }
        return new Delivery.Result(Frame.OUTCOME_OK, text.append("</messages>").toString());
    }

    private Delivery.Result drop(String node, long upTo) {
        long last = Long.MIN_VALUE;
        int moments = 0;
        for (OfflineMessage message : oldestFirst(node)) {
            long created = message.getCreationDate().getTime();
            if (created <= upTo && created != last) {
                source.dropOffline(node, message.getCreationDate());
                last = created;
                moments++;
            }
        }
        return new Delivery.Result(Frame.OUTCOME_OK, moments == 0 ? "already" : "");
    }

    private List<OfflineMessage> oldestFirst(String node) {
        List<OfflineMessage> messages = new ArrayList<>(source.offline(node));
        messages.sort(Comparator.comparing(OfflineMessage::getCreationDate));
        return messages;
    }

    private static Delivery.Result detail(Element element) {
        return new Delivery.Result(Frame.OUTCOME_OK, Stanzas.text(element));
    }

    private static String text(String value) {
        return value == null ? "" : value;
    }
}
