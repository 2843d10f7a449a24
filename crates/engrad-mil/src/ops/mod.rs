//! The op table: every operation, its arguments, its shape rule and its derivative rule, in one place.
//!
//! To add an operation: add a row to the table below, a shape rule in `shape.rs` if none fits, a derivative rule
//! in `../differentiate/rules.rs` if it has one, and its arithmetic in each engine.

mod operands;
mod shape;

pub use operands::Operands;

use crate::differentiate::{Vjp, rules};
use crate::{MilError, TensorType};

/// What an argument must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArgumentKind {
    /// A run-time tensor or a constant.
    Tensor,
    /// A tuple of tensors.
    Tensors,
    /// A constant integer scalar.
    Int,
    /// A constant list of integers.
    Ints,
    /// A constant truth value.
    Bool,
    /// A constant floating-point scalar.
    Float,
    /// A constant text.
    String,
}

/// One argument of an operation.
///
/// All are required in programs this project writes: leaving one out is the usual cause of the device
/// compiler's "unsupported op" (ane-facts 2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArgumentSpec {
    /// Name in the text.
    pub name: &'static str,
    /// What it must be.
    pub kind: ArgumentKind,
}

type ShapeRule = fn(&Operands<'_>) -> Result<TensorType, String>;
type DerivativeRule = fn(&mut Vjp<'_, '_>) -> Result<(), MilError>;

/// One row of the op table.
#[derive(Debug)]
pub struct OpInfo {
    /// The operation.
    pub op: Op,
    /// Name in the text.
    pub name: &'static str,
    /// Arguments in canonical order.
    pub arguments: &'static [ArgumentSpec],
    /// Result type from argument types; `None` only for `const`, whose type is its payload's.
    pub shape: Option<ShapeRule>,
    /// Vector-Jacobian product, where the operation is differentiable.
    pub(crate) derivative: Option<DerivativeRule>,
}

macro_rules! op_table {
    ($( $op:ident $name:literal ($($arg:ident : $kind:ident),*) shape $shape:expr, derivative $rule:expr; $doc:literal )*) => {
        /// An operation; [`Op::info`] gives its row of the table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Op { $( #[doc = $doc] $op, )* }

        static TABLE: &[OpInfo] = &[ $( OpInfo {
            op: Op::$op,
            name: $name,
            arguments: &[ $( ArgumentSpec { name: stringify!($arg), kind: ArgumentKind::$kind } ),* ],
            shape: $shape,
            derivative: $rule,
        }, )* ];
    };
}

op_table! {
    Const "const" () shape None, derivative None;
        "A named constant; its payload is [`crate::Operation::constant`]."

    Add "add" (x: Tensor, y: Tensor) shape Some(shape::broadcast), derivative Some(rules::add);
        "x + y, broadcast."
    Sub "sub" (x: Tensor, y: Tensor) shape Some(shape::broadcast), derivative Some(rules::sub);
        "x − y, broadcast."
    Mul "mul" (x: Tensor, y: Tensor) shape Some(shape::broadcast), derivative Some(rules::mul);
        "x · y elementwise, broadcast."
    RealDiv "real_div" (x: Tensor, y: Tensor) shape Some(shape::broadcast), derivative Some(rules::real_div);
        "x / y, broadcast."
    Maximum "maximum" (x: Tensor, y: Tensor) shape Some(shape::broadcast), derivative None;
        "The larger of x and y, broadcast."
    Minimum "minimum" (x: Tensor, y: Tensor) shape Some(shape::broadcast), derivative None;
        "The smaller of x and y, broadcast."

    Exp "exp" (x: Tensor) shape Some(shape::float_unary), derivative Some(rules::exp);
        "e^x."
    Log "log" (epsilon: Float, x: Tensor) shape Some(shape::float_unary), derivative Some(rules::log);
        "ln(x + epsilon)."
    Sqrt "sqrt" (x: Tensor) shape Some(shape::float_unary), derivative Some(rules::sqrt);
        "√x."
    Rsqrt "rsqrt" (epsilon: Float, x: Tensor) shape Some(shape::float_unary), derivative Some(rules::rsqrt);
        "1/√(x + epsilon)."
    Inverse "inverse" (epsilon: Float, x: Tensor) shape Some(shape::float_unary), derivative Some(rules::inverse);
        "1/(x + epsilon)."
    Square "square" (x: Tensor) shape Some(shape::float_unary), derivative Some(rules::square);
        "x²."
    Relu "relu" (x: Tensor) shape Some(shape::float_unary), derivative None;
        "max(x, 0)."
    Sigmoid "sigmoid" (x: Tensor) shape Some(shape::float_unary), derivative Some(rules::sigmoid);
        "1/(1 + e^−x)."
    Silu "silu" (x: Tensor) shape Some(shape::float_unary), derivative Some(rules::silu);
        "x · sigmoid(x)."
    Tanh "tanh" (x: Tensor) shape Some(shape::float_unary), derivative Some(rules::tanh);
        "Hyperbolic tangent."
    Identity "identity" (x: Tensor) shape Some(shape::same), derivative Some(rules::identity);
        "x."
    Cast "cast" (dtype: String, x: Tensor) shape Some(shape::cast), derivative Some(rules::cast);
        "x converted to another element type."

    Softmax "softmax" (axis: Int, x: Tensor) shape Some(shape::softmax), derivative Some(rules::softmax);
        "e^x normalised to sum one along an axis."
    ReduceSum "reduce_sum" (axes: Ints, keep_dims: Bool, x: Tensor) shape Some(shape::reduce), derivative Some(rules::reduce_sum);
        "Sum over axes."
    ReduceMean "reduce_mean" (axes: Ints, keep_dims: Bool, x: Tensor) shape Some(shape::reduce), derivative Some(rules::reduce_mean);
        "Mean over axes."
    ReduceMax "reduce_max" (axes: Ints, keep_dims: Bool, x: Tensor) shape Some(shape::reduce), derivative None;
        "Maximum over axes."

    Matmul "matmul" (transpose_x: Bool, transpose_y: Bool, x: Tensor, y: Tensor) shape Some(shape::matmul), derivative Some(rules::matmul);
        "Matrix product over the last two dimensions, leading ones broadcast."

    Reshape "reshape" (shape: Ints, x: Tensor) shape Some(shape::reshape), derivative Some(rules::reshape_like);
        "The same elements in another shape."
    ExpandDims "expand_dims" (axes: Ints, x: Tensor) shape Some(shape::expand_dims), derivative Some(rules::reshape_like);
        "Inserts dimensions of extent one."
    Squeeze "squeeze" (axes: Ints, x: Tensor) shape Some(shape::squeeze), derivative Some(rules::reshape_like);
        "Removes dimensions of extent one."
    Transpose "transpose" (perm: Ints, x: Tensor) shape Some(shape::transpose), derivative Some(rules::transpose);
        "Dimensions in another order: result dimension `i` is dimension `perm[i]` of x."
    SliceBySize "slice_by_size" (begin: Ints, size: Ints, x: Tensor) shape Some(shape::slice_by_size), derivative Some(rules::slice_by_size);
        "The block of `size` elements from `begin`; size −1 means to the end."
    Concat "concat" (axis: Int, interleave: Bool, values: Tensors) shape Some(shape::concat), derivative Some(rules::concat);
        "Tensors joined along an axis."
}

impl Op {
    /// This operation's row of the table.
    pub fn info(self) -> &'static OpInfo {
        // The enum and the table come from one list, so positions agree; a test holds this.
        &TABLE[self as usize]
    }

    /// Name in the text.
    pub fn name(self) -> &'static str {
        self.info().name
    }

    /// The operation of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.name == name).map(|row| row.op)
    }

    /// Every operation, in table order.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.op)
    }
}

