package org.cloudbridge.suite;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.io.Writer;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * One Openfire: a home directory and, while it runs, a process. It can be stopped, killed and started again on the same
 * home; ports change with every start.
 */
final class Server {

    static final String DOMAIN = "verona.example";
    private static final int BOOT_SECONDS = 120;
    private static final int COMMAND_SECONDS = 60;
    private static final int PORT_TAKEN = 75;
    private static final String PAGE = "/plugins/cloudbridge/cloudbridge-settings.jsp";
    private static final HttpClient HTTP = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

    /** What a test server logs at level ERROR without anybody's fault. */
    private static final Pattern HARMLESS = Pattern.compile("java\\.io\\.IOException: Connection reset by peer"
            // Openfire's update thread sleeps for its first five seconds and reports being woken by a stop.
            + "|UpdateManager.*sleep interrupted");
    /** What Openfire's own timers say when they find its database closed by its own stop; no plugin is loaded any more. */
    private static final Pattern TOO_LATE = Pattern.compile("connection exception: closed|proxool\\.openfire - Prototype|while db opening .closing");

    private final World world;
    private final Path home;
    private final Path console;
    private final List<String> users = new ArrayList<>();
    private final Map<String, String> properties = new LinkedHashMap<>();
    private final List<String> jvm = new ArrayList<>();
    private Path java;
    private Path jar;

    private Process process;
    private Writer commands;
    private BlockingQueue<String> answers;
    private int xmppPort;
    private int adminPort;
    private int componentPort;
    private int serverPort;
    private String domain = DOMAIN;

    Server(World world, String name) {
        this.world = world;
        this.home = world.homes.resolve(name);
        this.console = home.resolve("console.log");
        this.java = world.java;
    }

    // What it is started with -----------------------------------------------------------------------------------------

    Server users(String... names) {
        users.addAll(List.of(names));
        return this;
    }

    /** A property of the bridge, without its prefix. Set before a start it is a row in Openfire's database. */
    Server set(String key, Object value) {
        properties.put("plugin.cloudbridge." + key, String.valueOf(value));
        return this;
    }

    /** Several, `key=value` each. */
    Server settings(String... settings) {
        for (String setting : settings) {
            int equals = setting.indexOf('=');
            set(setting.substring(0, equals), setting.substring(equals + 1));
        }
        return this;
    }

    Server openfireProperty(String key, Object value) {
        properties.put(key, String.valueOf(value));
        return this;
    }

    /** Takes external components (XEP-0114) with the secret {@link Component#SECRET}. */
    Server components() {
        return openfireProperty("xmpp.component.socket.active", true)
                .openfireProperty("xmpp.component.defaultSecret", Component.SECRET);
    }

    /** Another domain than the usual one. */
    Server domain(String name) {
        domain = name;
        return this;
    }

    /** Talks to other servers: dialback, no TLS. */
    Server federated() {
        return openfireProperty("xmpp.server.socket.active", true).openfireProperty("xmpp.server.tls.enabled", false)
                .openfireProperty("xmpp.server.tls.policy", "disabled")
                .openfireProperty("xmpp.server.dialback.enabled", true);
    }

    /** Tells both, once they run and before they look for each other, where the other one listens. */
    static void introduce(Server one, Server other) throws Exception {
        one.command("property dnsutil.dnsOverride {" + other.domain + ",127.0.0.1:" + other.serverPort + "}");
        other.command("property dnsutil.dnsOverride {" + one.domain + ",127.0.0.1:" + one.serverPort + "}");
    }

    /** With the plugin in place at the first start. */
    Server plugin() {
        jar = world.need(world.jar);
        return this;
    }

    Server jvm(String... options) {
        jvm.addAll(List.of(options));
        return this;
    }

    Server java(Path home) {
        java = home;
        return this;
    }

    // Its life --------------------------------------------------------------------------------------------------------

    Server start() throws Exception {
        for (int attempt = 0; attempt < 3; attempt++) {
            if (tryStart()) {
                jar = null;
                return this;
            }
        }
        throw new AssertionError("no free ports, three times");
    }

