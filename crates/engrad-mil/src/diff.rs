//! Structural comparison of programs: what differs besides names of values and the order of independent operations.
//!
//! Two values are the same if the same operation makes them from the same operands, down to inputs and constants. An
//! operation that differs only because something before it does is not reported: the report names causes.

use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::{Argument, Function, Literal, Operation, Program, ValueId};

/// One difference between two programs, the left and the right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// Something of the header.
    Header {
        /// Which part.
        part: String,
        /// In the left program; empty if absent.
        left: String,
        /// In the right program; empty if absent.
        right: String,
    },
    /// A function is in one program only.
    Function {
        /// Its name.
        function: String,
        /// Whether the right program has it.
        added: bool,
    },
    /// An input, output or attribute of a function.
    Signature {
        /// The function.
        function: String,
        /// Which part.
        part: String,
        /// In the left program; empty if absent.
        left: String,
        /// In the right program; empty if absent.
        right: String,
    },
    /// An operation is in one program only, by its text.
    Operation {
        /// The function.
        function: String,
        /// The operation as `result = op(…)`.
        operation: String,
        /// Whether the right program has it.
        added: bool,
    },
    /// An operation of the same result name is another one.
    Changed {
        /// The function.
        function: String,
        /// Name of the result.
        result: String,
        /// What it is in the left program.
        left: String,
        /// What it is in the right program.
        right: String,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header { part, left, right } => write!(f, "~ {part}: {} -> {}", show(left), show(right)),
            Self::Function { function, added } => write!(f, "{} func {function}", sign(*added)),
            Self::Signature { function, part, left, right } => {
                write!(f, "~ {function}: {part}: {} -> {}", show(left), show(right))
            }
            Self::Operation { function, operation, added } => {
                write!(f, "{} {function}: {operation}", sign(*added))
            }
            Self::Changed { function, result, left, right } => {
                write!(f, "~ {function}: {result}: {left} -> {right}")
            }
        }
    }
}

fn sign(added: bool) -> char {
    if added { '+' } else { '-' }
}

fn show(text: &str) -> &str {
    if text.is_empty() { "(none)" } else { text }
}

/// Every structural difference, in order of the left program.
pub fn diff(left: &Program, right: &Program) -> Vec<Difference> {
    let mut found = Vec::new();
    if left.version != right.version {
        let text = |(major, minor): (u32, u32)| format!("{major}.{minor}");
        let (left, right) = (text(left.version), text(right.version));
        found.push(Difference::Header { part: "version".to_owned(), left, right });
    }
    for (part, left, right) in attributes(&left.attributes, &right.attributes) {
        found.push(Difference::Header { part, left, right });
    }
    for function in &left.functions {
        match right.functions.iter().find(|other| other.name == function.name) {
            Some(other) => functions(function, other, &mut found),
            None => found.push(Difference::Function { function: function.name.clone(), added: false }),
        }
    }
    for function in &right.functions {
        if !left.functions.iter().any(|other| other.name == function.name) {
            found.push(Difference::Function { function: function.name.clone(), added: true });
        }
    }
    found
}

fn attributes(left: &crate::Attributes, right: &crate::Attributes) -> Vec<(String, String, String)> {
    let text = |literal: Option<&Literal>| literal.map_or_else(String::new, literal_text);
    let mut names: Vec<&str> = left.iter().chain(right).map(|(name, _)| name.as_ref()).collect();
    names.sort_unstable();
    names.dedup();
    let pair = |name: &str| {
        let find = |list: &crate::Attributes| text(list.iter().find(|(n, _)| n == name).map(|(_, l)| l));
        (name.to_owned(), find(left), find(right))
    };
    names.into_iter().map(pair).filter(|(_, left, right)| left != right).collect()
}

