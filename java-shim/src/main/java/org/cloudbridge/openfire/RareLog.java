/*
 * A warning that may come once per packet is logged at most once in ten seconds, with the number of those left out.
 */
package org.cloudbridge.openfire;

import java.util.concurrent.atomic.AtomicLong;

import org.slf4j.Logger;

/** Rate-limited warnings; the text must not contain what people wrote. */
final class RareLog {
    private static final long EVERY_NANOS = 10_000_000_000L;
    private final Logger log;
    private final AtomicLong last = new AtomicLong(System.nanoTime() - EVERY_NANOS);
    private final AtomicLong left = new AtomicLong();

    RareLog(Logger log) {
        this.log = log;
    }

    void warn(String text) {
        long now = System.nanoTime();
        long before = last.get();
        if (now - before < EVERY_NANOS || !last.compareAndSet(before, now)) {
            left.incrementAndGet();
            return;
        }
        long unsaid = left.getAndSet(0);
        log.warn(unsaid == 0 ? text : text + " (and " + unsaid + " more like it)");
    }
}
