//! What is wrong with a program, where, and what to do: one form for syntax, language and target rules.
//!
//! A diagnostic knows byte spans of a source text only; [`Diagnostic::render`] draws it with the source lines, carets and
//! advice. Lines of any length are clipped to the neighbourhood of the span: compilers write megabytes on one line.

use std::fmt::Write as _;

/// A range of bytes of a source text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// The bytes from `start` to `end`.
    pub fn new(start: usize, end: usize) -> Self {
        Self { start, end: end.max(start) }
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// May be wrong, or cannot be checked.
    Warning,
    /// The program is refused.
    Error,
}

impl Severity {
    /// Its name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable code of the rule: `P…` for syntax, `E…` and `W…` for the language, `T…` for targets.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, on one line of bounded length.
    pub message: String,
    /// Where; `None` if the program has no text or it concerns the whole.
    pub span: Option<Span>,
    /// Other places that explain it.
    pub labels: Vec<(Span, String)>,
    /// What to do instead.
    pub advice: Option<String>,
}

/// Longest message.
const MAX_MESSAGE: usize = 400;
/// Columns of a source line that are shown.
const MAX_COLUMNS: usize = 100;

impl Diagnostic {
    /// An error without place or advice. The message may quote hostile text: it becomes one line of bounded length.
    pub fn error(code: &'static str, message: impl AsRef<str>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: one_line(message.as_ref()),
            span: None,
            labels: Vec::new(),
            advice: None,
        }
    }

    /// A warning without place or advice.
    pub fn warning(code: &'static str, message: impl AsRef<str>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    /// The same at a place.
    #[must_use]
    pub fn at(self, span: Span) -> Self {
        Self { span: Some(span), ..self }
    }

    /// The same with another place that explains it.
    #[must_use]
    pub fn with_label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push((span, text.into()));
        self
    }

    /// The same with advice.
    #[must_use]
    pub fn advise(self, advice: impl Into<String>) -> Self {
        Self { advice: Some(advice.into()), ..self }
    }

    /// Draws the finding over its source. `name` is what the source is called: usually a path.
    ///
    /// ```text
    /// error[P0006]: `y` is not defined before here
    ///  --> model.mil:4:52
    ///   |
    /// 4 |             fp16 z = add(x = x, y = y);
    ///   |                                     ^
    ///   = help: …
    /// ```
    pub fn render(&self, name: &str, text: &str) -> String {
        let mut out = format!("{}[{}]: {}\n", self.severity.name(), self.code, self.message);
        let places = self.span.iter().map(|span| (*span, "", '^'));
        let places = places.chain(self.labels.iter().map(|(span, label)| (*span, label.as_str(), '-')));
        let places: Vec<_> = places.map(|(span, label, mark)| (Line::at(text, span), label, mark)).collect();
        let margin = places.iter().map(|(line, ..)| line.number.to_string().len()).max().unwrap_or(0);
        for (line, label, mark) in &places {
            // Writing to a String cannot fail, here and below.
            let arrow = if *mark == '^' { "-->" } else { ":::" };
            let _ = writeln!(out, "{:margin$}{arrow} {name}:{}:{}", "", line.number, line.column);
            let _ = writeln!(out, "{:margin$} |", "");
            let _ = writeln!(out, "{:margin$} | {}", line.number, line.text);
            let marks = mark.to_string().repeat(line.width);
            let label = if label.is_empty() { String::new() } else { format!(" {label}") };
            let _ = writeln!(out, "{:margin$} | {:indent$}{marks}{label}", "", "", indent = line.indent);
        }
        if let Some(advice) = &self.advice {
            let _ = writeln!(out, "{:margin$} = help: {advice}", "");
        }
        out
    }
}

/// 1-based line and column, in characters, of a byte of a text.
pub fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |n| n + 1);
    (1 + before.bytes().filter(|&b| b == b'\n').count(), 1 + before[start..].chars().count())
}

/// The part of a source line that is shown for a span.
struct Line {
    number: usize,
    column: usize,
    text: String,
    /// Columns before the marks.
    indent: usize,
    /// Number of marks.
    width: usize,
}

impl Line {
    fn at(text: &str, span: Span) -> Self {
        let start = floor_boundary(text, span.start);
        let (number, column) = line_and_column(text, start);
        let line_start = text[..start].rfind('\n').map_or(0, |n| n + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |n| start + n);
        let marked =
            text[start..floor_boundary(text, span.end.clamp(start, line_end))].chars().count().max(1);
        let before = column - 1;
        // Far along a line, show the last columns before the place.
        let skipped = before.saturating_sub(MAX_COLUMNS / 2);
        let skipped = if before < MAX_COLUMNS * 3 / 4 { 0 } else { skipped };
        let head = if skipped > 0 { "…" } else { "" };
        // Only the neighbourhood is walked: the line may be megabytes long.
        let window = floor_boundary(text, start.saturating_sub(8 * MAX_COLUMNS).max(line_start));
        let near: Vec<char> = text[window..start].chars().collect();
        let shown_before = (before - skipped).min(near.len());
        let mut shown: String = head.to_owned();
        shown.extend(&near[near.len() - shown_before..]);
        let after: Vec<char> =
            text[start..line_end].chars().take(MAX_COLUMNS - shown_before.min(MAX_COLUMNS - 1) + 1).collect();
        let room = MAX_COLUMNS - shown_before.min(MAX_COLUMNS - 1);
        shown.extend(after.iter().take(room));
        if after.len() > room {
            shown.push('…');
        }
        let text = shown.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let indent = shown_before + head.chars().count();
        Self { number, column, text, indent, width: marked.min(room.max(1)) }
    }
}

fn floor_boundary(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// A message as one line of bounded length, whatever it quotes.
pub(crate) fn one_line(message: &str) -> String {
    let mut line: String =
        message.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_MESSAGE + 1).collect();
    if line.chars().count() > MAX_MESSAGE {
        line.pop();
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_megabyte_on_one_line_shows_only_the_neighbourhood() {
        let text = format!("{}é!{}", "ab".repeat(500_000), "c".repeat(1000));
        let at = text.find('!').unwrap();
        let shown = Diagnostic::error("P0001", "no").at(Span::new(at, at + 1)).render("x.mil", &text);
        assert!(shown.lines().all(|line| line.chars().count() < 120), "{shown}");
        let lines: Vec<&str> = shown.lines().collect();
        let column = lines[4].chars().position(|c| c == '^').unwrap();
        assert_eq!(lines[3].chars().nth(column), Some('!'), "{shown}");
    }

    #[test]
    fn spans_outside_the_text_or_inside_a_character_do_no_harm() {
        for span in [Span::new(1, 2), Span::new(100, 200), Span::new(2, 1)] {
            Diagnostic::error("P0001", "no").at(span).render("x.mil", "é\né");
        }
    }
}
