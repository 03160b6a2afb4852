//! A stanza: parsed, read, changed in the few ways the bridge needs, written; and its JSON form.
//!
//! One stanza is one flat arena in document order (an element ends where its last descendant ends), its strings are spans of one buffer that
//! begins with a copy of the bytes as they came. Parsing into a stanza that was used before allocates nothing of its own; walking follows no
//! pointers; every `&str` borrows from the buffer.
//!
//! The public shape (used by lanes, modules, mapping, platform):
//! - [`Stanza::parse`] / [`Stanza::parse_into`]: bytes to stanza, within [`Limits`]. [`Stanza::to_xml`]: back.
//! - [`Stanza::root`], [`Element`], [`Node`]: read.
//! - [`Stanza::set_attr`], [`Stanza::append`]: change the root's attributes, add a child. Nothing else is ever changed.
//! - [`json::encode`] / [`json::decode`]: stanza JSON, lossless. [`canonical`]: what "equal" means.
//! - [`errors`]: HTTP status and stanza error condition, one table. [`jid`]: is this a JID?
//!
//! Leaves out: streams, SASL, HTTP itself, any judgement about a payload (that is `mapping`).

mod canonical;
mod chars;
pub mod errors;
pub mod jid;
pub mod json;
mod parse;
mod write;

pub use canonical::{canonical, canonical_exact};
pub use parse::{Limits, StanzaError};

/// The stanza namespaces of RFC 6120 and XEP-0114; all three read as one.
pub const STANZA_NAMESPACES: [&str; 3] = ["jabber:client", "jabber:server", "jabber:component:accept"];
/// Namespace of the `xml:` prefix.
pub const XML_NS: &str = "http://www.w3.org/XML/1998/namespace";

/// The three kinds of stanza (RFC 6120 8.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `<message/>`
    Message,
    /// `<presence/>`
    Presence,
    /// `<iq/>`
    Iq,
}

impl Kind {
    /// The element's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Message => "message",
            Kind::Presence => "presence",
            Kind::Iq => "iq",
        }
    }
}

/// A piece of the stanza's text buffer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Span {
    start: u32,
    end: u32,
}

/// A namespace that occurs in the stanza. The same one may stand in the list twice.
#[derive(Debug, Clone, Copy)]
enum Namespace {
    Fixed(&'static str),
    Span(Span),
}

/// Index into [`Stanza::namespaces`]; the first three are always there.
type NsIndex = u32;
const NO_NS: NsIndex = 0;
const CLIENT_NS: NsIndex = 1;
const XML_PREFIX_NS: NsIndex = 2;
const FIRST_NAMESPACES: [Namespace; 3] =
    [Namespace::Fixed(""), Namespace::Fixed(STANZA_NAMESPACES[0]), Namespace::Fixed(XML_NS)];

#[derive(Debug, Clone, Copy)]
enum Entry {
    /// An element: local name, namespace, its attributes, and the index behind its last descendant.
    Element {
        name: Span,
        ns: NsIndex,
        attrs: Span,
        end: u32,
    },
    Text(Span),
}

#[derive(Debug, Clone, Copy)]
struct AttrEntry {
    ns: NsIndex,
    name: Span,
    value: Span,
}

/// A complete stanza. `Clone` copies its vectors.
#[derive(Debug, Clone, Default)]
pub struct Stanza {
    text: String,
    entries: Vec<Entry>,
    attrs: Vec<AttrEntry>,
    /// The root's attributes live apart so that they can be changed without moving others.
    root_attrs: Vec<AttrEntry>,
    namespaces: Vec<Namespace>,
    /// What the parser needs while it works, kept for the next time.
    scratch: parse::Scratch,
}

/// A read-only view of one element.
#[derive(Debug, Clone, Copy)]
pub struct Element<'a> {
    stanza: &'a Stanza,
    index: u32,
}

/// A child of an element.
#[derive(Debug, Clone, Copy)]
pub enum Node<'a> {
    /// An element.
    Element(Element<'a>),
    /// Character data, unescaped; adjacent runs are one.
    Text(&'a str),
}

/// An attribute. `ns` is empty for those without a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attr<'a> {
    /// Namespace, empty when the attribute has no prefix.
    pub ns: &'a str,
    /// Local name.
    pub name: &'a str,
    /// Value, unescaped.
    pub value: &'a str,
}

impl Stanza {
    #[inline]
    fn str(&self, span: Span) -> &str {
        &self.text[span.start as usize..span.end as usize]
    }

    #[inline]
    fn bytes(&self, span: Span) -> &[u8] {
        &self.text.as_bytes()[span.start as usize..span.end as usize]
    }

    fn clear(&mut self) {
        self.text.clear();
        self.entries.clear();
        self.attrs.clear();
        self.root_attrs.clear();
        self.namespaces.clear();
        self.namespaces.extend_from_slice(&FIRST_NAMESPACES);
    }

    #[inline]
    fn namespace(&self, index: NsIndex) -> &str {
        match self.namespaces[index as usize] {
            Namespace::Fixed(ns) => ns,
            Namespace::Span(span) => self.str(span),
        }
    }

    fn intern(&mut self, value: &str) -> Span {
        let start = self.text.len() as u32;
        self.text.push_str(value);
        Span { start, end: self.text.len() as u32 }
    }

