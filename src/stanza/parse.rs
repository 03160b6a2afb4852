//! Bytes to stanza, on quick-xml. Refuses what XMPP forbids (RFC 6120 11: DTD, entities beyond the five, processing instructions, comments)
//! and what is too large; each refusal names the limit.
//!
//! quick-xml finds the tags; names, attributes, namespaces and characters are checked here, because it leaves them to its caller: a name must be
//! a name, a prefix bound, an attribute unique by namespace, a value free of `<`, a text free of `]]>`.
//!
//! Leaves out: streams (a stanza is whole), other encodings than UTF-8, XML declarations.

use quick_xml::events::Event;
use quick_xml::reader::Reader;

use super::chars::{self, Odd, is_ncname, same, same_bytes};
use super::{
    AttrEntry, CLIENT_NS, Entry, NO_NS, Namespace, NsIndex, STANZA_NAMESPACES, Span, Stanza, XML_NS,
    XML_PREFIX_NS,
};

/// Bounds of one stanza.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of the whole stanza (default 1 MiB).
    pub bytes: usize,
    /// Depth of nesting, the stanza being 1 (default 64; more than 256 counts as 256).
    pub depth: usize,
    /// Children of one element, texts included (default 4,096).
    pub children: usize,
    /// Attributes of one element, namespace declarations included (default 64; more than 4,096 counts as 4,096).
    pub attributes: usize,
}

/// No stanza is deeper, whatever [`Limits`] say: writing and encoding go down recursively.
pub(super) const DEEPEST: usize = 256;
/// No element has more attributes: each is compared with each.
pub(super) const MOST_ATTRIBUTES: usize = 4096;

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
    /// Not well-formed or not namespace-well-formed, found by ourselves.
    #[error("stanza is not well-formed: {0}")]
    Syntax(&'static str),
    /// Well-formed, but not one stanza.
    #[error("not a stanza: {0}")]
    Shape(&'static str),
}

/// An element whose end tag is still to come.
#[derive(Debug, Clone, Copy)]
struct Open {
    entry: u32,
    children: u32,
    /// The name as written, prefix included.
    name: Span,
    /// The default namespace inside it.
    default_ns: NsIndex,
    /// How many prefixes were bound outside it.
    prefixes: u32,
}

/// Reused from one parse to the next.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    open: Vec<Open>,
    prefixes: Vec<(Span, NsIndex)>,
}

impl Clone for Scratch {
    fn clone(&self) -> Self {
        Scratch::default()
    }
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
        let xml = chars::utf8(bytes).map_err(StanzaError::Utf8)?;
        self.clear();
        read(self, xml, limits)?;
        if let Some(Entry::Element { ns: CLIENT_NS, name, .. }) = self.entries.first()
            && matches!(self.str(*name), "message" | "presence" | "iq")
        {
            return Ok(());
        }
        Err(StanzaError::Shape("the element is not message, presence or iq of a stanza namespace"))
    }
}

/// See [`Stanza::append`].
pub(super) fn append(stanza: &mut Stanza, xml: &str) -> Result<(), StanzaError> {
    let (entries, attrs) = (stanza.entries.len(), stanza.attrs.len());
    if let Err(error) = read(stanza, xml, &Limits::default()) {
        stanza.entries.truncate(entries);
        stanza.attrs.truncate(attrs);
        return Err(error);
    }
    let behind = stanza.entries.len() as u32;
    if let Some(Entry::Element { end, .. }) = stanza.entries.first_mut() {
        *end = behind;
    }
    Ok(())
}

/// Reads one element behind whatever the stanza holds already.
fn read(stanza: &mut Stanza, xml: &str, limits: &Limits) -> Result<(), StanzaError> {
    if xml.starts_with('\u{FEFF}') {
        return Err(StanzaError::Shape("it begins with a byte order mark"));
    }
    let mut scratch = std::mem::take(&mut stanza.scratch);
    scratch.open.clear();
    scratch.prefixes.clear();
    if stanza.text.len() + 2 * xml.len() > i32::MAX as usize {
        return Err(StanzaError::Limit { limit: "bytes", max: i32::MAX as usize / 2 });
    }
    let base = stanza.text.len() as u32;
    stanza.text.push_str(xml);
    let is_root = stanza.entries.is_empty();
    let result = Parser { stanza, limits, base, is_root, scratch: &mut scratch, run: None }.run(xml);
    stanza.scratch = scratch;
    result
}

struct Parser<'s> {
    stanza: &'s mut Stanza,
    limits: &'s Limits,
    /// Where the copy of the input begins in the text buffer.
    base: u32,
    is_root: bool,
    scratch: &'s mut Scratch,
    /// The text entry that a following piece of text would continue.
    run: Option<u32>,
}

