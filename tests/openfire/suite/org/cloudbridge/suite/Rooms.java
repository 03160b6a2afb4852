package org.cloudbridge.suite;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;

/** Rooms in decide mode: the platform keeps the timeline, and everybody finds each message once. */
final class Rooms {

    static final String MUC = "http://jabber.org/protocol/muc";
    static final String OWN = "urn:cloudbridge:room:0";
    private static final String DELAY = "urn:xmpp:delay";

    private Rooms() {
    }

    /** A server that decides about chat and rooms by a platform of the suite's own, with limits that no busy machine reaches. */
    static Server patient(Stage stage, Stage.Remote remote, String... users) throws Exception {
        return Decide.patient(stage, remote, users).set("room.mode", "decide").set("room.timeoutMillis", 60_000);
    }

    /** A deciding server, and the hall, which stays: Juliet its owner and in it, Romeo its member and not in it. */
    private static final class Hall {

        private final Stage.Remote remote;
        private final Server server;
        private final Client juliet;
        private final Client romeo;
        private final String room;

        Hall(Stage stage, String... settings) throws Exception {
            remote = stage.remote();
            server = patient(stage, remote, "juliet", "romeo").settings(settings).up();
            juliet = stage.online(server, "juliet", "balcony");
            romeo = stage.online(server, "romeo", "orchard");
            room = hall(server);
            make(juliet, room, "j", server.jid("romeo"));
            awaitMembers(remote, room, 2, 1);
        }

        void bothIn() throws Exception {
            join(romeo, room, "r");
            awaitMembers(remote, room, 2, 2);
        }
    }

    static String hall(Server server) {
        return "hall@conference." + server.domain();
    }

    /** Joins and waits until the room says so. */
    static void join(Client client, String room, String nick) throws Exception {
        int before = client.inbox.matching(s -> isSelf(s, room)).size();
        client.raw("<presence to='" + room + '/' + nick + "'><x xmlns='" + MUC + "'/></presence>");
        client.inbox.await("the own presence in " + room, before + 1, Await.SECONDS, s -> isSelf(s, room));
    }

    private static boolean isSelf(Xml stanza, String room) {
        if (!stanza.name().equals("presence") || !stanza.attribute("from").startsWith(room + '/') || !stanza.attribute("type").isEmpty()) {
            return false;
        }
        Xml x = stanza.child(MUC + "#user", "x");
        return x != null && x.children().stream().anyMatch(c -> c.name().equals("status") && c.attribute("code").equals("110"));
    }

    static void leave(Client client, String room, String nick) throws Exception {
        client.raw("<presence type='unavailable' to='" + room + '/' + nick + "'/>");
        client.ping();
    }

    /** Makes a room that stays when everybody has left, with these members. */
    static void make(Client owner, String room, String nick, String... members) throws Exception {
        join(owner, room, nick);
        owner.request("set", room, "<query xmlns='" + MUC + "#owner'><x xmlns='jabber:x:data' type='submit'>"
                + "<field var='FORM_TYPE'><value>" + MUC + "#roomconfig</value></field>"
                + "<field var='muc#roomconfig_persistentroom'><value>1</value></field>"
                + "<field var='muc#roomconfig_maxusers'><value>0</value></field></x></query>");
        for (String member : members) {
            affiliate(owner, room, member, "member");
        }
    }

    static void affiliate(Client owner, String room, String user, String affiliation) throws Exception {
        owner.request("set", room, "<query xmlns='" + MUC + "#admin'><item affiliation='" + affiliation + "' jid='" + user + "'/></query>");
    }

    /** Says something and waits until the room has sent it back. */
    static String say(Client client, String room, String text) throws Exception {
        String id = client.send(room, "groupchat", "<body>" + text + "</body>");
        client.inbox.awaitBody(text);
        return id;
    }

    /** What came from the room, in order. */
    static List<String> heard(Client client, String room) {
        return client.inbox.messages().stream().filter(m -> m.attribute("from").startsWith(room + '/')).map(Xml::body)
                .collect(Collectors.toList());
    }

