package org.cloudbridge.suite;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/**
 * A real Chromium, headless, driven over its DevTools protocol: one page, scripts, screenshots. Everything that the page
 * complains about on its console, and every request that leaves the loopback address, is kept.
 */
final class Browser implements AutoCloseable {

    private static final String[] NAMES = {"chromium", "chromium-browser", "google-chrome-stable", "google-chrome"};

    private final Process process;
    private final WebSocket socket;
    private final BlockingQueue<Json.Value> answers = new LinkedBlockingQueue<>();
    private final List<String> complaints = new CopyOnWriteArrayList<>();
    private final List<String> requests = new CopyOnWriteArrayList<>();
    private String session = "";
    private int calls;

    private Browser(Process process, String address) {
        this.process = process;
        this.socket = HttpClient.newHttpClient().newWebSocketBuilder()
                .buildAsync(URI.create(address), new Listener()).join();
    }

    /** The browser of this machine, or null. */
    static Path find() {
        for (String directory : System.getenv().getOrDefault("PATH", "").split(":")) {
            for (String name : NAMES) {
                Path file = Path.of(directory, name);
                if (Files.isExecutable(file)) {
                    return file;
                }
            }
        }
        return null;
    }

    static Browser start(Path program, Path directory) throws Exception {
        Path profile = Files.createDirectories(directory.resolve("browser"));
        Process process = Processes.track(new ProcessBuilder(program.toString(), "--headless=new", "--no-sandbox",
                "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
                "--remote-debugging-port=0", "--user-data-dir=" + profile, "about:blank").redirectErrorStream(true).start());
        BufferedReader out = new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
        for (String line = out.readLine(); line != null; line = out.readLine()) {
            if (line.startsWith("DevTools listening on ")) {
                drain(out);
                Browser browser = new Browser(process, line.substring("DevTools listening on ".length()).trim());
                browser.openPage();
                return browser;
            }
        }
        throw new AssertionError("the browser did not start");
    }

    private static void drain(BufferedReader out) {
        Thread thread = new Thread(() -> out.lines().forEach(line -> { }), "browser-output");
        thread.setDaemon(true);
        thread.start();
    }

    private void openPage() throws Exception {
        String target = call("Target.createTarget", "{\"url\":\"about:blank\"}").get("targetId").text();
        session = call("Target.attachToTarget", "{\"targetId\":\"" + target + "\",\"flatten\":true}").get("sessionId").text();
        for (String domain : new String[] {"Page", "Runtime", "Log", "Network"}) {
            call(domain + ".enable", "{}");
        }
        call("Emulation.setDeviceMetricsOverride",
                "{\"width\":1000,\"height\":1400,\"deviceScaleFactor\":1,\"mobile\":false}");
    }

    /** Opens an address and waits until the page has come. */
    void open(String url) throws Exception {
        call("Page.navigate", "{\"url\":" + quote(url) + "}");
        awaitTrue("document.readyState === 'complete' && location.href === " + quote(url));
    }

    /** Opens an address that leads to another one. */
    void follow(String url) throws Exception {
        call("Page.navigate", "{\"url\":" + quote(url) + "}");
    }

    /** The value of a JavaScript expression. */
    Json.Value evaluate(String script) throws Exception {
        Json.Value result = call("Runtime.evaluate",
                "{\"returnByValue\":true,\"awaitPromise\":true,\"expression\":" + quote(script) + "}");
        Check.that(!result.get("exceptionDetails").present(), "the script works: " + script + ": " + result);
        return result.get("result", "value");
    }

    void awaitTrue(String script) throws Exception {
        Await.until("in the browser: " + script, () -> {
            try {
                return evaluate(script).isTrue();
            } catch (AssertionError e) {
                // Between two pages there is nothing to ask.
                return false;
            }
        });
    }

    void screenshot(Path file) throws Exception {
        String data = call("Page.captureScreenshot", "{\"captureBeyondViewport\":true}").get("data").text();
        Files.createDirectories(file.getParent());
        Files.write(file, Base64.getDecoder().decode(data));
    }

    /** Errors and warnings on the console, exceptions, failed loads. */
    List<String> complaints() {
        return new ArrayList<>(complaints);
    }

    /** Addresses that the page asked for. */
    List<String> requests() {
        return new ArrayList<>(requests);
    }

    private synchronized Json.Value call(String method, String parameters) throws Exception {
        int id = ++calls;
        String inSession = session.isEmpty() ? "" : ",\"sessionId\":\"" + session + "\"";
        socket.sendText("{\"id\":" + id + ",\"method\":\"" + method + "\",\"params\":" + parameters + inSession + "}", true).join();
        while (true) {
            Json.Value answer = answers.poll(Await.SECONDS, TimeUnit.SECONDS);
            Check.that(answer != null, "the browser answers " + method);
            if (answer.get("id").number() == id) {
                Check.that(!answer.get("error").present(), method + ": " + answer);
                return answer.get("result");
            }
        }
    }

    private static String quote(String text) {
        return "\"" + text.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n") + "\"";
    }

    @Override
    public void close() throws Exception {
        socket.abort();
        Processes.kill(process.toHandle());
        process.waitFor();
    }

    private final class Listener implements WebSocket.Listener {

        private final StringBuilder text = new StringBuilder();

        @Override
        public CompletionStage<?> onText(WebSocket webSocket, CharSequence data, boolean last) {
            text.append(data);
            if (last) {
                Json.Value message = Json.parse(text.toString());
                text.setLength(0);
                if (message.get("id").present()) {
                    answers.add(message);
                } else {
                    event(message.get("method").text(), message.get("params"));
                }
            }
            webSocket.request(1);
            return null;
        }

        private void event(String method, Json.Value parameters) {
            // The console of a test server has no icon of its own.
            boolean icon = parameters.get("entry", "url").text().endsWith("/favicon.ico");
            if (method.equals("Runtime.exceptionThrown") || method.equals("Log.entryAdded") && !icon) {
                complaints.add(parameters.text());
            } else if (method.equals("Runtime.consoleAPICalled")) {
                complaints.add(parameters.get("args").text());
            } else if (method.equals("Network.requestWillBeSent")) {
                requests.add(parameters.get("request", "url").text());
            }
        }
    }
}
