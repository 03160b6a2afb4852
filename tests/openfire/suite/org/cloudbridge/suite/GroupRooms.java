package org.cloudbridge.suite;

import java.util.TreeSet;

/** Rooms that are groups: for members only, with the same members on both sides, whoever changes them. */
final class GroupRooms {

    private static final String ADMIN = Rooms.MUC + "#admin";
    private static final String OWNER = Rooms.MUC + "#owner";

    private GroupRooms() {
    }

    private static Server deciding(Stage stage, Stage.Remote remote) throws Exception {
        return Rooms.patient(stage, remote, "juliet", "romeo", "nurse", "mercutio").set("group.mode", "decide").set("group.timeoutMillis", 60_000);
    }

    /** A server, and the hall, which is the group `watch`: Juliet its owner and in it, Romeo its member. */
    private static final class Watch {

        private final Stage.Remote remote;
        private final Server server;
        private final Client juliet;
        private final String room;

        Watch(Stage stage, String... settings) throws Exception {
            remote = stage.remote();
            server = deciding(stage, remote).settings(settings).up();
            juliet = stage.online(server, "juliet", "balcony");
            room = make(remote, server);
            Rooms.join(juliet, room, "j");
        }

        /** Romeo, who has joined. */
        Client romeo(Stage stage) throws Exception {
            Client romeo = stage.online(server, "romeo", "orchard");
            Rooms.join(romeo, room, "r");
            return romeo;
        }
    }

    /** Makes a group at the platform that is the hall, Juliet its owner and Romeo its member, and waits until Openfire has the room. */
    private static String make(Stage.Remote remote, Server server) throws Exception {
        Await.until("the platform is heard", () -> server.status().get("listens").isTrue());
        String room = Rooms.hall(server);
        long made = Rooms.row(server, "room.room_make", "applied");
        remote.platform.post("/v1/groups", "{\"id\":\"watch\",\"name\":\"Watch\",\"room\":\"" + room + "\",\"members\":[{\"user\":\"" + server.jid("juliet")
                + "\",\"role\":\"owner\"},{\"user\":\"" + server.jid("romeo") + "\",\"role\":\"member\"}]}");
        Await.until("the room is here", () -> Rooms.row(server, "room.room_make", "applied") > made);
        server.awaitSettled();
        return room;
    }

    /** Members of the group at the platform, with their roles. */
    private static String group(Stage.Remote remote) throws Exception {
        TreeSet<String> members = new TreeSet<>();
        for (Json.Value member : remote.platform.get(Teams.path("watch")).get("members").list()) {
            members.add(member.get("user").text().split("@")[0] + " " + member.get("role").text());
        }
        return members.toString();
    }

    /** The same of the room in Openfire, as one of its owners is told. */
    private static String room(Client owner, String room) throws Exception {
        TreeSet<String> members = new TreeSet<>();
        for (String affiliation : new String[] {"owner", "admin", "member"}) {
            Xml list = owner.request("get", room, "<query xmlns='" + ADMIN + "'><item affiliation='" + affiliation + "'/></query>");
            for (Xml item : list.child(ADMIN, "query").children()) {
                members.add(item.attribute("jid").split("@")[0] + " " + item.attribute("affiliation"));
            }
        }
        return members.toString();
    }

    private static void agree(Stage.Remote remote, Client owner, String room, String members) throws Exception {
        String[] last = new String[2];
        try {
            Await.until("", () -> {
                last[0] = group(remote);
                last[1] = room(owner, room);
                return members.equals(last[0]) && members.equals(last[1]);
            });
        } catch (AssertionError e) {
            throw new AssertionError("no agreement on " + members + ": the group " + last[0] + ", the room " + last[1]);
        }
    }

    private static String item(String user, String affiliation) {
        return "<query xmlns='" + ADMIN + "'><item affiliation='" + affiliation + "' jid='" + user + "'/></query>";
    }

