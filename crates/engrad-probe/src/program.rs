//! Texts of probes' programs.

use std::fmt::Write as _;

/// Makes a program of one function, statement by statement. Attributes are named constants, as every route takes them.
#[derive(Debug, Default)]
pub(crate) struct Text {
    inputs: Vec<String>,
    body: String,
}

/// `tensor<fp16, [1, 2]>`
pub(crate) fn fp16(shape: &[usize]) -> String {
    format!("tensor<fp16, {shape:?}>")
}

impl Text {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// An fp16 input.
    pub(crate) fn input(mut self, name: &str, shape: &[usize]) -> Self {
        self.inputs.push(format!("{} {name}", fp16(shape)));
        self
    }

    /// A constant; `value` as in `int32(-1)`, whose type is in front of the parenthesis.
    pub(crate) fn constant(mut self, name: &str, value: &str) -> Self {
        let ty = value.split_once('(').map_or(value, |(ty, _)| ty);
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(self.body, "    {ty} {name} = const()[name = string(\"{name}\"), val = {value}];");
        self
    }

    /// A list of integers.
    pub(crate) fn integers(self, name: &str, values: &[i32]) -> Self {
        self.constant(name, &format!("tensor<int32, [{}]>({values:?})", values.len()))
    }

    /// An fp16 tensor.
    pub(crate) fn numbers(self, name: &str, shape: &[usize], values: &[f32]) -> Self {
        self.constant(name, &format!("{}({})", fp16(shape), nested(shape, values)))
    }

    /// A statement of one fp16 result.
    pub(crate) fn op(self, shape: &[usize], name: &str, op: &str, arguments: &str) -> Self {
        self.typed(&fp16(shape), name, op, arguments)
    }

    /// A statement of one result.
    pub(crate) fn typed(mut self, ty: &str, name: &str, op: &str, arguments: &str) -> Self {
        let _ = writeln!(self.body, "    {ty} {name} = {op}({arguments})[name = string(\"{name}\")];");
        self
    }

    /// Any statement, whole.
    pub(crate) fn statement(mut self, text: &str) -> Self {
        let _ = writeln!(self.body, "    {text}");
        self
    }

    /// What matmul, the commonest, takes beside its factors.
    pub(crate) fn flags(self) -> Self {
        self.constant("no", "bool(false)").constant("yes", "bool(true)")
    }

    /// The program.
    pub(crate) fn outputs(self, names: &str) -> String {
        let Self { inputs, body } = self;
        format!(
            "program(1.3)\n[buildInfo = dict<string, string>({{{{\"coremlc-component-MIL\", \"3510.2.1\"}}, {{\"coremlc-version\", \
             \"3505.4.1\"}}, {{\"coremltools-component-milinternal\", \"\"}}, {{\"coremltools-version\", \"9.0\"}}}})]\n{{\n  \
             func main<ios18>({}) {{\n{body}  }} -> ({names});\n}}\n",
            inputs.join(", ")
        )
    }
}

/// Values as nested lists.
fn nested(shape: &[usize], values: &[f32]) -> String {
    match shape {
        [] => values.first().copied().unwrap_or_default().to_string(),
        [_] => format!("{values:?}"),
        [first, rest @ ..] => {
            let part = values.len() / first.max(&1);
            let parts: Vec<String> = values.chunks(part.max(1)).map(|part| nested(rest, part)).collect();
            format!("[{}]", parts.join(", "))
        }
    }
}
