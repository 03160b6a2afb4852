//! Any bytes as XML: refused, or the stanza comes back the same, and quick-xml reads the same in it.
#![no_main]

mod holds;
#[path = "../../tests/stanza/oracle.rs"]
mod oracle;

use cloudbridge::stanza::{Limits, Stanza, canonical_exact};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(stanza) = Stanza::parse(bytes, &Limits::default()) {
        holds::holds(&stanza);
        let xml = std::str::from_utf8(bytes).expect("what the parser took");
        assert_eq!(oracle::canonical_exact(xml).expect("what the parser took"), canonical_exact(&stanza));
    }
});
