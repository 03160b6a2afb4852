package org.cloudbridge.suite;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** Accounts made, changed and given up by clients (XEP-0077), in Openfire and at the platform; and sessions that end. */
final class Accounts {

    private static final String REGISTER = "<query xmlns='jabber:iq:register'>";
    /** Every password of these scenarios begins so, and it is in no file afterwards. */
    private static final String CANARY = "canary-7c1f-";

    private static final Pattern MADE = Pattern.compile("POST /v1/users HTTP");

    private Accounts() {
    }

    private static String credentials(String user, String password) {
        return REGISTER + "<username>" + user + "</username><password>" + password + "</password></query>";
    }

    private static String form(String user, String password) {
        return REGISTER + "<x xmlns='jabber:x:data' type='submit'>"
                + "<field var='FORM_TYPE' type='hidden'><value>jabber:iq:register</value></field>"
                + "<field var='username'><value>" + user + "</value></field>"
                + "<field var='password'><value>" + password + "</value></field></x></query>";
    }

    /** What a stream that is not logged in is answered: {@code result} or the error's condition. One answer, in any case. */
    private static String register(Server server, String payload) throws Exception {
        try (Client client = Client.connected(server, "none", "none")) {
            return outcome(client, "set", payload);
        }
    }

    private static String outcome(Client client, String type, String payload) throws Exception {
        Xml answer = client.answer(type, "", payload);
        Check.equal(1, client.inbox.matching(s -> s.name().equals("iq") && s.id().equals(answer.id())).size(),
                "answers to " + payload);
        return answer.isError() ? condition(answer) : answer.attribute("type");
    }

    private static String condition(Xml answer) {
        return answer.child("jabber:client", "error").children().get(0).name();
    }

    private static void logsIn(Server server, String user, String password, boolean yes) throws Exception {
        for (String mechanism : new String[] {"PLAIN", "SCRAM-SHA-1"}) {
            Check.equal(yes ? "" : "not-authorized", Logins.tryLogin(server, user, password, mechanism),
                    user + " with " + password + " by " + mechanism);
        }
    }

