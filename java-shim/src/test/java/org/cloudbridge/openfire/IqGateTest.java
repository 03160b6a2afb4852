/* The built-in handler answers at once, later, or never; the client gets one answer each time. */
package org.cloudbridge.openfire;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNotNull;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertSame;
import static org.junit.Assert.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CountDownLatch;

import org.dom4j.DocumentHelper;
import org.jivesoftware.openfire.IQHandlerInfo;
import org.jivesoftware.openfire.auth.UnauthorizedException;
import org.jivesoftware.openfire.handler.IQHandler;
import org.junit.Before;
import org.junit.Test;
import org.xmpp.packet.IQ;
import org.xmpp.packet.JID;
import org.xmpp.packet.PacketError;

public class IqGateTest {
    /** Openfire's own handler; public, so that reflection finds what newer versions ask it. */
    public static final class BuiltIn extends IQHandler {
        final List<IQ> handled = Collections.synchronizedList(new ArrayList<>());
        private final String namespace;
        Exception failure;
        boolean silent;

        BuiltIn(String namespace) {
            super("built-in");
            this.namespace = namespace;
        }

        @Override
        public IQ handleIQ(IQ iq) throws UnauthorizedException {
            handled.add(iq);
            if (failure instanceof UnauthorizedException) {
                throw (UnauthorizedException) failure;
            }
            if (failure != null) {
                throw (RuntimeException) failure;
            }
            boolean request = iq.getType() == IQ.Type.get || iq.getType() == IQ.Type.set;
            return silent || !request ? null : IQ.createResultIQ(iq);
        }

        @Override
        public IQHandlerInfo getInfo() {
            return new IQHandlerInfo("query", namespace);
        }

        public boolean performNoSuchUserCheck() {
            return false;
        }
    }

    private final Doubles.Host host = new Doubles.Host();
    private final Doubles.Sessions sessions = new Doubles.Sessions();
    private final Held held = new Held();
    private final BuiltIn roster = new BuiltIn("jabber:iq:roster");
    private final BuiltIn register = new BuiltIn("jabber:iq:register");
    private final BuiltIn pubsub = new BuiltIn("http://jabber.org/protocol/pubsub");
    private final List<IQHandler> installed = Collections.synchronizedList(new ArrayList<>());
    private final Set<String> served = new HashSet<>();
    private final Set<String> features = new TreeSet<>();
    private final IqGate gate = new IqGate(new IqGate.Handlers() {
        @Override
        public Collection<IQHandler> builtIn() {
            return Arrays.<IQHandler>asList(roster, register, pubsub);
        }

        @Override
        public void add(IQHandler handler) {
            installed.add(handler);
        }

        @Override
        public void remove(IQHandler handler) {
            assertTrue(installed.remove(handler));
        }

        @Override
        public boolean serves(String namespace) {
            return served.contains(namespace);
        }

        @Override
        public void announce(String feature) {
            assertTrue(features.add(feature));
        }

        @Override
        public void conceal(String feature) {
            assertTrue(features.remove(feature));
        }
    }, sessions, new Offers(host, held, new StanzaWriter.Pool()),
        (owner, contact) -> contact.toString().equals("bob@x.example") ? new String[] {"to", "subscribe"} : null,
        "taken"::equals);
    private Doubles.Client alice;

    @Before
    public void decide() {
        alice = sessions.add("alice@x.example/phone");
        mode(Frame.MODE_DECIDE);
    }

    private void mode(int mode) {
        gate.filter(FilterTable.read(FilterTableTest.frame(false, new Object[] {"iq", "get set", "jabber:iq:roster", mode, false},
            new Object[] {"iq", "set", "jabber:iq:register", mode, false})));
    }

    private static IQ iq(String type, String namespace, String content) throws Exception {
        return new IQ(DocumentHelper.parseText("<iq from='alice@x.example/phone' id='q1' type='" + type + "'><query xmlns='" + namespace
            + "'>" + content + "</query></iq>").getRootElement());
    }

    private static IQ rosterSet() throws Exception {
        return iq("set", "jabber:iq:roster", "<item jid='bob@x.example' subscription='both' name='B'/><item jid='c@x.example' ask='subscribe'/>");
    }

