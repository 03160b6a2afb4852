package org.cloudbridge.suite;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;

/**
 * A TCP proxy in front of the platform that can be told to misbehave as networks and overloaded servers do. It reads no
 * HTTP but the first line of each request, so that a fault may concern one interface only.
 */
final class SlowProxy implements AutoCloseable {

    /** What is wrong with the connection. */
    enum Fault {
        /** Nothing. */
        NONE,
        /** Requests are read and never arrive. */
        BLACKHOLE,
        /** Requests arrive and are executed; answers wait until the fault changes. */
        HOLD_ANSWERS,
        /** Requests arrive and are executed; answers are lost. */
        DROP_ANSWERS,
        /** Requests do not arrive; each is answered by a refusal (422) that names a condition and says why. */
        REFUSE,
        /** Every connection is reset, and every new one. */
        RESET,
        /** Answers come late by the delay. */
        DELAY_ANSWERS,
    }

    private static final String REFUSAL =
            "{\"type\":\"invalid\",\"title\":\"Invalid\",\"status\":422,\"detail\":\"the proxy says no\",\"condition\":\"not-allowed\"}";

    /** So much of what the bridge sends is kept to be looked at. */
    private static final int KEPT = 4_000_000;

    private final ServerSocket listener;
    private final Set<Connection> connections = new HashSet<>();
    private final List<String> requests = new ArrayList<>();
    private final StringBuilder sent = new StringBuilder();
    private int target;
    private Fault fault = Fault.NONE;
    private String onlyPath = "";
    private long delayNanos;
    private boolean closed;

    SlowProxy(int target) throws IOException {
        this.target = target;
        listener = new ServerSocket(0, 200, InetAddress.getByName("127.0.0.1"));
        run("proxy-accept", this::accept);
    }

    int port() {
        return listener.getLocalPort();
    }

    String url() {
        return "http://127.0.0.1:" + port();
    }

    synchronized void target(int port) {
        target = port;
    }

    /** From now on, for every interface. */
    void fault(Fault next) {
        fault(next, "", 0);
    }

    /** From now on, for requests whose path starts so. */
    void fault(Fault next, String path) {
        fault(next, path, 0);
    }

    void delayAnswers(long millis, String path) {
        fault(Fault.DELAY_ANSWERS, path, millis);
    }

    private synchronized void fault(Fault next, String path, long delayMillis) {
        fault = next;
        onlyPath = path;
        delayNanos = TimeUnit.MILLISECONDS.toNanos(delayMillis);
        // A connection that has lost bytes can only be reset.
        connections.stream().filter(connection -> next == Fault.RESET || connection.lost).forEach(Connection::reset);
        notifyAll();
    }

    /** Whether the bridge ever sent this text to the platform. */
    synchronized boolean saw(String text) {
        return sent.indexOf(text) >= 0;
    }

    /** How often the bridge sent what looks so. */
    synchronized int sent(Pattern pattern) {
        return (int) pattern.matcher(sent).results().count();
    }

    /** How many requests have come whose "METHOD path" starts so. */
    synchronized int requests(String start) {
        return (int) requests.stream().filter(request -> request.startsWith(start)).count();
    }

    /** The same, of those that name this too. */
    synchronized int requests(String start, String within) {
        return (int) requests.stream().filter(request -> request.startsWith(start) && request.contains(within)).count();
    }

    /** Waits until so many such requests have come. */
    synchronized void awaitRequests(String start, int count) throws InterruptedException {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(Await.SECONDS);
        while (requests(start) < count) {
            long left = TimeUnit.NANOSECONDS.toMillis(deadline - System.nanoTime());
            if (left <= 0) {
                throw new AssertionError("the platform was asked " + start + " " + requests(start) + " times, not " + count);
            }
            wait(left);
        }
    }

    @Override
    public void close() throws IOException {
        synchronized (this) {
            closed = true;
            connections.forEach(Connection::reset);
            notifyAll();
        }
        listener.close();
    }

    private void accept() throws IOException {
        while (true) {
            Socket bridge = listener.accept();
            bridge.setTcpNoDelay(true);
            synchronized (this) {
                if (fault == Fault.RESET) {
                    reset(bridge);
                    continue;
                }
                Connection connection = new Connection(bridge);
                connections.add(connection);
                run("proxy-connection", connection::open);
            }
        }
    }

    private static void reset(Socket socket) {
        try {
            socket.setSoLinger(true, 0);
            socket.close();
        } catch (IOException e) {
            // It is gone already.
        }
    }

