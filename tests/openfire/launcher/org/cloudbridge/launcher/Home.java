package org.cloudbridge.launcher;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The home directory of a throw-away Openfire: loopback only, a client port and an admin port given by the system,
 * everything else that could listen switched off, TLS by a generated certificate, and a bare admin console.
 */
final class Home {

    private static final String[] SWITCHED_OFF = {
        "xmpp.socket.ssl.active", "xmpp.server.socket.active", "xmpp.component.socket.active",
        "xmpp.component.ssl.active", "xmpp.multiplex.socket.active", "xmpp.multiplex.ssl.active",
        "xmpp.proxy.enabled", "mediaproxy.enabled", "httpbind.enabled", "flash.crossdomain.enabled",
        "update.service-enabled",
    };

    private final Path directory;
    private final int xmppPort;
    private final int adminPort;
    private final int componentPort;
    private final int serverPort;

    private Home(Path directory, int xmppPort, int adminPort, int componentPort, int serverPort) {
        this.directory = directory;
        this.xmppPort = xmppPort;
        this.adminPort = adminPort;
        this.componentPort = componentPort;
        this.serverPort = serverPort;
    }

    static Home open(LaunchFile launch) throws Exception {
        Path directory = Files.createDirectories(Paths.get(launch.require("home"))).toRealPath();
        // Held until the process ends, however it ends.
        FileChannel lock = FileChannel.open(directory.resolve("launcher.lock"), StandardOpenOption.CREATE,
                StandardOpenOption.WRITE);
        if (lock.tryLock() == null) {
            throw new IllegalStateException("another server runs in " + directory);
        }
        Home home;
        try (ServerSocket xmpp = anyPort(); ServerSocket admin = anyPort(); ServerSocket component = anyPort();
                ServerSocket server = anyPort()) {
            home = new Home(directory, xmpp.getLocalPort(), admin.getLocalPort(), component.getLocalPort(),
                    server.getLocalPort());
        }
        Map<String, String> properties = home.properties(launch);
        boolean fresh = !Files.exists(directory.resolve("conf/openfire.xml"));
        home.write("conf/openfire.xml", home.openfireXml());
        if (fresh) {
            home.fill(launch, properties);
        } else {
            home.updateProperties(properties);
        }
        if (!launch.get("jar").isEmpty()) {
            Path part = directory.resolve("plugins/cloudbridge.part");
            Files.copy(Paths.get(launch.get("jar")), part, StandardCopyOption.REPLACE_EXISTING);
            Files.move(part, directory.resolve("plugins/cloudbridge.jar"), StandardCopyOption.REPLACE_EXISTING);
        }
        return home;
    }

    Path directory() {
        return directory;
    }

    int xmppPort() {
        return xmppPort;
    }

    int adminPort() {
        return adminPort;
    }

    /** For external components (XEP-0114); open only when the launch file switches it on. */
    int componentPort() {
        return componentPort;
    }

    /** For other servers; open only when the launch file switches it on. */
    int serverPort() {
        return serverPort;
    }

    private static ServerSocket anyPort() throws IOException {
        return new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"));
    }

    private Map<String, String> properties(LaunchFile launch) {
        String domain = launch.require("domain");
        Map<String, String> properties = new LinkedHashMap<>();
        properties.put("xmpp.domain", domain);
        properties.put("xmpp.fqdn", domain);
        properties.put("xmpp.socket.plain.port", String.valueOf(xmppPort));
        properties.put("xmpp.server.socket.port", String.valueOf(serverPort));
        properties.put("xmpp.component.socket.port", String.valueOf(componentPort));
        for (String key : SWITCHED_OFF) {
            properties.put(key, "false");
        }
        // Whoever can reach the loopback address is the administrator: see OpenConsole.
        properties.put("adminConsole.servlet-request-authenticator", OpenConsole.class.getName());
        properties.put("admin.authorizedJIDs", "admin@" + domain);
        properties.putAll(launch.properties());
        return properties;
    }

