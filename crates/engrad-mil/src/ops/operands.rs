use crate::{Argument, ArgumentKind, Constant, ConstantData, Function, Op, TensorType, ValueId};

/// The arguments of one operation as shape rules and engines read them: types, and constant values by name.
#[derive(Debug)]
pub struct Operands<'a> {
    function: &'a Function,
    op: Op,
    arguments: &'a [(&'static str, Argument)],
}

impl<'a> Operands<'a> {
    /// Arguments of an operation of `function`.
    pub fn new(function: &'a Function, op: Op, arguments: &'a [(&'static str, Argument)]) -> Self {
        Self { function, op, arguments }
    }

    /// Checks that exactly the op table's arguments are there, each of its kind.
    ///
    /// # Errors
    /// The first argument missing, unknown, repeated or of the wrong kind.
    pub fn check_kinds(&self) -> Result<(), String> {
        let specs = self.op.info().arguments;
        for (name, _) in self.arguments {
            if !specs.iter().any(|s| s.name == *name) {
                return Err(format!("has no argument `{name}`"));
            }
        }
        for spec in specs {
            let passed = self.arguments.iter().filter(|(n, _)| *n == spec.name).count();
            if passed != 1 {
                return Err(format!("argument `{}` is given {passed} times, not once", spec.name));
            }
            match spec.kind {
                ArgumentKind::Tensor => drop(self.tensor(spec.name)?),
                ArgumentKind::Tensors => drop(self.tensors(spec.name)?),
                ArgumentKind::Int => drop(self.int(spec.name)?),
                ArgumentKind::Ints => drop(self.ints(spec.name)?),
                ArgumentKind::Bool => drop(self.bool(spec.name)?),
                ArgumentKind::Float => drop(self.float(spec.name)?),
                ArgumentKind::String => drop(self.string(spec.name)?),
            }
        }
        Ok(())
    }

    fn find(&self, name: &str) -> Result<&'a Argument, String> {
        self.arguments
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, a)| a)
            .ok_or_else(|| format!("argument `{name}` is missing"))
    }

    /// The value passed for `name`.
    ///
    /// # Errors
    /// If it is missing or a tuple.
    pub fn id(&self, name: &str) -> Result<ValueId, String> {
        match self.find(name)? {
            Argument::Value(id) => Ok(*id),
            Argument::Tuple(_) => Err(format!("argument `{name}` takes one value, not a tuple")),
        }
    }

    /// Type of a tensor argument.
    ///
    /// # Errors
    /// If it is missing or a tuple.
    pub fn tensor(&self, name: &str) -> Result<&'a TensorType, String> {
        Ok(self.function.ty(self.id(name)?))
    }

    /// Values of a tuple argument; a single value is a tuple of one.
    ///
    /// # Errors
    /// If it is missing or empty.
    pub fn tensors(&self, name: &str) -> Result<&'a [ValueId], String> {
        match self.find(name)?.values() {
            [] => Err(format!("argument `{name}` is an empty tuple")),
            values => Ok(values),
        }
    }

    /// Type of any value of the function.
    pub fn type_of(&self, id: ValueId) -> &'a TensorType {
        self.function.ty(id)
    }

    fn constant(&self, name: &str) -> Result<&'a Constant, String> {
        let id = self.id(name)?;
        self.function.constant(id).ok_or_else(|| format!("argument `{name}` must be a constant"))
    }

    /// A constant list of integers.
    ///
    /// # Errors
    /// If it is not one.
    pub fn ints(&self, name: &str) -> Result<&'a [i32], String> {
        let constant = self.constant(name)?;
        match &constant.data {
            ConstantData::Int32(values) if constant.ty.rank() == 1 => Ok(values),
            _ => Err(format!("argument `{name}` must be a list of int32, not {}", constant.ty)),
        }
    }

    /// A constant integer.
    ///
    /// # Errors
    /// If it is not one.
    pub fn int(&self, name: &str) -> Result<i32, String> {
        let constant = self.constant(name)?;
        match &constant.data {
            ConstantData::Int32(values) if values.len() == 1 && constant.ty.rank() == 0 => Ok(values[0]),
            _ => Err(format!("argument `{name}` must be an int32, not {}", constant.ty)),
        }
    }

    /// A constant truth value.
    ///
    /// # Errors
    /// If it is not one.
    pub fn bool(&self, name: &str) -> Result<bool, String> {
        let constant = self.constant(name)?;
        match &constant.data {
            ConstantData::Bool(values) if values.len() == 1 => Ok(values[0]),
            _ => Err(format!("argument `{name}` must be a bool, not {}", constant.ty)),
        }
    }

    /// A constant floating-point scalar.
    ///
    /// # Errors
    /// If it is not one.
    pub fn float(&self, name: &str) -> Result<f64, String> {
        let constant = self.constant(name)?;
        match constant.to_f64().as_deref() {
            Some([value]) if constant.ty.dtype.is_float() => Ok(*value),
            _ => Err(format!("argument `{name}` must be a floating-point scalar, not {}", constant.ty)),
        }
    }

    /// A constant text.
    ///
    /// # Errors
    /// If it is not one.
    pub fn string(&self, name: &str) -> Result<&'a str, String> {
        let constant = self.constant(name)?;
        match &constant.data {
            ConstantData::String(values) if values.len() == 1 => Ok(&values[0]),
            _ => Err(format!("argument `{name}` must be a string, not {}", constant.ty)),
        }
    }

    /// An axis argument resolved against a rank; negative counts from the end.
    ///
    /// # Errors
    /// If it is out of range.
    pub fn axis(&self, name: &str, rank: usize) -> Result<usize, String> {
        resolve_axis(self.int(name)?, rank)
    }

    /// A list of distinct axes resolved against a rank, sorted.
    ///
    /// # Errors
    /// If one is out of range or repeated.
    pub fn axes(&self, name: &str, rank: usize) -> Result<Vec<usize>, String> {
        let mut axes =
            self.ints(name)?.iter().map(|&a| resolve_axis(a, rank)).collect::<Result<Vec<_>, _>>()?;
        axes.sort_unstable();
        if axes.windows(2).any(|w| w[0] == w[1]) {
            return Err(format!("argument `{name}` repeats an axis"));
        }
        Ok(axes)
    }
}

fn resolve_axis(axis: i32, rank: usize) -> Result<usize, String> {
    let resolved = if axis < 0 { i64::from(axis) + rank as i64 } else { i64::from(axis) };
    usize::try_from(resolved)
        .ok()
        .filter(|&a| a < rank)
        .ok_or_else(|| format!("axis {axis} is out of range for rank {rank}"))
}
