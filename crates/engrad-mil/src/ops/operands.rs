use super::row::{ArgumentKind, ArgumentSpec, Default};
use crate::{
    Argument, Constant, ConstantData, DType, Dim, Function, Literal, Name, Op, Operation, ShapedType,
    TensorType, Type, ValueId,
};

/// The arguments of one operation as shape rules and engines read them: types, and constant values by name, with the op
/// table's defaults for what is not given.
#[derive(Debug, Clone, Copy)]
pub struct Operands<'a> {
    function: &'a Function,
    op: Op,
    arguments: &'a [(Name, Argument)],
    attributes: &'a [(Name, Literal)],
}

/// What was given for an argument.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Given<'a> {
    Value(ValueId),
    Tuple(&'a [ValueId]),
    Literal(&'a Literal),
}

impl<'a> Operands<'a> {
    /// Arguments of an operation of `function` that is in the making.
    pub fn new(function: &'a Function, op: Op, arguments: &'a [(Name, Argument)]) -> Self {
        Self { function, op, arguments, attributes: &[] }
    }

    /// Arguments of an operation of `function`. Attributes count as arguments where the op table has them: `constexpr`
    /// operations of older operation sets are written so.
    pub fn of(function: &'a Function, operation: &'a Operation) -> Self {
        Self {
            function,
            op: operation.op,
            arguments: &operation.arguments,
            attributes: &operation.attributes,
        }
    }

    pub(crate) fn given(&self, name: &str) -> Option<Given<'a>> {
        let argument = self.arguments.iter().find(|(n, _)| n == name).map(|(_, a)| match a {
            Argument::Value(id) => Given::Value(*id),
            Argument::Tuple(ids) => Given::Tuple(ids),
            Argument::Literal(literal) => Given::Literal(literal),
        });
        let attribute = || self.attributes.iter().find(|(n, _)| n == name).map(|(_, l)| Given::Literal(l));
        argument.or_else(attribute)
    }

    /// Whether the argument is given.
    pub fn has(&self, name: &str) -> bool {
        self.given(name).is_some()
    }

    /// Checks each argument of the op table: given where required, and of its kind and element type. Arguments that the
    /// table lacks are another rule's matter.
    ///
    /// # Errors
    /// The first argument that is missing, repeated or of the wrong kind.
    pub fn check_kinds(&self) -> Result<(), String> {
        for spec in self.op.info().arguments {
            self.check_kind(spec)?;
        }
        Ok(())
    }

    fn check_kind(&self, spec: &ArgumentSpec) -> Result<(), String> {
        let times = self.arguments.iter().filter(|(n, _)| n == spec.name).count();
        if times > 1 {
            return Err(format!("argument `{}` is given {times} times", spec.name));
        }
        if !self.has(spec.name) {
            return match spec.default {
                Default::Required => Err(format!("argument `{}` is missing", spec.name)),
                _ => Ok(()),
            };
        }
        let accept = |dtype: Option<DType>| match dtype {
            Some(dtype) if spec.dtypes.accept(dtype) => Ok(()),
            Some(dtype) => {
                Err(format!("argument `{}` must be {}, not {dtype}", spec.name, spec.dtypes.words))
            }
            None => Err(format!("argument `{}` must be a tensor", spec.name)),
        };
        match spec.kind {
            ArgumentKind::Tensor => accept(self.type_given(spec.name)?.dtype()),
            ArgumentKind::Constant => {
                self.constant_given(spec.name)?;
                accept(self.type_given(spec.name)?.dtype())
            }
            ArgumentKind::Tensors => {
                self.tensors(spec.name)?.iter().try_for_each(|&id| accept(self.function.value(id).ty.dtype()))
            }
            ArgumentKind::Int => self.int(spec.name).map(drop),
            ArgumentKind::Ints => self.ints(spec.name).map(drop),
            ArgumentKind::Bool => self.bool(spec.name).map(drop),
            ArgumentKind::Bools => self.bools(spec.name).map(drop),
            ArgumentKind::Float => self.float(spec.name).map(drop),
            ArgumentKind::String => self.string(spec.name).map(drop),
            ArgumentKind::State => match self.type_given(spec.name)? {
                Type::State(_) => Ok(()),
                other => Err(format!("argument `{}` must be a state, not {other}", spec.name)),
            },
            ArgumentKind::List => match self.type_given(spec.name)? {
                Type::List(..) => Ok(()),
                other => Err(format!("argument `{}` must be a list, not {other}", spec.name)),
            },
            ArgumentKind::Any => Ok(()),
        }
    }

    fn missing(name: &str) -> String {
        format!("argument `{name}` is missing")
    }

    /// The value passed for `name`.
    ///
    /// # Errors
    /// If it is missing, a tuple or a literal.
    pub fn id(&self, name: &str) -> Result<ValueId, String> {
        match self.given(name).ok_or_else(|| Self::missing(name))? {
            Given::Value(id) => Ok(id),
            Given::Tuple(_) => Err(format!("argument `{name}` takes one value, not a tuple")),
            Given::Literal(_) => Err(format!("argument `{name}` takes a value, not a literal")),
        }
    }

    /// The type of what is given for `name`; a tuple of one is that one.
    ///
    /// # Errors
    /// If it is missing or a longer tuple.
    pub fn type_given(&self, name: &str) -> Result<Type, String> {
        match self.given(name).ok_or_else(|| Self::missing(name))? {
            Given::Value(id) | Given::Tuple(&[id]) => Ok(self.function.value(id).ty.clone()),
            Given::Tuple(_) => Err(format!("argument `{name}` takes one value, not a tuple")),
            Given::Literal(literal) => Ok(literal.ty()),
        }
    }

    /// Element type and extents of a tensor argument.
    ///
    /// # Errors
    /// If it is missing or no tensor.
    pub fn shaped(&self, name: &str) -> Result<ShapedType, String> {
        let ty = self.type_given(name)?;
        match &ty {
            Type::Tensor(_) | Type::Flexible(_) => ty.shaped(),
            _ => None,
        }
        .ok_or_else(|| format!("argument `{name}` must be a tensor, not {ty}"))
    }

    /// Static type of a tensor argument that is a value.
    ///
    /// # Errors
    /// If it is missing, no value, or of unknown shape.
    pub fn tensor(&self, name: &str) -> Result<&'a TensorType, String> {
        let value = self.function.value(self.id(name)?);
        value
            .ty
            .tensor()
            .ok_or_else(|| format!("argument `{name}` is {}, not a tensor of known shape", value.ty))
    }

    /// Values of a tuple argument; a single value is a tuple of one.
    ///
    /// # Errors
    /// If it is missing or empty.
    pub fn tensors(&self, name: &str) -> Result<&'a [ValueId], String> {
        let argument = self.arguments.iter().find(|(n, _)| n == name).map(|(_, a)| a);
        match argument.ok_or_else(|| Self::missing(name))? {
            Argument::Literal(_) => Err(format!("argument `{name}` takes values, not a literal")),
            other => match other.values() {
                [] => Err(format!("argument `{name}` is an empty tuple")),
                values => Ok(values),
            },
        }
    }

    /// Values of a tuple argument that may be empty; a single value is a tuple of one.
    ///
    /// # Errors
    /// If it is missing or a literal.
    pub fn tuple(&self, name: &str) -> Result<&'a [ValueId], String> {
        match self.arguments.iter().find(|(n, _)| n == name).map(|(_, a)| a) {
            Some(Argument::Literal(_)) => Err(format!("argument `{name}` takes values, not a literal")),
            Some(argument) => Ok(argument.values()),
            None => Err(Self::missing(name)),
        }
    }

    /// Static type of any value of the function; see [`Function::ty`].
    pub fn type_of(&self, id: ValueId) -> &'a TensorType {
        self.function.ty(id)
    }

    /// Element type and extents of any value of the function.
    ///
    /// # Errors
    /// If it is no tensor.
    pub fn shaped_of(&self, id: ValueId) -> Result<ShapedType, String> {
        let value = self.function.value(id);
        value.ty.shaped().ok_or_else(|| format!("`{}` must be a tensor, not {}", value.name, value.ty))
    }

    /// The constant given for `name`, if it is given as one.
    pub fn constant(&self, name: &str) -> Option<&'a Constant> {
        match self.given(name)? {
            Given::Value(id) | Given::Tuple(&[id]) => self.function.constant(id),
            Given::Tuple(_) => None,
            Given::Literal(literal) => literal.tensor(),
        }
    }

    /// The constant a value of the function is defined as, if it is one.
    pub fn constant_of(&self, id: ValueId) -> Option<&'a Constant> {
        self.function.constant(id)
    }

    /// Whether a constant is given for `name`, or weights that come out of a decompression.
    pub(crate) fn is_constant(&self, name: &str) -> bool {
        match self.given(name) {
            Some(Given::Value(id) | Given::Tuple(&[id])) => self
                .function
                .defining_op(id)
                .is_some_and(|op| op.op == Op::Const || op.op.name().starts_with("constexpr_")),
            Some(Given::Literal(_)) => true,
            Some(Given::Tuple(_)) | None => false,
        }
    }

    fn constant_given(&self, name: &str) -> Result<&'a Constant, String> {
        if let Some(constant) = self.constant(name) {
            return Ok(constant);
        }
        // Weights may come out of a decompression: constant, though no `const`.
        Err(format!("argument `{name}` must be a constant"))
    }

    fn default(&self, name: &str) -> Default {
        self.op.info().argument(name).map_or(Default::Required, |spec| spec.default)
    }

    fn rank_of_x(&self) -> Result<usize, String> {
        Ok(self.shaped("x")?.rank())
    }

    /// The integers of a constant list or scalar, or the default. `None` if a value is given that is computed at run time.
    ///
    /// # Errors
    /// If it is missing, or constant but no integers.
    pub fn known_ints(&self, name: &str) -> Result<Option<Vec<i32>>, String> {
        match (self.has(name), self.constant(name)) {
            (true, Some(_)) | (false, _) => self.ints(name).map(Some),
            (true, None) => Ok(None),
        }
    }

    /// A constant list of integers of any width, or the default; a scalar is a list of one.
    ///
    /// # Errors
    /// If it is not one.
    pub fn ints(&self, name: &str) -> Result<Vec<i32>, String> {
        if !self.has(name) {
            return match self.default(name) {
                Default::Ints(list) => Ok(list.to_vec()),
                Default::Int(value) => Ok(vec![value]),
                Default::Spatial(value) => Ok(vec![value; self.rank_of_x()?.saturating_sub(2)]),
                Default::SpatialPairs(value) => Ok(vec![value; 2 * self.rank_of_x()?.saturating_sub(2)]),
                Default::EachDim(value) => Ok(vec![value; self.rank_of_x()?]),
                _ => Err(Self::missing(name)),
            };
        }
        let constant = self.constant_given(name)?;
        let values = (constant.ty.rank() <= 1 && constant.ty.dtype.is_integer())
            .then(|| constant.to_i64())
            .flatten()
            .and_then(|values| values.into_iter().map(|v| i32::try_from(v).ok()).collect::<Option<Vec<_>>>());
        values.ok_or_else(|| format!("argument `{name}` must be a list of int32, not {}", constant.ty))
    }

    /// A constant integer, or the default; a list of one counts.
    ///
    /// # Errors
    /// If it is not one.
    pub fn int(&self, name: &str) -> Result<i32, String> {
        match self.ints(name)?[..] {
            [value] => Ok(value),
            _ => Err(format!("argument `{name}` must be an int32, not a list")),
        }
    }

    /// A constant list of truth values, or the default.
    ///
    /// # Errors
    /// If it is not one.
    pub fn bools(&self, name: &str) -> Result<Vec<bool>, String> {
        if !self.has(name) {
            return match self.default(name) {
                Default::Bool(value) => Ok(vec![value]),
                Default::EachDimFalse => Ok(vec![false; self.rank_of_x()?]),
                _ => Err(Self::missing(name)),
            };
        }
        let constant = self.constant_given(name)?;
        match &constant.data {
            ConstantData::Bool(values) => Ok(values.clone()),
            _ => Err(format!("argument `{name}` must be a bool, not {}", constant.ty)),
        }
    }

    /// A constant truth value, or the default.
    ///
    /// # Errors
    /// If it is not one.
    pub fn bool(&self, name: &str) -> Result<bool, String> {
        match self.bools(name)?[..] {
            [value] => Ok(value),
            _ => Err(format!("argument `{name}` must be a bool, not a list")),
        }
    }

    /// A constant floating-point scalar, or the default.
    ///
    /// # Errors
    /// If it is not one.
    pub fn float(&self, name: &str) -> Result<f64, String> {
        if !self.has(name) {
            return match self.default(name) {
                Default::Float(value) => Ok(value),
                _ => Err(Self::missing(name)),
            };
        }
        let constant = self.constant_given(name)?;
        match constant.to_f64().as_deref() {
            Some([value]) if constant.ty.dtype.is_float() => Ok(*value),
            _ => Err(format!("argument `{name}` must be a floating-point scalar, not {}", constant.ty)),
        }
    }

    /// A constant text, or the default.
    ///
    /// # Errors
    /// If it is not one.
    pub fn string(&self, name: &str) -> Result<&'a str, String> {
        if !self.has(name) {
            return match self.default(name) {
                Default::Text(text) => Ok(text),
                _ => Err(Self::missing(name)),
            };
        }
        let constant = self.constant_given(name)?;
        constant.as_str().ok_or_else(|| format!("argument `{name}` must be a string, not {}", constant.ty))
    }

    /// The element type an argument names, e.g. `dtype = string("fp16")`.
    ///
    /// # Errors
    /// If it is no text that names one.
    pub fn dtype(&self, name: &str) -> Result<DType, String> {
        let text = self.string(name)?;
        DType::from_name(&text.to_ascii_lowercase())
            .ok_or_else(|| format!("argument `{name}` names no element type: `{text}`"))
    }

    /// An axis argument resolved against a rank; negative counts from the end.
    ///
    /// # Errors
    /// If it is out of range.
    pub fn axis(&self, name: &str, rank: usize) -> Result<usize, String> {
        resolve_axis(self.int(name)?, rank)
    }

    /// A list of distinct axes resolved against a rank, sorted; all of them if the argument is optional and not given.
    ///
    /// # Errors
    /// If one is out of range or repeated.
    pub fn axes(&self, name: &str, rank: usize) -> Result<Vec<usize>, String> {
        if !self.has(name) && self.default(name) == Default::Absent {
            return Ok((0..rank).collect());
        }
        let mut axes =
            self.ints(name)?.into_iter().map(|a| resolve_axis(a, rank)).collect::<Result<Vec<_>, _>>()?;
        axes.sort_unstable();
        if axes.windows(2).any(|w| w[0] == w[1]) {
            return Err(format!("argument `{name}` repeats an axis"));
        }
        Ok(axes)
    }

    /// Extents that an argument lists: its constants where it is one, its length's worth of unknown extents otherwise.
    ///
    /// # Errors
    /// If it is no list of integers, or its length is not known.
    pub fn extents(&self, name: &str) -> Result<Vec<Dim>, String> {
        if let Some(values) = self.known_ints(name)? {
            let extent = |v: i32| {
                usize::try_from(v)
                    .map(Dim::Fixed)
                    .map_err(|_| format!("argument `{name}` has the extent {v}"))
            };
            return values.into_iter().map(extent).collect();
        }
        let list = self.shaped(name)?;
        match &list.dims[..] {
            [] => Ok(vec![Dim::Any]),
            [Dim::Fixed(length)] if *length <= crate::MAX_RANK => Ok(vec![Dim::Any; *length]),
            _ => Err(format!("argument `{name}` is {list}: the rank of the result is not known")),
        }
    }
}

/// An axis against a rank; negative counts from the end.
///
/// # Errors
/// If it is out of range.
pub fn resolve_axis(axis: i32, rank: usize) -> Result<usize, String> {
    let resolved = if axis < 0 { i64::from(axis) + rank as i64 } else { i64::from(axis) };
    usize::try_from(resolved)
        .ok()
        .filter(|&a| a < rank)
        .ok_or_else(|| format!("axis {axis} is out of range for rank {rank}"))
}
