/*
 * Copyright the Cloud Bridge authors. Licensed under the Apache License, Version 2.0: https://www.apache.org/licenses/LICENSE-2.0
 *
 * One file to copy into a plugin of Openfire (any package), or to compile against; it needs what every plugin has: Openfire,
 * tinder, dom4j, slf4j, Java 8. Cloud Bridge itself is not needed to compile, and need not be there at run time.
 */
package org.cloudbridge.api;

import java.io.StringReader;
import java.lang.ref.WeakReference;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.function.Function;

import org.dom4j.DocumentException;
import org.dom4j.Element;
import org.dom4j.Namespace;
import org.dom4j.Node;
import org.dom4j.QName;
import org.dom4j.io.SAXReader;
import org.jivesoftware.openfire.XMPPServer;
import org.jivesoftware.openfire.container.Plugin;
import org.jivesoftware.openfire.container.PluginListener;
import org.jivesoftware.openfire.container.PluginManager;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.xml.sax.SAXException;
import org.xmpp.packet.IQ;
import org.xmpp.packet.Message;
import org.xmpp.packet.Packet;
import org.xmpp.packet.Presence;
import org.xmpp.packet.Roster;

/**
 * Cloud Bridge, as other plugins of the same Openfire reach it: stanzas to stanza JSON and back, a row's call to the
 * platform, and what the bridge sees and decides, as it happens.
 *
 * <p>The plugins of an Openfire do not see each other's classes. This class finds the bridge's plugin object at each call
 * and talks to it in types of the JDK alone; it never keeps it. So the bridge may be absent, stopped, or replaced by
 * another version at any time: then a call throws {@link NotThere}, and the next one finds the new bridge by itself.
 *
 * <p>All methods may be called from any thread at any time, except where a method says otherwise.
 */
public final class CloudBridgeApi {
    /** The bridge's jar is always called so. */
    private static final String PLUGIN = "cloudbridge";
    private static final Logger LOG = LoggerFactory.getLogger(CloudBridgeApi.class);

    /** Makes one; it holds nothing, so make as many as you like. */
    public CloudBridgeApi() {
        // Nothing to do before the first call.
    }

    /** The bridge is not loaded, could not start, or has been stopped. Nothing was done; try again later. */
    public static final class NotThere extends IllegalStateException {
        private static final long serialVersionUID = 1L;

        NotThere(String message) {
            super(message);
        }
    }

    /**
     * Whether there is a bridge that runs.
     *
     * @return true if a call made now would find it
     */
    public boolean isThere() {
        Function<Object, Object> door = door();
        return door != null && Boolean.TRUE.equals(door.apply(new Object[] {"running"}));
    }

    /**
     * A stanza as stanza JSON (docs/stanza-json.md), complete and lossless. Nothing is masked: what is in the packet is in
     * the JSON, passwords too.
     *
     * @param packet a message, presence or IQ
     * @return one JSON object on one line
     * @throws IllegalArgumentException if the bridge does not take it for a stanza; the message says why
     * @throws NotThere if there is no bridge
     */
    public String toJson(Packet packet) {
        return toJson(packet.toXML());
    }

    /**
     * The same for a stanza that you have as XML, with or without the namespace of its stream.
     *
     * @param xml one stanza
     * @return one JSON object on one line
     * @throws IllegalArgumentException if it is no stanza; the message says why
     * @throws NotThere if there is no bridge
     */
    public String toJson(String xml) {
        return (String) ask("toJson", xml);
    }

    /**
     * Stanza JSON as XML, in the namespace jabber:client. A key or value that stanza JSON does not have is an error.
     *
     * @param json what {@link #toJson(Packet)} gives, or made by hand
     * @return one stanza
     * @throws IllegalArgumentException if it is no stanza JSON; the message names the place
     * @throws NotThere if there is no bridge
     */
    public String toXml(String json) {
        return (String) ask("toXml", json);
    }

    /**
     * Stanza JSON as a packet, ready to be routed.
     *
     * @param json what {@link #toJson(Packet)} gives, or made by hand
     * @return a {@link Message}, {@link Presence}, {@link IQ} or (as Openfire wants it) {@link Roster}
     * @throws IllegalArgumentException if it is no stanza JSON; the message names the place
     * @throws NotThere if there is no bridge
     */
    public Packet toPacket(String json) {
        return packet(toXml(json));
    }