/// The beginning of a literal's text.
fn literal_text(literal: &Literal) -> String {
    const MOST: usize = 120;
    let text = crate::text::literal_text(literal);
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// A number for every value: equal for values that are the same.
fn keys(function: &Function) -> Vec<u64> {
    let mut keys = vec![0u64; function.values.len()];
    for (position, &id) in function.inputs.iter().enumerate() {
        let value = function.value(id);
        let mut hasher = DefaultHasher::new();
        ("input", position, &value.ty).hash(&mut hasher);
        keys[id.index()] = hasher.finish();
    }
    for op in &function.ops {
        let mut hasher = DefaultHasher::new();
        (op.name(), &op.opset).hash(&mut hasher);
        for (name, argument) in &op.arguments {
            name.hash(&mut hasher);
            match argument {
                Argument::Literal(literal) => literal_hash(literal, &mut hasher),
                other => other.values().iter().for_each(|id| keys[id.index()].hash(&mut hasher)),
            }
        }
        for (name, literal) in op.attributes.iter().filter(|(name, _)| name != "name") {
            name.hash(&mut hasher);
            literal_hash(literal, &mut hasher);
        }
        for (position, id) in op.results.iter().enumerate() {
            let mut hasher = hasher.clone();
            (position, &function.value(*id).ty).hash(&mut hasher);
            keys[id.index()] = hasher.finish();
        }
    }
    keys
}

fn literal_hash(literal: &Literal, hasher: &mut DefaultHasher) {
    crate::text::literal_text(literal).hash(hasher);
}

fn functions(left: &Function, right: &Function, found: &mut Vec<Difference>) {
    let name = &left.name;
    let signature = |part: String, left: String, right: String| Difference::Signature {
        function: name.clone(),
        part,
        left,
        right,
    };
    if left.opset != right.opset {
        found.push(signature("operation set".to_owned(), left.opset.clone(), right.opset.clone()));
    }
    for (part, left, right) in attributes(&left.attributes, &right.attributes) {
        found.push(signature(part, left, right));
    }
    let input = |function: &Function, position: usize| {
        let id = function.inputs.get(position);
        id.map_or_else(String::new, |&id| format!("{} {}", function.value(id).ty, function.value(id).name))
    };
    for position in 0..left.inputs.len().max(right.inputs.len()) {
        let (left, right) = (input(left, position), input(right, position));
        if left != right {
            found.push(signature(format!("input {position}"), left, right));
        }
    }
    let (left_keys, right_keys) = (keys(left), keys(right));
    operations(left, right, &left_keys, &right_keys, found);
    let output = |function: &Function, keys: &[u64], position: usize| {
        let id = function.outputs.get(position);
        id.map(|&id| (function.value(id).name.clone(), keys[id.index()]))
    };
    for position in 0..left.outputs.len().max(right.outputs.len()) {
        let (a, b) = (output(left, &left_keys, position), output(right, &right_keys, position));
        let same = match (&a, &b) {
            (Some((a_name, a_key)), Some((b_name, b_key))) => a_name == b_name || a_key == b_key,
            _ => false,
        };
        if !same {
            let text = |output: Option<(String, u64)>| output.map_or_else(String::new, |(name, _)| name);
            found.push(signature(format!("output {position}"), text(a), text(b)));
        }
    }
}

fn operations(
    left: &Function,
    right: &Function,
    left_keys: &[u64],
    right_keys: &[u64],
    found: &mut Vec<Difference>,
) {
    let function = left.name.clone();
    // How often each operation occurs on the right and is not yet matched.
    let mut there: HashMap<u64, Vec<usize>> = HashMap::new();
    for (position, op) in right.ops.iter().enumerate() {
        there.entry(op_key(op, right_keys)).or_default().push(position);
    }
    let mut matched_right = vec![false; right.ops.len()];
    let mut unmatched_left = Vec::new();
    for op in &left.ops {
        match there.get_mut(&op_key(op, left_keys)).and_then(Vec::pop) {
            Some(position) => matched_right[position] = true,
            None => unmatched_left.push(op),
        }
    }
    let by_name: HashMap<&str, usize> = right
        .ops
        .iter()
        .enumerate()
        .filter(|(position, _)| !matched_right[*position])
        .filter_map(|(position, op)| Some((result_name(right, op)?, position)))
        .collect();
    for op in unmatched_left {
        let (label, text) = (result_name(left, op), op_text(left, op));
        let same_name = label.and_then(|name| by_name.get(name)).copied();
        match same_name.filter(|&position| !matched_right[position]) {
            Some(position) => {
                matched_right[position] = true;
                let other = op_text(right, &right.ops[position]);
                // Texts that agree differ upstream, where it is reported.
                if text != other {
                    let result = label.unwrap_or_default().to_owned();
                    found.push(Difference::Changed {
                        function: function.clone(),
                        result,
                        left: text,
                        right: other,
                    });
                }
            }
            None => {
                let operation = labelled(label, &text);
                found.push(Difference::Operation { function: function.clone(), operation, added: false });
            }
        }
    }
    for (op, _) in right.ops.iter().zip(matched_right).filter(|(_, matched)| !matched) {
        let operation = labelled(result_name(right, op), &op_text(right, op));
        found.push(Difference::Operation { function: function.clone(), operation, added: true });
    }
}

fn labelled(result: Option<&str>, text: &str) -> String {
    result.map_or_else(|| text.to_owned(), |result| format!("{result} = {text}"))
}

/// Equal for operations that are the same; one without results by its operands.
fn op_key(op: &Operation, keys: &[u64]) -> u64 {
    if let Some(id) = op.results.first() {
        return keys[id.index()];
    }
    let mut hasher = DefaultHasher::new();
    op.name().hash(&mut hasher);
    op.operands().for_each(|id| keys[id.index()].hash(&mut hasher));
    hasher.finish()
}

fn result_name<'a>(function: &'a Function, op: &Operation) -> Option<&'a str> {
    op.results.first().map(|&id| function.value(id).name.as_str())
}

