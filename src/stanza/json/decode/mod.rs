//! JSON to stanza: the same table, read the other way.
//!
//! An object becomes an element in two steps, because JSON members come in any order and the arena wants attributes first: first every member is
//! looked up and the attributes are written, then the children, in the order of the members or as `order` says.
//!
//! Nothing is guessed: a key that the object does not have, a value of another type, a JID that is none, a character that XML does not have are
//! refused with a JSON pointer. [`Mode::Lenient`] leaves out unknown keys and masked values, takes JIDs as they are, `true` for `{}` and numbers or
//! booleans for texts.

use super::plan::{Member, Plan, PlanObject};
use super::table::{Many, Shape, Type};
use super::tape::{Kind, Tape, Token};
use super::{JsonError, MOST_LANGUAGES, Mode, VERSION};
use crate::stanza::chars::{self, same};
use crate::stanza::parse::DEEPEST;
use crate::stanza::{CLIENT_NS, NO_NS, NsIndex, Stanza, StanzaError};

mod build;
mod values;

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
        let kind = super::encode::kind_of(name).unwrap_or(crate::stanza::Kind::Message);
        self.object(0, self.plan.stanza(kind), name, CLIENT_NS)
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

    fn is_true(&self, at: u32) -> bool {
        self.token(at).kind == Kind::Bool && self.tape.str(self.json, self.token(at)) == "true"
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
