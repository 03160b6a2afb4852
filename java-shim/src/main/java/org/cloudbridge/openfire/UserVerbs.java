/*
 * APPLY, accounts: user.create and user.delete. A made account gets a random password that nobody knows: who logs in with
 * it is decided at the platform, or an administrator sets one.
 */
package org.cloudbridge.openfire;

import java.security.SecureRandom;
import java.util.Base64;

import org.jivesoftware.openfire.user.UserAlreadyExistsException;
import org.jivesoftware.openfire.user.UserNotFoundException;

/** The verbs that make and delete local accounts. */
final class UserVerbs implements Appliers.Area {
    /** Openfire's user provider. */
    interface Accounts {
        boolean exists(String node);

        /** Name and email may be null. An UnsupportedOperationException means that the provider is read-only. */
        void create(String node, String password, String name, String email) throws UserAlreadyExistsException;

        /** With everything that Openfire keeps of the user: the listeners of the deletion take care of it. */
        void delete(String node) throws UserNotFoundException;
    }

    private static final SecureRandom RANDOM = new SecureRandom();
    private static final Delivery.Result ALREADY = new Delivery.Result(Frame.OUTCOME_OK, "already");

    private final Accounts accounts;
    private final SessionVerbs sessions;

    UserVerbs(Accounts accounts, SessionVerbs sessions) {
        this.accounts = accounts;
        this.sessions = sessions;
    }

    @Override
    public void addTo(Appliers table) {
        table.verb("user.create", 3, (thread, arguments) -> create(accounts, arguments[0], arguments[1], arguments[2]));
        table.verb("user.delete", 1, (thread, arguments) -> delete(arguments[0]));
    }

    /** Also for logins of users who are not here yet. */
    static Delivery.Result create(Accounts accounts, String node, String name, String email) {
        if (accounts.exists(node)) {
            return ALREADY;
        }
        byte[] random = new byte[24];
        RANDOM.nextBytes(random);
        try {
            accounts.create(node, Base64.getUrlEncoder().withoutPadding().encodeToString(random), emptyToNull(name), emptyToNull(email));
            return Delivery.Result.OK;
        } catch (UserAlreadyExistsException e) {
            return ALREADY; // Somebody was faster.
        }
    }

    private Delivery.Result delete(String node) {
        if (!accounts.exists(node)) {
            return ALREADY;
        }
        try {
            accounts.delete(node);
        } catch (UserNotFoundException e) {
            return ALREADY;
        }
        sessions.endAll(node);
        return Delivery.Result.OK;
    }

    private static String emptyToNull(String value) {
        return value.isEmpty() ? null : value;
    }
}
