/*
 * An example of another plugin that uses Cloud Bridge. It answers IQs in a namespace of its own, so that any client can
 * try it:
 *
 *   <iq type='get' to='DOMAIN' id='1'><json xmlns='urn:example:bridge'> one stanza, escaped </json></iq>
 *       its stanza JSON, and whether the way back gives the same stanza
 *   <iq type='set' to='DOMAIN' id='2'><call xmlns='urn:example:bridge' row='friend.set'> one stanza, escaped </call></iq>
 *       what the platform's answer to that row's call means
 *   <iq type='get' to='DOMAIN' id='3'><events xmlns='urn:example:bridge'/></iq>
 *       the last events of the bridge that it has seen
 *
 * The property plugin.bridgeexample.listener makes its listener a bad one: "throw" throws at each event, "stall" hangs in one. Then nothing
 * happens to anybody but this plugin.
 *
 * An example, not a product: it lets everybody who is logged in do these things.
 */
package org.cloudbridge.example;

import java.io.File;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

import org.cloudbridge.api.CloudBridgeApi;
import org.dom4j.Element;
import org.jivesoftware.openfire.IQHandlerInfo;
import org.jivesoftware.openfire.XMPPServer;
import org.jivesoftware.openfire.container.Plugin;
import org.jivesoftware.openfire.container.PluginManager;
import org.jivesoftware.openfire.handler.IQHandler;
import org.jivesoftware.util.JiveGlobals;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.xmpp.packet.IQ;
import org.xmpp.packet.Packet;
import org.xmpp.packet.PacketError;

/** The plugin. */
public final class ExamplePlugin implements Plugin {
    private static final Logger LOG = LoggerFactory.getLogger(ExamplePlugin.class);
    private static final String NAMESPACE = "urn:example:bridge";
    private static final String LISTENER = "plugin.bridgeexample.listener";
    private static final int KEPT = 50;

    private final CloudBridgeApi bridge = new CloudBridgeApi();
    private final Deque<String> events = new ArrayDeque<>();
    private CloudBridgeApi.Subscription subscription;
    private ExecutorService worker;
    private final IQHandler handler = new Handler();

    @Override
    public void initializePlugin(PluginManager manager, File directory) {
        worker = Executors.newSingleThreadExecutor(task -> new Thread(task, "bridge-example"));
        // Works whether the bridge is loaded before us, after us, or never.
        subscription = bridge.subscribe(this::seen);
        XMPPServer.getInstance().getIQRouter().addHandler(handler);
        LOG.info("The example has started; there is {} bridge", bridge.isThere() ? "a" : "no");
    }

    @Override
    public void destroyPlugin() {
        XMPPServer.getInstance().getIQRouter().removeHandler(handler);
        subscription.close();
        worker.shutdownNow();
    }

    private void seen(String event) {
        misbehave();
        synchronized (events) {
            if (events.size() == KEPT) {
                events.removeFirst();
            }
            events.addLast(event);
        }
    }

    private static void misbehave() {
        if ("throw".equals(JiveGlobals.getProperty(LISTENER))) {
            throw new IllegalStateException("a bad listener");
        }
        while ("stall".equals(JiveGlobals.getProperty(LISTENER))) {
            try {
                Thread.sleep(100);
            } catch (InterruptedException e) {
                throw new IllegalStateException("interrupted");
            }
        }
    }

    private final class Handler extends IQHandler {
        private final IQHandlerInfo info = new IQHandlerInfo("bridge", NAMESPACE);

        Handler() {
            super("Cloud Bridge Example");
        }

        @Override
        public IQHandlerInfo getInfo() {
            return info;
        }

        /** Openfire's thread reads sockets: what may wait is done elsewhere, and answered from there. */
        @Override
        public IQ handleIQ(IQ request) {
            if (request.isResponse()) {
                return null;
            }
            worker.execute(() -> send(answer(request)));
            return null;
        }
    }

    private static void send(IQ reply) {
        try {
            XMPPServer.getInstance().getPacketDeliverer().deliver(reply);
        } catch (Exception e) {
            LOG.warn("An answer could not be delivered: {}", e.toString());
        }
    }

    private IQ answer(IQ request) {
        IQ reply = IQ.createResultIQ(request);
        Element asked = request.getChildElement();
        Element told = reply.setChildElement(asked.getName(), NAMESPACE);
        try {
            switch (asked.getName()) {
                case "json":
                    json(asked.getText(), told);
                    break;
                case "call":
                    call(asked.attributeValue("row"), asked.getText(), told);
                    break;
                case "events":
                    synchronized (events) {
                        events.forEach(event -> told.addElement("event").setText(event));
                    }
                    break;
                default:
                    reply.setError(PacketError.Condition.feature_not_implemented);
            }
        } catch (CloudBridgeApi.NotThere e) {
            reply.setError(PacketError.Condition.service_unavailable);
        } catch (RuntimeException e) {
            PacketError error = new PacketError(PacketError.Condition.bad_request);
            error.setText(String.valueOf(e.getMessage()));
            reply.setError(error);
        }
        return reply;
    }

    private void json(String stanza, Element told) {
        String json = bridge.toJson(stanza);
        Packet back = bridge.toPacket(json);
        told.setText(json);
        told.addAttribute("same", String.valueOf(bridge.toJson(back).equals(json)));
        told.addAttribute("packet", back.getClass().getSimpleName());
    }

    private void call(String row, String stanza, Element told) {
        Packet packet = bridge.toPacket(bridge.toJson(stanza));
        Map<String, String> outcome = bridge.call(String.valueOf(row), packet, "", 10, TimeUnit.SECONDS);
        outcome.forEach((name, value) -> told.addElement(name).setText(value));
    }
}
