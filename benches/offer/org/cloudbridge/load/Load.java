/*
 * How much Openfire delivers, server by server in interleaved rounds: the load, the sink that mirrored copies go to, and
 * the table. Steered over stdin by `cargo xtask bench offer openfire`, which starts the servers:
 *
 *   first line out   sink PORT
 *   lines in         server NAME XMPP-PORT ADMIN-PORT MIRRORED     MIRRORED: none, sink or platform
 *                    run USERS,USERS... MESSAGES ROUNDS WARMUP
 *
 * The first server is what the others are compared with. Every message carries its number and its time: what is missing,
 * doubled or out of order ends the run.
 */
package org.cloudbridge.load;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.InputStream;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

public final class Load {
    private static final String DOMAIN = "localhost";
    private static final int PEOPLE = 20;
    /** Messages on their way at one time: of all users together, and of one at least. */
    private static final int IN_FLIGHT = 512;
    private static final int LEAST = 64;
    private static final long ROUND_LIMIT_SECONDS = 120;
    private static final int PACED_PER_SECOND = 500;
    private static final int PACED_SECONDS = 4;

    /** One round's outcome. */
    private static final class Round {
        double perSecond;
        double p50;
        double p99;
        long left;
        double catchUpSeconds;
    }

    /** One server and who is logged in there. */
    private static final class Target {
        final String name;
        final int admin;
        final String mirrored;
        final List<Client> clients = new ArrayList<>();
        final Map<String, List<Round>> rounds = new LinkedHashMap<>();
        long sent;

        Target(String name, int xmpp, int admin, String mirrored) throws IOException {
            this.name = name;
            this.admin = admin;
            this.mirrored = mirrored;
            for (int i = 0; i < PEOPLE; i++) {
                clients.add(new Client(xmpp, DOMAIN, "user" + i, "secret" + i));
            }
            for (int i = 0; i < PEOPLE; i++) {
                clients.get(i).pairWith(clients.get(i ^ 1));
            }
        }
    }

    private final Sink sink = new Sink();
    private final List<Target> targets = new ArrayList<>();

    private Load() throws IOException {
    }

    public static void main(String[] args) throws Exception {
        new Load().obey();
        System.exit(0);
    }

