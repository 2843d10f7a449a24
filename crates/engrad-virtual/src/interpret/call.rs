//! One operation with its concrete arguments.

pub(crate) use engrad_mil::resolve_axis;
use engrad_mil::{DType, Default, Op, Type};

use super::tensor::Tensor;

/// What is passed for one argument.
#[derive(Debug, Clone)]
pub(crate) enum Passed<'a> {
    One(&'a Tensor),
    Many(Vec<&'a Tensor>),
}

/// An operation on concrete tensors. Arguments that are not given answer with the op table's default.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) op: Op,
    pub(crate) arguments: Vec<(&'a str, Passed<'a>)>,
    /// Declared types of the results; extents may be open.
    pub(crate) results: &'a [&'a Type],
}

/// Computes the results of an operation, unrounded.
pub(crate) type Kernel = fn(&Call<'_>) -> Result<Vec<Tensor>, String>;

impl<'a> Call<'a> {
    fn passed(&self, name: &str) -> Option<&Passed<'a>> {
        self.arguments.iter().find(|(n, _)| *n == name).map(|(_, passed)| passed)
    }

    fn default(&self, name: &str) -> Default {
        self.op.info().argument(name).map_or(Default::Required, |spec| spec.default)
    }

    fn missing(name: &str) -> String {
        format!("argument `{name}` is missing")
    }

    /// Whether the argument is given.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.passed(name).is_some()
    }

    /// A tensor argument, if it is given.
    pub(crate) fn optional(&self, name: &str) -> Result<Option<&'a Tensor>, String> {
        match self.passed(name) {
            None => Ok(None),
            Some(Passed::One(tensor)) => Ok(Some(tensor)),
            Some(Passed::Many(tensors)) => match tensors[..] {
                [only] => Ok(Some(only)),
                _ => Err(format!("argument `{name}` takes one value, not a tuple")),
            },
        }
    }

    /// A tensor argument.
    pub(crate) fn tensor(&self, name: &str) -> Result<&'a Tensor, String> {
        self.optional(name)?.ok_or_else(|| Self::missing(name))
    }

    /// The tensors of a tuple argument.
    pub(crate) fn tensors(&self, name: &str) -> Result<Vec<&'a Tensor>, String> {
        match self.passed(name).ok_or_else(|| Self::missing(name))? {
            Passed::One(tensor) => Ok(vec![tensor]),
            Passed::Many(tensors) => Ok(tensors.clone()),
        }
    }

    /// Element type that the result at `position` is declared with.
    pub(crate) fn result_dtype(&self, position: usize) -> Result<DType, String> {
        let ty = self.results.get(position).and_then(|ty| ty.dtype());
        ty.ok_or_else(|| format!("result {position} is not declared as a tensor"))
    }

    fn rank_of_x(&self) -> Result<usize, String> {
        Ok(self.tensor("x")?.rank())
    }

    /// A list of integers; a scalar is a list of one.
    pub(crate) fn ints(&self, name: &str) -> Result<Vec<i32>, String> {
        if let Some(tensor) = self.optional(name)? {
            return Ok(tensor.as_ints().map_err(|e| format!("argument `{name}` {e}"))?.into_owned());
        }
        match self.default(name) {
            Default::Ints(list) => Ok(list.to_vec()),
            Default::Int(value) => Ok(vec![value]),
            Default::Spatial(value) => Ok(vec![value; self.rank_of_x()?.saturating_sub(2)]),
            Default::SpatialPairs(value) => Ok(vec![value; 2 * self.rank_of_x()?.saturating_sub(2)]),
            Default::EachDim(value) => Ok(vec![value; self.rank_of_x()?]),
            _ => Err(Self::missing(name)),
        }
    }

    /// A list of extents or counts, none negative.
    pub(crate) fn sizes(&self, name: &str) -> Result<Vec<usize>, String> {
        let size =
            |v: i32| usize::try_from(v).map_err(|_| format!("argument `{name}` has the negative size {v}"));
        self.ints(name)?.into_iter().map(size).collect()
    }

    /// An integer; a list of one counts.
    pub(crate) fn int(&self, name: &str) -> Result<i32, String> {
        match self.ints(name)?[..] {
            [value] => Ok(value),
            ref other => Err(format!("argument `{name}` must be one integer, not {}", other.len())),
        }
    }

    /// A list of truth values.
    pub(crate) fn bools(&self, name: &str) -> Result<Vec<bool>, String> {
        if let Some(tensor) = self.optional(name)? {
            return tensor.as_bools().map_err(|e| format!("argument `{name}` {e}"));
        }
        match self.default(name) {
            Default::Bool(value) => Ok(vec![value]),
            Default::EachDimFalse => Ok(vec![false; self.rank_of_x()?]),
            _ => Err(Self::missing(name)),
        }
    }

    /// A truth value.
    pub(crate) fn bool(&self, name: &str) -> Result<bool, String> {
        match self.bools(name)?[..] {
            [value] => Ok(value),
            ref other => Err(format!("argument `{name}` must be one truth value, not {}", other.len())),
        }
    }

    /// A floating-point scalar; integers are converted.
    pub(crate) fn float(&self, name: &str) -> Result<f32, String> {
        let Some(tensor) = self.optional(name)? else {
            return match self.default(name) {
                Default::Float(value) => Ok(value as f32),
                Default::Int(value) => Ok(value as f32),
                _ => Err(Self::missing(name)),
            };
        };
        match tensor.to_f32().map_err(|e| format!("argument `{name}` {e}"))?[..] {
            [value] => Ok(value),
            ref other => Err(format!("argument `{name}` must be one number, not {}", other.len())),
        }
    }

    /// A text.
    pub(crate) fn string(&self, name: &str) -> Result<&'a str, String> {
        let Some(tensor) = self.optional(name)? else {
            return match self.default(name) {
                Default::Text(text) => Ok(text),
                _ => Err(Self::missing(name)),
            };
        };
        match &tensor.data {
            super::tensor::Data::Texts(texts) if texts.len() == 1 => Ok(&texts[0]),
            _ => Err(format!("argument `{name}` must be a text")),
        }
    }

    /// The element type an argument names.
    pub(crate) fn dtype(&self, name: &str) -> Result<DType, String> {
        let text = self.string(name)?;
        DType::from_name(&text.to_ascii_lowercase())
            .ok_or_else(|| format!("argument `{name}` names no element type: `{text}`"))
    }

    /// An axis resolved against a rank; negative counts from the end.
    pub(crate) fn axis(&self, name: &str, rank: usize) -> Result<usize, String> {
        resolve_axis(self.int(name)?, rank)
    }

    /// Distinct axes resolved against a rank, sorted; all of them if the argument is optional and not given.
    pub(crate) fn axes(&self, name: &str, rank: usize) -> Result<Vec<usize>, String> {
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
}
