/*
 * The writer against dom4j: what it writes means the same as what dom4j writes of the same tree. Both texts are parsed
 * again by a reader of neither, and the trees are compared: names, namespaces, attributes, text, order.
 */
package org.cloudbridge.openfire;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;

import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.util.TreeMap;

import javax.xml.parsers.DocumentBuilderFactory;

import org.dom4j.DocumentFactory;
import org.dom4j.DocumentHelper;
import org.dom4j.Element;
import org.dom4j.Namespace;
import org.dom4j.QName;
import org.junit.Test;
import org.w3c.dom.NamedNodeMap;
import org.w3c.dom.Node;
import org.xmpp.packet.Message;

public class StanzaWriterTest {
    private static final String[] CASES = {
        "<message/>",
        "<message from='a@x/r' to='b@x' id='1' type='chat'><body>hello</body></message>",
        "<message xml:lang='de'><body xml:lang='en'>x</body><subject>s</subject></message>",
        "<message><body>&lt;b&gt; &amp; \"quotes\" 'single' ]]&gt;</body></message>",
        "<message id='&quot;&lt;&amp;&gt;&apos;'/>",
        "<message><body>\u00e9\u00df\u4f60\u597d \ud83d\ude00\ud83d\udc68\u200d\ud83d\udc69\u200d\ud83d\udc67</body></message>",
        "<message><body>line\nfeed\ttab</body></message>",
        "<message><body>carriage&#13;return</body></message>",
        "<message><body></body></message>",
        "<message><body> leading and trailing </body></message>",
        "<message><request xmlns='urn:xmpp:receipts'/></message>",
        "<message><html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'>"
            + "<p style='font-weight:bold'>mixed <em>con</em>tent<br/>after</p></body></html></message>",
        "<message><x xmlns='urn:a'><y xmlns='urn:b'><z xmlns='urn:a'/></y><y/></x></message>",
        "<message><x xmlns='urn:a'><plain xmlns=''><inner/></plain></x></message>",
        "<message><p:x xmlns:p='urn:p' p:a='1' a='2'><p:y/><q/></p:x></message>",
        "<message xmlns:p='urn:p' p:a='1'><p:x/><p:x xmlns:p='urn:other' p:a='2'/><p:x/></message>",
        "<message><x xmlns='urn:a' xmlns:unused='urn:kept'>unused:name</x></message>",
        "<message><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' to='b@x'><body>in</body></message>"
            + "<delay xmlns='urn:xmpp:delay' stamp='2026-01-01T00:00:00Z'/></forwarded></message>",
        "<message xmlns='jabber:client'><body>explicit</body></message>",
        "<message xmlns='jabber:server'><body>other stream</body></message>",
        "<s:message xmlns:s='jabber:client'><s:body>prefixed</s:body></s:message>",
        "<message><body>cdata <![CDATA[<raw> & ]]>text</body></message>",
        "<message><a><b><c><d><e><f><g><h><i xmlns='urn:1'><j xmlns='urn:2'/></i></h></g></f></e></d></c></b></a></message>",
        "<message>text<body>x</body>between<body>y</body>after</message>",
        "<message \u00e4ttr='1'><\u4f60 xmlns='urn:\u597d'/></message>",
    };

    @Test
    public void writesWhatDom4jWrites() throws Exception {
        StanzaWriter writer = new StanzaWriter();
        for (String xml : CASES) {
            same(DocumentHelper.parseText(xml).getRootElement(), writer, xml);
        }
    }

    @Test
    public void writesTreesThatWereBuiltByHand() throws Exception {
        StanzaWriter writer = new StanzaWriter();
        Message message = new Message();
        message.setTo("b@x.example/r\u00e9s");
        message.setBody("body & soul");
        message.addChildElement("x", "urn:one").addElement("inherits").addElement(QName.get("y", "p", "urn:two")).addText("t");
        same(message.getElement(), writer, "message");

        Element bare = DocumentFactory.getInstance().createElement("message");
        bare.addElement("x", "urn:a").addElement(QName.get("none", Namespace.NO_NAMESPACE)).addText("unqualified");
        same(bare, writer, "unqualified inside a namespace");

        Element adjacent = DocumentFactory.getInstance().createElement("message");
        adjacent.addElement("body").addText("one").addText("").addCDATA("two").addEntity("lt", "three");
        writer.write(adjacent);
        assertTrue(text(writer).contains("<body>onetwothree</body>"));
    }

