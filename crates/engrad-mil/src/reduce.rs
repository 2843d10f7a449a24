//! Shrinks a program while something stays true of it: for compilers that only say "failed".
//!
//! The reduction tries, over and over, to leave out functions, outputs, operations (their results become inputs, or
//! an operand takes their place), inputs, attributes and weights (large constants become zeros), and keeps each change after which
//! the question is still answered with yes. Every program it asks about has sound names and numbering; that it
//! means something to a compiler is the question's own affair.

use crate::{
    Constant, ConstantData, DType, Definition, Function, Literal, Op, Operation, Program, Value, ValueId,
};
use half::f16;

/// What a reduction did.
#[derive(Debug, Clone, PartialEq)]
pub struct Reduced {
    /// The smallest program found of which the answer is yes.
    pub program: Program,
    /// How often the question was asked.
    pub questions: usize,
}

/// Reduces a program of which `holds` is true; at most `budget` questions are asked.
pub fn reduce(program: &Program, budget: usize, mut holds: impl FnMut(&Program) -> bool) -> Reduced {
    let mut best = program.clone();
    let mut questions = 0;
    let mut ask = |candidate: &Program, questions: &mut usize| {
        if *questions >= budget {
            return false;
        }
        *questions += 1;
        holds(candidate)
    };
    loop {
        let before = best.clone();
        whole_functions(&mut best, &mut |p| ask(p, &mut questions));
        for position in 0..best.functions.len() {
            one_function(&mut best, position, &mut |p| ask(p, &mut questions));
        }
        if best == before || questions >= budget {
            return Reduced { program: best, questions };
        }
    }
}

type Question<'a> = dyn FnMut(&Program) -> bool + 'a;

fn whole_functions(best: &mut Program, holds: &mut Question<'_>) {
    let mut position = 0;
    while best.functions.len() > 1 && position < best.functions.len() {
        let mut candidate = best.clone();
        candidate.functions.remove(position);
        if holds(&candidate) {
            *best = candidate;
        } else {
            position += 1;
        }
    }
    if !best.attributes.is_empty() {
        let candidate = Program { attributes: Vec::new(), ..best.clone() };
        if holds(&candidate) {
            *best = candidate;
        }
    }
}

fn one_function(best: &mut Program, position: usize, holds: &mut Question<'_>) {
    // Halves of the outputs first, then one by one.
    let mut size = best.functions[position].outputs.len() / 2;
    while size > 0 {
        let mut start = 0;
        while start < best.functions[position].outputs.len() && best.functions[position].outputs.len() > size
        {
            let end = (start + size).min(best.functions[position].outputs.len());
            let mut function = best.functions[position].clone();
            function.outputs.drain(start..end);
            if !keep(best, position, function.without_dead_code(), holds) {
                start = end;
            }
        }
        size /= 2;
    }
    let clean = best.functions[position].without_dead_code();
    if clean != best.functions[position] {
        keep(best, position, clean, holds);
    }
    end_early(best, position, holds);
    // Blocks of operations at once, then one by one: results become inputs.
    let mut size = best.functions[position].ops.len().next_power_of_two() / 2;
    while size > 0 {
        let mut start = 0;
        while start < best.functions[position].ops.len() {
            let function = &best.functions[position];
            let end = (start + size).min(function.ops.len());
            let cut = cut(function, start, end).without_dead_code();
            if cut == *function || !keep(best, position, cut, holds) {
                start = end;
            }
        }
        size /= 2;
    }
    each_op(best, position, holds, bypass);
    each_op(best, position, holds, plain);
    each_op(best, position, holds, zeros);
    let mut input = 0;
    while input < best.functions[position].inputs.len() {
        let without = without_input(&best.functions[position], input);
        if !without.is_some_and(|function| keep(best, position, function, holds)) {
            input += 1;
        }
    }
    let function = Function { attributes: Vec::new(), ..best.functions[position].clone() };
    if function != best.functions[position] {
        keep(best, position, function, holds);
    }
}

fn keep(best: &mut Program, position: usize, function: Function, holds: &mut Question<'_>) -> bool {
    let mut candidate = best.clone();
    candidate.functions[position] = function;
    let better = holds(&candidate);
    if better {
        *best = candidate;
    }
    better
}

