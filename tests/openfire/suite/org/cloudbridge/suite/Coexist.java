package org.cloudbridge.suite;

import java.nio.file.Path;
import java.util.List;

/** Beside Openfire: below deciding nobody notices the plugin; on the way up, down and out nothing is lost. */
final class Coexist {

    private static final String[] USERS = {"juliet", "mercutio", "romeo"};
    private static final String[] MODULES = {"chat", "state", "user", "friend"};
    /** What clients receive without the plugin; recorded once for all scenarios of a run. */
    private static List<Script.Step> plain;

    private Coexist() {
    }

    private static Script script(Stage stage) throws Exception {
        Path file = stage.world.root.resolve("tests/openfire/scripts/coexist.txt");
        Script script = Script.read(file);
        Check.that(script.size() >= 40, file + " has only " + script.size() + " actions");
        return script;
    }

    private static List<Script.Step> plain(Stage stage) throws Exception {
        synchronized (Coexist.class) {
            if (plain == null) {
                plain = script(stage).run(stage.openfire().users(USERS).start());
            }
            return plain;
        }
    }

    private static void unnoticed(Stage stage, Server server, String mode) throws Exception {
        List<Script.Step> expected = plain(stage);
        for (String module : MODULES) {
            server.set(module + ".mode", mode);
        }
        server.start();
        if (mode.equals("mirror")) {
            server.awaitReady();
        }
        List<Script.Step> actual = script(stage).run(server);
        String difference = Script.difference("without the plugin", expected, "with it, all modules in " + mode + " mode", actual);
        Check.that(difference.isEmpty(), difference);
    }

    @Scenario("the same script of actions on a second plain server gives the same: what is compared is not by chance")
    static void plainIsPlain(Stage stage) throws Exception {
        List<Script.Step> expected = plain(stage);
        List<Script.Step> actual = script(stage).run(stage.openfire().users(USERS).start());
        String difference = Script.difference("one plain server", expected, "another one", actual);
        Check.that(difference.isEmpty(), difference);
    }

    @Scenario("off: everything that clients receive during the script is as without the plugin")
    static void off(Stage stage) throws Exception {
        unnoticed(stage, stage.bridge(USERS), "off");
    }

    @Scenario("watch: everything that clients receive during the script is as without the plugin")
    static void watch(Stage stage) throws Exception {
        unnoticed(stage, stage.bridge(USERS), "watch");
    }

    @Scenario("mirror: everything that clients receive during the script is as without the plugin; the platform is told")
    static void mirror(Stage stage) throws Exception {
        Server server = stage.bridge(USERS);
        unnoticed(stage, server, "mirror");
        Check.that(server.count("mirrored") > 20, "messages were mirrored; status " + server.status());
        server.awaitSettled();
    }
}