impl Parser<'_> {
    fn run(&mut self, xml: &str) -> Result<(), StanzaError> {
        let mut reader = Reader::from_str(xml);
        // End tags are compared here, against the stack that is kept anyway.
        reader.config_mut().check_end_names = false;
        let mut done = false;
        loop {
            let event = reader.read_event().map_err(StanzaError::Xml)?;
            let behind = self.base + reader.buffer_position() as u32;
            match event {
                Event::Start(tag) => {
                    let start = behind - 1 - tag.len() as u32;
                    self.start(xml, start, tag.len(), done, false)?;
                }
                Event::Empty(tag) => {
                    let start = behind - 2 - tag.len() as u32;
                    self.start(xml, start, tag.len(), done, true)?;
                    done = self.scratch.open.is_empty();
                }
                Event::End(tag) => {
                    let open = self.scratch.open.pop().ok_or(StanzaError::Syntax("an end tag too many"))?;
                    if !same_bytes(tag.name().as_ref().as_bytes(), self.stanza.bytes(open.name)) {
                        return Err(StanzaError::Syntax("an end tag does not match its start tag"));
                    }
                    let end_of = self.stanza.entries.len() as u32;
                    if let Entry::Element { end, .. } = &mut self.stanza.entries[open.entry as usize] {
                        *end = end_of;
                    }
                    self.scratch.prefixes.truncate(open.prefixes as usize);
                    self.run = None;
                    done = self.scratch.open.is_empty();
                }
                Event::Text(text) => {
                    self.text(Span { start: behind - text.len() as u32, end: behind }, false)?
                }
                Event::CData(text) => {
                    let end = behind - 3;
                    self.text(Span { start: end - text.len() as u32, end }, true)?;
                }
                Event::GeneralRef(name) => {
                    let char = reference(&name)?;
                    self.piece(char.encode_utf8(&mut [0; 4]))?;
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

    /// A start or empty tag, `len` bytes from `start` in the text buffer, angle brackets and slash left out.
    fn start(
        &mut self,
        xml: &str,
        start: u32,
        len: usize,
        done: bool,
        empty: bool,
    ) -> Result<(), StanzaError> {
        if done {
            return Err(StanzaError::Shape("more than one element"));
        }
        self.count_child()?;
        let depth = self.limits.depth.min(DEEPEST);
        // An appended element stands one below the stanza.
        if self.scratch.open.len() + usize::from(!self.is_root) >= depth {
            return Err(StanzaError::Limit { limit: "depth", max: depth });
        }
        let from = (start - self.base) as usize;
        let tag = &xml.as_bytes()[from..from + len];
        let plain = plain_name(tag, 0);
        let (name_len, prefix, local) = match tag.get(plain) {
            None | Some(b' ') if plain > 0 => (plain, None, Span { start, end: start + plain as u32 }),
            _ => {
                let name_len = tag.iter().position(|b| is_space(*b)).unwrap_or(len);
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
        while at < len {
            let gap = at;
            at = spaces(tag, at);
            if at == len {
                break;
            }
            if at == gap {
                return Err(StanzaError::Syntax("attributes are not apart"));
            }
            count += 1;
            let most = self.limits.attributes.min(MOST_ATTRIBUTES);
            if count > most {
                return Err(StanzaError::Limit { limit: "attributes", max: most });
            }
            let name_at = at;
            at = plain_name(tag, at);
            let is_plain = at > name_at && tag.get(at) == Some(&b'=');
            while at < len && !is_space(tag[at]) && tag[at] != b'=' {
                at += 1;
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
        }
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
        } else {
            let name = Span { start, end: start + name_len as u32 };
            self.scratch.open.push(Open { entry, children: 0, name, default_ns, prefixes });
        }
        Ok(())
    }

    /// Splits a qualified name that starts at `start` of the text buffer.
    fn name(&self, name: &str, start: u32) -> Result<(Option<Span>, Span), StanzaError> {
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
    fn push_attr(&mut self, root: bool, first: usize, attr: AttrEntry) -> Result<(), StanzaError> {
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
    fn resolve(&mut self, root: bool, first: usize, from: usize) -> Result<(), StanzaError> {
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

    fn lookup(&self, prefix: Span) -> Result<NsIndex, StanzaError> {
        let prefix = self.stanza.str(prefix);
        let bound = self.scratch.prefixes.iter().rev().find(|(p, _)| self.stanza.str(*p) == prefix);
        bound.map(|(_, ns)| *ns).ok_or(StanzaError::Syntax("a prefix is not bound"))
    }

    /// Whether this tag (whose bindings begin at `from`) has declared a default namespace already; such a declaration is kept under the empty prefix.
    fn duplicate_default(&self, from: u32) -> bool {
        self.scratch.prefixes[from as usize..].iter().any(|(p, _)| p.start == p.end)
    }

    fn bind(&mut self, prefix: Span, value: Span, from: u32) -> Result<(), StanzaError> {
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
    fn declared(&mut self, value: Span, is_xml: bool) -> Result<NsIndex, StanzaError> {
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
    fn value(&mut self, raw: &str) -> Result<Span, StanzaError> {
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

    /// Character data as it stands in the input.
    #[inline]
    fn text(&mut self, span: Span, cdata: bool) -> Result<(), StanzaError> {
        let text = self.stanza.str(span);
        if self.scratch.open.is_empty() {
            return match chars::is_white(text) && !cdata {
                true => Ok(()),
                false => Err(StanzaError::Shape("text outside the element")),
            };
        }
        if text.is_empty() {
            return Ok(());
        }
        if !chars::is_plain(text) {
            if let Some(char) = chars::illegal(text) {
                return Err(StanzaError::Character(u32::from(char)));
            }
            if !cdata && text.contains("]]>") {
                return Err(StanzaError::Syntax("]]> in a text"));
            }
            if text.contains('\r') {
                let unix = text.replace("\r\n", "\n").replace('\r', "\n");
                return self.piece(&unix);
            }
        }
        match self.run_at_tail() {
            true => self.stanza.text.extend_from_within(span.start as usize..span.end as usize),
            false => {
                self.count_child()?;
                self.run = Some(self.stanza.entries.len() as u32);
                self.stanza.entries.push(Entry::Text(span));
                return Ok(());
            }
        }
        self.extended();
        Ok(())
    }

    /// A piece of text that is not in the input as such: continues the text before it, or begins one.
    fn piece(&mut self, piece: &str) -> Result<(), StanzaError> {
        if self.scratch.open.is_empty() {
            return Err(StanzaError::Shape("text outside the element"));
        }
        match self.run_at_tail() {
            true => self.stanza.text.push_str(piece),
            false => {
                self.count_child()?;
                let span = self.stanza.intern(piece);
                self.run = Some(self.stanza.entries.len() as u32);
                self.stanza.entries.push(Entry::Text(span));
                return Ok(());
            }
        }
        self.extended();
        Ok(())
    }

    /// If a text is being continued: moves it to the end of the text buffer, unless it is there.
    fn run_at_tail(&mut self) -> bool {
        let Some(run) = self.run else { return false };
        let Entry::Text(span) = self.stanza.entries[run as usize] else { return false };
        if span.end as usize != self.stanza.text.len() {
            let start = self.stanza.text.len() as u32;
            self.stanza.text.extend_from_within(span.start as usize..span.end as usize);
            self.stanza.entries[run as usize] =
                Entry::Text(Span { start, end: self.stanza.text.len() as u32 });
        }
        true
    }

    /// The text at the end of the buffer has grown.
    fn extended(&mut self) {
        let tail = self.stanza.text.len() as u32;
        if let Some(Entry::Text(span)) = self.run.map(|run| &mut self.stanza.entries[run as usize]) {
            span.end = tail;
        }
    }

    #[inline]
    fn count_child(&mut self) -> Result<(), StanzaError> {
        if let Some(open) = self.scratch.open.last_mut() {
            open.children += 1;
            if open.children as usize > self.limits.children {
                return Err(StanzaError::Limit { limit: "children", max: self.limits.children });
            }
        }
        Ok(())
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
fn spaces(tag: &[u8], mut at: usize) -> usize {
    while at < tag.len() && is_space(tag[at]) {
        at += 1;
    }
    at
}

/// The index behind the letters, digits, `-` and `_` at `at`, provided that they begin like a name.
#[inline]
fn plain_name(tag: &[u8], at: usize) -> usize {
    let mut end = at;
    if tag.get(at).is_some_and(|b| b.is_ascii_alphabetic()) {
        while end < tag.len() && PLAIN_NAME[tag[end] as usize] {
            end += 1;
        }
    }
    end
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
fn reference(name: &str) -> Result<char, StanzaError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Round trips compare the parser with itself; this compares it with what was written by hand.
    #[test]
    fn text_stays_where_it_stands() {
        let xml = "<message xmlns=\"jabber:client\">a<p xmlns=\"u:h\">hi <em>you</em>, &amp;<a>look</a>!<b/>?</p>&lt;z</message>";
        assert_eq!(Stanza::parse(xml.as_bytes(), &Limits::default()).expect("parsed").to_xml_string(), xml);
    }
}
