/*
 * The parts of the running Openfire that gates and verbs work on, behind the small interfaces that those define: lookups
 * and calls, in the spelling that links in every version, and nothing that decides.
 */
package org.cloudbridge.openfire;

import java.lang.reflect.Field;
import java.util.Collection;
import java.util.Map;

import org.jivesoftware.openfire.IQRouter;
import org.jivesoftware.openfire.XMPPServer;
import org.jivesoftware.openfire.component.InternalComponentManager;
import org.jivesoftware.openfire.handler.IQHandler;
import org.jivesoftware.openfire.muc.MultiUserChatService;
import org.jivesoftware.openfire.roster.Roster;
import org.jivesoftware.openfire.roster.RosterItem;
import org.jivesoftware.openfire.user.UserNotFoundException;
import org.xmpp.component.Component;
import org.xmpp.component.ComponentException;
import org.xmpp.packet.JID;

/** Adapters to the real server. */
final class OpenfireServer {
    private OpenfireServer() {
    }

    /** The IQ router's table. */
    static IqGate.Handlers handlers(final XMPPServer server) {
        final Features features = new Features(server.getIQDiscoInfoHandler());
        return new IqGate.Handlers() {
            @Override
            public Collection<IQHandler> builtIn() {
                return server.getIQHandlers();
            }

            @Override
            public void add(IQHandler handler) {
                server.getIQRouter().addHandler(handler);
            }

            @Override
            public void remove(IQHandler handler) {
                if (!isReplaced(server.getIQRouter(), handler)) {
                    server.getIQRouter().removeHandler(handler);
                }
            }

            @Override
            public boolean serves(String namespace) {
                return server.getIQRouter().supports(namespace);
            }

            @Override
            public void announce(String feature) {
                features.announce(feature);
            }

            @Override
            public void conceal(String feature) {
                features.conceal(feature);
            }
        };
    }

    /** Whether another plugin has put its handler in the place of ours: the router removes whatever stands there. */
    static boolean isReplaced(IQRouter router, IQHandler handler) {
        try {
            Field table = IQRouter.class.getDeclaredField("namespace2Handlers");
            table.setAccessible(true);
            Object now = ((Map<?, ?>) table.get(router)).get(handler.getInfo().getNamespace());
            return now != null && now != handler;
        } catch (ReflectiveOperationException | RuntimeException e) {
            return false;
        }
    }

    /** The internal components. Removed are ours only, not whoever shares their subdomain. */
    static Components.Registry components(final String domain) {
        return new Components.Registry() {
            @Override
            public boolean isTaken(String subdomain) {
                return InternalComponentManager.getInstance().hasComponent(new JID(subdomain + "." + domain));
            }

            @Override
            public void add(String subdomain, SearchComponent component) throws ComponentException {
                InternalComponentManager.getInstance().addComponent(subdomain, component);
            }

            @Override
            public void remove(String subdomain, SearchComponent component) {
                InternalComponentManager.getInstance().removeComponent(subdomain, component);
            }
        };
    }

    /** Where the address that acts on rooms lives, and what it may do. */
    static RoomHand.Place rooms(final XMPPServer server) {
        return new RoomHand.Place() {
            @Override
            public void add(String subdomain, Component component) throws ComponentException {
                InternalComponentManager.getInstance().addComponent(subdomain, component);
            }

            @Override
            public void remove(String subdomain, Component component) {
                InternalComponentManager.getInstance().removeComponent(subdomain, component);
            }

            @Override
            public void administrator(JID room, JID who, boolean yes) {
                MultiUserChatService service = server.getMultiUserChatManager().getMultiUserChatService(room);
                if (service == null) {
                    return;
                }
                if (yes) {
                    service.addSysadmin(who);
                } else {
                    service.removeSysadmin(who);
                }
            }
        };
    }

    /** How roster items stand. The roster is loaded for it, as the built-in handler will do a moment later. */
    static IqGate.RosterState rosterState(final XMPPServer server) {
        return (owner, contact) -> {
            try {
                Roster roster = server.getRosterManager().getRoster(owner);
                return roster.isRosterItem(contact) ? state(roster.getRosterItem(contact)) : null;
            } catch (UserNotFoundException e) {
                return null;
            }
        };
    }

    /** The subscription and the ask of an item as a client reads them. */
    static String[] state(RosterItem item) {
        RosterItem.SubType subscription = item.getSubStatus();
        RosterItem.AskType ask = item.getAskStatus();
        return new String[] {
            subscription == null || subscription == RosterItem.SUB_REMOVE ? "none" : subscription.getName(),
            ask == RosterItem.ASK_SUBSCRIBE ? "subscribe" : "", // Openfire has an "unsubscribe" as well, RFC 6121 has not.
        };
    }
}
