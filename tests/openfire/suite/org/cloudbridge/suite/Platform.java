package org.cloudbridge.suite;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.UUID;

/**
 * The real reference platform, started by the suite instead of by the bridge, so that tests can put a proxy in front of
 * it and ask it what it knows.
 */
final class Platform {

    static final String TOKEN = "suite-token-0123456789abcdef";

    private static final HttpClient HTTP = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

    private final World world;
    private final Path data;
    private Process process;
    private int port;

    Platform(World world, Path data) {
        this.world = world;
        this.data = data;
    }

    /** Starts it, again on the same data after a kill; the port is new each time. */
    void start() throws Exception {
        Files.createDirectories(data);
        process = Processes.track(new ProcessBuilder(world.need(world.platform).toString(), "serve", "--embedded",
                "--data", data.toString())
                .redirectError(ProcessBuilder.Redirect.appendTo(data.resolveSibling("platform.log").toFile())).start());
        OutputStream stdin = process.getOutputStream();
        stdin.write(("{\"token\":\"" + TOKEN + "\"}\n").getBytes(StandardCharsets.UTF_8));
        stdin.flush();
        BufferedReader out = new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
        String line = out.readLine();
        Check.that(line != null, "the platform started; see " + data.resolveSibling("platform.log"));
        port = (int) Json.parse(line).get("port").number();
    }

    int port() {
        return port;
    }

    /** kill -9. */
    void kill() throws Exception {
        process.destroyForcibly();
        process.waitFor();
    }

    /** Ends its stdin, on which it ends by itself. */
    void stop() throws Exception {
        if (process != null && process.isAlive()) {
            process.getOutputStream().close();
            Check.that(Processes.ended(process.toHandle(), 20), "the platform ends when its stdin does");
        }
    }

    /** A link that lets a browser into its console once, as whoever owns the machine gets it. */
    String consoleLink() throws Exception {
        Process asked = Processes.track(new ProcessBuilder(world.need(world.platform).toString(), "console", "--data", data.toString())
                .redirectError(ProcessBuilder.Redirect.INHERIT).start());
        String link = new String(asked.getInputStream().readAllBytes(), StandardCharsets.UTF_8).trim();
        Check.equal(0, asked.waitFor(), "status of im-platform console");
        return link;
    }

    Json.Value get(String path) throws Exception {
        return call("GET", path, null);
    }

    /** A change by somebody who is no bridge: it names no origin. */
    Json.Value put(String path, String body) throws Exception {
        return call("PUT", path, body);
    }

    Json.Value post(String path, String body) throws Exception {
        return call("POST", path, body);
    }

    Json.Value delete(String path) throws Exception {
        return call("DELETE", path, null);
    }

    private Json.Value call(String method, String path, String body) throws Exception {
        HttpResponse<String> answer = ask(method, path, body == null ? "" : body);
        Check.that(answer.statusCode() / 100 == 2, answer.statusCode() + " for " + method + " " + path + "; it said: " + answer.body());
        return Json.parse(answer.body());
    }

    /** The sum of those of its counters whose line in /metrics starts with one of these. */
    long counted(String... starts) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + "/metrics"))
                .header("authorization", "Bearer " + TOKEN).timeout(Duration.ofSeconds(30)).build();
        long sum = 0;
        for (String line : HTTP.send(request, HttpResponse.BodyHandlers.ofString()).body().split("\n")) {
            if (Arrays.stream(starts).anyMatch(line::startsWith)) {
                sum += Long.parseLong(line.substring(line.lastIndexOf(' ') + 1));
            }
        }
        return sum;
    }

    /** One request of somebody who is not the bridge, with a JSON body if there is one. */
    HttpResponse<String> ask(String method, String path, String body) throws Exception {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path))
                .header("authorization", "Bearer " + TOKEN).timeout(Duration.ofSeconds(30));
        if (method.equals("POST")) {
            request.header("idempotency-key", UUID.randomUUID().toString());
        }
        if (body.isEmpty()) {
            request.method(method, HttpRequest.BodyPublishers.noBody());
        } else {
            request.header("content-type", "application/json").method(method, HttpRequest.BodyPublishers.ofString(body));
        }
        return HTTP.send(request.build(), HttpResponse.BodyHandlers.ofString());
    }

    /** Makes an account, as an administrator of the platform does. */
    void create(String bareJid, String password) throws Exception {
        HttpResponse<String> answer = ask("POST", "/v1/users",
                "{\"user\":\"" + bareJid + "\",\"password\":\"" + password + "\"}");
        Check.equal(201, answer.statusCode(), "status of making " + bareJid + "; it said: " + answer.body());
    }

    /** Whether the platform knows the account. */
    boolean knows(String bareJid) throws Exception {
        return ask("GET", "/v1/users/" + encode(bareJid), "").statusCode() == 200;
    }

    /** Whether it has a password there. */
    boolean keepsPassword(String bareJid) throws Exception {
        HttpResponse<String> answer = ask("GET", "/v1/users/" + encode(bareJid), "");
        return answer.statusCode() == 200 && Json.parse(answer.body()).get("password").isTrue();
    }

    /** What a password is there: ok, wrong, locked or unknown. */
    String verify(String bareJid, String password) throws Exception {
        HttpResponse<String> answer = ask("POST", "/v1/users/verify",
                "{\"user\":\"" + bareJid + "\",\"password\":\"" + password + "\"}");
        return Json.parse(answer.body()).get("outcome").text();
    }

    Path data() {
        return data;
    }

    /** Whether a message to this user would be delivered now, not stored. */
    boolean reachable(String bareJid) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(
                URI.create("http://127.0.0.1:" + port + "/v1/state/" + encode(bareJid)))
                .header("authorization", "Bearer " + TOKEN).timeout(Duration.ofSeconds(30)).build();
        HttpResponse<String> answer = HTTP.send(request, HttpResponse.BodyHandlers.ofString());
        return answer.statusCode() == 200 && Json.parse(answer.body()).get("reachable").isTrue();
    }

    /** How many messages between the two have this status at the platform: pending, delivered, handed_over, refused. */
    int count(String user, String with, String status) throws Exception {
        int found = 0;
        String before = "";
        do {
            Json.Value page = get("/v1/messages?limit=200&user=" + encode(user) + "&with=" + encode(with) + before);
            for (Json.Value item : page.get("items").list()) {
                if (item.get("status").text().equals(status)) {
                    found++;
                }
            }
            before = page.get("next").present() ? "&before=" + encode(page.get("next").text()) : "";
        } while (!before.isEmpty());
        return found;
    }

    static String encode(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }
}
