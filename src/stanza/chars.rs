//! Which characters and names XML 1.0 has. Fast on what stanzas are made of, exact on the rest.

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

/// XML 1.0 production 2 (`Char`).
fn is_xml_char(char: char) -> bool {
    matches!(char, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..='\u{10FFFF}')
}

/// The first character that XML 1.0 does not have.
pub(super) fn illegal(text: &str) -> Option<char> {
    match traits(text) & (CONTROL | EF) {
        0 => None,
        _ => text.chars().find(|c| !is_xml_char(*c)),
    }
}

/// Some byte is below a blank (tab, line feed and carriage return too).
pub(super) const CONTROL: u8 = 1;
/// Some byte is `>`.
pub(super) const GREATER: u8 = 2;
/// Some byte is 0xEF, with which U+FFFE and U+FFFF begin in UTF-8 (and a few thousand harmless ones).
pub(super) const EF: u8 = 4;

/// One pass over a text: which of the above may be in it. Written so that the compiler makes vector instructions of it.
pub(super) fn traits(text: &str) -> u8 {
    fn byte(byte: u8) -> u8 {
        u8::from(byte < 0x20) | u8::from(byte == b'>') << 1 | u8::from(byte == 0xEF) << 2
    }
    let (chunks, rest) = text.as_bytes().as_chunks::<16>();
    let mut all = [0u8; 16];
    for chunk in chunks {
        for (sum, b) in all.iter_mut().zip(chunk) {
            *sum |= byte(*b);
        }
    }
    all.iter().fold(0, |a, b| a | b) | rest.iter().fold(0, |a, b| a | byte(*b))
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
    fn names() {
        for good in ["a", "_", "a-b.c9", "é", "名", "a\u{B7}"] {
            assert!(is_ncname(good), "{good}");
        }
        for bad in ["", "9", "-a", "a:b", "a b", "a=b", ".x", "\u{B7}a", "a\u{D7}"] {
            assert!(!is_ncname(bad), "{bad}");
        }
    }
}