    /// The stanza element itself.
    #[must_use]
    pub fn root(&self) -> Element<'_> {
        Element { stanza: self, index: 0 }
    }

    /// Which of the three kinds it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.root().name() {
            "message" => Kind::Message,
            "presence" => Kind::Presence,
            _ => Kind::Iq,
        }
    }

    /// `type`, as written (absent = None; for a message that means `normal`).
    #[must_use]
    pub fn type_(&self) -> Option<&str> {
        self.root().attr("type")
    }

    /// `id`.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.root().attr("id")
    }

    /// `from`, as written.
    #[must_use]
    pub fn from(&self) -> Option<&str> {
        self.root().attr("from")
    }

    /// `to`, as written.
    #[must_use]
    pub fn to(&self) -> Option<&str> {
        self.root().attr("to")
    }

    /// Sets or removes (None) an attribute without namespace of the stanza element. The value must consist of XML characters.
    pub fn set_attr(&mut self, name: &str, value: Option<&str>) {
        let at = self.root_attrs.iter().position(|a| a.ns == NO_NS && self.str(a.name) == name);
        match (at, value) {
            (Some(at), None) => {
                self.root_attrs.remove(at);
            }
            (Some(at), Some(value)) => self.root_attrs[at].value = self.intern(value),
            (None, Some(value)) => {
                let entry = AttrEntry { ns: NO_NS, name: self.intern(name), value: self.intern(value) };
                self.root_attrs.push(entry);
            }
            (None, None) => {}
        }
    }

    /// Appends an element (given as XML with its own `xmlns`) as the last child of the stanza.
    ///
    /// # Errors
    /// When `xml` is not one well-formed element.
    pub fn append(&mut self, xml: &str) -> Result<(), StanzaError> {
        parse::append(self, xml)
    }
}

impl<'a> Element<'a> {
    #[inline]
    fn entry(&self) -> (Span, NsIndex, Span, u32) {
        match self.stanza.entries[self.index as usize] {
            Entry::Element { name, ns, attrs, end } => (name, ns, attrs, end),
            Entry::Text(_) => unreachable!("an Element is only made for element entries"),
        }
    }

    #[inline]
    fn attr_entries(&self) -> &'a [AttrEntry] {
        let span = self.entry().2;
        match self.index {
            0 => &self.stanza.root_attrs,
            _ => &self.stanza.attrs[span.start as usize..span.end as usize],
        }
    }

    /// Local name.
    #[must_use]
    #[inline]
    pub fn name(&self) -> &'a str {
        self.stanza.str(self.entry().0)
    }

    /// Namespace; the three stanza namespaces all read as `jabber:client`.
    #[must_use]
    #[inline]
    pub fn ns(&self) -> &'a str {
        self.stanza.namespace(self.entry().1)
    }

    /// Whether it has this local name and namespace.
    #[must_use]
    pub fn is(&self, name: &str, ns: &str) -> bool {
        self.name() == name && self.ns() == ns
    }

    /// Its attributes in document order, namespace declarations left out.
    pub fn attrs(&self) -> impl Iterator<Item = Attr<'a>> + use<'a> {
        let stanza = self.stanza;
        self.attr_entries().iter().map(move |a| Attr {
            ns: stanza.namespace(a.ns),
            name: stanza.str(a.name),
            value: stanza.str(a.value),
        })
    }

    /// The value of an attribute without namespace.
    #[must_use]
    #[inline]
    pub fn attr(&self, name: &str) -> Option<&'a str> {
        let stanza = self.stanza;
        let found =
            self.attr_entries().iter().find(|a| a.ns == NO_NS && chars::same(stanza.str(a.name), name));
        found.map(|a| stanza.str(a.value))
    }

    /// The value of `xml:lang` on this very element.
    #[must_use]
    pub fn lang(&self) -> Option<&'a str> {
        self.attrs().find(|a| a.ns == XML_NS && a.name == "lang").map(|a| a.value)
    }

    /// Its children in document order.
    pub fn children(&self) -> impl Iterator<Item = Node<'a>> + use<'a> {
        let stanza = self.stanza;
        let end = self.entry().3;
        let mut next = self.index + 1;
        std::iter::from_fn(move || {
            if next >= end {
                return None;
            }
            let index = next;
            Some(match stanza.entries[index as usize] {
                Entry::Element { end, .. } => {
                    next = end;
                    Node::Element(Element { stanza, index })
                }
                Entry::Text(span) => {
                    next = index + 1;
                    Node::Text(stanza.str(span))
                }
            })
        })
    }

    /// Its child elements in document order.
    pub fn elements(&self) -> impl Iterator<Item = Element<'a>> + use<'a> {
        self.children().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// The first child element with this name and namespace.
    #[must_use]
    pub fn child(&self, name: &str, ns: &str) -> Option<Element<'a>> {
        self.elements().find(|e| e.is(name, ns))
    }

    /// Its own character data (not that of descendants), joined.
    #[must_use]
    pub fn text(&self) -> std::borrow::Cow<'a, str> {
        let mut parts = self.children().filter_map(|node| match node {
            Node::Text(text) => Some(text),
            Node::Element(_) => None,
        });
        let first = parts.next().unwrap_or_default();
        match parts.next() {
            None => first.into(),
            Some(second) => {
                let mut all = String::from(first);
                all.push_str(second);
                parts.for_each(|p| all.push_str(p));
                all.into()
            }
        }
    }
}