    /**
     * Makes the call of a row to the platform, and says what the answer means. The stanza must be one that the row is about
     * (docs/mapping.md) with its sender in it. Rows that hold secrets are not called for others; the row's module must be in
     * mirror or decide mode.
     *
     * <p>What the answer asks for is not done: {@code native} does not make Openfire handle the stanza. What changed at the
     * platform comes to Openfire as everybody else's changes do, by the downlink (in decide mode).
     *
     * <p>The answer's names: {@code outcome} is {@code native} (Openfire would handle it now), {@code done}, {@code reply}
     * (then {@code xml} and {@code json} hold the stanza for the sender), {@code error} (then {@code condition},
     * {@code type} and {@code text}) or {@code unavailable} (no answer that can be used: {@code text} says why,
     * {@code maybeExecuted} whether the platform may have done it). {@code status} is the HTTP status, {@code key} what to
     * give as key when the same thing is tried again.
     *
     * <p>Waits for the platform, so never call it on a thread of Openfire's that reads sockets (an interceptor, an IQ
     * handler): there it throws at once. Four calls are made at one time, others wait for a place.
     *
     * @param row the row's name, such as {@code friend.set}
     * @param stanza the stanza
     * @param key idempotency key of an earlier attempt, or the empty string for a new one
     * @param wait how long, at most a minute; 0 means the module's own limit
     * @param unit of wait
     * @return names and values
     * @throws IllegalArgumentException if there is no such row, it may not be called now, or the stanza is not its own
     * @throws IllegalStateException on a thread that must not wait
     * @throws NotThere if there is no bridge
     */
    @SuppressWarnings("unchecked")
    public Map<String, String> call(String row, Packet stanza, String key, long wait, TimeUnit unit) {
        return (Map<String, String>) ask("call", row, stanza.toXML(), key, unit.toMillis(wait));
    }

    /**
     * Tells a listener what the bridge sees and decides from now on, until the subscription is closed. Each event is a
     * CloudEvent as one line of JSON; its types are listed in docs/java-api.md. Texts of messages are in it only if the
     * administrator has set {@code plugin.cloudbridge.mirror.bodies}.
     *
     * <p>The listener runs on one thread of your plugin, one event after the other. Whatever it does harms nobody else: what
     * it throws is logged and counted; when it is slow, the bridge keeps the last 1,000 events for it, and then tells how
     * many it missed by an event of the type {@code im.feed.missed}. It is a live view, not a journal: what happens while
     * the bridge is replaced is not told, and when the server stops what is left is lost.
     *
     * <p>The subscription outlives the bridge: when that is replaced, the new one is subscribed to. Close it in your
     * {@code destroyPlugin}, or your plugin's classes stay in memory.
     *
     * @param listener gets each event
     * @param types the types it is told, {@code im.stanza.*} for a group of them; none means all
     * @return the subscription
     * @throws IllegalArgumentException if there is no such type; only found out at once when there is a bridge
     */
    public Subscription subscribe(Consumer<String> listener, String... types) {
        String wanted = String.join(" ", types);
        Long id = null;
        Function<Object, Object> door = door();
        if (door != null) {
            try {
                id = (Long) door.apply(new Object[] {"subscribe", wanted});
            } catch (IllegalStateException e) {
                LOG.debug("Cloud Bridge is loaded but does not run; events come when it does");
            }
        }
        Subscription subscription = new Subscription(listener, wanted, door, id);
        subscription.begin();
        return subscription;
    }

    /** A listener that is told. */
    public static final class Subscription implements AutoCloseable, PluginListener {
        private static final AtomicInteger NUMBER = new AtomicInteger();
        private static final int MOST = 100;
        private static final long LOOK_MILLIS = 20_000;
        /** A bridge that is loaded and does not run is looked at again after this time. */
        private static final long AGAIN_MILLIS = 5_000;

        private final Consumer<String> listener;
        private final String wanted;
        private final AtomicLong delivered = new AtomicLong();
        private final AtomicLong failed = new AtomicLong();
        private final Thread thread;
        /** Which bridge the id belongs to; it must not be kept alive by those who listen to it. */
        private WeakReference<Object> bridge;
        private Long id;
        private boolean closed;
        private boolean changed;

        Subscription(Consumer<String> listener, String wanted, Object bridge, Long id) {
            this.listener = listener;
            this.wanted = wanted;
            this.bridge = new WeakReference<>(bridge);
            this.id = id;
            thread = new Thread(this::run, "cloudbridge-events-" + NUMBER.incrementAndGet());
            thread.setDaemon(true);
        }

        void begin() {
            XMPPServer.getInstance().getPluginManager().addPluginListener(this);
            thread.start();
        }

        /**
         * How many events the listener was given.
         *
         * @return those that it took and those that it threw at
         */
        public long delivered() {
            return delivered.get();
        }

        /**
         * How often the listener threw.
         *
         * @return a part of {@link #delivered()}
         */
        public long failed() {
            return failed.get();
        }