    static void awaitMembers(Stage.Remote remote, String room, int members, int present) throws Exception {
        Await.until("the platform knows " + members + " members of the room, " + present + " of them there", () -> {
            List<Json.Value> all = remote.platform.get("/v1/rooms/" + Platform.encode(room)).get("members").list();
            return all.size() == members && all.stream().filter(m -> m.get("present").isTrue()).count() == present;
        });
    }

    static long row(Server server, String row, String what) throws Exception {
        Json.Value count = server.status().get("modules", "room", "rows", row, what);
        return count.present() ? count.number() : 0;
    }

    @Scenario("a member who was away gets what was missed when joining: once, oldest first, with its time; afterwards what is said")
    static void catchUp(Stage stage) throws Exception {
        Hall hall = new Hall(stage);
        for (int i = 1; i <= 5; i++) {
            say(hall.juliet, hall.room, "missed " + i);
        }
        join(hall.romeo, hall.room, "r");
        hall.romeo.inbox.awaitBody("missed 5");
        say(hall.juliet, hall.room, "live");
        hall.romeo.inbox.awaitBody("live");
        Check.equal(List.of("missed 1", "missed 2", "missed 3", "missed 4", "missed 5", "live"), heard(hall.romeo, hall.room), "what Romeo hears");
        for (Xml message : hall.romeo.inbox.messages()) {
            boolean late = message.body().startsWith("missed");
            Check.equal(late, message.child(DELAY, "delay") != null, "only what is late has its time: " + message);
            Check.equal(late, message.child("urn:xmpp:sid:0", "stanza-id") != null, "and the platform's id: " + message);
            Check.equal(hall.room + "/j", message.attribute("from"), "from the speaker in the room");
        }
        Check.equal(0, hall.remote.platform.get("/v1/rooms/" + Platform.encode(hall.room) + "/missed?user=" + Platform.encode(hall.server.jid("romeo")))
                .get("items").list().size(), "what the platform still keeps for him");
        leave(hall.romeo, hall.room, "r");
        join(hall.romeo, hall.room, "r");
        say(hall.juliet, hall.room, "live again");
        hall.romeo.inbox.awaitBody("live again");
        Check.equal(7, heard(hall.romeo, hall.room).size(), "nothing comes twice: " + heard(hall.romeo, hall.room));
    }

    @Scenario("a message to 50 occupants is one request to the platform, and each of them gets it once")
    static void fifty(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = patient(stage, remote, "juliet", "romeo").up();
        Client juliet = stage.online(server, "juliet", "balcony");
        String room = hall(server);
        make(juliet, room, "j", server.jid("romeo"));
        List<Client> others = new ArrayList<>();
        for (int i = 1; i < 50; i++) {
            Client client = stage.online(server, "romeo", "r" + i);
            join(client, room, "r" + i);
            others.add(client);
        }
        awaitMembers(remote, room, 2, 2);
        String path = "POST /v1/rooms/" + Platform.encode(room) + "/messages";
        int before = remote.proxy.requests(path);
        for (int i = 1; i <= 10; i++) {
            say(juliet, room, "to all " + i);
        }
        for (Client other : others) {
            other.inbox.awaitBody("to all 10");
            Check.equal(10, heard(other, room).size(), "what an occupant heard");
        }
        Check.equal(10, remote.proxy.requests(path) - before, "requests for ten messages to 50 occupants");
        long put = row(server, "room.say", "put_right");
        Check.equal(0L, put, "nothing had to be put right");
    }

    @Scenario("who joins between the judgement and what the room sends gets the message once, after what was said before")
    static void joinBetween(Stage stage) throws Exception {
        Hall hall = new Hall(stage);
        say(hall.juliet, hall.room, "before");
        String messages = "/v1/rooms/" + Platform.encode(hall.room) + "/messages";
        int asked = hall.remote.proxy.requests("POST " + messages);
        hall.remote.proxy.fault(SlowProxy.Fault.HOLD_ANSWERS, messages);
        hall.juliet.send(hall.room, "groupchat", "<body>between</body>");
        hall.remote.proxy.awaitRequests("POST " + messages, asked + 1);
        join(hall.romeo, hall.room, "r");
        hall.remote.proxy.fault(SlowProxy.Fault.NONE);
        hall.juliet.inbox.awaitBody("between");
        say(hall.juliet, hall.room, "after");
        hall.romeo.inbox.awaitBody("after");
        Check.equal(List.of("before", "between", "after"), heard(hall.romeo, hall.room), "what Romeo hears");
    }

