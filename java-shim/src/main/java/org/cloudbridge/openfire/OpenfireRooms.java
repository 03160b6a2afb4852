/*
 * Openfire's rooms behind the small interfaces that gates and verbs define. The service and whether a room exists are asked
 * in the spelling that links in every version. A room itself is a thing of another kind in every second version
 * (an interface until 4.6, a class since; what it gives changed with 5.0), so it is only read, and by reflection: methods that
 * have the same name in all of them. What is done to rooms is done by protocol.
 */
package org.cloudbridge.openfire;

import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;

import org.jivesoftware.openfire.XMPPServer;
import org.jivesoftware.openfire.muc.MultiUserChatService;
import org.xmpp.packet.JID;

/** Reads rooms of the real server. */
final class OpenfireRooms implements RoomGate.Services, RoomWatch.Rooms {
    private final XMPPServer server;
    private final String domain;

    OpenfireRooms(XMPPServer server) {
        this.server = server;
        domain = server.getServerInfo().getXMPPDomain();
    }

    @Override
    public boolean isService(String of) {
        return service(of) != null;
    }

    private MultiUserChatService service(String of) {
        // A subdomain of ours; the lookup itself is a map, but would take any domain that ends like one.
        if (of == null || of.length() <= domain.length() + 1 || !of.endsWith('.' + domain)) {
            return null;
        }
        MultiUserChatService service = server.getMultiUserChatManager().getMultiUserChatService(of.substring(0, of.length() - domain.length() - 1));
        return service != null && of.equals(service.getServiceDomain()) ? service : null;
    }

    /** The room, only held and never called; null if there is none. */
    private Object room(JID room) {
        MultiUserChatService service = service(room.getDomain());
        return service == null || room.getNode() == null || !service.hasChatRoom(room.getNode()) ? null : service.getChatRoom(room.getNode());
    }

    @Override
    public boolean exists(JID room) {
        MultiUserChatService service = service(room.getDomain());
        return service != null && room.getNode() != null && service.hasChatRoom(room.getNode());
    }

    @Override
    public String affiliation(JID room, JID user) throws ReflectiveOperationException {
        Object found = room(room);
        return found == null ? "" : String.valueOf(find(found, "getAffiliation", JID.class).invoke(found, user.asBareJID()));
    }

    @Override
    public boolean hasVoice(JID room, String nickname) throws ReflectiveOperationException {
        Object found = room(room);
        if (found == null) {
            return false;
        }
        if (!Boolean.TRUE.equals(call(found, "isModerated"))) {
            return true;
        }
        for (Object occupant : occupantsOf(found)) {
            if (nickname.equals(call(occupant, "getNickname"))) {
                return !"visitor".equals(String.valueOf(call(occupant, "getRole")));
            }
        }
        return false;
    }

    @Override
    public List<RoomWatch.Affiliated> affiliated(JID room) throws ReflectiveOperationException {
        Object found = room(room);
        if (found == null) {
            return null;
        }
        List<RoomWatch.Affiliated> all = new ArrayList<>();
        String[][] lists = {{"getOwners", "owner"}, {"getAdmins", "admin"}, {"getMembers", "member"}};
        for (String[] list : lists) {
            for (Object user : (Collection<?>) call(found, list[0])) {
                all.add(new RoomWatch.Affiliated((JID) user, list[1]));
            }
        }
        return all;
    }

    @Override
    public List<RoomWatch.Occupant> occupants() throws ReflectiveOperationException {
        List<RoomWatch.Occupant> all = new ArrayList<>();
        for (Object one : server.getMultiUserChatManager().getMultiUserChatServices()) {
            for (Object room : roomsOf((MultiUserChatService) one)) {
                JID jid = (JID) call(room, "getJID");
                for (Object occupant : occupantsOf(room)) {
                    JID user = (JID) call(occupant, "getUserAddress");
                    if (user != null && user.getResource() != null) {
                        all.add(new RoomWatch.Occupant(jid, user, String.valueOf(call(occupant, "getNickname"))));
                    }
                }
            }
        }
        return all;
    }

    /** The rooms that are in memory: a room with occupants is. */
    private static Collection<?> roomsOf(MultiUserChatService service) throws ReflectiveOperationException {
        try {
            return (Collection<?>) call(service, "getActiveChatRooms"); // 4.7 and later.
        } catch (NoSuchMethodException e) {
            return (Collection<?>) call(service, "getChatRooms"); // Until 4.7.
        }
    }

    private static Collection<?> occupantsOf(Object room) throws ReflectiveOperationException {
        return (Collection<?>) call(room, "getOccupants");
    }

    private static Object call(Object of, String method) throws ReflectiveOperationException {
        return find(of, method).invoke(of);
    }

    /** The method, where it may be called: the class itself may be hidden, what it implements is not. */
    private static Method find(Object of, String name, Class<?>... parameters) throws NoSuchMethodException {
        for (Class<?> type = of.getClass(); type != null; type = type.getSuperclass()) {
            if (java.lang.reflect.Modifier.isPublic(type.getModifiers())) {
                return type.getMethod(name, parameters);
            }
            for (Class<?> face : type.getInterfaces()) {
                try {
                    return face.getMethod(name, parameters);
                } catch (NoSuchMethodException e) {
                    continue;
                }
            }
        }
        throw new NoSuchMethodException(name);
    }
}