    private IQHandler standIn(String namespace) {
        for (IQHandler handler : installed) {
            if (handler.getInfo().getNamespace().equals(namespace)) {
                return handler;
            }
        }
        throw new AssertionError("nothing stands in for " + namespace);
    }

    private Held.Keeper keeper(long token) {
        assertNotNull(held.get(token));
        return held.keeper(token);
    }

    private static IQ registration(String content) throws Exception {
        return new IQ(DocumentHelper.parseText("<iq from='x.example/s1' id='r1' type='set'><query xmlns='jabber:iq:register'>" + content
            + "</query></iq>").getRootElement());
    }

    @Test
    public void nobodyRegistersTheNameOfAnAccountThatIsHere() throws Exception {
        sessions.add("x.example/s1");
        for (String taken : new String[] {"<username>Taken</username><password>p</password>",
            "<x xmlns='jabber:x:data' type='submit'><field var='password'><value>p</value></field>"
                + "<field var='username'><value> taken</value></field></x>"}) {
            assertNotNull("the built-in answers", standIn("jabber:iq:register").handleIQ(registration(taken)));
        }
        assertTrue("the platform is not asked", host.offered.isEmpty());
        host.answer = Frame.TAKEN;
        assertNull(standIn("jabber:iq:register").handleIQ(registration("<username>free</username><password>p</password>")));
    }

    /** Somebody's request of publish-subscribe; `to` may be empty. */
    private IQ published(String to, String inner) throws Exception {
        return new IQ(DocumentHelper.parseText("<iq from='alice@x.example/phone'" + (to.isEmpty() ? "" : " to='" + to + "'") + " id='q1' type='set'>"
            + "<pubsub xmlns='http://jabber.org/protocol/pubsub'>" + inner + "</pubsub></iq>").getRootElement());
    }

    @Test
    public void onlyTheNodesThatRowsAreAboutAreOffered() throws Exception {
        gate.filter(FilterTable.read(new Frame.Writer(Frame.FILTER_TABLE).putInt(1).putStr("iq").putStr("get set")
            .putStr("http://jabber.org/protocol/pubsub").putInt(Frame.MODE_DECIDE).putBool(false).putBool(true).putBool(false)
            .putInt(1).putStr("pubsub.node").putStr("places").done()));
        IQHandler before = standIn("http://jabber.org/protocol/pubsub");
        String mine = "<publish node='places'><item/></publish>";
        assertNull(before.handleIQ(published("", mine)));
        assertNull(before.handleIQ(published("alice@x.example", mine)));
        assertNull(before.handleIQ(published("", "<retract node='places'><item id='1'/></retract>")));
        assertEquals(3, host.offered.size());
        for (IQ other : Arrays.asList(published("", "<publish node='avatars'><item/></publish>"), published("", ""),
            published("bob@x.example", mine), published("alice@x.example/desk", mine), published("", "<subscriptions/>"))) {
            assertEquals(IQ.Type.result, before.handleIQ(other).getType());
        }
        assertEquals("nothing else is even written down", 3, host.offered.size());
        assertNotNull("a pump thread is us", Doubles.onPump(() -> before.handleIQ(published("", mine))));
        sessions.remove(alice);
        int handled = pubsub.handled.size();
        assertEquals("no session", Doubles.onPump(() -> keeper(1).release(published("", mine))).detail);
        assertEquals("what the platform has is published although its client has gone", handled + 1, pubsub.handled.size());
    }

    @Test
    public void passAnswersAtOnce() throws Exception {
        host.answer = Frame.PASS;
        IQ iq = rosterSet();
        assertEquals(IQ.Type.result, standIn("jabber:iq:roster").handleIQ(iq).getType());
        assertSame(iq, roster.handled.get(0));
        assertEquals(0, held.size());
    }

    @Test
    public void takenAnswersAtTheRelease() throws Exception {
        IQ iq = rosterSet();
        assertNull(standIn("jabber:iq:roster").handleIQ(iq));
        assertEquals(0, roster.handled.size());
        assertEquals(0, Doubles.onPump(() -> keeper(1).release(iq)).outcome);
        assertSame("unchanged", iq, roster.handled.get(0));
        assertEquals(1, alice.got.size());
        assertEquals("q1", alice.got.get(0).getID());
    }

