/*
 * APPLY, PEP: pep.ask puts a request to somebody's own PEP service (XEP-0163) as they would, and gives what the service
 * answers. It comes from the user's bare JID without a `to`, which is how Openfire makes service and node in every version;
 * the answer finds us by its id, before anybody else. IqGate leaves alone what a pump thread does.
 *
 * What it leaves out: what the requests say.
 */
package org.cloudbridge.openfire;

import java.nio.charset.StandardCharsets;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

import org.dom4j.Element;
import org.jivesoftware.openfire.IQRouter;
import org.xmpp.component.IQResultListener;
import org.xmpp.packet.IQ;
import org.xmpp.packet.JID;

/** The verb that asks somebody's PEP service. */
final class PepVerbs implements Appliers.Area {
    private static final int WAIT_MILLIS = 10_000;
    private static final Delivery.Result NO_ANSWER = new Delivery.Result(Frame.OUTCOME_FAILED, "no answer");

    private final UserVerbs.Accounts accounts;
    private final IQRouter router;
    private final String domain;
    private final StanzaWriter.Pool writers;
    /** Of this start, so that an answer to an earlier one is nobody's. */
    private final String prefix = "cloudbridge-pep-" + Long.toHexString(System.nanoTime()) + "-";
    private final AtomicLong count = new AtomicLong();

    PepVerbs(UserVerbs.Accounts accounts, IQRouter router, String domain, StanzaWriter.Pool writers) {
        this.accounts = accounts;
        this.router = router;
        this.domain = domain;
        this.writers = writers;
    }

    @Override
    public void addTo(Appliers table) {
        table.verb("pep.ask", 3, (thread, arguments) ->
            ask(new JID(arguments[0]), IQ.Type.valueOf(arguments[1]), thread.reader.parse(arguments[2])));
    }

    private Delivery.Result ask(JID user, IQ.Type type, Element payload) throws Exception {
        if (user.getNode() == null || !domain.equals(user.getDomain()) || !accounts.exists(user.getNode())) {
            return Delivery.Result.GONE;
        }
        IQ iq = new IQ(type);
        iq.setID(prefix + count.incrementAndGet());
        iq.setFrom(user.asBareJID());
        iq.setChildElement(payload);
        Answer answer = new Answer();
        router.addIQResultListener(iq.getID(), answer, WAIT_MILLIS);
        router.route(iq);
        IQ given = answer.queue.poll(WAIT_MILLIS, TimeUnit.MILLISECONDS);
        return given == null ? NO_ANSWER : new Delivery.Result(Frame.OUTCOME_OK, text(given.getElement()));
    }

    private String text(Element stanza) {
        StanzaWriter writer = writers.borrow();
        writer.write(stanza);
        String text = new String(writer.buffer(), 0, writer.length(), StandardCharsets.UTF_8);
        writers.giveBack(writer);
        return text;
    }

    /** Takes the first answer. */
    private static final class Answer implements IQResultListener {
        final BlockingQueue<IQ> queue = new ArrayBlockingQueue<>(1);

        @Override
        public void receivedAnswer(IQ packet) {
            queue.offer(packet.createCopy());
        }

        @Override
        public void answerTimeout(String packetId) {
            // Whoever waits has given up at the same moment.
        }
    }
}
