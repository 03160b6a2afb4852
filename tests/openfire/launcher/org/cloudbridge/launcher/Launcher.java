package org.cloudbridge.launcher;

import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jivesoftware.openfire.XMPPServer;
import org.jivesoftware.openfire.container.PluginManagerListener;
import org.jivesoftware.openfire.user.UserManager;
import org.logicalcobwebs.proxool.ProxoolFacade;

/**
 * Runs one Openfire in a home directory that it makes itself, and lets whoever started it steer it over stdin.
 *
 * <p>Argument: a launch file (see {@link LaunchFile}). Everything meant for a machine goes to stdout, one line each,
 * starting with "@ ": first {@code ready key=value …} or {@code failed <why>}, then one {@code ok …} or
 * {@code error …} per command. Whatever else Openfire prints goes to stderr. When stdin ends, the server ends: nobody
 * has to remember to stop it.
 */
public final class Launcher {

    /** Exit code that says: a port that the system had just given was taken by somebody else; try again. */
    static final int PORT_TAKEN = 75;

    private static final long BOOT_SECONDS = 120;

    private Launcher() {
    }

    public static void main(String[] args) throws Exception {
        PrintStream machine = new PrintStream(System.out, true, "UTF-8");
        InputStream commands = System.in;
        System.setOut(System.err);
        // Openfire polls System.in for the word "exit" and would swallow our commands.
        System.setIn(new ByteArrayInputStream(new byte[0]));
        try {
            LaunchFile launch = LaunchFile.read(Paths.get(args[0]));
            Home home = Home.open(launch);
            System.setProperty("openfireHome", home.directory().toString());
            // The pool closes the database when the JVM begins to end, under the feet of Openfire's own shutdown.
            ProxoolFacade.disableShutdownHook();
            new XMPPServer();
            awaitFirstPluginScan();
            LoaderWatch.start("cloudbridge");
            if (!answers(home.xmppPort()) || !answers(home.adminPort()) || portWasTaken(home.directory())) {
                machine.println("@ failed port-taken");
                Runtime.getRuntime().halt(PORT_TAKEN);
            }
            for (Map.Entry<String, String> user : launch.users().entrySet()) {
                createUser(user.getKey(), user.getValue());
            }
            machine.println("@ ready pid=" + ProcessHandle.current().pid() + " xmpp=" + home.xmppPort()
                    + " admin=" + home.adminPort() + " component=" + home.componentPort() + " server=" + home.serverPort()
                    + " domain=" + launch.require("domain"));
            new Commands(commands, machine, home).run();
        } catch (Throwable e) {
            e.printStackTrace();
            machine.println("@ failed " + String.valueOf(e).replace('\n', ' '));
            Runtime.getRuntime().halt(70);
        }
    }

    static void createUser(String name, String password) throws Exception {
        // A second start on the same home has them, perhaps from a provider that can make none.
        if (!UserManager.getInstance().isRegisteredUser(name)) {
            UserManager.getInstance().createUser(name, password, name, name + "@example.invalid");
        }
    }

    /** Client ports open only after the first scan of the plugin directory. */
    private static void awaitFirstPluginScan() throws InterruptedException {
        CountDownLatch scanned = new CountDownLatch(1);
        PluginManagerListener listener = scanned::countDown;
        XMPPServer.getInstance().getPluginManager().addPluginManagerListener(listener);
        if (!scanned.await(BOOT_SECONDS, TimeUnit.SECONDS)) {
            throw new IllegalStateException("no plugin scan within " + BOOT_SECONDS + " s");
        }
        XMPPServer.getInstance().getPluginManager().removePluginManagerListener(listener);
    }

    /** Whether the port accepts a connection; waits a little, since the scan's other listeners may still be at work. */
    private static boolean answers(int port) throws InterruptedException {
        for (int attempt = 0; attempt < 500; attempt++) {
            try (Socket socket = new Socket(InetAddress.getByName("127.0.0.1"), port)) {
                return true;
            } catch (java.io.IOException e) {
                Thread.sleep(20);
            }
        }
        return false;
    }

    private static boolean portWasTaken(Path home) throws java.io.IOException {
        String log = new String(Files.readAllBytes(home.resolve("logs/openfire.log")), StandardCharsets.UTF_8);
        return log.contains("java.net.BindException");
    }
}
