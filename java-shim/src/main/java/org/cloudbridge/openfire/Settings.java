/*
 * The settings as Openfire keeps them: everything named plugin.cloudbridge.*, from the database (encrypted ones
 * decrypted) and from conf/openfire.xml, where a value holds for this node and wins. Changes go to the host at once.
 *
 * What it leaves out: which settings there are, their defaults and whether a value makes sense. The host has that table.
 */
package org.cloudbridge.openfire;

import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;

import org.jivesoftware.util.JiveGlobals;
import org.jivesoftware.util.PropertyEventListener;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Reads, writes and watches the properties. */
final class Settings implements PropertyEventListener {
    static final String PREFIX = "plugin.cloudbridge.";
    static final String DATA_DIR = PREFIX + "dataDir";
    static final String STOP_DRAIN_MILLIS = PREFIX + "stop.drainMillis";
    /** No setting of the admin's: whether clustering is started. */
    static final String CLUSTERED = PREFIX + "clustered";
    /** The same: whether this is the cluster's senior member. */
    static final String SENIOR = PREFIX + "senior";
    private static final Logger LOG = LoggerFactory.getLogger(Settings.class);

    private final HostCalls host;
    private final Set<String> known = ConcurrentHashMap.newKeySet();

    Settings(HostCalls host, Map<String, String> atStart) {
        this.host = host;
        known.addAll(atStart.keySet());
    }

    /** Every setting that has a value now, sorted by name. */
    static Map<String, String> all() {
        Map<String, String> values = new TreeMap<>();
        collect(values, JiveGlobals.getPropertyNames());
        collect(values, JiveGlobals.getXMLPropertyNames());
        return values;
    }

    /** The value that counts, or null. */
    static String get(String key) {
        String here = JiveGlobals.getXMLProperty(key);
        return here != null ? here : JiveGlobals.getProperty(key);
    }

    static void write(String key, boolean present, String value, boolean secret) {
        if (!key.startsWith(PREFIX)) {
            throw new IllegalArgumentException("not a setting of ours: " + key);
        }
        if (present) {
            JiveGlobals.setProperty(key, value, secret);
        } else if (JiveGlobals.getProperty(key) != null) {
            JiveGlobals.deleteProperty(key);
        }
    }

    @Override
    public void propertySet(String property, Map params) {
        changed(property, params);
    }

    @Override
    public void propertyDeleted(String property, Map params) {
        deleted(property);
    }

    @Override
    public void xmlPropertySet(String property, Map params) {
        changed(property, params);
    }

    @Override
    public void xmlPropertyDeleted(String property, Map params) {
        deleted(property);
    }

    private static void collect(Map<String, String> values, List<String> names) {
        for (String name : names) {
            if (name.startsWith(PREFIX)) {
                String value = get(name);
                if (value != null) {
                    values.put(name, value);
                }
            }
        }
    }

    private void changed(String key, Map params) {
        try {
            if (key != null && key.startsWith(PREFIX)) {
                known.add(key);
                String value = get(key);
                Object told = params == null ? null : params.get("value");
                tell(key, value != null || told == null ? value : told.toString());
            }
        } catch (Throwable e) {
            failed(e);
        }
    }

    /** Openfire deletes a property's children with it and says so only for the property. */
    private void deleted(String key) {
        try {
            for (String name : known) {
                if (key != null && name.startsWith(key)) {
                    tell(name, get(name));
                }
            }
        } catch (Throwable e) {
            failed(e);
        }
    }

    private void tell(String key, String value) throws HostException {
        host.notice(new Frame.Writer(Frame.NOTICE_SETTING).putStr(key).putBool(value != null).putStr(value).done());
    }

    private static void failed(Throwable e) {
        if (!(e instanceof HostException && ((HostException) e).code() == HostException.CLOSED)) {
            LOG.warn("A changed setting could not be passed on: {}", e.getClass().getName());
        }
    }
}
