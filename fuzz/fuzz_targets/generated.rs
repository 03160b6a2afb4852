//! Any bytes as choices of the generator that the tests use: always a stanza, and it comes back the same.
#![no_main]

#[path = "../../tests/stanza/generate.rs"]
mod generate;
mod holds;

use cloudbridge::stanza::{Limits, Stanza};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let xml = generate::stanza(bytes);
    if let Ok(stanza) = Stanza::parse(xml.as_bytes(), &Limits::default()) {
        holds::holds(&stanza);
    }
});
