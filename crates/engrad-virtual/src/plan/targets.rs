//! Concatenation in place: values whose only use is to become part of a `concat` are computed where they will stand.

use engrad_mil::{Function, Op, Operands, ValueId};

use crate::layout::Layout;

/// Where a value should be computed: a part of the buffer of `root`, the outermost concatenation it ends up in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Target {
    pub(super) root: ValueId,
    pub(super) layout: Layout,
}

/// How often each value is used, by operations and as an output.
pub(super) fn count_uses(function: &Function) -> Vec<usize> {
    let mut uses = vec![0; function.values().len()];
    let operands = function.ops().iter().flat_map(|op| op.operands());
    operands.chain(function.outputs().iter().copied()).for_each(|id| uses[id.index()] += 1);
    uses
}

/// The target of each value that has one. Operations are visited last to first, so the target of a concatenation
/// is known when its parts are.
pub(super) fn find_targets(function: &Function, uses: &[usize]) -> Result<Vec<Option<Target>>, String> {
    let mut targets: Vec<Option<Target>> = vec![None; function.values().len()];
    for op in function.ops().iter().rev() {
        let [result] = op.results[..] else { continue };
        let operands = Operands::of(function, op);
        let shape = &function.ty(result).shape;
        let own = targets[result.index()];
        if op.op == Op::Concat {
            if operands.bool("interleave")? || operands.shaped_of(operands.tensors("values")?[0])?.rank() == 0
            {
                return Err("joins of scalars and interleaved ones are not planned".to_owned());
            }
            let axis = operands.axis("axis", shape.len())?;
            let whole = own.unwrap_or(Target { root: result, layout: Layout::dense(shape) });
            for (part, layout) in parts(function, operands.tensors("values")?, axis, &whole.layout) {
                if uses[part.index()] == 1 {
                    targets[part.index()] = Some(Target { root: whole.root, layout });
                }
            }
            continue;
        }
        let Some(Target { root, layout }) = own else {
            continue;
        };
        let Some(x) = op.value("x").filter(|x| uses[x.index()] == 1) else {
            continue;
        };
        let from = &function.ty(x).shape;
        let inverse = match op.op {
            Op::Reshape | Op::ExpandDims | Op::Squeeze | Op::Flatten2d | Op::Identity => layout.reshape(from),
            Op::Transpose => {
                let mut inverse = vec![0; from.len()];
                for (i, &p) in operands.ints("perm")?.iter().enumerate() {
                    inverse[if p < 0 { p + from.len() as i32 } else { p } as usize] = i;
                }
                Some(layout.permute(&inverse))
            }
            _ => None,
        };
        targets[x.index()] = inverse.map(|layout| Target { root, layout });
    }
    Ok(targets)
}

/// The parts of a concatenation, each with its place in the whole.
pub(super) fn parts<'a>(
    function: &'a Function,
    values: &'a [ValueId],
    axis: usize,
    whole: &'a Layout,
) -> impl Iterator<Item = (ValueId, Layout)> + 'a {
    let mut start = 0;
    values.iter().map(move |&part| {
        let shape = &function.ty(part).shape;
        let mut begin = vec![0; shape.len()];
        begin[axis] = start;
        start += shape[axis];
        (part, whole.slice(&begin, shape))
    })
}
