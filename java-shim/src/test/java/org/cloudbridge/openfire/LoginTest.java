/* Who decides, what each answer of the platform means to a client, and that Openfire's own provider comes back. */
package org.cloudbridge.openfire;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNotNull;
import static org.junit.Assert.assertNotSame;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertSame;
import static org.junit.Assert.assertTrue;
import static org.junit.Assert.fail;

import java.security.Security;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

import javax.security.sasl.SaslException;
import javax.security.sasl.SaslServer;

import org.jivesoftware.openfire.auth.AuthProvider;
import org.jivesoftware.openfire.auth.ConnectionException;
import org.jivesoftware.openfire.auth.UnauthorizedException;
import org.jivesoftware.openfire.sasl.Failure;
import org.jivesoftware.openfire.sasl.SaslFailureException;
import org.junit.After;
import org.junit.Test;

public class LoginTest {
    /** Openfire's own. */
    private static final class Own implements AuthProvider {
        final List<String> calls = new ArrayList<>();
        boolean scram = true;

        @Override
        public void authenticate(String user, String password) throws UnauthorizedException {
            calls.add("authenticate " + user);
            if (!password.equals("local")) {
                throw new UnauthorizedException();
            }
        }

        @Override
        public String getPassword(String user) {
            return "pw of " + user;
        }

        @Override
        public void setPassword(String user, String password) {
            calls.add("set " + user);
        }

        @Override
        public boolean supportsPasswordRetrieval() {
            return true;
        }

        @Override
        public boolean isScramSupported() {
            return scram;
        }

        @Override
        public String getSalt(String user) {
            return "own salt";
        }

        @Override
        public int getIterations(String user) {
            return 7;
        }

        @Override
        public String getServerKey(String user) {
            return "own server";
        }

        @Override
        public String getStoredKey(String user) {
            return "own stored";
        }
    }

    private final Doubles.Host host = new Doubles.Host();
    private final Own own = new Own();
    private final Map<String, String> users = new TreeMap<>();
    private AuthProvider inUse = own;
    private boolean readOnly;
    private boolean broken;
    private final Login login = new Login(new Login.Slot() {
        @Override
        public AuthProvider get() {
            return inUse;
        }

        @Override
        public void set(AuthProvider provider) {
            if (broken) {
                throw new IllegalStateException("on purpose");
            }
            inUse = provider;
        }
    }, Doubles.DOMAIN, host, node -> node.equals("admin"), new UserVerbs.Accounts() {
        @Override
        public boolean exists(String node) {
            return users.containsKey(node);
        }

        @Override
        public void create(String node, String password, String name, String email) {
            if (readOnly) {
                throw new UnsupportedOperationException();
            }
            users.put(node, password);
        }

        @Override
        public void delete(String node) {
            users.remove(node);
        }
    });

    @After
    public void takeOut() {
        broken = false;
        login.wanted(false, false);
        assertNull(Security.getProvider("CloudBridgeLogin"));
    }

    private void verify(int code) {
        host.answers.put(Frame.ASK_VERIFY, new Frame.Writer(Frame.ANSWER_OK).putInt(code).putLong(0).done());
    }

    private void scram(int code, String salt, int iterations) {
        host.answers.put(Frame.ASK_SCRAM, new Frame.Writer(Frame.ANSWER_OK).putInt(code).putStr(salt).putInt(iterations)
            .putStr("stored").putStr("server").done());
    }

    private String authenticate(String user, String password) {
        try {
            inUse.authenticate(user, password);
            return "in";
        } catch (Exception e) {
            assertFalse("no password in a message", String.valueOf(e.getMessage()).contains(password));
            return e.getClass().getSimpleName();
        }
    }

    @Test
    public void thePlatformDecides() {
        login.wanted(true, false);
        verify(0);
        assertEquals("in", authenticate("Bob@X.example", "secret"));
        assertEquals(Collections.singletonList("5 bob secret"), host.asked);
        assertTrue("made with a password that is not the user's", users.containsKey("bob") && !users.get("bob").equals("secret"));
        verify(1);
        assertEquals("UnauthorizedException", authenticate("bob", "secret"));
        verify(2);
        assertEquals("UnauthorizedException", authenticate("bob", "secret"));
        verify(4);
        assertEquals("ConnectionException", authenticate("bob", "secret"));
        host.answers.clear();
        assertEquals("ConnectionException", authenticate("bob", "secret"));
        host.answers.put(Frame.ASK_VERIFY, new Frame.Writer(Frame.ANSWER_ERROR).putStr("x").done());
        assertEquals("ConnectionException", authenticate("bob", "secret"));
        host.answers.put(Frame.ASK_VERIFY, new byte[0]);
        assertEquals("ConnectionException", authenticate("bob", "secret"));
        assertEquals("the previous one was never asked", Collections.emptyList(), own.calls);
        verify(0);
        readOnly = true;
        assertEquals("ConnectionException", authenticate("new", "secret"));
        assertEquals("one who is here needs no account", "in", authenticate("bob", "secret"));
    }

