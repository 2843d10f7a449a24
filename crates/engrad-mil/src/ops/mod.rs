//! The op table: every operation with its arguments, defaults, shape rule, derivative rule and documentation.
//!
//! One row stands for one operation; rows are grouped by subject in `table/`, shape rules beside them in `rules/`. To add
//! an operation: its name in the list below, a row in a group, a shape rule if none fits, a derivative rule in
//! `../differentiate/rules.rs` if it has one, and its arithmetic in each engine.

mod documentation;
mod equation;
mod operands;
mod range;
mod row;
pub(crate) mod rules;
mod table;

use std::sync::LazyLock;

pub use documentation::documentation;
pub use equation::EinsumEquation;
pub use operands::{Operands, resolve_axis};
pub use range::range_length;
pub use row::{ArgumentKind, ArgumentSpec, DTypes, Default, OpInfo, Opset};

use crate::Type;

macro_rules! ops {
    ($( $op:ident $name:literal )*) => {
        /// An operation; [`Op::info`] gives its row of the table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "the op table documents each; docs/ops.md is made from it")]
        pub enum Op { $( $op, )* }

        const NAMES: &[&str] = &[ $( $name, )* ];
        const OPS: &[Op] = &[ $( Op::$op, )* ];
    };
}

ops! {
    Unknown "?"
    Const "const"

    Add "add" Sub "sub" Mul "mul" RealDiv "real_div" FloorDiv "floor_div" Mod "mod" Pow "pow"
    Maximum "maximum" Minimum "minimum"
    Equal "equal" NotEqual "not_equal" Less "less" LessEqual "less_equal" Greater "greater"
    GreaterEqual "greater_equal"
    LogicalAnd "logical_and" LogicalOr "logical_or" LogicalXor "logical_xor" LogicalNot "logical_not"
    Select "select"

    Abs "abs" Acos "acos" Asin "asin" Atan "atan" Atanh "atanh" Ceil "ceil" Clip "clip" Cos "cos" Cosh "cosh"
    Erf "erf" Exp "exp" Exp2 "exp2" Floor "floor" Inverse "inverse" Log "log" Round "round" Rsqrt "rsqrt"
    Sign "sign" Sin "sin" Sinh "sinh" Sqrt "sqrt" Square "square" Tan "tan" Tanh "tanh" Threshold "threshold"
    Cast "cast" Identity "identity"

    ClampedRelu "clamped_relu" Elu "elu" Gelu "gelu" LeakyRelu "leaky_relu" LinearActivation "linear_activation"
    Prelu "prelu" Relu "relu" Relu6 "relu6" ScaledTanh "scaled_tanh" Sigmoid "sigmoid"
    SigmoidHard "sigmoid_hard" Silu "silu" Softplus "softplus" SoftplusParametric "softplus_parametric"
    Softmax "softmax" Softsign "softsign" ThresholdedRelu "thresholded_relu"

    ReduceArgmax "reduce_argmax" ReduceArgmin "reduce_argmin" ReduceL1Norm "reduce_l1_norm"
    ReduceL2Norm "reduce_l2_norm" ReduceLogSum "reduce_log_sum" ReduceLogSumExp "reduce_log_sum_exp"
    ReduceMax "reduce_max" ReduceMean "reduce_mean" ReduceMin "reduce_min" ReduceProd "reduce_prod"
    ReduceSum "reduce_sum" ReduceSumSquare "reduce_sum_square" Cumsum "cumsum"

    Matmul "matmul" Linear "linear" Einsum "einsum"
    ScaledDotProductAttention "scaled_dot_product_attention"

    BatchNorm "batch_norm" InstanceNorm "instance_norm" L2Norm "l2_norm" LayerNorm "layer_norm"
    LocalResponseNorm "local_response_norm"

    Conv "conv" ConvQuantized "conv_quantized" ConvTranspose "conv_transpose"
    AvgPool "avg_pool" L2Pool "l2_pool" MaxPool "max_pool"

    Affine "affine" Crop "crop" CropResize "crop_resize" Resample "resample" Resize "resize"
    ResizeBilinear "resize_bilinear" ResizeNearestNeighbor "resize_nearest_neighbor"
    UpsampleBilinear "upsample_bilinear" UpsampleNearestNeighbor "upsample_nearest_neighbor"
    NonMaximumSuppression "non_maximum_suppression"

    Gru "gru" Lstm "lstm" Rnn "rnn"

    ConstexprAffineDequantize "constexpr_affine_dequantize"
    ConstexprBlockwiseShiftScale "constexpr_blockwise_shift_scale" ConstexprCast "constexpr_cast"
    ConstexprLutToDense "constexpr_lut_to_dense" ConstexprLutToSparse "constexpr_lut_to_sparse"
    ConstexprSparseBlockwiseShiftScale "constexpr_sparse_blockwise_shift_scale"
    ConstexprSparseToDense "constexpr_sparse_to_dense"
    Quantize "quantize" Dequantize "dequantize"

    Reshape "reshape" ReshapeLike "reshape_like" ExpandDims "expand_dims" Squeeze "squeeze"
    Transpose "transpose" Flatten2d "flatten2d" Concat "concat" Stack "stack" Split "split" Tile "tile"
    Pad "pad" Reverse "reverse" ReverseSequence "reverse_sequence" SliceByIndex "slice_by_index"
    SliceBySize "slice_by_size" SliceUpdate "slice_update" SlidingWindows "sliding_windows"
    DepthToSpace "depth_to_space" SpaceToDepth "space_to_depth" BatchToSpace "batch_to_space"
    SpaceToBatch "space_to_batch" PixelShuffle "pixel_shuffle" PixelUnshuffle "pixel_unshuffle"
    BandPart "band_part"

    Gather "gather" GatherAlongAxis "gather_along_axis" GatherNd "gather_nd" Scatter "scatter"
    ScatterAlongAxis "scatter_along_axis" ScatterNd "scatter_nd"

    Argsort "argsort" Topk "topk" NonZero "non_zero" OneHot "one_hot" Shape "shape" Fill "fill"
    FillLike "fill_like" Range1d "range_1d" Classify "classify"

    RandomBernoulli "random_bernoulli" RandomCategorical "random_categorical" RandomNormal "random_normal"
    RandomUniform "random_uniform"

    Cond "cond" WhileLoop "while_loop" MakeList "make_list" ListGather "list_gather"
    ListLength "list_length" ListRead "list_read" ListScatter "list_scatter" ListWrite "list_write"
    ReadState "read_state" WriteState "write_state" CoremlUpdateState "coreml_update_state"
}

