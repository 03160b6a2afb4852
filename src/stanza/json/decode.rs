//! JSON to stanza: the same table, read the other way.
//!
//! An object becomes an element in two steps, because JSON members come in any order and the arena wants attributes first: first every member is
//! looked up and the attributes are written, then the children, in the order of the members or as `order` says.
//!
//! Nothing is guessed: a key that the object does not have, a value of another type, a JID that is none, a character that XML does not have are
//! refused with a JSON pointer. [`Mode::Lenient`] leaves out unknown keys and masked values, takes JIDs as they are, `true` for `{}` and numbers or
//! booleans for texts.

use super::super::chars::{self, is_ncname, same};
use super::super::parse::{DEEPEST, MOST_ATTRIBUTES};
use super::super::{
    AttrEntry, CLIENT_NS, Entry, NO_NS, Namespace, NsIndex, STANZA_NAMESPACES, Span, Stanza, StanzaError,
    XML_NS, XML_PREFIX_NS, jid,
};
use super::plan::{Member, Plan, PlanObject, PlanRow};
use super::table::{ANY, Also, Attr, Many, Shape, Type};
use super::tape::{Kind, Tape, Token};
use super::text::{is_decimal, is_int};
use super::{JsonError, MOST_LANGUAGES, Mode, VERSION};

/// A member of an object that becomes one child or several.
#[derive(Debug, Clone, Copy)]
struct Pending {
    /// The token of its key.
    key: u32,
    member: Member,
    /// The token of what comes next: the value, or the next item of a list. `end` = behind the last.
    next: u32,
    end: u32,
}

/// Buffers that are kept from one text to the next.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    tape: Tape,
    pending: Vec<Pending>,
    /// Languages that `order` has taken out of their turn (tokens of their keys).
    done: Vec<u32>,
    /// Where in the stanza a namespace of the table is, by its number in the plan; 0 = not yet.
    known: Vec<NsIndex>,
}

/// Where (a token), and what is wrong.
type Wrong = (u32, String);

pub(super) fn decode(
    json: &[u8],
    mode: Mode,
    scratch: &mut Scratch,
    stanza: &mut Stanza,
) -> Result<(), JsonError> {
    let text = chars::utf8(json).map_err(|_| syntax(json))?;
    scratch.tape.parse(text).map_err(|_| syntax(json))?;
    scratch.pending.clear();
    scratch.done.clear();
    let plan = Plan::get();
    scratch.known.clear();
    scratch.known.resize(plan.namespaces() + 1, NO_NS);
    scratch.known[usize::from(plan.client)] = CLIENT_NS;
    stanza.clear();
    stanza.text.reserve(json.len());
    let mut decoder = Decoder {
        plan,
        json: text,
        tape: &scratch.tape,
        pending: &mut scratch.pending,
        done: &mut scratch.done,
        known: &mut scratch.known,
        stanza,
        mode,
        depth: 0,
        after_text: false,
    };
    decoder.stanza().map_err(|(token, reason)| match reason.is_empty() {
        true => JsonError::Stanza(StanzaError::Limit { limit: "depth", max: DEEPEST }),
        false => JsonError::Value { pointer: pointer(&scratch.tape, text, token), reason },
    })
}

/// What serde_json has to say about text that is not JSON, line and column included.
fn syntax(json: &[u8]) -> JsonError {
    // What is skipped is not checked for UTF-8, so it is read for good if skipping found nothing.
    let skipped = serde_json::from_slice::<serde::de::IgnoredAny>(json).err();
    match skipped.or_else(|| serde_json::from_slice::<serde_json::Value>(json).err()) {
        Some(error) => JsonError::Syntax(error),
        None => JsonError::Value { pointer: String::new(), reason: "nested too deep".to_owned() },
    }
}

