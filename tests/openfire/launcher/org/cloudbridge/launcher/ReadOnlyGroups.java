package org.cloudbridge.launcher;

import org.jivesoftware.openfire.group.DefaultGroupProvider;

/** Openfire's own groups, which cannot be changed: what a directory (LDAP) is to Openfire. */
public final class ReadOnlyGroups extends DefaultGroupProvider {

    @Override
    public boolean isReadOnly() {
        return true;
    }
}
