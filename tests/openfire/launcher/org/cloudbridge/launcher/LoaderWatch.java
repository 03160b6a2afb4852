package org.cloudbridge.launcher;

import java.lang.ref.WeakReference;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.jivesoftware.openfire.XMPPServer;
import org.jivesoftware.openfire.container.Plugin;
import org.jivesoftware.openfire.container.PluginListener;
import org.jivesoftware.openfire.container.PluginManager;

/** Counts the class loaders of one plugin that are still alive, without keeping any of them alive. */
final class LoaderWatch implements PluginListener {

    private static LoaderWatch instance;

    private final String plugin;
    private final List<WeakReference<ClassLoader>> loaders = Collections.synchronizedList(new ArrayList<>());

    private LoaderWatch(String plugin) {
        this.plugin = plugin;
    }

    static void start(String plugin) {
        instance = new LoaderWatch(plugin);
        PluginManager manager = XMPPServer.getInstance().getPluginManager();
        manager.addPluginListener(instance);
        Plugin first = manager.getPlugin(plugin);
        if (first != null) {
            instance.pluginCreated(plugin, first);
        }
    }

    /** After full collections: {@code {alive, ever seen}}. */
    static int[] count() {
        for (int i = 0; i < 5; i++) {
            System.gc();
            System.runFinalization();
        }
        int alive = 0;
        synchronized (instance.loaders) {
            for (WeakReference<ClassLoader> loader : instance.loaders) {
                if (loader.get() != null) {
                    alive++;
                }
            }
            return new int[] {alive, instance.loaders.size()};
        }
    }

    @Override
    public void pluginCreated(String name, Plugin created) {
        if (name.equals(plugin)) {
            loaders.add(new WeakReference<>(created.getClass().getClassLoader()));
        }
    }

    @Override
    public void pluginDestroyed(String name, Plugin destroyed) {
        // The weak reference says it.
    }
}
