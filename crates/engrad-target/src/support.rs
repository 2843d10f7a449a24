use std::fmt;

use serde::{Deserialize, Serialize};

use crate::chip::Family;
use crate::data;

/// How far the engine takes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Support {
    /// Without limits worth naming.
    Native,
    /// With limits, or on some systems only.
    Limited,
    /// Not at all.
    Refused,
    /// No public probe tells.
    Unknown,
}

impl fmt::Display for Support {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Native => "native",
            Self::Limited => "limited",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        })
    }
}

/// How floating-point operations of an operation are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorkKind {
    /// So many for each element of the result.
    Result,
    /// So many for each element of the operand.
    Operand,
    /// Convolution: two for each tap and result element.
    Conv,
    /// Transposed convolution: two for each tap and operand element.
    ConvTranspose,
    /// Matrix product over the last two dimensions.
    Matmul,
    /// Product with a weight `[out, in]`.
    Linear,
    /// Product named by an equation.
    Einsum,
    /// Two matrix products and a softmax.
    Attention,
    /// One for each element of a window.
    Pool,
    /// Recurrent cell: two for each weight and step.
    Recurrent,
}

/// The work of one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Work {
    /// The formula.
    pub kind: WorkKind,
    /// Its factor, for the kinds that count elements.
    #[serde(default = "one")]
    pub flops: u64,
}

fn one() -> u64 {
    1
}

/// What is known about a group of operations.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OpSupport {
    /// Names in program text.
    pub ops: Vec<String>,
    /// Support wherever a family says nothing of its own.
    all: Support,
    h13: Option<Support>,
    h14: Option<Support>,
    h15: Option<Support>,
    h16: Option<Support>,
    h17: Option<Support>,
    h18: Option<Support>,
    /// Id of the fact behind the row.
    pub fact: String,
    /// Which limits, where support is limited.
    pub note: Option<String>,
    /// What to do instead, where the fact's own advice is too general.
    pub advice: Option<String>,
    /// Arguments that the language lets a program leave out and the device does not.
    #[serde(default)]
    pub required: Vec<String>,
    /// Arguments that must be constants.
    #[serde(default)]
    pub constant: Vec<String>,
    /// How its work is counted; `None` for copies.
    pub work: Option<Work>,
}

impl OpSupport {
    /// Support on a family.
    pub fn on(&self, family: Family) -> Support {
        match family {
            Family::H13 => self.h13,
            Family::H14 => self.h14,
            Family::H15 => self.h15,
            Family::H16 => self.h16,
            Family::H17 => self.h17,
            Family::H18 => self.h18,
        }
        .unwrap_or(self.all)
    }
}

/// The row of the operation of that name; `None` if the data does not name it.
pub fn op_support(name: &str) -> Option<&'static OpSupport> {
    data::op_row(name)
}

/// Every row, in the order of the data file.
pub fn op_table() -> &'static [OpSupport] {
    data::op_table()
}
