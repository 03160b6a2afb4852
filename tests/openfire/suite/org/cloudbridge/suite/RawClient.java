package org.cloudbridge.suite;

import java.io.IOException;
import java.io.InputStreamReader;
import java.io.Reader;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.CharBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.function.Predicate;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManager;

/**
 * A client of bare XML over a socket: STARTTLS, SASL, bind, session, and from then on what a test writes. It answers
 * nothing by itself, so that what it receives follows from what was sent.
 */
final class RawClient implements AutoCloseable {

    private static final String SASL = "urn:ietf:params:xml:ns:xmpp-sasl";
    private static final String STREAMS = "http://etherx.jabber.org/streams";

    /** Everything that came after the stream's header: features, SASL, stanzas. */
    final Inbox inbox;
    private final StanzaSplitter splitter;
    private final String domain;
    private Socket socket;
    private Reader reader;
    private Thread thread;
    private String jid = "";
    private int pings;

    private RawClient(Server server, String name) throws IOException {
        domain = server.domain();
        inbox = new Inbox(name);
        splitter = new StanzaSplitter(text -> inbox.add(Xml.stanza(text)));
        socket = new Socket(InetAddress.getByName("127.0.0.1"), server.xmppPort());
        socket.setSoTimeout(Await.SECONDS * 1000);
    }

    /** Logs in; no presence. An empty resource leaves the choice to the server. */
    static RawClient login(Server server, String user, String password, String resource) throws Exception {
        RawClient client = new RawClient(server, user + "/" + resource);
        client.encrypt();
        Xml answer = client.authenticate("PLAIN", "\0" + user + "\0" + password);
        Check.equal("success", answer.name(), "the login of " + user + ", " + answer);
        client.bind(resource);
        return client;
    }

    /** Logs in as nobody in particular (SASL ANONYMOUS). */
    static RawClient anonymous(Server server) throws Exception {
        RawClient client = new RawClient(server, "anonymous");
        client.encrypt();
        Xml answer = client.authenticate("ANONYMOUS", "");
        Check.equal("success", answer.name(), "the anonymous login, " + answer);
        client.bind("");
        return client;
    }

    /** Tries to log in with a password that is not the right one; the answer is in the inbox. */
    static RawClient refused(Server server, String user, String password) throws Exception {
        RawClient client = new RawClient(server, user);
        client.encrypt();
        Xml answer = client.authenticate("PLAIN", "\0" + user + "\0" + password);
        Check.equal("failure", answer.name(), "the login of " + user);
        client.close();
        return client;
    }

    String jid() {
        return jid;
    }

    void send(String xml) throws IOException {
        // Nothing is buffered, and what ends the stream may have closed the socket by the time that write returns.
        socket.getOutputStream().write(xml.getBytes(StandardCharsets.UTF_8));
    }

    /** Returns when the server has handled what was sent before, and what it had sent to this client has come. */
    void ping() throws Exception {
        String id = "sync-" + ++pings;
        send("<iq type='get' id='" + id + "' to='" + domain + "'><ping xmlns='urn:xmpp:ping'/></iq>");
        inbox.await("the answer to a ping", stanza -> stanza.id().equals(id));
    }

    static boolean isPing(Xml stanza) {
        return stanza.id().startsWith("sync-");
    }

    String resource() {
        return jid.substring(jid.indexOf('/') + 1);
    }

    /** Ends the stream and waits until the server has ended it, too. */
    void logout() throws Exception {
        send("</stream:stream>");
        awaitEnd();
    }

    /** Waits until the server has ended the stream. */
    void awaitEnd() throws Exception {
        thread.join(Await.SECONDS * 1000L);
        Check.that(!thread.isAlive(), "the server ends the stream of " + jid);
        socket.close();
    }

    /** The network is gone. */
    @Override
    public void close() throws IOException {
        socket.close();
    }

    private void encrypt() throws Exception {
        open();
        send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
        read(stanza -> stanza.name().equals("proceed"));
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, new TrustManager[] {new Client.TrustAll()}, null);
        socket = context.getSocketFactory().createSocket(socket, domain, socket.getPort(), true);
        open();
    }

    private Xml authenticate(String mechanism, String response) throws Exception {
        send("<auth xmlns='" + SASL + "' mechanism='" + mechanism + "'>"
                + Base64.getEncoder().encodeToString(response.getBytes(StandardCharsets.UTF_8)) + "</auth>");
        return read(stanza -> stanza.name().equals("success") || stanza.name().equals("failure"));
    }

    private void bind(String resource) throws Exception {
        open();
        String wish = resource.isEmpty() ? "" : "<resource>" + resource + "</resource>";
        send("<iq type='set' id='s-bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>" + wish + "</bind></iq>");
        jid = read(stanza -> stanza.id().equals("s-bind")).child("urn:ietf:params:xml:ns:xmpp-bind", "bind").text();
        send("<iq type='set' id='s-session'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>");
        read(stanza -> stanza.id().equals("s-session"));
        socket.setSoTimeout(0);
        thread = new Thread(this::listen, "raw-" + jid);
        thread.setDaemon(true);
        thread.start();
    }

    private void open() throws Exception {
        reader = new InputStreamReader(socket.getInputStream(), StandardCharsets.UTF_8);
        send("<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='" + STREAMS + "' to='" + domain
                + "' version='1.0'>");
        read(stanza -> stanza.name().equals("features"));
    }

    /** Reads until another stanza of this kind has come, and gives it. */
    private Xml read(Predicate<Xml> wanted) throws IOException {
        int before = inbox.all().size();
        while (true) {
            for (Xml stanza : inbox.all().subList(before, inbox.all().size())) {
                if (wanted.test(stanza)) {
                    return stanza;
                }
            }
            if (!more()) {
                throw new IOException("the server ended the stream; it had sent " + inbox.all());
            }
        }
    }

    private boolean more() throws IOException {
        char[] buffer = new char[4096];
        int n = reader.read(buffer);
        if (n > 0) {
            splitter.accept(CharBuffer.wrap(buffer, 0, n));
        }
        return n > 0;
    }

    private void listen() {
        try {
            while (more()) {
                continue;
            }
        } catch (IOException e) {
            // The socket was closed, by us or by the server.
        }
    }
}
