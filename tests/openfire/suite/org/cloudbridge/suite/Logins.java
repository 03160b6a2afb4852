package org.cloudbridge.suite;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/** Who may log in: the platform decides, Openfire's own provider decides about the others. */
final class Logins {

    private static final String PLAIN = "PLAIN";
    private static final String SCRAM = "SCRAM-SHA-1";
    private static final String[] BOTH = {PLAIN, SCRAM};

    private Logins() {
    }

    /** SASL's condition of a login attempt, empty for one that succeeded. */
    static String tryLogin(Server server, String user, String password, String mechanism) throws Exception {
        try (Client client = Client.connected(server, user, password, mechanism)) {
            String condition = client.login();
            client.disconnect();
            return condition;
        }
    }

    private static void expect(String condition, Server server, String user, String password) throws Exception {
        for (String mechanism : BOTH) {
            Check.equal(condition, tryLogin(server, user, password, mechanism), user + " with " + password + " by " + mechanism);
        }
    }

    private static long count(Server server, String outcome) throws Exception {
        Json.Value count = server.status().get("modules", "user", "logins", outcome);
        return count.present() ? count.number() : 0;
    }

    @Scenario("the platform decides who logs in, by PLAIN over TLS and by SCRAM-SHA-1; whom it does not know Openfire decides about")
    static void decided(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = remote.serve(stage.decidingAll("romeo", "admin")).start().awaitReady();
        for (String user : new String[] {"nurse", "tybalt"}) {
            remote.platform.create(server.jid(user), Server.password(user));
        }
        Check.equal("", tryLogin(server, "nurse", Server.password("nurse"), PLAIN), "who is only at the platform, by PLAIN");
        Check.equal("", tryLogin(server, "tybalt", Server.password("tybalt"), SCRAM), "who is only at the platform, by SCRAM");
        for (String user : new String[] {"nurse", "tybalt"}) {
            Check.equal("true", server.command("exists " + user), user + " has an account in Openfire");
            Check.equal(true, remote.platform.keepsPassword(server.jid(user)), "the platform keeps the password of " + user);
            expect("", server, user, Server.password(user));
            expect("not-authorized", server, user, "wrong");
        }
        // Twice, as by the second time the platform has seen the session.
        expect("", server, "romeo", Server.password("romeo"));
        expect("", server, "romeo", Server.password("romeo"));
        expect("not-authorized", server, "romeo", "wrong");
        expect("not-authorized", server, "nobody", "anything");
        Check.that(count(server, "right") >= 6, "the page counts right logins: " + server.status().get("modules", "user"));
        Check.that(count(server, "unknown") > 0 && count(server, "wrong") > 0, "and others: " + server.status().get("modules", "user"));
    }

    @Scenario("a dead platform: temporary-auth-failure within the limit, others not kept waiting; administrators log in; then it goes on")
    static void deadPlatform(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = remote.serve(stage.decidingAll("romeo", "admin")).start().awaitReady();
        remote.platform.create(server.jid("nurse"), Server.password("nurse"));
        expect("", server, "nurse", Server.password("nurse"));
        for (SlowProxy.Fault fault : new SlowProxy.Fault[] {SlowProxy.Fault.BLACKHOLE, SlowProxy.Fault.RESET}) {
            remote.proxy.fault(fault);
            ExecutorService many = Executors.newFixedThreadPool(12);
            List<Future<String>> attempts = new ArrayList<>();
            long start = System.nanoTime();
            for (int i = 0; i < 12; i++) {
                String mechanism = BOTH[i % 2];
                Callable<String> attempt = () -> tryLogin(server, "nurse", Server.password("nurse"), mechanism);
                attempts.add(many.submit(attempt));
            }
            Check.equal("", tryLogin(server, "admin", Server.password("admin"), PLAIN), "an administrator, by PLAIN, " + fault);
            Check.equal("", tryLogin(server, "admin", Server.password("admin"), SCRAM), "an administrator, by SCRAM, " + fault);
            for (Future<String> attempt : attempts) {
                Check.equal("temporary-auth-failure", attempt.get(60, TimeUnit.SECONDS), "with " + fault);
            }
            many.shutdown();
            double seconds = (System.nanoTime() - start) / 1e9;
            // The limit is 3 s; connecting, TLS and a busy machine take the rest.
            Check.that(seconds < 20, "12 logins took " + seconds + " s with " + fault);
            Await.until("the breaker is open", () -> server.status().get("platform", "breaker", "state").text().equals("open"));
            expect("temporary-auth-failure", server, "nurse", Server.password("nurse"));
            Check.that(count(server, "no_answer") > 0, "the page says so");
            remote.proxy.fault(SlowProxy.Fault.NONE);
            server.awaitReady();
            expect("", server, "nurse", Server.password("nurse"));
            expect("not-authorized", server, "nurse", "wrong");
        }
        remote.kill();
        expect("temporary-auth-failure", server, "nurse", Server.password("nurse"));
        remote.startAgain();
        server.awaitReady();
        expect("", server, "nurse", Server.password("nurse"));
    }

