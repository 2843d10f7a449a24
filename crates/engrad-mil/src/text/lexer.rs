use crate::{Diagnostic, Span};

/// Longest piece of input quoted in a message.
const MAX_QUOTED: usize = 60;

/// A syntax error on its way up.
pub(super) type Fault = Box<Diagnostic>;

/// Reads program text byte by byte. Without tokens in between, long lists of numbers cost no more than a scan.
///
/// Positions are byte offsets; lines and columns are counted only when an error is shown.
#[derive(Debug, Clone)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    /// Comments passed and not taken yet.
    comments: Vec<Span>,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, comments: Vec::new() }
    }

    /// Bytes not yet read; bounds what a declared size may reserve.
    pub(super) fn remaining(&self) -> usize {
        self.text.len() - self.at
    }

    /// The byte that is read next, spaces and comments not skipped.
    pub(super) fn offset(&self) -> usize {
        self.at
    }

    /// Goes to another byte offset of the text, between characters.
    pub(super) fn go_to(&mut self, offset: usize) {
        self.at = offset;
    }

    /// Start of whatever comes next, behind spaces and comments.
    #[inline]
    pub(super) fn position(&mut self) -> usize {
        let bytes = self.text.as_bytes();
        while let Some(&byte) = bytes.get(self.at) {
            match byte {
                b' ' | b'\n' | b'\t' | b'\r' => self.at += 1,
                b'/' if bytes.get(self.at + 1) == Some(&b'/') => self.comment(),
                _ => break,
            }
        }
        self.at
    }

    #[cold]
    fn comment(&mut self) {
        let bytes = self.text.as_bytes();
        let end = bytes[self.at..].iter().position(|&b| b == b'\n').map_or(bytes.len(), |n| self.at + n);
        // Text may be read twice after a look ahead.
        if self.comments.last().is_none_or(|last| last.start < self.at) {
            self.comments.push(Span::new(self.at, end));
        }
        self.at = end;
    }

    /// The comments passed since the last call, with their slashes.
    pub(super) fn take_comments(&mut self) -> Vec<String> {
        let comments = std::mem::take(&mut self.comments);
        comments
            .into_iter()
            .filter_map(|s| Some(self.text.get(s.start..s.end)?.trim_end().to_owned()))
            .collect()
    }

    #[inline]
    pub(super) fn peek(&mut self) -> Option<u8> {
        let at = self.position();
        self.text.as_bytes().get(at).copied()
    }

    #[inline]
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Reads one punctuation byte; `place` says what it belongs to.
    pub(super) fn expect(&mut self, byte: u8, place: &str) -> Result<(), Fault> {
        if self.eat(byte) {
            return Ok(());
        }
        Err(self.unexpected(&format!("`{}` {place}", char::from(byte))))
    }

    /// Reads an identifier; `what` names it in the error.
    pub(super) fn word(&mut self, what: &str) -> Result<&'a str, Fault> {
        let at = self.position();
        match self.run(is_word_byte) {
            word if is_identifier(word) => Ok(word),
            _ => {
                self.at = at;
                Err(self.unexpected(what))
            }
        }
    }

    /// Reads a particular word.
    pub(super) fn keyword(&mut self, word: &str) -> Result<(), Fault> {
        let at = self.position();
        match self.run(is_word_byte) {
            found if found == word => Ok(()),
            _ => {
                self.at = at;
                Err(self.unexpected(&format!("`{word}`")))
            }
        }
    }

    /// Reads the characters of a number; which form it has is the caller's question.
    #[inline]
    pub(super) fn number(&mut self) -> (usize, &'a str) {
        let at = self.position();
        (at, self.run(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'+' | b'-' | b'_')))
    }

    /// Reads a quoted text with the escapes the printer writes, and those of C for quotes, bells and octals.
    pub(super) fn string(&mut self) -> Result<String, Fault> {
        let opening = self.position();
        self.expect(b'"', "to begin a text")?;
        let mut value = String::new();
        loop {
            let plain = self.run(|b| !matches!(b, b'"' | b'\\' | b'\n'));
            value.push_str(plain);
            let rest = &self.text.as_bytes()[self.at..];
            let (character, length) = match rest {
                [b'"', ..] => {
                    self.at += 1;
                    return Ok(value);
                }
                [b'\\', b'\\', ..] => ('\\', 2),
                [b'\\', b'"', ..] => ('"', 2),
                [b'\\', b'\'', ..] => ('\'', 2),
                [b'\\', b'n', ..] => ('\n', 2),
                [b'\\', b'r', ..] => ('\r', 2),
                [b'\\', b't', ..] => ('\t', 2),
                [b'\\', b'0', ..] => ('\0', 2),
                [b'\\', b'x', high @ b'0'..=b'7', low, ..] if low.is_ascii_hexdigit() => {
                    let low = char::from(*low).to_digit(16).map_or(0, |d| d as u8);
                    (char::from((high - b'0') * 16 + low), 4)
                }
                [b'\\', ..] => {
                    let message = r#"escapes are \\ \" \' \n \r \t \0 \xHH"#;
                    return Err(self.fault("P0005", self.at, self.at + 2, message));
                }
                _ => {
                    let message = "this text has no closing `\"` on its line";
                    return Err(self.fault("P0005", opening, self.at, message));
                }
            };
            value.push(character);
            self.at += length;
        }
    }

    /// Consumes bytes while `keep` holds. `keep` must treat all bytes above 0x7f alike, so that the piece ends
    /// between characters.
    #[inline]
    fn run(&mut self, keep: impl Fn(u8) -> bool) -> &'a str {
        let start = self.at;
        let rest = &self.text.as_bytes()[start..];
        self.at = start + rest.iter().position(|&b| !keep(b)).unwrap_or(rest.len());
        self.text.get(start..self.at).unwrap_or("")
    }

    /// What stands right here, for messages, and where it ends; call after [`Lexer::position`].
    fn found(&self) -> (String, usize) {
        let rest = &self.text[self.at..];
        let word = rest.bytes().take_while(|&b| is_word_byte(b)).count();
        match (word, rest.chars().next()) {
            (_, None) => ("the end of the text".to_owned(), self.at),
            (0, Some(character)) => {
                (format!("`{}`", character.escape_debug()), self.at + character.len_utf8())
            }
            (length, _) => (format!("`{}`", clip(&rest[..length])), self.at + length),
        }
    }

    /// The error that something else was expected here.
    #[cold]
    pub(super) fn unexpected(&mut self, wanted: &str) -> Fault {
        let at = self.position();
        let (found, end) = self.found();
        self.fault("P0001", at, end, &format!("expected {wanted}, found {found}"))
    }

    /// An error about a range of bytes.
    #[cold]
    pub(super) fn fault(&self, code: &'static str, start: usize, end: usize, message: &str) -> Fault {
        Box::new(Diagnostic::error(code, message).at(Span::new(start, end)))
    }

    /// Skips to behind the next `;` that ends a statement, or to the brace that closes the function. Brackets and
    /// quotes are followed, so that a `;` or brace inside them does not count.
    pub(super) fn recover(&mut self) {
        let mut depth = 0usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    if self.string().is_err() {
                        self.run(|b| b != b'\n');
                    }
                    continue;
                }
                b'(' | b'[' | b'{' => depth += 1,
                b'}' if depth == 0 => return,
                b')' | b']' | b'}' => depth = depth.saturating_sub(1),
                b';' => {
                    // Inside brackets a `;` can only be a statement's end whose brackets are broken.
                    self.at += 1;
                    return;
                }
                _ => {}
            }
            self.at += 1;
            while !self.text.is_char_boundary(self.at) {
                self.at += 1;
            }
        }
    }
}

#[inline]
fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'$' | b'@')
}

/// Whether a text is an identifier: a letter, `_`, `$` or `@`, then also digits and `.`, as names of layers have them.
pub(crate) fn is_identifier(text: &str) -> bool {
    !text.as_bytes().first().is_none_or(|&b| b.is_ascii_digit() || b == b'.')
        && text.bytes().all(is_word_byte)
}

/// The beginning of an identifier or number, short enough for a message.
pub(super) fn clip(text: &str) -> &str {
    text.get(..MAX_QUOTED).unwrap_or(text)
}
