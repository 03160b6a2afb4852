/*
 * Who is in which room on this node, and what becomes of rooms: kept as a small map for the gates, and told to the host as
 * OCCUPANT notices and as events (docs/boundary.md). All joins and leaves of a room are told from within Openfire's own
 * announcement of them, under a sequence like that of sessions.
 *
 * The listener is the union of all versions' methods: a missing one would cut off whoever caused the call.
 *
 * Openfire announces no change of an affiliation. So the lists are read again whenever one may have changed (a request to the room
 * has been processed, somebody joined or left, the snapshot) and told when they differ from what was told before.
 *
 * What it leaves out: occupants from other servers (their sessions are not ours), and judging who is absent.
 */
package org.cloudbridge.openfire;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;

import org.dom4j.DocumentFactory;
import org.dom4j.Element;
import org.jivesoftware.openfire.event.SessionEventListener;
import org.jivesoftware.openfire.muc.MUCEventListener;
import org.jivesoftware.openfire.session.Session;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.xmpp.packet.JID;
import org.xmpp.packet.Message;

/** Room events to notices and offers. */
final class RoomWatch implements MUCEventListener, SessionEventListener, RoomGate.After {
    private static final Logger LOG = LoggerFactory.getLogger(RoomWatch.class);
    private static final String ADMIN = "http://jabber.org/protocol/muc#admin";
    private static final String OWNER = "http://jabber.org/protocol/muc#owner";

    /** Somebody with an affiliation of member or higher. */
    static final class Affiliated {
        final JID user;
        final String affiliation;

        Affiliated(JID user, String affiliation) {
            this.user = user;
            this.affiliation = affiliation;
        }
    }

    /** Somebody in a room. */
    static final class Occupant {
        final JID room;
        final JID user;
        final String nickname;

        Occupant(JID room, JID user, String nickname) {
            this.room = room;
            this.user = user;
            this.nickname = nickname;
        }
    }

    /** What can be read of Openfire's rooms. */
    interface Rooms {
        boolean exists(JID room);

        /** The name of an affiliation; empty when there is no such room. */
        String affiliation(JID room, JID user) throws Exception;

        /** Whether the room would let this occupant speak. */
        boolean hasVoice(JID room, String nickname) throws Exception;

        /** Owners, administrators and members; null when there is no such room. */
        List<Affiliated> affiliated(JID room) throws Exception;

        /** Everybody in every room. */
        List<Occupant> occupants() throws Exception;
    }

    private final String domain;
    private final HostCalls host;
    private final Offers offers;
    private final Rooms rooms;
    private final RareLog rareLog = new RareLog(LOG);
    private final AtomicLong seq = new AtomicLong();
    /** room -> full JID -> nickname */
    private final ConcurrentHashMap<JID, ConcurrentHashMap<JID, String>> here = new ConcurrentHashMap<>();
    /** Rooms of which nothing is told for the moment. */
    private final java.util.Set<JID> hushed = Collections.newSetFromMap(new ConcurrentHashMap<>());
    /** What was last told of a room's affiliations, as text. */
    private final Map<JID, String> told = Collections.synchronizedMap(new HashMap<>());
    private volatile RoomFanOut fanOut;
    private volatile boolean wanted;
    private volatile boolean notices;

    RoomWatch(String domain, HostCalls host, Offers offers, Rooms rooms) {
        this.domain = domain;
        this.host = host;
        this.offers = offers;
        this.rooms = rooms;
    }

    /** Who is to know when a room has accepted a message. */
    void tells(RoomFanOut to) {
        fanOut = to;
    }

    void filter(FilterTable table) {
        FilterTable.Row row = table.wanted("event", "room", "*");
        wanted = row != null;
        notices = row != null && row.mode >= Frame.MODE_MIRROR;
        if (!wanted) {
            told.clear();
        }
    }

    /** The lists of this room are about to change in several steps. */
    void hush(JID room) {
        hushed.add(room);
    }

    /** They are as they are to be. */
    void speak(JID room) {
        hushed.remove(room);
        lists(room);
    }

    /** Learns who was there before the plugin; call after the listener is registered. */
    void learn() {
        try {
            for (Occupant one : rooms.occupants()) {
                put(one.room, one.user, one.nickname);
            }
        } catch (Throwable e) {
            failed("the list of occupants", e);
        }
    }

