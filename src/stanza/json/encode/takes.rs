//! Which row takes a child: the first that names it, is free, and can hold it without losing anything.

use super::{Bits, Encoder, REST};
use crate::stanza::canonical::white_is_insignificant;
use crate::stanza::chars::same;
use crate::stanza::json::MOST_LANGUAGES;
use crate::stanza::json::plan::{PlanObject, PlanRow};
use crate::stanza::json::table::{Also, Many, Shape};
use crate::stanza::json::text::fits;
use crate::stanza::{Element, Entry, Node};

impl<'a> Encoder<'a> {
    /// The row that takes this child.
    #[inline]
    pub(super) fn choose(
        &mut self,
        child: Element<'a>,
        object: &PlanObject,
        taken: &Bits,
        base: usize,
    ) -> u16 {
        let ns = self.ns(child);
        for &candidate in object.candidates(child.name(), ns) {
            let row = &object.rows[usize::from(candidate)];
            let free = match row.def.many {
                Many::One => !taken.has(row.group),
                Many::List => true,
                Many::Langs => self.language_is_free(child, candidate, base),
            };
            if free && self.takes(row, child) {
                return candidate;
            }
        }
        REST
    }

    pub(super) fn language_is_free(&self, child: Element<'a>, row: u16, base: usize) -> bool {
        let Some(lang) = child.lang() else { return false };
        let mut same_row = self.scratch.slots[base..].iter().filter(|(slot, _)| *slot == row);
        same_row.clone().count() < MOST_LANGUAGES
            && same_row.all(|(_, index)| self.element(*index).lang() != Some(lang))
    }

    /// Whether the row's shape can hold this element without losing anything.
    #[inline]
    pub(super) fn takes(&mut self, row: &PlanRow, child: Element<'a>) -> bool {
        let attrs = child.attr_entries().len();
        match row.def.shape {
            Shape::Object(_) | Shape::Tree => true,
            Shape::Flag => attrs == 0 && is_empty(child),
            Shape::Text(ty) => {
                let langs = usize::from(row.def.many == Many::Langs);
                attrs == langs && sole_text(child).is_some_and(|text| fits(text, ty))
            }
            Shape::Attr(name, ty) => {
                attrs == 1 && is_empty(child) && child.attr(name).is_some_and(|value| fits(value, ty))
            }
            Shape::Name(also) => {
                attrs == 0
                    && match also {
                        Also::Nothing => is_empty(child),
                        Also::Text(_) => sole_text(child).is_some(),
                        Also::Name(_) => is_empty(child) || self.sole_name(child).is_some(),
                    }
            }
            Shape::Wrap(_) => {
                let Some(inner) = &row.inner else { return false };
                let skip = !self.options.whitespace && white_is_insignificant(child);
                attrs == 0
                    && child.children().all(|node| match node {
                        Node::Text(_) => skip,
                        Node::Element(item) => {
                            inner.def.names.iter().any(|name| same(name, item.name()))
                                && item.ns() == inner.def.ns
                                && self.takes(inner, item)
                        }
                    })
            }
            Shape::Json => {
                attrs == 0 && sole_text(child).is_some_and(|text| self.scratch.tape.is_one_line_json(text))
            }
        }
    }

    /// The one empty element of the same namespace in this one.
    pub(super) fn sole_name(&self, element: Element<'a>) -> Option<Element<'a>> {
        let skip = !self.options.whitespace && white_is_insignificant(element);
        let mut children = element.children().filter(|node| !(skip && matches!(node, Node::Text(_))));
        match (children.next(), children.next()) {
            (Some(Node::Element(inner)), None)
                if inner.ns() == element.ns() && inner.attr_entries().is_empty() && is_empty(inner) =>
            {
                Some(inner)
            }
            _ => None,
        }
    }
}

#[inline]
pub(super) fn is_empty(element: Element<'_>) -> bool {
    element.entry().3 == element.index + 1
}

/// The text of an element that holds nothing else; empty for an empty element.
#[inline]
pub(super) fn sole_text(element: Element<'_>) -> Option<&str> {
    let end = element.entry().3;
    if end == element.index + 1 {
        return Some("");
    }
    match element.stanza.entries[element.index as usize + 1] {
        Entry::Text(span) if end == element.index + 2 => Some(element.stanza.str(span)),
        _ => None,
    }
}
