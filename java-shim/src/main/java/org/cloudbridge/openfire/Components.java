/*
 * The components that rows of the filter table ask for: each exists while one of its rows is not off, under their subdomain. A
 * subdomain that somebody else serves already is left to them, since Openfire would deal the requests out in turns.
 */
package org.cloudbridge.openfire;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Puts components in and takes them out. */
final class Components {
    private static final Logger LOG = LoggerFactory.getLogger(Components.class);

    /** Openfire's table of components. */
    interface Registry {
        boolean isTaken(String subdomain);

        void add(String subdomain, SearchComponent component) throws Exception;

        void remove(String subdomain, SearchComponent component);
    }

    private final Registry registry;
    private final String serverDomain;
    private final Offers offers;
    private final Delivery.Sessions sessions;
    private final Map<String, SearchComponent> running = new HashMap<>();

    Components(Registry registry, String serverDomain, Offers offers, Delivery.Sessions sessions) {
        this.registry = registry;
        this.serverDomain = serverDomain;
        this.offers = offers;
        this.sessions = sessions;
    }

    /** What stays is not touched; what cannot be put in is logged and tried again with the next table. */
    synchronized void filter(FilterTable table) {
        Map<String, List<FilterTable.Row>> wanted = new HashMap<>();
        for (FilterTable.Row row : table.rows("component")) {
            if (!row.types[0].isEmpty()) {
                wanted.computeIfAbsent(row.types[0], subdomain -> new ArrayList<>()).add(row);
            }
        }
        for (Iterator<Map.Entry<String, SearchComponent>> all = running.entrySet().iterator(); all.hasNext();) {
            Map.Entry<String, SearchComponent> one = all.next();
            if (!wanted.containsKey(one.getKey())) {
                all.remove();
                registry.remove(one.getKey(), one.getValue());
            }
        }
        for (Map.Entry<String, List<FilterTable.Row>> one : wanted.entrySet()) {
            SearchComponent known = running.get(one.getKey());
            if (known != null) {
                known.rows(one.getValue());
            } else if (registry.isTaken(one.getKey())) {
                LOG.warn("The subdomain {} is served by another component; nothing can be searched there", one.getKey());
            } else {
                add(one.getKey(), one.getValue());
            }
        }
    }

    private void add(String subdomain, List<FilterTable.Row> rows) {
        SearchComponent component = new SearchComponent(rows, serverDomain, offers, sessions);
        try {
            registry.add(subdomain, component);
            running.put(subdomain, component);
        } catch (Exception e) {
            LOG.warn("The component {} could not be added: {}", subdomain, e.toString());
        }
    }
}
