/*
 * Openfire's accounts, rosters, sessions and stores behind the interfaces of the verbs, like OpenfireServer for the
 * gates: calls in the spelling that links in every version, and nothing that decides.
 */
package org.cloudbridge.openfire;

import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Date;
import java.util.List;

import org.jivesoftware.openfire.OfflineMessage;
import org.jivesoftware.openfire.OfflineMessageStore;
import org.jivesoftware.openfire.SessionManager;
import org.jivesoftware.openfire.XMPPServer;
import org.jivesoftware.openfire.admin.AdminManager;
import org.jivesoftware.openfire.auth.AuthProvider;
import org.jivesoftware.openfire.roster.Roster;
import org.jivesoftware.openfire.session.ClientSession;
import org.jivesoftware.openfire.session.LocalClientSession;
import org.jivesoftware.openfire.session.LocalSession;
import org.jivesoftware.openfire.user.User;
import org.jivesoftware.openfire.user.UserAlreadyExistsException;
import org.jivesoftware.openfire.user.UserManager;
import org.jivesoftware.openfire.user.UserNotFoundException;
import org.xmpp.packet.JID;
import org.xmpp.packet.Presence;

/** Adapters to the real server's people. */
final class OpenfirePeople {
    private OpenfirePeople() {
    }

    static UserVerbs.Accounts accounts() {
        return new UserVerbs.Accounts() {
            @Override
            public boolean exists(String node) {
                try {
                    return UserManager.getInstance().getUser(node) != null;
                } catch (UserNotFoundException e) {
                    return false;
                }
            }

            @Override
            public void create(String node, String password, String name, String email) throws UserAlreadyExistsException {
                UserManager.getInstance().createUser(node, password, name, email);
            }

            @Override
            public void delete(String node) throws UserNotFoundException {
                UserManager.getInstance().deleteUser(UserManager.getInstance().getUser(node));
            }
        };
    }

    static SessionVerbs.Sessions sessions(final XMPPServer server) {
        final SessionManager manager = SessionManager.getInstance();
        return new SessionVerbs.Sessions() {
            @Override
            public ClientSession get(JID fullJid) {
                return manager.getSession(fullJid);
            }

            @Override
            public Collection<ClientSession> all(String node) {
                List<ClientSession> found = new ArrayList<>();
                for (ClientSession session : manager.getSessions()) {
                    if (session.getAddress() != null && node.equals(session.getAddress().getNode()) && !session.isAnonymousUser()) {
                        found.add(session);
                    }
                }
                return found;
            }

            @Override
            public void endDetached(LocalSession session) throws Exception {
                // Its return type has changed, so it links in no spelling.
                Method remove = SessionManager.class.getMethod("removeDetached", LocalSession.class);
                remove.invoke(manager, session);
                Presence unavailable = new Presence(Presence.Type.unavailable);
                unavailable.setFrom(session.getAddress());
                server.getPacketRouter().route(unavailable);
                if (session instanceof LocalClientSession) {
                    manager.removeSession((LocalClientSession) session);
                }
            }
        };
    }

    static RosterVerbs.Rosters rosters(final XMPPServer server) {
        final String domain = server.getServerInfo().getXMPPDomain();
        return new RosterVerbs.Rosters() {
            @Override
            public Roster of(String owner) throws UserNotFoundException {
                UserManager.getInstance().getUser(owner);
                return server.getRosterManager().getRoster(owner);
            }

            @Override
            public void show(String owner, JID contact) {
                if (isUser(contact)) {
                    server.getPresenceManager().probePresence(bare(owner), contact);
                }
            }

            @Override
            public void hide(String owner, JID contact) {
                if (isUser(contact)) {
                    server.getPresenceManager().sendUnavailableFromSessions(bare(owner), contact);
                }
            }

            private JID bare(String owner) {
                return new JID(owner, domain, null);
            }

            private boolean isUser(JID contact) {
                try {
                    return contact.getNode() != null && domain.equals(contact.getDomain())
                        && UserManager.getInstance().getUser(contact.getNode()) != null;
                } catch (UserNotFoundException e) {
                    return false;
                }
            }
        };
    }

    static ReadVerbs.Source source(final Login login) {
        return new ReadVerbs.Source() {
            @Override
            public Collection<String> usernames() {
                return UserManager.getInstance().getUsernames();
            }

            @Override
            public User user(String node) throws UserNotFoundException {
                return UserManager.getInstance().getUser(node);
            }

            @Override
            public boolean isAdmin(String node) {
                return AdminManager.getInstance().isUserAdmin(node, true);
            }

            @Override
            public AuthProvider auth() {
                return login.openfires();
            }

            @Override
            public Collection<OfflineMessage> offline(String node) {
                return OfflineMessageStore.getInstance().getMessages(node, false);
            }

            @Override
            public void dropOffline(String node, Date created) {
                OfflineMessageStore.getInstance().deleteMessage(node, created);
            }
        };
    }
}
