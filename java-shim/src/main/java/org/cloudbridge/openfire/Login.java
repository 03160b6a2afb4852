/*
 * Puts our authentication provider before Openfire's own while the filter table says that the platform decides who logs
 * in, and takes it away again. By reflection, into AuthFactory's field: a property would be stored, would name a class
 * that is not there at the next start, and would reach the other nodes of a cluster.
 *
 * What it leaves out: how a login is decided (LoginProvider) and what clients are told (SaslGuard).
 */
package org.cloudbridge.openfire;

import java.lang.reflect.Field;

import org.jivesoftware.openfire.auth.AuthFactory;
import org.jivesoftware.openfire.auth.AuthProvider;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The exchange of the provider. */
final class Login {
    private static final Logger LOG = LoggerFactory.getLogger(Login.class);

    /** Where Openfire keeps its provider. */
    interface Slot {
        AuthProvider get();

        void set(AuthProvider provider) throws Exception;
    }

    /** AuthFactory's; the field is the same in all versions. */
    static final class FactorySlot implements Slot {
        @Override
        @SuppressWarnings("deprecation") // There is no other way to the one in use.
        public AuthProvider get() {
            return AuthFactory.getAuthProvider();
        }

        @Override
        public void set(AuthProvider provider) throws Exception {
            Field field = AuthFactory.class.getDeclaredField("authProvider");
            field.setAccessible(true);
            field.set(null, provider);
        }
    }

    private final Slot slot;
    private final String domain;
    private final HostCalls host;
    private final LoginProvider.Admins admins;
    private final UserVerbs.Accounts accounts;
    private final SaslGuard.Notes notes = new SaslGuard.Notes();
    /** Ours, while it is wanted. */
    private LoginProvider ours;

    Login(Slot slot, String domain, HostCalls host, LoginProvider.Admins admins, UserVerbs.Accounts accounts) {
        this.slot = slot;
        this.domain = domain;
        this.host = host;
        this.admins = admins;
        this.accounts = accounts;
    }

    /** Puts ours in or takes it out; whatever cannot be done leaves Openfire's provider in place. */
    synchronized void wanted(boolean yes, boolean plainOnly) {
        if (ours != null) {
            ours.plainOnly(plainOnly);
        }
        if (yes && ours == null) {
            putIn(plainOnly);
        } else if (yes && slot.get() != ours) {
            LOG.warn("{} has replaced our authentication provider; the platform does not decide logins", slot.get().getClass().getName());
        } else if (!yes && ours != null) {
            takeOut();
        }
    }

    /** Openfire's own provider, also while ours stands before it. */
    AuthProvider openfires() {
        AuthProvider provider = slot.get();
        return provider instanceof LoginProvider ? ((LoginProvider) provider).previous() : provider;
    }

    private void putIn(boolean plainOnly) {
        LoginProvider provider = new LoginProvider(slot.get(), domain, host, admins, accounts, notes);
        provider.plainOnly(plainOnly);
        try {
            SaslGuard.install(new SaslGuard.Watch(notes, provider::verified));
            slot.set(provider);
            ours = provider;
            LOG.info("The platform decides who logs in; before: {}", provider.previous().getClass().getName());
        } catch (Exception e) {
            SaslGuard.remove();
            LOG.error("The platform cannot decide logins here, Openfire goes on deciding them: {}", e.toString());
        }
    }

    private void takeOut() {
        LoginProvider provider = ours;
        ours = null;
        provider.retire();
        SaslGuard.remove();
        if (slot.get() != provider) {
            LOG.warn("{} has replaced our authentication provider and stays", slot.get().getClass().getName());
            return;
        }
        try {
            slot.set(provider.previous());
            LOG.info("Openfire decides who logs in again");
        } catch (Exception e) {
            LOG.error("Openfire's authentication provider could not be put back; ours passes everything on to it: {}", e.toString());
        }
    }
}
