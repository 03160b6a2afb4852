//! Which characters and names XML 1.0 has. Fast on what stanzas are made of, exact on the rest.

/// The bytes as a string. The quick check does not say where it failed, so the standard one looks again.
pub(super) fn utf8(bytes: &[u8]) -> Result<&str, std::str::Utf8Error> {
    simdutf8::basic::from_utf8(bytes).or_else(|_| std::str::from_utf8(bytes))
}

/// Whether two short strings are equal. Names differ in length or in one of the first bytes; a call of `memcmp` costs more than finding that out.
#[inline]
pub(super) fn same(a: &str, b: &str) -> bool {
    same_bytes(a.as_bytes(), b.as_bytes())
}

/// The same for bytes.
#[inline]
pub(super) fn same_bytes(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    match (a.last_chunk::<8>(), b.last_chunk::<8>()) {
        (Some(x), Some(y)) => {
            x == y && a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0).all(|(x, y)| x == y)
        }
        _ => a.iter().zip(b).all(|(x, y)| x == y),
    }
}

/// The first character that XML 1.0 does not have (production 2, `Char`): a control, U+FFFE or U+FFFF; there are no surrogates in UTF-8.
pub(super) fn illegal(text: &str) -> Option<char> {
    // U+FFFE and U+FFFF begin with 0xEF (and so do a few thousand harmless ones).
    const ODD: Odd<1> = Odd { bytes: [0xEF], controls: true };
    let bytes = text.as_bytes();
    let mut at = 0;
    loop {
        at += ODD.find(&bytes[at..]);
        at += match &bytes[at..] {
            [] => return None,
            [b'\t' | b'\n' | b'\r', ..] => 1,
            [0xEF, 0xBF, 0xBE | 0xBF, ..] => return text[at..].chars().next(),
            [0xEF, ..] => 3,
            [control, ..] => return Some(char::from(*control)),
        }
    }
}

/// A set of bytes to look for: a few of them, and perhaps all below a blank.
pub(super) struct Odd<const N: usize> {
    pub bytes: [u8; N],
    pub controls: bool,
}

impl<const N: usize> Odd<N> {
    /// The index of the first byte of the set, or the length. Sixteen at a time while there is none, then eight at a time to see where it is.
    #[inline(always)]
    pub(super) fn find(&self, text: &[u8]) -> usize {
        let mut at = 0;
        while let Some(chunk) = text[at..].first_chunk::<16>() {
            if chunk.iter().fold(false, |any, b| any | self.has(*b)) {
                break;
            }
            at += 16;
        }
        while let Some(eight) = text[at..].first_chunk::<8>() {
            let hits = self.hits(u64::from_le_bytes(*eight));
            if hits != 0 {
                return at + hits.trailing_zeros() as usize / 8;
            }
            at += 8;
        }
        // Fewer than eight are left: once more over the last eight, of which the first are known to be clean.
        match text.last_chunk::<8>() {
            Some(last) => match self.hits(u64::from_le_bytes(*last)) {
                0 => text.len(),
                hits => text.len() - 8 + hits.trailing_zeros() as usize / 8,
            },
            None => text.iter().position(|b| self.has(*b)).unwrap_or(text.len()),
        }
    }

    #[inline(always)]
    fn has(&self, byte: u8) -> bool {
        self.bytes.iter().fold(self.controls & (byte < b' '), |any, b| any | (byte == *b))
    }

    /// The lowest bit set is the top bit of the first byte of the set among these eight ("determine if a word has a byte less than n").
    #[inline(always)]
    fn hits(&self, eight: u64) -> u64 {
        const ONES: u64 = 0x0101_0101_0101_0101;
        let mut hits = if self.controls { eight.wrapping_sub(ONES * 0x20) & !eight } else { 0 };
        for byte in self.bytes {
            let equal = eight ^ (ONES * u64::from(byte));
            hits |= equal.wrapping_sub(ONES) & !equal;
        }
        hits & (ONES << 7)
    }
}

/// Whether the text is only white space (XML 1.0 production 3).
pub(super) fn is_white(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r'))
}

/// Whether it is a name without a colon (Namespaces in XML 1.0, production 4).
pub(super) fn is_ncname(name: &str) -> bool {
    let bytes = name.as_bytes();
    match bytes.first() {
        Some(b'A'..=b'Z' | b'a'..=b'z' | b'_' | 0x80..) => {}
        _ => return false,
    }
    if bytes.iter().all(|b| matches!(b, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.')) {
        return true;
    }
    let mut chars = name.chars();
    chars.next().is_some_and(is_name_start) && chars.all(is_name_char)
}

fn is_name_start(char: char) -> bool {
    matches!(char,
        'A'..='Z' | '_' | 'a'..='z' | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}' | '\u{370}'..='\u{37D}'
        | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}' | '\u{2070}'..='\u{218F}' | '\u{2C00}'..='\u{2FEF}'
        | '\u{3001}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}' | '\u{10000}'..='\u{EFFFF}')
}

fn is_name_char(char: char) -> bool {
    is_name_start(char)
        || matches!(char, '-' | '.' | '0'..='9' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn illegal_characters_are_found_anywhere() {
        for (text, found) in [
            ("plain", None),
            ("tab\tline\ncarriage\r", None),
            ("ｆｕｌｌ ｗｉｄｔｈ，", None),
            ("0123456789abcdef\u{1}", Some('\u{1}')),
            ("\u{FFFE}", Some('\u{FFFE}')),
            ("0123456789abcdefg\u{FFFF}", Some('\u{FFFF}')),
            ("\u{0}", Some('\u{0}')),
        ] {
            assert_eq!(illegal(text), found, "{text:?}");
        }
    }

    #[test]
    fn the_first_odd_byte_is_found_wherever_it_is() {
        const ODD: Odd<3> = Odd { bytes: [b'<', b'"', 0xEF], controls: true };
        for length in 0..40 {
            let clean = vec![b'\x80' - 1; length];
            assert_eq!(ODD.find(&clean), length);
            for at in 0..length {
                for odd in [b'<', b'"', 0xEF, 0, 0x1F] {
                    let mut text = vec![[b' ', b'=', b'\x7F', 0xF0, 0xFF][at % 5]; length];
                    text[at] = odd;
                    if at + 1 < length {
                        text[at + 1] = b'"';
                    }
                    assert_eq!(ODD.find(&text), at, "{odd} at {at} of {length}");
                }
            }
        }
    }

    #[test]
    fn names() {
        for good in ["a", "_", "a-b.c9", "é", "名", "a\u{B7}"] {
            assert!(is_ncname(good), "{good}");
        }
        for bad in ["", "9", "-a", "a:b", "a b", "a=b", ".x", "\u{B7}a", "a\u{D7}"] {
            assert!(!is_ncname(bad), "{bad}");
        }
    }
}
