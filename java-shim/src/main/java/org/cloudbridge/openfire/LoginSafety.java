/*
 * Tells the host what speaks against deciding logins on this server, clients that may log in without TLS and a user
 * provider that can make no accounts, and against deciding groups, a group provider that changes none. Told as if they were settings, like Settings.CLUSTERED, at the start and whenever
 * a property that they depend on changes.
 *
 * What it leaves out: what follows from it (the host refuses the mode decide and says why).
 */
package org.cloudbridge.openfire;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

import org.jivesoftware.openfire.group.GroupManager;
import org.jivesoftware.openfire.user.UserManager;
import org.jivesoftware.util.JiveGlobals;
import org.jivesoftware.util.PropertyEventListener;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The facts, now and when they change. */
final class LoginSafety implements PropertyEventListener {
    static final String USERS_READ_ONLY = Settings.PREFIX + "usersReadOnly";
    static final String GROUPS_READ_ONLY = Settings.PREFIX + "groupsReadOnly";
    static final String TLS_OPTIONAL = Settings.PREFIX + "tlsOptional";
    private static final Logger LOG = LoggerFactory.getLogger(LoginSafety.class);
    private static final String TLS_POLICY = "xmpp.client.tls.policy";
    /** The properties that these facts depend on; Openfire's own listeners are registered before ours. */
    private static final List<String> SOURCES = Arrays.asList(TLS_POLICY, "provider.user.className", "provider.group.className");

    private final HostCalls host;

    LoginSafety(HostCalls host) {
        this.host = host;
    }

    static Map<String, String> now() {
        Map<String, String> facts = new TreeMap<>();
        facts.put(USERS_READ_ONLY, String.valueOf(UserManager.getUserProvider().isReadOnly()));
        facts.put(GROUPS_READ_ONLY, String.valueOf(GroupManager.getInstance().isReadOnly()));
        // Without the property it is optional, up to 4.9 at least: who wants logins decided says it.
        facts.put(TLS_OPTIONAL, String.valueOf(!"required".equalsIgnoreCase(JiveGlobals.getProperty(TLS_POLICY))));
        return facts;
    }

    @Override
    public void propertySet(String property, Map params) {
        changed(property);
    }

    @Override
    public void propertyDeleted(String property, Map params) {
        changed(property);
    }

    @Override
    public void xmlPropertySet(String property, Map params) {
        // Openfire reads none of them from its file.
    }

    @Override
    public void xmlPropertyDeleted(String property, Map params) {
        // The same.
    }

    /** Openfire deletes a property's children with it and says so only for the property. */
    private void changed(String property) {
        try {
            if (property == null || SOURCES.stream().noneMatch(source -> source.startsWith(property))) {
                return;
            }
            for (Map.Entry<String, String> fact : now().entrySet()) {
                host.notice(new Frame.Writer(Frame.NOTICE_SETTING).putStr(fact.getKey()).putBool(true).putStr(fact.getValue()).done());
            }
        } catch (Throwable e) {
            if (!(e instanceof HostException && ((HostException) e).code() == HostException.CLOSED)) {
                LOG.warn("A changed property could not be passed on: {}", e.getClass().getName());
            }
        }
    }
}
