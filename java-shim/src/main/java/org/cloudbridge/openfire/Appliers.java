/*
 * APPLY: the verbs by which the host changes or reads something in Openfire (docs/boundary.md), as one table. A verb is
 * a name, how many arguments it needs at least, and what it does; the areas (users, rosters, sessions, presence, reads)
 * put theirs in.
 *
 * What it leaves out: what a verb does, and echoes: what changes here comes back as an event, and the host knows its own.
 */
package org.cloudbridge.openfire;

import java.util.HashMap;
import java.util.Map;

import org.jivesoftware.openfire.user.UserNotFoundException;

/** The table of verbs. */
final class Appliers {
    /** What a verb does. Whom it is about not existing is a UserNotFoundException, and becomes GONE. */
    interface Verb {
        Delivery.Result apply(PumpThread thread, String[] arguments) throws Exception;
    }

    /** A group of verbs that belong together. */
    interface Area {
        void addTo(Appliers table);
    }

    private static final class Entry {
        final int least;
        final Verb verb;

        Entry(int least, Verb verb) {
            this.least = least;
            this.verb = verb;
        }
    }

    private final Map<String, Entry> verbs = new HashMap<>();

    Appliers(Area... areas) {
        for (Area area : areas) {
            area.addTo(this);
        }
    }

    /** For areas: a verb that needs at least so many arguments; those that may be absent come as empty strings anyway. */
    void verb(String name, int least, Verb verb) {
        if (verbs.put(name, new Entry(least, verb)) != null) {
            throw new IllegalArgumentException("two verbs " + name);
        }
    }

    /** Does it. What it throws is FAILED for the pump, with the exception's class. */
    Delivery.Result apply(PumpThread thread, String verb, String[] arguments) throws Exception {
        Entry entry = verbs.get(verb);
        if (entry == null) {
            return new Delivery.Result(Frame.OUTCOME_FAILED, "unknown verb " + verb);
        }
        if (arguments.length < entry.least) {
            return new Delivery.Result(Frame.OUTCOME_FAILED, verb + " needs " + entry.least + " arguments");
        }
        try {
            return entry.verb.apply(thread, arguments);
        } catch (UserNotFoundException e) {
            return Delivery.Result.GONE;
        }
    }
}