    private interface Work {
        void run() throws Exception;
    }

    private static void run(String name, Work work) {
        Thread thread = new Thread(() -> {
            try {
                work.run();
            } catch (Exception e) {
                // The connection is over.
            }
        }, name);
        thread.setDaemon(true);
        thread.start();
    }

    /** One connection of the bridge and, behind it, ours to the platform. */
    private final class Connection {

        private final Socket bridge;
        private Socket platform;
        private String path = "";
        private boolean lost;
        /** The request that is under way is refused, with all that still comes of it. */
        private boolean refused;

        Connection(Socket bridge) {
            this.bridge = bridge;
        }

        void open() throws Exception {
            try {
                int port;
                synchronized (SlowProxy.this) {
                    port = target;
                }
                platform = new Socket(InetAddress.getByName("127.0.0.1"), port);
                platform.setTcpNoDelay(true);
                run("proxy-answers", this::answers);
                requests();
            } finally {
                end();
            }
        }

        private void requests() throws Exception {
            InputStream in = bridge.getInputStream();
            OutputStream out = platform.getOutputStream();
            byte[] chunk = new byte[65_536];
            for (int n = in.read(chunk); n >= 0; n = in.read(chunk)) {
                boolean begins = noteRequest(new String(chunk, 0, Math.min(n, 300), StandardCharsets.ISO_8859_1));
                synchronized (SlowProxy.this) {
                    if (sent.length() < KEPT) {
                        sent.append(new String(chunk, 0, n, StandardCharsets.UTF_8));
                    }
                    if (concerned() && fault == Fault.BLACKHOLE) {
                        lost = true;
                    }
                    if (begins) {
                        refused = concerned() && fault == Fault.REFUSE;
                    }
                    if (lost) {
                        continue;
                    }
                }
                if (refused) {
                    if (begins) {
                        refuse();
                    }
                    continue;
                }
                out.write(chunk, 0, n);
                out.flush();
            }
        }

        private void refuse() throws IOException {
            OutputStream out = bridge.getOutputStream();
            out.write(("HTTP/1.1 422 Unprocessable Entity\r\ncontent-type: application/problem+json\r\ncontent-length: " + REFUSAL.length()
                    + "\r\n\r\n" + REFUSAL).getBytes(StandardCharsets.ISO_8859_1));
            out.flush();
        }

        private void answers() throws Exception {
            try {
                InputStream in = platform.getInputStream();
                OutputStream out = bridge.getOutputStream();
                byte[] chunk = new byte[65_536];
                for (int n = in.read(chunk); n >= 0; n = in.read(chunk)) {
                    if (mayPass()) {
                        out.write(chunk, 0, n);
                        out.flush();
                    }
                }
            } finally {
                end();
            }
        }

        /** The bridge sends one request at a time on a connection, and its head in one write. True: this is one. */
        private boolean noteRequest(String start) {
            int method = start.indexOf(' ');
            int path = start.indexOf(" HTTP/1.1\r\n");
            if (method > 0 && method < 8 && path > method) {
                synchronized (SlowProxy.this) {
                    this.path = start.substring(method + 1, path);
                    requests.add(start.substring(0, path));
                    SlowProxy.this.notifyAll();
                }
                return true;
            }
            return false;
        }

        private boolean concerned() {
            return path.startsWith(onlyPath);
        }

        /** Waits as the fault says; false when the answer is to be lost. */
        private boolean mayPass() throws InterruptedException {
            synchronized (SlowProxy.this) {
                long due = System.nanoTime() + delayNanos;
                while (!closed && !lost && concerned()) {
                    if (fault == Fault.HOLD_ANSWERS) {
                        SlowProxy.this.wait();
                    } else if (fault == Fault.DELAY_ANSWERS && System.nanoTime() < due) {
                        SlowProxy.this.wait(Math.max(1, TimeUnit.NANOSECONDS.toMillis(due - System.nanoTime())));
                    } else {
                        break;
                    }
                }
                if (concerned() && (fault == Fault.DROP_ANSWERS || fault == Fault.BLACKHOLE)) {
                    lost = true;
                }
                return !lost;
            }
        }

        private void end() throws IOException {
            synchronized (SlowProxy.this) {
                connections.remove(this);
            }
            bridge.close();
            if (platform != null) {
                platform.close();
            }
        }

        private void reset() {
            SlowProxy.reset(bridge);
        }
    }
}