    @Scenario("ten wrong passwords lock an account out at the platform: the right one is refused too, the page says so, a new one ends it")
    static void lockedOut(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = remote.serve(stage.decidingAll("romeo")).start().awaitReady();
        remote.platform.create(server.jid("nurse"), Server.password("nurse"));
        for (int i = 0; i < 10; i++) {
            Check.equal("not-authorized", tryLogin(server, "nurse", "guess" + i, PLAIN), "a wrong password");
        }
        Check.equal("locked", remote.platform.verify(server.jid("nurse"), Server.password("nurse")), "at the platform");
        expect("not-authorized", server, "nurse", Server.password("nurse"));
        Check.that(count(server, "locked") >= 2, "the page counts it: " + server.status().get("modules", "user", "logins"));
        expect("", server, "romeo", Server.password("romeo"));
        // A minute is too long to wait for; the platform's own tests do, by its clock.
        Check.equal(204, remote.platform.ask("PUT", "/v1/users/" + server.jid("nurse") + "/password",
                "{\"password\":\"a-new-one\"}").statusCode(), "a new password");
        expect("", server, "nurse", "a-new-one");
    }

    @Scenario("out of decide, and without the jar, Openfire's own provider decides at once; back in decide the platform does")
    static void givenBack(Stage stage) throws Exception {
        Stage.Remote remote = stage.remote();
        Server server = remote.serve(stage.decidingAll("romeo")).start().awaitReady();
        remote.platform.create(server.jid("nurse"), Server.password("nurse"));
        expect("", server, "nurse", Server.password("nurse"));
        server.change("user.mode", "mirror");
        Await.until("user is in mirror mode", () -> server.command("provider").contains("DefaultAuthProvider"));
        // Openfire knows no password of this account.
        expect("not-authorized", server, "nurse", Server.password("nurse"));
        expect("", server, "romeo", Server.password("romeo"));
        server.change("user.mode", "decide");
        Await.until("user is in decide mode", () -> server.command("provider").contains("cloudbridge"));
        expect("", server, "nurse", Server.password("nurse"));
        server.command("property xmpp.client.tls.policy optional");
        Await.until("logins without TLS are not decided", () -> server.command("provider").contains("DefaultAuthProvider"));
        String wrong = server.status().get("wrong_settings", 0).text();
        Check.that(wrong.contains("xmpp.client.tls.policy"), "the page says why: " + wrong);
        server.command("property xmpp.client.tls.policy required");
        Await.until("they are again", () -> server.command("provider").contains("cloudbridge"));
        Check.equal("true", server.command("remove"), "the plugin is gone");
        Check.that(server.command("provider").contains("DefaultAuthProvider"), "its provider is gone");
        expect("", server, "romeo", Server.password("romeo"));
        expect("not-authorized", server, "nurse", Server.password("nurse"));
    }

    @Scenario("a read-only user provider: user.mode decide is refused, the page says why")
    static void readOnlyProvider(Stage stage) throws Exception {
        Server server = stage.decidingAll("romeo").start().awaitReady();
        Check.equal("decide", server.status().get("modules", "user", "mode").text(), "mode at first");
        server.command("property provider.user.className org.cloudbridge.launcher.ReadOnlyUsers");
        Await.until("user is in mirror mode", () -> server.status().get("modules", "user", "mode").text().equals("mirror"));
        Check.that(server.page("").body().contains("read-only"), "the page says why");
        expect("", server, "romeo", Server.password("romeo"));
        server.restart();
        server.awaitReady();
        Check.equal("mirror", server.status().get("modules", "user", "mode").text(), "mode after a restart");
    }
}