    @Scenario("who leaves between the judgement and what the room sends finds the message when joining again")
    static void leaveBetween(Stage stage) throws Exception {
        Hall hall = new Hall(stage);
        hall.bothIn();
        say(hall.juliet, hall.room, "before");
        hall.romeo.inbox.awaitBody("before");
        String messages = "/v1/rooms/" + Platform.encode(hall.room) + "/messages";
        int asked = hall.remote.proxy.requests("POST " + messages);
        hall.remote.proxy.fault(SlowProxy.Fault.HOLD_ANSWERS, messages);
        hall.juliet.send(hall.room, "groupchat", "<body>between</body>");
        hall.remote.proxy.awaitRequests("POST " + messages, asked + 1);
        leave(hall.romeo, hall.room, "r");
        hall.remote.proxy.fault(SlowProxy.Fault.NONE);
        hall.juliet.inbox.awaitBody("between");
        say(hall.juliet, hall.room, "away");
        join(hall.romeo, hall.room, "r");
        hall.romeo.inbox.awaitBody("away");
        say(hall.juliet, hall.room, "back");
        hall.romeo.inbox.awaitBody("back");
        Check.equal(List.of("before", "between", "away", "back"), heard(hall.romeo, hall.room), "what Romeo hears");
        Check.that(row(hall.server, "room.say", "put_right") > 0, "the platform was told whom it had not reached");
    }

    @Scenario("a speaker who leaves before the answer has spoken all the same")
    static void speakerLeaves(Stage stage) throws Exception {
        Hall hall = new Hall(stage);
        hall.bothIn();
        String messages = "/v1/rooms/" + Platform.encode(hall.room) + "/messages";
        int asked = hall.remote.proxy.requests("POST " + messages);
        hall.remote.proxy.fault(SlowProxy.Fault.HOLD_ANSWERS, messages);
        hall.romeo.send(hall.room, "groupchat", "<body>farewell</body>");
        hall.remote.proxy.awaitRequests("POST " + messages, asked + 1);
        leave(hall.romeo, hall.room, "r");
        hall.remote.proxy.fault(SlowProxy.Fault.NONE);
        Xml heard = hall.juliet.inbox.awaitBody("farewell");
        Check.equal(hall.room + "/r", heard.attribute("from"), "whose word it is");
        Check.that(hall.romeo.inbox.matching(Xml::isError).isEmpty(), "Romeo gets no error");
    }

    @Scenario("what the room itself refuses is on no timeline and is answered by the room, once")
    static void refusedByTheRoom(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = patient(stage, remote, "juliet", "romeo").up();
        Client juliet = stage.online(server, "juliet", "balcony");
        Client romeo = stage.online(server, "romeo", "orchard");
        String room = hall(server);
        make(juliet, room, "j");
        String id = romeo.send(room, "groupchat", "<body>from outside</body>");
        romeo.inbox.await("the room's error", s -> s.isError() && s.id().equals(id));
        say(juliet, room, "inside");
        Json.Value timeline = remote.platform.get("/v1/rooms/" + Platform.encode(room) + "/messages?viewer=" + Platform.encode(server.jid("juliet")));
        Check.equal(1, timeline.get("items").list().size(), "messages on the timeline: " + timeline);
        Check.equal(1, romeo.inbox.matching(s -> s.isError() && s.id().equals(id)).size(), "errors");
    }

