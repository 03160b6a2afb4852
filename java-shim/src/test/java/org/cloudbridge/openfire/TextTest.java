/* What goes to the page and into JSON is escaped; what comes from the host is read as Openfire reads a client's stanza. */
package org.cloudbridge.openfire;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.fail;

import org.dom4j.DocumentException;
import org.junit.Test;
import org.xmpp.packet.Message;

public class TextTest {
    @Test
    public void pageAndJson() {
        assertEquals("&lt;a href=&quot;&#39;&amp;&quot;&gt;", StatusPage.escape("<a href=\"'&\">"));
        assertEquals("", StatusPage.escape(null));
        assertEquals("\"a\\\"b\\\\c\\u000a\u00e9\"", StatusPage.quoted("a\"b\\c\n\u00e9"));
    }

    @Test
    public void theContentNamespaceIsStrippedAsFarAsItIsTheStanzas() throws Exception {
        Message message = new StanzaReader().message("<message xmlns='jabber:client' xmlns:p='urn:p' to='b@x'><body>t</body><x xmlns='urn:a'>"
            + "<message xmlns='jabber:client'><body>in</body></message></x></message>");
        assertEquals("t", message.getBody());
        assertEquals("", message.getElement().getNamespaceURI());
        assertEquals("", message.getElement().element("body").getNamespaceURI());
        assertEquals("jabber:client", message.getElement().element("x").element("message").getNamespaceURI());
        assertEquals("jabber:client", message.getElement().element("x").element("message").element("body").getNamespaceURI());
        String xml = message.toXML();
        assertEquals(xml, StanzaWriterTest.tree(("<message xmlns:p='urn:p' to='b@x'><body>t</body><x xmlns='urn:a'>"
            + "<message xmlns='jabber:client'><body>in</body></message></x></message>").getBytes("UTF-8")),
            StanzaWriterTest.tree(xml.getBytes("UTF-8")));
    }

    @Test
    public void documentTypesAreRefused() throws Exception {
        StanzaReader reader = new StanzaReader();
        try {
            reader.message("<!DOCTYPE m [<!ENTITY a 'b'>]><message><body>&a;</body></message>");
            fail("read a document type");
        } catch (DocumentException expected) {
            // As it must be.
        }
        assertEquals("usable afterwards", "x", reader.message("<message><body>x</body></message>").getBody());
    }
}
