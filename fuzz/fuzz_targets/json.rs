//! Any bytes as stanza JSON: refused, or a stanza that comes back the same. What strict mode reads lenient mode reads.
#![no_main]

mod holds;

use cloudbridge::stanza::json::{self, Mode};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let lenient = json::decode(bytes, Mode::Lenient);
    if let Ok(stanza) = json::decode(bytes, Mode::Strict) {
        assert!(lenient.is_ok());
        holds::holds(&stanza);
    }
    if let Ok(stanza) = lenient {
        holds::written(&stanza);
    }
});
