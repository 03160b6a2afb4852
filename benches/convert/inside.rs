//! The contenders that run in this process: ours both ways, the floor (quick-xml drained), the `serde_json::Value` way.

use cloudbridge::stanza::json::{self, Mode, Options};
use cloudbridge::stanza::{Limits, Stanza};
use quick_xml::Writer;
use quick_xml::events::{BytesEnd, BytesStart, BytesText, Event};
use quick_xml::name::ResolveResult;
use quick_xml::reader::{NsReader, Reader};
use serde_json::{Map, Value};

const LIMITS: Limits = Limits { bytes: 1 << 20, depth: 64, children: 4096, attributes: 64 };

/// XML to JSON, buffers reused.
#[derive(Default)]
pub struct Ours {
    stanza: Stanza,
    out: Vec<u8>,
}

impl Ours {
    pub fn json(&mut self, xml: &[u8]) -> &[u8] {
        self.out.clear();
        self.stanza.parse_into(xml, &LIMITS).expect("stanza");
        json::encode(&self.stanza, Options { secrets: true, whitespace: false, order: false }, &mut self.out);
        &self.out
    }

    pub fn xml(&mut self, json: &[u8]) -> &[u8] {
        self.out.clear();
        json::decode_into(json, Mode::Strict, &mut self.stanza).expect("stanza JSON");
        self.stanza.to_xml(&mut self.out);
        &self.out
    }
}

/// The floor: quick-xml's events, nothing done with them.
pub fn drain(xml: &str) -> usize {
    let mut reader = Reader::from_str(xml);
    let mut events = 0;
    loop {
        match reader.read_event().expect("well-formed") {
            Event::Eof => return events,
            event => {
                events += 1;
                std::hint::black_box(&event);
            }
        }
    }
}

/// The floor with namespaces and attributes: what a lossless reader cannot do without.
pub fn drain_all(xml: &str) -> usize {
    let mut reader = NsReader::from_str(xml);
    let mut events = 0;
    loop {
        match reader.read_resolved_event().expect("well-formed") {
            (_, Event::Eof) => return events,
            (ns, event) => {
                events += 1;
                if let Event::Start(tag) | Event::Empty(tag) = &event {
                    for attribute in tag.attributes() {
                        std::hint::black_box(attribute.expect("attribute").value.len());
                    }
                }
                std::hint::black_box((&ns, &event));
            }
        }
    }
}

/// The plain way: events into a generic `Value`, `Value` into bytes. It knows no concept, so it does less than ours.
pub fn value_to_json(xml: &str, out: &mut Vec<u8>) -> usize {
    let mut reader = NsReader::from_str(xml);
    let mut stack: Vec<(Map<String, Value>, Vec<Value>)> = Vec::new();
    out.clear();
    loop {
        let (ns, event) = reader.read_resolved_event().expect("well-formed");
        let ns = match ns {
            ResolveResult::Bound(ns) => ns.as_ref().to_owned(),
            _ => String::new(),
        };
        match event {
            Event::Start(tag) => stack.push((element(&ns, &tag), Vec::new())),
            Event::Empty(tag) => {
                let value = Value::Object(element(&ns, &tag));
                match stack.last_mut() {
                    Some((_, children)) => children.push(value),
                    None => serde_json::to_writer(&mut *out, &value).expect("JSON"),
                }
            }
            Event::End(_) => {
                let (mut object, children) = stack.pop().expect("balanced");
                if !children.is_empty() {
                    object.insert("c".into(), children.into());
                }
                match stack.last_mut() {
                    Some((_, siblings)) => siblings.push(object.into()),
                    None => serde_json::to_writer(&mut *out, &Value::Object(object)).expect("JSON"),
                }
            }
            Event::Text(text) => push(&mut stack, &text.xml10_content()),
            Event::CData(text) => push(&mut stack, &text.xml10_content()),
            Event::GeneralRef(name) => {
                let text = match name.resolve_char_ref().expect("reference") {
                    Some(char) => char.to_string(),
                    None => {
                        quick_xml::escape::resolve_predefined_entity(&name).expect("one of five").to_owned()
                    }
                };
                push(&mut stack, &text);
            }
            Event::Eof => return out.len(),
            _ => {}
        }
    }
}

fn push(stack: &mut [(Map<String, Value>, Vec<Value>)], text: &str) {
    if let Some((_, children)) = stack.last_mut() {
        match children.last_mut() {
            Some(Value::String(last)) => last.push_str(text),
            _ => children.push(text.into()),
        }
    }
}

fn element(ns: &str, tag: &BytesStart<'_>) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("n".into(), tag.local_name().as_ref().into());
    object.insert("ns".into(), ns.into());
    let mut attributes = Map::new();
    for attribute in tag.attributes() {
        let attribute = attribute.expect("attribute");
        if attribute.key.as_namespace_binding().is_none() {
            let value = attribute.normalized_value(quick_xml::XmlVersion::Implicit1_0).expect("value");
            attributes.insert(attribute.key.as_ref().into(), Value::from(value.as_ref()));
        }
    }
    if !attributes.is_empty() {
        object.insert("a".into(), attributes.into());
    }
    object
}

/// And back.
pub fn value_to_xml(json: &[u8], out: &mut Vec<u8>) -> usize {
    out.clear();
    let value: Value = serde_json::from_slice(json).expect("JSON");
    let mut writer = Writer::new(&mut *out);
    write(&value, "", &mut writer);
    out.len()
}

fn write(value: &Value, outer: &str, writer: &mut Writer<&mut Vec<u8>>) {
    if let Some(text) = value.as_str() {
        writer.write_event(Event::Text(BytesText::new(text))).expect("written");
        return;
    }
    let name = value["n"].as_str().unwrap_or_default();
    let ns = value["ns"].as_str().unwrap_or_default();
    let mut tag = BytesStart::new(name);
    if ns != outer {
        tag.push_attribute(("xmlns", ns));
    }
    for (key, value) in value["a"].as_object().into_iter().flatten() {
        tag.push_attribute((key.as_str(), value.as_str().unwrap_or_default()));
    }
    match value["c"].as_array() {
        None => writer.write_event(Event::Empty(tag)).expect("written"),
        Some(children) => {
            writer.write_event(Event::Start(tag)).expect("written");
            children.iter().for_each(|child| write(child, ns, writer));
            writer.write_event(Event::End(BytesEnd::new(name))).expect("written");
        }
    }
}