    /** dom4j writes these raw, and a parser then reads spaces. */
    @Test
    public void lineBreaksSurviveInAttributes() throws Exception {
        StanzaWriter writer = new StanzaWriter();
        writer.write(DocumentHelper.parseText("<message id='line&#10;feed&#9;tab&#13;return'/>").getRootElement());
        assertEquals("({jabber:client}message{{null}id=line\nfeed\ttab\rreturn})", tree(bytes(writer)));
    }

    @Test
    public void aReusedBufferKeepsNothing() throws Exception {
        StanzaWriter writer = new StanzaWriter();
        StringBuilder big = new StringBuilder();
        for (int i = 0; i < 70_000; i++) {
            big.append("<\u00e9>".charAt(i % 3));
        }
        Message message = new Message();
        message.setBody(big.toString());
        same(message.getElement(), writer, "big");
        same(DocumentHelper.parseText(CASES[1]).getRootElement(), writer, CASES[1]);
        assertEquals("<message xmlns=\"jabber:client\" from=\"a@x/r\" to=\"b@x\" id=\"1\" type=\"chat\"><body>hello</body></message>",
            text(writer));
    }

    @Test
    public void whatXmlDoesNotAllowBecomesTheReplacementCharacter() throws Exception {
        StanzaWriter writer = new StanzaWriter();
        Element element = DocumentFactory.getInstance().createElement("message");
        element.addElement("body").addText("a\u0001b\ud83dc\ude00d\uffffe\ufffef");
        writer.write(element);
        assertEquals("<message xmlns=\"jabber:client\"><body>a\ufffdb\ufffdc\ufffdd\ufffde\ufffdf</body></message>", text(writer));
        tree(bytes(writer));
    }

    @Test
    public void thePoolGivesBackWhatFitsAndLetsGoWhatDoesNot() {
        StanzaWriter.Pool pool = new StanzaWriter.Pool();
        StanzaWriter small = pool.borrow();
        pool.giveBack(small);
        assertTrue(pool.borrow() == small);
        Message big = new Message();
        big.setBody(new String(new char[200_000]).replace('\0', 'x'));
        small.write(big.getElement());
        pool.giveBack(small);
        assertTrue(pool.borrow() != small);
    }

    /** dom4j leaves out the stream's namespace where the tree has none; ours spells it out. */
    private static void same(Element element, StanzaWriter writer, String name) throws Exception {
        writer.write(element);
        String theirs = element.asXML();
        if (element.getNamespaceURI().isEmpty()) {
            theirs = theirs.replaceFirst("<" + element.getName(), "<" + element.getName() + " xmlns=\"jabber:client\"");
        }
        // dom4j writes a carriage return raw, and a parser would read it as a line feed; raw it never comes from a parser.
        theirs = theirs.replace("\r", "&#13;");
        assertEquals(name, tree(theirs.getBytes(StandardCharsets.UTF_8)), tree(bytes(writer)));
    }

    private static byte[] bytes(StanzaWriter writer) {
        return java.util.Arrays.copyOf(writer.buffer(), writer.length());
    }

    private static String text(StanzaWriter writer) {
        return new String(bytes(writer), StandardCharsets.UTF_8);
    }

    /** A canonical text of the parsed tree. */
    static String tree(byte[] xml) throws Exception {
        // The JDK's own; Openfire 4.2.0 brings an old Xerces that does not work with today's DOM.
        DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance(
            "com.sun.org.apache.xerces.internal.jaxp.DocumentBuilderFactoryImpl", null);
        factory.setNamespaceAware(true);
        factory.setCoalescing(true);
        StringBuilder out = new StringBuilder();
        write(factory.newDocumentBuilder().parse(new ByteArrayInputStream(xml)).getDocumentElement(), out);
        return out.toString();
    }

    private static void write(Node node, StringBuilder out) {
        if (node.getNodeType() == Node.TEXT_NODE) {
            out.append('[').append(node.getNodeValue()).append(']');
            return;
        }
        out.append('(').append('{').append(node.getNamespaceURI()).append('}').append(node.getLocalName());
        TreeMap<String, String> attributes = new TreeMap<>();
        NamedNodeMap map = node.getAttributes();
        for (int i = 0; i < map.getLength(); i++) {
            Node attribute = map.item(i);
            boolean declaration = "http://www.w3.org/2000/xmlns/".equals(attribute.getNamespaceURI());
            // Declarations count only where a QName in content may need them: with a prefix.
            if (!declaration) {
                attributes.put("{" + attribute.getNamespaceURI() + "}" + attribute.getLocalName(), attribute.getNodeValue());
            }
        }
        out.append(attributes);
        for (Node child = node.getFirstChild(); child != null; child = child.getNextSibling()) {
            write(child, out);
        }
        out.append(')');
    }
}
