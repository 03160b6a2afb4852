//! Stanza to XML: default namespace declarations only, prefixes only for attributes that need one.

use super::{Element, Node, STANZA_NAMESPACES, Stanza, XML_NS};

impl Stanza {
    /// Appends the stanza as UTF-8 XML, in the namespace `jabber:client`, declared on the stanza element.
    pub fn to_xml(&self, out: &mut Vec<u8>) {
        element(self.root(), "", out);
    }

    /// The stanza as a new string of XML.
    #[must_use]
    pub fn to_xml_string(&self) -> String {
        let mut out = Vec::with_capacity(self.text.len() * 2);
        self.to_xml(&mut out);
        String::from_utf8(out).unwrap_or_default()
    }
}

fn element(element: Element<'_>, default_ns: &str, out: &mut Vec<u8>) {
    out.push(b'<');
    out.extend_from_slice(element.name().as_bytes());
    let ns = element.ns();
    if ns != default_ns {
        out.extend_from_slice(b" xmlns=\"");
        escape(if ns.is_empty() && default_ns.is_empty() { STANZA_NAMESPACES[0] } else { ns }, true, out);
        out.push(b'"');
    }
    let mut prefixes = 0;
    for attr in element.attrs() {
        out.push(b' ');
        if attr.ns == XML_NS {
            out.extend_from_slice(b"xml:");
        } else if !attr.ns.is_empty() {
            out.extend_from_slice(format!("xmlns:ns{prefixes}=\"").as_bytes());
            escape(attr.ns, true, out);
            out.extend_from_slice(format!("\" ns{prefixes}:").as_bytes());
            prefixes += 1;
        }
        out.extend_from_slice(attr.name.as_bytes());
        out.extend_from_slice(b"=\"");
        escape(attr.value, true, out);
        out.push(b'"');
    }
    let mut empty = true;
    for child in element.children() {
        if empty {
            out.push(b'>');
            empty = false;
        }
        match child {
            Node::Element(child) => self::element(child, ns, out),
            Node::Text(text) => escape(text, false, out),
        }
    }
    if empty {
        out.extend_from_slice(b"/>");
    } else {
        out.extend_from_slice(b"</");
        out.extend_from_slice(element.name().as_bytes());
        out.push(b'>');
    }
}

/// Appends `text` escaped; in attributes white space other than a blank as well, which a parser would normalise away.
fn escape(text: &str, attribute: bool, out: &mut Vec<u8>) {
    let mut clean = 0;
    for (at, byte) in text.bytes().enumerate() {
        let replacement: &[u8] = match byte {
            b'<' => b"&lt;",
            b'>' => b"&gt;",
            b'&' => b"&amp;",
            b'\r' => b"&#13;",
            b'"' if attribute => b"&quot;",
            b'\n' if attribute => b"&#10;",
            b'\t' if attribute => b"&#9;",
            _ => continue,
        };
        out.extend_from_slice(&text.as_bytes()[clean..at]);
        out.extend_from_slice(replacement);
        clean = at + 1;
    }
    out.extend_from_slice(&text.as_bytes()[clean..]);
}
