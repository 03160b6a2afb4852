//! Bytes to stanza, on quick-xml. Refuses what XMPP forbids (RFC 6120 11: DTD, entities beyond the five, processing instructions, comments)
//! and what is too large; each refusal names the limit.

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;

use super::{AttrEntry, Entry, STANZA_NAMESPACES, Span, Stanza};

/// Bounds of one stanza.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of the whole stanza (default 1 MiB).
    pub bytes: usize,
    /// Depth of nesting, the stanza being 1 (default 64).
    pub depth: usize,
    /// Children of one element, texts included (default 4,096).
    pub children: usize,
    /// Attributes of one element (default 64).
    pub attributes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { bytes: 1 << 20, depth: 64, children: 4096, attributes: 64 }
    }
}

/// Why bytes are not a stanza.
#[derive(Debug, thiserror::Error)]
pub enum StanzaError {
    /// Larger than [`Limits`] allow.
    #[error("stanza exceeds the limit {limit} ({max})")]
    Limit {
        /// Field of [`Limits`].
        limit: &'static str,
        /// Its value.
        max: usize,
    },
    /// Not UTF-8.
    #[error("stanza is not UTF-8 (RFC 6120 11.6)")]
    Utf8(#[source] std::str::Utf8Error),
    /// A character that XML 1.0 does not have.
    #[error("stanza holds U+{0:04X}, which is no XML character")]
    Character(u32),
    /// Something that XMPP forbids (RFC 6120 11.1).
    #[error("stanza holds {0}, which XMPP forbids (RFC 6120 11.1)")]
    Restricted(&'static str),
    /// Not well-formed, with the parser's words.
    #[error("stanza is not well-formed")]
    Xml(#[source] quick_xml::Error),
    /// Well-formed, but not one stanza.
    #[error("not a stanza: {0}")]
    Shape(&'static str),
}

impl Stanza {
    /// Parses one complete stanza.
    ///
    /// # Errors
    /// See [`StanzaError`]; nothing is guessed or left out.
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Stanza, StanzaError> {
        let mut stanza = Stanza::default();
        stanza.parse_into(bytes, limits)?;
        Ok(stanza)
    }

    /// As [`Stanza::parse`], reusing this stanza's buffers. After an error its content is unspecified.
    ///
    /// # Errors
    /// See [`StanzaError`].
    pub fn parse_into(&mut self, bytes: &[u8], limits: &Limits) -> Result<(), StanzaError> {
        if bytes.len() > limits.bytes {
            return Err(StanzaError::Limit { limit: "bytes", max: limits.bytes });
        }
        let xml = std::str::from_utf8(bytes).map_err(StanzaError::Utf8)?;
        self.text.clear();
        self.entries.clear();
        self.attrs.clear();
        self.root_attrs.clear();
        read(self, xml, limits, true)?;
        let root = self.root();
        if root.ns() != STANZA_NAMESPACES[0] || !matches!(root.name(), "message" | "presence" | "iq") {
            return Err(StanzaError::Shape(
                "the element is not message, presence or iq of a stanza namespace",
            ));
        }
        Ok(())
    }
}

/// See [`Stanza::append`].
pub(super) fn append(stanza: &mut Stanza, xml: &str) -> Result<(), StanzaError> {
    let (entries, attrs) = (stanza.entries.len(), stanza.attrs.len());
    if let Err(error) = read(stanza, xml, &Limits::default(), false) {
        stanza.entries.truncate(entries);
        stanza.attrs.truncate(attrs);
        return Err(error);
    }
    let end = stanza.entries.len() as u32;
    if let Some(Entry::Element { end: root_end, .. }) = stanza.entries.first_mut() {
        *root_end = end;
    }
    Ok(())
}

fn read(stanza: &mut Stanza, xml: &str, limits: &Limits, is_root: bool) -> Result<(), StanzaError> {
    let mut reader = NsReader::from_str(xml);
    reader.config_mut().expand_empty_elements = false;
    let mut open: Vec<(usize, usize)> = Vec::with_capacity(8);
    let mut done = false;
    // Whether the last entry is a text that the next text continues: references split what the sender wrote as one.
    let mut in_text = false;
    loop {
        let (ns, event) = reader.read_resolved_event().map_err(StanzaError::Xml)?;
        let ns = match (&event, ns) {
            (Event::Start(_) | Event::Empty(_), ResolveResult::Bound(ns)) => ns.as_ref().to_owned(),
            (Event::Start(_) | Event::Empty(_), ResolveResult::Unknown(_)) => {
                return Err(StanzaError::Shape("a prefix is not bound"));
            }
            _ => String::new(),
        };
        match event {
            Event::Start(ref start) | Event::Empty(ref start) => {
                in_text = false;
                if done {
                    return Err(StanzaError::Shape("more than one element"));
                }
                count_child(&mut open, limits)?;
                if open.len() >= limits.depth {
                    return Err(StanzaError::Limit { limit: "depth", max: limits.depth });
                }
                let index = stanza.entries.len();
                element(stanza, &reader, start, &ns, limits, is_root && index == 0)?;
                if matches!(event, Event::Start(_)) {
                    open.push((index, 0));
                } else {
                    done = open.is_empty();
                }
            }
            Event::End(_) => {
                in_text = false;
                let (index, _) = open.pop().ok_or(StanzaError::Shape("an end tag too many"))?;
                let behind = stanza.entries.len() as u32;
                if let Entry::Element { end, .. } = &mut stanza.entries[index] {
                    *end = behind;
                }
                done = open.is_empty();
            }
            Event::Text(text) => push_text(stanza, &text.xml10_content(), &mut open, limits, &mut in_text)?,
            Event::CData(text) => push_text(stanza, &text.xml10_content(), &mut open, limits, &mut in_text)?,
            Event::GeneralRef(reference) => {
                let mut buffer = [0; 4];
                let value = match reference.resolve_char_ref().map_err(StanzaError::Xml)? {
                    Some(char) => &*char.encode_utf8(&mut buffer),
                    None => quick_xml::escape::resolve_predefined_entity(&reference)
                        .ok_or(StanzaError::Restricted("an entity beyond the predefined five"))?,
                };
                push_text(stanza, value, &mut open, limits, &mut in_text)?;
            }
            Event::Comment(_) => return Err(StanzaError::Restricted("a comment")),
            Event::PI(_) => return Err(StanzaError::Restricted("a processing instruction")),
            Event::DocType(_) => return Err(StanzaError::Restricted("a DTD")),
            Event::Decl(_) => return Err(StanzaError::Restricted("an XML declaration")),
            Event::Eof => break,
        }
    }
    if done { Ok(()) } else { Err(StanzaError::Shape("it ends in the middle")) }
}

fn count_child(open: &mut [(usize, usize)], limits: &Limits) -> Result<(), StanzaError> {
    if let Some((_, children)) = open.last_mut() {
        *children += 1;
        if *children > limits.children {
            return Err(StanzaError::Limit { limit: "children", max: limits.children });
        }
    }
    Ok(())
}

fn element(
    stanza: &mut Stanza,
    reader: &NsReader<&[u8]>,
    start: &BytesStart<'_>,
    ns: &str,
    limits: &Limits,
    is_root: bool,
) -> Result<(), StanzaError> {
    let ns = if STANZA_NAMESPACES.contains(&ns) { STANZA_NAMESPACES[0] } else { ns };
    let name = stanza.intern(start.local_name().as_ref());
    let ns = stanza.intern(ns);
    let first = stanza.attrs.len() as u32;
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|e| StanzaError::Xml(e.into()))?;
        if attribute.key.as_namespace_binding().is_some() {
            continue;
        }
        let (attr_ns, attr_name) = reader.resolver().resolve_attribute(attribute.key);
        let attr_ns = match attr_ns {
            ResolveResult::Bound(ns) => stanza.intern(ns.as_ref()),
            ResolveResult::Unbound => Span::default(),
            ResolveResult::Unknown(_) => return Err(StanzaError::Shape("a prefix is not bound")),
        };
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(StanzaError::Xml)?;
        check_characters(&value)?;
        let entry =
            AttrEntry { ns: attr_ns, name: stanza.intern(attr_name.as_ref()), value: stanza.intern(&value) };
        let list = if is_root { &mut stanza.root_attrs } else { &mut stanza.attrs };
        list.push(entry);
        if list.len() - if is_root { 0 } else { first as usize } > limits.attributes {
            return Err(StanzaError::Limit { limit: "attributes", max: limits.attributes });
        }
    }
    let attrs = Span { start: first, end: stanza.attrs.len() as u32 };
    let end = stanza.entries.len() as u32 + 1;
    stanza.entries.push(Entry::Element { name, ns, attrs, end });
    Ok(())
}

fn push_text(
    stanza: &mut Stanza,
    value: &str,
    open: &mut [(usize, usize)],
    limits: &Limits,
    in_text: &mut bool,
) -> Result<(), StanzaError> {
    if open.is_empty() {
        return if value.trim().is_empty() {
            Ok(())
        } else {
            Err(StanzaError::Shape("text outside the element"))
        };
    }
    check_characters(value)?;
    let span = stanza.intern(value);
    if *in_text && let Some(Entry::Text(last)) = stanza.entries.last_mut() {
        last.end = span.end;
        return Ok(());
    }
    *in_text = true;
    count_child(open, limits)?;
    stanza.entries.push(Entry::Text(span));
    Ok(())
}

fn check_characters(value: &str) -> Result<(), StanzaError> {
    match value.chars().find(|c| !is_xml_char(*c)) {
        None => Ok(()),
        Some(char) => Err(StanzaError::Character(u32::from(char))),
    }
}

/// XML 1.0 production 2 (`Char`).
pub(super) fn is_xml_char(char: char) -> bool {
    matches!(char, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..='\u{10FFFF}')
}
