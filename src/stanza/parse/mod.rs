//! Bytes to stanza. Refuses what XMPP forbids (RFC 6120 11: DTD, entities beyond the five, processing instructions, comments)
//! and what is too large; each refusal names the limit.
//!
//! Start tags, end tags, texts and references, which is all that nearly every stanza is made of, are read here in one pass: each byte is looked at once
//! for where its part ends and for what would need a closer look (quick-xml's events would have to be gone through again for names, attributes,
//! namespaces and characters, which it leaves to its caller). What begins with `<!` or `<?` is quick-xml's. That both read the same in every
//! stanza, a test shows.
//!
//! Leaves out: streams (a stanza is whole), other encodings than UTF-8, XML declarations.

use quick_xml::events::Event;
use quick_xml::reader::Reader;

use self::tag::reference;
use super::chars::{self, Odd, same_bytes};
use super::{CLIENT_NS, Entry, NsIndex, Span, Stanza};

mod tag;

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
    let mut parser =
        Parser { stanza, limits, xml, base, is_root, done: false, scratch: &mut scratch, run: None };
    let result = parser.run();
    stanza.scratch = scratch;
    result
}

struct Parser<'s, 'x> {
    stanza: &'s mut Stanza,
    limits: &'s Limits,
    xml: &'x str,
    /// Where the copy of the input begins in the text buffer.
    base: u32,
    is_root: bool,
    /// The element has ended.
    done: bool,
    scratch: &'s mut Scratch,
    /// The text entry that a following piece of text would continue.
    run: Option<u32>,
}

impl<'x> Parser<'_, 'x> {
    fn run(&mut self) -> Result<(), StanzaError> {
        let bytes = self.xml.as_bytes();
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            at = match (byte, bytes.get(at + 1)) {
                (b'<', Some(b'/')) => self.end(at)?,
                (b'<', Some(b'!' | b'?') | None) => self.rare(at)?,
                (b'<', _) => self.start(at)?,
                (b'&', _) => self.reference(at)?,
                _ => self.text(at)?,
            };
        }
        if self.done { Ok(()) } else { Err(StanzaError::Shape("it ends in the middle")) }
    }

    /// The end tag at `at`; gives the index behind it, as the others do.
    #[inline]
    fn end(&mut self, at: usize) -> Result<usize, StanzaError> {
        let open = self.scratch.open.pop().ok_or(StanzaError::Syntax("an end tag too many"))?;
        let (bytes, name) = (self.xml.as_bytes(), self.stanza.bytes(open.name));
        let mut behind = at + 2 + name.len();
        let same = bytes.get(at + 2..behind).is_some_and(|found| same_bytes(found, name));
        if bytes.get(behind) != Some(&b'>') {
            behind = tag::spaces(bytes, behind);
        }
        if !same || bytes.get(behind) != Some(&b'>') {
            return Err(StanzaError::Syntax("an end tag does not match its start tag"));
        }
        let end_of = self.stanza.entries.len() as u32;
        if let Entry::Element { end, .. } = &mut self.stanza.entries[open.entry as usize] {
            *end = end_of;
        }
        self.scratch.prefixes.truncate(open.prefixes as usize);
        self.run = None;
        self.done = self.scratch.open.is_empty();
        Ok(behind + 1)
    }

    /// The reference at `at`.
    fn reference(&mut self, at: usize) -> Result<usize, StanzaError> {
        let rest = &self.xml[at + 1..];
        let end = rest.bytes().position(|b| matches!(b, b';' | b'&' | b'<'));
        match end.filter(|end| rest.as_bytes()[*end] == b';') {
            None => Err(StanzaError::Syntax("a reference without an end")),
            Some(end) => {
                let char = reference(&rest[..end])?;
                self.piece(char.encode_utf8(&mut [0; 4]))?;
                Ok(at + 1 + end + 1)
            }
        }
    }

    /// What begins with `<!` or `<?`: CDATA, and what XMPP forbids.
    #[cold]
    fn rare(&mut self, at: usize) -> Result<usize, StanzaError> {
        let mut reader = Reader::from_str(&self.xml[at..]);
        let event = reader.read_event().map_err(StanzaError::Xml)?;
        let behind = at + reader.buffer_position() as usize;
        match event {
            Event::CData(text) => {
                let end = behind - 3;
                self.checked(end - text.len(), end, true)?;
                Ok(behind)
            }
            Event::Comment(_) => Err(StanzaError::Restricted("a comment")),
            Event::PI(_) => Err(StanzaError::Restricted("a processing instruction")),
            Event::DocType(_) => Err(StanzaError::Restricted("a DTD")),
            Event::Decl(_) => Err(StanzaError::Restricted("an XML declaration")),
            _ => Err(StanzaError::Syntax("markup that is none")),
        }
    }

    /// The character data at `at`, up to the next tag or reference.
    #[inline]
    fn text(&mut self, at: usize) -> Result<usize, StanzaError> {
        // Whatever would have to be looked at stops the search as well: a control, a `>`, what may be U+FFFE.
        const STOP: Odd<4> = Odd { bytes: [b'<', b'&', b'>', 0xEF], controls: true };
        let rest = &self.xml.as_bytes()[at..];
        let stop = STOP.find(rest);
        if matches!(rest.get(stop), Some(b'<' | b'&')) && !self.scratch.open.is_empty() {
            self.data(at, at + stop)?;
            return Ok(at + stop);
        }
        let end = memchr::memchr2(b'<', b'&', &rest[stop..]).map_or(rest.len(), |more| stop + more);
        self.checked(at, at + end, false)?;
        Ok(at + end)
    }

    /// Character data that has to be looked at.
    fn checked(&mut self, from: usize, to: usize, cdata: bool) -> Result<(), StanzaError> {
        let text = &self.xml[from..to];
        if self.scratch.open.is_empty() {
            return match chars::is_white(text) && !cdata {
                true => Ok(()),
                false => Err(StanzaError::Shape("text outside the element")),
            };
        }
        if text.is_empty() {
            return Ok(());
        }
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
        self.data(from, to)
    }

    /// Character data that means what it says.
    #[inline]
    fn data(&mut self, from: usize, to: usize) -> Result<(), StanzaError> {
        let span = Span { start: self.base + from as u32, end: self.base + to as u32 };
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
