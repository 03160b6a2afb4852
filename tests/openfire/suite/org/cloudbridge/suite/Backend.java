package org.cloudbridge.suite;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;

/** A backend of examples/backends and the folders that go with it: json-server, or the strict one. Its data live as long as it does. */
final class Backend implements AutoCloseable {

    /** Which of them. */
    enum Kind { STRICT, JSON_SERVER }

    static final String KEY = "canary-backend-key";
    private static final HttpClient HTTP = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

    private final World world;
    private final Kind kind;
    private final Process process;
    private final int port;

    Backend(World world, Path directory, Kind kind) throws Exception {
        this.world = world;
        this.kind = kind;
        ProcessBuilder.Redirect log = ProcessBuilder.Redirect.appendTo(directory.resolve("backend.log").toFile());
        if (kind == Kind.STRICT) {
            process = Processes.track(new ProcessBuilder(world.node.toString(), examples().resolve("server.mjs").toString(), "--key", KEY)
                    .redirectError(log).start());
            BufferedReader out = new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
            String line = out.readLine();
            Check.that(line != null, "the backend started; see backend.log");
            port = Integer.parseInt(line.trim());
        } else {
            // It cannot be told to choose a port by itself.
            try (ServerSocket free = new ServerSocket(0)) {
                port = free.getLocalPort();
            }
            Path data = directory.resolve("db.json");
            Files.copy(examples().resolve("db.json"), data);
            process = Processes.track(new ProcessBuilder(world.node.toString(),
                    world.need(world.jsonServer.resolve("node_modules/json-server/lib/cli/bin.js")).toString(), "--quiet", "--host", "127.0.0.1",
                    "--port", String.valueOf(port), data.toString()).redirectError(log).redirectOutput(log).start());
            Await.until("json-server answers", this::answers);
        }
    }

    private Path examples() {
        return world.root.resolve("examples/backends").resolve(kind == Kind.STRICT ? "strict" : "json-server");
    }

    private boolean answers() throws Exception {
        try {
            return ask("GET", "/", "").statusCode() == 200;
        } catch (IOException e) {
            return false;
        }
    }

    String url() {
        return "http://127.0.0.1:" + port;
    }

    /** Puts folders into a server's data, before its start or while it runs, and says where their backend is. */
    Server serve(Server server, String... modules) throws Exception {
        for (String module : modules) {
            install(server, module);
            server.set(module + ".mode", "decide").set(module + ".url", url());
            if (kind == Kind.STRICT) {
                server.set(module + ".key.password", KEY);
            }
        }
        return server;
    }

    void install(Server server, String module) throws IOException {
        Path to = folder(server, module);
        Files.createDirectories(to);
        Files.copy(examples().resolve("modules").resolve(module).resolve("module.json"), to.resolve("module.json"));
    }

    static Path folder(Server server, String module) {
        return server.home().resolve("cloudbridge/modules").resolve(module);
    }

    /** Does something to the strict one from behind. */
    void control(String what, String body) throws Exception {
        Check.equal(200, ask("POST", "/control/" + what, body).statusCode(), "status of " + what);
    }

    Json.Value state() throws Exception {
        return get("/control/state");
    }

    Json.Value get(String path) throws Exception {
        HttpResponse<String> answer = ask("GET", path, "");
        Check.equal(200, answer.statusCode(), "status of " + path);
        return Json.parse(answer.body());
    }

    HttpResponse<String> ask(String method, String path, String body) throws Exception {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(url() + path)).timeout(Duration.ofSeconds(30))
                .header("content-type", "application/json");
        return HTTP.send(request.method(method, HttpRequest.BodyPublishers.ofString(body)).build(), HttpResponse.BodyHandlers.ofString());
    }

    /** Waits until folders are in force, whatever else is wrong. */
    static void awaitInForce(Server server, String... modules) throws Exception {
        for (String module : List.of(modules)) {
            Await.until("the folder " + module + " is in force; status " + server.status().get("folders"), () -> {
                Json.Value folder = server.status().get("folders", "modules", module);
                return folder.present() && folder.get("state").text().equals("in force");
            });
        }
    }

    @Override
    public void close() throws Exception {
        if (kind == Kind.STRICT) {
            process.getOutputStream().close();
            Check.that(Processes.ended(process.toHandle(), 20), "the backend ends when its stdin does");
        } else {
            process.destroy();
            Check.that(Processes.ended(process.toHandle(), 20), "json-server ends");
        }
    }
}
