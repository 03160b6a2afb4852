package org.jivesoftware.openfire.muc;

public interface MUCRoom {
    String getSubject();
}
