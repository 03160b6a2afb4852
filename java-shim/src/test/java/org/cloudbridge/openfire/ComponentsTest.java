/* The service that finds people: there while its row is, for local users only, one answer per request. */
package org.cloudbridge.openfire;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertSame;
import static org.junit.Assert.assertTrue;

import java.util.LinkedHashMap;
import java.util.Map;

import org.dom4j.DocumentHelper;
import org.junit.Before;
import org.junit.Test;
import org.xmpp.packet.IQ;
import org.xmpp.packet.PacketError;

public class ComponentsTest {
    private final Doubles.Host host = new Doubles.Host();
    private final Doubles.Sessions sessions = new Doubles.Sessions();
    private final Held held = new Held();
    private final Map<String, SearchComponent> registered = new LinkedHashMap<>();
    private String taken = "";
    private boolean fails;
    private final Components components = new Components(new Components.Registry() {
        @Override
        public boolean isTaken(String subdomain) {
            return subdomain.equals(taken);
        }

        @Override
        public void add(String subdomain, SearchComponent component) {
            if (fails) {
                throw new IllegalStateException("on purpose");
            }
            registered.put(subdomain, component);
        }

        @Override
        public void remove(String subdomain, SearchComponent component) {
            assertTrue(registered.remove(subdomain, component));
        }
    }, Doubles.DOMAIN, new Offers(host, held, new StanzaWriter.Pool()), sessions);
    private Doubles.Client alice;

    @Before
    public void add() {
        alice = sessions.add("alice@x.example/phone");
        rows("people", Frame.MODE_DECIDE);
    }

    private void rows(String subdomain, int mode) {
        components.filter(FilterTable.read(FilterTableTest.frame(false, new Object[] {"component", subdomain, "jabber:iq:search", mode, false})));
    }

    private static IQ search(String from) throws Exception {
        return new IQ(DocumentHelper.parseText("<iq from='" + from + "' to='people.x.example' id='s1' type='get'>"
            + "<query xmlns='jabber:iq:search'/></iq>").getRootElement());
    }

    @Test
    public void theHostAnswers() throws Exception {
        SearchComponent people = registered.get("people");
        IQ iq = search("alice@x.example/phone");
        assertNull(people.request(iq));
        assertTrue(host.offered.get(0), host.offered.get(0).startsWith("1 1 <iq"));
        held.keeper(1).replace(iq, "<iq xmlns='jabber:client' type='result'><query xmlns='jabber:iq:search'/></iq>", new StanzaReader());
        assertEquals("people.x.example", alice.got.get(0).getFrom().toString());
        assertEquals("s1", alice.got.get(0).getID());
        held.keeper(1).refuse(iq, "wait", "resource-constraint", "later");
        assertEquals(PacketError.Condition.resource_constraint, alice.got.get(1).getError().getCondition());
        held.keeper(1).release(iq);
        assertEquals(PacketError.Condition.service_unavailable, alice.got.get(2).getError().getCondition());
        sessions.remove(alice);
        assertEquals("no session", held.keeper(1).release(iq).detail);
    }

    @Test
    public void withoutTheHostItIsUnavailable() throws Exception {
        SearchComponent people = registered.get("people");
        host.answer = Frame.PASS;
        assertEquals(PacketError.Condition.service_unavailable, people.request(search("alice@x.example/phone")).getError().getCondition());
        for (Exception failure : new Exception[] {new HostException(HostException.PANIC, "x"), new IllegalStateException("x")}) {
            host.failure = failure;
            assertEquals(PacketError.Condition.service_unavailable, people.request(search("alice@x.example/phone")).getError().getCondition());
        }
        host.failure = null;
        host.answer = Frame.TAKEN;
        rows("people", Frame.MODE_WATCH);
        assertSame("it stays", people, registered.get("people"));
        assertEquals("watching does not hold", IQ.Type.error, people.request(search("alice@x.example/phone")).getType());
        IQ other = search("alice@x.example/phone");
        other.getChildElement().setQName(org.dom4j.QName.get("query", "jabber:iq:version"));
        assertEquals(PacketError.Condition.service_unavailable, people.request(other).getError().getCondition());
        assertEquals(0, held.size());
    }

    @Test
    public void eachNamespaceHasItsRow() throws Exception {
        components.filter(FilterTable.read(FilterTableTest.frame(false,
            new Object[] {"component", "people", "jabber:iq:search", Frame.MODE_WATCH, false},
            new Object[] {"component", "people", "urn:x:places", Frame.MODE_DECIDE, false})));
        SearchComponent people = registered.get("people");
        assertEquals(IQ.Type.error, people.request(search("alice@x.example/phone")).getType());
        IQ places = search("alice@x.example/phone");
        places.getElement().remove(places.getChildElement());
        places.setChildElement("places", "urn:x:places");
        assertNull("taken", people.request(places));
        assertEquals("[jabber:iq:search, urn:x:places]", java.util.Arrays.toString(people.discoInfoFeatureNamespaces()));
    }

    @Test
    public void onlyLocalUsersMayAsk() throws Exception {
        SearchComponent people = registered.get("people");
        alice.anonymous = true;
        for (String from : new String[] {"alice@x.example/phone", "eve@other.example/r", "x.example", "bob@x.example/gone"}) {
            assertEquals(PacketError.Condition.forbidden, people.request(search(from)).getError().getCondition());
        }
        assertEquals(0, host.offered.size());
    }

    @Test
    public void componentsFollowTheTable() {
        SearchComponent people = registered.get("people");
        rows("finder", Frame.MODE_DECIDE);
        assertEquals("[finder]", registered.keySet().toString());
        taken = "search";
        rows("search", Frame.MODE_DECIDE);
        assertEquals("somebody else's is left alone", "[]", registered.keySet().toString());
        fails = true;
        rows("people", Frame.MODE_DECIDE);
        assertEquals(0, registered.size());
        fails = false;
        rows("people", Frame.MODE_DECIDE);
        assertTrue(registered.get("people") != people);
        components.filter(FilterTable.NOTHING);
        assertEquals(0, registered.size());
    }
}
