//! What "equal" means: attribute order, prefix choice and escaping do not count; everything else does.

use super::{Element, Node, Stanza};

/// A form that is equal for two stanzas exactly when they carry the same: attributes sorted by namespace and name, every namespace spelled out.
#[must_use]
pub fn canonical(stanza: &Stanza) -> String {
    let mut out = String::new();
    element(stanza.root(), &mut out);
    out
}

fn element(element: Element<'_>, out: &mut String) {
    out.push_str(&format!("<{{{}}}{}", element.ns(), element.name()));
    let mut attrs: Vec<_> = element.attrs().collect();
    attrs.sort_by_key(|a| (a.ns, a.name));
    for attr in attrs {
        out.push_str(&format!(" {{{}}}{}={:?}", attr.ns, attr.name, attr.value));
    }
    out.push('>');
    for child in element.children() {
        match child {
            Node::Element(child) => self::element(child, out),
            Node::Text(text) => out.push_str(&format!("{text:?}")),
        }
    }
    out.push_str("</>");
}
