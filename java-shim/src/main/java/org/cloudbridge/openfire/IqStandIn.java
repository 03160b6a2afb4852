/*
 * One handler in the place of a built-in one, and the keeper of the requests that the host took there. To clients it is
 * the built-in: same info, same checks before it is called, same answers.
 *
 * Answers: exactly one. The built-in gives it as its return value or sends it by itself; both happen. When the client has
 * gone meanwhile there is none; a change of a roster or a PEP node that the host has let through is still made then, so
 * that Openfire says what the platform says (registrations need the session, and Openfire would log an error without it).
 *
 * What it leaves out: which requests are offered (IqGate).
 */
package org.cloudbridge.openfire;

import java.lang.reflect.Method;

import org.dom4j.Element;
import org.jivesoftware.openfire.IQHandlerInfo;
import org.jivesoftware.openfire.auth.UnauthorizedException;
import org.jivesoftware.openfire.handler.IQHandler;
import org.jivesoftware.openfire.session.ClientSession;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.xmpp.packet.IQ;
import org.xmpp.packet.Packet;

/** A stand-in; it works on after it has been taken out, for what was held there. */
final class IqStandIn extends IQHandler implements Held.Keeper {
    static final String ROSTER = "jabber:iq:roster";
    private static final Logger LOG = LoggerFactory.getLogger(IqStandIn.class);
    private static final Delivery.Result NO_SESSION = new Delivery.Result(Frame.OUTCOME_OK, "no session");

    private final IQHandler builtIn;
    private final IqGate gate;
    private final Delivery.Sessions sessions;
    private final RareLog rareLog = new RareLog(LOG);
    private final boolean checksUser;

    IqStandIn(IQHandler builtIn, IqGate gate, Delivery.Sessions sessions) {
        super("Cloud Bridge before " + builtIn.getName());
        this.builtIn = builtIn;
        this.gate = gate;
        this.sessions = sessions;
        checksUser = checksUser(builtIn);
    }

    /** Whether nobody is behind it. */
    boolean isAlone() {
        return builtIn instanceof NoHandler;
    }

    @Override
    public IQHandlerInfo getInfo() {
        return builtIn.getInfo();
    }

    /** Openfire 4.8 and later ask a handler whether a request to a user that does not exist is to be turned away before. */
    public boolean performNoSuchUserCheck() {
        return checksUser;
    }

    private static boolean checksUser(IQHandler builtIn) {
        try {
            Method method = builtIn.getClass().getMethod("performNoSuchUserCheck");
            return Boolean.TRUE.equals(method.invoke(builtIn));
        } catch (ReflectiveOperationException | RuntimeException e) {
            return true; // Older ones do not ask; newer ones' default is yes.
        }
    }

    @Override
    public IQ handleIQ(IQ iq) throws UnauthorizedException {
        return gate.taken(iq, this) ? null : builtIn.handleIQ(iq);
    }

    @Override
    public Delivery.Result release(Packet packet) {
        IQ iq = (IQ) packet;
        if (sessions.get(iq.getFrom()) == null && !isRosterSet(iq) && !isPubSubSet(iq)) {
            return NO_SESSION;
        }
        IQ reply;
        String detail = "";
        try {
            reply = handled(iq);
        } catch (UnauthorizedException e) {
            reply = Stanzas.error(iq, "auth", "not-authorized", "");
        } catch (RuntimeException e) {
            // As IQHandler does it, but without the packet in the log. It has been answered, so it must not come again.
            rareLog.warn("Openfire's handler of " + builtIn.getInfo().getNamespace() + " failed: " + e.getClass().getName());
            reply = Stanzas.error(iq, "wait", "internal-server-error", "");
            detail = e.getClass().getName();
        }
        return reply == null ? new Delivery.Result(Frame.OUTCOME_OK, detail) : answer(sessions, iq, reply, detail);
    }

    private IQ handled(IQ iq) throws UnauthorizedException {
        if (!isRosterSet(iq) || iq.getFrom() == null) {
            return builtIn.handleIQ(iq);
        }
        synchronized (RosterOrder.of(iq.getFrom().getNode())) {
            return builtIn.handleIQ(iq);
        }
    }

    @Override
    public Delivery.Result refuse(Packet packet, String type, String condition, String text) {
        IQ iq = (IQ) packet;
        return answer(sessions, iq, Stanzas.error(iq, type, condition, text), "");
    }

    @Override
    public Delivery.Result replace(Packet packet, String xml, StanzaReader reader) throws Exception {
        return answer(sessions, (IQ) packet, replacement((IQ) packet, xml, reader), "");
    }

    /** The host's answer to this request: whatever it says, it goes to who asked, under the id that was asked with. */
    static IQ replacement(IQ iq, String xml, StanzaReader reader) throws Exception {
        IQ answer = reader.iq(xml);
        answer.setTo(iq.getFrom());
        answer.setID(iq.getID());
        if (answer.getFrom() == null && iq.getTo() != null) {
            answer.setFrom(iq.getTo());
        }
        return answer;
    }

    /** Gives the answer to the session that asked, if it is still there; by itself and not by its JID, for before the login. */
    static Delivery.Result answer(Delivery.Sessions sessions, IQ iq, IQ reply, String detail) {
        ClientSession session = sessions.get(iq.getFrom());
        if (session == null) {
            return NO_SESSION;
        }
        session.process(reply);
        return new Delivery.Result(Frame.OUTCOME_OK, detail);
    }

    private static boolean isPubSubSet(IQ iq) {
        Element child = iq.getChildElement();
        return iq.getType() == IQ.Type.set && child != null && child.getNamespaceURI().startsWith("http://jabber.org/protocol/pubsub");
    }

    private static boolean isRosterSet(IQ iq) {
        Element child = iq.getChildElement();
        return iq.getType() == IQ.Type.set && child != null && ROSTER.equals(child.getNamespaceURI());
    }
}
