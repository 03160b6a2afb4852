/*
 * What a message costs on Openfire's router thread: the real gate, the real serialiser, the real native host with its
 * journal, against what Packet.toXML().getBytes() alone costs. In the shim's package, because the natives are nobody
 * else's business.
 *
 * Three hosts live in this one JVM (watch, mirror and decide, the latter two with an embedded platform each), so that
 * rounds can be interleaved. What Openfire would do beside it (effects, sessions) is done here by one thread per host.
 * What it leaves out: Openfire itself (bench: openfire), user lookups (a set stands in for Openfire's user cache).
 *
 * Arguments: key=value with library, platform, scratch, rounds, calls, warmup.
 */
package org.cloudbridge.openfire;

import java.io.StringReader;
import java.lang.reflect.Proxy;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.regex.Pattern;
import org.dom4j.io.SAXReader;
import org.jivesoftware.openfire.interceptor.PacketRejectedException;
import org.jivesoftware.openfire.session.ClientSession;
import org.jivesoftware.openfire.session.Session;
import org.xmpp.packet.Message;

public final class OfferBench {
    private static final String DOMAIN = "bench.example";
    private static final int PEOPLE = 50;
    private static final int MESSAGES = 2048;
    private static final int BYTES = 400;

    private OfferBench() {
    }

    /** Something that is done to one message on the measured thread; gives a number so that nothing is optimised away. */
    private interface Work {
        int on(Message message) throws Exception;
    }

    /** One row of the result. */
    private static final class Case {
        final String name;
        final Work work;
        final Bridge bridge;
        final List<long[]> rounds = new ArrayList<>();

        Case(String name, Work work, Bridge bridge) {
            this.name = name;
            this.work = work;
            this.bridge = bridge;
        }
    }

    public static void main(String[] args) throws Exception {
        Map<String, String> options = new HashMap<>();
        for (String arg : args) {
            options.put(arg.substring(0, arg.indexOf('=')), arg.substring(arg.indexOf('=') + 1));
        }
        int rounds = Integer.parseInt(options.get("rounds"));
        int calls = Integer.parseInt(options.get("calls"));
        int warmup = Integer.parseInt(options.get("warmup"));
        Host.load(options.get("library"));
        Path scratch = Paths.get(options.get("scratch"));
        List<Bridge> bridges = new ArrayList<>();
        for (String mode : new String[] {"watch", "mirror", "decide"}) {
            bridges.add(new Bridge(mode, Files.createDirectories(scratch.resolve(mode)), options.get("platform")));
        }
        StanzaWriter writer = new StanzaWriter();
        List<Case> cases = new ArrayList<>();
        cases.add(new Case("Packet.toXML().getBytes(UTF_8)", m -> m.toXML().getBytes(StandardCharsets.UTF_8).length, null));
        cases.add(new Case("StanzaWriter alone", m -> {
            writer.write(m.getElement());
            return writer.length();
        }, null));
        for (Bridge bridge : bridges) {
            cases.add(new Case("offer, " + bridge.mode, bridge::offer, bridge));
        }
        Message[] messages = messages();
        try {
            for (Bridge bridge : bridges) {
                bridge.awaitReady();
            }
            System.out.println("one message as XML: " + messages[0].toXML().length() + " bytes; " + rounds + " rounds of " + calls
                + " calls each after " + warmup + " rounds of warm-up; clock " + clock() + " ns (not subtracted)");
            long sink = 0;
            for (int round = -warmup; round < rounds; round++) {
                for (int turn = 0; turn < cases.size(); turn++) {
                    sink += round(cases.get((turn + round + warmup) % cases.size()), messages, calls, round >= 0);
                }
            }
            print(cases, calls);
            for (Bridge bridge : bridges) {
                System.out.println(bridge.mode + ": " + bridge.counters());
            }
            if (sink == 42) {
                System.out.println();
            }
        } finally {
            for (Bridge bridge : bridges) {
                bridge.stop();
            }
        }
    }

