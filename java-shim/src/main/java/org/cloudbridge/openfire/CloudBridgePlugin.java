/*
 * What Openfire sees: a plugin that starts or does not, and never gets in its way. If the start fails, everything is
 * taken back, one error is logged, the page shows the fault, and Openfire runs on as if the plugin were not there.
 *
 * The bridge stops twice over: when the server stops (while its routers still work; on 4.2 they are gone when plugins
 * are destroyed) and when the plugin is destroyed. Whichever comes first does it.
 *
 * What it leaves out: everything that runs (Bridge).
 */
package org.cloudbridge.openfire;

import java.io.File;
import java.nio.file.Path;
import java.util.function.Function;

import org.jivesoftware.openfire.XMPPServer;
import org.jivesoftware.openfire.XMPPServerListener;
import org.jivesoftware.openfire.container.Plugin;
import org.jivesoftware.openfire.container.PluginManager;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The plugin class named in plugin.xml. */
public final class CloudBridgePlugin implements Plugin, XMPPServerListener, Function<Object, Object> {
    private static final Logger LOG = LoggerFactory.getLogger(CloudBridgePlugin.class);

    /** For the servlet, which Openfire makes by itself. Gone with the class loader; cleared before. */
    private static volatile CloudBridgePlugin current;

    private volatile Bridge bridge;
    private volatile String fault = "Cloud Bridge has not been started.";

    /** The loaded plugin, or null. */
    static CloudBridgePlugin current() {
        return current;
    }

    /** Set by our own tests only (a JVM property, so that no console user can). */
    static boolean isTest() {
        return Boolean.getBoolean("cloudbridge.test");
    }

    /** The running host, or null: then fault() says why. */
    HostCalls host() {
        Bridge running = bridge;
        return running == null ? null : running.host();
    }

    /** One line for a person. */
    String fault() {
        return fault;
    }

    /** Other plugins' way in; JDK types only (ApiDoor). */
    @Override
    public Object apply(Object request) {
        return ApiDoor.apply(host(), request);
    }

    @Override
    public void initializePlugin(PluginManager manager, File pluginDirectory) {
        current = this;
        try {
            String version = version();
            bridge = Bridge.start(home(manager, pluginDirectory), pluginDirectory.toPath(), version);
            fault = "";
            XMPPServer.getInstance().addServerListener(this);
            LOG.info("Cloud Bridge {} has started", version);
        } catch (Throwable e) {
            fault = describe(e);
            LOG.error("Cloud Bridge could not be started, Openfire goes on without it. {}", fault);
            LOG.debug("Why Cloud Bridge could not be started", e);
        }
    }

    @Override
    public void destroyPlugin() {
        try {
            XMPPServer.getInstance().removeServerListener(this);
        } catch (Throwable e) {
            LOG.debug("The server listener could not be removed", e);
        }
        stop();
        current = null;
    }

    @Override
    public void serverStarted() {
        // Nothing waits for it: the client ports open after the plugins are loaded.
    }

    @Override
    public void serverStopping() {
        stop();
    }

    private synchronized void stop() {
        Bridge running = bridge;
        if (running == null) {
            return;
        }
        try {
            running.stop();
            LOG.info("Cloud Bridge has stopped");
        } catch (Throwable e) {
            LOG.error("Cloud Bridge did not stop cleanly: {}", e.toString());
        }
        bridge = null;
        fault = "Cloud Bridge has been stopped.";
    }

    /** plugins/ lies in Openfire's home. JiveGlobals.getHomeDirectory() does not link in every version. */
    private static Path home(PluginManager manager, File pluginDirectory) {
        Path plugins = manager == null ? null : manager.getPluginsDirectory();
        if (plugins == null) {
            plugins = pluginDirectory.toPath().toAbsolutePath().getParent();
        }
        Path home = plugins.toAbsolutePath().normalize().getParent();
        return home == null ? plugins : home;
    }

    private static String version() {
        Package ours = CloudBridgePlugin.class.getPackage();
        String version = ours == null ? null : ours.getImplementationVersion();
        return version == null ? "0.0.0" : version;
    }

    private static String describe(Throwable e) {
        String message = e.getMessage();
        if (e instanceof HostException && message != null) {
            return message;
        }
        return message == null ? e.getClass().getName() : e.getClass().getSimpleName() + ": " + message;
    }
}
