//! Stanzas made from arbitrary bytes, each byte a choice: elements of the table, well filled or not quite, strangers, mixed content, white space,
//! prefixes, CDATA. Fewer bytes make a smaller stanza, so that a failure shrinks.

use cloudbridge::stanza::XML_NS;
use cloudbridge::stanza::json::table::{self, Also, Many, Object, Row, Shape, Type};

/// The choices.
struct Choices<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Choices<'_> {
    /// A number below `bound`; 0 when the choices are used up.
    fn next(&mut self, bound: usize) -> usize {
        let byte = self.bytes.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        let second = if bound > 256 { self.bytes.get(self.at).copied().unwrap_or(0) } else { 0 };
        self.at += usize::from(bound > 256);
        (usize::from(byte) + usize::from(second) * 256) % bound
    }

    /// True once in `of`.
    fn rarely(&mut self, of: usize) -> bool {
        self.next(of) == of - 1
    }

    fn done(&self) -> bool {
        self.at >= self.bytes.len()
    }

    fn pick<'t>(&mut self, list: &[&'t str]) -> &'t str {
        list[self.next(list.len())]
    }
}

const TEXTS: &[&str] = &[
    "",
    "x",
    "two words",
    " blanks around ",
    "&lt;&amp;&gt;&quot;&apos;",
    "é😀\u{2028}中",
    "\"quoted\" back\\slash",
    "tab&#9;line&#10;return&#13;",
    "<![CDATA[<raw> & ]] ]]>",
    "a<![CDATA[b]]>c",
    "{\"a\":[1,2.50,null]}",
    "[]",
    "   ",
    "\n\t",
    "123",
    "true",
];
const VALUES: &[&str] =
    &["", "x", "two words", "&lt;&amp;&quot;", "é😀", "1", "true", "a&#10;b&#9;c&#13;", "\\", " "];
const JIDS: &[&str] =
    &["a@b", "b.example", "a@b.example/c d", "müller@bücher.example/ü", "127.0.0.1", "A@B/C"];
const NAMES: &[&str] = &["x", "body", "item", "query", "a-b.c", "名", "password", "field", "error", "active"];
const SPACES: &[&str] = &[
    "urn:x",
    "urn:y",
    "",
    "jabber:client",
    "jabber:server",
    "urn:xmpp:receipts",
    "jabber:x:data",
    "urn:\"q\"&amp;",
];
const LANGS: &[&str] = &["en", "de", "", "zh-Hans"];

/// A well-formed stanza.
pub fn stanza(bytes: &[u8]) -> String {
    let mut choices = Choices { bytes, at: 0 };
    let mut out = String::new();
    let (name, object) =
        [("message", &table::MESSAGE), ("presence", &table::PRESENCE), ("iq", &table::IQ)][choices.next(3)];
    element(&mut choices, name, table::CLIENT, object, 0, &mut out);
    out
}

fn element(
    choices: &mut Choices<'_>,
    name: &str,
    ns: &str,
    object: &'static Object,
    depth: usize,
    out: &mut String,
) {
    let prefixed = choices.rarely(20) && !ns.is_empty();
    let qualified = if prefixed { format!("p:{name}") } else { name.to_owned() };
    let declaration = if prefixed { "xmlns:p" } else { "xmlns" };
    out.push_str(&format!("<{qualified} {declaration}='{ns}'"));
    for attr in object.attrs {
        if choices.next(2) == 1 || (depth == 0 && choices.next(2) == 1) {
            let name = if attr.ns == XML_NS { format!("xml:{}", attr.name) } else { attr.name.to_owned() };
            out.push_str(&format!(" {name}='{}'", value(choices, attr.ty)));
        }
    }
    strange_attributes(choices, out);
    out.push('>');
    if object.text.is_some() && choices.next(2) == 1 {
        out.push_str(choices.pick(TEXTS));
    }
    let rows: Vec<&'static Row> = object.all_rows().collect();
    let mut children = 0;
    while !choices.done() && depth < 12 && children < 8 && !choices.rarely(4) {
        children += 1;
        if rows.is_empty() || choices.rarely(8) {
            stranger(choices, depth + 1, out);
        } else {
            let at = choices.next(rows.len());
            row(choices, rows[at], depth + 1, out);
        }
        if choices.rarely(6) {
            out.push_str(choices.pick(&["\n  ", " ", "text", "&amp;"]));
        }
    }
    out.push_str(&format!("</{qualified}>"));
}

