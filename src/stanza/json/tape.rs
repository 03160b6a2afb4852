//! JSON in: one pass over the bytes gives a flat list of tokens that point into them. Numbers keep their spelling; strings are unescaped only when
//! they have escapes.
//!
//! Why not `serde_json::Value`: it allocates for every node, and forgets the order of members, duplicate members and the spelling of numbers, all of which
//! the decoder needs.
//!
//! Leaves out: what a value means, duplicate members (the decoder sees them), streams of several values.

use super::text::clean;

/// Nesting that is still read.
const DEEPEST: usize = 1024;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Bool,
    Number,
    /// The content, without quotes, is a span of the input.
    String,
    /// It has escapes: the content is a span of [`Tape::unescaped`].
    Escaped,
    Array,
    Object,
}

/// A value, or the key of a member (always followed by its value).
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    pub kind: Kind,
    pub start: u32,
    pub end: u32,
    /// Index behind the value and everything in it.
    pub next: u32,
}

/// The tokens of one JSON text.
#[derive(Debug, Default)]
pub(super) struct Tape {
    pub tokens: Vec<Token>,
    pub unescaped: String,
    open: Vec<u32>,
    /// Where in the input the raw bytes of a container or an escaped string lie: (token, start, end), for [`Tape::raw`].
    raws: Vec<(u32, u32, u32)>,
}

/// The input is not JSON, or nested too deep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotJson;

impl Tape {
    /// Whether the text is JSON that can stand inside other JSON as it is, and on one line: no white space around it, no line ends, not too deep.
    pub(super) fn is_one_line_json(&mut self, text: &str) -> bool {
        let trimmed = text.trim_matches([' ', '\t', '\n', '\r']).len() == text.len();
        trimmed && !text.contains(['\n', '\r']) && self.read(text, 128).is_ok()
    }

    /// Reads a whole JSON text.
    pub(super) fn parse(&mut self, json: &str) -> Result<(), NotJson> {
        self.read(json, DEEPEST)
    }

    /// The content of a string or number.
    pub(super) fn str<'a>(&'a self, json: &'a str, token: Token) -> &'a str {
        let text = if token.kind == Kind::Escaped { &self.unescaped } else { json };
        &text[token.start as usize..token.end as usize]
    }

    /// The bytes of a value as they stand in the input.
    pub(super) fn raw<'a>(&self, json: &'a str, at: u32) -> &'a str {
        let token = self.tokens[at as usize];
        let (start, end) = match token.kind {
            Kind::String => (token.start - 1, token.end + 1),
            Kind::Escaped | Kind::Array | Kind::Object => {
                match self.raws.binary_search_by_key(&at, |raw| raw.0) {
                    Ok(found) => (self.raws[found].1, self.raws[found].2),
                    Err(_) => (token.start, token.end),
                }
            }
            _ => (token.start, token.end),
        };
        &json[start as usize..end as usize]
    }

    fn read(&mut self, json: &str, deepest: usize) -> Result<(), NotJson> {
        self.tokens.clear();
        self.unescaped.clear();
        self.open.clear();
        self.raws.clear();
        if json.len() > i32::MAX as usize {
            return Err(NotJson);
        }
        let mut reader = Reader { tape: self, json, bytes: json.as_bytes(), at: 0 };
        reader.run(deepest)?;
        self.raws.sort_unstable_by_key(|raw| raw.0);
        Ok(())
    }
}