    private static boolean isRefusal(Xml stanza, String room) {
        return stanza.name().equals("presence") && stanza.attribute("from").startsWith(room + '/') && stanza.isError();
    }

    /** Knocks, and gives what the room says to that. */
    private static Xml knock(Client client, String room, String nick) throws Exception {
        int before = client.inbox.matching(s -> isRefusal(s, room)).size();
        client.raw("<presence to='" + room + '/' + nick + "'><x xmlns='" + Rooms.MUC + "'/></presence>");
        client.inbox.await("the door stays shut", before + 1, Await.SECONDS, s -> isRefusal(s, room));
        return client.inbox.matching(s -> isRefusal(s, room)).get(before);
    }

    private static void outside(Client client, String room, String nick) throws Exception {
        Xml refusal = knock(client, room, nick);
        Check.that(refusal.toString().contains("registration-required"), "who is no member must become one: " + refusal);
    }

    private static int answers(Client client, String id) throws Exception {
        client.ping();
        return client.inbox.matching(s -> s.name().equals("iq") && s.id().equals(id)).size();
    }

    /** Requests of the bridge that change the room or its members. */
    private static int told(Stage.Remote remote, String room) {
        String path = "/v1/rooms/" + Platform.encode(room);
        return remote.proxy.requests("DELETE " + path + "/members/") + remote.proxy.requests("PUT " + path + "/members/")
                + whole(remote, room) + remote.proxy.requests("DELETE " + path) - remote.proxy.requests("DELETE " + path + "/");
    }

    /** Those that say who all belongs. */
    private static int whole(Stage.Remote remote, String room) {
        String path = "PUT /v1/rooms/" + Platform.encode(room);
        return remote.proxy.requests(path) - remote.proxy.requests(path + "/");
    }

    @Scenario("a group of the platform's that is a room is for its members here; who loses the membership there is out and stays out")
    static void fromPlatform(Stage stage) throws Exception {
        Watch watch = new Watch(stage);
        Client romeo = watch.romeo(stage);
        Client nurse = stage.online(watch.server, "nurse", "house");
        outside(nurse, watch.room, "n");
        agree(watch.remote, watch.juliet, watch.room, "[juliet owner, romeo member]");
        watch.remote.platform.put(Teams.path("watch", nurse.bareJid()), "{\"role\":\"admin\"}");
        agree(watch.remote, watch.juliet, watch.room, "[juliet owner, nurse admin, romeo member]");
        Rooms.join(nurse, watch.room, "n");
        watch.remote.platform.delete(Teams.path("watch", romeo.bareJid()));
        romeo.inbox.await("the room has put him out", s -> s.name().equals("presence") && s.attribute("type").equals("unavailable")
                && s.attribute("from").equals(watch.room + "/r"));
        outside(romeo, watch.room, "r");
        agree(watch.remote, watch.juliet, watch.room, "[juliet owner, nurse admin]");
        watch.remote.platform.delete(Teams.path("watch"));
        watch.juliet.inbox.await("the room is gone", s -> s.name().equals("presence") && s.attribute("type").equals("unavailable")
                && s.attribute("from").equals(watch.room + "/j"));
        Await.until("the platform has no such room",
                () -> watch.remote.platform.ask("GET", "/v1/rooms/" + Platform.encode(watch.room), "").statusCode() == 404);
    }

    @Scenario("a room that was open becomes a group's: from then on it is for members, and who is no member has to leave")
    static void becomesAGroup(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = deciding(stage, remote).up();
        Client juliet = stage.online(server, "juliet", "balcony");
        Client nurse = stage.online(server, "nurse", "house");
        String room = Rooms.hall(server);
        Rooms.make(juliet, room, "j");
        Rooms.join(nurse, room, "n");
        Rooms.awaitMembers(remote, room, 1, 1);
        make(remote, server);
        nurse.inbox.await("she has to leave", s -> s.name().equals("presence") && s.attribute("type").equals("unavailable")
                && s.attribute("from").equals(room + "/n"));
        outside(nurse, room, "n");
        agree(remote, juliet, room, "[juliet owner, romeo member]");
    }

