use std::collections::HashMap;

use crate::{
    Argument, Constant, DType, Definition, Function, Literal, MilError, Name, Op, Operands, Operation,
    TensorType, Type, Value, ValueId, infer,
};

/// Makes a function op by op: every attribute becomes a named `const` in front of its operation (ane-facts 2.4),
/// types are inferred from the op table, names are made unique.
///
/// A builder only ever holds a valid function: an operation that breaks its rule is an error and leaves no trace
/// but its constants.
#[derive(Debug)]
pub struct Builder {
    function: Function,
    /// Names taken, each with the last suffix tried on it.
    names: HashMap<String, u32>,
}

impl Builder {
    /// An empty function of operation set `ios18`.
    pub fn new(name: &str) -> Self {
        Self { function: Function::empty(name, "ios18"), names: HashMap::new() }
    }

    /// The function so far.
    pub fn function(&self) -> &Function {
        &self.function
    }

    /// Type of a value.
    pub fn ty(&self, id: ValueId) -> &TensorType {
        self.function.ty(id)
    }

    /// Keeps a name free for [`Builder::rename_reserved`].
    pub(crate) fn reserve(&mut self, name: &str) {
        self.names.entry(name.to_owned()).or_insert(1);
    }

    /// Gives a value a name set aside with [`Builder::reserve`].
    pub(crate) fn rename_reserved(&mut self, id: ValueId, name: &str) {
        self.function.values[id.index()].name = name.to_owned();
    }

    /// A new parameter. Inputs must come before any operation that should be numbered after them; they may be
    /// added at any time, and [`Builder::finish`] renumbers.
    pub fn input(&mut self, name: &str, ty: TensorType) -> ValueId {
        let name = self.unique(name);
        let definition = Definition::Input(self.function.inputs.len());
        let id = self.function.push_value(Value { name, ty: Type::Tensor(ty), definition }, definition);
        self.function.inputs.push(id);
        id
    }

    /// A named constant.
    pub fn constant(&mut self, name: &str, constant: Constant) -> ValueId {
        let result = self.result(name, Type::Tensor(constant.ty.clone()), 0);
        self.function.ops.push(Operation::constant_of(constant, result));
        result
    }

    /// A floating-point scalar constant.
    ///
    /// # Errors
    /// [`MilError::Constant`] if `dtype` is not a floating type.
    pub fn scalar(&mut self, name: &str, dtype: DType, value: f32) -> Result<ValueId, MilError> {
        Ok(self.constant(name, Constant::float(dtype, value)?))
    }

    /// Any operation with one result from complete arguments, given in any order.
    ///
    /// # Errors
    /// [`MilError::Op`] with the broken rule.
    pub fn op(
        &mut self,
        op: Op,
        name: &str,
        arguments: Vec<(impl Into<Name>, Argument)>,
    ) -> Result<ValueId, MilError> {
        match self.operation(op, name, arguments)?[..] {
            [result] => Ok(result),
            ref results => {
                let reason = format!("has {} results", results.len());
                Err(MilError::Op { name: name.to_owned(), op: op.name(), reason })
            }
        }
    }

    /// Any operation from complete arguments, given in any order; its results take the name, numbered from the second.
    ///
    /// # Errors
    /// [`MilError::Op`] with the broken rule; extents that are not known are one.
    pub fn operation(
        &mut self,
        op: Op,
        name: &str,
        arguments: Vec<(impl Into<Name>, Argument)>,
    ) -> Result<Vec<ValueId>, MilError> {
        let refuse = |reason| MilError::Op { name: name.to_owned(), op: op.name(), reason };
        let mut arguments: Vec<(Name, Argument)> =
            arguments.into_iter().map(|(n, a)| (n.into(), a)).collect();
        arguments.sort_by(|(a, _), (b, _)| a.cmp(b));
        if let Some((unknown, _)) = arguments.iter().find(|(n, _)| op.info().argument(n).is_none()) {
            return Err(refuse(format!("has no argument `{unknown}`")));
        }
        let types = infer(op, &Operands::new(&self.function, op, &arguments)).map_err(refuse)?;
        if let Some(ty) = types.iter().find(|ty| ty.tensor().is_none_or(|ty| ty.elements() == 0)) {
            return Err(refuse(format!("result {ty} is empty or not of known shape")));
        }
        let results: Vec<ValueId> =
            types.into_iter().enumerate().map(|(position, ty)| self.result(name, ty, position)).collect();
        self.function.ops.push(Operation::new(op, arguments, results.clone()));
        Ok(results)
    }

    /// A result of the operation about to be added.
    fn result(&mut self, name: &str, ty: Type, position: usize) -> ValueId {
        let name = self.unique(name);
        let definition = Definition::Result { op: self.function.ops.len(), result: position };
        self.function.push_value(Value { name, ty, definition }, definition)
    }