/// Makes an earlier result the only output, as early as possible: cuts the tail of a program at once.
fn end_early(best: &mut Program, position: usize, holds: &mut Question<'_>) {
    let (mut low, mut high) = (0, best.functions[position].ops.len());
    while low < high {
        let function = &best.functions[position];
        let middle = (low + high) / 2;
        let result =
            function.ops.get(middle).filter(|op| op.op != Op::Const).and_then(|op| op.results.first());
        let Some(&result) = result else {
            low = middle + 1;
            continue;
        };
        let shorter = Function { outputs: vec![result], ..function.clone() }.without_dead_code();
        let smaller = shorter.ops.len() < function.ops.len();
        if smaller && keep(best, position, shorter, holds) {
            (low, high) = (0, best.functions[position].ops.len());
        } else {
            low = middle + 1;
        }
    }
}

fn each_op(
    best: &mut Program,
    position: usize,
    holds: &mut Question<'_>,
    change: fn(&Function, usize) -> Option<Function>,
) {
    let mut op = best.functions[position].ops.len();
    while op > 0 {
        op -= 1;
        if op < best.functions[position].ops.len()
            && let Some(function) = change(&best.functions[position], op)
        {
            keep(best, position, function, holds);
        }
    }
}

/// The results of the operations `start..end` that others need, as inputs; constants stay.
fn cut(function: &Function, start: usize, end: usize) -> Function {
    let removed = |position: usize| {
        (start..end).contains(&position)
            && function.ops[position].op != Op::Const
            && !function.ops[position].results.is_empty()
    };
    rebuild(function, removed, |_| true)
}

/// The function without some operations and inputs: results that are still needed become inputs.
fn rebuild(
    function: &Function,
    removed: impl Fn(usize) -> bool,
    keeps_input: impl Fn(usize) -> bool,
) -> Function {
    let mut needed = vec![false; function.values.len()];
    function.outputs.iter().for_each(|id| needed[id.index()] = true);
    let kept = function.ops.iter().enumerate().filter(|(position, _)| !removed(*position));
    kept.flat_map(|(_, op)| op.operands()).for_each(|id| needed[id.index()] = true);
    let mut made = Function {
        attributes: function.attributes.clone(),
        ..Function::empty(&function.name, &function.opset)
    };
    let mut renumbered = vec![None; function.values.len()];
    let old_inputs =
        function.inputs.iter().enumerate().filter(|(position, _)| keeps_input(*position)).map(|(_, id)| id);
    let results = function.ops.iter().enumerate().filter(|(position, _)| removed(*position));
    let new_inputs = results.flat_map(|(_, op)| &op.results).filter(|id| needed[id.index()]);
    for &id in old_inputs.chain(new_inputs) {
        let new = push(&mut made, function.value(id).clone(), |made| Definition::Input(made.inputs.len()));
        made.inputs.push(new);
        renumbered[id.index()] = Some(new);
    }
    for (_, op) in function.ops.iter().enumerate().filter(|(position, _)| !removed(*position)) {
        let mut op: Operation = op.clone();
        for (_, argument) in &mut op.arguments {
            *argument = argument.map(|id| renumbered[id.index()].unwrap_or(id));
        }
        for (result, id) in op.results.iter_mut().enumerate() {
            let new = push(&mut made, function.value(*id).clone(), |made| Definition::Result {
                op: made.ops.len(),
                result,
            });
            renumbered[id.index()] = Some(new);
            *id = new;
        }
        made.ops.push(op);
    }
    made.outputs = function.outputs.iter().map(|id| renumbered[id.index()].unwrap_or(*id)).collect();
    made
}

fn push(function: &mut Function, value: Value, definition: impl Fn(&Function) -> Definition) -> ValueId {
    let definition = definition(function);
    function.push_value(value, definition)
}

/// An operand of the same type in place of an operation's result.
fn bypass(function: &Function, position: usize) -> Option<Function> {
    let op = &function.ops[position];
    let [result] = op.results[..] else { return None };
    let ty = &function.value(result).ty;
    let stand_in = op.operands().find(|id| function.value(*id).ty == *ty)?;
    let mut changed = function.clone();
    for op in &mut changed.ops {
        for (_, argument) in &mut op.arguments {
            *argument = argument.map(|id| if id == result { stand_in } else { id });
        }
    }
    changed.outputs.iter_mut().for_each(|id| *id = if *id == result { stand_in } else { *id });
    Some(changed.without_dead_code())
}

