/*
 * Where the native parts lie: finds what the jar brought for this machine and puts copies where they can be loaded and
 * run. The library gets a fresh name at each start, because a path that one class loader has loaded cannot be loaded by
 * the next until the first is collected; and it never lies in the plugin's directory, which Openfire deletes.
 *
 * What it leaves out: durable state. Everything it writes can be written again.
 */
package org.cloudbridge.openfire;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Locale;
import java.util.UUID;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The data folder, the library's copy and the platform's binary. */
final class NativeFiles {
    private static final Logger LOG = LoggerFactory.getLogger(NativeFiles.class);
    private static final String OWNER_ONLY = "rwx------";
    private static final String BINARY = "im-platform";

    private final Path pluginDir;
    private final Path dataDir;

    NativeFiles(Path pluginDir, Path dataDir) {
        this.pluginDir = pluginDir;
        this.dataDir = dataDir;
    }

    /** The folder name for this machine: linux-x86_64, macos-aarch64, windows-x86_64, … */
    static String machine(String osName, String osArch) {
        String os = osName.toLowerCase(Locale.ROOT);
        String arch = osArch.toLowerCase(Locale.ROOT);
        if (os.startsWith("mac")) {
            os = "macos";
        } else if (os.startsWith("windows")) {
            os = "windows";
        }
        if (arch.equals("amd64") || arch.equals("x64")) {
            arch = "x86_64";
        } else if (arch.equals("arm64")) {
            arch = "aarch64";
        }
        return (os + '-' + arch).replace(' ', '_');
    }

    static String machine() {
        return machine(System.getProperty("os.name", "unknown"), System.getProperty("os.arch", "unknown"));
    }

    /** Makes the data folder, for its owner only. One line for a person if it cannot be used. */
    void makeDataDir() throws HostException {
        try {
            Files.createDirectories(dataDir);
            Files.setPosixFilePermissions(dataDir, PosixFilePermissions.fromString(OWNER_ONLY));
        } catch (UnsupportedOperationException e) {
            LOG.debug("{} is on a file system without POSIX permissions", dataDir);
        } catch (IOException e) {
            throw unusable(e instanceof FileSystemException ? ((FileSystemException) e).getReason() : e.getMessage());
        }
        if (!Files.isWritable(dataDir)) {
            throw unusable("it is not writable");
        }
    }

    private HostException unusable(String why) {
        return new HostException(HostException.IO, "The data folder " + dataDir + " cannot be used"
            + (why == null ? "" : " (" + why + ")") + "; it can be moved with the property " + Settings.DATA_DIR + ".");
    }

    /** Loads the library for the class loader of Host. One line for a person if this machine has none. */
    void loadLibrary() throws IOException, HostException {
        String file = System.mapLibraryName("cloudbridge");
        Path source = pluginDir.resolve("native").resolve(machine()).resolve(file);
        if (!Files.isRegularFile(source)) {
            throw new HostException(HostException.UNSUPPORTED,
                "This jar has no native part for " + machine() + "; Cloud Bridge does nothing here.");
        }
        String prefix = prefix();
        Path[] folders = {dataDir.resolve("native"), Paths.get(System.getProperty("java.io.tmpdir", "."))};
        for (Path folder : folders) {
            removeOthers(folder, prefix, null);
        }
        UnsatisfiedLinkError refused = null;
        for (Path folder : folders) {
            Files.createDirectories(folder);
            Path copy = folder.resolve(prefix + UUID.randomUUID() + '-' + file);
            Files.copy(source, copy);
            try {
                Host.load(copy.toAbsolutePath().toString());
                return;
            } catch (UnsatisfiedLinkError e) {
                // Usually a file system mounted noexec: the other folder may do.
                LOG.debug("{} could not be loaded", copy, e);
                Files.deleteIfExists(copy);
                if (refused == null) {
                    refused = e;
                } else {
                    refused.addSuppressed(e);
                }
            }
        }
        throw new HostException(HostException.UNSUPPORTED, "The native library could not be loaded: " + refused.getMessage());
    }

    /** Unpacks the reference platform; its content is in its name, so a running older one is left in peace. "" = none here. */
    String unpackPlatform() throws IOException {
        Path source = pluginDir.resolve("platform").resolve(machine()).resolve(BINARY);
        if (!Files.isRegularFile(source)) {
            return "";
        }
        String name = BINARY + '-' + hashOf(source);
        Path target = place(source, dataDir.resolve("bin"), name);
        if (!Files.isExecutable(target)) {
            LOG.warn("{} cannot be executed there (mounted noexec?), using the temporary folder", target);
            // A fresh folder of our own: a name that others can guess could be theirs already. Cleared away by loadLibrary.
            target = place(source, Files.createTempDirectory(prefix()), name);
        }
        return target.toAbsolutePath().toString();
    }

    /** Copies in the temporary folder belong to a data folder, so that two servers do not clear away each other's. */
    private String prefix() {
        return "cloudbridge-" + hash(dataDir.toAbsolutePath().toString()) + '-';
    }

    private static Path place(Path source, Path folder, String name) throws IOException {
        Files.createDirectories(folder);
        removeOthers(folder, BINARY + '-', name);
        Path target = folder.resolve(name);
        if (!Files.isRegularFile(target) || Files.size(target) != Files.size(source)) {
            Path half = folder.resolve(name + ".new");
            Files.copy(source, half, StandardCopyOption.REPLACE_EXISTING);
            makeExecutable(half);
            Files.move(half, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } else {
            makeExecutable(target);
        }
        return target;
    }

    private static void makeExecutable(Path path) throws IOException {
        try {
            Files.setPosixFilePermissions(path, PosixFilePermissions.fromString(OWNER_ONLY));
        } catch (UnsupportedOperationException e) {
            File file = path.toFile();
            if (!file.setExecutable(true, true)) {
                LOG.debug("{} could not be made executable", path);
            }
        }
    }

    /** Deletes what earlier starts left: on Linux also while another loader still has it mapped, elsewhere next time. */
    private static void removeOthers(Path folder, String prefix, String keep) {
        if (!Files.isDirectory(folder)) {
            return;
        }
        try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, prefix + "*")) {
            for (Path file : files) {
                if (!file.getFileName().toString().equals(keep)) {
                    try {
                        if (Files.isDirectory(file, LinkOption.NOFOLLOW_LINKS)) {
                            removeOthers(file, BINARY, null);
                        }
                        Files.delete(file);
                    } catch (IOException e) {
                        LOG.debug("{} could not be deleted yet", file);
                    }
                }
            }
        } catch (IOException e) {
            LOG.debug("{} could not be searched for old copies", folder);
        }
    }

    private static String hashOf(Path file) throws IOException {
        MessageDigest digest = sha256();
        byte[] chunk = new byte[65536];
        try (InputStream in = Files.newInputStream(file)) {
            for (int count = in.read(chunk); count >= 0; count = in.read(chunk)) {
                digest.update(chunk, 0, count);
            }
        }
        return hex(digest.digest());
    }

    private static String hash(String text) {
        return hex(sha256().digest(text.getBytes(java.nio.charset.StandardCharsets.UTF_8)));
    }

    private static String hex(byte[] bytes) {
        StringBuilder hex = new StringBuilder(16);
        for (int i = 0; i < 8; i++) {
            hex.append(String.format("%02x", bytes[i]));
        }
        return hex.toString();
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }
}
