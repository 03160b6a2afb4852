package org.cloudbridge.suite;

import java.io.FilterReader;
import java.io.IOException;
import java.net.InetAddress;
import java.nio.CharBuffer;
import java.security.cert.X509Certificate;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.logging.Level;
import java.util.logging.Logger;
import javax.net.ssl.X509TrustManager;
import org.jivesoftware.smack.ConnectionConfiguration.SecurityMode;
import org.jivesoftware.smack.SmackConfiguration;
import org.jivesoftware.smack.packet.ExtensionElement;
import org.jivesoftware.smack.packet.IQ;
import org.jivesoftware.smack.packet.Message;
import org.jivesoftware.smack.packet.MessageBuilder;
import org.jivesoftware.smack.packet.Nonza;
import org.jivesoftware.smack.packet.Presence;
import org.jivesoftware.smack.packet.PresenceBuilder;
import org.jivesoftware.smack.packet.StanzaBuilder;
import org.jivesoftware.smack.packet.XmlEnvironment;
import org.jivesoftware.smack.sasl.SASLErrorException;
import org.jivesoftware.smack.tcp.XMPPTCPConnection;
import org.jivesoftware.smack.tcp.XMPPTCPConnectionConfiguration;
import org.jivesoftware.smackx.carbons.CarbonManager;
import org.jivesoftware.smackx.geoloc.GeoLocationManager;
import org.jivesoftware.smackx.mam.MamManager;
import org.jivesoftware.smackx.ping.packet.Ping;

/**
 * An ordinary XMPP client (Smack, STARTTLS, SCRAM) whose inbox holds what the server really sent, character by
 * character. What it sends is payload as text, so that tests say exactly what goes out.
 */
final class Client implements AutoCloseable {

    static final int REPLY_MILLIS = 30_000;

    private static final Logger SMACK = Logger.getLogger("org.jivesoftware.smack");

    static {
        SmackConfiguration.setDefaultReplyTimeout(REPLY_MILLIS);
        // Smack reports each connection that a test cuts.
        SMACK.setLevel(Level.OFF);
    }

    private static final AtomicInteger IDS = new AtomicInteger();

    final Server server;
    final String user;
    final Inbox inbox;

    private final TappedConnection connection;

    private Client(Server server, String user, String resource, boolean acks) throws Exception {
        this(server, user, Server.password(user), resource, acks);
    }

    private Client(Server server, String user, String password, String resource, boolean acks, String... mechanisms)
            throws Exception {
        this.server = server;
        this.user = user;
        this.inbox = new Inbox(user + "/" + resource);
        StanzaSplitter splitter = new StanzaSplitter(text -> inbox.add(Xml.stanza(text)));
        XMPPTCPConnectionConfiguration.Builder configuration = XMPPTCPConnectionConfiguration.builder()
                .setXmppDomain(server.domain())
                .setHostAddress(InetAddress.getByName("127.0.0.1"))
                .setPort(server.xmppPort())
                .setUsernameAndPassword(user, password)
                .setResource(resource)
                .setSecurityMode(SecurityMode.required)
                .setCustomX509TrustManager(new TrustAll())
                .setHostnameVerifier((name, session) -> true)
                .setSendPresence(false);
        for (String mechanism : mechanisms) {
            configuration.addEnabledSaslMechanism(mechanism);
        }
        connection = new TappedConnection(configuration.build(), splitter);
        connection.setUseStreamManagement(acks);
        connection.setUseStreamManagementResumption(false);
    }

    /** Logs in and sends initial presence. */
    static Client online(Server server, String user, String resource) throws Exception {
        Client client = loggedIn(server, user, resource);
        client.available();
        return client;
    }

    /** Logs in without presence: the session exists, the user is not online yet. */
    static Client loggedIn(Server server, String user, String resource) throws Exception {
        return connect(new Client(server, user, resource, false));
    }

    /** Logs in with XEP-0198 on, so that it is known which of its stanzas the server took. */
    static Client withAcks(Server server, String user, String resource) throws Exception {
        Client client = connect(new Client(server, user, resource, true));
        client.available();
        return client;
    }

