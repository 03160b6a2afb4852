package org.jivesoftware.openfire.muc;

public interface MUCRole {}
