//! The arena's side of decoding: elements, namespaces, attributes and texts put where the writer and every reader expect them.

use super::{Decoder, Wrong};
use crate::stanza::chars::same;
use crate::stanza::json::plan::PlanRow;
use crate::stanza::parse::{DEEPEST, MOST_ATTRIBUTES};
use crate::stanza::{
    AttrEntry, CLIENT_NS, Entry, NO_NS, Namespace, NsIndex, STANZA_NAMESPACES, Span, XML_NS, XML_PREFIX_NS,
};

impl Decoder<'_> {
    /// Opens an element; attributes and children follow, then [`Decoder::close`].
    pub(super) fn open(&mut self, at: u32, name: &str, ns: NsIndex) -> Result<u32, Wrong> {
        self.depth += 1;
        self.after_text = false;
        if self.depth > DEEPEST {
            return Err((at, String::new()));
        }
        let name = self.stanza.intern(name);
        let index = self.stanza.entries.len() as u32;
        let start = self.stanza.attrs.len() as u32;
        self.stanza.entries.push(Entry::Element {
            name,
            ns,
            attrs: Span { start, end: start },
            end: index + 1,
        });
        Ok(index)
    }

    /// Ends the attributes of the element at `index`.
    pub(super) fn attrs_end(&mut self, index: u32) {
        let behind = self.stanza.attrs.len() as u32;
        if let Entry::Element { attrs, .. } = &mut self.stanza.entries[index as usize] {
            attrs.end = behind;
        }
    }

    pub(super) fn close(&mut self, index: u32) {
        self.depth -= 1;
        self.after_text = false;
        let behind = self.stanza.entries.len() as u32;
        if let Entry::Element { end, .. } = &mut self.stanza.entries[index as usize] {
            *end = behind;
        }
    }

    pub(super) fn ns(&mut self, uri: &str) -> NsIndex {
        if let Some(found) = self.find_ns(uri) {
            return found;
        }
        let span = self.stanza.intern(uri);
        self.stanza.namespaces.push(Namespace::Span(span));
        (self.stanza.namespaces.len() - 1) as NsIndex
    }

    /// The index of a row's namespace in the stanza.
    #[inline]
    pub(super) fn row_ns(&mut self, row: &PlanRow) -> NsIndex {
        let known = &mut self.known[usize::from(row.ns)];
        if *known == NO_NS {
            *known = self.stanza.namespaces.len() as NsIndex;
            self.stanza.namespaces.push(Namespace::Fixed(row.def.ns));
        }
        *known
    }

    pub(super) fn find_ns(&self, uri: &str) -> Option<NsIndex> {
        if STANZA_NAMESPACES.iter().any(|ns| same(ns, uri)) {
            return Some(CLIENT_NS);
        }
        if same(uri, XML_NS) {
            return Some(XML_PREFIX_NS);
        }
        let list = &self.stanza.namespaces;
        let oldest = list.len().saturating_sub(16);
        (oldest..list.len()).rev().map(|at| at as NsIndex).find(|at| same(self.stanza.namespace(*at), uri))
    }

    pub(super) fn push_text(&mut self, span: Span) {
        if span.start == span.end {
            return;
        }
        // A text right behind another is the same text; it has just been appended to the buffer, right behind the other.
        if self.after_text
            && let Some(Entry::Text(before)) = self.stanza.entries.last_mut()
            && before.end == span.start
        {
            before.end = span.end;
            return;
        }
        self.stanza.entries.push(Entry::Text(span));
        self.after_text = true;
    }

    pub(super) fn push_attr(
        &mut self,
        root: bool,
        at: u32,
        from: usize,
        attr: AttrEntry,
    ) -> Result<(), Wrong> {
        let list = if root { &self.stanza.root_attrs[..] } else { &self.stanza.attrs[from..] };
        if list.len() == MOST_ATTRIBUTES {
            return Err((at, format!("more than {MOST_ATTRIBUTES} attributes")));
        }
        let name = self.stanza.str(attr.name);
        let ns = self.stanza.namespace(attr.ns);
        let twice = list.iter().any(|a| {
            same(self.stanza.str(a.name), name) && (a.ns == attr.ns || same(self.stanza.namespace(a.ns), ns))
        });
        if twice {
            return Err((at, "the attribute is there twice".to_owned()));
        }
        if root {
            self.stanza.root_attrs.push(attr)
        } else {
            self.stanza.attrs.push(attr)
        }
        Ok(())
    }
}
