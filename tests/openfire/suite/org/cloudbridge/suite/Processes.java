package org.cloudbridge.suite;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;

/** Everything this suite has started and that still runs. Nothing of it outlives the suite, however it ends. */
final class Processes {

    private static final Set<ProcessHandle> RUNNING = ConcurrentHashMap.newKeySet();

    static {
        Runtime.getRuntime().addShutdownHook(new Thread(Processes::killAll));
    }

    private Processes() {
    }

    static Process track(Process process) {
        RUNNING.add(process.toHandle());
        process.toHandle().onExit().thenAccept(RUNNING::remove);
        return process;
    }

    static void kill(ProcessHandle process) {
        process.descendants().forEach(ProcessHandle::destroyForcibly);
        process.destroyForcibly();
    }

    static void killAll() {
        RUNNING.forEach(Processes::kill);
    }

    /** Whether the process has ended within so many seconds. */
    static boolean ended(ProcessHandle process, int seconds) throws InterruptedException {
        try {
            process.onExit().get(seconds, TimeUnit.SECONDS);
            return true;
        } catch (java.util.concurrent.ExecutionException | java.util.concurrent.TimeoutException e) {
            return !process.isAlive();
        }
    }
}