/// An element of a row, now and then with something that the row does not know.
fn row(choices: &mut Choices<'_>, row: &'static Row, depth: usize, out: &mut String) {
    let ns = if row.ns == table::ANY { choices.pick(SPACES) } else { row.ns };
    let name = if row.names.is_empty() { choices.pick(NAMES) } else { choices.pick(row.names) };
    if let Shape::Object(object) = row.shape {
        element(choices, name, ns, object, depth, out);
        return;
    }
    out.push_str(&format!("<{name} xmlns='{ns}'"));
    if (row.many == Many::Langs) != choices.rarely(10) {
        out.push_str(&format!(" xml:lang='{}'", choices.pick(LANGS)));
    }
    if let Shape::Attr(attr, ty) = row.shape {
        out.push_str(&format!(" {attr}='{}'", value(choices, ty)));
    }
    strange_attributes(choices, out);
    out.push('>');
    match row.shape {
        Shape::Text(ty) if ty != Type::Text => out.push_str(&value(choices, ty)),
        Shape::Text(_) | Shape::Json => out.push_str(choices.pick(TEXTS)),
        Shape::Name(Also::Text(_)) if choices.next(2) == 1 => out.push_str(choices.pick(TEXTS)),
        Shape::Name(Also::Name(_)) if choices.next(2) == 1 => {
            out.push_str(&format!("<{}/>", choices.pick(NAMES)));
        }
        Shape::Wrap(inner) => {
            while !choices.done() && !choices.rarely(3) {
                self::row(choices, inner, depth + 1, out);
                if choices.rarely(6) {
                    out.push_str(choices.pick(&["\n  ", "text"]));
                }
            }
        }
        Shape::Tree => {
            while !choices.done() && depth < 12 && !choices.rarely(3) {
                stranger(choices, depth + 1, out);
            }
        }
        _ => {}
    }
    if choices.rarely(15) {
        stranger(choices, depth + 1, out);
    }
    out.push_str(&format!("</{name}>"));
}

fn strange_attributes(choices: &mut Choices<'_>, out: &mut String) {
    if choices.rarely(8) {
        out.push_str(&format!(" strange='{}'", choices.pick(VALUES)));
    }
    if choices.rarely(16) {
        out.push_str(&format!(" xmlns:q='urn:q' q:type='{}'", choices.pick(VALUES)));
    }
}

/// An element that is in no row, or only looks as if.
fn stranger(choices: &mut Choices<'_>, depth: usize, out: &mut String) {
    let name = choices.pick(NAMES);
    out.push_str(&format!("<{name}"));
    if choices.next(2) == 1 {
        out.push_str(&format!(" xmlns='{}'", choices.pick(SPACES)));
    }
    strange_attributes(choices, out);
    out.push('>');
    let mut children = 0;
    while !choices.done() && depth < 12 && children < 5 && !choices.rarely(3) {
        children += 1;
        match choices.next(3) {
            0 => stranger(choices, depth + 1, out),
            _ => out.push_str(choices.pick(TEXTS)),
        }
    }
    out.push_str(&format!("</{name}>"));
}

/// A value that mostly fits the type.
fn value(choices: &mut Choices<'_>, ty: Type) -> String {
    if choices.rarely(10) {
        return choices.pick(VALUES).to_owned();
    }
    match ty {
        Type::Text => choices.pick(VALUES).to_owned(),
        Type::Jid => choices.pick(JIDS).to_owned(),
        Type::Time => "2026-01-01T00:00:00Z".to_owned(),
        Type::Int => {
            choices.pick(&["0", "7", "-128", "123456789012345", "1234567890123456", "+1", "007"]).to_owned()
        }
        Type::Decimal => choices.pick(&["0", "45.4400", "-0.5", "1.0E-5", "+1", ".5", "NaN"]).to_owned(),
        Type::Bool => choices.pick(&["true", "false", "1", "0", "yes"]).to_owned(),
        Type::Enum(words) => choices.pick(words).to_owned(),
    }
}
