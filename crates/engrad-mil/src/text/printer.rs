use std::fmt::{self, Write as _};

use super::number;
use crate::{Argument, Constant, ConstantData, DType, Function, Operation, Program, TensorType, ValueId};

impl Program {
    /// The canonical text; the documentation of [`crate::parse`] says how it comes back.
    ///
    /// Defined for invalid programs too, where it shows what is there, so that a refused program can be looked at.
    pub fn to_text(&self) -> String {
        let mut printer = Printer { out: String::new(), short_scalars: self.version >= (1, 3) };
        printer.program(self);
        printer.out
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

struct Printer {
    out: String,
    /// `fp16` rather than `tensor<fp16, []>`.
    short_scalars: bool,
}

impl Printer {
    fn text(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn display(&mut self, value: impl fmt::Display) {
        // Writing to a String cannot fail.
        let _ = write!(self.out, "{value}");
    }

    fn program(&mut self, program: &Program) {
        self.display(format_args!("program({}.{})\n", program.version.0, program.version.1));
        if !program.build_info.is_empty() {
            self.text("[buildInfo = dict<");
            self.scalar_type(DType::String);
            self.text(", ");
            self.scalar_type(DType::String);
            self.text(">({");
            for (position, (key, value)) in program.build_info.iter().enumerate() {
                self.text(if position > 0 { ", {" } else { "{" });
                self.quoted(key);
                self.text(", ");
                self.quoted(value);
                self.text("}");
            }
            self.text("})]\n");
        }
        self.text("{\n");
        for function in &program.functions {
            self.function(function);
        }
        self.text("}\n");
    }

    fn function(&mut self, function: &Function) {
        self.display(format_args!("    func {}<{}>(", function.name, function.opset));
        for (position, &input) in function.inputs.iter().enumerate() {
            self.separate(position);
            self.definition(function, input);
        }
        self.text(") {\n");
        for op in &function.ops {
            self.operation(function, op);
        }
        self.text("        } -> (");
        self.names(function, &function.outputs);
        self.text(");\n");
    }

    fn operation(&mut self, function: &Function, op: &Operation) {
        self.text("            ");
        for (position, &result) in op.results.iter().enumerate() {
            self.separate(position);
            self.definition(function, result);
        }
        self.text(" = ");
        self.text(op.op.name());
        self.text("(");
        for (position, (name, argument)) in op.arguments.iter().enumerate() {
            self.separate(position);
            self.text(name);
            self.text(" = ");
            match argument {
                Argument::Value(value) => self.name(function, *value),
                Argument::Tuple(values) => {
                    self.text("(");
                    self.names(function, values);
                    self.text(")");
                }
            }
        }
        self.text(")[name = ");
        let name = op.results.first().and_then(|r| function.values.get(r.index()));
        self.scalar(DType::String, |p| p.quoted(name.map_or("", |v| &v.name)));
        if let Some(constant) = &op.constant {
            self.text(", val = ");
            self.constant(constant);
        }
        self.text("];\n");
    }

    fn separate(&mut self, position: usize) {
        if position > 0 {
            self.text(", ");
        }
    }

    fn definition(&mut self, function: &Function, id: ValueId) {
        if let Some(value) = function.values.get(id.index()) {
            self.ty(&value.ty);
            self.text(" ");
        }
        self.name(function, id);
    }

    /// A value's name; one that does not exist is shown as its number.
    fn name(&mut self, function: &Function, id: ValueId) {
        match function.values.get(id.index()) {
            Some(value) => self.text(&value.name),
            None => self.display(format_args!("%{}", id.index())),
        }
    }

    fn names(&mut self, function: &Function, ids: &[ValueId]) {
        for (position, &id) in ids.iter().enumerate() {
            self.separate(position);
            self.name(function, id);
        }
    }

    fn ty(&mut self, ty: &TensorType) {
        if ty.shape.is_empty() {
            self.scalar_type(ty.dtype);
        } else {
            self.display(ty);
        }
    }

    fn scalar_type(&mut self, dtype: DType) {
        if self.short_scalars {
            self.text(dtype.name());
        } else {
            self.display(format_args!("tensor<{dtype}, []>"));
        }
    }

    fn scalar(&mut self, dtype: DType, value: impl FnOnce(&mut Self)) {
        self.scalar_type(dtype);
        self.text("(");
        value(self);
        self.text(")");
    }

    fn constant(&mut self, constant: &Constant) {
        let shape = &constant.ty.shape;
        self.ty(&constant.ty);
        self.text("(");
        match &constant.data {
            ConstantData::Bool(values) => {
                self.list(shape, values, |p, v| p.text(if *v { "true" } else { "false" }))
            }
            ConstantData::Int8(values) => self.list(shape, values, |p, v| p.display(v)),
            ConstantData::UInt8(values) => self.list(shape, values, |p, v| p.display(v)),
            ConstantData::Int32(values) => self.list(shape, values, |p, v| p.display(v)),
            ConstantData::UInt64(values) => self.list(shape, values, |p, v| p.display(v)),
            ConstantData::Fp16(values) => {
                self.list(shape, values, |p, v| {
                    number::write(&mut p.out, number::HALF, u32::from(v.to_bits()))
                });
            }
            ConstantData::Fp32(values) => {
                self.list(shape, values, |p, v| number::write(&mut p.out, number::SINGLE, v.to_bits()));
            }
            ConstantData::String(values) => self.list(shape, values, |p, v| p.quoted(v)),
            ConstantData::Blob { path, offset } => {
                self.text("BLOBFILE(path = ");
                self.scalar(DType::String, |p| p.quoted(path));
                self.text(", offset = ");
                self.scalar(DType::UInt64, |p| p.display(offset));
                self.text(")");
            }
        }
        self.text(")");
    }

    /// Elements nested to the rank; in one list if they do not fill the shape.
    fn list<T>(&mut self, shape: &[usize], values: &[T], element: impl Fn(&mut Self, &T)) {
        if let ([], [value]) = (shape, values) {
            return element(self, value);
        }
        // Elements in one sub-list of each dimension, innermost first.
        let mut spans = Vec::with_capacity(shape.len());
        let mut span = 1usize;
        for &extent in shape.iter().rev() {
            span = span.saturating_mul(extent);
            spans.push(span);
        }
        if span != values.len() || span == 0 || spans.is_empty() {
            spans = vec![values.len().max(1)];
        }
        for (position, value) in values.iter().enumerate() {
            self.separate(position);
            for _ in spans.iter().take_while(|&&span| position % span == 0) {
                self.out.push('[');
            }
            element(self, value);
            for _ in spans.iter().take_while(|&&span| (position + 1) % span == 0) {
                self.out.push(']');
            }
        }
        if values.is_empty() {
            self.text("[]");
        }
    }

    /// A text in quotes; control characters are escaped, everything else stands as it is.
    fn quoted(&mut self, text: &str) {
        self.out.push('"');
        let mut plain = 0;
        for (at, byte) in text.bytes().enumerate() {
            if byte >= 0x20 && !matches!(byte, b'"' | b'\\' | 0x7f) {
                continue;
            }
            self.out.push_str(&text[plain..at]);
            plain = at + 1;
            match byte {
                b'"' => self.text(r#"\""#),
                b'\\' => self.text(r"\\"),
                b'\n' => self.text(r"\n"),
                b'\r' => self.text(r"\r"),
                b'\t' => self.text(r"\t"),
                other => self.display(format_args!(r"\x{other:02x}")),
            }
        }
        self.out.push_str(&text[plain..]);
        self.out.push('"');
    }
}
