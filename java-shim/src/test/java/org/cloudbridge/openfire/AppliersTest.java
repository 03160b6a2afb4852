/* Accounts, sessions, presence and reads: what each verb does, twice, and for somebody who does not exist. */
package org.cloudbridge.openfire;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.Date;
import java.util.List;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;

import org.dom4j.DocumentHelper;
import org.jivesoftware.openfire.OfflineMessage;
import org.jivesoftware.openfire.auth.AuthProvider;
import org.jivesoftware.openfire.auth.UnauthorizedException;
import org.jivesoftware.openfire.roster.Roster;
import org.jivesoftware.openfire.roster.RosterItem;
import org.jivesoftware.openfire.session.ClientSession;
import org.jivesoftware.openfire.session.LocalSession;
import org.jivesoftware.openfire.user.User;
import org.jivesoftware.openfire.user.UserAlreadyExistsException;
import org.jivesoftware.openfire.user.UserNotFoundException;
import org.junit.Test;
import org.xmpp.packet.JID;

public class AppliersTest {
    private final TreeMap<String, String> users = new TreeMap<>();
    private final List<Doubles.Client> clients = new ArrayList<>();
    private final List<OfflineMessage> offline = new ArrayList<>();
    private final Doubles.Router router = new Doubles.Router();
    private boolean readOnly;

    private final UserVerbs.Accounts accounts = new UserVerbs.Accounts() {
        @Override
        public boolean exists(String node) {
            return users.containsKey(node);
        }

        @Override
        public void create(String node, String password, String name, String email) throws UserAlreadyExistsException {
            if (readOnly) {
                throw new UnsupportedOperationException();
            }
            assertTrue(password.length() >= 30);
            users.put(node, name + "," + email);
        }

        @Override
        public void delete(String node) {
            users.remove(node);
        }
    };

    private final SessionVerbs sessions = new SessionVerbs(new SessionVerbs.Sessions() {
        @Override
        public ClientSession get(JID fullJid) {
            for (Doubles.Client client : clients) {
                if (client.jid.equals(fullJid)) {
                    return client.session();
                }
            }
            return null;
        }

        @Override
        public Collection<ClientSession> all(String node) {
            List<ClientSession> all = new ArrayList<>();
            for (Doubles.Client client : clients) {
                if (client.jid.getNode().equals(node)) {
                    all.add(client.session());
                }
            }
            return all;
        }

        @Override
        public void endDetached(LocalSession session) {
            throw new AssertionError("none of these is a local session");
        }
    });

    private final ReadVerbs.Source source = new ReadVerbs.Source() {
        @Override
        public Collection<String> usernames() {
            return users.keySet();
        }

        @Override
        public User user(String node) throws UserNotFoundException {
            if (!users.containsKey(node) || node.equals("ghost")) {
                throw new UserNotFoundException();
            }
            return new User(node, "N<" + node, null, new Date(), new Date());
        }

        @Override
        public boolean isAdmin(String node) {
            return node.equals("admin");
        }

        @Override
        public AuthProvider auth() {
            return new Scram();
        }

        @Override
        public Collection<OfflineMessage> offline(String node) {
            return new ArrayList<>(offline);
        }

        @Override
        public void dropOffline(String node, Date created) {
            offline.removeIf(message -> message.getCreationDate().equals(created));
        }
    };

    private final Appliers table = new Appliers(new UserVerbs(accounts, sessions), sessions, new PresenceVerbs(accounts, router, new ShownStates(router, null)),
        new ReadVerbs(source, new RosterVerbs.Rosters() {
            @Override
            public Roster of(String owner) throws UserNotFoundException {
                if (!users.containsKey(owner)) {
                    throw new UserNotFoundException();
                }
                return new Roster() {
                    @Override
                    public Collection<RosterItem> getRosterItems() {
                        return Arrays.asList(
                            new RosterItem(new JID("b@x.example"), RosterItem.SUB_BOTH, RosterItem.ASK_NONE, RosterItem.RECV_NONE, "B",
                                Collections.singletonList("G")),
                            new RosterItem(new JID("c@x.example"), RosterItem.SUB_NONE, RosterItem.ASK_NONE, RosterItem.RECV_SUBSCRIBE, "",
                                Collections.<String>emptyList()));
                    }
                };
            }

            @Override
            public void show(String owner, JID contact) {
                throw new AssertionError();
            }

            @Override
            public void hide(String owner, JID contact) {
                throw new AssertionError();
            }
        }));

    private Delivery.Result apply(String verb, String... arguments) throws Exception {
        return Doubles.onPump(() -> table.apply(PumpThread.current(), verb, arguments));
    }

    private String words(String verb, String... arguments) throws Exception {
        Delivery.Result result = apply(verb, arguments);
        return result.outcome + " " + result.detail;
    }

    private Doubles.Client client(String jid) {
        Doubles.Client client = new Doubles.Client(jid);
        clients.add(client);
        return client;
    }

    @Test
    public void accountsComeAndGo() throws Exception {
        assertEquals("0 ", words("user.create", "bob", "Bob", ""));
        assertEquals("Bob,null", users.get("bob"));
        assertEquals("0 already", words("user.create", "bob", "Other", ""));
        Doubles.Client phone = client("bob@x.example/phone");
        assertEquals("0 ", words("user.delete", "bob"));
        assertTrue(phone.closed);
        assertEquals("0 already", words("user.delete", "bob"));
        readOnly = true;
        try {
            apply("user.create", "carol", "", "");
            throw new AssertionError("a read-only provider");
        } catch (ExecutionException e) {
            assertEquals(UnsupportedOperationException.class, e.getCause().getClass());
        }
    }

