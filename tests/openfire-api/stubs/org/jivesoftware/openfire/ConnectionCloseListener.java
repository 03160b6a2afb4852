package org.jivesoftware.openfire;

public interface ConnectionCloseListener {
    void onConnectionClose(Object handback);
}
