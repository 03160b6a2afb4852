/* Names of machines, the data folder's mode, and the platform's binary with its content in its name. */
package org.cloudbridge.openfire;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNotEquals;
import static org.junit.Assert.assertTrue;
import static org.junit.Assert.fail;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.nio.file.attribute.PosixFilePermissions;

import org.junit.Rule;
import org.junit.Test;
import org.junit.rules.TemporaryFolder;

public class NativeFilesTest {
    @Rule
    public final TemporaryFolder folder = new TemporaryFolder();

    @Test
    public void machines() {
        assertEquals("linux-x86_64", NativeFiles.machine("Linux", "amd64"));
        assertEquals("linux-aarch64", NativeFiles.machine("Linux", "aarch64"));
        assertEquals("macos-aarch64", NativeFiles.machine("Mac OS X", "aarch64"));
        assertEquals("windows-x86_64", NativeFiles.machine("Windows Server 2022", "amd64"));
        assertEquals("sunos-sparcv9", NativeFiles.machine("SunOS", "sparcv9"));
    }

    @Test
    public void theDataFolderIsItsOwners() throws Exception {
        Path data = folder.getRoot().toPath().resolve("home/cloudbridge");
        new NativeFiles(folder.getRoot().toPath(), data).makeDataDir();
        assertEquals("rwx------", PosixFilePermissions.toString(Files.getPosixFilePermissions(data)));
    }

    @Test
    public void anUnusableDataFolderIsToldInOneLine() throws Exception {
        Path file = folder.newFile("in-the-way").toPath();
        try {
            new NativeFiles(folder.getRoot().toPath(), file.resolve("data")).makeDataDir();
            fail("made a folder in a file");
        } catch (HostException e) {
            assertEquals(HostException.IO, e.code());
            assertTrue(e.getMessage(), e.getMessage().contains(file.toString()) && e.getMessage().contains("plugin.cloudbridge.dataDir"));
        }
    }

    @Test
    public void aMachineWithoutANativeIsToldInOneLine() throws Exception {
        NativeFiles files = new NativeFiles(folder.getRoot().toPath(), folder.getRoot().toPath().resolve("data"));
        try {
            files.loadLibrary();
            fail("loaded nothing");
        } catch (HostException e) {
            assertEquals(HostException.UNSUPPORTED, e.code());
            assertFalse(e.getMessage().contains("\n"));
        }
        assertEquals("", files.unpackPlatform());
    }

    @Test
    public void theBinaryIsUnpackedOncePerContent() throws Exception {
        Path root = folder.getRoot().toPath();
        Path source = root.resolve("platform").resolve(NativeFiles.machine()).resolve("im-platform");
        Files.createDirectories(source.getParent());
        Files.write(source, "#!/bin/sh\n".getBytes(StandardCharsets.UTF_8));
        NativeFiles files = new NativeFiles(root, root.resolve("data"));
        Path first = Paths.get(files.unpackPlatform());
        assertTrue(Files.isExecutable(first));
        assertEquals(root.resolve("data/bin"), first.getParent());
        assertEquals(first.toString(), files.unpackPlatform());
        Files.write(source, "#!/bin/sh\nexit\n".getBytes(StandardCharsets.UTF_8));
        Path second = Paths.get(files.unpackPlatform());
        assertNotEquals(first, second);
        assertFalse("the old one is cleared away", Files.exists(first));
    }
}
