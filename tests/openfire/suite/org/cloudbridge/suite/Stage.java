package org.cloudbridge.suite;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** What one scenario has at hand. Whatever it starts here is looked over and cleared away when it ends. */
final class Stage {

    private interface Closing {
        void close() throws Exception;
    }

    final World world;
    private final Path directory;
    private final List<Server> servers = new ArrayList<>();
    private final List<Pattern> expectedErrors = new ArrayList<>();
    private final Deque<Closing> closings = new ArrayDeque<>();
    private String skipped;

    Stage(World world, String scenario) throws IOException {
        this.world = world;
        this.directory = world.homes.resolve(scenario);
        delete(directory);
        Files.createDirectories(directory);
    }

    Path directory() {
        return directory;
    }

    /** A plain Openfire, not started yet. */
    Server openfire() {
        Server server = new Server(world, directory.getFileName() + "/home" + servers.size());
        servers.add(server);
        return server;
    }

    /** An Openfire with the plugin as it comes, on the embedded platform, not started yet. */
    Server bridge(String... users) {
        return openfire().plugin().users(users);
    }

    /** The same in decide mode. */
    Server deciding(String... users) {
        return bridge(users).set("chat.mode", "decide").set("state.mode", "mirror");
    }

    /** With every module that knows people deciding; logins then need TLS. */
    Server decidingAll(String... users) {
        return bridge(users).set("chat.mode", "decide").set("state.mode", "decide").set("user.mode", "decide")
                .set("friend.mode", "decide").openfireProperty("xmpp.client.tls.policy", "required");
    }

    /** A real platform with a proxy in front of it, started, for a server to use instead of the embedded one. */
    Remote remote() throws Exception {
        Remote remote = new Remote(new Platform(world, directory.resolve("platform-data")));
        closings.push(remote::close);
        return remote;
    }

    /** A backend that is nobody's contract (examples/backends), started. */
    Backend backend(Backend.Kind kind) throws Exception {
        Backend backend = new Backend(world, directory, kind);
        closings.push(backend::close);
        return backend;
    }

    Client online(Server server, String user, String resource) throws Exception {
        return keep(Client.online(server, user, resource));
    }

    Client loggedIn(Server server, String user, String resource) throws Exception {
        return keep(Client.loggedIn(server, user, resource));
    }

    Client withAcks(Server server, String user, String resource) throws Exception {
        return keep(Client.withAcks(server, user, resource));
    }

    Client resumable(Server server, String user, String resource) throws Exception {
        return keep(Client.resumable(server, user, resource));
    }

    /** Connected with TLS, not logged in. */
    Client connected(Server server, String user, String password, String... mechanisms) throws Exception {
        return keep(Client.connected(server, user, password, mechanisms));
    }

    private Client keep(Client client) {
        closings.push(client::close);
        return client;
    }

    /** A fault that the scenario makes on purpose may be logged as an error. */
    void expectError(String pattern) {
        expectedErrors.add(Pattern.compile(pattern));
    }

    /** This machine cannot run the scenario. */
    void skip(String why) {
        skipped = why;
    }

    String skipped() {
        return skipped;
    }

    /** Stops everything; gives what was wrong with how it ran or stopped. */
    List<String> close() {
        List<String> wrong = new ArrayList<>();
        for (Closing closing : closings) {
            attempt(closing, wrong);
        }
        for (Server server : servers) {
            attempt(() -> stop(server, wrong), wrong);
        }
        return wrong;
    }

    private void stop(Server server, List<String> wrong) throws Exception {
        if (server.running()) {
            ProcessHandle platform = server.platform();
            // A server that is told to stop while it still sees clients off complains about its own modules.
            attempt(() -> Await.until("all clients are gone", () -> server.command("sessions").equals("0")), wrong);
            server.terminate();
            try {
                server.awaitEnd(90);
            } catch (AssertionError e) {
                wrong.add(e.getMessage());
                server.kill();
            }
            if (platform != null && !Processes.ended(platform, 20)) {
                wrong.add("the embedded platform outlived its Openfire");
                platform.destroyForcibly();
            }
        }
        for (String line : server.unexpectedErrors(expectedErrors)) {
            wrong.add("in the log of Openfire: " + line);
        }
    }

    private static void attempt(Closing closing, List<String> wrong) {
        try {
            closing.close();
        } catch (Exception | AssertionError e) {
            wrong.add("while clearing up: " + e);
        }
    }

    void deleteFiles() throws IOException {
        delete(directory);
    }

    private static void delete(Path directory) throws IOException {
        if (!Files.exists(directory)) {
            return;
        }
        try (Stream<Path> files = Files.walk(directory)) {
            for (Path file : (Iterable<Path>) files.sorted(Comparator.reverseOrder())::iterator) {
                Files.delete(file);
            }
        }
    }

    /** A platform outside of Openfire, and the wire to it. */
    static final class Remote {

        final Platform platform;
        final SlowProxy proxy;

        Remote(Platform platform) throws Exception {
            this.platform = platform;
            platform.start();
            proxy = new SlowProxy(platform.port());
        }

        /** Makes the server use it. */
        Server serve(Server server) {
            return server.set("platform.url", proxy.url()).set("platform.token.password", Platform.TOKEN);
        }

        /** kill -9 of the platform; the wire stays. */
        void kill() throws Exception {
            platform.kill();
        }

        void startAgain() throws Exception {
            platform.start();
            proxy.target(platform.port());
        }

        void awaitReachable(Server server, String... users) throws Exception {
            for (String user : users) {
                Await.until("the platform takes " + user + " for reachable",
                        () -> platform.reachable(server.jid(user)));
            }
        }

        void awaitUnreachable(Server server, String... users) throws Exception {
            for (String user : users) {
                Await.until("the platform takes " + user + " for not reachable",
                        () -> !platform.reachable(server.jid(user)));
            }
        }

        private void close() throws Exception {
            proxy.fault(SlowProxy.Fault.NONE);
            platform.stop();
            proxy.close();
        }
    }
}