    /** Has a stream with TLS and is not logged in; whom it logs in as is said by user and password. */
    static Client connected(Server server, String user, String password, String... mechanisms) throws Exception {
        Client client = new Client(server, user, password, "desk-" + newId(), false, mechanisms);
        client.connection.connect();
        return client;
    }

    /** Logs in on the stream that is there; gives SASL's condition when that is refused, empty when not. */
    String login() throws Exception {
        try {
            connection.login();
            return "";
        } catch (SASLErrorException e) {
            return e.getSASLFailure().getSASLErrorString();
        }
    }

    /** As {@link #withAcks}, and the server keeps the session for a while when the network goes ({@link #resume}). */
    static Client resumable(Server server, String user, String resource) throws Exception {
        Client client = new Client(server, user, resource, true);
        client.connection.setUseStreamManagementResumption(true);
        connect(client);
        Check.that(client.connection.isSmResumptionPossible(), "the server lets streams be resumed");
        client.available();
        return client;
    }

    /** After {@link #cut}: a new connection takes the session up where the old one left it (XEP-0198 5). */
    void resume() throws Exception {
        connection.deaf = false;
        connection.cut = new CountDownLatch(1);
        connection.connect().login();
        Check.that(connection.streamWasResumed(), "the stream was resumed");
    }

    private static Client connect(Client client) throws Exception {
        client.connection.connect().login();
        return client;
    }

    /** Tells which messages the server has taken, by id; needs {@link #withAcks}. */
    void onAcknowledged(Consumer<String> ids) {
        connection.addStanzaAcknowledgedListener(stanza -> ids.accept(stanza.getStanzaId()));
    }

    void requestAck() throws Exception {
        connection.requestSmAcknowledgement();
    }

    String fullJid() {
        return connection.getUser().toString();
    }

    String bareJid() {
        return connection.getUser().asBareJid().toString();
    }

    boolean connected() {
        return connection.isConnected();
    }

    /** Sends a chat message with a body and gives its id. */
    String chat(String to, String body) throws Exception {
        return send(to, "chat", "<body>" + escape(body) + "</body>");
    }

    /** Sends a message with this payload and gives its id, which no other message of the run has. */
    String send(String to, String type, String payload) throws Exception {
        String id = newId();
        send(id, to, type, payload);
        return id;
    }

    static String newId() {
        return "m" + IDS.incrementAndGet();
    }

    void send(String id, String to, String type, String payload) throws Exception {
        MessageBuilder message = StanzaBuilder.buildMessage(id).to(to).ofType(Message.Type.fromString(type));
        connection.sendStanza(message.addExtension(new Raw(payload)).build());
    }

    void available() throws Exception {
        presence(0, null);
    }

    void presence(int priority, Presence.Mode show) throws Exception {
        PresenceBuilder presence = StanzaBuilder.buildPresence().ofType(Presence.Type.available).setPriority(priority);
        if (show != null) {
            presence.setMode(show);
        }
        connection.sendStanza(presence.build());
        ping();
    }

    void unavailable() throws Exception {
        connection.sendStanza(StanzaBuilder.buildPresence().ofType(Presence.Type.unavailable).build());
        ping();
    }

    /** Returns when the server has read everything that was sent before. */
    void ping() throws Exception {
        Ping ping = new Ping(connection.getXMPPServiceDomain());
        IQ answer = connection.sendIqRequestAndWaitForResponse(ping);
        Check.that(answer.getType() == IQ.Type.result, "the server answers a ping");
    }

    /** Sends an IQ (to the own account when {@code to} is empty), waits for its result and gives it. */
    Xml request(String type, String to, String payload) throws Exception {
        Xml answer = answer(type, to, payload);
        Check.equal("result", answer.attribute("type"), "the answer to " + payload + ", " + answer);
        return answer;
    }

    /** The same, whatever the answer is. */
    Xml answer(String type, String to, String payload) throws Exception {
        return awaitAnswer(ask(type, to, payload));
    }

    /** Sends an IQ and gives its id. */
    String ask(String type, String to, String payload) throws Exception {
        String id = newId();
        String address = to.isEmpty() ? "" : " to='" + to + "'";
        raw("<iq id='" + id + "' type='" + type + "'" + address + ">" + payload + "</iq>");
        return id;
    }

