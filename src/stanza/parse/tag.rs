//! A start tag: its name, its attributes, the namespaces that it declares and uses (Namespaces in XML 1.0). Names that nearly all stanzas use go a short
//! way; everything else goes the long one.

use super::{DEEPEST, MOST_ATTRIBUTES, Open, Parser, StanzaError};
use crate::stanza::chars::{self, Odd, is_ncname, same, same_bytes};
use crate::stanza::{
    AttrEntry, CLIENT_NS, Entry, NO_NS, Namespace, NsIndex, STANZA_NAMESPACES, Span, XML_NS, XML_PREFIX_NS,
};

impl Parser<'_, '_> {
    /// The start or empty tag at `at`; gives the index behind it.
    pub(super) fn start(&mut self, tag_at: usize) -> Result<usize, StanzaError> {
        if self.done {
            return Err(StanzaError::Shape("more than one element"));
        }
        self.count_child()?;
        let depth = self.limits.depth.min(DEEPEST);
        // An appended element stands one below the stanza.
        if self.scratch.open.len() + usize::from(!self.is_root) >= depth {
            return Err(StanzaError::Limit { limit: "depth", max: depth });
        }
        let xml = self.xml;
        let from = tag_at + 1;
        // To the end of the input: where the tag ends turns out below.
        let tag = &xml.as_bytes()[from..];
        let start = self.base + from as u32;
        let plain = plain_name(tag, 0);
        let (name_len, prefix, local) = match tag.get(plain) {
            Some(b' ' | b'>' | b'/') if plain > 0 => (plain, None, Span { start, end: start + plain as u32 }),
            _ => {
                let name_len = name_end(tag, plain);
                let (prefix, local) = self.name(&xml[from..from + name_len], start)?;
                (name_len, prefix, local)
            }
        };

        let outer = self.scratch.open.last().map_or(NO_NS, |open| open.default_ns);
        let prefixes = self.scratch.prefixes.len() as u32;
        let mut default_ns = outer;
        let root = self.is_root && self.stanza.entries.is_empty();
        let first = if root { 0 } else { self.stanza.attrs.len() };
        // A prefix of an attribute may be bound by a later attribute of the same tag: note it, resolve it afterwards.
        let mut prefixed: Option<usize> = None;
        // One bit for each length and first letter of a name: unless it is set, the attribute cannot be there twice.
        let mut seen = 0u64;
        let mut count = 0;
        let mut at = name_len;
        let empty = loop {
            let gap = at;
            at = spaces(tag, at);
            match tag.get(at) {
                Some(b'>') => break false,
                Some(b'/') if tag.get(at + 1) == Some(&b'>') => break true,
                None => return Err(StanzaError::Syntax("a tag without an end")),
                Some(_) if at == gap => return Err(StanzaError::Syntax("attributes are not apart")),
                Some(_) => {}
            }
            count += 1;
            let most = self.limits.attributes.min(MOST_ATTRIBUTES);
            if count > most {
                return Err(StanzaError::Limit { limit: "attributes", max: most });
            }
            let name_at = at;
            at = plain_name(tag, at);
            let is_plain = at > name_at && tag.get(at) == Some(&b'=');
            if !is_plain {
                at = name_end(tag, at);
            }
            let name_end = at;
            if tag.get(at) != Some(&b'=') {
                at = spaces(tag, at);
            }
            if tag.get(at) != Some(&b'=') {
                return Err(StanzaError::Syntax("an attribute without a value"));
            }
            at = spaces(tag, at + 1);
            let quote = match tag.get(at) {
                Some(quote @ (b'"' | b'\'')) => *quote,
                _ => return Err(StanzaError::Syntax("an attribute value without quotes")),
            };
            at += 1;
            let value_at = at;
            at += Odd { bytes: [quote, b'&', b'<', 0xEF], controls: true }.find(&tag[at..]);
            let odd = tag.get(at) != Some(&quote);
            if odd {
                let rest = tag[at..].iter().position(|b| *b == quote);
                at += rest.ok_or(StanzaError::Syntax("an attribute value without an end"))?;
            }
            let value = match odd {
                false => Span { start: start + value_at as u32, end: start + at as u32 },
                true => self.value(&xml[from + value_at..from + at])?,
            };
            at += 1;

            if same_bytes(&tag[name_at..name_end], b"xmlns") {
                default_ns = self.declared(value, false)?;
                if self.duplicate_default(prefixes) {
                    return Err(StanzaError::Syntax("an attribute twice"));
                }
                self.scratch.prefixes.push((Span::default(), default_ns));
                continue;
            }
            let name = Span { start: start + name_at as u32, end: start + name_end as u32 };
            if is_plain {
                let bit = 1 << ((usize::from(tag[name_at]) + 5 * (name_end - name_at)) & 63);
                let attr = AttrEntry { ns: NO_NS, name, value };
                if seen & bit != 0 || prefixed.is_some() {
                    self.push_attr(root, first, attr)?;
                } else if root {
                    self.stanza.root_attrs.push(attr);
                } else {
                    self.stanza.attrs.push(attr);
                }
                seen |= bit;
                continue;
            }
            // A name that is not plain may equal any other.
            seen = u64::MAX;
            let (prefix, local) = self.name(&xml[from + name_at..from + name_end], name.start)?;
            match prefix.map(|p| self.stanza.str(p)) {
                Some("xmlns") => self.bind(local, value, prefixes)?,
                Some("xml") => {
                    self.push_attr(root, first, AttrEntry { ns: XML_PREFIX_NS, name: local, value })?;
                }
                Some(_) => {
                    let list = if root { &mut self.stanza.root_attrs } else { &mut self.stanza.attrs };
                    prefixed.get_or_insert(list.len());
                    // Until it is resolved, `ns` holds where the name with its prefix starts.
                    list.push(AttrEntry { ns: UNRESOLVED | name.start, name: local, value });
                }
                None => self.push_attr(root, first, AttrEntry { ns: NO_NS, name: local, value })?,
            }
        };
        if let Some(from) = prefixed {
            self.resolve(root, first, from)?;
        }
        let ns = match prefix.map(|p| self.stanza.str(p)) {
            None => default_ns,
            Some("xml") => XML_PREFIX_NS,
            Some("xmlns") => return Err(StanzaError::Syntax("the prefix xmlns on an element")),
            Some(_) => self.lookup(prefix.unwrap_or_default())?,
        };
        let entry = self.stanza.entries.len() as u32;
        let attrs = match root {
            true => Span::default(),
            false => Span { start: first as u32, end: self.stanza.attrs.len() as u32 },
        };
        self.stanza.entries.push(Entry::Element { name: local, ns, attrs, end: entry + 1 });
        self.run = None;
        if empty {
            self.scratch.prefixes.truncate(prefixes as usize);
            self.done = self.scratch.open.is_empty();
        } else {
            let name = Span { start, end: start + name_len as u32 };
            self.scratch.open.push(Open { entry, children: 0, name, default_ns, prefixes });
        }
        Ok(from + at + 1 + usize::from(empty))
    }

