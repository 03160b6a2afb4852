/*
 * How Openfire's groups are called at the platform. A group's id there is [A-Za-z0-9._-]{1,128} and never changes; in Openfire
 * its name is all the identity that it has, holds any characters, and may change.
 *
 * The id of a group is its name with every byte that is no letter, digit, `.` or `-` as `_` and two hexadecimal digits
 * (UTF-8; `_` itself is `_5f`), so that "Night watch" is `Night_20watch` and back. What would become longer than an id may be
 * is cut there and ends in `_-` and 32 digits of the name's SHA-256. A group that has another id than its name makes, because
 * it was renamed, or made at the platform, says it in a property of its own.
 *
 * The other way, a name of the platform's may be too long for Openfire's tables or taken by another group: then the group gets
 * a short form, which ends in ` ~` and eight digits made of its id, and which is never told back.
 */
package org.cloudbridge.openfire;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/** Pure functions of texts. */
final class GroupNames {
    /** The property of a group whose id is not its name's. */
    static final String ID = "cloudbridge.id";
    /** Columns of ofGroup, in every database that Openfire has a script for. */
    static final int NAME_MOST = 50;
    static final int DESCRIPTION_MOST = 255;
    private static final int ID_MOST = 128;
    private static final int HASH_DIGITS = 32;
    private static final String DIGITS = "0123456789abcdef";

    private GroupNames() {
    }

    /** The id that a name makes. */
    static String id(String name) {
        StringBuilder id = new StringBuilder(name.length() + 16);
        int kept = 0;
        for (byte b : name.getBytes(StandardCharsets.UTF_8)) {
            char c = (char) (b & 0xff);
            if (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-') {
                id.append(c);
            } else {
                id.append('_').append(DIGITS.charAt(c >> 4)).append(DIGITS.charAt(c & 15));
            }
            if (id.length() <= ID_MOST - HASH_DIGITS - 2) {
                kept = id.length();
            }
        }
        return id.length() <= ID_MOST ? id.toString() : id.substring(0, kept) + "_-" + hash(name, HASH_DIGITS);
    }

    /** The name that makes this id; null when it cannot be seen in it, or when no name makes it. */
    static String name(String id) {
        byte[] bytes = new byte[id.length()];
        int length = 0;
        for (int i = 0; i < id.length(); i++) {
            char c = id.charAt(i);
            if (c != '_') {
                bytes[length++] = (byte) c;
                continue;
            }
            int high = i + 2 < id.length() ? DIGITS.indexOf(id.charAt(i + 1)) : -1;
            int low = i + 2 < id.length() ? DIGITS.indexOf(id.charAt(i + 2)) : -1;
            if (high < 0 || low < 0) {
                return null;
            }
            bytes[length++] = (byte) (high << 4 | low);
            i += 2;
        }
        String name = new String(bytes, 0, length, StandardCharsets.UTF_8);
        return id(name).equals(id) ? name : null;
    }

    /** Another id for a name whose own is taken by a group that was called so before; no name makes it. */
    static String other(String id, int number) {
        String end = "_." + number;
        return (id.length() + end.length() <= ID_MOST ? id : id.substring(0, ID_MOST - end.length())) + end;
    }

    /** The short form of a text, for a group of this id. */
    static String shortened(String text, int most, String id) {
        String end = " ~" + hash(id, 8);
        int room = most - end.length();
        if (text.length() <= room) {
            return text + end;
        }
        // Never half a character.
        return text.substring(0, Character.isHighSurrogate(text.charAt(room - 1)) ? room - 1 : room) + end;
    }

    /** The text itself where it fits. */
    static String fitting(String text, int most, String id) {
        return text.length() <= most ? text : shortened(text, most, id);
    }

    static boolean isShortened(String text, String id) {
        return text.endsWith(" ~" + hash(id, 8));
    }

    private static String hash(String text, int digits) {
        try {
            StringBuilder hex = new StringBuilder();
            for (byte b : MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8))) {
                hex.append(DIGITS.charAt(b >> 4 & 15)).append(DIGITS.charAt(b & 15));
            }
            return hex.substring(0, digits);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e); // Every Java has it.
        }
    }
}