    private static long round(Case one, Message[] messages, int calls, boolean kept) throws Exception {
        long[] times = new long[calls];
        long sink = 0;
        for (int i = 0; i < calls; i++) {
            Message message = messages[i % messages.length];
            long start = System.nanoTime();
            sink += one.work.on(message);
            times[i] = System.nanoTime() - start;
        }
        if (one.bridge != null) {
            one.bridge.awaitEmpty();
        }
        if (kept) {
            Arrays.sort(times);
            one.rounds.add(times);
        }
        return sink;
    }

    private static void print(List<Case> cases, int calls) {
        System.out.println("| on the calling thread, ns | median | p99 | p99.9 | max | share of toXML().getBytes(), median (min..max of rounds) | by the mean |");
        System.out.println("|---|---|---|---|---|---|---|");
        Case base = cases.get(0);
        for (Case one : cases) {
            long[] all = one.rounds.stream().flatMapToLong(Arrays::stream).sorted().toArray();
            double[] shares = new double[one.rounds.size()];
            double[] means = new double[one.rounds.size()];
            for (int i = 0; i < shares.length; i++) {
                shares[i] = (double) at(one.rounds.get(i), 0.5) / at(base.rounds.get(i), 0.5);
                means[i] = Arrays.stream(one.rounds.get(i)).average().orElse(0) / Arrays.stream(base.rounds.get(i)).average().orElse(1);
            }
            Arrays.sort(shares);
            Arrays.sort(means);
            System.out.printf(Locale.ROOT, "| %s | %d | %d | %d | %d | %.2f (%.2f..%.2f) | %.2f (%.2f..%.2f) |%n", one.name, at(all, 0.5),
                at(all, 0.99), at(all, 0.999), all[all.length - 1], shares[shares.length / 2], shares[0], shares[shares.length - 1],
                means[means.length / 2], means[0], means[means.length - 1]);
        }
    }

    private static long at(long[] sorted, double share) {
        return sorted[(int) ((sorted.length - 1) * share)];
    }

    private static long clock() {
        long[] times = new long[10_000];
        for (int i = 0; i < times.length; i++) {
            long start = System.nanoTime();
            times[i] = System.nanoTime() - start;
        }
        Arrays.sort(times);
        return at(times, 0.5);
    }

    /** Parsed, not built: that is how messages come to Openfire. */
    private static Message[] messages() throws Exception {
        Message[] messages = new Message[MESSAGES];
        for (int i = 0; i < messages.length; i++) {
            String head = "<message from=\"user" + i % PEOPLE + "@" + DOMAIN + "/orchard\" to=\"user" + (i + 1) % PEOPLE + "@" + DOMAIN
                + "/balcony\" type=\"chat\" id=\"purple" + (100_000 + i) + "\"><body>";
            String tail = "</body><active xmlns=\"http://jabber.org/protocol/chatstates\"/><request xmlns=\"urn:xmpp:receipts\"/></message>";
            StringBuilder body = new StringBuilder();
            while (head.length() + body.length() + tail.length() < BYTES) {
                body.append((char) ('a' + body.length() % 26));
            }
            messages[i] = new Message(new SAXReader().read(new StringReader(head + body + tail)).getRootElement(), true);
        }
        return messages;
    }

    /** One host with its gate, and a thread that does what Openfire would do. */
    private static final class Bridge {
        private static final Pattern READY = Pattern.compile("\"ready\":true");
        private static final Pattern WORK_LEFT = Pattern.compile("\"(held|events|settled)\":[1-9]");

        final String mode;
        private final HostCalls host;
        private final Held held = new Held();
        private final MessageGate gate;
        private final Session session;
        private final Thread pump;

