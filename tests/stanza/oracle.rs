//! The same stanza as quick-xml's reader with namespaces sees it: the form of `canonical_exact`, made without our parser.

// Compiled into several tests, and into a fuzz target.
#![allow(dead_code)]

use cloudbridge::stanza::STANZA_NAMESPACES;
use quick_xml::XmlVersion;
use quick_xml::escape::{resolve_predefined_entity, unescape};
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;

/// Reads XML that our parser took.
///
/// # Errors
/// quick-xml's words, when it refuses what we took.
pub fn canonical_exact(xml: &str) -> Result<String, String> {
    let mut reader = NsReader::from_str(xml);
    let (mut out, mut text, mut depth) = (String::new(), String::new(), 0);
    loop {
        let event = reader.read_event().map_err(|e| e.to_string())?;
        match &event {
            Event::Text(piece) => text.push_str(&piece.xml10_content()),
            Event::CData(piece) => text.push_str(&piece.xml10_content()),
            Event::GeneralRef(name) => match name.resolve_char_ref().map_err(|e| e.to_string())? {
                Some(char) => text.push(char),
                None => text.push_str(resolve_predefined_entity(name).ok_or("an entity")?),
            },
            _ => {
                // White space around the stanza is not part of it.
                if !text.is_empty() && depth > 0 {
                    out.push_str(&format!("{text:?}"));
                }
                text.clear();
            }
        }
        match event {
            Event::Start(tag) => {
                depth += 1;
                open(&reader, &tag, &mut out)?;
            }
            Event::Empty(tag) => {
                open(&reader, &tag, &mut out)?;
                out.push_str("</>");
            }
            Event::End(_) => {
                depth -= 1;
                out.push_str("</>");
            }
            Event::Eof => return Ok(out),
            _ => {}
        }
    }
}

fn open(reader: &NsReader<&[u8]>, tag: &BytesStart<'_>, out: &mut String) -> Result<(), String> {
    let (ns, name) = reader.resolver().resolve_element(tag.name());
    out.push_str(&format!("<{{{}}}{}", uri(ns)?, name.as_ref()));
    let mut attrs = Vec::new();
    for attr in tag.attributes() {
        let attr = attr.map_err(|e| e.to_string())?;
        if attr.key.as_namespace_binding().is_none() {
            let (ns, name) = reader.resolver().resolve_attribute(attr.key);
            let value = attr.normalized_value(XmlVersion::Implicit1_0).map_err(|e| e.to_string())?;
            attrs.push((uri(ns)?, name.as_ref().to_owned(), value.into_owned()));
        }
    }
    attrs.sort();
    for (ns, name, value) in attrs {
        out.push_str(&format!(" {{{ns}}}{name}={value:?}"));
    }
    out.push('>');
    Ok(())
}

/// quick-xml gives a namespace as it is written.
fn uri(ns: ResolveResult<'_>) -> Result<String, String> {
    let raw = match ns {
        ResolveResult::Bound(ns) => ns.as_ref().to_owned(),
        ResolveResult::Unbound => return Ok(String::new()),
        ResolveResult::Unknown(prefix) => return Err(format!("the prefix {prefix} is not bound")),
    };
    let blank = raw.replace("\r\n", " ").replace(['\t', '\r', '\n'], " ");
    let uri = unescape(&blank).map_err(|e| e.to_string())?.into_owned();
    Ok(if STANZA_NAMESPACES.contains(&uri.as_str()) { STANZA_NAMESPACES[0].to_owned() } else { uri })
}
