/*
 * A platform that only counts: takes mirror events over HTTP, answers at once, keeps nothing. So the throughput with it
 * is what the bridge costs, not what a database costs.
 */
package org.cloudbridge.load;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicLong;

final class Sink {
    private static final byte[] EVENT = "\"specversion\"".getBytes(StandardCharsets.US_ASCII);
    private static final int LARGEST = 8 << 20;

    final AtomicLong events = new AtomicLong();
    final AtomicLong requests = new AtomicLong();
    private final ServerSocket server;

    Sink() throws IOException {
        server = new ServerSocket(0, 50, InetAddress.getByName("127.0.0.1"));
        Thread acceptor = new Thread(this::accept, "sink");
        acceptor.setDaemon(true);
        acceptor.start();
    }

    int port() {
        return server.getLocalPort();
    }

    private void accept() {
        try {
            while (true) {
                Socket socket = server.accept();
                socket.setTcpNoDelay(true);
                Thread serving = new Thread(() -> serve(socket), "sink-connection");
                serving.setDaemon(true);
                serving.start();
            }
        } catch (IOException e) {
            // The end.
        }
    }

    private void serve(Socket socket) {
        try (Socket closing = socket) {
            InputStream in = new BufferedInputStream(closing.getInputStream(), 64 * 1024);
            byte[] body = new byte[64 * 1024];
            while (true) {
                String request = line(in);
                if (request.isEmpty()) {
                    return;
                }
                int length = 0;
                for (String header = line(in); !header.isEmpty(); header = line(in)) {
                    String lower = header.toLowerCase(Locale.ROOT);
                    if (lower.startsWith("content-length:")) {
                        length = Math.min(LARGEST, Integer.parseInt(lower.substring(15).trim()));
                    }
                }
                if (body.length < length) {
                    body = new byte[length];
                }
                if (in.readNBytes(body, 0, length) < length) {
                    return;
                }
                String answer = answer(request, body, length);
                closing.getOutputStream().write(("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: "
                    + answer.length() + "\r\n\r\n" + answer).getBytes(StandardCharsets.US_ASCII));
            }
        } catch (IOException e) {
            // The bridge has gone.
        }
    }

    private String answer(String request, byte[] body, int length) {
        if (request.contains("/v1/events")) {
            int count = 0;
            for (int i = 0; i <= length - EVENT.length; i++) {
                if (body[i] == '"' && body[i + 1] == 's' && body[i + 5] == 'v' && matches(body, i)) {
                    count++;
                }
            }
            events.addAndGet(count);
            requests.incrementAndGet();
            return "{\"accepted\":" + count + ",\"duplicates\":0}";
        }
        if (request.contains("/healthz")) {
            return "{\"status\":\"ok\",\"name\":\"sink\",\"version\":\"0\",\"api\":\"1.0\",\"store\":\"none\"}";
        }
        return "{\"drain\":[],\"pending\":false}";
    }

    private static boolean matches(byte[] body, int at) {
        for (int i = 0; i < EVENT.length; i++) {
            if (body[at + i] != EVENT[i]) {
                return false;
            }
        }
        return true;
    }

    private static String line(InputStream in) throws IOException {
        StringBuilder line = new StringBuilder();
        for (int c = in.read(); c >= 0 && c != '\n'; c = in.read()) {
            if (c != '\r') {
                line.append((char) c);
            }
        }
        return line.toString();
    }
}
