//! What "equal" means for stanzas.
//!
//! Two forms of one stanza are equal when they differ only in what XML itself calls no difference: the order of attributes, the choice of
//! prefixes and where namespaces are declared, references and CDATA sections against plain characters, quotes, `<a/>` against `<a></a>`. The three
//! stanza namespaces read as one. **The order of siblings counts, also between different names**, and so does every character of text.
//!
//! White space is the one thing that has two answers. [`canonical_exact`] keeps all of it. [`canonical`] leaves out text that is nothing but white space
//! between the children of an element that has child elements and no other text: what people and programs add to make XML readable. In mixed
//! content (`<p>a <b>c</b> <i>d</i></p>`) nothing is left out.

use super::chars::is_white;
use super::{Element, Node, Stanza};

/// A form that is equal for two stanzas exactly when they carry the same, insignificant white space left out.
#[must_use]
pub fn canonical(stanza: &Stanza) -> String {
    let mut out = String::new();
    write(stanza.root(), false, &mut out);
    out
}

/// The same with every white space.
#[must_use]
pub fn canonical_exact(stanza: &Stanza) -> String {
    let mut out = String::new();
    write(stanza.root(), true, &mut out);
    out
}

/// Whether the white space among its children is insignificant.
pub(super) fn white_is_insignificant(element: Element<'_>) -> bool {
    let mut elements = false;
    for child in element.children() {
        match child {
            Node::Element(_) => elements = true,
            Node::Text(text) if !is_white(text) => return false,
            Node::Text(_) => {}
        }
    }
    elements
}

fn write(element: Element<'_>, exact: bool, out: &mut String) {
    out.push_str(&format!("<{{{}}}{}", element.ns(), element.name()));
    let mut attrs: Vec<_> = element.attrs().collect();
    attrs.sort_by_key(|a| (a.ns, a.name));
    for attr in attrs {
        out.push_str(&format!(" {{{}}}{}={:?}", attr.ns, attr.name, attr.value));
    }
    out.push('>');
    let skip = !exact && white_is_insignificant(element);
    for child in element.children() {
        match child {
            Node::Element(child) => write(child, exact, out),
            Node::Text(_) if skip => {}
            Node::Text(text) => out.push_str(&format!("{text:?}")),
        }
    }
    out.push_str("</>");
}
