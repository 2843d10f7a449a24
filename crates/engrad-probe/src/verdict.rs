use engrad_apple::AppleError;
use engrad_engine::EngineError;
use engrad_mil::MilError;
use serde::{Serialize, Serializer};
use thiserror::Error;

/// The answer to a probe's question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Yes.
    Pass,
    /// No.
    Fail,
    /// The engine has no such thing, or refuses the program.
    Unsupported,
    /// It ran, and the answer cannot be told.
    Inconclusive,
}

impl Outcome {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Unsupported => "unsupported",
            Self::Inconclusive => "inconclusive",
        }
    }
}

impl std::fmt::Display for Measurement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(value) => write!(f, "{}", shortened(*value)),
            Self::Numbers(values) if values.is_empty() => f.write_str("none"),
            Self::Numbers(values) => {
                let values: Vec<String> = values.iter().map(|v| shortened(*v)).collect();
                f.write_str(&values.join(" "))
            }
            Self::Text(text) => f.write_str(text),
            Self::Texts(texts) if texts.is_empty() => f.write_str("none"),
            Self::Texts(texts) => f.write_str(&texts.join(", ")),
        }
    }
}

/// Whole numbers whole, others to four digits.
fn shortened(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 { format!("{value}") } else { format!("{value:.3e}") }
}

/// Something measured or found.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Measurement {
    /// A number; the name says its unit.
    Number(f64),
    /// Several.
    Numbers(Vec<f64>),
    /// A text.
    Text(String),
    /// Several.
    Texts(Vec<String>),
}

/// Outcome, why, and what was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// The answer.
    pub outcome: Outcome,
    /// One sentence.
    pub reason: String,
    /// By name, in order.
    #[serde(serialize_with = "as_map")]
    pub measurements: Vec<(&'static str, Measurement)>,
}

fn as_map<S: Serializer>(pairs: &[(&str, Measurement)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(name, value)| (name, value)))
}

impl Verdict {
    pub(crate) fn new(outcome: Outcome, reason: impl Into<String>) -> Self {
        Self { outcome, reason: reason.into(), measurements: Vec::new() }
    }

    /// Pass or fail by a condition.
    pub(crate) fn judge(yes: bool, pass: &str, fail: &str) -> Self {
        if yes { Self::new(Outcome::Pass, pass) } else { Self::new(Outcome::Fail, fail) }
    }

    #[must_use]
    pub(crate) fn number(mut self, name: &'static str, value: f64) -> Self {
        self.measurements.push((name, Measurement::Number(value)));
        self
    }

    #[must_use]
    pub(crate) fn numbers(mut self, name: &'static str, values: Vec<f64>) -> Self {
        self.measurements.push((name, Measurement::Numbers(values)));
        self
    }

    #[must_use]
    pub(crate) fn text(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.measurements.push((name, Measurement::Text(value.into())));
        self
    }

    #[must_use]
    pub(crate) fn texts(mut self, name: &'static str, values: Vec<String>) -> Self {
        self.measurements.push((name, Measurement::Texts(values)));
        self
    }
}

/// What a verdict says of a fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Settled {
    /// The fact.
    pub id: &'static str,
    /// Whether it holds on this engine; `None` if the verdict does not say.
    pub holds: Option<bool>,
}

/// One probe's run, for machines.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The probe.
    pub probe: &'static str,
    /// Name of the engine.
    pub engine: String,
    /// Its question.
    pub question: &'static str,
    /// Outcome, reason, measurements.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// What it says of facts.
    pub facts: Vec<Settled>,
}

/// Why a probe came to no answer of its own.
#[derive(Debug, Error)]
pub(crate) enum ProbeError {
    /// What the probe asks about is not there.
    #[error("{0}")]
    Unsupported(String),
    /// The engine refused or failed.
    #[error("{0}")]
    Engine(#[from] EngineError),
    /// The Apple engine refused or failed.
    #[error("{0}")]
    Apple(#[from] AppleError),
    /// A program of a probe is wrong: a defect of this crate.
    #[error("a program of the probe is not valid: {0}")]
    Program(#[from] MilError),
}

impl ProbeError {
    /// What the failure is worth as an answer.
    pub(crate) fn verdict(&self) -> Verdict {
        let outcome = match self {
            Self::Unsupported(_)
            | Self::Engine(EngineError::Compile { .. })
            | Self::Apple(AppleError::NotAvailable(_)) => Outcome::Unsupported,
            // Refused at compile time is refused; later it is a failure of what should have worked.
            Self::Apple(AppleError::Framework(failure)) if failure.phase == engrad_apple::Phase::Compile => {
                Outcome::Unsupported
            }
            Self::Engine(EngineError::Limit(_) | EngineError::Memory { .. })
            | Self::Apple(AppleError::Limit(_) | AppleError::Memory(_))
            | Self::Program(_) => Outcome::Inconclusive,
            Self::Engine(_) | Self::Apple(_) => Outcome::Fail,
        };
        Verdict::new(outcome, self.to_string())
    }
}
