/*
 * What other plugins of this server reach: their class loaders do not see our classes, so all that crosses are types of
 * the JDK. The plugin object itself is the door (a java.util.function.Function, found through Openfire's PluginManager);
 * java-api/.../CloudBridgeApi.java hides that. A request is an Object[]: the name of a function, then its arguments.
 *
 * Nobody's code is called from here, nobody's object is kept: whoever wants events comes for them on a thread of its own.
 * So a plugin that hangs, throws or is unloaded does nothing to us, and after a stop nothing of theirs holds our loader.
 *
 * What it leaves out: what the functions do. The host does that (docs/boundary.md, asks 9 to 12).
 */
package org.cloudbridge.openfire;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Functions by name; what is thrown is the JDK's: IllegalArgumentException (the request), IllegalStateException (not now). */
final class ApiDoor {
    /** Grows when a function is added; a function never changes its meaning. */
    static final int VERSION = 1;

    private static final String STOPPED = "Cloud Bridge is not running";

    private ApiDoor() {
    }

    /** Carries out a request; host is null when the bridge does not run. */
    static Object apply(HostCalls host, Object request) {
        Object[] given = request instanceof Object[] ? (Object[]) request : new Object[] {request};
        String function = text(given, 0);
        switch (function) {
            case "version":
                return VERSION;
            case "running":
                return host != null;
            case "toJson":
                return ask(host, convert("json", given)).takeStr();
            case "toXml":
                return ask(host, convert("xml", given)).takeStr();
            case "call":
                return call(host, given);
            case "subscribe":
                return ask(host, new Frame.Writer(Frame.ASK_SUBSCRIBE).putLong(0).putStr(text(given, 1))).takeLong();
            case "unsubscribe":
                ask(host, new Frame.Writer(Frame.ASK_SUBSCRIBE).putLong(number(given, 1)).putStr(""));
                return null;
            case "events":
                return events(host, given);
            default:
                throw new IllegalArgumentException("there is no function " + function);
        }
    }

    private static Frame.Writer convert(String to, Object[] given) {
        String text = text(given, 1);
        return new Frame.Writer(Frame.ASK_CONVERT, text.length() + 64).putStr(to).putStr(text);
    }

    /** call ROW STANZA KEY WAITMILLIS: what became of it, as names and values. */
    private static Map<String, String> call(HostCalls host, Object[] given) {
        notOnOpenfiresThreads();
        Frame.Reader answer = ask(host, new Frame.Writer(Frame.ASK_CALL, 512).putStr(text(given, 1)).putStr(text(given, 2))
            .putStr(text(given, 3)).putInt(millis(given, 4)));
        Map<String, String> outcome = new LinkedHashMap<>();
        for (int left = answer.takeCount(); left > 0; left--) {
            outcome.put(answer.takeStr(), answer.takeStr());
        }
        return outcome;
    }

    /** events ID MOST WAITMILLIS: the next ones, each as JSON; null when there is no such subscription (any more). */
    private static List<String> events(HostCalls host, Object[] given) {
        notOnOpenfiresThreads();
        Frame.Reader answer = answer(host, new Frame.Writer(Frame.ASK_EVENTS).putLong(number(given, 1))
            .putInt(millis(given, 2)).putInt(millis(given, 3)));
        if (answer.opcode() != Frame.ANSWER_OK) {
            return null;
        }
        List<String> events = new ArrayList<>();
        for (int left = answer.takeCount(); left > 0; left--) {
            events.add(answer.takeStr());
        }
        return events;
    }

    /** A thread that reads sockets, or one of our own, must not wait for a platform. */
    private static void notOnOpenfiresThreads() {
        String name = Thread.currentThread().getName();
        if (name.startsWith("socket_") || name.startsWith("cloudbridge-pump")) {
            throw new IllegalStateException("this may wait and must not be done on the thread " + name);
        }
    }

    private static Frame.Reader ask(HostCalls host, Frame.Writer request) {
        Frame.Reader answer = answer(host, request);
        if (answer.opcode() != Frame.ANSWER_OK) {
            throw new IllegalArgumentException(answer.takeStr());
        }
        return answer;
    }

    private static Frame.Reader answer(HostCalls host, Frame.Writer request) {
        if (host == null) {
            throw new IllegalStateException(STOPPED);
        }
        try {
            return new Frame.Reader(host.ask(request.done()));
        } catch (HostException e) {
            // Its class is ours and must not get out, not even as a cause.
            throw new IllegalStateException(e.code() == HostException.CLOSED ? STOPPED : "code " + e.code() + ": " + e.getMessage());
        }
    }

    private static String text(Object[] given, int at) {
        Object value = at < given.length ? given[at] : null;
        if (value instanceof String) {
            return (String) value;
        }
        throw new IllegalArgumentException("argument " + at + " is no String");
    }

    private static long number(Object[] given, int at) {
        Object value = at < given.length ? given[at] : null;
        if (value instanceof Number) {
            return ((Number) value).longValue();
        }
        throw new IllegalArgumentException("argument " + at + " is no number");
    }

    private static int millis(Object[] given, int at) {
        return (int) Math.max(0, Math.min(Integer.MAX_VALUE, number(given, at)));
    }
}
