package org.jivesoftware.openfire.container;

public class BasicModule {
    public BasicModule(String name) {}

    public void start() {}

    public void stop() {}

    /** Was never in Openfire. */
    protected void gone() {}
}
