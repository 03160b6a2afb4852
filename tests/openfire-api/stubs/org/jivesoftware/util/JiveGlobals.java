package org.jivesoftware.util;

public class JiveGlobals {
    public static String getHomeDirectory() {
        return null;
    }

    public static String getProperty(String name) {
        return null;
    }
}
