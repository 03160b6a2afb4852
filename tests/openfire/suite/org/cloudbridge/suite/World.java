package org.cloudbridge.suite;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.Map;

/** Where things are: what xtask built and tells the suite. */
final class World {

    final Path root;
    final Path openfire;
    final Path jar;
    /** The example of another plugin. */
    final Path example;
    final Path platform;
    final Path homes;
    /** The JDK that runs this suite. */
    final Path java;
    final Path node;
    /** Where npm has put json-server. */
    final Path jsonServer;
    /** A newer JDK of this machine, or null. */
    final Path newestJava;

    World(Map<String, String> arguments) {
        root = Paths.get(arguments.get("root"));
        Path target = Paths.get(arguments.get("target"));
        openfire = target.resolve("openfire");
        jar = target.resolve("dist/cloudbridge.jar");
        example = openfire.resolve("java-plugin/bridgeexample.jar");
        platform = Paths.get(arguments.get("platform"));
        homes = openfire.resolve("homes");
        java = Paths.get(System.getProperty("java.home"));
        node = Paths.get(arguments.get("node"));
        jsonServer = Paths.get(arguments.get("json-server"));
        newestJava = arguments.containsKey("newest-java") ? Paths.get(arguments.get("newest-java")) : null;
    }

    Path need(Path file) {
        if (!Files.exists(file)) {
            throw new AssertionError(file + " is not there: run cargo xtask dist");
        }
        return file;
    }
}
