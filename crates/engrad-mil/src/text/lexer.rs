use super::MAX_TEXT;
use crate::MilError;

/// Longest piece of input quoted in a message.
const MAX_QUOTED: usize = 60;
/// Longest message.
const MAX_REASON: usize = 400;

/// Reads program text byte by byte. Without tokens in between, long lists of numbers cost no more than a scan.
///
/// Positions are byte offsets; lines and columns are counted only when an error is made.
#[derive(Debug, Clone)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Result<Self, MilError> {
        if text.len() > MAX_TEXT {
            let reason = format!("program text of {} bytes; at most {MAX_TEXT} are read", text.len());
            return Err(MilError::Syntax { line: 1, column: 1, reason });
        }
        Ok(Self { text, at: 0 })
    }

    /// Bytes not yet read; bounds what a declared size may reserve.
    pub(super) fn remaining(&self) -> usize {
        self.text.len() - self.at
    }

    /// Start of whatever comes next, behind spaces and comments.
    pub(super) fn position(&mut self) -> usize {
        let bytes = self.text.as_bytes();
        while let Some(&byte) = bytes.get(self.at) {
            match byte {
                b' ' | b'\n' | b'\t' | b'\r' => self.at += 1,
                b'/' if bytes.get(self.at + 1) == Some(&b'/') => {
                    self.at = bytes[self.at..]
                        .iter()
                        .position(|&b| b == b'\n')
                        .map_or(bytes.len(), |n| self.at + n);
                }
                _ => break,
            }
        }
        self.at
    }

    pub(super) fn peek(&mut self) -> Option<u8> {
        let at = self.position();
        self.text.as_bytes().get(at).copied()
    }

    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Reads one punctuation byte; `place` says what it belongs to.
    pub(super) fn expect(&mut self, byte: u8, place: &str) -> Result<(), MilError> {
        if self.eat(byte) {
            return Ok(());
        }
        let at = self.position();
        Err(self.error(at, format!("expected `{}` {place}, found {}", char::from(byte), self.found())))
    }

    /// Reads an identifier; `what` names it in the error.
    pub(super) fn word(&mut self, what: &str) -> Result<&'a str, MilError> {
        let at = self.position();
        match self.run(|b| b.is_ascii_alphanumeric() || b == b'_') {
            word if is_identifier(word) => Ok(word),
            _ => {
                self.at = at;
                Err(self.error(at, format!("expected {what}, found {}", self.found())))
            }
        }
    }

    /// Reads a particular word.
    pub(super) fn keyword(&mut self, word: &str) -> Result<(), MilError> {
        let at = self.position();
        match self.run(|b| b.is_ascii_alphanumeric() || b == b'_') {
            found if found == word => Ok(()),
            _ => {
                self.at = at;
                Err(self.error(at, format!("expected `{word}`, found {}", self.found())))
            }
        }
    }

    /// Reads the characters of a number; which form it has is the caller's question.
    #[inline]
    pub(super) fn number(&mut self) -> (usize, &'a str) {
        let at = self.position();
        (at, self.run(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'+' | b'-')))
    }

    /// Reads a quoted text with the escapes the printer writes.
    pub(super) fn string(&mut self) -> Result<String, MilError> {
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
                [b'\\', b'n', ..] => ('\n', 2),
                [b'\\', b'r', ..] => ('\r', 2),
                [b'\\', b't', ..] => ('\t', 2),
                [b'\\', b'x', high @ b'0'..=b'7', low, ..] if low.is_ascii_hexdigit() => {
                    let low = char::from(*low).to_digit(16).map_or(0, |d| d as u8);
                    (char::from((high - b'0') * 16 + low), 4)
                }
                [b'\\', ..] => {
                    return Err(self.error(self.at, r#"escapes are \\ \" \n \r \t \xHH"#.to_owned()));
                }
                _ => return Err(self.error(opening, "this text has no closing `\"` on its line".to_owned())),
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

    /// What stands right here, for messages; call after [`Lexer::position`].
    pub(super) fn found(&self) -> String {
        let rest = &self.text[self.at..];
        let word =
            rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').len();
        match (word, rest.chars().next()) {
            (_, None) => "the end of the text".to_owned(),
            (0, Some(character)) => format!("`{}`", character.escape_debug()),
            (length, _) => format!("`{}`", clip(&rest[..length])),
        }
    }

    /// An error at a byte offset, as one line of bounded length.
    pub(super) fn error(&self, at: usize, reason: String) -> MilError {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |n| n + 1);
        let mut reason: String =
            reason.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_REASON + 1).collect();
        if reason.chars().count() > MAX_REASON {
            reason.pop();
            reason.push('…');
        }
        MilError::Syntax {
            line: 1 + before.bytes().filter(|&b| b == b'\n').count(),
            column: 1 + before[line_start..].chars().count(),
            reason,
        }
    }
}

/// Whether a text is an identifier: a letter or `_`, then letters, digits, `_`.
pub(crate) fn is_identifier(text: &str) -> bool {
    !text.as_bytes().first().is_none_or(u8::is_ascii_digit)
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The beginning of an identifier or number, short enough for a message.
pub(super) fn clip(text: &str) -> &str {
    text.get(..MAX_QUOTED).unwrap_or(text)
}
