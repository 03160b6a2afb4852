/*
 * What stands behind a stand-in where Openfire has no handler of its own: it answers what Openfire's router would have
 * answered without us. For namespaces whose feature nobody announces but us.
 */
package org.cloudbridge.openfire;

import java.util.Collections;
import java.util.Set;

import org.jivesoftware.openfire.IQHandlerInfo;
import org.jivesoftware.openfire.handler.IQHandler;
import org.xmpp.packet.IQ;
import org.xmpp.packet.PacketError;

/** No handler. */
final class NoHandler extends IQHandler {
    /** Message archives (XEP-0313): Openfire leaves them to plugins. */
    static final String ARCHIVE = "urn:xmpp:mam:2";
    /** Where we may be the only one, beside what the filter table says; a row about another that nobody serves has no effect. */
    static final Set<String> NAMESPACES = Collections.singleton(ARCHIVE);

    private final IQHandlerInfo info;

    NoHandler(String namespace) {
        super("nobody");
        info = new IQHandlerInfo("query", namespace);
    }

    @Override
    public IQHandlerInfo getInfo() {
        return info;
    }

    @Override
    public IQ handleIQ(IQ iq) {
        if (iq.getType() != IQ.Type.get && iq.getType() != IQ.Type.set) {
            return null;
        }
        IQ reply = IQ.createResultIQ(iq);
        if (iq.getChildElement() != null) {
            reply.setChildElement(iq.getChildElement().createCopy());
        }
        reply.setError(PacketError.Condition.service_unavailable);
        return reply;
    }
}
