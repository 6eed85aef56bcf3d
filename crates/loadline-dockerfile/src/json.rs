//! JSON arrays of strings, as the exec forms write them (RFC 8259).

/// What a text is, read as a JSON array of strings.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Array {
    /// An array of nothing but strings.
    Strings(Vec<String>),
    /// Valid JSON, an array, but with other things than strings in it.
    Mixed,
    /// No JSON array: the shell form.
    NotJson,
}

/// How deep arrays and objects may nest: what Go's decoder takes.
const MAX_DEPTH: usize = 10_000;

/// Reads a text as a JSON array of strings.
pub(crate) fn array(text: &str) -> Array {
    let text = text.trim_start();
    if !text.starts_with('[') {
        return Array::NotJson;
    }
    let mut reader =
        Reader { bytes: text.as_bytes(), at: 0, stack: Vec::new(), strings: Vec::new(), mixed: false };
    match reader.document() {
        Some(()) if reader.mixed => Array::Mixed,
        Some(()) => Array::Strings(reader.strings),
        None => Array::NotJson,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Nest {
    Array,
    Object,
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    // A stack of our own, so that no input overflows the thread's.
    stack: Vec<Nest>,
    strings: Vec<String>,
    mixed: bool,
}

impl Reader<'_> {
    fn document(&mut self) -> Option<()> {
        self.value()?;
        while let Some(nest) = self.stack.last().copied() {
            self.blanks();
            match (nest, self.next()?) {
                (Nest::Array, b']') | (Nest::Object, b'}') => {
                    self.stack.pop();
                }
                (Nest::Array, b',') => self.value()?,
                (Nest::Object, b',') => self.member()?,
                _ => return None,
            }
        }
        self.blanks();
        (self.at == self.bytes.len()).then_some(())
    }

    /// Reads a value; an array or object that is not empty is only opened, with its first value read.
    fn value(&mut self) -> Option<()> {
        loop {
            self.blanks();
            if self.stack.len() == 1 && self.peek()? != b'"' {
                self.mixed = true;
            }
            match self.next()? {
                b'[' => {
                    self.open(Nest::Array)?;
                    self.blanks();
                    if self.peek()? == b']' {
                        self.at += 1;
                        self.stack.pop();
                        return Some(());
                    }
                }
                b'{' => {
                    self.open(Nest::Object)?;
                    self.blanks();
                    if self.peek()? == b'}' {
                        self.at += 1;
                        self.stack.pop();
                        return Some(());
                    }
                    self.name()?;
                }
                b'"' => {
                    let text = self.string()?;
                    if self.stack.len() == 1 {
                        self.strings.push(text);
                    }
                    return Some(());
                }
                b't' => return self.word(b"rue"),
                b'f' => return self.word(b"alse"),
                b'n' => return self.word(b"ull"),
                b'-' => return self.number(None),
                digit @ b'0'..=b'9' => return self.number(Some(digit)),
                _ => return None,
            }
        }
    }

    fn open(&mut self, nest: Nest) -> Option<()> {
        (self.stack.len() < MAX_DEPTH).then(|| self.stack.push(nest))
    }

    fn member(&mut self) -> Option<()> {
        self.name()?;
        self.value()
    }

    fn name(&mut self) -> Option<()> {
        self.blanks();
        (self.next()? == b'"').then_some(())?;
        self.string()?;
        self.blanks();
        (self.next()? == b':').then_some(())
    }

    fn word(&mut self, rest: &[u8]) -> Option<()> {
        self.bytes.get(self.at..)?.starts_with(rest).then(|| self.at += rest.len())
    }

    fn number(&mut self, first: Option<u8>) -> Option<()> {
        let first = match first {
            Some(digit) => digit,
            None => self.next().filter(u8::is_ascii_digit)?,
        };
        if first != b'0' {
            self.digits();
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            (self.digits() > 0).then_some(())?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            (self.digits() > 0).then_some(())?;
        }
        Some(())
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - start
    }

    fn string(&mut self) -> Option<String> {
        let mut out = Vec::new();
        loop {
            match self.next()? {
                b'"' => return String::from_utf8(out).ok(),
                b'\\' => {
                    let c = match self.next()? {
                        b'"' => '"',
                        b'\\' => '\\',
                        b'/' => '/',
                        b'b' => '\u{8}',
                        b'f' => '\u{c}',
                        b'n' => '\n',
                        b'r' => '\r',
                        b't' => '\t',
                        b'u' => self.unicode()?,
                        _ => return None,
                    };
                    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                }
                0..=0x1F => return None,
                byte => out.push(byte),
            }
        }
    }

    fn unicode(&mut self) -> Option<char> {
        let high = self.hex()?;
        if !(0xD800..0xDC00).contains(&high) {
            return Some(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let before = self.at;
        if self.word(b"\\u").is_some() {
            let low = self.hex()?;
            if (0xDC00..0xE000).contains(&low) {
                return char::from_u32(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00));
            }
            // The second escape is a character of its own.
            self.at = before;
        }
        Some(char::REPLACEMENT_CHARACTER)
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.bytes.get(self.at..self.at + 4)?;
        self.at += 4;
        digits.iter().try_fold(0, |sum, b| Some(sum * 16 + char::from(*b).to_digit(16)?))
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(items: &[&str]) -> Array {
        Array::Strings(items.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn arrays_of_strings() {
        assert_eq!(array(r#"[]"#), strings(&[]));
        assert_eq!(array(r#"  [ "a" , "b" ] "#), strings(&["a", "b"]));
        assert_eq!(array(r#"["\/\"\\\n\u00e9\ud83d\ude00"]"#), strings(&["/\"\\\n\u{e9}\u{1f600}"]));
        assert_eq!(array(r#"["\ud83d\u0041"]"#), strings(&["\u{fffd}A"]));
    }

    #[test]
    fn what_is_json_but_not_strings() {
        for text in ["[1]", "[null]", r#"["a", {"b": [1.5e-3, true]}]"#, "[[]]", "[[\"a\"]]", "[{}]", "[-0]"]
        {
            assert_eq!(array(text), Array::Mixed, "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_json() {
        for text in [
            "",
            "echo",
            "['a']",
            r#"["a""#,
            r#"["a",]"#,
            r#"["a"] x"#,
            "[",
            "[1.]",
            "[01]",
            "[-]",
            "[tru]",
            r#"["\x"]"#,
            "[\"a\tb\"]",
            r#"["a" "b"]"#,
            r#"[{"a"}]"#,
            r#"[{"a":}]"#,
            "[}",
            r#"["\u12"]"#,
        ] {
            assert_eq!(array(text), Array::NotJson, "{text}");
        }
        let deep = "[".repeat(200_000);
        assert_eq!(array(&deep), Array::NotJson);
    }
}
