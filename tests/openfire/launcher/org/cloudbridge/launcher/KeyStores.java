package org.cloudbridge.launcher;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.nio.file.StandardCopyOption;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * The key store and trust stores of a test server. keytool takes a second or two, so one set per domain is made once
 * and kept; the key guards nothing.
 */
final class KeyStores {

    private static final String PASSWORD = "changeit";

    private KeyStores() {
    }

    static void install(Path cache, String domain, Path into) throws IOException, InterruptedException {
        Path made = cache.resolve(domain);
        if (!Files.exists(made)) {
            make(cache, domain, made);
        }
        Files.createDirectories(into);
        Files.copy(made.resolve("keystore"), into.resolve("keystore"));
        Files.copy(made.resolve("truststore"), into.resolve("truststore"));
        Files.copy(made.resolve("truststore"), into.resolve("client.truststore"));
    }

    private static void make(Path cache, String domain, Path made) throws IOException, InterruptedException {
        Files.createDirectories(cache);
        Path scratch = Files.createTempDirectory(cache, "new");
        keytool("-genkeypair", "-keystore", scratch.resolve("keystore").toString(), "-alias", domain + "_rsa",
                "-keyalg", "RSA", "-keysize", "2048", "-sigalg", "SHA256withRSA", "-validity", "3650",
                "-dname", "CN=" + domain, "-ext", "san=dns:" + domain + ",dns:*." + domain, "-keypass", PASSWORD);
        emptyStore(scratch.resolve("truststore"));
        try {
            Files.move(scratch, made, StandardCopyOption.ATOMIC_MOVE);
        } catch (FileSystemException e) {
            // Another server may have been quicker; its set is as good.
            if (!Files.exists(made)) {
                throw e;
            }
        }
    }

    private static void emptyStore(Path file) throws IOException {
        try (OutputStream out = Files.newOutputStream(file)) {
            KeyStore store = KeyStore.getInstance("JKS");
            store.load(null, null);
            store.store(out, PASSWORD.toCharArray());
        } catch (GeneralSecurityException e) {
            throw new IOException(e);
        }
    }

    private static void keytool(String... arguments) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>();
        command.add(Paths.get(System.getProperty("java.home"), "bin", "keytool").toString());
        command.addAll(Arrays.asList(arguments));
        command.addAll(Arrays.asList("-storetype", "JKS", "-storepass", PASSWORD));
        Process process = new ProcessBuilder(command).redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD).start();
        if (!process.waitFor(60, TimeUnit.SECONDS) || process.exitValue() != 0) {
            process.destroyForcibly();
            throw new IOException("keytool failed: " + command);
        }
    }
}