/// `op(x = a, y = b)[val = …] : type`, with constants that stand in for arguments written out.
fn op_text(function: &Function, op: &Operation) -> String {
    let operand = |id: &ValueId| match function.constant(*id) {
        Some(constant) => literal_text(&Literal::Tensor(constant.clone())),
        None => function.value(*id).name.clone(),
    };
    let argument = |(name, argument): &(crate::Name, Argument)| {
        let value = match argument {
            Argument::Value(id) => operand(id),
            Argument::Tuple(ids) => format!("({})", ids.iter().map(operand).collect::<Vec<_>>().join(", ")),
            Argument::Literal(literal) => literal_text(literal),
        };
        format!("{name} = {value}")
    };
    let arguments: Vec<String> = op.arguments.iter().map(argument).collect();
    let attributes = op.attributes.iter().filter(|(name, _)| name != "name");
    let attributes: Vec<String> =
        attributes.map(|(name, l)| format!("{name} = {}", literal_text(l))).collect();
    let brackets = if attributes.is_empty() { String::new() } else { format!("[{}]", attributes.join(", ")) };
    let types: Vec<String> = op.results.iter().map(|&id| function.value(id).ty.to_string()).collect();
    format!("{}({}){brackets} : {}", op.name(), arguments.join(", "), types.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    fn lines(left: &str, right: &str) -> Vec<String> {
        let program = |body: &str| {
            parse(&format!("program(1.3) {{ func main<ios18>(fp16 x, fp16 w) {{ {body} }} -> (y); }}"))
                .unwrap()
        };
        diff(&program(left), &program(right)).iter().map(Difference::to_string).collect()
    }

    #[test]
    fn other_names_and_another_order_of_independent_operations_are_no_difference() {
        let left = "fp16 a = relu(x = x); fp16 b = exp(x = w); fp16 y = add(x = a, y = b);";
        let right = "fp16 p = exp(x = w); fp16 q = relu(x = x); fp16 y = add(x = q, y = p);";
        assert_eq!(lines(left, right), [""; 0]);
    }

    #[test]
    fn only_the_cause_of_a_difference_is_reported() {
        let left = "fp16 a = relu(x = x); fp16 b = exp(x = a); fp16 y = add(x = b, y = w);";
        let right = "fp16 a = tanh(x = x); fp16 b = exp(x = a); fp16 y = add(x = b, y = w);";
        assert_eq!(lines(left, right), ["~ main: a: relu(x = x) : fp16 -> tanh(x = x) : fp16"]);
    }

    #[test]
    fn added_and_removed_operations_are_named() {
        let left = "fp16 y = relu(x = x);";
        let right = "fp16 a = exp(x = x); fp16 y = relu(x = a);";
        assert_eq!(
            lines(left, right),
            ["~ main: y: relu(x = x) : fp16 -> relu(x = a) : fp16", "+ main: a = exp(x = x) : fp16"]
        );
    }
}
