/*
 * One change of a user's roster by our threads at a time. Openfire writes an item's groups in several statements without a
 * transaction, so that two threads at the same item break its rows (seen: a duplicate key in ofRosterGroups); and a client's
 * released change and one of the platform's would otherwise interleave field by field.
 *
 * What it leaves out: what Openfire's own threads change (subscription presence, requests that are not held).
 */
package org.cloudbridge.openfire;

/** A lock for each owner; a few owners may share one. */
final class RosterOrder {
    private static final Object[] LOCKS = new Object[64];

    static {
        for (int i = 0; i < LOCKS.length; i++) {
            LOCKS[i] = new Object();
        }
    }

    private RosterOrder() {
    }

    /** What to hold while the roster of this user (node) is changed. */
    static Object of(String owner) {
        return LOCKS[Math.floorMod(owner == null ? 0 : owner.hashCode(), LOCKS.length)];
    }
}
