package org.jivesoftware.openfire.starter;

import org.cloudbridge.launcher.Launcher;

/**
 * Starts a throw-away Openfire. Only its name matters: Openfire looks for a class of this name and, when it is there,
 * counts as stand-alone, that is, shuts down cleanly on SIGTERM.
 */
public final class ServerStarter {

    private ServerStarter() {
    }

    public static void main(String[] args) throws Exception {
        Launcher.main(args);
    }
}
