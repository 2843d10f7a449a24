use std::fmt;

use engrad_mil::text::SourceMap;
use engrad_mil::verify::Place;
use engrad_mil::{Diagnostic, Severity as DiagnosticSeverity};
use serde::Serialize;

use crate::Fact;

/// What happens to a program that breaks a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing; the program may well do.
    Note,
    /// It runs, slower than it need.
    Slow,
    /// It runs and computes something else.
    WrongResults,
    /// It does not compile, load or run.
    Refused,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Slow => "slow",
            Self::WrongResults => "wrong results",
            Self::Refused => "refused",
        })
    }
}

/// One place where a program breaks a rule of a chip.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The rule, e.g. `T0202`; stable.
    pub code: &'static str,
    /// What happens.
    pub severity: Severity,
    /// Id of the fact behind the rule.
    pub fact: &'static str,
    /// Architecture name of the chip.
    pub chip: &'static str,
    /// The part of the program it is about.
    #[serde(skip)]
    pub place: Place,
    /// The function; `None` where the whole program is meant.
    pub function: Option<String>,
    /// Position of the operation among the function's; `None` where inputs, outputs or the whole function are meant.
    pub op: Option<usize>,
    /// Name of that operation in program text.
    pub op_name: Option<String>,
    /// The value concerned: a result, an operand, an input or an output.
    pub value: Option<String>,
    /// What is wrong, with the numbers.
    pub message: String,
    /// What to do instead.
    pub advice: Option<String>,
}

impl Finding {
    /// The fact behind it.
    pub fn evidence(&self) -> Option<&'static Fact> {
        Fact::with_id(self.fact)
    }

    /// The finding as a diagnostic, with its place if the program's text is known. What is refused or computed wrongly is
    /// an error, what is slow a warning.
    pub fn diagnostic(&self, source: Option<&SourceMap>) -> Diagnostic {
        let value = self.value.as_ref().map_or(String::new(), |name| format!("`{}`: ", name.escape_debug()));
        let message = format!("{value}{} ({} on {})", self.message, self.severity, self.chip);
        let mut diagnostic = Diagnostic::error(self.code, message);
        diagnostic.severity = match self.severity {
            Severity::Refused | Severity::WrongResults => DiagnosticSeverity::Error,
            Severity::Slow => DiagnosticSeverity::Warning,
            Severity::Note => DiagnosticSeverity::Note,
        };
        diagnostic.span = source.and_then(|source| self.place.span(source));
        let advice = self.advice.as_deref().unwrap_or_default();
        let fact =
            self.evidence().map(|fact| format!("fact {} ({}): {}", fact.id, fact.evidence, fact.statement));
        diagnostic.advice = Some(format!("{advice} {}", fact.unwrap_or_default()).trim().to_owned());
        diagnostic
    }
}

/// Place, message, fact and advice on up to three lines without a trailing line feed.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} on {}: ", self.code, self.severity, self.chip)?;
        let mut place = Vec::new();
        place.extend(self.function.as_ref().map(|name| format!("function `{name}`")));
        if let (Some(op), Some(name)) = (self.op, &self.op_name) {
            place.push(format!("op {op} `{name}`"));
        }
        place.extend(self.value.as_ref().map(|name| format!("value `{name}`")));
        if !place.is_empty() {
            write!(f, "{}: ", place.join(", "))?;
        }
        f.write_str(&self.message)?;
        if let Some(fact) = self.evidence() {
            write!(f, "\n  fact {} ({}): {}", fact.id, fact.evidence, fact.statement)?;
            if let Some(others) = &fact.contradicted {
                write!(f, " Contradicted: {others}.")?;
            }
        }
        if let Some(advice) = &self.advice {
            write!(f, "\n  advice: {advice}")?;
        }
        Ok(())
    }
}