    Xml awaitAnswer(String id) throws Exception {
        try {
            return inbox.await("an answer to IQ " + id, s -> s.name().equals("iq") && s.id().equals(id));
        } catch (AssertionError e) {
            throw new AssertionError(e.getMessage() + "; status " + server.status());
        }
    }

    /** Sends text as it is, outside of XEP-0198's count. */
    void raw(String xml) throws Exception {
        connection.sendNonza(new RawNonza(xml));
    }

    /** Where the account is and its friends are, as Smack publishes it and hears of it. */
    GeoLocationManager places() {
        return GeoLocationManager.getInstanceFor(connection);
    }

    /** The account's history, as Smack reads it. */
    MamManager archive() {
        return MamManager.getInstanceFor(connection);
    }

    void enableCarbons() throws Exception {
        CarbonManager.getInstanceFor(connection).enableCarbons();
    }

    /** Ends the stream in order: unavailable presence, end of stream. */
    void disconnect() {
        // Openfire does not always end its own half of the stream before it closes the socket.
        connection.setReplyTimeout(1000);
        connection.disconnect();
    }

    /** Takes nothing more off the wire and acknowledges nothing, though the socket stays open. */
    void deafen() {
        connection.deaf = true;
    }

    /** The network is gone: no unavailable presence, no end of stream. */
    void cut() {
        connection.cut.countDown();
        connection.instantShutdown();
    }

    @Override
    public void close() {
        cut();
    }

    static String escape(String text) {
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;");
    }

    /** Payload as it is written. */
    private static final class Raw implements ExtensionElement {

        private final String xml;

        Raw(String xml) {
            this.xml = xml;
        }

        @Override
        public String getNamespace() {
            return "raw";
        }

        @Override
        public String getElementName() {
            return "raw";
        }

        @Override
        public CharSequence toXML(XmlEnvironment environment) {
            return xml;
        }
    }

    /** A whole stanza as it is written. */
    private static final class RawNonza implements Nonza {

        private final String xml;

        RawNonza(String xml) {
            this.xml = xml;
        }

        @Override
        public String getNamespace() {
            return "raw";
        }

        @Override
        public String getElementName() {
            return "raw";
        }

        @Override
        public CharSequence toXML(XmlEnvironment environment) {
            return xml;
        }
    }

    /** Hears what comes in before Smack parses it (Smack's debugger hears it only after its pretty printer). */
    private static final class TappedConnection extends XMPPTCPConnection {

        private final StanzaSplitter splitter;
        private volatile CountDownLatch cut = new CountDownLatch(1);
        private volatile boolean deaf;

        TappedConnection(XMPPTCPConnectionConfiguration configuration, StanzaSplitter splitter) {
            super(configuration);
            this.splitter = splitter;
        }

        private IOException awaitCut() {
            try {
                cut.await();
            } catch (InterruptedException e) {
                // Cut as well.
            }
            return new IOException("the client went deaf");
        }

        /** Called whenever the stream has a new reader: at first, and when TLS has begun. */
        @Override
        protected void initDebugger() {
            reader = new FilterReader(reader) {

                @Override
                public int read() throws IOException {
                    int c = in.read();
                    if (deaf) {
                        throw awaitCut();
                    }
                    if (c >= 0) {
                        splitter.accept(String.valueOf((char) c));
                    }
                    return c;
                }

                @Override
                public int read(char[] buffer, int offset, int length) throws IOException {
                    int n = in.read(buffer, offset, length);
                    if (deaf) {
                        throw awaitCut();
                    }
                    if (n > 0) {
                        splitter.accept(CharBuffer.wrap(buffer, offset, n));
                    }
                    return n;
                }
            };
        }
    }

    /** The server's certificate is its own. */
    static final class TrustAll implements X509TrustManager {

        @Override
        public void checkClientTrusted(X509Certificate[] chain, String type) {
        }

        @Override
        public void checkServerTrusted(X509Certificate[] chain, String type) {
        }

        @Override
        public X509Certificate[] getAcceptedIssuers() {
            return new X509Certificate[0];
        }
    }
}