    /// Splits a qualified name that starts at `start` of the text buffer.
    pub(super) fn name(&self, name: &str, start: u32) -> Result<(Option<Span>, Span), StanzaError> {
        let whole = Span { start, end: start + name.len() as u32 };
        let (prefix, local) = match name.split_once(':') {
            None => (None, name),
            Some((prefix, local)) => (Some(prefix), local),
        };
        if !is_ncname(local) || !prefix.is_none_or(is_ncname) {
            return Err(StanzaError::Syntax("a name is not a name"));
        }
        let local = Span { start: whole.end - local.len() as u32, end: whole.end };
        Ok((prefix.map(|p| Span { start, end: start + p.len() as u32 }), local))
    }

    #[inline]
    pub(super) fn push_attr(&mut self, root: bool, first: usize, attr: AttrEntry) -> Result<(), StanzaError> {
        let list = if root { &self.stanza.root_attrs } else { &self.stanza.attrs };
        let name = self.stanza.bytes(attr.name);
        if list[first..].iter().any(|a| a.ns == attr.ns && same_bytes(self.stanza.bytes(a.name), name)) {
            return Err(StanzaError::Syntax("an attribute twice"));
        }
        if root {
            self.stanza.root_attrs.push(attr)
        } else {
            self.stanza.attrs.push(attr)
        }
        Ok(())
    }

