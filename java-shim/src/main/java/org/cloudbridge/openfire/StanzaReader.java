/*
 * Bytes of the host back into packets: a SAXReader that refuses document type declarations (dom4j 2.0.0's own helpers do
 * not), and the content namespace stripped the way Openfire's parser strips it, so that a stanza made here can go out on
 * any kind of stream.
 *
 * What it leaves out: judging the stanza. Not thread-safe; each pump thread has one.
 */
package org.cloudbridge.openfire;

import java.io.StringReader;
import java.util.ArrayList;

import org.dom4j.DocumentException;
import org.dom4j.Element;
import org.dom4j.Namespace;
import org.dom4j.Node;
import org.dom4j.QName;
import org.dom4j.io.SAXReader;
import org.xml.sax.SAXException;
import org.xmpp.packet.IQ;
import org.xmpp.packet.Message;
import org.xmpp.packet.Presence;

/** Parses what the host sends. */
final class StanzaReader {
    private SAXReader reader;

    /** A message as it would have come in from a client. */
    Message message(String xml) throws DocumentException, SAXException {
        Element root = parse(xml);
        if (!"message".equals(root.getName())) {
            throw new DocumentException("not a message: " + root.getName());
        }
        return new Message(root, true);
    }

    /** An IQ as it would have come in from a client. */
    IQ iq(String xml) throws DocumentException, SAXException {
        Element root = parse(xml);
        if (!"iq".equals(root.getName())) {
            throw new DocumentException("not an iq: " + root.getName());
        }
        return new IQ(root, true);
    }

    /** A presence as it would have come in from a client. */
    Presence presence(String xml) throws DocumentException, SAXException {
        Element root = parse(xml);
        if (!"presence".equals(root.getName())) {
            throw new DocumentException("not a presence: " + root.getName());
        }
        return new Presence(root, true);
    }

    Element parse(String xml) throws DocumentException, SAXException {
        if (reader == null) {
            SAXReader fresh = new SAXReader();
            fresh.setFeature("http://apache.org/xml/features/disallow-doctype-decl", true);
            fresh.setFeature("http://xml.org/sax/features/external-general-entities", false);
            fresh.setFeature("http://xml.org/sax/features/external-parameter-entities", false);
            reader = fresh;
        }
        Element root = reader.read(new StringReader(xml)).getRootElement();
        root.detach();
        strip(root);
        return root;
    }

    /** Takes jabber:client off an element and its descendants, as far as no other namespace stands in between. */
    private static void strip(Element element) {
        if (!StanzaWriter.STANZA_NAMESPACE.equals(element.getNamespaceURI()) || !element.getNamespacePrefix().isEmpty()) {
            return;
        }
        element.setQName(QName.get(element.getName()));
        ArrayList<Node> declarations = new ArrayList<>(0);
        for (int i = 0, n = element.nodeCount(); i < n; i++) {
            Node node = element.node(i);
            if (node instanceof Element) {
                strip((Element) node);
            } else if (node instanceof Namespace && ((Namespace) node).getPrefix().isEmpty()) {
                declarations.add(node);
            }
        }
        for (Node declaration : declarations) {
            element.remove(declaration);
        }
    }
}