    @Scenario("an owner adds and takes members by the room: the group follows, each is asked once, answered once, told once, and echoes nowhere")
    static void fromClient(Stage stage) throws Exception {
        Watch watch = new Watch(stage);
        Client romeo = watch.romeo(stage);
        watch.server.awaitSettled();
        int before = told(watch.remote, watch.room);
        String nurse = watch.server.jid("nurse");
        String id = watch.juliet.ask("set", watch.room, item(nurse, "member"));
        Check.equal("result", watch.juliet.awaitAnswer(id).attribute("type"), "the answer");
        agree(watch.remote, watch.juliet, watch.room, "[juliet owner, nurse member, romeo member]");
        watch.server.awaitSettled();
        Check.equal(before + 2, told(watch.remote, watch.room), "requests for one member: one asks, one tells what the room is");
        watch.juliet.request("set", watch.room, item(nurse, "admin"));
        watch.juliet.request("set", watch.room, item(watch.server.jid("romeo"), "none"));
        agree(watch.remote, watch.juliet, watch.room, "[juliet owner, nurse admin]");
        outside(romeo, watch.room, "r");
        Check.equal(1, answers(watch.juliet, id), "answers to one request");
        watch.server.awaitSettled();
        Check.equal(before + 6, told(watch.remote, watch.room), "requests for three changes");
        // What came down in between has been carried out when this has.
        watch.remote.platform.put(Teams.path("watch", watch.server.jid("mercutio")), "{\"role\":\"member\"}");
        agree(watch.remote, watch.juliet, watch.room, "[juliet owner, mercutio member, nurse admin]");
        Await.until("what it did here was told", () -> told(watch.remote, watch.room) > before + 6);
        watch.server.awaitSettled();
        Check.equal(before + 7, told(watch.remote, watch.room), "requests after a change at the platform");
        // Several at once are the room's own affair, and the list that comes of them is told.
        watch.juliet.request("set", watch.room, "<query xmlns='" + ADMIN + "'><item affiliation='none' jid='" + nurse + "'/><item affiliation='none' jid='"
                + watch.server.jid("mercutio") + "'/></query>");
        agree(watch.remote, watch.juliet, watch.room, "[juliet owner]");
        watch.server.awaitSettled();
        Check.equal(before + 8, told(watch.remote, watch.room), "requests after two at once");
        String end = watch.juliet.ask("set", watch.room, "<query xmlns='" + OWNER + "'><destroy/></query>");
        Check.equal("result", watch.juliet.awaitAnswer(end).attribute("type"), "the answer to the end of the room");
        Check.equal(404, watch.remote.platform.ask("GET", Teams.path("watch"), "").statusCode(), "the group, dissolved with its room");
        Check.equal(1, answers(watch.juliet, end), "answers to the end of the room");
    }

    @Scenario("what the room itself would refuse is not asked, or is put right at the platform")
    static void refusedByTheRoom(Stage stage) throws Exception {
        Watch watch = new Watch(stage);
        Client romeo = watch.romeo(stage);
        watch.server.awaitSettled();
        int before = told(watch.remote, watch.room);
        Check.equal("error", romeo.answer("set", watch.room, item(watch.server.jid("nurse"), "member")).attribute("type"), "a member may add nobody");
        Check.equal("error", romeo.answer("set", watch.room, "<query xmlns='" + OWNER + "'><destroy/></query>").attribute("type"), "nor end the room");
        watch.server.awaitSettled();
        Check.equal(before, told(watch.remote, watch.room), "requests of somebody who may not");
        // The platform lets her go, the room does not: it needs an owner.
        String id = watch.juliet.ask("set", watch.room, item(watch.juliet.bareJid(), "none"));
        Check.equal("error", watch.juliet.awaitAnswer(id).attribute("type"), "the last owner stays");
        Await.until("the platform was told what the room is", () -> whole(watch.remote, watch.room) > 0 && told(watch.remote, watch.room) == before + 2);
        agree(watch.remote, watch.juliet, watch.room, "[juliet owner, romeo member]");
        Check.equal(1, answers(watch.juliet, id), "answers");
    }