    /// Resolves the attributes with prefixes and looks for one that is there twice under two prefixes.
    pub(super) fn resolve(&mut self, root: bool, first: usize, from: usize) -> Result<(), StanzaError> {
        let behind = if root { self.stanza.root_attrs.len() } else { self.stanza.attrs.len() };
        for at in from..behind {
            let list = if root { &self.stanza.root_attrs } else { &self.stanza.attrs };
            let attr = list[at];
            if attr.ns & UNRESOLVED == 0 {
                continue;
            }
            let prefix = Span { start: attr.ns & !UNRESOLVED, end: attr.name.start - 1 };
            let ns = self.lookup(prefix)?;
            let (uri, name) = (self.stanza.namespace(ns), self.stanza.str(attr.name));
            let twice = list[first..behind].iter().enumerate().any(|(other, a)| {
                first + other != at
                    && a.ns & UNRESOLVED == 0
                    && self.stanza.str(a.name) == name
                    && self.stanza.namespace(a.ns) == uri
            });
            if twice {
                return Err(StanzaError::Syntax("an attribute twice"));
            }
            let list = if root { &mut self.stanza.root_attrs } else { &mut self.stanza.attrs };
            list[at].ns = ns;
        }
        Ok(())
    }

    pub(super) fn lookup(&self, prefix: Span) -> Result<NsIndex, StanzaError> {
        let prefix = self.stanza.str(prefix);
        let bound = self.scratch.prefixes.iter().rev().find(|(p, _)| self.stanza.str(*p) == prefix);
        bound.map(|(_, ns)| *ns).ok_or(StanzaError::Syntax("a prefix is not bound"))
    }

    /// Whether this tag (whose bindings begin at `from`) has declared a default namespace already; such a declaration is kept under the empty prefix.
    pub(super) fn duplicate_default(&self, from: u32) -> bool {
        self.scratch.prefixes[from as usize..].iter().any(|(p, _)| p.start == p.end)
    }

    pub(super) fn bind(&mut self, prefix: Span, value: Span, from: u32) -> Result<(), StanzaError> {
        let name = self.stanza.str(prefix);
        if self.scratch.prefixes[from as usize..].iter().any(|(p, _)| self.stanza.str(*p) == name) {
            return Err(StanzaError::Syntax("an attribute twice"));
        }
        let is_xml = match name {
            "xml" => true,
            "xmlns" => return Err(StanzaError::Syntax("the prefix xmlns cannot be declared")),
            _ => false,
        };
        let ns = self.declared(value, is_xml)?;
        if ns == NO_NS {
            return Err(StanzaError::Syntax("a prefix cannot be unbound"));
        }
        self.scratch.prefixes.push((prefix, ns));
        Ok(())
    }

    /// The index of a namespace that was declared just now.
    #[inline]
    pub(super) fn declared(&mut self, value: Span, is_xml: bool) -> Result<NsIndex, StanzaError> {
        let uri = self.stanza.str(value);
        if same(uri, XML_NS) != is_xml || same(uri, XMLNS_NS) {
            return Err(StanzaError::Syntax("a reserved namespace or prefix"));
        }
        if uri.is_empty() {
            return Ok(NO_NS);
        }
        if STANZA_NAMESPACES.iter().any(|ns| same(ns, uri)) {
            return Ok(CLIENT_NS);
        }
        // Only the last few are compared, so that many declarations stay cheap; the same namespace twice in the list does no harm.
        let list = &self.stanza.namespaces;
        let oldest = list.len().saturating_sub(16);
        if let Some(at) =
            (oldest..list.len()).rev().find(|at| same(self.stanza.namespace(*at as NsIndex), uri))
        {
            return Ok(at as NsIndex);
        }
        self.stanza.namespaces.push(Namespace::Span(value));
        Ok((self.stanza.namespaces.len() - 1) as NsIndex)
    }

