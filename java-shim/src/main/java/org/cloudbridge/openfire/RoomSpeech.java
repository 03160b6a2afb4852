/*
 * What is said in rooms meets the host here: group chat of this server's clients is held until the platform has it on its
 * timeline, then routed once, and the room sends its copies. What passes without being held (from other servers, from
 * plugins, or because nobody could be asked) is told afterwards, if the room accepted it, together with whom it reached.
 *
 * Held is only what the room would accept: its sender is in the room and may speak. If the sender has left when the message
 * is let go, the room would refuse what it would have accepted at its time; then it is handed to the occupants in its place.
 *
 * What it leaves out: everything to people, also to one occupant (MessageGate); who is owed what (the host).
 */
package org.cloudbridge.openfire;

import org.dom4j.Element;
import org.jivesoftware.openfire.PacketRouter;
import org.jivesoftware.openfire.session.ClientSession;
import org.xmpp.packet.JID;
import org.xmpp.packet.Message;
import org.xmpp.packet.Packet;

/** Group chat on its way into rooms and out of the bridge again. */
final class RoomSpeech {
    static final String OWN = "urn:cloudbridge:room:0";
    private static final String GROUPCHAT = "groupchat";
    private static final String RECEIPTS = "urn:xmpp:receipts";
    private static final String MARKERS = "urn:xmpp:chat-markers:0";

    private final Offers offers;
    private final PacketRouter router;
    private final Delivery.Sessions sessions;
    private final RoomGate.Services services;
    private final RoomWatch watch;
    private final RoomWatch.Rooms rooms;
    private final RoomFanOut fanOut;
    /** What passes, by the thread on which it does, as it was before the room changed it. */
    private final java.util.concurrent.ConcurrentHashMap<Thread, Element> passing = new java.util.concurrent.ConcurrentHashMap<>();

    RoomSpeech(Offers offers, PacketRouter router, Delivery.Sessions sessions, RoomGate.Services services, RoomWatch watch,
               RoomWatch.Rooms rooms, RoomFanOut fanOut) {
        this.offers = offers;
        this.router = router;
        this.sessions = sessions;
        this.services = services;
        this.watch = watch;
        this.rooms = rooms;
        this.fanOut = fanOut;
    }

    /** A group chat message on its way in; true = taken. */
    boolean offer(Message message, boolean ours, FilterTable.Row row) throws Exception {
        JID to = message.getTo();
        if (to == null || to.getNode() == null || !services.isService(to.getDomain())) {
            return false; // Group chat to people is nobody's.
        }
        Element element = message.getElement();
        JID room = to.asBareJID();
        String nickname = ours ? watch.nickname(room, message.getFrom()) : null;
        if (row.mode == Frame.MODE_DECIDE && nickname != null) {
            // A receipt to one occupant is no message that the room would take: the host counts it, and nobody is bothered.
            boolean holds = to.getResource() == null ? rooms.hasVoice(room, nickname) : isReceipt(element);
            if (holds && offers.hold(message, element, Frame.FLAG_ROOM, new Keeper(nickname))) {
                return true;
            }
        } else if (row.mode == Frame.MODE_WATCH) {
            offers.show(element, Frame.FLAG_ROOM);
        }
        if (row.mode > Frame.MODE_WATCH && to.getResource() == null) {
            passing.put(Thread.currentThread(), element.createCopy());
            fanOut.begin(room, false);
        }
        return false;
    }

    /**
     * A message has been processed: what the room has accepted is told. Copies to occupants without a session here are routed,
     * and processed, before the room says that it has accepted; what it refuses is forgotten with the next message.
     */
    void processed() throws HostException {
        Element said = passing.isEmpty() ? null : passing.get(Thread.currentThread());
        if (said == null || !fanOut.isAccepted()) {
            return;
        }
        passing.remove(Thread.currentThread());
        RoomFanOut.Speech speech = fanOut.end();
        Element reached = said.addElement("reached", OWN).addAttribute("nick", speech.nickname());
        for (JID one : speech.reached()) {
            reached.addElement("to").addAttribute("jid", one.toString());
        }
        offers.show(said, Frame.FLAG_EVENT | Frame.FLAG_ROOM);
    }

    /** Says something in a room for somebody else than a client, and tells it like what passes. */
    void say(Message message) throws HostException {
        passing.put(Thread.currentThread(), message.getElement().createCopy());
        fanOut.begin(message.getTo().asBareJID(), false);
        router.route(message);
        processed();
    }

    /**
     * Lets a message go into its room. What comes of it stands in the detail: `refused`, or `accepted` and whom it reached, by lines;
     * `handed` instead when it was handed to the occupants because its sender is not in there any more.
     */
    Delivery.Result speak(Message message, String nickname) {
        JID room = message.getTo().asBareJID();
        JID from = message.getFrom();
        fanOut.begin(room, true);
        RoomFanOut.Speech speech;
        boolean instead = false;
        try {
            if (watch.nickname(room, from) == null && rooms.exists(room)) {
                instead = true;
                handOut(message, room, nickname);
            } else {
                router.route(message);
            }
        } finally {
            speech = fanOut.end();
        }
        if (!speech.isAccepted() && !instead) {
            return new Delivery.Result(Frame.OUTCOME_OK, "refused");
        }
        StringBuilder detail = new StringBuilder(instead ? "handed" : "accepted");
        for (JID one : speech.reached()) {
            detail.append('\n').append(one);
        }
        return new Delivery.Result(Frame.OUTCOME_OK, detail.toString());
    }

    /** In the place of a room that would not accept it any more, since its sender has left. */
    private void handOut(Message message, JID room, String nickname) {
        for (JID occupant : watch.occupants(room)) {
            Message copy = message.createCopy();
            copy.setFrom(new JID(room.getNode(), room.getDomain(), nickname, true));
            copy.setTo(occupant);
            ClientSession session = sessions.get(occupant);
            if (session != null) {
                session.process(copy);
            } else {
                router.route(copy);
            }
        }
    }

    /** Nothing but a receipt (XEP-0184) or a marker (XEP-0333). */
    private static boolean isReceipt(Element message) {
        if (message.element("body") != null) {
            return false;
        }
        for (Object one : message.elements()) {
            String namespace = ((Element) one).getNamespaceURI();
            if (RECEIPTS.equals(namespace) || MARKERS.equals(namespace)) {
                return true;
            }
        }
        return false;
    }

    static boolean isGroupchat(Message message) {
        return GROUPCHAT.equals(message.getElement().attributeValue("type"));
    }

    /** Keeps one held message; knows under which name it is said. */
    private final class Keeper implements Held.Keeper {
        private final String nickname;

        Keeper(String nickname) {
            this.nickname = nickname;
        }

        @Override
        public Delivery.Result release(Packet packet) {
            return speak((Message) packet, nickname);
        }

        /** One error, from the room. */
        @Override
        public Delivery.Result refuse(Packet packet, String type, String condition, String text) {
            ClientSession session = sessions.get(packet.getFrom());
            if (session != null) {
                session.process(Stanzas.error((Message) packet, type, condition, text));
            }
            return Delivery.Result.OK;
        }

        @Override
        public Delivery.Result replace(Packet packet, String xml, StanzaReader reader) throws Exception {
            return speak(reader.message(xml), nickname);
        }
    }
}