struct Reader<'a> {
    tape: &'a mut Tape,
    json: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn run(&mut self, deepest: usize) -> Result<(), NotJson> {
        self.white();
        loop {
            // A value begins here.
            let container = self.value()?;
            if container {
                if self.tape.open.len() > deepest {
                    return Err(NotJson);
                }
                let object = self.top_is_object();
                self.white();
                let close = if object { b'}' } else { b']' };
                if self.peek() != Some(close) {
                    if object {
                        self.member()?;
                    }
                    continue;
                }
            }
            // A value has ended, or an empty container is about to.
            loop {
                self.white();
                let Some(top) = self.tape.open.last().copied() else {
                    return if self.at == self.bytes.len() { Ok(()) } else { Err(NotJson) };
                };
                let object = self.tape.tokens[top as usize].kind == Kind::Object;
                match self.peek() {
                    Some(b',') if self.tape.tokens.len() as u32 > top + 1 => {
                        self.at += 1;
                        self.white();
                        if object {
                            self.member()?;
                        }
                        break;
                    }
                    Some(b'}') if object => self.end(top),
                    Some(b']') if !object => self.end(top),
                    _ => return Err(NotJson),
                }
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn white(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn top_is_object(&self) -> bool {
        self.tape.open.last().is_some_and(|top| self.tape.tokens[*top as usize].kind == Kind::Object)
    }

    fn end(&mut self, top: u32) {
        self.at += 1;
        self.tape.open.pop();
        let next = self.tape.tokens.len() as u32;
        let token = &mut self.tape.tokens[top as usize];
        token.next = next;
        token.end = self.at as u32;
    }

    /// A key and the colon behind it.
    fn member(&mut self) -> Result<(), NotJson> {
        if self.peek() != Some(b'"') {
            return Err(NotJson);
        }
        self.string()?;
        self.white();
        if self.peek() != Some(b':') {
            return Err(NotJson);
        }
        self.at += 1;
        self.white();
        Ok(())
    }

    fn push(&mut self, kind: Kind, start: usize, end: usize) {
        let next = self.tape.tokens.len() as u32 + 1;
        self.tape.tokens.push(Token { kind, start: start as u32, end: end as u32, next });
    }

    /// Reads a value, of a container only its beginning; gives whether it is a container.
    fn value(&mut self) -> Result<bool, NotJson> {
        let start = self.at;
        match self.peek() {
            Some(b'"') => self.string()?,
            Some(byte @ (b'{' | b'[')) => {
                self.tape.open.push(self.tape.tokens.len() as u32);
                self.at += 1;
                self.push(if byte == b'{' { Kind::Object } else { Kind::Array }, start, start);
                return Ok(true);
            }
            Some(b't') => self.word("true", Kind::Bool)?,
            Some(b'f') => self.word("false", Kind::Bool)?,
            Some(b'n') => self.word("null", Kind::Null)?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => return Err(NotJson),
        }
        Ok(false)
    }

    fn word(&mut self, word: &str, kind: Kind) -> Result<(), NotJson> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(NotJson);
        }
        self.push(kind, self.at, self.at + word.len());
        self.at += word.len();
        Ok(())
    }

    fn digits(&mut self) -> Result<(), NotJson> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(NotJson) } else { Ok(()) }
    }

    fn number(&mut self) -> Result<(), NotJson> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        self.push(Kind::Number, start, self.at);
        Ok(())
    }

    fn string(&mut self) -> Result<(), NotJson> {
        let open = self.at;
        self.at += 1;
        let start = self.at;
        self.clean()?;
        if self.bytes[self.at] == b'"' {
            self.push(Kind::String, start, self.at);
            self.at += 1;
            return Ok(());
        }
        let begin = self.tape.unescaped.len();
        let mut from = start;
        loop {
            self.tape.unescaped.push_str(&self.json[from..self.at]);
            if self.bytes[self.at] == b'"' {
                break;
            }
            self.at += 1;
            let char = self.escape()?;
            self.tape.unescaped.push(char);
            from = self.at;
            self.clean()?;
        }
        self.at += 1;
        self.tape.raws.push((self.tape.tokens.len() as u32, open as u32, self.at as u32));
        self.push(Kind::Escaped, begin, self.tape.unescaped.len());
        Ok(())
    }

    /// Goes on to the next quote or backslash.
    fn clean(&mut self) -> Result<(), NotJson> {
        self.at += clean(&self.bytes[self.at..]);
        match self.peek() {
            Some(b'"' | b'\\') => Ok(()),
            _ => Err(NotJson),
        }
    }

    /// The character of an escape whose backslash has been read.
    fn escape(&mut self) -> Result<char, NotJson> {
        let byte = self.peek().ok_or(NotJson)?;
        self.at += 1;
        Ok(match byte {
            b'"' | b'\\' | b'/' => byte as char,
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'b' => '\u{8}',
            b'f' => '\u{C}',
            b'u' => {
                let high = self.hex()?;
                if (0xD800..0xDC00).contains(&high) {
                    if !self.bytes[self.at..].starts_with(b"\\u") {
                        return Err(NotJson);
                    }
                    self.at += 2;
                    let low = self.hex()?;
                    if !(0xDC00..0xE000).contains(&low) {
                        return Err(NotJson);
                    }
                    char::from_u32(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)).ok_or(NotJson)?
                } else {
                    char::from_u32(high).ok_or(NotJson)?
                }
            }
            _ => return Err(NotJson),
        })
    }

    fn hex(&mut self) -> Result<u32, NotJson> {
        let digits = self.bytes.get(self.at..self.at + 4).ok_or(NotJson)?;
        self.at += 4;
        digits.iter().try_fold(0, |sum, digit| match (*digit as char).to_digit(16) {
            Some(value) => Ok(sum << 4 | value),
            None => Err(NotJson),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn agrees(text: &str) -> bool {
        Tape::default().parse(text).is_ok() == serde_json::from_str::<serde_json::Value>(text).is_ok()
    }

    #[test]
    fn reads_what_serde_json_reads() {
        for text in [
            "{}",
            "[]",
            "[1,]",
            "[,1]",
            "{\"a\":1,}",
            "{\"a\" : [ ] , \"b\":{}}",
            "\"\\u00e9\\ud83d\\ude00\"",
            "\"\\ud83d\"",
            "\"\\ude00\"",
            "01",
            "-",
            "-0",
            "1.",
            "1.5e+3",
            "[1 2]",
            "{\"a\"}",
            "{1:2}",
            "nul",
            "true false",
            "\"\u{1}\"",
            "\"tab\t\"",
            " [ 1 , 2 ] ",
            "",
            "]",
            "{]",
            "[}",
            "\"\\x\"",
            "[[[[]]]]",
            "{\"a\":{\"b\":[null,true,false]}}",
            "{,}",
            "[\"a\",\"b\"]",
            "\"0123456789abcdef\\n0123456789abcdef\"",
        ] {
            assert!(agrees(text), "{text}");
        }
    }

    #[test]
    fn raw_is_what_stood_there() {
        let json = r#"{"a": [1, {"b":"x\ty"}] , "c":"\u0041"}"#;
        let mut tape = Tape::default();
        tape.parse(json).expect("json");
        assert_eq!(tape.raw(json, 2), r#"[1, {"b":"x\ty"}]"#);
        assert_eq!(tape.raw(json, 0), json);
        assert_eq!(tape.raw(json, tape.tokens.len() as u32 - 1), r#""\u0041""#);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn never_disagrees_with_serde_json(text in "[\\[\\]{}:,\"\\\\ua01e.\\- tnr]{0,24}") {
            // serde_json refuses numbers beyond a double; nothing here depends on them.
            prop_assume!(!text.contains('e'));
            prop_assert!(agrees(&text), "{text}");
        }
    }
}
