package org.jivesoftware.openfire.auth;

public class AuthToken {
    public AuthToken(String jid) {}
}