    /// An attribute value with references, white space to normalise (XML 1.0 3.3.3) or something that must not be there.
    pub(super) fn value(&mut self, raw: &str) -> Result<Span, StanzaError> {
        let start = self.stanza.text.len() as u32;
        let mut rest = raw;
        while let Some(at) = rest.find(['&', '<', '\t', '\n', '\r']) {
            self.stanza.text.push_str(&rest[..at]);
            let byte = rest.as_bytes()[at];
            rest = &rest[at + 1..];
            match byte {
                b'<' => return Err(StanzaError::Syntax("a < in an attribute value")),
                b'&' => {
                    let (name, behind) =
                        rest.split_once(';').ok_or(StanzaError::Syntax("a reference without an end"))?;
                    self.stanza.text.push(reference(name)?);
                    rest = behind;
                }
                // A line end of two characters is one (2.11), and a line end is a blank.
                b'\r' if rest.starts_with('\n') => {
                    self.stanza.text.push(' ');
                    rest = &rest[1..];
                }
                _ => self.stanza.text.push(' '),
            }
        }
        self.stanza.text.push_str(rest);
        let span = Span { start, end: self.stanza.text.len() as u32 };
        match chars::illegal(self.stanza.str(span)) {
            Some(char) => Err(StanzaError::Character(u32::from(char))),
            None => Ok(span),
        }
    }
}

const XMLNS_NS: &str = "http://www.w3.org/2000/xmlns/";
/// Marks an attribute whose prefix is not resolved yet.
const UNRESOLVED: NsIndex = 1 << 31;

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// The index behind the white space at `at`.
#[inline]
pub(super) fn spaces(tag: &[u8], mut at: usize) -> usize {
    while at < tag.len() && is_space(tag[at]) {
        at += 1;
    }
    at
}

/// The index of what ends a name, whatever it is made of.
fn name_end(tag: &[u8], at: usize) -> usize {
    let ends = |b: &u8| is_space(*b) || matches!(b, b'=' | b'>' | b'/');
    tag[at..].iter().position(ends).map_or(tag.len(), |more| at + more)
}

/// The index behind the letters, digits, `-` and `_` at `at`, provided that they begin like a name.
#[inline]
fn plain_name(tag: &[u8], at: usize) -> usize {
    match &tag[at.min(tag.len())..] {
        [first, rest @ ..] if first.is_ascii_alphabetic() => {
            let more = rest.iter().position(|b| !PLAIN_NAME[usize::from(*b)]);
            at + 1 + more.unwrap_or(rest.len())
        }
        _ => at,
    }
}

/// Bytes of the names that nearly all stanzas use.
static PLAIN_NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut at = 0;
    while at < 128 {
        let byte = at as u8;
        table[at] = byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        at += 1;
    }
    table
};

/// The character behind `&name;`: one of the five, or by number (XML 1.0 4.1, 4.6).
pub(super) fn reference(name: &str) -> Result<char, StanzaError> {
    let number = match name {
        "amp" => return Ok('&'),
        "lt" => return Ok('<'),
        "gt" => return Ok('>'),
        "quot" => return Ok('"'),
        "apos" => return Ok('\''),
        _ => name.strip_prefix('#').ok_or(StanzaError::Restricted("an entity beyond the predefined five"))?,
    };
    let (digits, radix) = match number.strip_prefix('x') {
        Some(hex) => (hex, 16),
        None => (number, 10),
    };
    if digits.is_empty() || !digits.bytes().all(|b| (b as char).is_digit(radix)) {
        return Err(StanzaError::Syntax("a character reference that is none"));
    }
    let code = u32::from_str_radix(digits, radix).unwrap_or(u32::MAX);
    match char::from_u32(code) {
        Some(char) if chars::illegal(char.encode_utf8(&mut [0; 4])).is_none() => Ok(char),
        _ => Err(StanzaError::Character(code)),
    }
}