    @Test
    public void whatTheBuiltInSendsItselfIsTheAnswer() throws Exception {
        roster.silent = true;
        IQ iq = iq("get", "jabber:iq:roster", "");
        assertNull(standIn("jabber:iq:roster").handleIQ(iq));
        Doubles.onPump(() -> keeper(1).release(iq));
        assertEquals(0, alice.got.size());
        assertEquals(1, roster.handled.size());
    }

    @Test
    public void itemsSayHowTheyStand() throws Exception {
        IQ iq = rosterSet();
        String before = iq.toXML();
        standIn("jabber:iq:roster").handleIQ(iq);
        assertEquals("1 1 <iq xmlns=\"jabber:client\" from=\"alice@x.example/phone\" id=\"q1\" type=\"set\"><query xmlns=\"jabber:iq:roster\">"
            + "<item jid=\"bob@x.example\" subscription=\"to\" name=\"B\" ask=\"subscribe\"/><item jid=\"c@x.example\"/></query></iq>",
            host.offered.get(0));
        assertEquals("the packet itself stays", before, iq.toXML());
        host.offered.clear();
        standIn("jabber:iq:roster").handleIQ(iq("set", "jabber:iq:roster", "<item jid='bob@x.example' subscription='remove'/>"));
        assertTrue(host.offered.get(0), host.offered.get(0).contains("subscription=\"remove\" ask=\"subscribe\""));
        standIn("jabber:iq:roster").handleIQ(iq("set", "jabber:iq:roster", "<item jid='@@'/><item/>"));
        assertEquals(2, host.offered.size());
    }

    @Test
    public void onlyRequestsOfClientsAreOffered() throws Exception {
        IQHandler handler = standIn("jabber:iq:roster");
        for (String type : new String[] {"result", "error"}) {
            handler.handleIQ(iq(type, "jabber:iq:roster", ""));
        }
        IQ remote = rosterSet();
        remote.setFrom("eve@other.example/r");
        handler.handleIQ(remote);
        IQ nobody = rosterSet();
        nobody.setFrom((JID) null);
        handler.handleIQ(nobody);
        standIn("jabber:iq:register").handleIQ(iq("get", "jabber:iq:register", ""));
        alice.anonymous = true;
        handler.handleIQ(rosterSet());
        alice.anonymous = false;
        Doubles.onPump(() -> handler.handleIQ(rosterSet()));
        assertEquals(Collections.emptyList(), host.offered);
        assertEquals(6, roster.handled.size());
        assertEquals(1, register.handled.size());
    }

    @Test
    public void watchingDoesNotHold() throws Exception {
        for (int mode : new int[] {Frame.MODE_WATCH, Frame.MODE_MIRROR, Frame.MODE_SHADOW}) {
            mode(mode);
            assertNotNull("cannot be taken", standIn("jabber:iq:roster").handleIQ(rosterSet()));
        }
        for (String offered : host.offered) {
            assertTrue(offered, offered.startsWith("0 0 "));
        }
        assertEquals(3, host.offered.size());
    }

    @Test
    public void aFailingHostLetsTheBuiltInAnswer() throws Exception {
        for (Exception failure : new Exception[] {new HostException(HostException.PANIC, "x"), new HostException(HostException.CLOSED, "x"),
            new IllegalStateException("x")}) {
            host.failure = failure;
            assertNotNull(standIn("jabber:iq:roster").handleIQ(rosterSet()));
            assertEquals(0, held.size());
        }
    }

    @Test
    public void refusedAndReplaced() throws Exception {
        IQ iq = iq("set", "jabber:iq:register", "<username>a</username><password>secret</password>");
        iq.setFrom("x.example/stream1");
        Doubles.Client stranger = sessions.add("x.example/stream1");
        assertNull(standIn("jabber:iq:register").handleIQ(iq));
        assertTrue(host.offered.get(0).contains("secret"));
        assertEquals(0, keeper(1).refuse(iq, "cancel", "conflict", "taken").outcome);
        String error = stranger.got.get(0).toXML();
        assertTrue(error, error.contains("conflict") && error.contains("taken") && error.contains("q1"));
        assertFalse("no password goes back", error.contains("secret"));
        assertEquals(0, register.handled.size());

        assertEquals(0, keeper(1).replace(iq, "<iq xmlns='jabber:client' type='result' id='other'><query xmlns='jabber:iq:register'/></iq>",
            new StanzaReader()).outcome);
        IQ answer = (IQ) stranger.got.get(1);
        assertEquals("q1", answer.getID());
        assertEquals("x.example/stream1", answer.getTo().toString());
        assertEquals(IQ.Type.result, answer.getType());
    }