    /// `wanted`, or `wanted_2`, `wanted_3` … if taken.
    fn unique(&mut self, wanted: &str) -> String {
        let Some(last) = self.names.get(wanted).copied() else {
            self.names.insert(wanted.to_owned(), 1);
            return wanted.to_owned();
        };
        let free = (last + 1..).map(|suffix| (suffix, format!("{wanted}_{suffix}")));
        let found = free.into_iter().find(|(_, name)| !self.names.contains_key(name));
        // The range of suffixes is longer than any function; the fallback is never reached.
        let (suffix, name) = found.unwrap_or((u32::MAX, format!("{wanted}_")));
        self.names.insert(wanted.to_owned(), suffix);
        self.names.insert(name.clone(), 1);
        name
    }

    /// An attribute of the operation about to be named `name`, as `name_attribute`.
    fn attribute(
        &mut self,
        name: &str,
        attribute: &'static str,
        value: Constant,
    ) -> (&'static str, Argument) {
        (attribute, Argument::Value(self.constant(&format!("{name}_{attribute}"), value)))
    }

    /// Refuses scalars where an attribute would be an empty list, which the language does not have.
    fn require_dimensions(&self, op: Op, name: &str, x: ValueId) -> Result<(), MilError> {
        if self.ty(x).rank() > 0 {
            return Ok(());
        }
        let reason = "a scalar has no dimensions".to_owned();
        Err(MilError::Op { name: name.to_owned(), op: op.name(), reason })
    }

    fn unary(&mut self, op: Op, name: &str, x: ValueId) -> Result<ValueId, MilError> {
        self.op(op, name, vec![("x", Argument::Value(x))])
    }

    fn binary(&mut self, op: Op, name: &str, x: ValueId, y: ValueId) -> Result<ValueId, MilError> {
        self.op(op, name, vec![("x", Argument::Value(x)), ("y", Argument::Value(y))])
    }

    fn with_epsilon(&mut self, op: Op, name: &str, x: ValueId, epsilon: f32) -> Result<ValueId, MilError> {
        let epsilon = Constant::float(self.ty(x).dtype, epsilon)?;
        let epsilon = self.attribute(name, "epsilon", epsilon);
        self.op(op, name, vec![epsilon, ("x", Argument::Value(x))])
    }

    fn reduce(&mut self, op: Op, name: &str, x: ValueId, axes: &[i32]) -> Result<ValueId, MilError> {
        let axes = self.attribute(name, "axes", Constant::ints(axes));
        let keep = self.attribute(name, "keep_dims", Constant::bool(true));
        self.op(op, name, vec![axes, keep, ("x", Argument::Value(x))])
    }

    /// `transpose_x(x) · transpose_y(y)` over the last two dimensions.
    ///
    /// # Errors
    /// [`MilError::Op`], as do all of the methods that follow.
    pub fn matmul(
        &mut self,
        name: &str,
        (x, transpose_x): (ValueId, bool),
        (y, transpose_y): (ValueId, bool),
    ) -> Result<ValueId, MilError> {
        let tx = self.attribute(name, "transpose_x", Constant::bool(transpose_x));
        let ty = self.attribute(name, "transpose_y", Constant::bool(transpose_y));
        self.op(Op::Matmul, name, vec![tx, ty, ("x", Argument::Value(x)), ("y", Argument::Value(y))])
    }

    /// The same elements in another shape; no operation if the shape is already that.
    ///
    /// # Errors
    /// See [`Builder::matmul`].
    pub fn reshape(&mut self, name: &str, x: ValueId, shape: &[usize]) -> Result<ValueId, MilError> {
        if self.ty(x).shape == shape {
            return Ok(x);
        }
        let shape: Vec<i32> = shape.iter().map(|&d| i32::try_from(d).unwrap_or(0)).collect();
        let shape = self.attribute(name, "shape", Constant::ints(&shape));
        self.op(Op::Reshape, name, vec![shape, ("x", Argument::Value(x))])
    }

    /// Dimensions reordered.
    ///
    /// # Errors
    /// See [`Builder::matmul`].
    pub fn transpose(&mut self, name: &str, x: ValueId, perm: &[i32]) -> Result<ValueId, MilError> {
        self.require_dimensions(Op::Transpose, name, x)?;
        let perm = self.attribute(name, "perm", Constant::ints(perm));
        self.op(Op::Transpose, name, vec![perm, ("x", Argument::Value(x))])
    }

    /// `size` positions of one axis from `begin`, all of the others.
    ///
    /// # Errors
    /// See [`Builder::matmul`].
    pub fn slice_axis(
        &mut self,
        name: &str,
        x: ValueId,
        axis: usize,
        begin: usize,
        size: usize,
    ) -> Result<ValueId, MilError> {
        self.require_dimensions(Op::SliceBySize, name, x)?;
        let mut begins = vec![0i32; self.ty(x).rank()];
        let mut sizes: Vec<i32> = self.ty(x).shape.iter().map(|&d| i32::try_from(d).unwrap_or(0)).collect();
        if let (Some(b), Some(s)) = (begins.get_mut(axis), sizes.get_mut(axis)) {
            (*b, *s) = (i32::try_from(begin).unwrap_or(-1), i32::try_from(size).unwrap_or(0));
        }
        let begin = self.attribute(name, "begin", Constant::ints(&begins));
        let size = self.attribute(name, "size", Constant::ints(&sizes));
        self.op(Op::SliceBySize, name, vec![begin, size, ("x", Argument::Value(x))])
    }

