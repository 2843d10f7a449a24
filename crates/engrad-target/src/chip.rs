use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::support::{Support, op_support};
use crate::view::ValueView;
use crate::{Fact, TargetError, data, facts};

/// A generation of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// M1 parts.
    H13,
    /// M2 parts.
    H14,
    /// M3 parts.
    H15,
    /// M4 parts.
    H16,
    /// M5 parts.
    H17,
    /// M6 parts.
    H18,
}

impl Family {
    /// Every family, oldest first.
    pub const ALL: [Self; 6] = [Self::H13, Self::H14, Self::H15, Self::H16, Self::H17, Self::H18];

    /// Architecture name.
    pub fn name(self) -> &'static str {
        match self {
            Self::H13 => "h13",
            Self::H14 => "h14",
            Self::H15 => "h15",
            Self::H16 => "h16",
            Self::H17 => "h17",
            Self::H18 => "h18",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Largest values that compile or run; each field's fact stands beside its value in `data/chips.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Dimensions of a tensor.
    pub rank: usize,
    /// Dimensions of a matmul operand.
    pub matmul_rank: usize,
    /// Extent of the last dimension.
    pub width: u64,
    /// Extent of the last dimension but one.
    pub height: u64,
    /// Extent of the channel dimension.
    pub channels: u64,
    /// Extent of the batch dimension.
    pub batch: u64,
    /// Inner dimension of a matrix product.
    pub contraction: u64,
    /// Width of a convolution kernel with fp16 weights.
    pub conv_kernel_width: u64,
    /// Width of a convolution kernel with weights of another format.
    pub conv_kernel_width_other: u64,
    /// Input channels of a convolution.
    pub conv_input_channels: u64,
    /// Batch of a convolution whose weight is computed at run time.
    pub dynamic_conv_batch: u64,
    /// Groups of a convolution whose weight is computed at run time.
    pub dynamic_conv_groups: u64,
    /// Side of a pooling window.
    pub pool_window: u64,
    /// Prime factors that strides and tiling factors may have.
    pub factor_primes: Vec<u64>,
    /// Positions of native attention.
    pub attention_length: u64,
    /// The smaller of query and key length of native attention.
    pub attention_shorter_length: u64,
    /// Channels that local response normalisation spans.
    pub norm_channels: u64,
    /// Row of a concatenation's result.
    pub concat_row: u64,
    /// Branches that join in one operation before compilation becomes slow.
    pub parallel_branches: u64,
    /// Operations of a program.
    pub operations: u64,
    /// Size of a program.
    pub program_bytes: u64,
    /// Functions of a program.
    pub procedures: u64,
    /// Compiles in a process.
    pub compiles_per_process: u64,
    /// Programs loaded in a process.
    pub loaded_programs: u64,
    /// Evaluations in flight.
    pub queue_depth: u64,
}

/// Sizes of the engine's memories, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// Weights of a layer that is not streamed.
    pub kernel_bytes: u64,
    /// Weights of a streamed layer.
    pub streamed_weight_bytes: u64,
    /// Weights of a program beyond which compilation failed for somebody.
    pub program_weight_bytes: u64,
    /// Right-hand operand that stays resident.
    pub resident_operand_bytes: u64,
    /// Working set of one operation at full speed.
    pub working_set_bytes: u64,
}

/// Rules of surfaces.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SurfaceRules {
    /// Rows begin at multiples of this many bytes.
    pub row_alignment: u64,
    /// Smallest surface in bytes.
    pub minimum_bytes: u64,
}

impl SurfaceRules {
    /// Bytes from one row of `width` elements of `bits` bits to the next.
    pub fn row_stride(&self, width: u64, bits: u64) -> u64 {
        let bytes = width.saturating_mul(bits).div_ceil(8);
        bytes.div_ceil(self.row_alignment.max(1)).saturating_mul(self.row_alignment)
    }

    /// Bytes that the surface of a port of those extents needs.
    pub fn bytes(&self, dims: &[u64], bits: u64) -> u64 {
        let (width, rows) = dims.split_last().map_or((1, &[][..]), |(&width, rows)| (width, rows));
        let rows = rows.iter().fold(1u64, |n, &d| n.saturating_mul(d));
        rows.saturating_mul(self.row_stride(width, bits)).max(self.minimum_bytes)
    }
}

/// Which program text the chip's systems take.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TextRules {
    /// Scalars without `tensor<…, []>`.
    pub short_literals: Support,
    /// Program versions.
    pub versions: BTreeMap<String, Support>,
    /// Operation sets.
    pub opsets: BTreeMap<String, Support>,
}

/// Where an element type may stand.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TypeRule {
    /// Bits of one element.
    pub bits: u64,
    /// As a constant.
    pub constant: Support,
    /// Between operations.
    pub intermediate: Support,
    /// As a function input.
    pub input: Support,
    /// As a function output.
    pub output: Support,
    /// Id of the fact behind the rule.
    pub fact: String,
    /// Id of the fact behind the rule for inputs and outputs, where it is another.
    pub port_fact: Option<String>,
}

impl TypeRule {
    /// Id of the fact about ports.
    pub fn port_fact(&self) -> &str {
        self.port_fact.as_deref().unwrap_or(&self.fact)
    }
}

/// How products accumulate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Accumulator {
    /// Groups of four lanes rounded to fp16, then wide.
    GroupsOfFour,
    /// Signed fixed point with 15 integer and 16 fraction bits.
    #[serde(rename = "fixed-q15-16")]
    FixedQ15x16,
}

