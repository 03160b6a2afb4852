//! What an element becomes once it is known where it goes: the value of its row, or a tree in `rest`.

use super::Encoder;
use super::takes::sole_text;
use crate::stanza::json::plan::PlanRow;
use crate::stanza::json::table::{Also, Shape};
use crate::stanza::json::text::string;
use crate::stanza::{Element, Entry};

impl<'a> Encoder<'a> {
    /// The value that a row makes of the element at `index`, which it [`takes`](Self::takes).
    pub(super) fn value(&mut self, row: &PlanRow, index: u32) {
        let element = self.element(index);
        match row.def.shape {
            Shape::Flag => self.out.extend_from_slice(b"true"),
            Shape::Text(ty) => self.typed(sole_text(element).unwrap_or_default(), ty),
            Shape::Attr(name, ty) => self.typed(element.attr(name).unwrap_or_default(), ty),
            Shape::Json => self.out.extend_from_slice(sole_text(element).unwrap_or_default().as_bytes()),
            Shape::Object(_) => self.object(element, row.object),
            Shape::Tree => self.tree(element, None),
            Shape::Name(also) => {
                string(element.name(), self.out);
                let (secret, companion) = match also {
                    Also::Nothing => (false, None),
                    Also::Text(_) => (self.masked, sole_text(element).filter(|text| !text.is_empty())),
                    Also::Name(_) => (false, self.sole_name(element).map(|inner| inner.name())),
                };
                if let Some(text) = companion {
                    self.out.extend_from_slice(&row.also_key);
                    self.plain(text, secret);
                }
            }
            Shape::Wrap(_) => {
                let Some(inner) = &row.inner else { return };
                self.out.push(b'[');
                for (number, item) in element.elements().enumerate() {
                    if number > 0 {
                        self.out.push(b',');
                    }
                    self.value(inner, item.index);
                }
                self.out.push(b']');
            }
        }
    }

    /// A child that no row took: a string or a tree.
    pub(super) fn rest(&mut self, index: u32, parent_ns: u32) {
        match self.stanza.entries[index as usize] {
            Entry::Text(span) => self.plain(self.stanza.str(span), false),
            Entry::Element { .. } => self.tree(self.element(index), Some(parent_ns)),
        }
    }

    /// Any element as it is. Its namespace is left out when it is that of the element around it.
    pub(super) fn tree(&mut self, element: Element<'a>, parent_ns: Option<u32>) {
        self.out.extend_from_slice(b"{\"n\":");
        string(element.name(), self.out);
        let (_, ns, _, end) = element.entry();
        let same =
            parent_ns.is_some_and(|p| p == ns || self.stanza.namespace(p) == self.stanza.namespace(ns));
        if !same {
            self.out.extend_from_slice(b",\"ns\":");
            string(element.ns(), self.out);
        }
        if !element.attr_entries().is_empty() {
            self.out.extend_from_slice(b",\"a\":");
            let start = self.out.len();
            for attr in element.attrs() {
                self.attribute(attr.ns, attr.name, attr.value, false);
            }
            self.close(start);
        }
        let masked = self.masked;
        if !self.options.secrets {
            self.masked |= match element.name() {
                "password" => true,
                "field" => is_private(element),
                _ => false,
            };
        }
        if end > element.index + 1 {
            self.out.extend_from_slice(b",\"c\":[");
            let mut at = element.index + 1;
            while at < end {
                if at > element.index + 1 {
                    self.out.push(b',');
                }
                self.rest(at, ns);
                at = match self.stanza.entries[at as usize] {
                    Entry::Element { end, .. } => end,
                    Entry::Text(_) => at + 1,
                };
            }
            self.out.push(b']');
        }
        self.masked = masked;
        self.out.push(b'}');
    }
}

/// Whether a form field holds a password, by its type or by its name (a submitted form has no types).
pub(super) fn is_private(field: Element<'_>) -> bool {
    field.attrs().filter(|a| a.ns.is_empty()).any(|a| match a.name {
        "type" => a.value == "text-private",
        "var" => a.value.contains("password") || a.value.contains("secret"),
        _ => false,
    })
}