    private void obey() throws Exception {
        System.out.println("sink " + sink.port());
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.split(" ");
            if (words[0].equals("server")) {
                targets.add(new Target(words[1].replace('_', ' '), Integer.parseInt(words[2]), Integer.parseInt(words[3]), words[4]));
            } else {
                List<String> cases = Arrays.asList(words[1].split(","));
                run(cases, Integer.parseInt(words[2]), Integer.parseInt(words[3]), Integer.parseInt(words[4]));
                return;
            }
        }
    }

    private void run(List<String> cases, int messages, int rounds, int warmup) throws Exception {
        for (int round = -warmup; round < rounds; round++) {
            for (String users : cases) {
                for (int turn = 0; turn < targets.size(); turn++) {
                    Target target = targets.get((turn + round + warmup) % targets.size());
                    Round result = users.equals("paced")
                        ? round(target, 2, PACED_PER_SECOND * PACED_SECONDS, TimeUnit.SECONDS.toNanos(2) / PACED_PER_SECOND)
                        : round(target, Integer.parseInt(users), messages, 0);
                    if (round >= 0) {
                        target.rounds.computeIfAbsent(users, key -> new ArrayList<>()).add(result);
                    }
                }
            }
        }
        for (String users : cases) {
            print(users, messages, rounds);
        }
        System.out.println("| of all rounds, warm-up included | messages delivered | copies that arrived | missing |");
        System.out.println("|---|---|---|---|");
        for (Target target : targets) {
            long copies = copies(target);
            System.out.println("| " + target.name + " | " + target.sent + " | " + (copies < 0 ? "-" : copies) + " | "
                + (copies < 0 ? "-" : target.sent - copies) + " |");
            target.clients.forEach(Client::close);
        }
    }

    private Round round(Target target, int users, int messages, long gapNanos) throws Exception {
        int each = messages / users;
        List<Client> some = target.clients.subList(0, users);
        some.forEach(client -> client.begin(each));
        long start = System.nanoTime();
        List<Thread> senders = new ArrayList<>();
        for (Client client : some) {
            Thread sender = new Thread(() -> {
                try {
                    client.send(each, Math.max(LEAST, IN_FLIGHT / users), gapNanos);
                } catch (IOException e) {
                    client.fault = e.toString();
                }
            }, "sender-" + client.jid);
            sender.start();
            senders.add(sender);
        }
        for (Client client : some) {
            while (client.got < each) {
                if (client.fault != null || System.nanoTime() - start > TimeUnit.SECONDS.toNanos(ROUND_LIMIT_SECONDS)) {
                    throw new IllegalStateException(target.name + ": " + client.jid + " got " + client.got + " of " + each + ": " + client.fault);
                }
                LockSupport.parkNanos(500_000);
            }
        }
        long end = System.nanoTime();
        for (Thread sender : senders) {
            sender.join();
        }
        Round round = new Round();
        round.perSecond = (double) each * users * 1e9 / (end - start);
        long[] times = some.stream().flatMapToLong(client -> Arrays.stream(client.times)).sorted().toArray();
        round.p50 = times[times.length / 2] / 1e6;
        round.p99 = times[(int) (times.length * 0.99)] / 1e6;
        target.sent += (long) each * users;
        // What is still on its way to the platform must not weigh on the next round.
        round.left = Math.max(0, target.sent - Math.max(0, copies(target)));
        while (copies(target) >= 0 && copies(target) < target.sent && System.nanoTime() - end < TimeUnit.SECONDS.toNanos(ROUND_LIMIT_SECONDS)) {
            LockSupport.parkNanos(20_000_000);
        }
        round.catchUpSeconds = (System.nanoTime() - end) / 1e9;
        return round;
    }

    /** How many copies have come to where they are mirrored; -1 where none are. */
    private long copies(Target target) throws IOException {
        if (target.mirrored.equals("sink")) {
            return sink.events.get();
        }
        if (!target.mirrored.equals("platform")) {
            return -1;
        }
        // The platform itself is not asked: what the bridge has delivered and removed from its journal was accepted.
        String status = status(target.admin);
        return number(status, "\"mirrored\":(\\d+)") - number(status, "\"events\":(\\d+)");
    }

    private static String status(int port) throws IOException {
        URL page = new URL("http://127.0.0.1:" + port + "/plugins/cloudbridge/cloudbridge-settings.jsp?json");
        try (InputStream in = page.openStream()) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    private static long number(String text, String pattern) {
        Matcher matcher = Pattern.compile(pattern).matcher(text);
        return matcher.find() ? Long.parseLong(matcher.group(1)) : 0;
    }

    private void print(String users, int messages, int rounds) {
        boolean paced = users.equals("paced");
        System.out.println(paced
            ? "| 2 users, " + PACED_PER_SECOND + " messages/s | p50, ms | p50 more than bare, ms | p99, ms |"
            : "| " + users + " users, " + rounds + " rounds of " + messages
                + " messages | delivered/s, median | share of bare, median (min..max of rounds) | p99, ms | p99 as a multiple of bare (max) | copies left at the end of a round, at most | caught up after, s |");
        System.out.println(paced ? "|---|---|---|---|" : "|---|---|---|---|---|---|---|");
        List<Round> bare = targets.get(0).rounds.get(users);
        for (Target target : targets) {
            List<Round> all = target.rounds.get(users);
            double[] shares = new double[all.size()];
            double[] multiples = new double[all.size()];
            double[] more = new double[all.size()];
            for (int i = 0; i < shares.length; i++) {
                shares[i] = all.get(i).perSecond / bare.get(i).perSecond;
                multiples[i] = all.get(i).p99 / bare.get(i).p99;
                more[i] = all.get(i).p50 - bare.get(i).p50;
            }
            double p50 = median(all.stream().mapToDouble(r -> r.p50).toArray());
            double p99 = median(all.stream().mapToDouble(r -> r.p99).toArray());
            if (paced) {
                System.out.printf(Locale.ROOT, "| %s | %.2f | %.2f | %.2f |%n", target.name, p50, median(more), p99);
                continue;
            }
            double middle = median(shares);
            double worst = median(multiples);
            System.out.printf(Locale.ROOT, "| %s | %.0f | %.2f (%.2f..%.2f) | %.1f | %.2f (%.2f) | %d | %.1f |%n", target.name,
                median(all.stream().mapToDouble(r -> r.perSecond).toArray()), middle, shares[0], shares[shares.length - 1], p99, worst,
                multiples[multiples.length - 1], all.stream().mapToLong(r -> target.mirrored.equals("none") ? 0 : r.left).max().orElse(0),
                all.stream().mapToDouble(r -> r.catchUpSeconds).max().orElse(0));
        }
        System.out.println();
    }

    /** Sorts. */
    private static double median(double[] values) {
        Arrays.sort(values);
        return values[values.length / 2];
    }
}
