//! JSON strings out, and the numbers that may pass as they are.

use super::table::{Attr, Type};
use crate::stanza::chars::{Odd, same};
use crate::stanza::jid;

/// Appends `text` as a JSON string. Its characters are XML's, so of the controls only tab, line feed and carriage return occur.
#[inline]
pub(super) fn string(text: &str, out: &mut Vec<u8>) {
    let clean = clean(text.as_bytes());
    out.reserve(text.len() + 2);
    out.push(b'"');
    if clean == text.len() {
        out.extend_from_slice(text.as_bytes());
    } else {
        escaped(text.as_bytes(), clean, out);
    }
    out.push(b'"');
}

/// How many bytes at the beginning a JSON string can hold as they are.
#[inline(never)]
pub(super) fn clean(bytes: &[u8]) -> usize {
    Odd { bytes: [b'"', b'\\'], controls: true }.find(bytes)
}

#[cold]
fn escaped(mut bytes: &[u8], mut clean_until: usize, out: &mut Vec<u8>) {
    loop {
        out.extend_from_slice(&bytes[..clean_until]);
        let Some(byte) = bytes.get(clean_until) else { return };
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            other => out.extend_from_slice(format!("\\u{other:04x}").as_bytes()),
        }
        bytes = &bytes[clean_until + 1..];
        clean_until = clean(bytes);
    }
}

impl Attr {
    /// Whether its key can hold this value. The default is what the key says in the attribute's absence, so it cannot mean its presence too.
    #[inline]
    pub(super) fn takes(&self, value: &str) -> bool {
        fits(value, self.ty) && (self.default.is_empty() || value != self.default)
    }
}

/// Whether the wire's text is exactly what the type can hold (see [`Type`]).
#[inline]
pub(super) fn fits(text: &str, ty: Type) -> bool {
    match ty {
        Type::Text | Type::Time => true,
        Type::Jid => jid::check(text).is_ok(),
        Type::Int => is_int(text),
        Type::Decimal => is_decimal(text),
        Type::Bool => ["true", "false", "1", "0"].iter().any(|word| same(word, text)),
        Type::Enum(words) => words.iter().any(|word| same(word, text)),
    }
}

/// Appends a text that [`fits`] as a value.
#[inline]
pub(super) fn value(text: &str, ty: Type, out: &mut Vec<u8>) {
    match ty {
        Type::Text | Type::Jid | Type::Time | Type::Enum(_) => string(text, out),
        Type::Int | Type::Decimal | Type::Bool => out.extend_from_slice(text.as_bytes()),
    }
}

/// Plain digits, at most 15, no needless zero, no `-0`.
pub(super) fn is_int(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    match digits {
        [b'0'] => text.len() == 1,
        [b'1'..=b'9', ..] => digits.len() <= 15 && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// A number by JSON's grammar (RFC 8259 6), at most 17 digits and three in the exponent.
pub(super) fn is_decimal(text: &str) -> bool {
    let rest = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match rest.find(['e', 'E']) {
        None => (rest, None),
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        None => (mantissa, None),
        Some((whole, fraction)) => (whole, Some(fraction)),
    };
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let count = whole.len() + fraction.map_or(0, str::len);
    digits(whole)
        && (whole.len() == 1 || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && count <= 17
        && exponent.is_none_or(|e| {
            let e = e.strip_prefix(['+', '-']).unwrap_or(e);
            digits(e) && e.len() <= 3
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_pass_only_when_every_reader_reads_them_alike() {
        for (text, int, decimal) in [
            ("0", true, true),
            ("-1", true, true),
            ("007", false, false),
            ("-0", false, true),
            ("+1", false, false),
            ("", false, false),
            ("-", false, false),
            ("999999999999999", true, true),
            ("1000000000000000", false, true),
            ("44.30", false, true),
            (".5", false, false),
            ("5.", false, false),
            ("1.0E-5", false, true),
            ("1e", false, false),
            ("NaN", false, false),
            ("0.123456789012345678", false, false),
            ("1e9999", false, false),
            ("１", false, false),
        ] {
            assert_eq!((is_int(text), is_decimal(text)), (int, decimal), "{text}");
            if decimal {
                assert!(serde_json::from_str::<f64>(text).is_ok(), "{text}");
            }
        }
    }

    #[test]
    fn strings_are_what_serde_json_reads() {
        for text in [
            "",
            "plain",
            "q\"b\\s/",
            "tab\tline\ncr\r",
            "é😀\u{2028}",
            "0123456789abcdef\"0123456789abcdef\n",
        ] {
            let mut out = Vec::new();
            string(text, &mut out);
            assert_eq!(serde_json::from_slice::<String>(&out).ok().as_deref(), Some(text));
        }
    }
}
