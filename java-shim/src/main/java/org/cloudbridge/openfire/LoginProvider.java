/*
 * The authentication provider that stands before Openfire's own while the platform decides who logs in. For whom the
 * platform decides, it answers by the asks VERIFY and SCRAM; administrators, users of other domains, names that are no
 * names and users whom the platform does not know belong to the previous provider, as does everything that writes.
 *
 * SCRAM takes four calls of Openfire and two messages of the client. The platform is asked once, at the first call, and
 * its answer is kept for as long as a client may take.
 *
 * No answer from the platform is a fault of its own kind: it is noted for SaslGuard, which turns it into
 * temporary-auth-failure. Nothing here ever returns null: Openfire would take that for a user without a salt, and would
 * write a password.
 *
 * What it leaves out: Openfire's own lock-out, which AuthFactory asks before us.
 */
package org.cloudbridge.openfire;

import java.util.concurrent.ConcurrentHashMap;

import org.jivesoftware.openfire.auth.AuthProvider;
import org.jivesoftware.openfire.auth.ConnectionException;
import org.jivesoftware.openfire.auth.InternalUnauthenticatedException;
import org.jivesoftware.openfire.auth.UnauthorizedException;
import org.jivesoftware.openfire.user.UserNotFoundException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.xmpp.packet.JID;

/** Decides by the platform, or passes on. */
final class LoginProvider implements AuthProvider {
    private static final Logger LOG = LoggerFactory.getLogger(LoginProvider.class);
    private static final int RIGHT = 0;
    private static final int WRONG = 1;
    private static final int LOCKED = 2;
    private static final int UNKNOWN = 3;
    private static final int NO_ANSWER = 4;
    private static final long KEPT_NANOS = 15_000_000_000L;
    private static final int KEPT_MOST = 10_000;

    /** Accounts with rights in the console. */
    interface Admins {
        boolean isAdmin(String node);
    }

    /** What the platform said about a user's SCRAM values. */
    private static final class Scram {
        final int code;
        final String salt;
        final int iterations;
        final String storedKey;
        final String serverKey;
        final long since = System.nanoTime();

        Scram(int code, String salt, int iterations, String storedKey, String serverKey) {
            this.code = code;
            this.salt = salt;
            this.iterations = iterations;
            this.storedKey = storedKey;
            this.serverKey = serverKey;
        }
    }

    private final AuthProvider previous;
    private final String domain;
    private final HostCalls host;
    private final Admins admins;
    private final UserVerbs.Accounts accounts;
    private final SaslGuard.Notes notes;
    private final RareLog rareLog = new RareLog(LOG);
    private final ConcurrentHashMap<String, Scram> kept = new ConcurrentHashMap<>();
    /** The platform has answered for a user, but keeps no SCRAM values. */
    private volatile boolean withoutScram;
    /** Those who decide know passwords only, as the host has said. */
    private volatile boolean plainOnly;
    private volatile boolean active = true;

    LoginProvider(AuthProvider previous, String domain, HostCalls host, Admins admins, UserVerbs.Accounts accounts,
                  SaslGuard.Notes notes) {
        this.previous = previous;
        this.domain = domain;
        this.host = host;
        this.admins = admins;
        this.accounts = accounts;
        this.notes = notes;
    }

    AuthProvider previous() {
        return previous;
    }

    /** Whether those who decide keep no SCRAM values for anybody. */
    void plainOnly(boolean yes) {
        plainOnly = yes;
    }

    /** From now on everything is passed on; somebody may have kept us as the one before theirs. */
    void retire() {
        active = false;
        kept.clear();
    }

    @Override
    public void authenticate(String username, String password) throws UnauthorizedException, ConnectionException,
        InternalUnauthenticatedException {
        String node = decidedFor(username);
        int code = node == null || password == null ? UNKNOWN : verify(node, password);
        switch (code) {
            case RIGHT:
                if (!isHere(node)) {
                    notes.note(SaslGuard.NO_ANSWER);
                    throw new ConnectionException("the account could not be made");
                }
                return;
            case WRONG:
                throw new UnauthorizedException();
            case LOCKED:
                notes.note(SaslGuard.LOCKED);
                throw new UnauthorizedException();
            case UNKNOWN:
                previous.authenticate(username, password);
                return;
            default:
                notes.note(SaslGuard.NO_ANSWER);
                throw new ConnectionException("the platform did not answer");
        }
    }

    /** After a SCRAM login: whom the platform has verified has an account here. False = it could not be made. */
    boolean verified(String username) {
        String node = decidedFor(username);
        Scram scram = node == null ? null : kept.remove(node);
        return scram == null || scram.code != RIGHT || isHere(node);
    }

    /** Makes the account of a verified user who has none. */
    private boolean isHere(String node) {
        try {
            UserVerbs.create(accounts, node, "", "");
            return true;
        } catch (RuntimeException e) {
            rareLog.warn("A user whom the platform knows could not be made in Openfire: " + e.getClass().getName());
            return false;
        }
    }