/// How results become fp16.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rounding {
    /// Halves to even.
    HalfEven,
    /// Halves away from zero.
    HalfAway,
}

/// Rules of arithmetic that programs can run into.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Numerics {
    /// How products accumulate.
    pub accumulator: Accumulator,
    /// How results are rounded.
    pub rounding: Rounding,
    /// Magnitude from which a product's result is infinite.
    pub product_limit: f64,
    /// Magnitude from which a slice along the width returns infinities; `None` where slices are exact.
    pub width_crop: Option<f64>,
    /// Integers up to here add exactly in reduce_sum.
    pub sum_exact_to: u64,
    /// Magnitude from which `round` is off by one.
    pub round_exact_to: u64,
    /// Largest operand of `exp` with a finite result.
    pub exp_limit: f64,
    /// Whether products flush subnormal operands.
    pub flushes_subnormal_products: bool,
    /// What silu makes of 0.
    pub silu_at_zero: f64,
    /// What gelu makes of 0.
    pub gelu_at_zero: f64,
    /// Largest absolute error of table functions.
    pub table_error: BTreeMap<String, f64>,
}

/// Coefficients of the placement model (fact P05).
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PlacementTable {
    /// Launch of a segment on the engine, in ms.
    pub launch_ms: f64,
    /// A change of device, in ms.
    pub change_ms: f64,
    /// An output left on the engine, in ms.
    pub output_ms: f64,
    /// Rate at which the model counts the engine, in GFLOP/s.
    pub engine_gflops: f64,
    /// Bandwidth at which the model counts the engine, in GB/s.
    pub engine_gb_s: f64,
    /// Rate of the CPU, in GFLOP/s.
    pub host_gflops: f64,
    /// Bandwidth of the CPU, in GB/s.
    pub host_gb_s: f64,
}

/// Coefficients of the cost model (fact P04).
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CostTable {
    /// Rate of large products, in TFLOP/s.
    pub peak_tflops: f64,
    /// Bandwidth of inputs and outputs, in GB/s.
    pub stream_gb_s: f64,
    /// Bandwidth of weights, in GB/s.
    pub weight_gb_s: f64,
    /// Least time of an evaluation, in µs.
    pub floor_us: f64,
    /// Where the system would place operations.
    pub placement: PlacementTable,
}

/// One Neural Engine: everything its data says, with its family's values filled in.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Chip {
    /// Architecture name, e.g. `h16g`.
    pub name: String,
    /// Its generation.
    pub family: Family,
    /// The device compiler's name for the generation's capabilities, e.g. `A16`.
    pub generation: String,
    /// Products that carry it.
    #[serde(default)]
    pub marketing: Vec<String>,
    /// The device compiler's count of cores, where known.
    pub cores: Option<u32>,
    /// Highest clock, where known.
    pub clock_ghz: Option<f64>,
    /// Largest values.
    pub limits: Limits,
    /// Memories.
    pub memory: Memory,
    /// Surfaces.
    pub surface: SurfaceRules,
    /// Program text.
    pub text: TextRules,
    /// Element types by name.
    pub types: BTreeMap<String, TypeRule>,
    /// Arithmetic.
    pub numerics: Numerics,
    /// Speed.
    pub cost: CostTable,
}

impl Chip {
    /// The chip of that architecture (`h16g`) or product name (`M4 Max`, `m4-max`).
    ///
    /// # Errors
    /// [`TargetError::UnknownChip`] if there is none.
    pub fn named(name: &str) -> Result<&'static Self, TargetError> {
        let wanted = normalised(name);
        let is_wanted =
            |chip: &&Self| chip.name == wanted || chip.marketing.iter().any(|m| normalised(m) == wanted);
        chips().iter().find(is_wanted).ok_or_else(|| TargetError::UnknownChip {
            name: name.chars().take(40).collect(),
            known: chips().iter().map(Self::title).collect::<Vec<_>>().join(", "),
        })
    }

    /// Name and products: `h16g (M4 Pro, M4 Max)`.
    pub fn title(&self) -> String {
        if self.marketing.is_empty() {
            self.name.clone()
        } else {
            format!("{} ({})", self.name, self.marketing.join(", "))
        }
    }

    /// Support of the operation of that name.
    pub fn support(&self, op: &str) -> Support {
        op_support(op).map_or(Support::Unknown, |row| row.on(self.family))
    }

    /// The rule of an element type, by its name in program text.
    pub fn type_rule(&self, dtype: &str) -> Option<&TypeRule> {
        self.types.get(dtype)
    }

    /// Bytes of a value without padding; unknown extents count as 1, unknown types as nothing.
    pub(crate) fn value_bytes(&self, value: &ValueView<'_>) -> u64 {
        let bits = self.type_rule(value.dtype).map_or(0, |rule| rule.bits);
        value.known_elements().saturating_mul(bits).div_ceil(8)
    }

    /// Facts observed on this family and not on all: its quirks.
    pub fn quirks(&self) -> impl Iterator<Item = &'static Fact> + '_ {
        facts().iter().filter(|fact| !fact.families.is_empty() && fact.covers(self.family))
    }
}

fn normalised(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, ' ' | '-' | '_')).flat_map(char::to_lowercase).collect()
}

/// Every chip, oldest family first.
pub fn chips() -> &'static [Chip] {
    data::chips()
}