    @Scenario("the platform refuses a member, a removal, the end of a room: one error from the room each time, and nothing has changed")
    static void refusedByThePlatform(Stage stage) throws Exception {
        Watch watch = new Watch(stage);
        String path = "/v1/rooms/" + Platform.encode(watch.room);
        for (String payload : new String[] {item(watch.server.jid("nurse"), "member"), item(watch.server.jid("romeo"), "none"), "<query xmlns='" + OWNER + "'><destroy/></query>"}) {
            watch.remote.proxy.fault(SlowProxy.Fault.REFUSE, path + (payload.contains("destroy") ? "" : "/members/"));
            String id = watch.juliet.ask("set", watch.room, payload);
            Xml error = watch.juliet.awaitAnswer(id);
            watch.remote.proxy.fault(SlowProxy.Fault.NONE);
            Check.equal("error", error.attribute("type"), "the answer to " + payload);
            Check.equal(watch.room, error.attribute("from"), "who answers");
            Check.that(error.toString().contains("not-allowed") && error.toString().contains("the proxy says no"), "the platform's own word: " + error);
            Check.equal(1, answers(watch.juliet, id), "answers to " + payload);
            agree(watch.remote, watch.juliet, watch.room, "[juliet owner, romeo member]");
        }
    }

    @Scenario("a dead platform, policy open: the room does it alone, and the group follows when the platform is back")
    static void deadAndOpen(Stage stage) throws Exception {
        Watch watch = new Watch(stage, "group.timeoutMillis=1000");
        watch.remote.kill();
        watch.remote.proxy.fault(SlowProxy.Fault.RESET);
        String id = watch.juliet.ask("set", watch.room, item(watch.server.jid("nurse"), "member"));
        Check.equal("result", watch.juliet.awaitAnswer(id).attribute("type"), "the room's answer");
        watch.juliet.request("set", watch.room, item(watch.server.jid("romeo"), "none"));
        Check.equal("[juliet owner, nurse member]", room(watch.juliet, watch.room), "the room meanwhile");
        watch.remote.startAgain();
        watch.remote.proxy.fault(SlowProxy.Fault.NONE);
        agree(watch.remote, watch.juliet, watch.room, "[juliet owner, nurse member]");
        Check.equal(1, answers(watch.juliet, id), "answers");
    }

    @Scenario("a mute platform, policy closed: one error, the room stays as it is, and so is the group, even if the platform had done it")
    static void muteAndClosed(Stage stage) throws Exception {
        Watch watch = new Watch(stage, "group.timeoutMillis=1000", "group.onFailure=closed");
        String members = "/v1/rooms/" + Platform.encode(watch.room) + "/members/";
        watch.remote.proxy.fault(SlowProxy.Fault.DROP_ANSWERS, members);
        String id = watch.juliet.ask("set", watch.room, item(watch.server.jid("nurse"), "member"));
        Xml error = watch.juliet.awaitAnswer(id);
        Check.that(error.toString().contains("remote-server-timeout"), "the answer: " + error);
        Check.that(watch.remote.proxy.requests("PUT " + members) > 0, "the platform was asked");
        watch.remote.proxy.fault(SlowProxy.Fault.NONE);
        Await.until("the platform is asked again", () -> watch.server.status().get("platform", "reachable").isTrue());
        watch.server.awaitSettled();
        agree(watch.remote, watch.juliet, watch.room, "[juliet owner, romeo member]");
        Check.equal(1, answers(watch.juliet, id), "answers");
    }
}
