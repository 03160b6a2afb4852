package org.jivesoftware.util;

public class JiveConstants {
    // Not a constant here, or javac would copy it into the class that uses it.
    public static long MINUTE;
}
