//! Any bytes as XML: refused, or the stanza comes back the same.
#![no_main]

mod holds;

use cloudbridge::stanza::{Limits, Stanza};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(stanza) = Stanza::parse(bytes, &Limits::default()) {
        holds::holds(&stanza);
    }
});
