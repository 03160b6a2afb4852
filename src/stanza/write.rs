//! Stanza to XML: default namespace declarations only, prefixes only for attributes that need one.
//!
//! Leaves out: the prefixes of the original (they carry nothing), pretty printing, other namespaces for the stanza than `jabber:client`.

use super::chars::Odd;
use super::{AttrEntry, Element, Entry, NO_NS, NsIndex, STANZA_NAMESPACES, Stanza, XML_NS, XML_PREFIX_NS};

impl Stanza {
    /// Appends the stanza as UTF-8 XML, in the namespace `jabber:client`, declared on the stanza element.
    pub fn to_xml(&self, out: &mut Vec<u8>) {
        out.reserve(self.text.len() + self.text.len() / 2);
        Writer { stanza: self, out }.element(0, None);
    }

    /// The stanza as a new string of XML.
    #[must_use]
    pub fn to_xml_string(&self) -> String {
        let mut out = Vec::new();
        self.to_xml(&mut out);
        String::from_utf8(out).unwrap_or_default()
    }
}

impl Element<'_> {
    /// The element as XML of its own, for example a stanza inside another one.
    #[must_use]
    pub fn to_xml_string(&self) -> String {
        let mut out = Vec::new();
        let stanza_ns = STANZA_NAMESPACES.contains(&self.ns());
        Writer { stanza: self.stanza, out: &mut out }.element(self.index, (!stanza_ns).then_some(NO_NS));
        String::from_utf8(out).unwrap_or_default()
    }
}

struct Writer<'a> {
    stanza: &'a Stanza,
    out: &'a mut Vec<u8>,
}

impl Writer<'_> {
    /// Writes the entry at `index` and gives the index behind it. `default` is the default namespace in force, None at the very beginning.
    fn element(&mut self, index: u32, default: Option<NsIndex>) -> u32 {
        let stanza = self.stanza;
        let (name, ns, attrs, end) = match stanza.entries[index as usize] {
            Entry::Element { name, ns, attrs, end } => (stanza.str(name), ns, attrs, end),
            Entry::Text(span) => {
                escape::<TEXT>(stanza.str(span), self.out);
                return index + 1;
            }
        };
        self.out.push(b'<');
        // Only `xml:` itself can name its namespace.
        let is_xml = ns != NO_NS && (ns == XML_PREFIX_NS || stanza.namespace(ns) == XML_NS);
        if is_xml {
            self.out.extend_from_slice(b"xml:");
        }
        self.out.extend_from_slice(name.as_bytes());
        let inner = match default {
            Some(default) if is_xml || ns == default || stanza.namespace(ns) == stanza.namespace(default) => {
                default
            }
            _ => {
                self.out.extend_from_slice(b" xmlns=\"");
                let ns = if default.is_none() { STANZA_NAMESPACES[0] } else { stanza.namespace(ns) };
                escape::<ATTRIBUTE>(ns, self.out);
                self.out.push(b'"');
                ns_index(default, self.stanza, index)
            }
        };
        let list = match index {
            0 => &stanza.root_attrs[..],
            _ => &stanza.attrs[attrs.start as usize..attrs.end as usize],
        };
        for (number, attr) in list.iter().enumerate() {
            self.attribute(number, attr);
        }
        if end == index + 1 {
            self.out.extend_from_slice(b"/>");
            return end;
        }
        self.out.push(b'>');
        let mut at = index + 1;
        while at < end {
            at = self.element(at, Some(inner));
        }
        self.out.extend_from_slice(if is_xml { b"</xml:" } else { b"</" });
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b'>');
        end
    }

    fn attribute(&mut self, number: usize, attr: &AttrEntry) {
        self.out.push(b' ');
        if attr.ns != NO_NS {
            let ns = self.stanza.namespace(attr.ns);
            if ns == XML_NS {
                self.out.extend_from_slice(b"xml:");
            } else {
                self.out.extend_from_slice(format!("xmlns:ns{number}=\"").as_bytes());
                escape::<ATTRIBUTE>(ns, self.out);
                self.out.extend_from_slice(format!("\" ns{number}:").as_bytes());
            }
        }
        self.out.extend_from_slice(self.stanza.str(attr.name).as_bytes());
        self.out.extend_from_slice(b"=\"");
        escape::<ATTRIBUTE>(self.stanza.str(attr.value), self.out);
        self.out.push(b'"');
    }
}

/// The namespace that the element at `index` has just declared as the default.
fn ns_index(default: Option<NsIndex>, stanza: &Stanza, index: u32) -> NsIndex {
    match (default, stanza.entries[index as usize]) {
        (Some(_), Entry::Element { ns, .. }) => ns,
        _ => super::CLIENT_NS,
    }
}

const TEXT: bool = false;
const ATTRIBUTE: bool = true;

/// What stands for a byte; empty = itself. In attributes white space other than a blank is escaped as well, which a parser would normalise away.
#[inline]
const fn replacement(byte: u8, attribute: bool) -> &'static [u8] {
    match byte {
        b'<' => b"&lt;",
        b'>' => b"&gt;",
        b'&' => b"&amp;",
        b'\r' => b"&#13;",
        b'"' if attribute => b"&quot;",
        b'\n' if attribute => b"&#10;",
        b'\t' if attribute => b"&#9;",
        _ => b"",
    }
}

/// Appends `text` escaped.
#[inline]
fn escape<const ATTRIBUTE: bool>(text: &str, out: &mut Vec<u8>) {
    let mut bytes = text.as_bytes();
    loop {
        let clean = clean::<ATTRIBUTE>(bytes);
        out.extend_from_slice(&bytes[..clean]);
        let Some(byte) = bytes.get(clean) else { return };
        match replacement(*byte, ATTRIBUTE) {
            b"" => out.push(*byte),
            replacement => out.extend_from_slice(replacement),
        }
        bytes = &bytes[clean + 1..];
    }
}

/// How many bytes at the beginning stay themselves.
#[inline(never)]
fn clean<const ATTRIBUTE: bool>(bytes: &[u8]) -> usize {
    match ATTRIBUTE {
        true => Odd { bytes: [b'&', b'<', b'>', b'"'], controls: true }.find(bytes),
        false => Odd { bytes: [b'&', b'<', b'>', b'\r'], controls: false }.find(bytes),
    }
}
