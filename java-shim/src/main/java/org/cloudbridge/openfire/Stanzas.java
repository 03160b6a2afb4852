/*
 * What the shim has to know about the inside of a stanza: very little. Whether Openfire sent it a second time, what an
 * error reply looks like, what a sent carbon looks like. Pure functions over dom4j trees.
 *
 * What it leaves out: sessions and routing (Delivery).
 */
package org.cloudbridge.openfire;

import java.nio.charset.StandardCharsets;

import org.dom4j.DocumentFactory;
import org.dom4j.Element;
import org.dom4j.Namespace;
import org.dom4j.Node;
import org.dom4j.QName;
import org.xmpp.packet.IQ;
import org.xmpp.packet.JID;
import org.xmpp.packet.Message;

/** Stanza pieces. */
final class Stanzas {
    private static final String STANZA_ERRORS = "urn:ietf:params:xml:ns:xmpp-stanzas";
    private static final String DELAY = "urn:xmpp:delay";
    private static final String CARBONS = "urn:xmpp:carbons:2";
    private static final String FORWARD = "urn:xmpp:forward:0";
    private static final String REGISTER = "jabber:iq:register";
    private static final String OWNER = "http://jabber.org/protocol/muc#owner";
    private static final String HINTS = "urn:xmpp:hints";

    private Stanzas() {
    }

    /** Carries a delay stamp of this server: an unacknowledged message of a dead XEP-0198 session, on its second way. */
    static boolean isRerouted(Element stanza, String domain) {
        for (int i = 0, n = stanza.nodeCount(); i < n; i++) {
            Node node = stanza.node(i);
            if (node instanceof Element) {
                Element child = (Element) node;
                if ("delay".equals(child.getName()) && DELAY.equals(child.getNamespaceURI())
                    && domain.equals(child.attributeValue("from"))) {
                    return true;
                }
            }
        }
        return false;
    }

    /** Goes to the bare JID when the resource that it is addressed to is gone: chat and normal (RFC 6121 8.5.3.2.1; an unknown type is normal). */
    static boolean isForAnybody(Element message) {
        String type = message.attributeValue("type");
        return !"groupchat".equals(type) && !"headline".equals(type) && !"error".equals(type);
    }

    /** The error reply to a message: its payload kept, addresses turned round (RFC 6120 8.3). */
    static Message error(Message original, String type, String condition, String text) {
        Message reply = original.createCopy();
        JID sender = original.getFrom();
        JID recipient = original.getTo();
        if (recipient == null && sender != null) {
            recipient = sender.asBareJID();
        }
        reply.setTo(sender);
        reply.setFrom(recipient);
        addError(reply.getElement(), type, condition, text);
        return reply;
    }

    /** The error reply to a request. What a registration or a room's form carried is not sent back: there may be a password in it. */
    static IQ error(IQ original, String type, String condition, String text) {
        IQ reply = IQ.createResultIQ(original);
        Element child = original.getChildElement();
        if (child != null) {
            reply.setChildElement(REGISTER.equals(child.getNamespaceURI()) || OWNER.equals(child.getNamespaceURI())
                ? DocumentFactory.getInstance().createElement(child.getQName()) : child.createCopy());
        }
        addError(reply.getElement(), type, condition, text);
        return reply;
    }

    private static void addError(Element element, String type, String condition, String text) {
        element.addAttribute("type", "error");
        Element error = DocumentFactory.getInstance().createElement("error");
        error.addAttribute("type", type);
        error.addElement(condition, STANZA_ERRORS);
        if (!text.isEmpty()) {
            error.addElement("text", STANZA_ERRORS).addText(text);
        }
        element.add(error);
    }

    /** The element as XML that any parser takes; a stanza says that it is in jabber:client, nothing else does. */
    static String text(Element element) {
        StanzaWriter writer = new StanzaWriter();
        writer.write(element);
        String text = new String(writer.buffer(), 0, writer.length(), StandardCharsets.UTF_8);
        boolean stanza = "message".equals(element.getName()) || "presence".equals(element.getName()) || "iq".equals(element.getName());
        return stanza || !element.getNamespaceURI().isEmpty() ? text : text.replaceFirst(" xmlns=\"" + StanzaWriter.STANZA_NAMESPACE + '"', "");
    }

    /** What XEP-0280 6.1 copies to the sender's other resources: chat, and normal with a body, unless marked private. */
    static boolean isCarbonWorthy(Element message) {
        if (message.element(QName.get("private", CARBONS)) != null || message.element(QName.get("no-copy", HINTS)) != null) {
            return false;
        }
        String type = message.attributeValue("type");
        return "chat".equals(type) || (type == null || "normal".equals(type)) && message.element("body") != null;
    }

    /** The sent carbon of a message for one other resource of its sender. */
    static Message sentCarbon(Element original, JID sender, JID resource) {
        Message carbon = new Message();
        String type = original.attributeValue("type");
        if (type != null) {
            carbon.getElement().addAttribute("type", type);
        }
        carbon.setFrom(sender.asBareJID());
        carbon.setTo(resource);
        Element copy = original.createCopy();
        qualify(copy);
        carbon.getElement().addElement("sent", CARBONS).addElement("forwarded", FORWARD).add(copy);
        return carbon;
    }

    /** Inside another namespace a stanza has to say which one it is in; in Openfire's trees it does not. */
    private static void qualify(Element element) {
        if (!Namespace.NO_NAMESPACE.equals(element.getNamespace())) {
            return;
        }
        element.setQName(QName.get(element.getName(), StanzaWriter.STANZA_NAMESPACE));
        for (int i = 0, n = element.nodeCount(); i < n; i++) {
            if (element.node(i) instanceof Element) {
                qualify((Element) element.node(i));
            }
        }
    }
}