static ROWS: LazyLock<Vec<OpInfo>> = LazyLock::new(|| {
    let mut rows: Vec<OpInfo> = OPS.iter().map(|&op| row::row(op, &[], None, "")).collect();
    for row in table::groups().flat_map(|(_, rows)| rows) {
        rows[row.op as usize] = *row;
    }
    rows
});

impl Op {
    /// This operation's row of the table.
    pub fn info(self) -> &'static OpInfo {
        // One row for each variant, in order of the enum.
        &ROWS[self as usize]
    }

    /// Name in the text.
    pub fn name(self) -> &'static str {
        NAMES[self as usize]
    }

    /// The operation of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        static SORTED: LazyLock<Vec<(&str, Op)>> = LazyLock::new(|| {
            let mut names: Vec<_> = Op::all().map(|op| (op.name(), op)).collect();
            names.sort_unstable();
            names
        });
        SORTED.binary_search_by_key(&name, |(n, _)| n).ok().map(|at| SORTED[at].1)
    }

    /// Every operation of the table, in its order; [`Op::Unknown`] is none.
    pub fn all() -> impl Iterator<Item = Self> {
        OPS.iter().copied().skip(1)
    }
}

/// The groups of the table with their headings, for documentation.
pub fn groups() -> impl Iterator<Item = (&'static str, &'static [OpInfo])> {
    table::groups()
}

/// The result types of an operation, from its operands.
///
/// # Errors
/// The broken rule, in words.
pub fn infer(op: Op, operands: &Operands<'_>) -> Result<Vec<Type>, String> {
    operands.check_kinds()?;
    let rule = op.info().rule.ok_or_else(|| "its type is its value's".to_owned())?;
    let types = rule(operands)?;
    for ty in types.iter().filter_map(Type::tensor) {
        if !ty.is_bounded() {
            return Err(format!("result {ty} is too large or of too high a rank"));
        }
    }
    Ok(types)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_exactly_one_row() {
        let mut rows: Vec<Op> = table::groups().flat_map(|(_, rows)| rows).map(|row| row.op).collect();
        rows.sort_unstable();
        assert_eq!(rows, Op::all().collect::<Vec<_>>());
        for op in Op::all() {
            assert_eq!(Op::from_name(op.name()), Some(op));
        }
    }

    #[test]
    fn arguments_are_listed_in_the_canonical_alphabetical_order() {
        for op in Op::all() {
            assert!(op.info().arguments.is_sorted_by_key(|a| a.name), "{}", op.name());
        }
    }

    #[test]
    fn every_row_is_documented_and_all_but_const_have_a_shape_rule() {
        for op in Op::all() {
            let info = op.info();
            assert!(info.doc.ends_with('.'), "{}", op.name());
            assert_eq!(info.rule.is_none(), op == Op::Const, "{}", op.name());
        }
    }
}