    @Test
    public void whoBelongsToThePreviousOne() throws Exception {
        login.wanted(true, false);
        verify(1);
        assertEquals("in", authenticate("admin", "local"));
        assertEquals("in", authenticate("admin@x.example", "local"));
        assertEquals("in", authenticate("bob@other.example", "local"));
        assertEquals("in", authenticate("", "local"));
        assertEquals("no administrator is asked about", Collections.emptyList(), host.asked);
        verify(3);
        assertEquals("in", authenticate("bob", "local"));
        assertEquals("UnauthorizedException", authenticate("bob", "wrong"));
        assertEquals("own salt", inUse.getSalt("admin"));
        assertEquals("pw of admin", inUse.getPassword("admin"));
        inUse.setPassword("bob", "x");
        assertEquals("set bob", own.calls.get(own.calls.size() - 1));
        assertTrue(users.isEmpty());
    }

    @Test
    public void scramAsksOnce() throws Exception {
        login.wanted(true, false);
        scram(0, "c2FsdA==", 4096);
        assertEquals("c2FsdA==", inUse.getSalt("Bob"));
        assertEquals(4096, inUse.getIterations("Bob"));
        assertEquals("stored", inUse.getStoredKey("Bob"));
        assertEquals("server", inUse.getServerKey("Bob"));
        assertEquals(Collections.singletonList("6 bob"), host.asked);
        assertTrue(((LoginProvider) inUse).verified("Bob"));
        assertTrue(users.containsKey("bob"));
        inUse.getSalt("bob");
        assertEquals("each login asks anew", 2, host.asked.size());
        try {
            inUse.getPassword("bob");
            fail("the password kept here does not count");
        } catch (UnsupportedOperationException expected) {
            // As it must be.
        }
        scram(3, "", 0);
        assertEquals("own salt", inUse.getSalt("eve"));
        assertEquals(7, inUse.getIterations("eve"));
        assertEquals("own stored", inUse.getStoredKey("eve"));
        assertEquals("own server", inUse.getServerKey("eve"));
        assertEquals("pw of eve", inUse.getPassword("eve"));
        assertTrue(((LoginProvider) inUse).verified("eve"));
        assertFalse(users.containsKey("eve"));
        for (int code : new int[] {2, 4}) {
            scram(code, "", 0);
            try {
                inUse.getSalt("bob");
                fail("never null");
            } catch (IllegalStateException expected) {
                // The guard says why.
            }
        }
    }

    @Test
    public void whichMechanismsAreOffered() throws Exception {
        assertTrue(inUse.supportsPasswordRetrieval());
        login.wanted(true, false);
        AuthProvider ours = inUse;
        assertFalse("CRAM-MD5 and DIGEST-MD5 would go past the platform", ours.supportsPasswordRetrieval());
        assertTrue(ours.isScramSupported());
        scram(0, "", 0);
        try {
            ours.getSalt("bob");
            fail("there is none");
        } catch (IllegalStateException expected) {
            assertFalse("a platform without verifiers", ours.isScramSupported());
        }
        scram(0, "c2FsdA==", 4096);
        ours.getSalt("bob");
        assertTrue(ours.isScramSupported());
        login.wanted(true, true);
        assertFalse("those who decide know passwords only", ours.isScramSupported());
        login.wanted(true, false);
        assertTrue(ours.isScramSupported());
        own.scram = false;
        assertFalse("those who are passed on could not use it", ours.isScramSupported());
        login.wanted(false, false);
        assertTrue("retired, it is but the previous one", ours.supportsPasswordRetrieval());
        assertEquals("own salt", ours.getSalt("bob"));
    }

