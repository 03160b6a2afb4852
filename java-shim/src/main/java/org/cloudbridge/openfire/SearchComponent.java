/*
 * The service that finds people (XEP-0055) and what they shared: a component of our own on the subdomain that rows of the
 * filter table name, to be found by service discovery. It knows nobody itself. Each request of a namespace that a row
 * names is offered to the host, like those at an IQ handler; the host's answer is the answer, and without one the service
 * is unavailable.
 *
 * One thread, so that requests are offered in the order in which they came. Local users only: it would be a directory of
 * everybody for everybody else. (Not by servesLocalUsersOnly(), which takes Openfire's own users for strangers.)
 *
 * What it leaves out: forms and results, which the host writes.
 */
package org.cloudbridge.openfire;

import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

import org.dom4j.Element;
import org.jivesoftware.openfire.session.ClientSession;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.xmpp.component.AbstractComponent;
import org.xmpp.packet.IQ;
import org.xmpp.packet.JID;
import org.xmpp.packet.Packet;

/** The component, and the keeper of the requests that the host took. */
final class SearchComponent extends AbstractComponent implements Held.Keeper {
    static final String SEARCH = "jabber:iq:search";
    private static final Logger LOG = LoggerFactory.getLogger(SearchComponent.class);
    private static final int QUEUE = 1000;

    private final String serverDomain;
    private final Offers offers;
    private final Delivery.Sessions sessions;
    private final RareLog rareLog = new RareLog(LOG);
    private volatile List<FilterTable.Row> rows;

    SearchComponent(List<FilterTable.Row> rows, String serverDomain, Offers offers, Delivery.Sessions sessions) {
        super(1, QUEUE, false);
        this.rows = rows;
        this.serverDomain = serverDomain;
        this.offers = offers;
        this.sessions = sessions;
    }

    /** The rows of the same subdomain in a new table. */
    void rows(List<FilterTable.Row> changed) {
        rows = changed;
    }

    private FilterTable.Row row(String namespace) {
        for (FilterTable.Row row : rows) {
            if (row.namespace.equals(namespace)) {
                return row;
            }
        }
        return null;
    }

    @Override
    public String getName() {
        return "Find people";
    }

    @Override
    public String getDescription() {
        return "Finds people by the directory of the cloud platform.";
    }

    @Override
    protected String discoInfoIdentityCategory() {
        return "directory";
    }

    @Override
    protected String discoInfoIdentityCategoryType() {
        return "user";
    }

    @Override
    protected String[] discoInfoFeatureNamespaces() {
        Set<String> namespaces = new LinkedHashSet<>();
        for (FilterTable.Row row : rows) {
            namespaces.add(row.namespace);
        }
        return namespaces.toArray(new String[0]);
    }

    @Override
    protected IQ handleIQGet(IQ iq) {
        return request(iq);
    }

    @Override
    protected IQ handleIQSet(IQ iq) {
        return request(iq);
    }

    /** The answer now, or null when the host has taken the request. */
    IQ request(IQ iq) {
        try {
            Element child = iq.getChildElement();
            FilterTable.Row row = child == null ? null : row(child.getNamespaceURI());
            if (row == null) {
                return unavailable(iq);
            }
            JID from = iq.getFrom();
            ClientSession session = from == null || from.getNode() == null || !serverDomain.equals(from.getDomain()) ? null : sessions.get(from);
            if (session == null || session.isAnonymousUser()) {
                return Stanzas.error(iq, "auth", "forbidden", "");
            }
            if (row.mode == Frame.MODE_DECIDE) {
                return offers.hold(iq, iq.getElement(), 0, this) ? null : unavailable(iq);
            }
            offers.show(iq.getElement(), 0);
        } catch (HostException e) {
            if (e.code() != HostException.CLOSED) {
                rareLog.warn("A search failed in the host (code " + e.code() + "): " + e.getMessage());
            }
        } catch (Throwable e) {
            rareLog.warn("A search could not be offered: " + e.getClass().getName());
        }
        return unavailable(iq);
    }

    /** Let go: there is nobody else who could answer. */
    @Override
    public Delivery.Result release(Packet packet) {
        return IqStandIn.answer(sessions, (IQ) packet, unavailable((IQ) packet), "");
    }

    @Override
    public Delivery.Result refuse(Packet packet, String type, String condition, String text) {
        return IqStandIn.answer(sessions, (IQ) packet, Stanzas.error((IQ) packet, type, condition, text), "");
    }

    @Override
    public Delivery.Result replace(Packet packet, String xml, StanzaReader reader) throws Exception {
        return IqStandIn.answer(sessions, (IQ) packet, IqStandIn.replacement((IQ) packet, xml, reader), "");
    }

    private static IQ unavailable(IQ iq) {
        return Stanzas.error(iq, "cancel", "service-unavailable", "");
    }
}