impl OpInfo {
    /// Whether the operation has a derivative rule.
    pub fn is_differentiable(&self) -> bool {
        self.derivative.is_some()
    }

    /// The argument of that name.
    pub fn argument(&self, name: &str) -> Option<&'static ArgumentSpec> {
        self.arguments.iter().find(|a| a.name == name)
    }
}

/// The result type of an operation, from its operands.
///
/// # Errors
/// The broken rule, in words.
pub fn infer(op: Op, operands: &Operands<'_>) -> Result<TensorType, String> {
    operands.check_kinds()?;
    let rule = op.info().shape.ok_or_else(|| "its type is its value's".to_owned())?;
    let ty = rule(operands)?;
    if !ty.is_bounded() {
        return Err(format!("result {ty} is empty, too large or of too high a rank"));
    }
    Ok(ty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_rows_stand_at_their_enum_positions() {
        for (position, row) in TABLE.iter().enumerate() {
            assert_eq!(row.op as usize, position);
            assert_eq!(Op::from_name(row.name), Some(row.op));
        }
    }

    #[test]
    fn arguments_are_listed_in_the_canonical_alphabetical_order() {
        for row in TABLE {
            assert!(row.arguments.is_sorted_by_key(|a| a.name), "{}", row.name);
        }
    }
}