/// The JSON pointer (RFC 6901) of a token.
fn pointer(tape: &Tape, json: &str, target: u32) -> String {
    let mut path = String::new();
    let mut at = 0;
    while at < target {
        let token = tape.tokens[at as usize];
        let (mut child, mut number) = (at + 1, 0);
        let mut inside = None;
        while child < token.next {
            let value = if token.kind == Kind::Object { child + 1 } else { child };
            let next = tape.tokens[value as usize].next;
            if target < next {
                let name = match token.kind {
                    Kind::Object => {
                        tape.str(json, tape.tokens[child as usize]).replace('~', "~0").replace('/', "~1")
                    }
                    _ => number.to_string(),
                };
                path.push('/');
                path.push_str(&name);
                inside = Some(value);
                break;
            }
            child = next;
            number += 1;
        }
        match inside {
            // A key is named by the path to its value.
            Some(value) if target > value => at = value,
            _ => break,
        }
    }
    path
}

struct Decoder<'a> {
    plan: &'static Plan,
    json: &'a str,
    tape: &'a Tape,
    pending: &'a mut Vec<Pending>,
    done: &'a mut Vec<u32>,
    known: &'a mut [NsIndex],
    stanza: &'a mut Stanza,
    mode: Mode,
    depth: usize,
    /// The last thing written was a text, and its element is still open.
    after_text: bool,
}

impl<'a> Decoder<'a> {
    fn token(&self, at: u32) -> Token {
        self.tape.tokens[at as usize]
    }

