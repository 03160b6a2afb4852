/*
 * Stands in for Openfire's own handler of an IQ namespace while a row of the filter table names it: offers each request
 * to the host, and lets the built-in handler do the work, at once when the host passes and at its word when it took.
 * The stand-ins come and go as the table changes; taking one away puts the built-in back by itself.
 *
 * Requests only. Clients' `result`s to roster pushes come to the same handler and go straight to the built-in.
 *
 * Where nobody serves a namespace that we may serve (NoHandler, or one that the table names under `serve`), a stand-in is
 * all there is, and its feature is announced while it decides. What another plugin serves is left alone.
 *
 * What it leaves out: what built-in handlers announce, since they go on doing that by themselves; order, since the
 * host keeps a lane per session and takes what comes behind something it holds. No password may reach a log from here,
 * so only classes of exceptions are logged and in-band registrations are answered without what they carried.
 */
package org.cloudbridge.openfire;

import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;

import org.dom4j.Element;
import org.jivesoftware.openfire.handler.IQHandler;
import org.jivesoftware.openfire.session.ClientSession;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.xmpp.packet.IQ;
import org.xmpp.packet.JID;

/** The stand-ins of all namespaces. */
final class IqGate {
    private static final Logger LOG = LoggerFactory.getLogger(IqGate.class);
    private static final String IQ = "iq";
    private static final String ANY = "*";
    /** Under which the filter table names namespaces that we may be alone with. */
    private static final String SERVE = "serve";
    private static final String REGISTER = "jabber:iq:register";
    private static final String PUBSUB = "http://jabber.org/protocol/pubsub";
    /** What the filter table calls the nodes that rows are about. */
    private static final String NODES = "pubsub.node";

    /** Openfire's table of handlers. */
    interface Handlers {
        Collection<IQHandler> builtIn();

        void add(IQHandler handler);

        void remove(IQHandler handler);

        /** Whether anybody answers requests of this namespace, another plugin included. */
        boolean serves(String namespace);

        /** Service discovery of the server and of its accounts names this from now on. */
        void announce(String feature);

        void conceal(String feature);
    }

    /** What a roster item has in Openfire just now. */
    interface RosterState {
        /** `none`, `to`, `from` or `both` and the ask (empty = none); null if the owner has no such item. */
        String[] of(String owner, JID contact);
    }

    /** Accounts that exist in Openfire. */
    interface Accounts {
        boolean exist(String node);
    }

    private final Handlers handlers;
    private final Delivery.Sessions sessions;
    private final Offers offers;
    private final RosterState rosters;
    private final Accounts accounts;
    private final RareLog rareLog = new RareLog(LOG);
    /** By namespace; only filter() changes it. */
    private final Map<String, IqStandIn> standIns = new HashMap<>();
    /** What is announced by us. */
    private final Set<String> announced = new HashSet<>();
    /** Namespaces that another plugin serves, as far as it has been said in the log. */
    private final Set<String> others = new HashSet<>();
    private volatile FilterTable filter = FilterTable.NOTHING;

    IqGate(Handlers handlers, Delivery.Sessions sessions, Offers offers, RosterState rosters, Accounts accounts) {
        this.handlers = handlers;
        this.sessions = sessions;
        this.offers = offers;
        this.rosters = rosters;
        this.accounts = accounts;
    }

    /** Puts stand-ins in and takes them out as the table says; a stand-in that stays is not touched. */
    synchronized void filter(FilterTable table) {
        filter = table;
        Set<String> wanted = new LinkedHashSet<>();
        Set<String> decided = new HashSet<>();
        for (FilterTable.Row row : table.rows(IQ)) {
            if (!ANY.equals(row.namespace)) {
                wanted.add(row.namespace);
                if (row.mode == Frame.MODE_DECIDE) {
                    decided.add(row.namespace);
                }
            }
        }
        for (Iterator<Map.Entry<String, IqStandIn>> all = standIns.entrySet().iterator(); all.hasNext();) {
            Map.Entry<String, IqStandIn> one = all.next();
            if (!wanted.contains(one.getKey())) {
                all.remove();
                announce(one.getKey(), false);
                handlers.remove(one.getValue());
            }
        }
        for (String namespace : wanted) {
            if (standIns.containsKey(namespace)) {
                announce(namespace, standIns.get(namespace).isAlone() && decided.contains(namespace));
                continue;
            }
            IQHandler builtIn = find(namespace);
            if (builtIn == null && (NoHandler.NAMESPACES.contains(namespace) || table.named(SERVE).contains(namespace))) {
                if (handlers.serves(namespace)) {
                    if (others.add(namespace)) {
                        LOG.info("Another plugin serves {}; it is left alone", namespace);
                    }
                    continue;
                }
                others.remove(namespace);
                builtIn = new NoHandler(namespace);
            }
            if (builtIn == null) {
                LOG.warn("Openfire has no handler of {}; the filter's row for it has no effect", namespace);
                continue;
            }
            IqStandIn standIn = new IqStandIn(builtIn, this, sessions);
            handlers.add(standIn);
            standIns.put(namespace, standIn);
            announce(namespace, standIn.isAlone() && decided.contains(namespace));
        }
    }

