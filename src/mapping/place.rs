//! Where a key stands in a JSON text: for mistakes that are found after reading it, so that these too are named with line and column.

/// Line and column (from 1) of the value at a key like `rows[2].on.kind`. A part that is not there: where the value around it begins.
pub fn of(text: &str, key: &str) -> (usize, usize) {
    let mut reader = Reader { text: text.as_bytes(), at: 0 };
    reader.space();
    for part in key.split(['.', '[', ']']).filter(|part| !part.is_empty()) {
        let before = reader.at;
        if reader.step(part).is_none() {
            reader.at = before;
            break;
        }
    }
    let passed = &text.as_bytes()[..reader.at];
    let line = passed.iter().filter(|b| **b == b'\n').count() + 1;
    let begin = passed.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
    (line, reader.at - begin + 1)
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

/// Reads a text that is known to be JSON; on anything else it gives None.
impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn space(&mut self) {
        while self.peek().is_some_and(|b| b.is_ascii_whitespace() || matches!(b, b',' | b':')) {
            self.at += 1;
        }
    }

    /// From the beginning of a list or object to the beginning of one of its values.
    fn step(&mut self, part: &str) -> Option<()> {
        let list = match self.peek()? {
            b'[' => true,
            b'{' => false,
            _ => return None,
        };
        self.at += 1;
        self.space();
        let mut number = 0;
        while !matches!(self.peek()?, b']' | b'}') {
            let found = if list {
                part.parse() == Ok(number)
            } else {
                let name = self.at;
                self.skip()?;
                let name = &self.text[name..self.at];
                self.space();
                serde_json::from_slice::<String>(name).is_ok_and(|name| name == part)
            };
            if found {
                return Some(());
            }
            self.skip()?;
            self.space();
            number += 1;
        }
        None
    }

    /// Over one value.
    fn skip(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    while self.peek()? != b'"' {
                        self.at += if self.peek() == Some(b'\\') { 2 } else { 1 };
                    }
                    self.at += 1;
                }
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.at += 1;
                }
                _ => {
                    while self.peek().is_some_and(|b| !matches!(b, b',' | b'}' | b']' | b'"' | b'{' | b'[')) {
                        self.at += 1;
                    }
                }
            }
            if depth == 0 {
                return Some(());
            }
            self.space();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn a_key_is_found_whatever_stands_before_it() {
        let text = "{\n  \"a\": [ {\"b\\\"]\": \"}{\", \"c\": [1, -2.5e3, null]},\n    { \"c\": true, \"a\" : \"\\\\\" } ],\n  \"d\": {}\n}";
        let cases = [
            ("", (1, 1)),
            ("a", (2, 8)),
            ("a[0]", (2, 10)),
            ("a[0].c[1]", (2, 34)),
            ("a[1].a", (3, 24)),
            ("d", (4, 8)),
            ("d.x", (4, 8)),
            ("a[7].b", (2, 8)),
            ("x", (1, 1)),
        ];
        for (key, place) in cases {
            assert_eq!(of(text, key), place, "{key}");
        }
    }
}
