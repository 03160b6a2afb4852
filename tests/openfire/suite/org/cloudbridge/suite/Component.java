package org.cloudbridge.suite;

import java.io.IOException;
import java.io.InputStreamReader;
import java.io.Reader;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.CharBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** An external component (XEP-0114): a service with a domain of its own, which sends and receives bare XML. */
final class Component implements AutoCloseable {

    static final String SECRET = "component-secret";

    private static final Pattern STREAM_ID = Pattern.compile("<stream:stream[^>]*\\sid=[\"']([^\"']+)[\"']");

    final Inbox inbox;
    final String domain;
    private final Socket socket;

    private Component(String domain, Socket socket) {
        this.domain = domain;
        this.socket = socket;
        this.inbox = new Inbox(domain);
    }

    static Component connect(Server server, String subdomain) throws Exception {
        String domain = subdomain + "." + server.domain();
        Component component = new Component(domain, new Socket(InetAddress.getByName("127.0.0.1"), server.componentPort()));
        component.open();
        return component;
    }

    void send(String xml) throws IOException {
        socket.getOutputStream().write(xml.getBytes(StandardCharsets.UTF_8));
        socket.getOutputStream().flush();
    }

    private void open() throws Exception {
        socket.setSoTimeout(Await.SECONDS * 1000);
        Reader reader = new InputStreamReader(socket.getInputStream(), StandardCharsets.UTF_8);
        send("<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' "
                + "xmlns:stream='http://etherx.jabber.org/streams' to='" + domain + "'>");
        // The header's id is part of the proof; everything after it goes through the splitter.
        StringBuilder header = new StringBuilder();
        Matcher id = STREAM_ID.matcher(header);
        while (!id.reset().find() || header.charAt(header.length() - 1) != '>') {
            int c = reader.read();
            Check.that(c >= 0, "the server takes the component; it said " + header);
            header.append((char) c);
        }
        StanzaSplitter splitter = new StanzaSplitter(text -> inbox.add(Xml.stanza(text)));
        splitter.accept(header);
        socket.setSoTimeout(0);
        Thread thread = new Thread(() -> listen(reader, splitter), "component-" + domain);
        thread.setDaemon(true);
        thread.start();
        send("<handshake>" + hex(MessageDigest.getInstance("SHA-1")
                .digest((id.group(1) + SECRET).getBytes(StandardCharsets.UTF_8))) + "</handshake>");
        inbox.await("the end of the handshake", stanza -> stanza.name().equals("handshake"));
    }

    private static void listen(Reader reader, StanzaSplitter splitter) {
        char[] buffer = new char[4096];
        try {
            for (int n = reader.read(buffer); n > 0; n = reader.read(buffer)) {
                splitter.accept(CharBuffer.wrap(buffer, 0, n));
            }
        } catch (IOException e) {
            // The socket was closed.
        }
    }

    private static String hex(byte[] bytes) {
        StringBuilder text = new StringBuilder();
        for (byte b : bytes) {
            text.append(String.format("%02x", b));
        }
        return text.toString();
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }
}
