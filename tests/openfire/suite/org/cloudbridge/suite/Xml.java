package org.cloudbridge.suite;

import java.io.StringReader;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import javax.xml.parsers.DocumentBuilder;
import javax.xml.parsers.DocumentBuilderFactory;
import org.w3c.dom.Attr;
import org.w3c.dom.Element;
import org.w3c.dom.Node;
import org.xml.sax.InputSource;

/** A stanza as it came over the wire, or a part of one. */
final class Xml {

    static final String DELAY = "urn:xmpp:delay";
    static final String CARBONS = "urn:xmpp:carbons:2";
    static final String FORWARD = "urn:xmpp:forward:0";

    private static final String XMLNS = "http://www.w3.org/2000/xmlns/";
    private static final ThreadLocal<DocumentBuilder> PARSER = ThreadLocal.withInitial(Xml::newParser);

    private final Element element;

    private Xml(Element element) {
        this.element = element;
    }

    /** Parses one stanza in the namespaces of a client's stream. */
    static Xml stanza(String text) {
        try {
            String inStream = "<s xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>" + text + "</s>";
            Element stream = PARSER.get().parse(new InputSource(new StringReader(inStream))).getDocumentElement();
            return new Xml((Element) stream.getFirstChild());
        } catch (Exception e) {
            throw new AssertionError("not a stanza: " + text, e);
        }
    }

    private static DocumentBuilder newParser() {
        try {
            DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
            factory.setNamespaceAware(true);
            return factory.newDocumentBuilder();
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }

    String name() {
        return element.getLocalName();
    }

    /** Empty when absent. */
    String attribute(String name) {
        return element.getAttribute(name);
    }

    String id() {
        return attribute("id");
    }

    String body() {
        Xml body = child("jabber:client", "body");
        return body == null ? null : body.text();
    }

    boolean isMessage() {
        return name().equals("message");
    }

    boolean isError() {
        return attribute("type").equals("error");
    }

    boolean isDelayed() {
        return child(DELAY, "delay") != null;
    }

    /** The message inside a carbon copy of the given kind, or null when this is none. */
    Xml carbon(String kind) {
        Xml copy = child(CARBONS, kind);
        return copy == null ? null : copy.child(FORWARD, "forwarded").child("jabber:client", "message");
    }

    boolean isCarbon() {
        return child(CARBONS, "sent") != null || child(CARBONS, "received") != null;
    }

    String text() {
        return element.getTextContent();
    }

    /** The first child of this name, or null. */
    Xml child(String namespace, String name) {
        for (Xml child : children()) {
            if (child.name().equals(name) && namespace.equals(child.element.getNamespaceURI())) {
                return child;
            }
        }
        return null;
    }

    List<Xml> children() {
        List<Xml> found = new ArrayList<>();
        for (Node node = element.getFirstChild(); node != null; node = node.getNextSibling()) {
            if (node instanceof Element) {
                found.add(new Xml((Element) node));
            }
        }
        return found;
    }

    /**
     * One text for all spellings of the same stanza: prefixes resolved, attributes in order. Left out, because a server
     * may set them: who it is from, its language, and the delay stamp.
     */
    String canonical() {
        StringBuilder out = new StringBuilder();
        write(element, true, out);
        return out.toString();
    }

    /** As {@link #canonical}, with nothing left out. */
    String exact() {
        StringBuilder out = new StringBuilder();
        write(element, false, out);
        return out.toString();
    }

    private static void write(Element element, boolean stanza, StringBuilder out) {
        String name = "{" + element.getNamespaceURI() + "}" + element.getLocalName();
        TreeMap<String, String> attributes = new TreeMap<>();
        for (int i = 0; i < element.getAttributes().getLength(); i++) {
            Attr attribute = (Attr) element.getAttributes().item(i);
            boolean ofTheServer = stanza && (attribute.getName().equals("from") || attribute.getName().equals("xml:lang"));
            if (!XMLNS.equals(attribute.getNamespaceURI()) && !ofTheServer) {
                String space = attribute.getNamespaceURI() == null ? "" : "{" + attribute.getNamespaceURI() + "}";
                attributes.put(space + attribute.getLocalName(), attribute.getValue());
            }
        }
        out.append('<').append(name);
        attributes.forEach((key, value) -> out.append(' ').append(key).append("=[").append(value).append(']'));
        out.append('>');
        for (Node node = element.getFirstChild(); node != null; node = node.getNextSibling()) {
            if (node instanceof Element) {
                boolean delay = stanza && DELAY.equals(node.getNamespaceURI());
                if (!delay) {
                    write((Element) node, false, out);
                }
            } else {
                out.append(node.getNodeValue());
            }
        }
        out.append("</>");
    }

    @Override
    public String toString() {
        return canonical();
    }
}