    @Override
    public String getSalt(String username) throws UserNotFoundException {
        String node = decidedFor(username);
        if (node == null) {
            return previous.getSalt(username);
        }
        Scram scram = ask(node);
        if (scram.code == UNKNOWN) {
            return previous.getSalt(username);
        }
        return right(scram).salt;
    }

    @Override
    public int getIterations(String username) throws UserNotFoundException {
        Scram scram = scram(username);
        return scram == null ? previous.getIterations(username) : right(scram).iterations;
    }

    @Override
    public String getServerKey(String username) throws UserNotFoundException {
        Scram scram = scram(username);
        return scram == null ? previous.getServerKey(username) : right(scram).serverKey;
    }

    @Override
    public String getStoredKey(String username) throws UserNotFoundException {
        Scram scram = scram(username);
        return scram == null ? previous.getStoredKey(username) : right(scram).storedKey;
    }

    /** Only where everybody can use it: those who are passed on, and those for whom the platform decides. */
    @Override
    public boolean isScramSupported() {
        return previous.isScramSupported() && !(active && (withoutScram || plainOnly));
    }

    /** With retrieval Openfire would offer mechanisms that compare with the password kept here, past the platform. */
    @Override
    public boolean supportsPasswordRetrieval() {
        return !active && previous.supportsPasswordRetrieval();
    }

    @Override
    public String getPassword(String username) throws UserNotFoundException {
        String node = decidedFor(username);
        Scram scram = node == null ? null : kept.get(node);
        if (node != null && (scram == null || scram.code != UNKNOWN)) {
            throw new UnsupportedOperationException("the platform decides");
        }
        return previous.getPassword(username);
    }

    @Override
    public void setPassword(String username, String password) throws UserNotFoundException {
        previous.setPassword(username, password);
    }

    /** The node that the platform is asked for; null = the previous provider's business. */
    private String decidedFor(String username) {
        if (!active || username == null) {
            return null;
        }
        String name = username.trim();
        int at = name.lastIndexOf('@');
        if (at >= 0) {
            if (!domain.equalsIgnoreCase(name.substring(at + 1))) {
                return null;
            }
            name = name.substring(0, at);
        }
        try {
            String node = name.isEmpty() ? "" : JID.nodeprep(name);
            return node == null || node.isEmpty() || admins.isAdmin(node) ? null : node;
        } catch (RuntimeException e) {
            return null;
        }
    }

    private int verify(String node, String password) {
        try {
            Frame.Reader answer = new Frame.Reader(host.ask(new Frame.Writer(Frame.ASK_VERIFY).putStr(node).putStr(password).done()));
            return answer.opcode() == Frame.ANSWER_OK ? answer.takeInt() : NO_ANSWER;
        } catch (HostException | RuntimeException e) {
            return failed(e);
        }
    }

    /** The answer for the login that begins now. */
    private Scram ask(String node) {
        Scram scram;
        try {
            Frame.Reader answer = new Frame.Reader(host.ask(new Frame.Writer(Frame.ASK_SCRAM).putStr(node).done()));
            scram = answer.opcode() != Frame.ANSWER_OK ? new Scram(NO_ANSWER, "", 0, "", "")
                : new Scram(answer.takeInt(), answer.takeStr(), answer.takeInt(), answer.takeStr(), answer.takeStr());
        } catch (HostException | RuntimeException e) {
            scram = new Scram(failed(e), "", 0, "", "");
        }
        if (scram.code == RIGHT) {
            boolean without = scram.salt.isEmpty() || scram.storedKey.isEmpty() || scram.serverKey.isEmpty() || scram.iterations <= 0;
            withoutScram = without;
            if (without) {
                scram = new Scram(NO_ANSWER, "", 0, "", ""); // The next stream is not offered SCRAM.
            }
        }
        if (kept.size() >= KEPT_MOST) {
            kept.clear();
        } else {
            long now = System.nanoTime();
            kept.values().removeIf(old -> now - old.since > KEPT_NANOS);
        }
        kept.put(node, scram);
        return scram;
    }

    /** The kept answer; null = the previous provider's business. */
    private Scram scram(String username) {
        String node = decidedFor(username);
        if (node == null) {
            return null;
        }
        Scram scram = kept.get(node);
        if (scram == null || System.nanoTime() - scram.since > KEPT_NANOS) {
            scram = ask(node);
        }
        return scram.code == UNKNOWN ? null : scram;
    }

    private Scram right(Scram scram) {
        if (scram.code == RIGHT) {
            return scram;
        }
        notes.note(scram.code == LOCKED ? SaslGuard.LOCKED : SaslGuard.NO_ANSWER);
        // Not UserNotFoundException, for which Openfire would log the stack and go on with a salt of its own.
        throw new IllegalStateException("no SCRAM values");
    }

    private int failed(Exception e) {
        if (!(e instanceof HostException && ((HostException) e).code() == HostException.CLOSED)) {
            rareLog.warn("A login could not be asked about: " + e.getClass().getName());
        }
        return NO_ANSWER;
    }
}
