package org.cloudbridge.suite;

import java.net.CookieManager;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** An administrator's browser on the settings page: one session, cookies kept. */
final class Form {

    private static final Pattern MESSAGE = Pattern.compile("id=\"cb-message\">(.*?)</p>", Pattern.DOTALL);
    private static final Pattern TOKEN = Pattern.compile("name=\"csrf\" value=\"([^\"]+)\"");

    private final HttpClient http = HttpClient.newBuilder().cookieHandler(new CookieManager())
            .followRedirects(HttpClient.Redirect.NORMAL).version(HttpClient.Version.HTTP_1_1).build();
    private final URI page;

    Form(Server server) {
        page = URI.create(server.pageUrl());
    }

    /** The hidden field that makes a form ours. */
    String token() throws Exception {
        String body = http.send(HttpRequest.newBuilder(page).build(), HttpResponse.BodyHandlers.ofString()).body();
        Matcher matcher = TOKEN.matcher(body);
        Check.that(matcher.find(), "the page has a token field: " + body);
        return "csrf=" + matcher.group(1);
    }

    /** Sends fields with the page's token and gives what the page says then. */
    String act(String fields) throws Exception {
        return post(token() + "&" + fields);
    }

    /** Sends fields and gives what the page says then; empty when it says nothing. */
    String post(String fields) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(page)
                .header("content-type", "application/x-www-form-urlencoded")
                .POST(HttpRequest.BodyPublishers.ofString(fields)).build();
        Matcher message = MESSAGE.matcher(http.send(request, HttpResponse.BodyHandlers.ofString()).body());
        return message.find() ? message.group(1) : "";
    }
}
