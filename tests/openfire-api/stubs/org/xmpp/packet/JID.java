package org.xmpp.packet;

public class JID {
    public JID(String jid) {}

    public String toBareJID() {
        return null;
    }
}