    @Scenario("what the platform refuses is said by nobody, and its speaker gets one error from the room, in the platform's words")
    static void refusedByThePlatform(Stage stage) throws Exception {
        Hall hall = new Hall(stage);
        hall.bothIn();
        String path = "/v1/rooms/" + Platform.encode(hall.room) + "/messages";
        int asked = hall.remote.proxy.requests("POST " + path);
        hall.remote.proxy.fault(SlowProxy.Fault.REFUSE, path);
        String id = hall.romeo.send(hall.room, "groupchat", "<body>unheard of</body>");
        Xml error = hall.romeo.inbox.await("the error", s -> s.isError() && s.id().equals(id));
        hall.remote.proxy.fault(SlowProxy.Fault.NONE);
        Check.equal(hall.room, error.attribute("from"), "who refuses");
        Check.that(error.toString().contains("not-allowed") && error.toString().contains("the proxy says no"), "the platform's own word: " + error);
        Check.equal(asked + 1, hall.remote.proxy.requests("POST " + path), "requests for what was refused");
        say(hall.juliet, hall.room, "after");
        hall.romeo.inbox.awaitBody("after");
        Check.equal(List.of("after"), heard(hall.romeo, hall.room), "what Romeo hears");
        Check.equal(List.of("after"), heard(hall.juliet, hall.room), "what Juliet hears");
        Check.equal(1, hall.romeo.inbox.matching(s -> s.isError() && s.id().equals(id)).size(), "errors");
        Json.Value timeline = hall.remote.platform.get(path + "?viewer=" + Platform.encode(hall.server.jid("juliet")));
        Check.equal(1, timeline.get("items").list().size(), "messages on the timeline: " + timeline);
    }

    @Scenario("the password of a room, in its form, in joins, in invitations, in its end, is in no file of the bridge's or the platform's and not on the wire")
    static void secrets(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = patient(stage, remote, "juliet", "romeo").set("group.mode", "decide").set("group.timeoutMillis", 60_000)
                .set("mirror.bodies", true).up();
        Client juliet = stage.online(server, "juliet", "balcony");
        Client romeo = stage.online(server, "romeo", "orchard");
        String canary = "canary-of-every-way";
        String room = hall(server);
        make(juliet, room, "j", server.jid("romeo"));
        juliet.request("set", room, "<query xmlns='" + MUC + "#owner'><x xmlns='jabber:x:data' type='submit'>"
                + "<field var='FORM_TYPE'><value>" + MUC + "#roomconfig</value></field>"
                + "<field var='muc#roomconfig_persistentroom'><value>1</value></field>"
                + "<field var='muc#roomconfig_passwordprotectedroom'><value>1</value></field>"
                + "<field var='muc#roomconfig_roomsecret'><value>" + canary + "</value></field></x></query>");
        juliet.send(romeo.bareJid(), "normal", "<x xmlns='jabber:x:conference' jid='" + room + "' password='" + canary + "'/>");
        romeo.inbox.await("the invitation", s -> s.isMessage() && s.child("jabber:x:conference", "x") != null);
        juliet.raw("<message to='" + room + "'><x xmlns='" + MUC + "#user'><invite to='" + romeo.bareJid() + "'/><password>" + canary
                + "</password></x></message>");
        romeo.inbox.await("the room's invitation", s -> s.isMessage() && s.child(MUC + "#user", "x") != null);
        romeo.raw("<presence to='" + room + "/r'><x xmlns='" + MUC + "'><password>" + canary + "</password></x></presence>");
        awaitMembers(remote, room, 2, 2);
        say(juliet, room, "inside");
        romeo.inbox.awaitBody("inside");
        juliet.request("set", room, "<query xmlns='" + MUC + "#owner'><destroy jid='elsewhere@conference." + server.domain() + "'><password>"
                + canary + "</password></destroy></query>");
        Await.until("the platform has no such room",
                () -> remote.platform.ask("GET", "/v1/rooms/" + Platform.encode(room), "").statusCode() == 404);
        server.awaitSettled();
        server.stop();
        Accounts.nowhere(server.home().resolve("cloudbridge"), canary);
        Accounts.nowhere(server.home().resolve("logs"), canary);
        Accounts.nowhere(remote.platform.data(), canary);
        Check.that(remote.proxy.saw("inside"), "what was said went to the platform");
        Check.that(!remote.proxy.saw(canary), "the password was not sent to the platform");
    }