    @Test
    public void aClientThatHasGoneGetsNothing() throws Exception {
        IQ set = rosterSet();
        IQ get = iq("get", "jabber:iq:roster", "");
        IQ account = iq("set", "jabber:iq:register", "<remove/>");
        standIn("jabber:iq:roster").handleIQ(set);
        standIn("jabber:iq:roster").handleIQ(get);
        standIn("jabber:iq:register").handleIQ(account);
        sessions.remove(alice);
        assertEquals("no session", keeper(1).release(set).detail);
        assertEquals("the roster is changed all the same", 1, roster.handled.size());
        assertEquals("no session", keeper(2).release(get).detail);
        assertEquals(1, roster.handled.size());
        assertEquals("no session", keeper(3).release(account).detail);
        assertEquals(0, register.handled.size());
        assertEquals("no session", keeper(3).refuse(account, "cancel", "conflict", "").detail);
        assertEquals(0, alice.got.size());
    }

    @Test
    public void aFailingBuiltInIsAnsweredOnce() throws Exception {
        IQ iq = rosterSet();
        standIn("jabber:iq:roster").handleIQ(iq);
        roster.failure = new IllegalStateException("x");
        Delivery.Result result = keeper(1).release(iq);
        assertEquals(Frame.OUTCOME_OK, result.outcome);
        assertEquals("java.lang.IllegalStateException", result.detail);
        roster.failure = new UnauthorizedException();
        keeper(1).release(iq);
        assertEquals(PacketError.Condition.internal_server_error, alice.got.get(0).getError().getCondition());
        assertEquals(PacketError.Condition.not_authorized, alice.got.get(1).getError().getCondition());
    }

    @Test
    public void whatIsHeldAtTheEndIsAnsweredByTheBuiltIn() throws Exception {
        standIn("jabber:iq:roster").handleIQ(rosterSet());
        standIn("jabber:iq:roster").handleIQ(rosterSet());
        gate.filter(FilterTable.NOTHING);
        roster.failure = new IllegalStateException("x");
        held.put(77, new org.xmpp.packet.Message());
        held.letGo();
        assertEquals(2, alice.got.size());
        assertEquals(0, held.size());
    }

    @Test
    public void standInsFollowTheTable() throws Exception {
        IQHandler first = standIn("jabber:iq:roster");
        mode(Frame.MODE_WATCH);
        assertSame("it stays while it is wanted", first, standIn("jabber:iq:roster"));
        IQ iq = rosterSet();
        mode(Frame.MODE_DECIDE);
        first.handleIQ(iq);
        gate.filter(FilterTable.read(FilterTableTest.frame(false, new Object[] {"iq", "get", "no:such", Frame.MODE_DECIDE, false},
            new Object[] {"iq", "get", "*", Frame.MODE_DECIDE, false})));
        assertEquals(0, installed.size());
        assertEquals("what it holds is let go all the same", 0, keeper(1).release(iq).outcome);
        assertEquals(1, alice.got.size());
        assertNotNull("a call that came in before it was taken out", first.handleIQ(rosterSet()));
        assertFalse((Boolean) first.getClass().getMethod("performNoSuchUserCheck").invoke(first));
    }

    private void archive(int mode) {
        gate.filter(FilterTable.read(FilterTableTest.frame(false, new Object[] {"iq", "get set", "urn:xmpp:mam:2", mode, false})));
    }

