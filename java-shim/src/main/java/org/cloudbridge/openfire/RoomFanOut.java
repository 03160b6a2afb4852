/*
 * What a room really does with a message: whether it accepts it, and to whom it goes. Only the room knows, and it says so by
 * what it does: it announces what it accepts and sends one copy to each occupant, all on the thread that routes the message.
 * So between the beginning and the end of a route the copies are written down as they pass.
 *
 * A member who has just joined and is owed older messages is `fresh`: copies of what the bridge releases are kept from it
 * until it has what came before (the platform has them as missed, so they come in their turn).
 *
 * What it leaves out: what follows from it (the host).
 */
package org.cloudbridge.openfire;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

import org.jivesoftware.openfire.interceptor.PacketInterceptor;
import org.jivesoftware.openfire.interceptor.PacketRejectedException;
import org.jivesoftware.openfire.session.Session;
import org.xmpp.packet.JID;
import org.xmpp.packet.Message;
import org.xmpp.packet.Packet;

/** The copies of room messages on their way out. */
final class RoomFanOut implements PacketInterceptor {
    /** One message on its way through its room. */
    static final class Speech {
        private final JID room;
        /** What the bridge releases; another's goes to everybody. */
        private final boolean ours;
        private boolean accepted;
        private String nickname = "";
        private final List<JID> reached = new ArrayList<>();

        private Speech(JID room, boolean ours) {
            this.room = room;
            this.ours = ours;
        }

        boolean isAccepted() {
            return accepted;
        }

        /** Under which name the room has accepted it. */
        String nickname() {
            return nickname;
        }

        /** Full JIDs of the sessions that the room has sent it to. */
        List<JID> reached() {
            return reached;
        }
    }

    /** A copy that is kept back. One object, no stack, no message. */
    private static final class KeptBack extends PacketRejectedException {
        private static final long serialVersionUID = 1L;

        @Override
        public synchronized Throwable fillInStackTrace() {
            return this;
        }
    }

    private final KeptBack keptBack = new KeptBack();
    private final ConcurrentHashMap<Thread, Speech> speeches = new ConcurrentHashMap<>();
    /** A join that no notice has told of yet. */
    private static final long UNTOLD = Long.MAX_VALUE;
    /** room -> full JID -> number of the notice that told of its join */
    private final ConcurrentHashMap<JID, ConcurrentHashMap<JID, Long>> fresh = new ConcurrentHashMap<>();

    /** From here to end() what this room does on this thread is about one message. */
    void begin(JID room, boolean ours) {
        speeches.put(Thread.currentThread(), new Speech(room, ours));
    }

    /** What became of it; null without a beginning on this thread. */
    Speech end() {
        return speeches.remove(Thread.currentThread());
    }

    /** Whether the room has accepted what is under way on this thread. */
    boolean isAccepted() {
        Speech speech = speeches.isEmpty() ? null : speeches.get(Thread.currentThread());
        return speech != null && speech.accepted;
    }

    /** The room says that it has accepted what is under way. */
    void accepted(JID room, String nickname) {
        Speech speech = speeches.isEmpty() ? null : speeches.get(Thread.currentThread());
        if (speech != null && speech.room.equals(room)) {
            speech.accepted = true;
            speech.nickname = nickname;
        }
    }

    /** This session is owed older messages first. */
    void owed(JID room, JID user) {
        fresh.computeIfAbsent(room, jid -> new ConcurrentHashMap<>()).put(user, UNTOLD);
    }

    /** Its join is told under this number. */
    void told(JID room, JID user, long number) {
        ConcurrentHashMap<JID, Long> users = fresh.get(room);
        if (users != null) {
            users.computeIfPresent(user, (jid, told) -> told == UNTOLD ? number : told);
        }
    }

    /** It has what the join of this number was owed, or will not get it: from now on it hears what is said, unless it has joined anew since. */
    void live(JID room, JID user, long number) {
        fresh.computeIfPresent(room, (jid, users) -> {
            users.computeIfPresent(user, (other, told) -> told <= number ? null : told);
            return users.isEmpty() ? null : users;
        });
    }

    /** It is not in the room. */
    void gone(JID room, JID user) {
        live(room, user, UNTOLD);
    }

    /** The session has ended. */
    void forget(JID user) {
        for (JID room : fresh.keySet()) {
            gone(room, user);
        }
    }

    /** How many sessions are owed something; for tests. */
    int owed() {
        int count = 0;
        for (Map<JID, Long> users : fresh.values()) {
            count += users.size();
        }
        return count;
    }

    @Override
    public void interceptPacket(Packet packet, Session session, boolean incoming, boolean processed) throws PacketRejectedException {
        if (incoming || processed || speeches.isEmpty() || !(packet instanceof Message)) {
            return;
        }
        Speech speech = speeches.get(Thread.currentThread());
        JID from = packet.getFrom();
        JID to = packet.getTo();
        if (speech == null || from == null || to == null || ((Message) packet).getType() != Message.Type.groupchat
            || !speech.room.equals(from.asBareJID())) {
            return;
        }
        Map<JID, Long> owed = speech.ours ? fresh.get(speech.room) : null;
        if (owed != null && owed.containsKey(to)) {
            throw keptBack;
        }
        speech.reached.add(to);
    }
}