    @Test
    public void sessionsEnd() throws Exception {
        Doubles.Client phone = client("bob@x.example/phone");
        Doubles.Client stuck = client("bob@x.example/stuck");
        Doubles.Client tablet = client("bob@x.example/tablet");
        Doubles.Client other = client("carol@x.example/phone");
        stuck.failsToClose = true;
        assertEquals("0 1 closed", words("session.close", "bob@x.example/phone"));
        assertTrue(phone.raw.toString(), phone.raw.toString().contains("<policy-violation"));
        assertTrue(phone.closed && !tablet.closed);
        assertEquals("one that fails does not keep the others", "0 2 closed", words("session.close", "bob@x.example"));
        assertTrue(tablet.closed && !other.closed);
        assertEquals("0 0 closed", words("session.close", "bob@x.example/none"));
        assertEquals("0 0 closed", words("session.close", "nobody@x.example"));
    }

    @Test
    public void presenceIsShown() throws Exception {
        users.put("bob", "");
        assertEquals("0 ", words("presence.show", "bob@x.example", "dnd", "in a <meeting>"));
        assertEquals("0 ", words("presence.show", "bob@x.example", "", ""));
        assertEquals("0 ", words("presence.show", "bob@x.example/ignored", "unavailable", ""));
        assertEquals("1 ", words("presence.show", "nobody@x.example", "", ""));
        assertEquals(3, router.routed.size());
        assertEquals("<presence from=\"bob@x.example/cloudbridge\"><show>dnd</show><status>in a &lt;meeting&gt;</status></presence>",
            router.routed.get(0).replaceAll("(<presence) (from=\"[^\"]*\")", "$1 $2"));
        assertTrue(router.routed.get(2).contains("type=\"unavailable\""));
        assertFalse(router.routed.get(0).contains("to="));
        assertEquals("0 ", words("route", "<message xmlns='jabber:client' from='x.example' to='bob@x.example'><body>hi</body></message>"));
        assertEquals("<message from=\"x.example\" to=\"bob@x.example\"><body>hi</body></message>", router.routed.get(3));
    }

    @Test
    public void usersArePagedByName() throws Exception {
        for (String node : new String[] {"admin", "bob", "carol", "ghost", "zoe"}) {
            users.put(node, "");
        }
        assertEquals("0 <users><user node=\"admin\" name=\"N&lt;admin\" email=\"\" admin=\"true\" salt=\"\" iterations=\"\" stored-key=\"\""
            + " server-key=\"\"/><user node=\"bob\" name=\"N&lt;bob\" email=\"\" admin=\"false\" salt=\"c2FsdA==\" iterations=\"4096\""
            + " stored-key=\"st\" server-key=\"se\"/></users>", words("read.users", "", "2"));
        users.remove("admin");
        String page = words("read.users", "bob", "2");
        assertTrue(page, page.contains("carol") && page.contains("zoe") && !page.contains("ghost") && !page.contains("bob"));
        assertEquals("0 <users/>", words("read.users", "zoe", "2"));
        users.put("zz", "");
        assertTrue("a new walk reads the names anew", words("read.users", "zoe", "2").contains("zz"));
    }

    @Test
    public void rostersAreRead() throws Exception {
        users.put("bob", "");
        assertEquals("0 <query xmlns=\"jabber:iq:roster\"><item jid=\"b@x.example\" name=\"B\" subscription=\"both\"><group>G</group></item></query>",
            words("read.roster", "bob"));
        assertEquals("1 ", words("read.roster", "nobody"));
    }

    @Test
    public void offlineMessagesAreReadAndDropped() throws Exception {
        users.put("bob", "");
        for (long at : new long[] {2000, 1000, 3000}) {
            offline.add(new OfflineMessage(new Date(at), DocumentHelper.parseText("<message to='bob@x.example'><body>at " + at
                + "</body></message>").getRootElement()));
        }
        assertEquals("0 <messages newest=\"1970-01-01T00:00:03Z\"><message xmlns=\"jabber:client\" to=\"bob@x.example\"><body>at 1000</body></message>"
            + "<message xmlns=\"jabber:client\" to=\"bob@x.example\"><body>at 2000</body></message>"
            + "<message xmlns=\"jabber:client\" to=\"bob@x.example\"><body>at 3000</body></message></messages>", words("read.offline", "bob"));
        assertEquals("0 ", words("drop.offline", "bob", "1970-01-01T00:00:02.000Z"));
        assertEquals(1, offline.size());
        assertEquals("0 already", words("drop.offline", "bob", "1970-01-01T00:00:02.000Z"));
        offline.clear();
        assertEquals("0 <messages></messages>", words("read.offline", "bob"));
        assertEquals("1 ", words("read.offline", "nobody"));
    }

    /** Openfire's provider; the administrator has no SCRAM values. */
    private static final class Scram implements AuthProvider {
        @Override
        public void authenticate(String user, String password) throws UnauthorizedException {
            throw new UnauthorizedException();
        }

        @Override
        public String getPassword(String user) {
            throw new UnsupportedOperationException();
        }

        @Override
        public void setPassword(String user, String password) {
            throw new AssertionError("reading writes nothing");
        }

        @Override
        public boolean supportsPasswordRetrieval() {
            return false;
        }

        @Override
        public boolean isScramSupported() {
            return true;
        }

        @Override
        public String getSalt(String user) {
            return user.equals("admin") ? null : "c2FsdA==";
        }

        @Override
        public int getIterations(String user) {
            return 4096;
        }

        @Override
        public String getServerKey(String user) {
            return "se";
        }

        @Override
        public String getStoredKey(String user) {
            return "st";
        }
    }
}
