package org.cloudbridge.launcher;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.management.ManagementFactory;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.TimerTask;
import java.util.TreeSet;
import java.util.stream.Stream;
import javax.management.ObjectName;
import org.dom4j.DocumentHelper;
import org.jivesoftware.openfire.OfflineMessage;
import org.jivesoftware.openfire.SessionManager;
import org.jivesoftware.openfire.XMPPServer;
import org.jivesoftware.openfire.auth.AuthFactory;
import org.jivesoftware.openfire.container.PluginManager;
import org.jivesoftware.openfire.container.PluginMonitor;
import org.jivesoftware.openfire.roster.RosterItem;
import org.jivesoftware.openfire.user.UserManager;
import org.jivesoftware.util.JiveGlobals;
import org.xmpp.packet.Message;

/**
 * The commands that a test server takes on stdin, one line each, answered by one line each, one at a time:
 *
 * <pre>
 * stop                   shuts down as SIGTERM does
 * replace FILE           installs FILE as cloudbridge.jar and waits for the plugin scan that loads it
 * remove                 deletes cloudbridge.jar and waits for the scan that unloads it
 * plug NAME FILE         installs FILE as another plugin's NAME.jar and waits for the scan that loads it
 * unplug NAME            deletes NAME.jar and waits for the scan that unloads it
 * scan                   runs a plugin scan now (Openfire's own comes every 20 s)
 * loaders                after full collections: class loaders of ours alive, and how many there were
 * instances CLASS        live instances of a class, from the heap histogram
 * threads                names of all Java threads, tab separated
 * tasks                  names of all native threads, tab separated
 * mapped TEXT            mapped files of this process whose path contains TEXT, tab separated
 * property KEY [VALUE]   sets or deletes a system property of Openfire
 * secret KEY VALUE       sets it encrypted
 * get KEY                its value
 * user NAME PASSWORD     creates a user
 * delete NAME            deletes a user, as the console does
 * exists NAME            whether there is such a user
 * provider               the class that decides logins
 * contact OWNER NAME     puts a local user into somebody's roster
 * offline NAME           how many messages Openfire's own offline store holds for a user
 * roster NAME            a user's contacts as Openfire keeps them, tab separated: ADDRESS=NAME|SUBSCRIPTION|ASK|[GROUPS]
 * group …                what the console does to groups, see GroupCommands
 * sessions               client sessions on this node
 * route XML              routes a message as a plugin does: through PacketRouter, on a thread of nobody's
 * reap                   ends the detached XEP-0198 sessions that are over their time (Openfire looks every minute)
 * </pre>
 */
final class Commands {

    /** How long a shutdown may take before the process is ended from within. */
    private static final long STOP_MILLIS = 90_000;

    private final BufferedReader in;
    private final PrintStream out;
    private final Home home;

