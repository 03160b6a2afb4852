//! Stanza to JSON: one walk over the arena, written straight into the caller's buffer.
//!
//! An object is written in three steps. Attributes: each that has a key and fits its type; the others under `a`. Children: each is given to the first row
//! that names it, fits it and is still free; the others to `rest`. Then the keys are written in the order of first occurrence. When that order alone
//! would not tell how differently named children were mixed, `order` lists the key of every child.
//!
//! So nothing can be lost by forgetting: what no row takes is in `a` or `rest`, by construction.

use self::values::is_private;
use super::Options;
use super::plan::{NsId, Plan, PlanObject};
use super::table::{Many, Type};
use super::tape::Tape;
use super::text::{fits, string, value};
use crate::stanza::chars::{is_white, same};
use crate::stanza::{AttrEntry, Element, Entry, FIRST_NAMESPACES, Kind, NO_NS, Stanza, XML_PREFIX_NS};

mod takes;
mod values;

/// Which key a child went to: the number of a row, or one of these two.
const REST: u16 = u16::MAX;
const TEXT: u16 = u16::MAX - 1;

/// Buffers that are kept from one stanza to the next.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// Which key each child went to; a stack, the innermost object's at its end.
    slots: Vec<(u16, u32)>,
    /// Number in the plan of each namespace of the stanza.
    namespaces: Vec<NsId>,
    /// For checking JSON inside texts.
    tape: Tape,
}

pub(super) fn encode(stanza: &Stanza, options: Options, scratch: &mut Scratch, out: &mut Vec<u8>) {
    let plan = Plan::get();
    scratch.slots.clear();
    scratch.namespaces.clear();
    // The first three are always the same.
    scratch.namespaces.extend([0, plan.client, 0]);
    let others = FIRST_NAMESPACES.len()..stanza.namespaces.len();
    scratch.namespaces.extend(others.map(|at| plan.ns(stanza.namespace(at as u32))));
    out.reserve(stanza.text.len());
    let mut encoder = Encoder { stanza, plan, options, scratch, out, masked: false };
    encoder.object(stanza.root(), plan.stanza(stanza.kind()));
}

struct Encoder<'a> {
    stanza: &'a Stanza,
    plan: &'static Plan,
    options: Options,
    scratch: &'a mut Scratch,
    out: &'a mut Vec<u8>,
    /// Inside something secret: texts and attribute values are written as null.
    masked: bool,
}

/// Which rows of an object are taken.
#[derive(Default)]
struct Bits([u64; 4]);

impl Bits {
    fn has(&self, at: u16) -> bool {
        self.0[usize::from(at >> 6) & 3] & (1 << (at & 63)) != 0
    }
    fn set(&mut self, at: u16) {
        self.0[usize::from(at >> 6) & 3] |= 1 << (at & 63);
    }
}