    @Scenario("a dead platform, policy open: the room goes on, and who was away finds what was said once it is back")
    static void deadAndOpen(Stage stage) throws Exception {
        Hall hall = new Hall(stage, "room.timeoutMillis=1000");
        hall.remote.proxy.fault(SlowProxy.Fault.DROP_ANSWERS, "/v1/rooms/");
        say(hall.juliet, hall.room, "executed, maybe");
        hall.remote.kill();
        hall.remote.proxy.fault(SlowProxy.Fault.RESET);
        for (int i = 1; i <= 5; i++) {
            say(hall.juliet, hall.room, "alone " + i);
        }
        hall.remote.startAgain();
        hall.remote.proxy.fault(SlowProxy.Fault.NONE);
        hall.remote.awaitReachable(hall.server, "juliet");
        Await.until("the journal of rooms is empty", () -> hall.server.status().get("journal", "rooms").number() == 0);
        say(hall.juliet, hall.room, "together");
        join(hall.romeo, hall.room, "r");
        hall.romeo.inbox.awaitBody("together");
        say(hall.juliet, hall.room, "live");
        hall.romeo.inbox.awaitBody("live");
        Check.equal(List.of("executed, maybe", "alone 1", "alone 2", "alone 3", "alone 4", "alone 5", "together", "live"), heard(hall.romeo, hall.room),
                "what Romeo hears");
    }

    @Scenario("a dead platform, policy closed: the speaker gets one error from the room, and nobody ever hears it")
    static void deadAndClosed(Stage stage) throws Exception {
        Hall hall = new Hall(stage, "room.timeoutMillis=1000", "room.onFailure=closed");
        hall.remote.proxy.fault(SlowProxy.Fault.DROP_ANSWERS, "/v1/rooms/");
        String id = hall.juliet.send(hall.room, "groupchat", "<body>refused</body>");
        Xml error = hall.juliet.inbox.await("the error", s -> s.isError() && s.id().equals(id));
        Check.equal(hall.room, error.attribute("from"), "who refuses");
        hall.remote.proxy.fault(SlowProxy.Fault.NONE);
        Await.until("the journal of rooms is empty", () -> hall.server.status().get("journal", "rooms").number() == 0);
        Await.until("the platform is asked again", () -> hall.server.status().get("platform", "reachable").isTrue());
        say(hall.juliet, hall.room, "said");
        join(hall.romeo, hall.room, "r");
        hall.romeo.inbox.awaitBody("said");
        Check.equal(List.of("said"), heard(hall.romeo, hall.room), "what Romeo hears");
        Check.equal(1, hall.juliet.inbox.matching(s -> s.isError() && s.id().equals(id)).size(), "errors");
    }

    @Scenario("receipts of unmodified clients become one message with counts for the speaker")
    static void feedback(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = patient(stage, remote, "juliet", "romeo", "nurse").up();
        Client juliet = stage.online(server, "juliet", "balcony");
        Client romeo = stage.online(server, "romeo", "orchard");
        Client nurse = stage.online(server, "nurse", "house");
        String room = hall(server);
        make(juliet, room, "j", server.jid("romeo"), server.jid("nurse"));
        join(romeo, room, "r");
        join(nurse, room, "n");
        awaitMembers(remote, room, 3, 3);
        String id = juliet.send(room, "groupchat", "<body>hear me</body><request xmlns='urn:xmpp:receipts'/><markable xmlns='urn:xmpp:chat-markers:0'/>");
        romeo.inbox.awaitBody("hear me");
        nurse.inbox.awaitBody("hear me");
        // As Smack answers group chat: to the occupant, of the same type.
        romeo.send(room + "/j", "groupchat", "<received xmlns='urn:xmpp:receipts' id='" + id + "'/>");
        nurse.send(room, "groupchat", "<displayed xmlns='urn:xmpp:chat-markers:0' id='" + id + "'/>");
        Xml counts = juliet.inbox.await("delivered to both, read by one", s -> s.isMessage() && feedback(s, id, "2", "1"));
        Check.equal(room, counts.attribute("from"), "who says it");
        Check.equal(juliet.fullJid(), counts.attribute("to"), "to whom");
        Check.that(romeo.inbox.matching(Xml::isError).isEmpty(), "a receipt is answered by no error");
        int before = juliet.inbox.matching(s -> s.isMessage() && s.child(OWN, "feedback") != null).size();
        romeo.send(room + "/j", "groupchat", "<received xmlns='urn:xmpp:receipts' id='" + id + "'/>");
        romeo.send(room, "groupchat", "<displayed xmlns='urn:xmpp:chat-markers:0' id='" + id + "'/>");
        juliet.inbox.await("read by both", s -> s.isMessage() && feedback(s, id, "2", "2"));
        Check.equal(before + 1, juliet.inbox.matching(s -> s.isMessage() && s.child(OWN, "feedback") != null).size(), "messages with counts");
    }

