/*
 * Tells clients the truth about a login that failed because the platform did not answer: temporary-auth-failure, where
 * Openfire would say not-authorized, which clients take for a wrong password. Openfire makes its SASL servers through
 * Java's security providers, so a provider of ours stands first there and wraps what Openfire's own factory makes.
 *
 * The provider is JVM-wide and names its factory by class name, hence the static field. It is taken away with the login.
 *
 * What it leaves out: mechanisms without a password of ours (EXTERNAL, ANONYMOUS), which it does not offer.
 */
package org.cloudbridge.openfire;

import java.security.Provider;
import java.security.Security;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

import javax.security.auth.callback.CallbackHandler;
import javax.security.sasl.SaslException;
import javax.security.sasl.SaslServer;
import javax.security.sasl.SaslServerFactory;

import org.jivesoftware.openfire.sasl.Failure;
import org.jivesoftware.openfire.sasl.SaslFailureException;
import org.jivesoftware.openfire.sasl.SaslServerFactoryImpl;

/** The security provider and what it makes. */
public final class SaslGuard extends Provider {
    private static final long serialVersionUID = 1L;
    private static final String NAME = "CloudBridgeLogin";
    private static final List<String> MECHANISMS = Arrays.asList("PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-1-PLUS");

    static final int NOTHING = 0;
    static final int NO_ANSWER = 1;
    static final int LOCKED = 2;

    /** What a login came to, noted on the thread that it runs on. No thread-local, which would outlive the plugin. */
    static final class Notes {
        private final ConcurrentHashMap<Thread, Integer> notes = new ConcurrentHashMap<>();

        /** Only inside of a guarded login; the console's logins leave nothing behind. */
        void note(int what) {
            notes.replace(Thread.currentThread(), what);
        }

        void begin() {
            notes.put(Thread.currentThread(), NOTHING);
        }

        int end() {
            Integer note = notes.remove(Thread.currentThread());
            return note == null ? NOTHING : note;
        }
    }

    /** Whether a verified user can be let in. */
    interface Verified {
        boolean verified(String username);
    }

    /** What guards: present while the platform decides who logs in. */
    static final class Watch {
        final Notes notes;
        final Verified verified;

        Watch(Notes notes, Verified verified) {
            this.notes = notes;
            this.verified = verified;
        }
    }

    private static volatile Watch watch;

    @SuppressWarnings("deprecation") // The constructor that replaces this one is Java 9's.
    private SaslGuard() {
        super(NAME, 1.0, "Cloud Bridge: logins that the platform decides");
        for (String mechanism : MECHANISMS) {
            put("SaslServerFactory." + mechanism, Factory.class.getName());
        }
    }

    static void install(Watch guard) {
        watch = guard;
        Security.removeProvider(NAME); // Of a load before that did not clean up.
        Security.insertProviderAt(new SaslGuard(), 1);
    }

    static void remove() {
        watch = null;
        Security.removeProvider(NAME);
    }

    /** Named to Java's security by its class name. */
    public static final class Factory implements SaslServerFactory {
        private final SaslServerFactory openfires = new SaslServerFactoryImpl();

        @Override
        public SaslServer createSaslServer(String mechanism, String protocol, String serverName, Map<String, ?> properties,
                                           CallbackHandler handler) throws SaslException {
            Watch guard = watch;
            if (guard == null || !MECHANISMS.contains(mechanism)) {
                return null; // The next provider is asked.
            }
            SaslServer server = openfires.createSaslServer(mechanism, protocol, serverName, properties, handler);
            return server == null ? null : new Guarded(server, guard);
        }

        @Override
        public String[] getMechanismNames(Map<String, ?> properties) {
            List<String> names = new ArrayList<>();
            if (watch != null) {
                for (String name : openfires.getMechanismNames(properties)) {
                    if (MECHANISMS.contains(name)) {
                        names.add(name);
                    }
                }
            }
            return names.toArray(new String[0]);
        }
    }

    /** Openfire's own server, with a word about why it failed. */
    static final class Guarded implements SaslServer {
        private final SaslServer server;
        private final Watch guard;

        Guarded(SaslServer server, Watch guard) {
            this.server = server;
            this.guard = guard;
        }

        @Override
        public byte[] evaluateResponse(byte[] response) throws SaslException {
            guard.notes.begin();
            byte[] challenge;
            SaslException failure = null;
            int note;
            try {
                challenge = server.evaluateResponse(response);
            } catch (SaslException e) {
                failure = e;
                challenge = null;
            } finally {
                note = guard.notes.end();
            }
            if (note == NO_ANSWER) {
                throw new SaslFailureException(Failure.TEMPORARY_AUTH_FAILURE, "The platform did not answer.");
            }
            if (note == LOCKED) {
                throw new SaslFailureException(Failure.NOT_AUTHORIZED, "Locked out at the platform.");
            }
            if (failure != null) {
                throw failure;
            }
            if (server.isComplete() && !guard.verified.verified(server.getAuthorizationID())) {
                throw new SaslFailureException(Failure.TEMPORARY_AUTH_FAILURE, "The account could not be made.");
            }
            return challenge;
        }

        @Override
        public String getMechanismName() {
            return server.getMechanismName();
        }

        @Override
        public boolean isComplete() {
            return server.isComplete();
        }

        @Override
        public String getAuthorizationID() {
            return server.getAuthorizationID();
        }

        @Override
        public byte[] unwrap(byte[] incoming, int offset, int length) throws SaslException {
            return server.unwrap(incoming, offset, length);
        }

        @Override
        public byte[] wrap(byte[] outgoing, int offset, int length) throws SaslException {
            return server.wrap(outgoing, offset, length);
        }

        @Override
        public Object getNegotiatedProperty(String name) {
            return server.getNegotiatedProperty(name);
        }

        @Override
        public void dispose() throws SaslException {
            server.dispose();
        }
    }
}
