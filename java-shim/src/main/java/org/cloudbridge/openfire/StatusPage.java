/*
 * The page in Server Settings, as a plain servlet: no JSP, whose compiled form ties a plugin to one Jetty. The host
 * writes the page's body and judges its form; this class carries both and guards the door. Behind the console's login
 * like every page under /plugins; nothing here is excluded from it.
 *
 *   GET  cloudbridge-settings.jsp         the page (Openfire decorates it by the pageID)
 *   GET  cloudbridge-settings.jsp?json    the same facts as JSON
 *   POST action=save | action=test        write settings | try the platform
 *   POST action=explain                   stanza, event (checkbox): what the mapping makes of a stanza
 *   POST action=import                    step = status, dry, start or stop: the import of what Openfire has
 *
 * CSRF: Openfire 4.5 and later checks the parameter `csrf` before we are called and gives us the next value as a request
 * attribute. Where the attribute is absent, we keep a token of our own in the session. It makes a new value at every
 * request, also when the page asks for JSON; the form that is on the screen keeps its own (keepToken).
 */
package org.cloudbridge.openfire;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

import javax.servlet.http.HttpServlet;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;

import org.jivesoftware.util.JiveGlobals;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The servlet named in web/WEB-INF/web.xml; Openfire makes the instance. */
public final class StatusPage extends HttpServlet {
    private static final long serialVersionUID = 1L;
    private static final Logger LOG = LoggerFactory.getLogger(StatusPage.class);
    private static final String PAGE_ID = "cloudbridge-settings";
    private static final String CSRF = "csrf";
    private static final String OWN_TOKEN = "cloudbridge.csrf";
    private static final String SHOWN_TOKEN = "cloudbridge.csrf.shown";
    /** A form asks for a secret to be forgotten with this checkbox; an empty secret field means unchanged. */
    private static final String CLEAR = "clear:";

    /** What the page says on top. */
    private static final class Note {
        final String text;
        final boolean error;
        /** Shown as it is, line by line, above the page; empty = none. */
        final String answer;

        Note(String text, boolean error) {
            this(text, error, "");
        }

        Note(String text, boolean error, String answer) {
            this.text = text;
            this.error = error;
            this.answer = answer;
        }
    }

    @Override
    protected void doGet(HttpServletRequest request, HttpServletResponse response) throws IOException {
        if (request.getParameter("json") != null) {
            keepToken(request);
            json(response);
            return;
        }
        page(request, response, new Note(request.getParameter("saved") != null ? "The settings were saved." : "", false));
    }

    @Override
    protected void doPost(HttpServletRequest request, HttpServletResponse response) throws IOException {
        request.setCharacterEncoding("UTF-8");
        if (!passesCsrf(request)) {
            page(request, response, new Note("The page had expired. Nothing was changed; please try again.", true));
            return;
        }
        Note note;
        try {
            HostCalls host = host();
            String action = String.valueOf(request.getParameter("action"));
            if (host == null) {
                note = new Note("Cloud Bridge is not running; nothing was changed.", true);
            } else if (action.equals("test")) {
                note = ask(host, new Frame.Writer(Frame.ASK_TEST_PLATFORM).done());
            } else if (action.equals("explain")) {
                note = answer(host, new Frame.Writer(Frame.ASK_EXPLAIN, 1024).putStr(request.getParameter("stanza"))
                    .putBool(request.getParameter("event") != null).done());
            } else if (action.equals("import")) {
                note = answer(host, new Frame.Writer(Frame.ASK_IMPORT).putStr(request.getParameter("step")).done());
            } else if (action.equals("panic") && CloudBridgePlugin.isTest()) {
                note = ask(host, new Frame.Writer(Frame.ASK_PANIC).done());
            } else if (!action.equals("save")) {
                note = new Note("Unknown action; nothing was changed.", true);
            } else {
                note = save(host, request);
                if (!note.error) {
                    response.sendRedirect(request.getRequestURI() + "?saved");
                    return;
                }
            }
        } catch (HostException e) {
            note = new Note("The host failed (code " + e.code() + "): " + e.getMessage(), true);
        } catch (RuntimeException e) {
            LOG.error("The settings page failed: {}", e.toString());
            note = new Note("The page failed: " + e.getClass().getName(), true);
        }
        page(request, response, note);
    }