        Bridge(String mode, Path home, String platform) throws Exception {
            this.mode = mode;
            String[][] settings = {{"plugin.cloudbridge.chat.mode", mode}, {"plugin.cloudbridge.mirror.bodies", "true"},
                {"plugin.cloudbridge.chat.heldMax", "100000"}, {"plugin.cloudbridge.chat.timeoutMillis", "60000"}};
            Frame.Writer frame = new Frame.Writer(Frame.START).putStr("4.2.0").putStr(DOMAIN).putStr(home.toString()).putStr("0.1.0")
                .putStr(platform).putBool(false).putInt(settings.length);
            for (String[] setting : settings) {
                frame.putStr(setting[0]).putStr(setting[1]);
            }
            host = new HostCalls.Native(frame.done());
            Set<String> users = new HashSet<>();
            for (int i = 0; i < PEOPLE; i++) {
                users.add("user" + i);
            }
            Offers offers = new Offers(host, held, new StanzaWriter.Pool());
            // Nobody speaks in rooms here.
            RoomSpeech rooms = new RoomSpeech(offers, null, null, domain -> false, null, null, new RoomFanOut());
            gate = new MessageGate(DOMAIN, offers, new MessageGate.People() {
                @Override
                public boolean isUser(String node) {
                    return users.contains(node);
                }

                @Override
                public boolean isHere(String bareJid) {
                    return users.contains(bareJid.substring(0, bareJid.indexOf('@')));
                }

                @Override
                public boolean refuses(String node, Message message) {
                    return false;
                }
            }, rooms);
            gate.filter(FilterTable.read(host.describe("filter")));
            session = (Session) Proxy.newProxyInstance(OfferBench.class.getClassLoader(), new Class<?>[] {ClientSession.class},
                (proxy, method, arguments) -> Boolean.FALSE);
            pump = new Thread(this::pump, "bench-pump-" + mode);
            pump.setDaemon(true);
            pump.start();
        }

        /** 1 when it was taken. */
        int offer(Message message) {
            try {
                gate.interceptPacket(message, session, true, false);
                return 0;
            } catch (PacketRejectedException taken) {
                return 1;
            }
        }

        /** Every effect succeeds at once. */
        private void pump() {
            try {
                while (true) {
                    byte[] effect = host.take(1000);
                    if (effect == null) {
                        continue;
                    }
                    Frame.Reader reader = new Frame.Reader(effect);
                    int opcode = reader.opcode();
                    if (opcode == Frame.EFFECT_FILTER) {
                        reader.takeLong();
                        gate.filter(FilterTable.read(reader.takeBytes()));
                    } else if (opcode == Frame.EFFECT_LOG) {
                        if (reader.takeInt() < 2) {
                            System.err.println(mode + ": " + reader.takeStr() + ": " + reader.takeStr());
                        }
                    } else {
                        long number = reader.takeLong();
                        if (opcode == Frame.EFFECT_SNAPSHOT) {
                            host.notice(new Frame.Writer(Frame.NOTICE_SESSIONS).putLong(1).putInt(0).done());
                        } else if (opcode < Frame.EFFECT_ROUTE) {
                            held.forget(reader.takeLong());
                        }
                        host.notice(new Frame.Writer(Frame.NOTICE_DONE).putLong(number).putInt(Frame.OUTCOME_OK).putStr("").done());
                    }
                }
            } catch (HostException e) {
                if (e.code() != HostException.CLOSED) {
                    e.printStackTrace();
                }
            }
        }

        void awaitReady() throws Exception {
            // Nothing is claimed before the platform knows the sessions.
            if (mode.equals("decide")) {
                await(READY, true);
            }
        }

        void awaitEmpty() throws Exception {
            await(WORK_LEFT, false);
        }

        private void await(Pattern pattern, boolean found) throws Exception {
            long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
            while (true) {
                String status = new String(host.describe("status"), StandardCharsets.UTF_8);
                if (pattern.matcher(status).find() == found) {
                    return;
                }
                if (System.nanoTime() > deadline) {
                    throw new IllegalStateException(mode + " waits too long: " + status);
                }
                LockSupport.parkNanos(2_000_000);
            }
        }

        String counters() throws Exception {
            return new String(host.describe("status"), StandardCharsets.UTF_8).replaceAll("(?s).*\"counts\":(\\{[^}]*}).*", "$1");
        }

        void stop() throws Exception {
            host.stop(1000);
            pump.join(5000);
        }
    }
}