    @Test
    public void theProviderComesBack() {
        login.wanted(false, false);
        assertSame(own, inUse);
        login.wanted(true, false);
        AuthProvider ours = inUse;
        login.wanted(true, false);
        assertSame("put in once", ours, inUse);
        assertSame(own, login.openfires());
        assertEquals(1, Arrays.stream(Security.getProviders()).filter(one -> one.getName().equals("CloudBridgeLogin")).count());
        login.wanted(false, false);
        assertSame(own, inUse);
        assertNull(Security.getProvider("CloudBridgeLogin"));
        login.wanted(true, false);
        assertNotSame(ours, inUse);
        Own theirs = new Own();
        inUse = theirs;
        login.wanted(true, false);
        assertSame("theirs stays", theirs, inUse);
        login.wanted(false, false);
        assertSame(theirs, inUse);
        broken = true;
        login.wanted(true, false);
        assertSame("it could not be exchanged", theirs, inUse);
        assertNull(Security.getProvider("CloudBridgeLogin"));
    }

    /** A SASL server as Openfire's: what goes wrong in the provider, it makes something else of. */
    private SaslServer server(String password) {
        return new SaslServer() {
            private boolean complete;

            @Override
            public String getMechanismName() {
                return "PLAIN";
            }

            @Override
            public byte[] evaluateResponse(byte[] response) throws SaslException {
                try {
                    inUse.authenticate("bob", password);
                    complete = true;
                    return new byte[] {1};
                } catch (Exception e) {
                    throw new SaslException("PLAIN authentication failed");
                }
            }

            @Override
            public boolean isComplete() {
                return complete;
            }

            @Override
            public String getAuthorizationID() {
                return "bob";
            }

            @Override
            public byte[] unwrap(byte[] incoming, int offset, int length) {
                return null;
            }

            @Override
            public byte[] wrap(byte[] outgoing, int offset, int length) {
                return null;
            }

            @Override
            public Object getNegotiatedProperty(String name) {
                return null;
            }

            @Override
            public void dispose() {
                complete = false;
            }
        };
    }

    @Test
    public void clientsAreToldWhatHappened() throws Exception {
        SaslGuard.Notes notes = new SaslGuard.Notes();
        boolean[] made = {true};
        SaslGuard.Watch watch = new SaslGuard.Watch(notes, user -> made[0]);
        inUse = new LoginProvider(own, Doubles.DOMAIN, host, node -> false, new UserVerbs.Accounts() {
            @Override
            public boolean exists(String node) {
                return true;
            }

            @Override
            public void create(String node, String password, String name, String email) {
                throw new AssertionError("is here");
            }

            @Override
            public void delete(String node) {
                throw new AssertionError("never");
            }
        }, notes);
        verify(0);
        assertArrayEquals(new byte[] {1}, new SaslGuard.Guarded(server("x"), watch).evaluateResponse(null));
        verify(4);
        assertEquals(Failure.TEMPORARY_AUTH_FAILURE, failure(watch));
        verify(2);
        assertEquals(Failure.NOT_AUTHORIZED, failure(watch));
        verify(1);
        assertNull("Openfire's own", failure(watch));
        verify(4);
        assertEquals("ConnectionException", authenticate("bob", "secret"));
        verify(1);
        assertNull("a fault outside of a login is not the next one's", failure(watch));
        verify(0);
        made[0] = false;
        assertEquals(Failure.TEMPORARY_AUTH_FAILURE, failure(watch));
        assertEquals(0, notes.end());
    }

    private Failure failure(SaslGuard.Watch watch) {
        try {
            new SaslGuard.Guarded(server("x"), watch).evaluateResponse(null);
            throw new AssertionError("let in");
        } catch (SaslException e) {
            return e instanceof SaslFailureException ? ((SaslFailureException) e).getFailure() : null;
        }
    }

    @Test
    public void javaFindsTheFactory() throws Exception {
        assertNull(new SaslGuard.Factory().createSaslServer("PLAIN", "xmpp", "x.example", Collections.emptyMap(), callbacks -> {
        }));
        login.wanted(true, false);
        SaslServer server = javax.security.sasl.Sasl.createSaslServer("PLAIN", "xmpp", "x.example", Collections.emptyMap(), callbacks -> {
        });
        assertNotNull(server);
        assertEquals(SaslGuard.Guarded.class, server.getClass());
        assertEquals("PLAIN", server.getMechanismName());
        List<String> names = Arrays.asList(new SaslGuard.Factory().getMechanismNames(Collections.emptyMap()));
        assertTrue(names.contains("PLAIN") && names.contains("SCRAM-SHA-1") && !names.contains("EXTERNAL") && !names.contains("ANONYMOUS"));
        assertNull(new SaslGuard.Factory().createSaslServer("ANONYMOUS", "xmpp", "x.example", Collections.emptyMap(), null));
    }
}