    private static Note save(HostCalls host, HttpServletRequest request) throws HostException {
        Map<String, String> fields = fields(request.getParameterMap());
        Frame.Writer question = new Frame.Writer(Frame.ASK_CHECK_SETTINGS, 1024).putInt(fields.size());
        for (Map.Entry<String, String> field : fields.entrySet()) {
            question.putStr(field.getKey()).putStr(field.getValue());
        }
        Frame.Reader answer = new Frame.Reader(host.ask(question.done()));
        if (answer.opcode() != Frame.ANSWER_OK) {
            return new Note(answer.takeStr(), true);
        }
        int count = answer.takeCount();
        List<String> written = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            String key = answer.takeStr();
            boolean present = answer.takeBool();
            String value = answer.takeStr();
            boolean secret = answer.takeBool();
            Settings.write(key, present, value, secret);
            written.add(key);
        }
        LOG.info("Settings changed on the page: {}", written);
        return new Note("", false);
    }

    /** The form's settings. An empty field that Openfire keeps encrypted or would mask is an unchanged secret. */
    private static Map<String, String> fields(Map<String, String[]> parameters) {
        Map<String, String> fields = new TreeMap<>();
        for (Map.Entry<String, String[]> parameter : parameters.entrySet()) {
            String key = parameter.getKey();
            String[] values = parameter.getValue();
            if (!key.startsWith(Settings.PREFIX) || values.length == 0) {
                continue;
            }
            String value = values[values.length - 1]; // After a hidden default comes the checkbox itself.
            boolean unchanged = value.isEmpty() && isSecret(key) && !parameters.containsKey(CLEAR + key);
            if (!unchanged) {
                fields.put(key, value);
            }
        }
        return fields;
    }

    private static boolean isSecret(String key) {
        return key.toLowerCase(Locale.ROOT).contains("passw") || JiveGlobals.isPropertyEncrypted(key);
    }

    private static Note ask(HostCalls host, byte[] question) throws HostException {
        Frame.Reader answer = new Frame.Reader(host.ask(question));
        boolean error = answer.opcode() != Frame.ANSWER_OK;
        return new Note(answer.takeStr(), error);
    }

    /** As ask, for answers of many lines. */
    private static Note answer(HostCalls host, byte[] question) throws HostException {
        Note note = ask(host, question);
        return note.error ? note : new Note("", false, note.text);
    }

    private static void json(HttpServletResponse response) throws IOException {
        response.setContentType("application/json;charset=UTF-8");
        response.setHeader("Cache-Control", "no-store");
        byte[] body;
        HostCalls host = host();
        try {
            body = host != null ? host.describe("status")
                : ("{\"running\":false,\"fault\":" + quoted(fault()) + "}").getBytes(StandardCharsets.UTF_8);
        } catch (HostException e) {
            body = ("{\"running\":false,\"fault\":" + quoted(e.getMessage()) + "}").getBytes(StandardCharsets.UTF_8);
        }
        response.getOutputStream().write(body);
    }

    private void page(HttpServletRequest request, HttpServletResponse response, Note note) throws IOException {
        response.setContentType("text/html;charset=UTF-8");
        response.setHeader("Cache-Control", "no-store");
        String body;
        HostCalls host = host();
        if (host == null) {
            body = "<p class=\"cloudbridge-fault\"><strong>Cloud Bridge is not running.</strong> " + escape(fault()) + "</p>";
        } else {
            try {
                Object given = request.getAttribute(CSRF);
                String token = given != null ? shown(request, given.toString()) : ownToken(request);
                Frame.Reader answer = new Frame.Reader(host.ask(new Frame.Writer(Frame.ASK_PAGE, 256)
                    .putStr(CSRF).putStr(token).putStr(note.text).putBool(note.error).done()));
                boolean ok = answer.opcode() == Frame.ANSWER_OK;
                String text = answer.takeStr();
                body = ok ? text : "<p class=\"cloudbridge-fault\">" + escape(text) + "</p>";
            } catch (HostException e) {
                body = "<p class=\"cloudbridge-fault\">The page could not be made (code " + e.code() + "): "
                    + escape(e.getMessage()) + "</p>";
            }
        }
        if (!note.answer.isEmpty()) {
            body = "<pre class=\"cloudbridge-answer\">" + escape(note.answer) + "</pre>" + body;
        }
        response.getOutputStream().write(("<html><head><title>Cloud Bridge</title><meta name=\"pageID\" content=\"" + PAGE_ID
            + "\"/></head><body>" + body + "</body></html>").getBytes(StandardCharsets.UTF_8));
    }

    private static boolean passesCsrf(HttpServletRequest request) {
        if (request.getAttribute(CSRF) != null) {
            return true; // Openfire has compared it and made the next one.
        }
        Object own = request.getSession().getAttribute(OWN_TOKEN);
        String sent = request.getParameter(CSRF);
        return own != null && sent != null && MessageDigest.isEqual(
            own.toString().getBytes(StandardCharsets.UTF_8), sent.getBytes(StandardCharsets.UTF_8));
    }

    private static String shown(HttpServletRequest request, String token) {
        request.getSession().setAttribute(SHOWN_TOKEN, token);
        return token;
    }

    /** Openfire has just made a new token for a request that shows no form; the one on the screen stays good. */
    private static void keepToken(HttpServletRequest request) {
        Object shown = request.getSession().getAttribute(SHOWN_TOKEN);
        if (request.getAttribute(CSRF) != null && shown != null) {
            request.getSession().setAttribute(CSRF, shown);
        }
    }

    private static String ownToken(HttpServletRequest request) {
        Object own = request.getSession().getAttribute(OWN_TOKEN);
        if (own == null) {
            byte[] random = new byte[24];
            new SecureRandom().nextBytes(random);
            own = java.util.Base64.getUrlEncoder().withoutPadding().encodeToString(random);
            request.getSession().setAttribute(OWN_TOKEN, own);
        }
        return own.toString();
    }

    private static HostCalls host() {
        CloudBridgePlugin plugin = CloudBridgePlugin.current();
        return plugin == null ? null : plugin.host();
    }

    private static String fault() {
        CloudBridgePlugin plugin = CloudBridgePlugin.current();
        return plugin == null ? "The plugin is being replaced." : plugin.fault();
    }

    static String escape(String text) {
        StringBuilder out = new StringBuilder(text == null ? 0 : text.length() + 16);
        for (int i = 0; text != null && i < text.length(); i++) {
            char c = text.charAt(i);
            switch (c) {
                case '<':
                    out.append("&lt;");
                    break;
                case '>':
                    out.append("&gt;");
                    break;
                case '&':
                    out.append("&amp;");
                    break;
                case '"':
                    out.append("&quot;");
                    break;
                case '\'':
                    out.append("&#39;");
                    break;
                default:
                    out.append(c);
            }
        }
        return out.toString();
    }

    static String quoted(String text) {
        StringBuilder out = new StringBuilder("\"");
        for (int i = 0; text != null && i < text.length(); i++) {
            char c = text.charAt(i);
            if (c == '"' || c == '\\') {
                out.append('\\').append(c);
            } else if (c < 0x20) {
                out.append(String.format("\\u%04x", (int) c));
            } else {
                out.append(c);
            }
        }
        return out.append('"').toString();
    }
}