    /** The nickname of this session in the room; null when it is not in there. */
    String nickname(JID room, JID user) {
        ConcurrentHashMap<JID, String> occupants = here.get(room);
        return occupants == null ? null : occupants.get(user);
    }

    /** Everybody in the room, by full JID. */
    List<JID> occupants(JID room) {
        ConcurrentHashMap<JID, String> occupants = here.get(room);
        return occupants == null ? Collections.<JID>emptyList() : new ArrayList<>(occupants.keySet());
    }

    /** Whether any session of this user is in the room. */
    boolean isHere(JID room, JID bareUser) {
        ConcurrentHashMap<JID, String> occupants = here.get(room);
        if (occupants != null) {
            for (JID user : occupants.keySet()) {
                if (user.asBareJID().equals(bareUser)) {
                    return true;
                }
            }
        }
        return false;
    }

    /** The OCCUPANTS notice: everybody as it is now. */
    void snapshot() throws Exception {
        long number = seq.incrementAndGet(); // Before it is read, so that what happens meanwhile counts as newer.
        List<Occupant> all = new ArrayList<>();
        for (Occupant one : rooms.occupants()) {
            if (isOurs(one.user)) {
                all.add(one);
            }
        }
        Frame.Writer frame = new Frame.Writer(Frame.NOTICE_OCCUPANTS, 64 + 96 * all.size());
        frame.putLong(number).putInt(all.size());
        for (Occupant one : all) {
            frame.putStr(one.room.toBareJID()).putStr(one.user.toString()).putStr(one.nickname)
                .putStr(rooms.affiliation(one.room.asBareJID(), one.user));
        }
        host.notice(frame.done());
        for (Occupant one : all) {
            lists(one.room.asBareJID());
        }
    }

    public void roomCreated(JID room) {
        lists(room);
    }

    public void roomCreated(long id, JID room) {
        lists(room);
    }

    public void roomDestroyed(JID room) {
        destroyed(room);
    }

    public void roomDestroyed(long id, JID room) {
        destroyed(room);
    }

    public void roomClearChatHistory(long id, JID room) {
        // Openfire's own history; the platform's timeline stays.
    }

    @Override
    public void occupantJoined(JID room, JID user, String nickname) {
        try {
            JID bare = room.asBareJID();
            put(bare, user, nickname);
            lists(bare);
            report(bare, user, nickname, true);
        } catch (Throwable e) {
            failed("occupantJoined", e);
        }
    }

    public void occupantLeft(JID room, JID user) {
        left(room, user);
    }

    public void occupantLeft(JID room, JID user, String nickname) {
        left(room, user);
    }

    public void occupantNickKicked(JID room, String nickname) {
        // occupantLeft comes as well.
    }

    @Override
    public void nicknameChanged(JID room, JID user, String oldNickname, String newNickname) {
        try {
            JID bare = room.asBareJID();
            put(bare, user, newNickname);
            report(bare, user, newNickname, true);
        } catch (Throwable e) {
            failed("nicknameChanged", e);
        }
    }

    @Override
    public void messageReceived(JID room, JID user, String nickname, Message message) {
        try {
            RoomFanOut to = fanOut;
            if (to != null) {
                to.accepted(room.asBareJID(), nickname);
            }
        } catch (Throwable e) {
            failed("messageReceived", e);
        }
    }

    public void privateMessageRecieved(JID to, JID from, Message message) {
        // One-to-one.
    }

    @Override
    public void roomSubjectChanged(JID room, JID user, String subject) {
        try {
            RoomFanOut to = fanOut;
            if (to != null) {
                to.accepted(room.asBareJID(), "");
            }
        } catch (Throwable e) {
            failed("roomSubjectChanged", e);
        }
    }

    @Override
    public void sessionDestroyed(Session session) {
        try {
            if (session == null || session.getAddress() == null) {
                return;
            }
            RoomFanOut to = fanOut;
            if (to != null) {
                to.forget(session.getAddress());
            }
        } catch (Throwable e) {
            failed("sessionDestroyed", e);
        }
    }