    Commands(InputStream in, PrintStream out, Home home) {
        this.in = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8));
        this.out = out;
        this.home = home;
    }

    void run() {
        String line;
        try {
            while ((line = in.readLine()) != null && !line.equals("stop")) {
                try {
                    out.println("@ ok " + execute(line, line.split(" ", 3)));
                } catch (Throwable e) {
                    e.printStackTrace();
                    out.println("@ error " + String.valueOf(e).replace('\n', ' '));
                }
            }
        } catch (IOException e) {
            // Whoever started us is gone.
        }
        stop();
    }

    private static void stop() {
        Thread watchdog = new Thread(() -> {
            try {
                Thread.sleep(STOP_MILLIS);
            } catch (InterruptedException e) {
                // Then at once.
            }
            System.err.println("The shutdown hangs: the process is ended.");
            Runtime.getRuntime().halt(71);
        }, "stop-watchdog");
        watchdog.setDaemon(true);
        watchdog.start();
        System.exit(0);
    }

    private String execute(String line, String[] words) throws Exception {
        PluginManager plugins = XMPPServer.getInstance().getPluginManager();
        switch (words[0]) {
            case "replace":
                try (InputStream jar = Files.newInputStream(Paths.get(words[1]))) {
                    return String.valueOf(plugins.installPlugin(jar, "cloudbridge.jar"));
                }
            case "remove":
                Files.delete(home.directory().resolve("plugins/cloudbridge.jar"));
                scan(plugins);
                return String.valueOf(plugins.getPlugin("cloudbridge") == null);
            case "plug":
                try (InputStream jar = Files.newInputStream(Paths.get(words[2]))) {
                    return String.valueOf(plugins.installPlugin(jar, words[1] + ".jar"));
                }
            case "unplug":
                Files.delete(home.directory().resolve("plugins/" + words[1] + ".jar"));
                scan(plugins);
                return String.valueOf(plugins.getPlugin(words[1]) == null);
            case "scan":
                scan(plugins);
                return String.valueOf(plugins.getPlugin("cloudbridge") != null);
            case "loaders":
                int[] count = LoaderWatch.count();
                return count[0] + " " + count[1];
            case "instances":
                return String.valueOf(instances(words[1]));
            case "threads":
                return javaThreads();
            case "tasks":
                return nativeThreads();
            case "mapped":
                return mapped(words[1]);
            case "property":
                if (words.length > 2) {
                    JiveGlobals.setProperty(words[1], words[2]);
                } else {
                    JiveGlobals.deleteProperty(words[1]);
                }
                return "";
            case "secret":
                JiveGlobals.setProperty(words[1], words[2], true);
                return "";
            case "get":
                return String.valueOf(JiveGlobals.getProperty(words[1]));
            case "user":
                Launcher.createUser(words[1], words[2]);
                return "";
            case "delete":
                UserManager.getInstance().deleteUser(UserManager.getInstance().getUser(words[1]));
                return "";
            case "exists":
                return String.valueOf(UserManager.getInstance().isRegisteredUser(words[1]));
            case "provider":
                return provider();
            case "contact":
                XMPPServer.getInstance().getRosterManager().getRoster(words[1]).createRosterItem(
                        XMPPServer.getInstance().createJID(words[2], null), words[2], Arrays.asList("Verona"), false, true);
                return "";
            case "offline":
                Collection<OfflineMessage> stored =
                        XMPPServer.getInstance().getOfflineMessageStore().getMessages(words[1], false);
                return String.valueOf(stored.size());
            case "roster":
                return roster(words[1]);
            case "group":
                return GroupCommands.execute(line.split(" ", -1));
            case "sessions":
                return String.valueOf(XMPPServer.getInstance().getSessionManager().getSessions().size());
            case "route":
                XMPPServer.getInstance().getPacketRouter().route(new Message(
                        DocumentHelper.parseText(line.substring("route ".length())).getRootElement()));
                return "";
            case "reap":
                reap();
                return "";
            default:
                throw new IllegalArgumentException("no such command: " + words[0]);
        }
    }

    @SuppressWarnings("deprecation") // There is no other way to the one in use.
    private static String provider() {
        return AuthFactory.getAuthProvider().getClass().getName();
    }

    /** Without what is no part of the list: requests that wait for the owner's answer. */
    private static String roster(String owner) throws Exception {
        List<String> lines = new ArrayList<>();
        for (RosterItem item : XMPPServer.getInstance().getRosterManager().getRoster(owner).getRosterItems()) {
            String name = item.getNickname() == null ? "" : item.getNickname();
            boolean ask = item.getAskStatus() == RosterItem.ASK_SUBSCRIBE;
            if (item.getSubStatus() == RosterItem.SUB_NONE && item.getRecvStatus() == RosterItem.RECV_SUBSCRIBE && !ask
                    && name.isEmpty() && item.getGroups().isEmpty()) {
                continue;
            }
            lines.add(item.getJid().toBareJID() + "=" + name + "|" + item.getSubStatus().getName() + "|" + (ask ? "ask" : "") + "|"
                    + new TreeSet<>(item.getGroups()));
        }
        Collections.sort(lines);
        return String.join("\t", lines);
    }

    /** PluginManager runs scans early only for its own uploads; its monitor is private. */
    private static void scan(PluginManager plugins) throws ReflectiveOperationException {
        Field monitor = PluginManager.class.getDeclaredField("pluginMonitor");
        monitor.setAccessible(true);
        ((PluginMonitor) monitor.get(plugins)).runNow(true);
    }

    /** Runs SessionManager's private clean-up task now. */
    private static void reap() throws ReflectiveOperationException {
        Class<?> type = Class.forName("org.jivesoftware.openfire.SessionManager$DetachedCleanupTask");
        Constructor<?> constructor = type.getDeclaredConstructor(SessionManager.class);
        constructor.setAccessible(true);
        ((TimerTask) constructor.newInstance(SessionManager.getInstance())).run();
    }

    /** The histogram walks reachable objects only, so it is a full collection as well. */
    private static long instances(String className) throws Exception {
        String histogram = (String) ManagementFactory.getPlatformMBeanServer().invoke(
                new ObjectName("com.sun.management:type=DiagnosticCommand"), "gcClassHistogram",
                new Object[] {new String[0]}, new String[] {String[].class.getName()});
        for (String line : histogram.split("\n")) {
            String[] columns = line.trim().split("\\s+");
            if (columns.length > 3 && columns[3].equals(className)) {
                return Long.parseLong(columns[1]);
            }
        }
        return 0;
    }

    private static String javaThreads() {
        List<String> names = new ArrayList<>();
        Thread.getAllStackTraces().keySet().forEach(thread -> names.add(thread.getName()));
        return sorted(names);
    }

    private static String nativeThreads() throws IOException {
        List<String> names = new ArrayList<>();
        for (File task : new File("/proc/self/task").listFiles()) {
            try {
                names.add(new String(Files.readAllBytes(task.toPath().resolve("comm")), StandardCharsets.UTF_8).trim());
            } catch (IOException e) {
                // It ended meanwhile.
            }
        }
        return sorted(names);
    }

    private static String mapped(String text) throws IOException {
        List<String> files = new ArrayList<>();
        Path maps = Paths.get("/proc/self/maps");
        try (Stream<String> lines = Files.lines(maps)) {
            lines.filter(line -> line.contains(text)).map(line -> line.substring(line.indexOf('/'))).distinct()
                    .forEach(files::add);
        }
        return sorted(files);
    }

    private static String sorted(List<String> names) {
        Collections.sort(names);
        return String.join("\t", names);
    }
}