        /** Ends it: no event is given after this returns, except one that the listener has at the moment. */
        @Override
        public void close() {
            synchronized (this) {
                if (closed) {
                    return;
                }
                closed = true;
                notifyAll();
            }
            XMPPServer.getInstance().getPluginManager().removePluginListener(this);
            Function<Object, Object> door = current();
            if (door != null) {
                try {
                    // Whoever waits for events at the bridge is woken by this.
                    door.apply(new Object[] {"unsubscribe", id()});
                } catch (RuntimeException e) {
                    LOG.debug("The subscription ended with the bridge");
                }
            }
            if (Thread.currentThread() != thread) {
                thread.interrupt();
                try {
                    thread.join(TimeUnit.SECONDS.toMillis(5));
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
            }
        }

        /** For Openfire: a plugin was loaded. */
        @Override
        public void pluginCreated(String name, Plugin plugin) {
            changed(name);
        }

        /** For Openfire: a plugin was unloaded. */
        @Override
        public void pluginDestroyed(String name, Plugin plugin) {
            changed(name);
        }

        private synchronized void changed(String name) {
            if (PLUGIN.equals(name)) {
                changed = true;
                notifyAll();
            }
        }

        private synchronized boolean isClosed() {
            return closed;
        }

        private synchronized Long id() {
            return id;
        }

        private void run() {
            while (!isClosed()) {
                List<String> events = look();
                if (events == null) {
                    await();
                } else {
                    events.forEach(this::give);
                }
            }
        }

        private void give(String event) {
            if (isClosed()) {
                return;
            }
            delivered.incrementAndGet();
            try {
                listener.accept(event);
            } catch (Throwable e) {
                failed.incrementAndGet();
                LOG.warn("A listener for events of Cloud Bridge threw {}", e.getClass().getName());
            }
        }

        /** The next events; null when there is no bridge to ask. Here alone a reference to the bridge is held, and a bridge that stops ends it. */
        @SuppressWarnings("unchecked")
        private List<String> look() {
            Function<Object, Object> door = current();
            try {
                if (door == null) {
                    door = subscribed();
                }
                if (door == null) {
                    return null;
                }
                List<String> events = (List<String>) door.apply(new Object[] {"events", id(), MOST, LOOK_MILLIS});
                if (events != null) {
                    return events;
                }
                forget();
                return Collections.emptyList();
            } catch (RuntimeException e) {
                LOG.debug("No events of Cloud Bridge at the moment: {}", e.getMessage());
                forget();
                return null;
            }
        }

        /** The bridge that the subscription belongs to, if it is still the one. */
        private Function<Object, Object> current() {
            Function<Object, Object> door = door();
            synchronized (this) {
                return door != null && id != null && bridge.get() == door ? door : null;
            }
        }

        private Function<Object, Object> subscribed() {
            Function<Object, Object> door = door();
            if (door == null) {
                return null;
            }
            Long fresh = (Long) door.apply(new Object[] {"subscribe", wanted});
            synchronized (this) {
                if (!closed) {
                    bridge = new WeakReference<>(door);
                    id = fresh;
                    return door;
                }
            }
            door.apply(new Object[] {"unsubscribe", fresh});
            return null;
        }

        private synchronized void forget() {
            id = null;
        }

        private synchronized void await() {
            try {
                if (!closed && !changed) {
                    wait(AGAIN_MILLIS);
                }
                changed = false;
            } catch (InterruptedException e) {
                // Closed: the loop sees it.
                Thread.currentThread().interrupt();
                closed = true;
            }
        }
    }

    private static Object ask(Object... request) {
        Function<Object, Object> door = door();
        if (door == null) {
            throw new NotThere("Cloud Bridge is not loaded");
        }
        try {
            return door.apply(request);
        } catch (IllegalStateException e) {
            if (Boolean.TRUE.equals(door.apply(new Object[] {"running"}))) {
                throw e;
            }
            throw new NotThere(e.getMessage());
        }
    }

    /** The bridge's plugin object, as what it is to us: a function of the JDK. Null when it is not loaded. */
    @SuppressWarnings("unchecked")
    private static Function<Object, Object> door() {
        PluginManager manager = XMPPServer.getInstance().getPluginManager();
        for (Plugin plugin : new ArrayList<>(manager.getPlugins())) {
            if (plugin instanceof Function && PLUGIN.equals(manager.getCanonicalName(plugin))) {
                return (Function<Object, Object>) plugin;
            }
        }
        return null;
    }

    private static Packet packet(String xml) {
        Element root;
        try {
            SAXReader reader = new SAXReader();
            reader.setFeature("http://apache.org/xml/features/disallow-doctype-decl", true);
            root = reader.read(new StringReader(xml)).getRootElement();
        } catch (DocumentException | SAXException e) {
            throw new IllegalArgumentException(e);
        }
        root.detach();
        strip(root);
        switch (root.getName()) {
            case "message":
                return new Message(root, true);
            case "presence":
                return new Presence(root, true);
            default:
                Element child = root.elements().isEmpty() ? null : root.elements().get(0);
                boolean roster = child != null && "jabber:iq:roster".equals(child.getNamespaceURI());
                return roster ? new Roster(root) : new IQ(root, true);
        }
    }

    /** Openfire keeps its packets without the namespace of their stream. */
    private static void strip(Element element) {
        if (!"jabber:client".equals(element.getNamespaceURI()) || !element.getNamespacePrefix().isEmpty()) {
            return;
        }
        element.setQName(QName.get(element.getName()));
        List<Node> declarations = new ArrayList<>(0);
        for (int i = 0, n = element.nodeCount(); i < n; i++) {
            Node node = element.node(i);
            if (node instanceof Element) {
                strip((Element) node);
            } else if (node instanceof Namespace && ((Namespace) node).getPrefix().isEmpty()) {
                declarations.add(node);
            }
        }
        declarations.forEach(element::remove);
    }
}