    /** Only what is answered is announced. */
    private void announce(String namespace, boolean yes) {
        if (yes && announced.add(namespace)) {
            handlers.announce(namespace);
        } else if (!yes && announced.remove(namespace)) {
            handlers.conceal(namespace);
        }
    }

    private IQHandler find(String namespace) {
        for (IQHandler handler : handlers.builtIn()) {
            if (handler.getInfo() != null && namespace.equalsIgnoreCase(handler.getInfo().getNamespace())) {
                return handler;
            }
        }
        return null;
    }

    /** True = the host has taken it. Whatever fails, the built-in handler answers. */
    boolean taken(IQ iq, Held.Keeper keeper) {
        try {
            return offer(iq, keeper);
        } catch (HostException e) {
            if (e.code() != HostException.CLOSED) {
                rareLog.warn("An IQ was let through, because the host failed (code " + e.code() + "): " + e.getMessage());
            }
        } catch (Throwable e) {
            rareLog.warn("An IQ was let through, because the gate failed: " + e.getClass().getName());
        }
        return false;
    }

    private boolean offer(IQ iq, Held.Keeper keeper) throws HostException {
        FilterTable table = filter;
        Element child = iq.getChildElement();
        JID from = iq.getFrom();
        if (table == FilterTable.NOTHING || child == null || from == null || !isRequest(iq) || PumpThread.current() != null) {
            return false;
        }
        FilterTable.Row row = table.wanted(IQ, iq.getType().name(), child.getNamespaceURI());
        if (row == null || isOfOtherNode(table, iq, child)) {
            return false;
        }
        ClientSession session = sessions.get(from);
        if (session == null && !row.remote) {
            return false;
        }
        // Before the login (no node) Openfire calls every session anonymous.
        if (session != null && from.getNode() != null && session.isAnonymousUser()) {
            return false; // The platform does not know them.
        }
        if (isTaken(from, child)) {
            return false; // The built-in handler says conflict. The platform may not know the account, and would give it a new owner.
        }
        Element stanza = IqStandIn.ROSTER.equals(child.getNamespaceURI()) && iq.getType() == org.xmpp.packet.IQ.Type.set
            ? withState(iq) : iq.getElement();
        if (session != null && row.mode == Frame.MODE_DECIDE) {
            return offers.hold(iq, stanza, 0, keeper);
        }
        offers.show(stanza, 0);
        return false;
    }

    /** Publish-subscribe: rows are about some nodes of one's own service (XEP-0163); whatever else goes on there is not even written down. */
    private static boolean isOfOtherNode(FilterTable table, IQ iq, Element child) {
        if (!child.getNamespaceURI().startsWith(PUBSUB)) {
            return false;
        }
        JID to = iq.getTo();
        if (to != null && (to.getResource() != null || !to.toBareJID().equals(iq.getFrom().toBareJID()))) {
            return true;
        }
        Set<String> nodes = table.named(NODES);
        for (Object one : child.elements()) {
            String node = ((Element) one).attributeValue("node");
            if (node != null && nodes.contains(node)) {
                return false;
            }
        }
        return true;
    }

    /** A registration before the login (XEP-0077 3.1, by fields or form) under the name of an account that is here already. */
    private boolean isTaken(JID from, Element child) {
        if (from.getNode() != null || !REGISTER.equals(child.getNamespaceURI())) {
            return false;
        }
        String name = child.elementText("username");
        Element form = child.element("x");
        for (Object one : form == null ? Collections.emptyList() : form.elements("field")) {
            Element field = (Element) one;
            if ("username".equals(field.attributeValue("var"))) {
                name = field.elementText("value");
            }
        }
        try {
            return name != null && !name.trim().isEmpty() && accounts.exist(JID.nodeprep(name.trim()));
        } catch (IllegalArgumentException e) {
            return false; // No name: the platform and the built-in handler will say so.
        }
    }

    /** A copy of a roster set whose items say how they stand in Openfire; the client's own words about that do not count. */
    private Element withState(IQ iq) {
        Element copy = iq.getElement().createCopy();
        String owner = iq.getFrom().getNode();
        for (Object query : copy.elements()) {
            for (Object one : ((Element) query).elements("item")) {
                Element item = (Element) one;
                String[] state = state(owner, item.attributeValue("jid"));
                if (!"remove".equals(item.attributeValue("subscription"))) {
                    item.addAttribute("subscription", state == null ? null : state[0]);
                }
                item.addAttribute("ask", state == null || state[1].isEmpty() ? null : state[1]);
            }
        }
        return copy;
    }

    private String[] state(String owner, String contact) {
        try {
            return owner == null || contact == null ? null : rosters.of(owner, new JID(contact).asBareJID());
        } catch (IllegalArgumentException e) {
            return null; // No JID: the built-in handler will say so.
        }
    }

    private static boolean isRequest(IQ iq) {
        return iq.getType() == org.xmpp.packet.IQ.Type.get || iq.getType() == org.xmpp.packet.IQ.Type.set;
    }
}