    @Test
    public void whereNobodyServesItStandsAlone() throws Exception {
        archive(Frame.MODE_DECIDE);
        archive(Frame.MODE_DECIDE);
        assertEquals("[urn:xmpp:mam:2]", features.toString());
        IQHandler alone = standIn("urn:xmpp:mam:2");
        IQ iq = iq("set", "urn:xmpp:mam:2", "");
        assertNull(alone.handleIQ(iq));
        assertEquals(0, keeper(1).release(iq).outcome);
        assertEquals(PacketError.Condition.service_unavailable, alice.got.get(0).getError().getCondition());
        host.answer = Frame.PASS;
        IQ reply = alone.handleIQ(iq);
        assertEquals("as the router answers what nobody serves", "<iq type=\"error\" id=\"q1\" to=\"alice@x.example/phone\"><query xmlns=\"urn:xmpp:mam:2\"/>"
            + "<error code=\"503\" type=\"cancel\"><service-unavailable xmlns=\"urn:ietf:params:xml:ns:xmpp-stanzas\"/></error></iq>",
            reply.toXML().replace("></query>", "/>"));
        assertNull("answers are not answered", alone.handleIQ(iq("result", "urn:xmpp:mam:2", "")));
        archive(Frame.MODE_OFF);
        assertEquals(0, installed.size());
        assertEquals(0, features.size());
    }

    private void ticket(int mode, boolean serve) {
        Frame.Writer frame = new Frame.Writer(Frame.FILTER_TABLE).putInt(1).putStr("iq").putStr("get set").putStr("urn:example:ticket:0")
            .putInt(mode).putBool(false).putBool(false).putBool(false).putInt(serve ? 1 : 0);
        gate.filter(FilterTable.read((serve ? frame.putStr("serve").putStr("urn:example:ticket:0") : frame).done()));
    }

    @Test
    public void aNamespaceThatTheTableNamesIsServedAndAnnouncedWhileItIsDecided() {
        ticket(Frame.MODE_DECIDE, false);
        assertEquals("without its name it has no effect", 0, installed.size());
        ticket(Frame.MODE_WATCH, true);
        assertEquals("it is counted, not announced", 1, installed.size());
        assertEquals("[]", features.toString());
        IQHandler alone = standIn("urn:example:ticket:0");
        ticket(Frame.MODE_DECIDE, true);
        assertSame(alone, standIn("urn:example:ticket:0"));
        assertEquals("[urn:example:ticket:0]", features.toString());
        ticket(Frame.MODE_WATCH, true);
        assertEquals("[]", features.toString());
        ticket(Frame.MODE_DECIDE, true);
        ticket(Frame.MODE_OFF, true);
        assertEquals(0, installed.size());
        assertEquals("[]", features.toString());
    }

    @Test
    public void whatAnotherPluginServesIsLeftAlone() {
        served.add("urn:xmpp:mam:2");
        archive(Frame.MODE_DECIDE);
        assertEquals(0, installed.size());
        assertEquals(0, features.size());
        served.clear();
        archive(Frame.MODE_DECIDE);
        assertEquals("when it has gone", 1, installed.size());
    }

    /** As newer versions have it. */
    public interface FeaturesOfAccounts {
        java.util.Iterator<String> getFeatures();
    }

    @Test
    public void aProviderOfFeaturesIsOneThing() {
        Object one = Features.provider(FeaturesOfAccounts.class, "a");
        assertEquals("a", ((FeaturesOfAccounts) one).getFeatures().next());
        List<Object> all = new ArrayList<>(Arrays.asList(Features.provider(FeaturesOfAccounts.class, "a"), one));
        assertTrue(all.remove(one));
        assertEquals(1, new HashSet<>(all).size());
        assertFalse(all.contains(one));
    }

    @Test
    public void theTableChangesWhileRequestsComeIn() throws Exception {
        host.answer = Frame.PASS;
        CountDownLatch done = new CountDownLatch(1);
        IQHandler handler = standIn("jabber:iq:roster");
        Thread changes = new Thread(() -> {
            for (int i = 0; i < 300; i++) {
                gate.filter(FilterTable.NOTHING);
                mode(Frame.MODE_DECIDE);
            }
            done.countDown();
        });
        changes.start();
        int answers = 0;
        int asked = 0;
        while (done.getCount() > 0 || asked == 0) {
            asked++;
            answers += handler.handleIQ(rosterSet()) == null ? 0 : 1;
        }
        changes.join();
        assertEquals(asked, answers);
        assertEquals(2, installed.size());
        assertEquals(0, held.size());
    }
}