    /// Tensors joined along an axis.
    ///
    /// # Errors
    /// See [`Builder::matmul`].
    pub fn concat(&mut self, name: &str, values: &[ValueId], axis: i32) -> Result<ValueId, MilError> {
        let axis = self.attribute(name, "axis", Constant::int(axis));
        let interleave = self.attribute(name, "interleave", Constant::bool(false));
        self.op(Op::Concat, name, vec![axis, interleave, ("values", Argument::Tuple(values.to_vec()))])
    }

    /// Softmax along an axis.
    ///
    /// # Errors
    /// See [`Builder::matmul`].
    pub fn softmax(&mut self, name: &str, x: ValueId, axis: i32) -> Result<ValueId, MilError> {
        let axis = self.attribute(name, "axis", Constant::int(axis));
        self.op(Op::Softmax, name, vec![axis, ("x", Argument::Value(x))])
    }

    /// Conversion to another floating type.
    ///
    /// # Errors
    /// See [`Builder::matmul`].
    pub fn cast(&mut self, name: &str, x: ValueId, dtype: DType) -> Result<ValueId, MilError> {
        let dtype = self.attribute(name, "dtype", Constant::string(dtype.name()));
        self.op(Op::Cast, name, vec![dtype, ("x", Argument::Value(x))])
    }

    /// The finished function with those outputs, inputs numbered first.
    ///
    /// # Errors
    /// [`MilError::Function`] if there is no output, or an output is a constant (the device refuses one).
    pub fn finish(mut self, outputs: &[ValueId]) -> Result<Function, MilError> {
        let fault = |reason: String| MilError::Function { function: self.function.name.clone(), reason };
        if outputs.is_empty() {
            return Err(fault("has no outputs".to_owned()));
        }
        for &output in outputs {
            if self.function.constant(output).is_some() {
                let name = &self.function.value(output).name;
                return Err(fault(format!("output `{name}` is a constant")));
            }
        }
        self.function.outputs = outputs.to_vec();
        let mut finished = self.function.without_dead_code();
        // Core ML's compiler repeats the identifier in the attribute `name`; some device compilers want it there.
        for op in &mut finished.ops {
            if let Some(result) = op.results.first() {
                let name = Constant::string(&finished.values[result.index()].name);
                op.attributes.insert(0, (Name::Borrowed("name"), Literal::Tensor(name)));
            }
        }
        Ok(finished)
    }
}

macro_rules! shorthand {
    ($( $method:ident = $kind:ident $op:ident ( $($arg:ident : $ty:ty),* ) $doc:literal; )*) => {
        impl Builder { $(
            #[doc = $doc]
            ///
            /// # Errors
            /// [`MilError::Op`] if the operands break the op's rule.
            pub fn $method(&mut self, name: &str, $($arg: $ty),*) -> Result<ValueId, MilError> {
                self.$kind(Op::$op, name, $($arg),*)
            }
        )* }
    };
}

shorthand! {
    add = binary Add(x: ValueId, y: ValueId) "x + y.";
    sub = binary Sub(x: ValueId, y: ValueId) "x − y.";
    mul = binary Mul(x: ValueId, y: ValueId) "x · y elementwise.";
    real_div = binary RealDiv(x: ValueId, y: ValueId) "x / y.";
    pow = binary Pow(x: ValueId, y: ValueId) "x to the power y.";
    abs = unary Abs(x: ValueId) "|x|.";
    cos = unary Cos(x: ValueId) "Cosine.";
    cosh = unary Cosh(x: ValueId) "Hyperbolic cosine.";
    erf = unary Erf(x: ValueId) "The Gauss error function.";
    exp = unary Exp(x: ValueId) "e^x.";
    relu = unary Relu(x: ValueId) "max(x, 0).";
    sign = unary Sign(x: ValueId) "−1, 0 or 1.";
    sin = unary Sin(x: ValueId) "Sine.";
    sinh = unary Sinh(x: ValueId) "Hyperbolic sine.";
    sqrt = unary Sqrt(x: ValueId) "√x.";
    square = unary Square(x: ValueId) "x².";
    sigmoid = unary Sigmoid(x: ValueId) "1/(1 + e^−x).";
    silu = unary Silu(x: ValueId) "x · sigmoid(x).";
    tanh = unary Tanh(x: ValueId) "Hyperbolic tangent.";
    identity = unary Identity(x: ValueId) "x.";
    log = with_epsilon Log(x: ValueId, epsilon: f32) "ln(x + epsilon).";
    rsqrt = with_epsilon Rsqrt(x: ValueId, epsilon: f32) "1/√(x + epsilon).";
    inverse = with_epsilon Inverse(x: ValueId, epsilon: f32) "1/(x + epsilon).";
    reduce_sum = reduce ReduceSum(x: ValueId, axes: &[i32]) "Sum over axes, extents kept as one.";
    reduce_mean = reduce ReduceMean(x: ValueId, axes: &[i32]) "Mean over axes, extents kept as one.";
}
