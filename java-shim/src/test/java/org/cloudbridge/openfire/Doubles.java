/*
 * Test doubles for what stands around the shim: a host that answers as told and remembers, sessions that exist on paper.
 */
package org.cloudbridge.openfire;

import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.FutureTask;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

import org.jivesoftware.openfire.PacketRouter;
import org.jivesoftware.openfire.session.ClientSession;
import org.xmpp.packet.JID;
import org.xmpp.packet.Message;
import org.xmpp.packet.Packet;
import org.xmpp.packet.Presence;

final class Doubles {
    static final String DOMAIN = "x.example";

    private Doubles() {
    }

    /** Runs on a pump thread, as effects do. */
    static <T> T onPump(Callable<T> work) throws Exception {
        FutureTask<T> task = new FutureTask<>(work);
        PumpThread thread = new PumpThread(task, "test-pump");
        thread.start();
        return task.get(20, TimeUnit.SECONDS);
    }

    static final class Host implements HostCalls {
        final List<String> offered = Collections.synchronizedList(new ArrayList<>());
        final BlockingQueue<byte[]> effects = new LinkedBlockingQueue<>();
        final BlockingQueue<byte[]> notices = new LinkedBlockingQueue<>();
        volatile int answer = Frame.TAKEN;
        volatile Exception failure;
        volatile boolean closed;

        @Override
        public int offer(long token, int flags, byte[] stanza, int length) throws HostException {
            if (failure instanceof HostException) {
                throw (HostException) failure;
            }
            if (failure != null) {
                throw (RuntimeException) failure;
            }
            offered.add(token + " " + flags + " " + new String(stanza, 0, length, java.nio.charset.StandardCharsets.UTF_8));
            return answer;
        }

        @Override
        public void notice(byte[] frame) {
            notices.add(frame);
        }

        @Override
        public byte[] take(int waitMillis) throws HostException {
            try {
                byte[] effect = closed ? null : effects.poll(20, TimeUnit.MILLISECONDS);
                if (closed && effect == null) {
                    throw new HostException(HostException.CLOSED, "closed");
                }
                return effect;
            } catch (InterruptedException e) {
                throw new HostException(HostException.CLOSED, "interrupted");
            }
        }

        /** What the host answers, by the opcode of the ask; nothing = no answer in time. */
        final java.util.Map<Integer, byte[]> answers = new java.util.concurrent.ConcurrentHashMap<>();
        final List<String> asked = Collections.synchronizedList(new ArrayList<>());

        @Override
        public byte[] ask(byte[] frame) throws HostException {
            Frame.Reader reader = new Frame.Reader(frame);
            int opcode = reader.opcode();
            // Those of other plugins begin with a number.
            String what = opcode >= Frame.ASK_SUBSCRIBE ? String.valueOf(reader.takeLong()) : reader.takeStr();
            asked.add(opcode + " " + what + (opcode < Frame.ASK_SUBSCRIBE && reader.hasMore() ? " " + reader.takeStr() : ""));
            byte[] answer = answers.get(opcode);
            if (answer == null) {
                throw new HostException(HostException.TIMEOUT, "no answer");
            }
            return answer;
        }

        @Override
        public byte[] describe(String query) {
            throw new UnsupportedOperationException();
        }

        @Override
        public void stop(int drainMillis) {
            closed = true;
        }
    }

    /** One session; what it was given is in `got`. */
    static final class Client {
        final JID jid;
        final List<Packet> got = Collections.synchronizedList(new ArrayList<>());
        boolean available = true;
        boolean initialized = true;
        boolean carbons;
        boolean anonymous;
        boolean closed;
        boolean failsToClose;
        /** What it was sent beside packets. */
        final StringBuilder raw = new StringBuilder();
        int priority;
        /** What the session does with a packet instead of keeping it. */
        Runnable instead;

        Client(String jid) {
            this.jid = new JID(jid);
        }

        ClientSession session() {
            return (ClientSession) Proxy.newProxyInstance(Doubles.class.getClassLoader(), new Class<?>[] {ClientSession.class},
                (proxy, method, arguments) -> {
                    switch (method.getName()) {
                        case "getAddress":
                            return jid;
                        case "isAnonymousUser":
                            return anonymous || jid.getNode() == null; // As Openfire: nobody yet.
                        case "isInitialized":
                            return initialized;
                        case "isMessageCarbonsEnabled":
                            return carbons;
                        case "isClosed":
                            return closed;
                        case "getNumServerPackets":
                            return (long) got.size();
                        case "getPresence":
                            Presence presence = available ? new Presence() : new Presence(Presence.Type.unavailable);
                            if (available) {
                                presence.setPriority(priority);
                            }
                            return presence;
                        case "deliverRawText":
                            raw.append(arguments[0]);
                            return null;
                        case "close":
                            if (failsToClose) {
                                throw new IllegalStateException("on purpose");
                            }
                            closed = true;
                            return null;
                        case "process":
                            if (instead != null) {
                                instead.run();
                            } else {
                                got.add((Packet) arguments[0]);
                            }
                            return null;
                        case "hashCode":
                            return System.identityHashCode(proxy);
                        case "equals":
                            return proxy == arguments[0];
                        case "toString":
                            return "session " + jid;
                        default:
                            throw new UnsupportedOperationException(method.getName());
                    }
                });
        }
    }

    /** The sessions that exist. */
    static final class Sessions implements Delivery.Sessions {
        private final Map<JID, Client> clients = new LinkedHashMap<>();

        Client add(String jid) {
            Client client = new Client(jid);
            clients.put(client.jid, client);
            return client;
        }

        void remove(Client client) {
            clients.remove(client.jid);
        }

        @Override
        public ClientSession get(JID fullJid) {
            Client client = clients.get(fullJid);
            return client == null ? null : client.session();
        }

        @Override
        public Collection<ClientSession> available(String node) {
            List<ClientSession> sessions = new ArrayList<>();
            sessions.add(null); // One that has just left.
            for (Client client : clients.values()) {
                if (client.jid.getNode().equals(node) && client.available) {
                    sessions.add(client.session());
                }
            }
            return sessions;
        }
    }

    /** A router that remembers what it was given, and can do something at each packet. */
    static final class Router implements PacketRouter {
        /** What happens when a message is routed. */
        interface Then {
            void routed(Message message);
        }

        final List<String> routed = Collections.synchronizedList(new ArrayList<>());
        volatile Then then = message -> {
        };
        /** What happens when a presence is routed. */
        volatile Runnable thenPresence = () -> {
        };

        @Override
        public void route(Packet packet) {
            if (packet instanceof Presence) {
                route((Presence) packet);
            } else {
                route((Message) packet);
            }
        }

        @Override
        public void route(org.xmpp.packet.IQ packet) {
            routed.add(packet.toXML());
        }

        @Override
        public void route(Message packet) {
            routed.add(packet.toXML());
            then.routed(packet);
        }

        @Override
        public void route(Presence packet) {
            routed.add(packet.toXML());
            thenPresence.run();
        }
    }
}
