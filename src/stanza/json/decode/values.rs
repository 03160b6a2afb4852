//! What a value becomes: an attribute, the element of a row, a tree; every one checked on the way.

use super::{Decoder, Wrong};
use crate::stanza::chars::{self, is_ncname, same};
use crate::stanza::json::Mode;
use crate::stanza::json::plan::PlanRow;
use crate::stanza::json::table::{ANY, Also, Attr, Shape, Type};
use crate::stanza::json::tape::Kind;
use crate::stanza::json::text::{fits, is_decimal, is_int};
use crate::stanza::{AttrEntry, Entry, NO_NS, NsIndex, Span, XML_PREFIX_NS, jid};

impl Decoder<'_> {
    /// The text of a value of this type, checked, appended to the buffer.
    pub(super) fn typed(&mut self, at: u32, ty: Type) -> Result<Span, Wrong> {
        let token = self.token(at);
        let text = self.tape.str(self.json, token);
        let expected = match (ty, token.kind) {
            (Type::Text | Type::Time, Kind::String | Kind::Escaped) => return self.text(at, text),
            (Type::Jid, Kind::String | Kind::Escaped) => {
                if self.mode == Mode::Strict
                    && let Err(error) = jid::check(text)
                {
                    return Err((at, format!("not a JID: {error}")));
                }
                return self.text(at, text);
            }
            (Type::Enum(words), Kind::String | Kind::Escaped)
                if words.iter().any(|word| same(word, text)) =>
            {
                return Ok(self.stanza.intern(text));
            }
            (Type::Int, Kind::Number) if is_int(text) => return Ok(self.stanza.intern(text)),
            (Type::Decimal, Kind::Number) if is_decimal(text) => return Ok(self.stanza.intern(text)),
            (Type::Bool, Kind::Bool) => return Ok(self.stanza.intern(text)),
            (Type::Bool, Kind::Number) if matches!(text, "0" | "1") => return Ok(self.stanza.intern(text)),
            (Type::Text | Type::Time, Kind::Number | Kind::Bool) if self.is_lenient() => {
                return Ok(self.stanza.intern(text));
            }
            (Type::Int | Type::Decimal | Type::Bool, Kind::String | Kind::Escaped)
                if self.is_lenient() && fits(text, ty) =>
            {
                return Ok(self.stanza.intern(text));
            }
            (Type::Text | Type::Time | Type::Jid, _) => "expected a string".to_owned(),
            (Type::Int, _) => "expected an integer of at most 15 digits".to_owned(),
            (Type::Decimal, _) => "expected a number of at most 17 digits".to_owned(),
            (Type::Bool, _) => "expected true or false".to_owned(),
            (Type::Enum(words), _) => format!("expected one of {}", words.join(", ")),
        };
        Err((at, expected))
    }

    /// Checks the characters and appends the text to the buffer.
    pub(super) fn text(&mut self, at: u32, text: &str) -> Result<Span, Wrong> {
        match chars::illegal(text) {
            Some(char) => Err((at, format!("U+{:04X} is no XML character", u32::from(char)))),
            None => Ok(self.stanza.intern(text)),
        }
    }

    pub(super) fn name(&self, at: u32, name: &str) -> Result<(), Wrong> {
        match is_ncname(name) {
            true => Ok(()),
            false => Err((at, "not an XML name".to_owned())),
        }
    }

    pub(super) fn attr(&mut self, def: &Attr, at: u32, root: bool, from: usize) -> Result<(), Wrong> {
        if self.is_masked(at)? {
            return Ok(());
        }
        let value = self.typed(at, def.ty)?;
        // What the key says in the attribute's absence.
        if !def.default.is_empty() && self.stanza.str(value) == def.default {
            return Ok(());
        }
        let ns = if def.ns.is_empty() { NO_NS } else { XML_PREFIX_NS };
        let name = self.stanza.intern(def.name);
        self.push_attr(root, at, from, AttrEntry { ns, name, value })
    }

    /// An `a`: attributes by their names, `{namespace}name` for those that have one.
    pub(super) fn free_attrs(&mut self, at: u32, root: bool, from: usize) -> Result<(), Wrong> {
        let token = self.token(at);
        if token.kind != Kind::Object {
            return Err((at, "expected an object".to_owned()));
        }
        let mut key_at = at + 1;
        while key_at < token.next {
            let value_at = key_at + 1;
            let key = self.tape.str(self.json, self.token(key_at));
            key_at = self.token(value_at).next;
            let (uri, name) = match key.strip_prefix('{').and_then(|k| k.rsplit_once('}')) {
                None => ("", key),
                Some((uri, name)) => (uri, name),
            };
            self.name(value_at, name)?;
            if uri.is_empty() && name == "xmlns" {
                return Err((value_at, "namespaces are declared by ns".to_owned()));
            }
            if self.is_masked(value_at)? {
                continue;
            }
            let ns = if uri.is_empty() { NO_NS } else { self.checked_ns(value_at, uri)? };
            let value = self.typed(value_at, Type::Text)?;
            let name = self.stanza.intern(name);
            self.push_attr(root, value_at, from, AttrEntry { ns, name, value })?;
        }
        Ok(())
    }

    pub(super) fn checked_ns(&mut self, at: u32, uri: &str) -> Result<NsIndex, Wrong> {
        if uri == "http://www.w3.org/2000/xmlns/" {
            return Err((at, "a reserved namespace".to_owned()));
        }
        if let Some(char) = chars::illegal(uri) {
            return Err((at, format!("U+{:04X} is no XML character", u32::from(char))));
        }
        Ok(if uri.is_empty() { NO_NS } else { self.ns(uri) })
    }

    /// The element of a row.
    pub(super) fn row(
        &mut self,
        row: &PlanRow,
        at: u32,
        lang: Option<u32>,
        parent: u32,
    ) -> Result<(), Wrong> {
        if let Shape::Tree = row.def.shape {
            return self.tree(at, parent, Some(row));
        }
        if let Shape::Object(object) = row.def.shape {
            if self.token(at).kind != Kind::Object && !(self.is_lenient() && self.is_true(at)) {
                return Err((at, "expected an object".to_owned()));
            }
            let name = match object.name_key.is_empty() {
                true => row.def.names[0],
                false => {
                    let default = if object.name_key == "kind" && row.def.names == ["message"] {
                        "message"
                    } else {
                        ""
                    };
                    let name = self.object_name(at, object.name_key, default)?;
                    if !row.def.names.iter().any(|known| same(known, name)) {
                        return Err((
                            at,
                            format!("{}: expected one of {}", object.name_key, row.def.names.join(", ")),
                        ));
                    }
                    name
                }
            };
            let ns = self.row_ns(row);
            return self.object(at, row.object, name, ns);
        }
        let ns = self.row_ns(row);
        if let Shape::Name(also) = row.def.shape {
            return self.named(row, also, at, ns);
        }
        let index = self.open(at, row.def.names[0], ns)?;
        match row.def.shape {
            Shape::Flag if self.is_true(at) => {}
            Shape::Flag => return Err((at, "expected true".to_owned())),
            Shape::Attr(name, ty) => {
                let value = self.typed(at, ty)?;
                let name = self.stanza.intern(name);
                self.stanza.attrs.push(AttrEntry { ns: NO_NS, name, value });
                self.attrs_end(index);
            }
            Shape::Text(ty) => {
                if let Some(lang) = lang {
                    let key = self.tape.str(self.json, self.token(lang));
                    let value = self.text(lang, key)?;
                    let name = self.stanza.intern("lang");
                    self.stanza.attrs.push(AttrEntry { ns: XML_PREFIX_NS, name, value });
                    self.attrs_end(index);
                }
                let span = self.typed(at, ty)?;
                self.push_text(span);
            }
            Shape::Json => {
                let raw = self.tape.raw(self.json, at);
                let span = self.text(at, raw)?;
                self.push_text(span);
            }
            Shape::Wrap(_) => {
                let token = self.token(at);
                if token.kind != Kind::Array {
                    return Err((at, "expected a list".to_owned()));
                }
                let mut item = at + 1;
                while item < token.next {
                    if let Some(inner) = &row.inner {
                        self.row(inner, item, None, index)?;
                    }
                    item = self.token(item).next;
                }
            }
            Shape::Object(_) | Shape::Tree | Shape::Name(_) => {}
        }
        self.close(index);
        Ok(())
    }

    /// An element whose name is the value, with what its companion key says inside.
    pub(super) fn named(&mut self, row: &PlanRow, also: Also, at: u32, ns: NsIndex) -> Result<(), Wrong> {
        let name = self.string(at)?;
        match row.def.names.is_empty() {
            true => self.name(at, name)?,
            false if row.def.names.iter().any(|known| same(known, name)) => {}
            false => return Err((at, format!("expected one of {}", row.def.names.join(", ")))),
        }
        let index = self.open(at, name, ns)?;
        // The key of the value is right before it, unless it stands in a list; lists have no companions.
        if also != Also::Nothing
            && let Some(companion) = self.companion(at, row)
            && !self.is_masked(companion)?
        {
            let text = self.string(companion)?;
            match also {
                Also::Name(_) => {
                    self.name(companion, text)?;
                    let inner = self.open(companion, text, ns)?;
                    self.close(inner);
                }
                _ => {
                    let span = self.text(companion, text)?;
                    self.push_text(span);
                }
            }
        }
        self.close(index);
        Ok(())
    }

    /// The value of the companion key in the object that holds the value at `at`.
    pub(super) fn companion(&self, at: u32, row: &PlanRow) -> Option<u32> {
        let key = &row.also_key[2..row.also_key.len() - 2];
        let found = |mut key_at: u32, end: u32| {
            while key_at < end {
                if self.tape.str(self.json, self.token(key_at)).as_bytes() == key {
                    return Some(key_at + 1);
                }
                key_at = self.token(key_at + 1).next;
            }
            None
        };
        // The enclosing object: the nearest token before that is one and reaches beyond.
        let holder =
            (0..at).rev().find(|o| self.token(*o).kind == Kind::Object && self.token(*o).next > at)?;
        found(holder + 1, self.token(holder).next)
    }

    /// An item of a `rest`: text or tree.
    pub(super) fn rest(&mut self, at: u32, parent: u32) -> Result<(), Wrong> {
        match self.token(at).kind {
            Kind::Object => self.tree(at, parent, None),
            _ => {
                let text = self
                    .string(at)
                    .map_err(|(at, _)| (at, "expected a string or an object with n".to_owned()))?;
                let span = self.text(at, text)?;
                self.push_text(span);
                Ok(())
            }
        }
    }

    /// An element given as `{"n", "ns", "a", "c"}`; with `row`, it must be one that the row names.
    pub(super) fn tree(&mut self, at: u32, parent: u32, row: Option<&PlanRow>) -> Result<(), Wrong> {
        let token = self.token(at);
        if token.kind != Kind::Object {
            return Err((at, "expected an object with n".to_owned()));
        }
        let (mut name, mut ns, mut attrs, mut children) = (None, None, None, None);
        let mut key_at = at + 1;
        while key_at < token.next {
            let value_at = key_at + 1;
            let place = match self.tape.str(self.json, self.token(key_at)) {
                "n" => &mut name,
                "ns" => &mut ns,
                "a" => &mut attrs,
                "c" => &mut children,
                _ if self.is_lenient() => &mut None,
                _ => return Err((value_at, "unknown key".to_owned())),
            };
            if place.replace(value_at).is_some() {
                return Err((value_at, "the key is there twice".to_owned()));
            }
            key_at = self.token(value_at).next;
        }
        let name_at = name.ok_or_else(|| (at, "n is missing".to_owned()))?;
        let name = self.string(name_at)?;
        self.name(name_at, name)?;
        let ns = match ns {
            Some(ns_at) => {
                let uri = self.string(ns_at)?;
                self.checked_ns(ns_at, uri)?
            }
            None => match self.stanza.entries[parent as usize] {
                Entry::Element { ns, .. } => ns,
                Entry::Text(_) => NO_NS,
            },
        };
        if let Some(row) = row {
            let named = row.def.names.is_empty() || row.def.names.iter().any(|known| same(known, name));
            if !named || (row.def.ns != ANY && self.stanza.namespace(ns) != row.def.ns) {
                return Err((at, "expected another element".to_owned()));
            }
        }
        let index = self.open(at, name, ns)?;
        if let Some(attrs) = attrs {
            let from = self.stanza.attrs.len();
            self.free_attrs(attrs, false, from)?;
            self.attrs_end(index);
        }
        if let Some(children) = children {
            let token = self.token(children);
            if token.kind != Kind::Array {
                return Err((children, "expected a list".to_owned()));
            }
            let mut child = children + 1;
            while child < token.next {
                if !self.is_masked(child)? {
                    self.rest(child, index)?;
                }
                child = self.token(child).next;
            }
        }
        self.close(index);
        Ok(())
    }
}