    /** No file below has the text. */
    static void nowhere(Path folder, String text) throws Exception {
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : (Iterable<Path>) files.filter(Files::isRegularFile)::iterator) {
                String content = new String(Files.readAllBytes(file), StandardCharsets.ISO_8859_1);
                Check.that(!content.contains(text), "a password in clear is in " + file);
            }
        }
    }

    @Scenario("registration: form, success, conflict, the platform's own words; then a new password, then the account's end")
    static void registered(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = remote.serve(stage.decidingAll("romeo")).start().awaitReady();
        String first = CANARY + "first";
        String second = CANARY + "second";
        Client stranger = stage.connected(server, "none", "none");
        Xml fields = stranger.answer("get", "", REGISTER + "</query>");
        Check.that(fields.child("jabber:iq:register", "query").child("jabber:iq:register", "username") != null, "a form: " + fields);
        Check.equal("result", outcome(stranger, "set", credentials("nurse", first)), "a registration by fields");
        Check.equal("conflict", outcome(stranger, "set", credentials("nurse", "another")), "the same name again");
        Check.equal("conflict", outcome(stranger, "set", credentials("Romeo", "another")), "a name that only Openfire knows");
        Check.equal(false, remote.platform.keepsPassword(server.jid("romeo")), "the platform has a new owner for romeo");
        Check.equal("result", register(server, form("tybalt", first)), "a registration by form");
        remote.platform.create(server.jid("paris"), first);
        Check.equal("conflict", register(server, credentials("paris", "another")), "a name that only the platform knows");
        Xml refused = stranger.answer("set", "", credentials("benvolio", "x".repeat(1100)));
        Check.equal("error", refused.attribute("type"), "a password of 1,100 characters");
        String text = refused.child("jabber:client", "error").child("urn:ietf:params:xml:ns:xmpp-stanzas", "text").text();
        Check.that(text.contains("1023") || text.contains("1,023"), "the platform's own words: " + refused);
        Check.equal("false", server.command("exists benvolio"), "the refused one is in Openfire");
        stranger.disconnect();
        for (String user : new String[] {"nurse", "tybalt"}) {
            logsIn(server, user, first, true);
            logsIn(server, user, "another", false);
            Check.equal("ok", remote.platform.verify(server.jid(user), first), "the password at the platform");
        }
        logsIn(server, "romeo", Server.password("romeo"), true);

        Client nurse = stage.connected(server, "nurse", first);
        nurse.login();
        nurse.available();
        Check.equal("result", outcome(nurse, "set", credentials("nurse", second)), "a new password");
        logsIn(server, "nurse", first, false);
        logsIn(server, "nurse", second, true);
        Check.equal("ok", remote.platform.verify(server.jid("nurse"), second), "the new one at the platform");
        server.change("user.mode", "mirror");
        Await.until("Openfire decides", () -> server.command("provider").contains("DefaultAuthProvider"));
        logsIn(server, "nurse", first, false);
        logsIn(server, "nurse", second, true);
        server.change("user.mode", "decide");
        Await.until("the platform decides", () -> server.command("provider").contains("cloudbridge"));

        nurse.raw("<iq id='end' type='set'>" + REGISTER + "<remove/></query></iq>");
        Await.until("the stream has ended", () -> !nurse.connected());
        Check.equal(false, remote.platform.knows(server.jid("nurse")), "the platform knows the account that was given up");
        Check.equal("false", server.command("exists nurse"), "Openfire knows it");
        logsIn(server, "nurse", second, false);
        Check.that(nurse.inbox.matching(s -> s.name().equals("iq") && s.id().equals("end")).size() <= 1, "one answer");
        // The name is free again, and news of the first one's end does no harm to the second.
        Check.equal("result", register(server, credentials("nurse", first)), "the same name by somebody else");
        logsIn(server, "nurse", first, true);
        Check.equal("ok", remote.platform.verify(server.jid("nurse"), first), "the second nurse at the platform");
        server.stop();
        nowhere(server.home(), CANARY);
        nowhere(remote.platform.data(), CANARY);
        Check.that(remote.proxy.saw(CANARY), "the platform itself was told");
    }

    @Scenario("the platform does what it is asked and answers too late: one error each time, and the next attempt works")
    static void answeredTooLate(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = remote.serve(stage.decidingAll("romeo")).set("user.timeoutMillis", 1500).start().awaitReady();
        Client stranger = stage.connected(server, "none", "none");
        late(remote, server, "POST /v1/users", () -> Check.equal("remote-server-timeout",
                outcome(stranger, "set", credentials("nurse", CANARY + "late")), "a registration"));
        Check.equal(true, remote.platform.knows(server.jid("nurse")), "it was executed");
        Check.equal("conflict", outcome(stranger, "set", credentials("nurse", "somebody-else")), "somebody else's attempt");
        Check.equal("result", outcome(stranger, "set", credentials("nurse", CANARY + "late")), "the next attempt");
        logsIn(server, "nurse", CANARY + "late", true);
        stranger.disconnect();

        Client nurse = stage.connected(server, "nurse", CANARY + "late");
        nurse.login();
        nurse.available();
        late(remote, server, "PUT /v1/users", () -> Check.equal("remote-server-timeout",
                outcome(nurse, "set", credentials("nurse", CANARY + "new")), "a new password"));
        Check.equal("result", outcome(nurse, "set", credentials("nurse", CANARY + "new")), "the next attempt");
        logsIn(server, "nurse", CANARY + "new", true);
        logsIn(server, "nurse", CANARY + "late", false);

        late(remote, server, "DELETE /v1/users", () -> Check.equal("remote-server-timeout",
                outcome(nurse, "set", REGISTER + "<remove/></query>"), "the account's end"));
        Check.equal(false, remote.platform.knows(server.jid("nurse")), "it was executed");
        Check.equal("true", server.command("exists nurse"), "Openfire was not told to");
        nurse.raw("<iq id='end' type='set'>" + REGISTER + "<remove/></query></iq>");
        Await.until("the stream has ended", () -> !nurse.connected());
        Check.equal("false", server.command("exists nurse"), "Openfire keeps the account");
        server.stop();
        nowhere(server.home(), CANARY);
        nowhere(remote.platform.data(), CANARY);
    }

    private interface Attempt {
        void make() throws Exception;
    }

    private static void late(Stage.Remote remote, Server server, String request, Attempt attempt) throws Exception {
        int before = remote.proxy.requests(request);
        remote.proxy.fault(SlowProxy.Fault.HOLD_ANSWERS, "/v1/users");
        attempt.make();
        Check.that(remote.proxy.requests(request) > before, "the platform was asked");
        remote.proxy.fault(SlowProxy.Fault.NONE);
        server.awaitReady();
    }

    @Scenario("accounts made or deleted on one side appear and disappear on the other, and what was told is not told back")
    static void bothSides(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = remote.serve(stage.bridge("romeo")).set("user.mode", "mirror")
                .openfireProperty("xmpp.client.tls.policy", "required").start().awaitReady();
        madeInOpenfire(remote, server, "nurse");
        server.change("user.mode", "decide");
        Await.until("the platform decides", () -> server.command("provider").contains("cloudbridge"));
        madeInOpenfire(remote, server, "tybalt");
        Await.until("the bridge listens", () -> server.status().get("listens").isTrue());
        int told = remote.proxy.sent(MADE);
        int deleted = remote.proxy.requests("DELETE /v1/users/");
        remote.platform.create(server.jid("paris"), "paris-secret");
        Await.until("paris is in Openfire", () -> server.command("exists paris").equals("true"));
        logsIn(server, "paris", "paris-secret", true);
        Client paris = stage.online(server, "paris", "church");
        Check.equal(200, remote.platform.ask("DELETE", "/v1/users/" + server.jid("paris"), "").statusCode(), "the end of paris");
        Await.until("paris is not in Openfire", () -> server.command("exists paris").equals("false"));
        Await.until("nor online", () -> !paris.connected());
        server.awaitSettled();
        Await.until("nothing waits to be told", () -> server.status().get("journal", "calls").number() == 0);
        Check.equal(told, remote.proxy.sent(MADE), "accounts told to the platform that it made itself");
        Check.equal(deleted, remote.proxy.requests("DELETE /v1/users/"), "ends told to the platform that it made itself");
    }

    private static void madeInOpenfire(Stage.Remote remote, Server server, String user) throws Exception {
        server.command("user " + user + " " + Server.password(user));
        Await.until(user + " is at the platform", () -> remote.platform.knows(server.jid(user)));
        logsIn(server, user, Server.password(user), true);
        logsIn(server, user, "wrong", false);
        server.command("delete " + user);
        Await.until(user + " is not at the platform", () -> !remote.platform.knows(server.jid(user)));
    }

    private static boolean hasSession(Stage.Remote remote, Server server, String user, String resource) throws Exception {
        var answer = remote.platform.ask("GET", "/v1/state/" + server.jid(user), "");
        return answer.statusCode() == 200 && Json.parse(answer.body()).get("resources").list().stream()
                .anyMatch(session -> session.get("resource").text().equals(resource));
    }

    private static int ends(Stage.Remote remote, String resource) {
        return remote.proxy.sent(Pattern.compile("\\{[^{}]*\"open\":false[^{}]*\"resource\":\"" + resource + "\"[^{}]*\\}"));
    }

    @Scenario("a session's end reaches the platform once: logged out, cut off, logged out by force, and after kill -9 by its lease")
    static void sessionsEnd(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = remote.serve(stage.decidingAll("romeo", "juliet")).set("platform.leaseSeconds", 5).up();
        for (String how : new String[] {"logout", "cut", "forced", "detached"}) {
            Client romeo = how.equals("detached") ? stage.resumable(server, "romeo", how) : stage.online(server, "romeo", how);
            Await.until("the platform has the session " + how, () -> hasSession(remote, server, "romeo", how));
            if (how.equals("logout")) {
                romeo.disconnect();
            } else if (how.equals("cut")) {
                romeo.cut();
            } else {
                if (how.equals("detached")) {
                    romeo.cut();
                }
                var asked = remote.platform.ask("DELETE", "/v1/sessions/" + server.jid("romeo") + "/" + how, "");
                Check.equal(200, asked.statusCode(), "a forced logout; it said: " + asked.body());
                Await.until("the stream has ended", () -> !romeo.connected());
            }
            Await.until("the session " + how + " has ended", () -> !hasSession(remote, server, "romeo", how));
            Await.until("it has ended in Openfire, too", () -> server.command("sessions").equals("0"));
        }
        Client last = stage.online(server, "romeo", "killed");
        Await.until("the platform has it", () -> hasSession(remote, server, "romeo", last.fullJid().substring(last.fullJid().indexOf('/') + 1)));
        for (String how : new String[] {"logout", "cut", "forced", "detached"}) {
            Check.equal(1, ends(remote, how), "ends told of the session " + how);
        }
        server.kill();
        Await.until("the lease is over", () -> !hasSession(remote, server, "romeo", "killed"));
        Check.equal(0, ends(remote, "killed"), "ends told by a dead server");
    }
}