/// An operation without attributes other than a constant's value.
fn plain(function: &Function, position: usize) -> Option<Function> {
    let attributes = &function.ops[position].attributes;
    let needed = |name: &str| name == "val" || function.ops[position].op.info().argument(name).is_some();
    if attributes.iter().all(|(name, _)| needed(name)) {
        return None;
    }
    let mut changed = function.clone();
    changed.ops[position].attributes.retain(|(name, _)| needed(name));
    Some(changed)
}

/// A large constant as zeros, in the text.
fn zeros(function: &Function, position: usize) -> Option<Function> {
    /// Constants above this stay where they are: their zeros would be more text than their reference.
    const MOST: usize = 1 << 16;
    let constant = function.ops[position].constant()?;
    let count = constant.ty.elements();
    if !(9..=MOST).contains(&count) {
        return None;
    }
    let data = match constant.ty.dtype {
        DType::Fp16 => ConstantData::Fp16(vec![f16::ZERO; count]),
        DType::Fp32 => ConstantData::Fp32(vec![0.0; count]),
        DType::Int32 => ConstantData::Int32(vec![0; count]),
        _ => return None,
    };
    if data == constant.data {
        return None;
    }
    let mut changed = function.clone();
    let ty = constant.ty.clone();
    changed.ops[position].set_attribute("val".into(), Literal::Tensor(Constant { ty, data }));
    Some(changed)
}

/// The function without an input that nothing uses; its flexible shapes go too if they name it.
fn without_input(function: &Function, position: usize) -> Option<Function> {
    let id = *function.inputs.get(position)?;
    let used = function
        .ops
        .iter()
        .flat_map(Operation::operands)
        .chain(function.outputs.iter().copied())
        .any(|v| v == id);
    if used {
        return None;
    }
    let mut made = rebuild(function, |_| false, |input| input != position);
    if made.flexible_shapes().is_err() {
        made.attributes.retain(|(name, _)| name != "FlexibleShapeInformation");
    }
    Some(made)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{parse, verify};

    fn has(program: &Program, op: &str) -> bool {
        program.functions.iter().flat_map(Function::ops).any(|o| o.name() == op)
    }

    #[test]
    fn one_bad_operation_among_many_is_what_is_left() {
        let mut body = String::new();
        for i in 1..40 {
            let op = if i == 23 { "tanh" } else { "relu" };
            body.push_str(&format!("tensor<fp16, [4]> v{i} = {op}(x = v{});", i - 1));
        }
        let text = format!(
            "program(1.3) [a = int32(1)] {{ func main<ios18>(tensor<fp16, [4]> v0, fp16 unused) {{ {body}
             tensor<fp16, [4]> y = add(x = v39, y = v3); }} -> (y, v7); }}"
        );
        let program = parse(&text).unwrap();
        let reduced = reduce(&program, 1000, |p| has(p, "tanh"));
        let expected = "program(1.3)\n{\n    func main<ios18>(tensor<fp16, [4]> v22) {\n            \
                        tensor<fp16, [4]> v23 = tanh(x = v22);\n        } -> (v23);\n}\n";
        assert_eq!(reduced.program.to_text(), expected);
        assert_eq!(verify(&reduced.program), Ok(()));
        assert!(reduced.questions < 200, "{}", reduced.questions);
    }

    #[test]
    fn every_question_is_about_a_sound_program() {
        let text = "program(1.3) { func main<ios18>(tensor<fp16, [2, 4]> x, tensor<fp16, [4]> w) {
            tensor<fp16, [2, 2]> a, tensor<fp16, [2, 2]> b = split(axis = int32(1), num_splits = int32(2), x = x);
            tensor<fp16, [4]> c = const()[val = tensor<fp16, [4]>([1, 2, 3, 4])];
            tensor<fp16, [4]> d = mul(x = w, y = c);
            tensor<fp16, [2, 2]> e = matmul(x = a, y = b);
            tensor<fp16, [2, 2]> f = softmax(axis = int32(-1), x = e);
        } -> (f, d); }";
        let program = parse(text).unwrap();
        let reduced = reduce(&program, 1000, |p| {
            assert_eq!(verify(p), Ok(()), "{p}");
            assert_eq!(parse(&p.to_text()).as_ref(), Ok(p));
            has(p, "softmax")
        });
        assert_eq!(reduced.program.functions[0].ops().len(), 1);
    }

    #[test]
    fn the_budget_of_questions_is_kept() {
        let program =
            parse("program(1.3) { func main<ios18>(fp16 x) { fp16 y = relu(x = x); } -> (y); }").unwrap();
        assert_eq!(reduce(&program, 1, |_| true).questions, 1);
    }
}