    private boolean tryStart() throws Exception {
        Files.createDirectories(home);
        Path launch = home.resolve("launch");
        Files.write(launch, launchFile(), StandardCharsets.UTF_8);
        List<String> command = new ArrayList<>();
        command.add(java.resolve("bin/java").toString());
        command.addAll(List.of("--add-opens", "java.base/java.lang=ALL-UNNAMED", "-Djava.awt.headless=true",
                "-Dcloudbridge.test=true", "-Xmx512m", "-XX:+UseSerialGC"));
        if (!java.equals(world.java)) {
            command.add("--enable-native-access=ALL-UNNAMED");
        }
        command.addAll(jvm);
        command.addAll(List.of("-cp", world.openfire.resolve("launcher") + ":" + world.openfire.resolve("lib") + "/*",
                "org.jivesoftware.openfire.starter.ServerStarter", launch.toString()));
        process = Processes.track(new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.appendTo(console.toFile())).start());
        commands = new OutputStreamWriter(process.getOutputStream(), StandardCharsets.UTF_8);
        answers = new LinkedBlockingQueue<>();
        listen(process, answers);
        String first = answers.poll(BOOT_SECONDS, TimeUnit.SECONDS);
        if (first == null || !first.startsWith("ready ")) {
            Processes.kill(process.toHandle());
            process.waitFor();
            if (process.exitValue() == PORT_TAKEN) {
                return false;
            }
            throw new AssertionError("Openfire did not start: " + first + "; see " + console);
        }
        xmppPort = fact(first, "xmpp");
        adminPort = fact(first, "admin");
        componentPort = fact(first, "component");
        serverPort = fact(first, "server");
        return true;
    }

    private List<String> launchFile() {
        List<String> lines = new ArrayList<>(List.of("home=" + home,
                "schema=" + world.root.resolve("tests/openfire/home/openfire_hsqldb.sql"),
                "security=" + world.openfire.resolve("security"), "domain=" + domain));
        if (jar != null) {
            lines.add("jar=" + jar);
        }
        users.forEach(user -> lines.add("user." + user + "=" + password(user)));
        properties.forEach((key, value) -> lines.add("property." + key + "=" + value));
        return lines;
    }

    /** Sorts the launcher's lines from what the JVM itself prints (-Xcheck:jni writes to stdout). */
    private void listen(Process process, BlockingQueue<String> answers) {
        Thread thread = new Thread(() -> {
            try (BufferedReader out = new BufferedReader(
                    new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
                for (String line = out.readLine(); line != null; line = out.readLine()) {
                    if (line.startsWith("@ ")) {
                        answers.add(line.substring(2));
                    } else {
                        Files.write(console, List.of(line), StandardOpenOption.CREATE, StandardOpenOption.APPEND);
                    }
                }
            } catch (IOException e) {
                // The process is gone.
            }
            answers.add("error the server has ended");
        }, "server-output");
        thread.setDaemon(true);
        thread.start();
    }

    private static int fact(String line, String name) {
        for (String word : line.split(" ")) {
            if (word.startsWith(name + "=")) {
                return Integer.parseInt(word.substring(name.length() + 1));
            }
        }
        throw new AssertionError("no " + name + " in " + line);
    }

    boolean running() {
        return process != null && process.isAlive();
    }

    /** Shuts down in order and waits. */
    void stop() throws Exception {
        terminate();
        awaitEnd(90);
    }

    /** SIGTERM. */
    void terminate() {
        process.destroy();
    }

    void awaitEnd(int seconds) throws Exception {
        if (!process.waitFor(seconds, TimeUnit.SECONDS)) {
            throw new AssertionError("the server did not end within " + seconds + " s");
        }
    }

    /** kill -9 of the server's process alone; what becomes of the platform is the product's business. */
    void kill() throws Exception {
        process.destroyForcibly();
        awaitEnd(30);
    }

    void restart() throws Exception {
        stop();
        start();
    }

    // Looking in ------------------------------------------------------------------------------------------------------

    String domain() {
        return domain;
    }

    static String password(String user) {
        return user + "-secret";
    }

    String jid(String user) {
        return user + "@" + DOMAIN;
    }

    int xmppPort() {
        return xmppPort;
    }

    int componentPort() {
        return componentPort;
    }

    Path home() {
        return home;
    }

    long pid() {
        return process.pid();
    }

    /** Has the launcher do something; see its class Commands. */
    synchronized String command(String line) throws Exception {
        return command(line, COMMAND_SECONDS);
    }

    synchronized String command(String line, int seconds) throws Exception {
        commands.write(line + "\n");
        commands.flush();
        String answer = answers.poll(seconds, TimeUnit.SECONDS);
        if (answer == null || !answer.startsWith("ok")) {
            throw new AssertionError("the server's answer to \"" + line + "\": " + answer);
        }
        return answer.substring(2).trim();
    }

    /** Changes a setting of the bridge in the running server. */
    void change(String key, Object value) throws Exception {
        command("property plugin.cloudbridge." + key + " " + value);
    }

    void replaceJar() throws Exception {
        Check.equal("true", command("replace " + world.jar), "the new jar was installed");
    }

    Path example() {
        return world.need(world.example);
    }

    /** What Openfire's own offline store holds for a user. */
    int storedByOpenfire(String user) throws Exception {
        return Integer.parseInt(command("offline " + user));
    }

    /** The embedded platform's process, or null. */
    ProcessHandle platform() {
        return process.descendants()
                .filter(child -> child.info().command().map(name -> name.contains("im-platform")).orElse(false))
                .findFirst().orElse(null);
    }

    String pageUrl() {
        return "http://127.0.0.1:" + adminPort + PAGE;
    }

    HttpResponse<String> page(String query) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create(pageUrl() + query)).timeout(Duration.ofSeconds(30)).build();
        return HTTP.send(request, HttpResponse.BodyHandlers.ofString());
    }

    /** The status that the page shows, as JSON. */
    Json.Value status() throws Exception {
        HttpResponse<String> answer = page("?json");
        Check.equal(200, answer.statusCode(), "status of the status page; it said: " + answer.body());
        return Json.parse(answer.body());
    }

    /** Waits until the bridge works with its platform: from here on messages are held and decided. */
    Server awaitReady() throws Exception {
        Await.until("the bridge has reached its platform; status " + status(),
                () -> status().get("platform", "reachable").isTrue());
        return this;
    }

    /**
     * Starts, waits until the bridge works, and has each user log in once: the platform leaves alone whom it has never
     * seen. Nobody is online afterwards.
     */
    Server up() throws Exception {
        start().awaitReady();
        for (String user : users) {
            try (Client client = Client.online(this, user, "introduction")) {
                Await.until("the platform decides about messages to " + user, () -> {
                    long before = count("released");
                    client.inbox.awaitId(client.chat(client.fullJid(), "to myself"));
                    return count("released") > before;
                });
                client.disconnect();
            }
        }
        Await.until("nobody is online", () -> command("sessions").equals("0"));
        return this;
    }

    /** A counter of the chat module. */
    long count(String counter) throws Exception {
        return status().get("modules", "chat", "counts", counter).number();
    }

    /** How many messages the bridge holds now. */
    long held() throws Exception {
        return status().get("modules", "chat", "held").number();
    }

    void awaitHeld(int count) throws Exception {
        Await.until(count + " messages are held", () -> held() >= count);
    }

    /** Waits until nothing is held, and nothing waits to be told to the platform. */
    void awaitSettled() throws Exception {
        Await.until("the journal is empty; status " + status(), () -> {
            Json.Value journal = status().get("journal");
            return journal.get("held").number() + journal.get("events").number() + journal.get("settled").number()
                    + journal.get("calls").number() == 0;
        });
    }

    String log() throws IOException {
        Path file = home.resolve("logs/openfire.log");
        return Files.exists(file) ? new String(Files.readAllBytes(file), StandardCharsets.UTF_8) : "";
    }

    /** What went to the terminal: stdout without the launcher's lines, and stderr. */
    String console() throws IOException {
        return Files.exists(console) ? new String(Files.readAllBytes(console), StandardCharsets.UTF_8) : "";
    }

    /** Lines at level ERROR, and SQL errors at any level, that are nobody's to expect; with what follows each. */
    List<String> unexpectedErrors(List<Pattern> expected) throws IOException {
        List<String> lines = log().lines().collect(Collectors.toList());
        List<String> found = new ArrayList<>();
        boolean closed = false;
        for (int i = 0; i < lines.size(); i++) {
            String line = lines.get(i);
            closed = line.contains(".ENGINE - Database closed") || closed && !line.contains("XMPPServer - Openfire 4");
            String together = String.join("\n", lines.subList(i, Math.min(lines.size(), i + 12)));
            boolean error = line.contains(" ERROR ") || line.contains("SQLException")
                    || line.contains("SQLSyntaxErrorException");
            String head = String.join("\n", lines.subList(i, Math.min(lines.size(), i + 2)));
            if (error && !HARMLESS.matcher(head).find() && !(closed && TOO_LATE.matcher(head).find())
                    && expected.stream().noneMatch(pattern -> pattern.matcher(line).find())) {
                found.add(together);
                i += 11;
            }
        }
        return found;
    }
}
