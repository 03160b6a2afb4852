//! What holds for every stanza; the same as in tests/stanza_generated.rs, with panics for errors.
#![allow(dead_code)]

use cloudbridge::stanza::json::{self, Mode, Options};
use cloudbridge::stanza::{Limits, Stanza, canonical, canonical_exact};

pub fn holds(stanza: &Stanza) {
    written(stanza);
    for (whitespace, order) in [(false, false), (true, false), (true, true)] {
        let mut out = Vec::new();
        json::encode(stanza, Options { secrets: true, whitespace, order }, &mut out);
        assert!(!out.contains(&b'\n'));
        let back = match json::decode(&out, Mode::Strict) {
            Ok(back) => back,
            Err(error) => panic!("{error}: {}", String::from_utf8_lossy(&out)),
        };
        match whitespace {
            true => assert_eq!(canonical_exact(stanza), canonical_exact(&back)),
            false => assert_eq!(canonical(stanza), canonical(&back)),
        }
    }
    let mut masked = Vec::new();
    json::encode(stanza, Options::default(), &mut masked);
    serde_json::from_slice::<serde_json::Value>(&masked).expect("JSON");
    json::decode(&masked, Mode::Lenient).expect("masked");
}

pub fn written(stanza: &Stanza) {
    let xml = stanza.to_xml_string();
    let wide = Limits { bytes: usize::MAX, depth: 256, children: usize::MAX, attributes: usize::MAX };
    let again = Stanza::parse(xml.as_bytes(), &wide).expect("what we write");
    assert_eq!(canonical_exact(stanza), canonical_exact(&again));
}
