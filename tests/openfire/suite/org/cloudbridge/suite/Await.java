package org.cloudbridge.suite;

import java.util.concurrent.Callable;
import java.util.concurrent.locks.LockSupport;

/**
 * Waits for a fact that announces itself to nobody, such as a number on the status page: asks until it is so, or the
 * deadline passes. Whatever a client receives is waited for by event, in Inbox.
 */
final class Await {

    /** The usual deadline: far beyond what anything takes, so that a busy machine fails no test. */
    static final int SECONDS = 40;

    private static final long PAUSE_NANOS = 25_000_000;

    private Await() {
    }

    static void until(String what, Callable<Boolean> fact) throws Exception {
        until(what, SECONDS, fact);
    }

    static void until(String what, int seconds, Callable<Boolean> fact) throws Exception {
        long deadline = System.nanoTime() + seconds * 1_000_000_000L;
        while (!fact.call()) {
            if (System.nanoTime() > deadline) {
                throw new AssertionError("within " + seconds + " s it did not come true: " + what);
            }
            pause();
        }
    }

    /** Lets others run before something is asked again. */
    static void pause() throws InterruptedException {
        if (Thread.interrupted()) {
            throw new InterruptedException();
        }
        LockSupport.parkNanos(PAUSE_NANOS);
    }
}
