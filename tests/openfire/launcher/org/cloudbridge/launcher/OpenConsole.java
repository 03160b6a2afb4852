package org.cloudbridge.launcher;

import javax.servlet.http.HttpServletRequest;
import org.jivesoftware.admin.ServletRequestAuthenticator;

/**
 * Every request to the console of a test server is the administrator's: the login page of Openfire 4.2.0 is in no
 * package registry. Requests still pass Openfire's own AuthCheckFilter and get a real session. Never use this outside
 * of a throw-away server on the loopback address.
 */
public final class OpenConsole implements ServletRequestAuthenticator {

    @Override
    public String authenticateRequest(HttpServletRequest request) {
        return "admin";
    }
}