impl<'a> Encoder<'a> {
    #[inline]
    fn element(&self, index: u32) -> Element<'a> {
        Element { stanza: self.stanza, index }
    }

    #[inline]
    fn ns(&self, element: Element<'_>) -> NsId {
        self.scratch.namespaces[element.entry().1 as usize]
    }

    /// Closes an object whose members were all written with a comma before them, the first one at `start`.
    #[inline]
    fn close(&mut self, start: usize) {
        match self.out.get_mut(start) {
            Some(comma) => *comma = b'{',
            None => self.out.push(b'{'),
        }
        self.out.push(b'}');
    }

    fn object(&mut self, element: Element<'a>, object: u16) {
        let object = self.plan.object(object);
        let start = self.out.len();
        if !object.def.name_key.is_empty() {
            self.out.extend_from_slice(&object.name_key);
            string(element.name(), self.out);
        }
        self.attributes(element, object);
        let masked = self.masked;
        if object.def.field && !self.options.secrets {
            self.masked |= is_private(element);
        }
        self.children(element, object);
        self.masked = masked;
        self.close(start);
    }

    /// Number of the object's attribute that this one is, if its value fits there.
    #[inline]
    fn known(&self, attr: &AttrEntry, object: &PlanObject) -> Option<usize> {
        if attr.ns != NO_NS && attr.ns != XML_PREFIX_NS {
            return None;
        }
        let name = self.stanza.str(attr.name);
        object.def.attrs.iter().position(|a| same(a.name, name) && a.ns.is_empty() == (attr.ns == NO_NS))
    }

    fn attributes(&mut self, element: Element<'a>, object: &PlanObject) {
        let mut written = 0u64;
        let mut others = 0;
        let entries = element.attr_entries();
        for attr in entries {
            let Some(at) = self.known(attr, object) else {
                others += 1;
                continue;
            };
            let (def, text) = (&object.def.attrs[at], self.stanza.str(attr.value));
            if def.takes(text) {
                written |= 1 << at;
                self.out.extend_from_slice(&object.attr_keys[at]);
                if def.secret && !self.options.secrets {
                    self.out.extend_from_slice(b"null");
                } else {
                    self.typed(text, def.ty);
                }
            } else {
                others += 1;
                if text != def.default {
                    written |= 1 << at;
                }
            }
        }
        if object.has_defaults {
            for (at, attr) in object.def.attrs.iter().enumerate() {
                if !attr.default.is_empty() && written & (1 << at) == 0 {
                    self.out.extend_from_slice(&object.attr_keys[at]);
                    string(attr.default, self.out);
                }
            }
        }
        if others > 0 {
            self.out.extend_from_slice(b",\"a\":");
            let start = self.out.len();
            for attr in entries {
                let known = self.known(attr, object).map(|at| &object.def.attrs[at]);
                let text = self.stanza.str(attr.value);
                if known.is_none_or(|def| !def.takes(text)) {
                    let ns = self.stanza.namespace(attr.ns);
                    self.attribute(ns, self.stanza.str(attr.name), text, known.is_some_and(|a| a.secret));
                }
            }
            self.close(start);
        }
    }

    /// One member of an `a`.
    fn attribute(&mut self, ns: &str, name: &str, value: &str, secret: bool) {
        self.out.push(b',');
        if ns.is_empty() {
            string(name, self.out);
        } else {
            string(&format!("{{{ns}}}{name}"), self.out);
        }
        self.out.push(b':');
        let secret = self.masked || ((secret || name == "password") && !self.options.secrets);
        self.plain(value, secret);
    }

    fn plain(&mut self, text: &str, secret: bool) {
        match secret || self.masked {
            true => self.out.extend_from_slice(b"null"),
            false => string(text, self.out),
        }
    }

    fn children(&mut self, element: Element<'a>, object: &PlanObject) {
        let first = element.index + 1;
        let end = element.entry().3;
        if first == end {
            return;
        }
        let base = self.scratch.slots.len();
        let mut taken = Bits::default();
        let mut mixed = false;
        let mut seen_keys = 0;
        let mut text_taken = false;
        let mut rest_taken = false;
        let (mut white, mut words, mut elements) = (false, false, false);
        let mut at = first;
        while at < end {
            let index = at;
            let slot = match self.stanza.entries[index as usize] {
                Entry::Text(span) => {
                    at += 1;
                    let text = self.stanza.str(span);
                    match is_white(text) {
                        true => white = true,
                        false => words = true,
                    }
                    match object.def.text {
                        Some((_, ty)) if !text_taken && fits(text, ty) => TEXT,
                        _ => REST,
                    }
                }
                Entry::Element { end, .. } => {
                    at = end;
                    elements = true;
                    self.choose(self.element(index), object, &taken, base)
                }
            };
            let again = match slot {
                REST => std::mem::replace(&mut rest_taken, true),
                TEXT => std::mem::replace(&mut text_taken, true),
                row => {
                    let group = object.rows[usize::from(row)].group;
                    let again = taken.has(group);
                    taken.set(group);
                    again
                }
            };
            seen_keys += u32::from(!again);
            mixed |= again && self.scratch.slots.last().is_some_and(|(last, _)| *last != slot);
            self.scratch.slots.push((slot, index));
        }
        // Text that only makes XML readable: see `canonical`.
        if white && elements && !words && !self.options.whitespace {
            (mixed, seen_keys) = self.drop_white(base);
        }
        self.write_children(element, object, base, mixed);
        if mixed || (self.options.order && (seen_keys > 1 || self.has_languages(object, base))) {
            self.order(object, base);
        }
        self.scratch.slots.truncate(base);
    }

    /// Takes the white texts of the innermost object out again; gives whether the rest is mixed and how many keys there are.
    fn drop_white(&mut self, base: usize) -> (bool, u32) {
        let mut kept = base;
        let mut seen = Bits::default();
        let (mut mixed, mut keys) = (false, 0);
        for at in base..self.scratch.slots.len() {
            let (slot, index) = self.scratch.slots[at];
            if matches!(self.stanza.entries[index as usize], Entry::Text(_)) {
                continue;
            }
            let bit = if slot == REST { 255 } else { slot };
            if seen.has(bit) {
                mixed |= kept > base && self.scratch.slots[kept - 1].0 != slot;
            } else {
                seen.set(bit);
                keys += 1;
            }
            self.scratch.slots[kept] = (slot, index);
            kept += 1;
        }
        self.scratch.slots.truncate(kept);
        (mixed, keys)
    }

    fn has_languages(&self, object: &PlanObject, base: usize) -> bool {
        let slots = &self.scratch.slots[base..];
        slots.len() > 1
            && object.rows.get(usize::from(slots[0].0)).is_some_and(|row| row.def.many == Many::Langs)
    }

    fn write_children(&mut self, element: Element<'a>, object: &PlanObject, base: usize, mixed: bool) {
        let end = self.scratch.slots.len();
        let mut written = Bits::default();
        let mut at = base;
        while at < end {
            let (slot, index) = self.scratch.slots[at];
            let bit = match slot {
                REST => 255,
                TEXT => 254,
                row => row,
            };
            if written.has(bit) {
                at += 1;
                continue;
            }
            written.set(bit);
            // What goes to the same key: the run from here, and when keys are mixed also what comes later.
            let mut run = at + 1;
            while run < end && self.scratch.slots[run].0 == slot {
                run += 1;
            }
            let all = if mixed { end } else { run };
            match slot {
                REST => {
                    self.out.extend_from_slice(b",\"rest\":[");
                    self.each(at, all, slot, |encoder, index| encoder.rest(index, element.entry().1));
                    self.out.push(b']');
                }
                TEXT => {
                    self.out.extend_from_slice(&object.text_key);
                    if let (Entry::Text(span), Some((_, ty))) =
                        (self.stanza.entries[index as usize], object.def.text)
                    {
                        self.typed(self.stanza.str(span), ty);
                    }
                }
                number => {
                    let row = &object.rows[usize::from(number)];
                    self.out.extend_from_slice(&row.key);
                    let masked = self.masked;
                    self.masked |= row.def.secret && !self.options.secrets;
                    match row.def.many {
                        Many::One => self.value(row, index),
                        Many::List => {
                            self.out.push(b'[');
                            self.each(at, all, slot, |encoder, index| encoder.value(row, index));
                            self.out.push(b']');
                        }
                        Many::Langs => {
                            let start = self.out.len();
                            for other in at..all {
                                if self.scratch.slots[other].0 == slot {
                                    let index = self.scratch.slots[other].1;
                                    self.out.push(b',');
                                    string(self.element(index).lang().unwrap_or_default(), self.out);
                                    self.out.push(b':');
                                    self.value(row, index);
                                }
                            }
                            self.close(start);
                        }
                    }
                    self.masked = masked;
                }
            }
            at = run;
        }
    }

    /// Calls `item` for every child between that went to `slot`, with commas between.
    fn each(&mut self, from: usize, to: usize, slot: u16, mut item: impl FnMut(&mut Self, u32)) {
        let mut first = true;
        for at in from..to {
            let (other, index) = self.scratch.slots[at];
            if other == slot {
                if !first {
                    self.out.push(b',');
                }
                first = false;
                item(self, index);
            }
        }
    }

    /// The key of every child, in document order; `key/language` where the key holds an object by language.
    fn order(&mut self, object: &PlanObject, base: usize) {
        self.out.extend_from_slice(b",\"order\":[");
        for at in base..self.scratch.slots.len() {
            if at > base {
                self.out.push(b',');
            }
            let (slot, index) = self.scratch.slots[at];
            let key: &[u8] = match slot {
                REST => b",\"rest\":",
                TEXT => &object.text_key,
                row if object.rows[usize::from(row)].def.many == Many::Langs => {
                    let lang = self.element(index).lang().unwrap_or_default();
                    string(&format!("{}/{lang}", object.rows[usize::from(row)].def.key), self.out);
                    continue;
                }
                row => &object.rows[usize::from(row)].key,
            };
            self.out.extend_from_slice(&key[1..key.len() - 1]);
        }
        self.out.push(b']');
    }

    #[inline]
    fn typed(&mut self, text: &str, ty: Type) {
        match self.masked {
            true => self.out.extend_from_slice(b"null"),
            false => value(text, ty, self.out),
        }
    }
}

/// The kind of stanza that an element name stands for.
pub(super) fn kind_of(name: &str) -> Option<Kind> {
    [Kind::Message, Kind::Presence, Kind::Iq].into_iter().find(|kind| kind.as_str() == name)
}
