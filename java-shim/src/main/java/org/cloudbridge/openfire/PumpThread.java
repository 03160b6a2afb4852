/*
 * The kind of thread that executes effects. What Openfire calls on such a thread was caused by the bridge itself: that is
 * the guard against taking our own packets again, and how a message that Openfire's offline store took is recognised as
 * ours. A class of thread instead of a thread-local, because thread-locals stay on Openfire's threads after an unload.
 */
package org.cloudbridge.openfire;

import org.xmpp.packet.JID;
import org.xmpp.packet.Message;

/** One pump thread with what it is doing just now. */
final class PumpThread extends Thread {
    /** Each thread parses with its own reader. */
    final StanzaReader reader = new StanzaReader();
    /** When the running effect began (System.nanoTime), 0 between effects. Read by the pump to see whether all are stuck. */
    volatile long busySince;

    // Only this thread touches what follows.
    private Message inFlight;
    private boolean takeBack;
    private int fate;
    private String halfDone;

    /** Openfire's offline store did not see the message. */
    static final int UNSEEN = 0;
    /** The offline store took it and has it. */
    static final int STORED = 1;
    /** The offline store took it and it has been removed from there again. */
    static final int REMOVED = 2;
    /** Openfire sent an error to its sender instead. */
    static final int BOUNCED = 3;

    PumpThread(Runnable work, String name) {
        super(work, name);
        setDaemon(true);
    }

    /** The pump thread that is running, or null on any other thread. */
    static PumpThread current() {
        Thread thread = Thread.currentThread();
        return thread instanceof PumpThread ? (PumpThread) thread : null;
    }

    /** A change of ours to this roster item takes several steps in Openfire, and what is seen between them is nobody's wish. */
    void begin(String owner, JID contact) {
        halfDone = owner + '\n' + contact.toBareJID();
    }

    /** What comes is the item as it is to be. */
    void end() {
        halfDone = null;
    }

    boolean isHalfDone(String owner, JID contact) {
        return halfDone != null && halfDone.equals(owner + '\n' + contact.toBareJID());
    }

    /** From here to landed(), the offline store is watched for this message; takeBack = it must not stay there. */
    void launch(Message message, boolean mayStay) {
        inFlight = message;
        takeBack = !mayStay;
        fate = UNSEEN;
    }

    /** Ends the watch and says what the offline store did. */
    int landed() {
        inFlight = null;
        return fate;
    }

    Message inFlight() {
        return inFlight;
    }

    boolean mustTakeBack() {
        return takeBack;
    }

    void fate(int what) {
        fate = what;
    }
}
