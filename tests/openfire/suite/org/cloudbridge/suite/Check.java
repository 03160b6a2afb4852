package org.cloudbridge.suite;

import java.util.Objects;

/** Assertions that say what was looked at. */
final class Check {

    private Check() {
    }

    static void that(boolean condition, String what) {
        if (!condition) {
            throw new AssertionError(what);
        }
    }

    static void equal(Object expected, Object actual, String what) {
        if (!Objects.equals(expected, actual)) {
            throw new AssertionError(what + "\n  expected: " + expected + "\n  found:    " + actual);
        }
    }
}