    /// The string at a token.
    fn string(&self, at: u32) -> Result<&'a str, Wrong> {
        let token = self.token(at);
        match token.kind {
            Kind::String | Kind::Escaped => Ok(self.tape.str(self.json, token)),
            _ => Err((at, "expected a string".to_owned())),
        }
    }

    fn is_lenient(&self) -> bool {
        self.mode == Mode::Lenient
    }

    /// Whether a value is masked and, leniently, to be left out.
    fn is_masked(&self, at: u32) -> Result<bool, Wrong> {
        match (self.token(at).kind, self.mode) {
            (Kind::Null, Mode::Lenient) => Ok(true),
            (Kind::Null, Mode::Strict) => {
                Err((at, "null stands for a masked value, which cannot be restored".to_owned()))
            }
            _ => Ok(false),
        }
    }

    /// The root.
    fn stanza(&mut self) -> Result<(), Wrong> {
        if self.token(0).kind != Kind::Object {
            return Err((0, "expected an object".to_owned()));
        }
        let mut name = "message";
        let mut at = 1;
        while at < self.token(0).next {
            if same(self.tape.str(self.json, self.token(at)), "kind") {
                name = self.string(at + 1)?;
                if super::encode::kind_of(name).is_none() {
                    return Err((at + 1, "expected message, presence or iq".to_owned()));
                }
            }
            at = self.token(at + 1).next;
        }
        let kind = super::encode::kind_of(name).unwrap_or(super::super::Kind::Message);
        self.object(0, self.plan.stanza(kind), name, CLIENT_NS)
    }

    /// Opens an element; attributes and children follow, then [`Decoder::close`].
    fn open(&mut self, at: u32, name: &str, ns: NsIndex) -> Result<u32, Wrong> {
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
    fn attrs_end(&mut self, index: u32) {
        let behind = self.stanza.attrs.len() as u32;
        if let Entry::Element { attrs, .. } = &mut self.stanza.entries[index as usize] {
            attrs.end = behind;
        }
    }

    fn close(&mut self, index: u32) {
        self.depth -= 1;
        self.after_text = false;
        let behind = self.stanza.entries.len() as u32;
        if let Entry::Element { end, .. } = &mut self.stanza.entries[index as usize] {
            *end = behind;
        }
    }

    fn ns(&mut self, uri: &str) -> NsIndex {
        if let Some(found) = self.find_ns(uri) {
            return found;
        }
        let span = self.stanza.intern(uri);
        self.stanza.namespaces.push(Namespace::Span(span));
        (self.stanza.namespaces.len() - 1) as NsIndex
    }

    /// The index of a row's namespace in the stanza.
    #[inline]
    fn row_ns(&mut self, row: &PlanRow) -> NsIndex {
        let known = &mut self.known[usize::from(row.ns)];
        if *known == NO_NS {
            *known = self.stanza.namespaces.len() as NsIndex;
            self.stanza.namespaces.push(Namespace::Fixed(row.def.ns));
        }
        *known
    }

    fn find_ns(&self, uri: &str) -> Option<NsIndex> {
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

    /// The text of a value of this type, checked, appended to the buffer.
    fn typed(&mut self, at: u32, ty: Type) -> Result<Span, Wrong> {
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
                if self.is_lenient() && super::text::fits(text, ty) =>
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
    fn text(&mut self, at: u32, text: &str) -> Result<Span, Wrong> {
        match chars::illegal(text) {
            Some(char) => Err((at, format!("U+{:04X} is no XML character", u32::from(char)))),
            None => Ok(self.stanza.intern(text)),
        }
    }

    fn name(&self, at: u32, name: &str) -> Result<(), Wrong> {
        match is_ncname(name) {
            true => Ok(()),
            false => Err((at, "not an XML name".to_owned())),
        }
    }

    fn push_text(&mut self, span: Span) {
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

    fn push_attr(&mut self, root: bool, at: u32, from: usize, attr: AttrEntry) -> Result<(), Wrong> {
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

    /// The element that an object with keys of the table describes.
    fn object(&mut self, at: u32, object: u16, name: &str, ns: NsIndex) -> Result<(), Wrong> {
        let plan = self.plan;
        let object = plan.object(object);
        let index = self.open(at, name, ns)?;
        let root = index == 0;
        let first_attr = self.stanza.attrs.len();
        let (base, done) = (self.pending.len(), self.done.len());
        let mut order = None;
        let token = self.token(at);
        let mut key_at = at + 1;
        // `true` for an empty object, leniently.
        let end = if token.kind == Kind::Object { token.next } else { key_at };
        let mut seen = [0u64; 5];
        while key_at < end {
            let value_at = key_at + 1;
            let key = self.tape.str(self.json, self.token(key_at));
            let members = object.key(key);
            let Some(first) = members.first().copied() else {
                if !self.is_lenient() {
                    return Err((value_at, "unknown key".to_owned()));
                }
                key_at = self.token(value_at).next;
                continue;
            };
            let bit = bit(first);
            if seen[bit >> 6] & (1 << (bit & 63)) != 0 {
                return Err((value_at, "the key is there twice".to_owned()));
            }
            seen[bit >> 6] |= 1 << (bit & 63);
            match first {
                Member::Attr(number) => {
                    self.attr(&object.def.attrs[usize::from(number)], value_at, root, first_attr)?
                }
                Member::Name | Member::Also(_) => {}
                Member::Version => {
                    if self.token(value_at).kind != Kind::Number
                        || self.tape.str(self.json, self.token(value_at)) != VERSION
                    {
                        return Err((value_at, format!("expected version {VERSION}")));
                    }
                }
                Member::Attributes => self.free_attrs(value_at, root, first_attr)?,
                Member::Order => order = Some(value_at),
                Member::Text | Member::Rest | Member::Row(_) => {
                    let member = self.pick(object, members, value_at)?;
                    let pending = self.pend(object, member, key_at)?;
                    self.pending.push(pending);
                }
            }
            key_at = self.token(value_at).next;
        }
        self.companions(object, at, base)?;
        self.attrs_end(index);
        if let Some(order) = order {
            self.ordered(object, order, base, index)?;
        }
        for number in base..self.pending.len() {
            while self.pending[number].next < self.pending[number].end {
                self.next_child(object, number, index)?;
            }
        }
        self.pending.truncate(base);
        self.done.truncate(done);
        self.close(index);
        Ok(())
    }

    /// Of several rows under one key, the one that the value's name belongs to.
    fn pick(&self, object: &PlanObject, members: &[Member], at: u32) -> Result<Member, Wrong> {
        if members.len() == 1 {
            return Ok(members[0]);
        }
        for member in members {
            if let Member::Row(number) = member {
                let row = &object.rows[usize::from(*number)];
                if let Shape::Object(inner) = row.def.shape
                    && row.def.names.contains(&self.object_name(at, inner.name_key, "message")?)
                {
                    return Ok(*member);
                }
            }
        }
        Err((at, "expected another kind".to_owned()))
    }

    /// The value of the key under which an object's element name is written.
    fn object_name(&self, at: u32, name_key: &str, default: &'static str) -> Result<&'a str, Wrong> {
        if self.token(at).kind == Kind::Object {
            let mut key_at = at + 1;
            while key_at < self.token(at).next {
                if same(self.tape.str(self.json, self.token(key_at)), name_key) {
                    return self.string(key_at + 1);
                }
                key_at = self.token(key_at + 1).next;
            }
        }
        match default.is_empty() {
            true => Err((at, format!("{name_key} is missing"))),
            false => Ok(default),
        }
    }

    fn pend(&self, object: &PlanObject, member: Member, key: u32) -> Result<Pending, Wrong> {
        let value = key + 1;
        let token = self.token(value);
        let many = match member {
            Member::Row(number) => object.rows[usize::from(number)].def.many,
            Member::Rest => Many::List,
            _ => Many::One,
        };
        let (next, end) = match many {
            Many::One => (value, token.next),
            Many::List if token.kind == Kind::Array => (value + 1, token.next),
            Many::Langs if token.kind == Kind::Object => {
                self.languages(value)?;
                (value + 1, token.next)
            }
            _ if self.is_masked(value)? => (token.next, token.next),
            Many::List => return Err((value, "expected a list".to_owned())),
            Many::Langs => return Err((value, "expected an object from language to text".to_owned())),
        };
        Ok(Pending { key, member, next, end })
    }

    /// Checks an object from language to text: no language twice, not too many.
    fn languages(&self, at: u32) -> Result<(), Wrong> {
        let mut seen: [&str; MOST_LANGUAGES] = [""; MOST_LANGUAGES];
        let mut count = 0;
        let mut key_at = at + 1;
        while key_at < self.token(at).next {
            let lang = self.tape.str(self.json, self.token(key_at));
            if count == MOST_LANGUAGES {
                return Err((at, format!("more than {MOST_LANGUAGES} languages")));
            }
            if seen[..count].contains(&lang) {
                return Err((key_at + 1, "the language is there twice".to_owned()));
            }
            seen[count] = lang;
            count += 1;
            key_at = self.token(key_at + 1).next;
        }
        Ok(())
    }

    /// A companion key (`uri` beside `condition`) has no element of its own: it needs the key that it accompanies.
    fn companions(&self, object: &PlanObject, at: u32, base: usize) -> Result<(), Wrong> {
        let token = self.token(at);
        if !object.has_companions || token.kind != Kind::Object {
            return Ok(());
        }
        let mut key_at = at + 1;
        while key_at < token.next {
            let key = self.tape.str(self.json, self.token(key_at));
            if let [Member::Also(of)] = object.key(key)
                && !self.pending[base..].iter().any(|p| p.member == Member::Row(*of))
                && !self.is_lenient()
            {
                let main = object.rows[usize::from(*of)].def.key;
                return Err((key_at + 1, format!("needs {main} beside it")));
            }
            key_at = self.token(key_at + 1).next;
        }
        Ok(())
    }

    /// Takes children in the order that `order` names; what it does not name comes afterwards.
    fn ordered(&mut self, object: &PlanObject, order: u32, base: usize, index: u32) -> Result<(), Wrong> {
        let token = self.token(order);
        if token.kind != Kind::Array {
            return Err((order, "expected a list of keys".to_owned()));
        }
        let mut at = order + 1;
        while at < token.next {
            let named = self.string(at)?;
            let (key, lang) = match named.split_once('/') {
                None => (named, None),
                Some((key, lang)) => (key, Some(lang)),
            };
            let found = (base..self.pending.len())
                .find(|number| self.tape.str(self.json, self.token(self.pending[*number].key)) == key);
            match (found, lang) {
                (Some(number), Some(lang)) => self.language(object, number, lang, index)?,
                (Some(number), None) if self.pending[number].next < self.pending[number].end => {
                    self.next_child(object, number, index)?;
                }
                // Somebody has taken the value out and left its place: no harm.
                (Some(_), None) => {}
                (None, _) if object.key(key).is_empty() && !self.is_lenient() => {
                    return Err((at, "unknown key".to_owned()));
                }
                (None, _) => {}
            }
            at = self.token(at).next;
        }
        Ok(())
    }

    /// Writes the child in this language, out of its turn.
    fn language(&mut self, object: &PlanObject, number: usize, lang: &str, parent: u32) -> Result<(), Wrong> {
        let Pending { member, next, end, .. } = self.pending[number];
        let Member::Row(row) = member else { return Ok(()) };
        let row = &object.rows[usize::from(row)];
        let mut key_at = next;
        while row.def.many == Many::Langs && key_at < end {
            if self.tape.str(self.json, self.token(key_at)) == lang && !self.done.contains(&key_at) {
                self.done.push(key_at);
                if !self.is_masked(key_at + 1)? {
                    self.row(row, key_at + 1, Some(key_at), parent)?;
                }
                break;
            }
            key_at = self.token(key_at + 1).next;
        }
        Ok(())
    }

    /// Writes the next child of a pending member.
    fn next_child(&mut self, object: &PlanObject, number: usize, parent: u32) -> Result<(), Wrong> {
        let Pending { member, next, .. } = self.pending[number];
        let (lang, value) = match member {
            Member::Row(row) if object.rows[usize::from(row)].def.many == Many::Langs => {
                (Some(next), next + 1)
            }
            _ => (None, next),
        };
        self.pending[number].next = self.token(value).next;
        // As JSON data null is null.
        let is_json = matches!(member, Member::Row(row) if matches!(object.rows[usize::from(row)].def.shape, Shape::Json));
        if lang.is_some_and(|lang| self.done.contains(&lang)) || (!is_json && self.is_masked(value)?) {
            return Ok(());
        }
        match member {
            Member::Row(row) => self.row(&object.rows[usize::from(row)], value, lang, parent),
            Member::Text => {
                let span = self.typed(value, object.def.text.map_or(Type::Text, |(_, ty)| ty))?;
                self.push_text(span);
                Ok(())
            }
            _ => self.rest(value, parent),
        }
    }

    fn attr(&mut self, def: &Attr, at: u32, root: bool, from: usize) -> Result<(), Wrong> {
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
    fn free_attrs(&mut self, at: u32, root: bool, from: usize) -> Result<(), Wrong> {
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

    fn checked_ns(&mut self, at: u32, uri: &str) -> Result<NsIndex, Wrong> {
        if uri == "http://www.w3.org/2000/xmlns/" {
            return Err((at, "a reserved namespace".to_owned()));
        }
        if let Some(char) = chars::illegal(uri) {
            return Err((at, format!("U+{:04X} is no XML character", u32::from(char))));
        }
        Ok(if uri.is_empty() { NO_NS } else { self.ns(uri) })
    }

    /// The element of a row.
    fn row(&mut self, row: &PlanRow, at: u32, lang: Option<u32>, parent: u32) -> Result<(), Wrong> {
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

    fn is_true(&self, at: u32) -> bool {
        self.token(at).kind == Kind::Bool && self.tape.str(self.json, self.token(at)) == "true"
    }

    /// An element whose name is the value, with what its companion key says inside.
    fn named(&mut self, row: &PlanRow, also: Also, at: u32, ns: NsIndex) -> Result<(), Wrong> {
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
    fn companion(&self, at: u32, row: &PlanRow) -> Option<u32> {
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
    fn rest(&mut self, at: u32, parent: u32) -> Result<(), Wrong> {
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
    fn tree(&mut self, at: u32, parent: u32, row: Option<&PlanRow>) -> Result<(), Wrong> {
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

/// A number for each thing that a key can stand for, to notice it twice.
fn bit(member: Member) -> usize {
    match member {
        Member::Row(at) => usize::from(at),
        Member::Attr(at) => 256 + (usize::from(at) & 31),
        Member::Text => 288,
        Member::Name => 289,
        Member::Attributes => 290,
        Member::Rest => 291,
        Member::Order => 292,
        Member::Version => 293,
        Member::Also(at) => 294 + (usize::from(at) & 15),
    }
}
