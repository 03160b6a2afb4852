package org.cloudbridge.suite;

import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Runs the scenarios: a few at a time, then one by one those that want the machine for themselves.
 *
 * <p>Arguments: {@code name=value} for what {@link World} needs, {@code results=FILE}, {@code jobs=N}, and words; only
 * scenarios whose {@code Class.method} contains one of the words run. Ends when stdin does, with everything it started.
 */
public final class Main {

    private static final Class<?>[] CLASSES = {
        PlainOpenfire.class, Ladder.class, Decide.class, Outage.class, Survival.class, Page.class,
        Claimed.class, Coexist.class, Logins.class, Accounts.class, Importing.class, History.class,
        Friends.class, FriendChanges.class, Footprints.class, States.class, Backends.class, JavaApi.class, Downlink.class, Groups.class, GroupChanges.class, Rooms.class, GroupRooms.class,
    };

    private final World world;
    private final List<String> results = new ArrayList<>();
    private int passed;
    private int failed;

    private Main(World world) {
        this.world = world;
    }

    public static void main(String[] args) throws Exception {
        endWithStdin();
        Map<String, String> arguments = new LinkedHashMap<>();
        List<String> words = new ArrayList<>();
        for (String arg : args) {
            int equals = arg.indexOf('=');
            if (equals > 0) {
                arguments.put(arg.substring(0, equals), arg.substring(equals + 1));
            } else {
                words.add(arg);
            }
        }
        Main main = new Main(new World(arguments));
        Path file = Paths.get(arguments.get("results"));
        Files.deleteIfExists(file);
        main.run(scenarios(words), Integer.parseInt(arguments.getOrDefault("jobs", "2")));
        main.results.add(main.passed + " passed, " + main.failed + " failed");
        Files.write(file, main.results, StandardCharsets.UTF_8);
        System.out.println("openfire suite: " + main.passed + " passed, " + main.failed + " failed");
        System.exit(main.failed == 0 ? 0 : 1);
    }

    /** Whoever started us holds our stdin; when they are gone, so are we. */
    private static void endWithStdin() {
        Thread thread = new Thread(() -> {
            try {
                while (System.in.read() >= 0) {
                    continue;
                }
            } catch (IOException e) {
                // The same.
            }
            Processes.killAll();
            Runtime.getRuntime().halt(130);
        }, "stdin");
        thread.setDaemon(true);
        thread.start();
    }

    private static List<Method> scenarios(List<String> words) {
        List<Method> found = new ArrayList<>();
        for (Class<?> type : CLASSES) {
            Method[] methods = type.getDeclaredMethods();
            Arrays.sort(methods, Comparator.comparing(Method::getName));
            for (Method method : methods) {
                boolean wanted = words.isEmpty() || words.stream().anyMatch(name(method)::contains);
                if (method.isAnnotationPresent(Scenario.class) && wanted) {
                    Check.that(Modifier.isStatic(method.getModifiers()), name(method) + " is static");
                    found.add(method);
                }
            }
        }
        return found;
    }

    private static String name(Method method) {
        return method.getDeclaringClass().getSimpleName() + "." + method.getName();
    }

    private void run(List<Method> scenarios, int jobs) throws Exception {
        for (boolean alone : new boolean[] {false, true}) {
            ExecutorService workers = Executors.newFixedThreadPool(alone ? 1 : jobs);
            List<Future<?>> running = new ArrayList<>();
            for (Method scenario : scenarios) {
                if (scenario.getAnnotation(Scenario.class).alone() == alone) {
                    running.add(workers.submit(() -> run(scenario)));
                }
            }
            for (Future<?> one : running) {
                one.get();
            }
            workers.shutdown();
        }
    }

    private void run(Method scenario) {
        String name = name(scenario);
        long start = System.nanoTime();
        List<String> wrong = new ArrayList<>();
        Stage stage = null;
        Throwable thrown = null;
        try {
            stage = new Stage(world, name);
            perform(scenario, stage);
        } catch (Throwable e) {
            thrown = e;
            wrong.add(String.valueOf(e.getMessage() == null ? e : e.getMessage()));
        }
        if (stage != null) {
            wrong.addAll(stage.close());
        }
        double seconds = (System.nanoTime() - start) / 1e9;
        report(scenario, stage, wrong, thrown, seconds);
    }

    private void perform(Method scenario, Stage stage) throws Throwable {
        ExecutorService one = Executors.newSingleThreadExecutor(task -> {
            Thread thread = new Thread(task, name(scenario));
            thread.setDaemon(true);
            return thread;
        });
        scenario.setAccessible(true);
        Future<?> running = one.submit(() -> scenario.invoke(null, stage));
        int limit = scenario.getAnnotation(Scenario.class).seconds();
        try {
            running.get(limit, TimeUnit.SECONDS);
        } catch (TimeoutException e) {
            String where = stackOf(name(scenario));
            running.cancel(true);
            throw new AssertionError("not done after " + limit + " s; it was at\n" + where);
        } catch (java.util.concurrent.ExecutionException e) {
            Throwable cause = e.getCause();
            throw cause instanceof InvocationTargetException ? cause.getCause() : cause;
        } finally {
            one.shutdownNow();
        }
    }

    private static String stackOf(String threadName) {
        StringBuilder text = new StringBuilder();
        Thread.getAllStackTraces().forEach((thread, frames) -> {
            if (thread.getName().equals(threadName)) {
                for (StackTraceElement frame : frames) {
                    text.append("    ").append(frame).append('\n');
                }
            }
        });
        return text.toString();
    }

    private synchronized void report(Method scenario, Stage stage, List<String> wrong, Throwable thrown, double seconds) {
        String line;
        if (!wrong.isEmpty()) {
            failed++;
            line = String.format("FAILED   %s (%.1f s): %s", name(scenario), seconds, wrong.get(0).lines().findFirst().get());
        } else if (stage.skipped() != null) {
            line = String.format("skipped  %s: %s", name(scenario), stage.skipped());
        } else {
            passed++;
            line = String.format("ok       %s (%.1f s)", name(scenario), seconds);
        }
        results.add(line);
        System.out.println(line);
        if (wrong.isEmpty()) {
            deleteFiles(stage);
            return;
        }
        System.out.println("  what must be true: " + scenario.getAnnotation(Scenario.class).value());
        wrong.forEach(text -> System.out.println("  " + text.replace("\n", "\n  ")));
        if (thrown != null) {
            for (StackTraceElement frame : thrown.getStackTrace()) {
                if (frame.getClassName().startsWith("org.cloudbridge.suite")) {
                    System.out.println("    at " + frame);
                }
            }
        }
        if (stage != null) {
            System.out.println("  files: " + stage.directory());
        }
    }

    private static void deleteFiles(Stage stage) {
        try {
            stage.deleteFiles();
        } catch (IOException e) {
            System.out.println("  (left behind: " + stage.directory() + ": " + e + ")");
        }
    }
}