    private static boolean feedback(Xml stanza, String id, String delivered, String read) {
        Xml counts = stanza.child(OWN, "feedback");
        return counts != null && counts.attribute("id").equals(id) && counts.attribute("delivered").equals(delivered)
                && counts.attribute("read").equals(read);
    }

    @Scenario("a room made, given members and destroyed here is so at the platform; its password is nowhere")
    static void madeHere(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = patient(stage, remote, "juliet", "romeo").up();
        Client juliet = stage.online(server, "juliet", "balcony");
        String room = hall(server);
        make(juliet, room, "j", server.jid("romeo"));
        juliet.request("set", room, "<query xmlns='" + MUC + "#owner'><x xmlns='jabber:x:data' type='submit'>"
                + "<field var='FORM_TYPE'><value>" + MUC + "#roomconfig</value></field>"
                + "<field var='muc#roomconfig_persistentroom'><value>1</value></field>"
                + "<field var='muc#roomconfig_passwordprotectedroom'><value>1</value></field>"
                + "<field var='muc#roomconfig_roomsecret'><value>canary-of-the-room</value></field></x></query>");
        awaitMembers(remote, room, 2, 1);
        Client romeo = stage.online(server, "romeo", "orchard");
        romeo.raw("<presence to='" + room + "/r'><x xmlns='" + MUC + "'><password>canary-of-the-room</password></x></presence>");
        awaitMembers(remote, room, 2, 2);
        affiliate(juliet, room, server.jid("romeo"), "none");
        awaitMembers(remote, room, 1, 1);
        juliet.request("set", room, "<query xmlns='" + MUC + "#owner'><destroy><reason>over</reason></destroy></query>");
        Await.until("the platform has no such room",
                () -> remote.platform.ask("GET", "/v1/rooms/" + Platform.encode(room), "").statusCode() == 404);
        Check.that(!remote.proxy.saw("canary-of-the-room"), "the room's password was not sent to the platform");
    }

