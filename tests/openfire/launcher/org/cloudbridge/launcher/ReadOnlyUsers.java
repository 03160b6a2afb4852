package org.cloudbridge.launcher;

import org.jivesoftware.openfire.user.DefaultUserProvider;

/** Openfire's own users, which cannot be changed: what a directory (LDAP) is to Openfire. */
public final class ReadOnlyUsers extends DefaultUserProvider {

    @Override
    public boolean isReadOnly() {
        return true;
    }
}
