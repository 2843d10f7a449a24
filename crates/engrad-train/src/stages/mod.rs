//! Stages: the MIL programs of a model, derived and laid out.
//!
//! A stage is one program that runs on the engine. Between stages the host keeps the residual stream, RMSNorm and
//! the loss. Every stage is written once, as a forward function over its own inputs; its backward function is
//! derived ([`mod@engrad_mil::differentiate`]) and both are packed to the input layout ([`engrad_mil::pack`]). Nothing
//! here knows an engine, a layer number or a weight's value.

mod attention;
mod classifier;
mod feed_forward;

use engrad_mil::differentiate::{Request, WeightGradient};
use engrad_mil::pack::{InputLayout, Packing, pack};
use engrad_mil::{Builder, DType, Function, MilError, Program, TensorType, ValueId, differentiate};
use engrad_model::{ModelConfig, ParameterRole};

/// What a model's stages are built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageOptions {
    /// Positions of a sequence.
    pub sequence: usize,
    /// Sequences per evaluation; their positions lie one sequence after the other. The classifier, for which positions are
    /// independent, has one.
    pub batch: usize,
    /// Element type of activations and weights in the programs: fp16 for the Neural Engine, fp32 for gradient checks.
    pub dtype: DType,
    /// How inputs are laid out.
    pub layout: InputLayout,
    /// Rows of the output head handled by one evaluation of the classifier.
    pub tile: usize,
}

/// Most positions that programs are made for: the attention weights' width (ane-facts C34), and a bound on the
/// size of the mask, its square.
pub const MAX_SEQUENCE: usize = 16_384;
/// Most rows of one classifier tile (ane-facts C34: contractions reach 16,384 on M1…M3).
const MAX_TILE: usize = 16_384;
/// Tiles are whole multiples of this, so that a transposed weight's rows need no padding (ane-facts 4.2).
const TILE_STEP: usize = 32;

/// Rows of each classifier tile for that many classes: as few tiles as possible, of nearly equal size.
pub fn tile_rows(classes: usize) -> usize {
    let tiles = classes.div_ceil(MAX_TILE).max(1);
    classes.div_ceil(tiles).next_multiple_of(TILE_STEP)
}

impl StageOptions {
    /// Positions per evaluation.
    pub fn positions(&self) -> usize {
        self.batch * self.sequence
    }
}

/// The stages of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StageKind {
    /// Projections, rotary positions, causal attention, output projection.
    Attention,
    /// Gate and up projections, SiLU, down projection.
    FeedForward,
    /// Logits of one tile of the vocabulary.
    Classifier,
}

impl StageKind {
    /// Every stage, in forward order.
    pub const ALL: [Self; 3] = [Self::Attention, Self::FeedForward, Self::Classifier];

    /// Name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Attention => "attention",
            Self::FeedForward => "feed_forward",
            Self::Classifier => "classifier",
        }
    }
}

/// A weight that a stage takes as input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageWeight {
    /// Name of the stage's input.
    pub input: String,
    /// Which parameter of the layer goes there.
    pub role: ParameterRole,
    /// Whether it is the query's or the key's norm; meaningful for [`ParameterRole::HeadNorm`] only.
    pub is_key: bool,
    /// Stored `[in, out]` instead of `[out, in]`.
    pub transposed: bool,
}

/// One program of a stage with the places of its original inputs.
#[derive(Debug, Clone, PartialEq)]
pub struct StageProgram {
    /// The program, ready to compile or print.
    pub program: Program,
    /// Where each original input lies.
    pub packing: Packing,
}

/// A stage: forward and backward programs and what connects them.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// Which one.
    pub kind: StageKind,
    /// Input `x`, weights; output `y`. No saved values: for inference.
    pub inference: StageProgram,
    /// As `inference`, with the saved values as further outputs.
    pub forward: StageProgram,
    /// Input `d_y`, saved values, weights; output `d_x` and what weight gradients need.
    pub backward: StageProgram,
    /// Weights and how they are stored.
    pub weights: Vec<StageWeight>,
    /// How the host forms each weight's gradient.
    pub gradients: Vec<WeightGradient>,
}