    @Override
    public void sessionCreated(Session session) {
        // In no room yet.
    }

    @Override
    public void resourceBound(Session session) {
        // In no room yet.
    }

    @Override
    public void anonymousSessionCreated(Session session) {
        // In no room yet.
    }

    @Override
    public void anonymousSessionDestroyed(Session session) {
        // The room says that the occupant has left.
    }

    /** A request to the room has been processed: its lists may be others. */
    @Override
    public void requested(JID room) {
        lists(room);
    }

    private void left(JID room, JID user) {
        try {
            JID bare = room.asBareJID();
            here.computeIfPresent(bare, (jid, occupants) -> {
                occupants.remove(user);
                return occupants.isEmpty() ? null : occupants;
            });
            RoomFanOut to = fanOut;
            if (to != null) {
                to.gone(bare, user);
            }
            report(bare, user, "", false);
        } catch (Throwable e) {
            failed("occupantLeft", e);
        }
    }

    private void put(JID room, JID user, String nickname) {
        here.compute(room.asBareJID(), (jid, known) -> {
            ConcurrentHashMap<JID, String> occupants = known == null ? new ConcurrentHashMap<>(4) : known;
            occupants.put(user, nickname);
            return occupants;
        });
    }

    /** The OCCUPANT notice. */
    private void report(JID room, JID user, String nickname, boolean open) throws Exception {
        if (!notices || !isOurs(user)) {
            return;
        }
        String affiliation = open ? rooms.affiliation(room, user) : "";
        long number = seq.incrementAndGet();
        RoomFanOut to = fanOut;
        if (open && to != null) {
            to.told(room.asBareJID(), user, number);
        }
        host.notice(new Frame.Writer(Frame.NOTICE_OCCUPANT, 192).putLong(number).putStr(room.toBareJID()).putStr(user.toString())
            .putStr(nickname).putStr(affiliation).putBool(open).done());
    }

    /** Tells who is affiliated with a room, if that is not what was told before. */
    private void lists(JID room) {
        if (!wanted || hushed.contains(room.asBareJID())) {
            return;
        }
        try {
            JID bare = room.asBareJID();
            List<Affiliated> all = rooms.affiliated(bare);
            if (all == null) {
                return;
            }
            Element iq = iq(bare);
            Element query = iq.addElement("query", ADMIN);
            StringBuilder text = new StringBuilder();
            for (Affiliated one : all) {
                if (one.user.getNode() == null || one.user.getDomain().equals(RoomHand.SUBDOMAIN + '.' + domain)) {
                    continue;
                }
                Element item = query.addElement("item");
                item.addAttribute("affiliation", one.affiliation);
                item.addAttribute("jid", one.user.toBareJID());
                text.append(one.affiliation).append(' ').append(one.user.toBareJID()).append('\n');
            }
            String now = text.toString();
            // Two threads may have read the same room: whoever tells last has read last.
            synchronized (told) {
                if (!now.equals(told.put(bare, now))) {
                    offers.show(iq, Frame.FLAG_EVENT | Frame.FLAG_ROOM);
                }
            }
        } catch (Throwable e) {
            failed("the members of a room", e);
        }
    }

    private void destroyed(JID room) {
        try {
            JID bare = room.asBareJID();
            here.remove(bare);
            if (wanted) {
                Element iq = iq(bare);
                iq.addElement("query", OWNER).addElement("destroy");
                synchronized (told) {
                    told.remove(bare);
                    offers.show(iq, Frame.FLAG_EVENT | Frame.FLAG_ROOM);
                }
            }
        } catch (Throwable e) {
            failed("roomDestroyed", e);
        }
    }

    private static Element iq(JID room) {
        Element iq = DocumentFactory.getInstance().createElement("iq");
        iq.addAttribute("type", "set");
        iq.addAttribute("from", room.toBareJID());
        return iq;
    }

    private boolean isOurs(JID user) {
        return user != null && user.getNode() != null && user.getResource() != null && domain.equals(user.getDomain());
    }

    private void failed(String event, Throwable e) {
        if (!(e instanceof HostException && ((HostException) e).code() == HostException.CLOSED)) {
            rareLog.warn("The room event " + event + " could not be passed on: " + e.getClass().getName());
        }
    }
}
