/*
 * Acts on rooms as anybody else would, by protocol: an address of our own on a component of our own, which enters a room, asks
 * for what is to be done, and leaves. So it works with rooms of every version, and needs nothing of their inside.
 *
 * It may do in every room what an owner may, for as long as it does something: the room service takes it for one of its
 * administrators meanwhile.
 *
 * What it leaves out: what is to be done (the host), and telling what has changed (RoomWatch).
 */
package org.cloudbridge.openfire;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;

import org.dom4j.Element;
import org.dom4j.QName;
import org.jivesoftware.openfire.PacketRouter;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.xmpp.component.AbstractComponent;
import org.xmpp.component.Component;
import org.xmpp.packet.IQ;
import org.xmpp.packet.JID;
import org.xmpp.packet.Message;
import org.xmpp.packet.Packet;
import org.xmpp.packet.PacketError;
import org.xmpp.packet.Presence;

/** The component, and the verbs that change rooms. */
final class RoomHand extends AbstractComponent implements Appliers.Area {
    /** Its subdomain. */
    static final String SUBDOMAIN = "cloudbridge";
    private static final Logger LOG = LoggerFactory.getLogger(RoomHand.class);
    private static final String MUC = "http://jabber.org/protocol/muc";
    private static final String NONE = "none";
    private static final String MEMBERS_ONLY = "members-only";
    private static final int QUEUE = 1000;
    private static final long SECONDS = 15;

    /** Openfire's components, and who administers a room service. */
    interface Place {
        void add(String subdomain, Component component) throws Exception;

        void remove(String subdomain, Component component);

        /** Makes this address an administrator of the room's service, or no longer. */
        void administrator(JID room, JID who, boolean yes);
    }

    /** Something between entering and leaving. */
    private interface Inside {
        void act(JID me) throws Exception;
    }

    private final String domain;
    private final PacketRouter router;
    private final RoomGate.Services services;
    private final RoomWatch.Rooms rooms;
    private final RoomWatch watch;
    private final RoomSpeech speech;
    private final Place place;
    private final AtomicLong numbers = new AtomicLong();
    /** What is waited for: the id of a request, or the own full JID and the room. */
    private final ConcurrentHashMap<String, CompletableFuture<Packet>> waiting = new ConcurrentHashMap<>();
    private boolean there;

    RoomHand(String domain, PacketRouter router, RoomGate.Services services, RoomWatch.Rooms rooms, RoomWatch watch, RoomSpeech speech,
             Place place) {
        super(2, QUEUE, false);
        this.domain = domain;
        this.router = router;
        this.services = services;
        this.rooms = rooms;
        this.watch = watch;
        this.speech = speech;
        this.place = place;
    }

    /** It is there while rooms are decided. */
    synchronized void filter(FilterTable table) {
        FilterTable.Row row = table.wanted("event", "room", "*");
        boolean wanted = row != null && row.mode == Frame.MODE_DECIDE;
        if (wanted == there) {
            return;
        }
        try {
            if (wanted) {
                place.add(SUBDOMAIN, this);
            } else {
                place.remove(SUBDOMAIN, this);
            }
            there = wanted;
        } catch (Exception e) {
            LOG.warn("The address that acts on rooms could not be {}: {}", wanted ? "added" : "removed", e.toString());
        }
    }

    @Override
    public void addTo(Appliers table) {
        table.verb("room.make", 1, (thread, a) -> make(new JID(a[0]), a));
        table.verb("room.destroy", 1, (thread, a) -> destroy(new JID(a[0])));
        table.verb("room.member", 3, (thread, a) -> member(new JID(a[0]), a[1], a[2]));
        table.verb("room.say", 3, (thread, a) -> say(new JID(a[0]), a[1], thread.reader.message(a[2])));
    }