    @Scenario("a room made, given members and removed at the platform is so here; one request makes it speak")
    static void madeThere(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = patient(stage, remote, "juliet", "romeo").up();
        Await.until("the platform is heard", () -> server.status().get("listens").isTrue());
        String room = hall(server);
        String path = "/v1/rooms/" + Platform.encode(room);
        String juliets = "{\"user\":\"" + server.jid("juliet") + "\",\"affiliation\":\"owner\"}";
        remote.platform.ask("PUT", path, "{\"members\":[" + juliets + "]}");
        Client juliet = stage.online(server, "juliet", "balcony");
        Await.until("the room is here", () -> juliet.answer("get", room, "<query xmlns='http://jabber.org/protocol/disco#info'/>")
                .attribute("type").equals("result") && row(server, "room.room_make", "applied") > 0);
        join(juliet, room, "j");
        Xml self = juliet.inbox.matching(s -> isSelf(s, room)).get(0);
        Check.that(self.child(MUC + "#user", "x").children().stream().anyMatch(c -> c.attribute("affiliation").equals("owner")),
                "Juliet is its owner: " + self);
        remote.platform.ask("PUT", path + "/members/" + Platform.encode(server.jid("romeo")), "{\"affiliation\":\"member\"}");
        Await.until("Romeo is a member here", () -> juliet.request("get", room, "<query xmlns='" + MUC + "#admin'><item affiliation='member'/></query>")
                .toString().contains(server.jid("romeo")));
        remote.platform.post("/v1/downlink", "{\"to\":\"" + room + "\",\"stanza\":{\"kind\":\"message\",\"type\":\"groupchat\",\"from\":\"weather@bots.example/Weather\",\"body\":\"rain\"}}");
        Xml rain = juliet.inbox.awaitBody("rain");
        Check.equal(room + "/Weather", rain.attribute("from"), "who says it");
        Await.until("it is on the timeline", () -> remote.platform.get(path + "/missed?user=" + Platform.encode(server.jid("romeo"))).get("items").list().size() == 1);
        awaitMembers(remote, room, 2, 1);
        remote.platform.ask("DELETE", path, "");
        juliet.inbox.await("the room is gone", s -> s.name().equals("presence") && s.attribute("type").equals("unavailable")
                && s.attribute("from").equals(room + "/j"));
        Await.until("the platform has no such room", () -> remote.platform.ask("GET", path, "").statusCode() == 404);
    }

    @Scenario("a killed server hands over at most one message twice, and loses none")
    static void killed(Stage stage) throws Exception {
        Hall hall = new Hall(stage);
        for (int i = 1; i <= 20; i++) {
            say(hall.juliet, hall.room, "missed " + i);
        }
        String messages = "/v1/rooms/" + Platform.encode(hall.room) + "/messages";
        int asked = hall.remote.proxy.requests("POST " + messages);
        hall.remote.proxy.fault(SlowProxy.Fault.HOLD_ANSWERS, messages);
        hall.juliet.send(hall.room, "groupchat", "<body>held</body>");
        hall.remote.proxy.awaitRequests("POST " + messages, asked + 1);
        hall.server.kill();
        hall.remote.proxy.fault(SlowProxy.Fault.RESET);
        hall.remote.proxy.fault(SlowProxy.Fault.NONE);
        hall.server.start().awaitReady();
        Await.until("what was held has been asked about again", () -> hall.server.status().get("modules", "room", "held").number() == 0
                && hall.server.status().get("journal", "rooms").number() == 0);
        Client again = stage.online(hall.server, "romeo", "orchard");
        join(again, hall.room, "r");
        again.inbox.awaitBody("held");
        List<String> expected = new ArrayList<>();
        for (int i = 1; i <= 20; i++) {
            expected.add("missed " + i);
        }
        expected.add("held");
        Check.equal(expected, heard(again, hall.room), "what Romeo hears");
        Check.that(hall.romeo.inbox.messages().isEmpty(), "he was not there before");
    }

    @Scenario("in mirror mode rooms work as ever, and what is said, who comes and who belongs is told")
    static void mirror(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = Decide.patient(stage, remote, "juliet", "romeo").set("room.mode", "mirror").up();
        Client juliet = stage.online(server, "juliet", "balcony");
        Client romeo = stage.online(server, "romeo", "orchard");
        String room = hall(server);
        make(juliet, room, "j", server.jid("romeo"));
        say(juliet, room, "history");
        join(romeo, room, "r");
        romeo.inbox.awaitBody("history");
        String id = romeo.send(room, "groupchat", "<body>once</body>");
        juliet.inbox.awaitBody("once");
        server.awaitSettled();
        Check.that(remote.proxy.saw(id), "a copy was sent");
        Check.that(!remote.proxy.saw("\"once\""), "without its text");
        Await.until("the platform knows the members",
                () -> remote.platform.get("/v1/rooms/" + Platform.encode(room)).get("members").list().size() == 2);
        Check.equal(2L, row(server, "room.say", "mirrored"), "copies, one per message");
        Check.equal(2L, row(server, "room.enter", "mirrored"), "joins");
        Check.equal(0, remote.proxy.requests("POST /v1/rooms/"), "nobody is asked");
    }
}
