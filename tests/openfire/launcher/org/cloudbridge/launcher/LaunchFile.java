package org.cloudbridge.launcher;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What a server is started with: UTF-8 lines {@code key=value}, nothing escaped.
 *
 * <pre>
 * home=DIR            made when absent; a second start on the same home keeps its data and takes new ports
 * schema=FILE         the SQL that Openfire runs in an empty database
 * security=DIR        where the generated key stores are kept between runs
 * domain=NAME         the XMPP domain
 * jar=FILE            copied into plugins/ as cloudbridge.jar (optional)
 * user.NAME=PASSWORD  created when absent
 * property.KEY=VALUE  a row of Openfire's system properties
 * </pre>
 */
final class LaunchFile {

    private final Map<String, String> values = new LinkedHashMap<>();

    private LaunchFile() {
    }

    static LaunchFile read(Path file) throws IOException {
        LaunchFile launch = new LaunchFile();
        for (String line : Files.readAllLines(file, StandardCharsets.UTF_8)) {
            int equals = line.indexOf('=');
            if (equals > 0) {
                launch.values.put(line.substring(0, equals), line.substring(equals + 1));
            }
        }
        return launch;
    }

    String require(String key) {
        String value = values.get(key);
        if (value == null) {
            throw new IllegalArgumentException("the launch file lacks " + key);
        }
        return value;
    }

    /** Empty when the key is absent. */
    String get(String key) {
        return values.getOrDefault(key, "");
    }

    Map<String, String> users() {
        return below("user.");
    }

    Map<String, String> properties() {
        return below("property.");
    }

    private Map<String, String> below(String prefix) {
        Map<String, String> found = new LinkedHashMap<>();
        values.forEach((key, value) -> {
            if (key.startsWith(prefix)) {
                found.put(key.substring(prefix.length()), value);
            }
        });
        return found;
    }
}