    private void fill(LaunchFile launch, Map<String, String> properties) throws Exception {
        StringBuilder sql = new StringBuilder(
                new String(Files.readAllBytes(Paths.get(launch.require("schema"))), StandardCharsets.UTF_8));
        properties.forEach((key, value) -> sql.append("INSERT INTO ofProperty (name, propValue) VALUES (")
                .append(literal(key)).append(", ").append(literal(value)).append(");\n"));
        write("resources/database/openfire_hsqldb.sql", sql.toString());
        KeyStores.install(Paths.get(launch.require("security")), launch.require("domain"),
                directory.resolve("resources/security"));
        write("conf/security.xml", "<security><encrypt><algorithm>AES</algorithm><key><current/></key>"
                + "<property/></encrypt></security>\n");
        // Without a plugin of this name Openfire loads the first plugin twice, once as its admin console.
        write("plugins/admin/plugin.xml", "<plugin>"
                + "<class>org.jivesoftware.openfire.container.AdminConsolePlugin</class><name>Admin console</name>"
                + "<description>The console of a test server.</description><author>Cloud Bridge</author>"
                + "<version>4.2.0</version></plugin>\n");
        write("plugins/admin/webapp/WEB-INF/web.xml", CONSOLE_WEB_XML);
        Files.createDirectories(directory.resolve("logs"));
    }

    /** A second start: the ports are new, and whatever the launch file says wins over what the database holds. */
    private void updateProperties(Map<String, String> properties) throws IOException, SQLException {
        // We hold the home's lock, so whoever left this one is dead; HSQLDB would wait for its heartbeat to stop.
        Files.deleteIfExists(directory.resolve("embedded-db/openfire.lck"));
        String url = "jdbc:hsqldb:" + directory.resolve("embedded-db/openfire");
        try (Connection database = DriverManager.getConnection(url, "sa", "")) {
            try (PreparedStatement delete = database.prepareStatement("DELETE FROM ofProperty WHERE name = ?");
                    PreparedStatement insert = database.prepareStatement(
                            "INSERT INTO ofProperty (name, propValue) VALUES (?, ?)")) {
                for (Map.Entry<String, String> property : properties.entrySet()) {
                    delete.setString(1, property.getKey());
                    delete.executeUpdate();
                    insert.setString(1, property.getKey());
                    insert.setString(2, property.getValue());
                    insert.executeUpdate();
                }
            }
            try (Statement statement = database.createStatement()) {
                statement.execute("SHUTDOWN");
            }
        }
    }

    private String openfireXml() {
        return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<jive>\n"
                + "  <setup>true</setup>\n  <locale>en</locale>\n"
                + "  <adminConsole><port>" + adminPort + "</port><securePort>-1</securePort>"
                + "<interface>127.0.0.1</interface></adminConsole>\n"
                + "  <network><interface>127.0.0.1</interface></network>\n"
                + "  <connectionProvider><className>org.jivesoftware.database.EmbeddedConnectionProvider</className>"
                + "</connectionProvider>\n</jive>\n";
    }

    private void write(String name, String text) throws IOException {
        Path file = directory.resolve(name);
        Files.createDirectories(file.getParent());
        Files.write(file, text.getBytes(StandardCharsets.UTF_8));
    }

    private static String literal(String text) {
        return "'" + text.replace("'", "''") + "'";
    }

    /** Openfire's own filters and plugin servlet, none of its pages (they are not in any package registry). */
    private static final String CONSOLE_WEB_XML = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            + "<web-app xmlns=\"http://xmlns.jcp.org/xml/ns/javaee\" version=\"3.1\">\n"
            + "  <filter><filter-name>auth</filter-name>"
            + "<filter-class>org.jivesoftware.admin.AuthCheckFilter</filter-class></filter>\n"
            + "  <filter><filter-name>plugin</filter-name>"
            + "<filter-class>org.jivesoftware.admin.PluginFilter</filter-class></filter>\n"
            + "  <filter><filter-name>encoding</filter-name>"
            + "<filter-class>org.jivesoftware.util.SetCharacterEncodingFilter</filter-class></filter>\n"
            + "  <filter-mapping><filter-name>auth</filter-name><url-pattern>/plugins/*</url-pattern></filter-mapping>\n"
            + "  <filter-mapping><filter-name>plugin</filter-name><url-pattern>/plugins/*</url-pattern>"
            + "</filter-mapping>\n"
            + "  <filter-mapping><filter-name>encoding</filter-name><url-pattern>/plugins/*</url-pattern>"
            + "</filter-mapping>\n"
            + "  <servlet><servlet-name>plugins</servlet-name>"
            + "<servlet-class>org.jivesoftware.openfire.container.PluginServlet</servlet-class>"
            + "<load-on-startup>1</load-on-startup></servlet>\n"
            + "  <servlet-mapping><servlet-name>plugins</servlet-name><url-pattern>/plugins/*</url-pattern>"
            + "</servlet-mapping>\n"
            + "</web-app>\n";
}