    /**
     * The room with exactly these members: pairs of affiliation and bare JID, in one argument each, separated by a space. With
     * {@code members-only} as the first of them nobody else may enter from now on.
     */
    private Delivery.Result make(JID room, String[] arguments) throws Exception {
        if (!services.isService(room.getDomain())) {
            return Delivery.Result.GONE;
        }
        ConcurrentHashMap<String, String> wanted = new ConcurrentHashMap<>();
        final boolean closed = arguments.length > 1 && MEMBERS_ONLY.equals(arguments[1]);
        for (int i = closed ? 2 : 1; i < arguments.length; i++) {
            String[] pair = arguments[i].split(" ", 2);
            wanted.put(pair[1], pair[0]);
        }
        final boolean fresh = !rooms.exists(room);
        // What it looks like on the way is nobody's wish.
        watch.hush(room);
        try {
            within(room, null, me -> {
                if (fresh) {
                    configure(me, room, closed);
                }
                ConcurrentHashMap<String, String> now = new ConcurrentHashMap<>();
                for (RoomWatch.Affiliated one : rooms.affiliated(room)) {
                    if (one.user.getNode() != null && !me.getDomain().equals(one.user.getDomain())) {
                        now.put(one.user.toBareJID(), one.affiliation);
                    }
                }
                for (java.util.Map.Entry<String, String> one : wanted.entrySet()) {
                    if (!one.getValue().equals(now.remove(one.getKey()))) {
                        affiliate(me, room, one.getKey(), one.getValue());
                    }
                }
                for (String user : now.keySet()) {
                    affiliate(me, room, user, NONE);
                }
                // When everybody is a member who is to stay.
                if (closed && !fresh) {
                    configure(me, room, true);
                    putOut(me, room);
                }
                // Whoever makes a room owns it. Others do so now, if there are any.
                if (wanted.containsValue("owner") && isListed(room, me)) {
                    affiliate(me, room, me.toBareJID(), NONE);
                }
            });
        } finally {
            watch.speak(room);
        }
        return fresh ? Delivery.Result.OK : new Delivery.Result(Frame.OUTCOME_OK, "already");
    }

    private Delivery.Result destroy(JID room) throws Exception {
        if (!services.isService(room.getDomain()) || !rooms.exists(room)) {
            return new Delivery.Result(Frame.OUTCOME_OK, "already");
        }
        within(room, null, me -> {
            Element query = request(room, MUC + "#owner");
            query.addElement("destroy");
            ask(me, query.getParent());
        });
        return Delivery.Result.OK;
    }

    private Delivery.Result member(JID room, String user, String affiliation) throws Exception {
        if (!services.isService(room.getDomain()) || !rooms.exists(room)) {
            return Delivery.Result.GONE;
        }
        if (affiliation.equals(rooms.affiliation(room, new JID(user)))) {
            return new Delivery.Result(Frame.OUTCOME_OK, "already");
        }
        within(room, null, me -> affiliate(me, room, user, affiliation));
        return Delivery.Result.OK;
    }

    private Delivery.Result say(JID room, String nickname, Message message) throws Exception {
        if (!services.isService(room.getDomain()) || !rooms.exists(room)) {
            return Delivery.Result.GONE;
        }
        within(room, nickname, me -> {
            message.setFrom(me);
            message.setTo(room);
            message.setType(Message.Type.groupchat);
            speech.say(message);
        });
        return Delivery.Result.OK;
    }

    /** Enters, acts, leaves, in each case. */
    private synchronized void within(JID room, String nickname, Inside inside) throws Exception {
        JID me = new JID("platform", SUBDOMAIN + '.' + domain, "r" + numbers.incrementAndGet());
        String nick = nickname == null || nickname.isEmpty() ? "Cloud Bridge" : nickname;
        JID place = new JID(room.getNode(), room.getDomain(), nick);
        this.place.administrator(room, me.asBareJID(), true);
        try {
            Presence join = new Presence();
            join.setFrom(me);
            join.setTo(place);
            join.addChildElement("x", MUC).addElement("history").addAttribute("maxstanzas", "0");
            CompletableFuture<Packet> entered = new CompletableFuture<>();
            waiting.put(key(me, room), entered);
            router.route(join);
            check(await(entered, key(me, room)));
            try {
                inside.act(me);
            } finally {
                Presence leave = new Presence(Presence.Type.unavailable);
                leave.setFrom(me);
                leave.setTo(place);
                router.route(leave);
            }
        } finally {
            this.place.administrator(room, me.asBareJID(), false);
        }
    }