impl Stage {
    /// Builds, differentiates and packs one stage of a model.
    ///
    /// # Errors
    /// [`MilError`] if a shape rule is broken; a validated configuration breaks none.
    pub fn new(kind: StageKind, config: &ModelConfig, options: &StageOptions) -> Result<Self, MilError> {
        let draft = match kind {
            StageKind::Attention => attention::draft(config, options)?,
            StageKind::FeedForward => feed_forward::draft(config, options)?,
            StageKind::Classifier => classifier::draft(config, options)?,
        };
        let weight_names: Vec<&str> = draft.weights.iter().map(|w| w.input.as_str()).collect();
        let request = Request { activations: &["x"], weights: &weight_names, taps: draft.taps };
        let derived = differentiate(&draft.function, &request)?;
        let lay_out = |function: &Function| -> Result<StageProgram, MilError> {
            let (function, packing) = pack(function, options.layout)?;
            Ok(StageProgram { program: Program::new(function), packing })
        };
        Ok(Self {
            kind,
            inference: lay_out(&draft.function)?,
            forward: lay_out(&derived.forward)?,
            backward: lay_out(&derived.backward)?,
            weights: draft.weights,
            gradients: derived.weight_gradients,
        })
    }
}

/// A stage's forward function before differentiation.
struct Draft {
    function: Function,
    weights: Vec<StageWeight>,
    /// Forward values worth saving; the rest is recomputed.
    taps: &'static [&'static str],
}

/// A function under construction with the stage's conventions: activations are `[1, features, 1, positions]`.
struct Drafting<'a> {
    builder: Builder,
    options: &'a StageOptions,
    dim: usize,
    weights: Vec<StageWeight>,
}

impl<'a> Drafting<'a> {
    fn new(config: &ModelConfig, options: &'a StageOptions) -> Self {
        Self { builder: Builder::new("main"), options, dim: config.dim, weights: Vec::new() }
    }

    /// The stage's activation input `x`, `[1, dim, 1, positions]`.
    fn input(&mut self) -> ValueId {
        let ty = TensorType::channels(self.options.dtype, self.dim, self.options.positions());
        self.builder.input("x", ty)
    }

    /// A projection weight `[out, in]`. To pack beside the activations it must have their channel count, so with
    /// packed inputs it is stored transposed unless its rows already are the model dimension.
    fn weight(&mut self, input: &str, role: ParameterRole, out: usize, inner: usize) -> Weight {
        let transposed = self.options.layout == InputLayout::Packed && out != self.dim;
        let (rows, columns) = if transposed { (inner, out) } else { (out, inner) };
        let id = self.builder.input(input, TensorType::channels(self.options.dtype, rows, columns));
        self.weights.push(StageWeight { input: input.to_owned(), role, is_key: false, transposed });
        Weight { id, rows, columns, transposed, out }
    }

    /// A norm weight over the channels of one head, `[1, size, 1, 1]`.
    fn head_norm_weight(&mut self, input: &str, is_key: bool, size: usize) -> ValueId {
        let id = self.builder.input(input, TensorType::channels(self.options.dtype, size, 1));
        let role = ParameterRole::HeadNorm;
        self.weights.push(StageWeight { input: input.to_owned(), role, is_key, transposed: false });
        id
    }

    /// `[1, features, 1, positions]` → `[1, out, 1, positions]`.
    fn project(&mut self, name: &str, weight: &Weight, x: ValueId) -> Result<ValueId, MilError> {
        let b = &mut self.builder;
        let inner = if weight.transposed { weight.rows } else { weight.columns };
        let positions = self.options.positions();
        let matrix = b.reshape(&format!("{name}_weight"), weight.id, &[1, 1, weight.rows, weight.columns])?;
        let columns = b.reshape(&format!("{name}_input"), x, &[1, 1, inner, positions])?;
        let product = b.matmul(&format!("{name}_product"), (matrix, weight.transposed), (columns, false))?;
        b.reshape(name, product, &[1, weight.out, 1, positions])
    }

    fn finish(self, output: ValueId, taps: &'static [&'static str]) -> Result<Draft, MilError> {
        Ok(Draft { function: self.builder.finish(&[output])?, weights: self.weights, taps })
    }
}

struct Weight {
    id: ValueId,
    rows: usize,
    columns: usize,
    transposed: bool,
    out: usize,
}

#[cfg(test)]
mod tests {
    use super::tile_rows;

    #[test]
    fn tiles_are_few_even_and_within_the_limit() {
        assert_eq!(tile_rows(61), 64);
        assert_eq!(tile_rows(32_000), 16_000);
        assert_eq!(tile_rows(151_936), 15_200);
    }
}