    /** Whoever is no member has to leave. Not every Openfire does so by itself when a room becomes members-only (4.2 does not). */
    private void putOut(JID me, JID room) throws Exception {
        for (JID user : watch.occupants(room)) {
            String nickname = watch.nickname(room, user);
            if (nickname == null || user.getDomain().equals(me.getDomain()) || !NONE.equals(rooms.affiliation(room, user))) {
                continue;
            }
            Element query = request(room, MUC + "#admin");
            query.addElement("item").addAttribute("role", NONE).addAttribute("nick", nickname);
            try {
                ask(me, query.getParent());
            } catch (IllegalStateException e) {
                // Gone meanwhile, or one whom the room keeps in any case: an administrator of the service.
                LOG.debug("Somebody was not put out of a room that became members-only: {}", e.getMessage());
            }
        }
    }

    private boolean isListed(JID room, JID me) throws Exception {
        for (RoomWatch.Affiliated one : rooms.affiliated(room)) {
            if (one.user.asBareJID().equals(me.asBareJID())) {
                return true;
            }
        }
        return false;
    }

    /** What a form does not name stays as it is. */
    private void configure(JID me, JID room, boolean membersOnly) throws Exception {
        Element form = request(room, MUC + "#owner").addElement(QName.get("x", "jabber:x:data")).addAttribute("type", "submit");
        field(form, "FORM_TYPE", MUC + "#roomconfig");
        field(form, "muc#roomconfig_persistentroom", "1");
        if (membersOnly) {
            field(form, "muc#roomconfig_membersonly", "1");
        }
        ask(me, form.getParent().getParent());
    }

    private void affiliate(JID me, JID room, String user, String affiliation) throws Exception {
        Element query = request(room, MUC + "#admin");
        query.addElement("item").addAttribute("affiliation", affiliation).addAttribute("jid", user);
        ask(me, query.getParent());
    }

    private static Element request(JID room, String namespace) {
        IQ iq = new IQ(IQ.Type.set);
        iq.setTo(room);
        return iq.setChildElement("query", namespace);
    }

    private static void field(Element form, String name, String value) {
        form.addElement("field").addAttribute("var", name).addElement("value").addText(value);
    }

    private void ask(JID me, Element request) throws Exception {
        IQ iq = new IQ(request);
        iq.setFrom(me);
        iq.setID("cb-room-" + numbers.incrementAndGet());
        CompletableFuture<Packet> answered = new CompletableFuture<>();
        waiting.put(iq.getID(), answered);
        router.route(iq);
        check(await(answered, iq.getID()));
    }

    private Packet await(CompletableFuture<Packet> future, String key) throws Exception {
        try {
            return future.get(SECONDS, TimeUnit.SECONDS);
        } catch (TimeoutException e) {
            throw new IllegalStateException("the room does not answer");
        } finally {
            waiting.remove(key);
        }
    }

    private static void check(Packet answer) {
        PacketError error = answer.getError();
        if (error != null) {
            throw new IllegalStateException("the room says " + error.getCondition());
        }
    }

    private static String key(JID me, JID room) {
        return me + " " + room.toBareJID();
    }

    private void came(String key, Packet packet) {
        CompletableFuture<Packet> future = key == null ? null : waiting.get(key);
        if (future != null) {
            future.complete(packet);
        }
    }

    @Override
    protected void handleIQResult(IQ iq) {
        came(iq.getID(), iq);
    }

    @Override
    protected void handleIQError(IQ iq) {
        came(iq.getID(), iq);
    }

    @Override
    protected void handlePresence(Presence presence) {
        if (presence.getFrom() == null || presence.getTo() == null) {
            return;
        }
        Element x = presence.getElement().element(QName.get("x", MUC + "#user"));
        boolean self = presence.getError() != null;
        for (Object one : x == null ? java.util.Collections.emptyList() : x.elements("status")) {
            self |= "110".equals(((Element) one).attributeValue("code"));
        }
        if (self) {
            came(key(presence.getTo(), presence.getFrom()), presence);
        }
    }

    @Override
    protected void handleMessage(Message message) {
        // What is said while it is in there is not for it.
    }

    @Override
    public String getName() {
        return "Cloud Bridge";
    }

    @Override
    public String getDescription() {
        return "Acts on rooms for the cloud platform.";
    }
}
