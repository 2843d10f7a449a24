use std::fmt::{self, Write as _};

use super::number;
use super::source_map::SourceMap;
use crate::program::Attributes;
use crate::{
    Argument, ConstantData, DType, Dim, Function, Literal, Operation, Payload, Program, TensorType, Type,
    ValueId,
};

/// How scalars are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `tensor<fp16, []>(0x1p+0)`: versions before 1.3.
    Canonical,
    /// `fp16(0x1p+0)`: version 1.3 and later.
    Short,
}

impl Program {
    /// The dialect that device compilers expect of the program's version.
    pub fn dialect(&self) -> Dialect {
        if self.version >= (1, 3) { Dialect::Short } else { Dialect::Canonical }
    }

    /// The canonical text, in the dialect of the program's version; [`crate::parse`] brings it back.
    ///
    /// Defined for invalid programs too, where it shows what is there, so that a refused program can be looked at.
    pub fn to_text(&self) -> String {
        self.to_text_in(self.dialect())
    }

    /// The canonical text in a dialect of choice.
    pub fn to_text_in(&self, dialect: Dialect) -> String {
        self.to_text_with(dialect, None)
    }

    /// The canonical text with the comments of the text that `source` describes.
    pub fn to_text_with(&self, dialect: Dialect, source: Option<&SourceMap>) -> String {
        let mut printer = Printer { out: String::new(), short_scalars: dialect == Dialect::Short, source };
        printer.program(self);
        printer.out
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

/// A type in the short dialect.
pub(crate) fn type_text(ty: &Type) -> String {
    let mut printer = Printer { out: String::new(), short_scalars: true, source: None };
    printer.ty(ty);
    printer.out
}

/// A literal in the short dialect.
pub(crate) fn literal_text(literal: &Literal) -> String {
    let mut printer = Printer { out: String::new(), short_scalars: true, source: None };
    printer.literal(literal);
    printer.out
}

struct Printer<'a> {
    out: String,
    /// `fp16` rather than `tensor<fp16, []>`.
    short_scalars: bool,
    source: Option<&'a SourceMap>,
}

impl<'a> Printer<'a> {
    fn text(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn display(&mut self, value: impl fmt::Display) {
        // Writing to a String cannot fail.
        let _ = write!(self.out, "{value}");
    }

    fn comments(&mut self, indent: &str, comments: &[String]) {
        for comment in comments {
            self.text(indent);
            self.text(comment);
            self.text("\n");
        }
    }

    fn program(&mut self, program: &Program) {
        self.display(format_args!("program({}.{})\n", program.version.0, program.version.1));
        if !program.attributes.is_empty() {
            self.attributes(&program.attributes);
            self.text("\n");
        }
        self.text("{\n");
        let source = self.source;
        for (position, function) in program.functions.iter().enumerate() {
            let spans = source.and_then(|s| s.functions.get(position));
            self.comments("    ", spans.map_or(&[], |s| &s.comments));
            self.function(function, spans);
        }
        self.text("}\n");
        self.comments("", source.map_or(&[], |s| &s.comments));
    }

    fn attributes(&mut self, attributes: &Attributes) {
        self.text("[");
        for (position, (name, literal)) in attributes.iter().enumerate() {
            self.separate(position);
            self.text(name);
            self.text(" = ");
            self.literal(literal);
        }
        self.text("]");
    }

    fn function(&mut self, function: &Function, spans: Option<&'a super::FunctionSpans>) {
        self.display(format_args!("    func {}<{}>(", function.name, function.opset));
        for (position, &input) in function.inputs.iter().enumerate() {
            self.separate(position);
            self.definition(function, input);
        }
        self.text(")");
        if !function.attributes.is_empty() {
            self.text(" ");
            self.attributes(&function.attributes);
        }
        self.text(" {\n");
        for (position, op) in function.ops.iter().enumerate() {
            let comments = spans.and_then(|s| s.ops.get(position)).map_or(&[][..], |s| &s.comments);
            self.comments("            ", comments);
            self.operation(function, op);
        }
        self.comments("            ", spans.map_or(&[], |s| &s.trailing_comments));
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
        if !op.results.is_empty() {
            self.text(" = ");
        }
        self.text(op.name());
        if let Some(opset) = &op.opset {
            self.display(format_args!("<{opset}>"));
        }
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
                Argument::Literal(literal) => self.literal(literal),
            }
        }
        self.text(")");
        if !op.attributes.is_empty() {
            self.attributes(&op.attributes);
        }
        self.text(";\n");
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

    fn ty(&mut self, ty: &Type) {
        match ty {
            Type::Tensor(ty) => self.tensor_type(ty),
            Type::Flexible(ty) => {
                self.display(format_args!("tensor<{}, ", ty.dtype));
                self.dims(&ty.dims);
                self.text(">");
            }
            Type::State(inner) => {
                self.text("state<");
                self.ty(inner);
                self.text(">");
            }
            Type::List(item, length) => {
                self.text("list<");
                self.ty(item);
                self.display(format_args!(", {length}>"));
            }
            Type::Dict(key, value) => {
                self.text("dict<");
                self.ty(key);
                self.text(", ");
                self.ty(value);
                self.text(">");
            }
            Type::Tuple(members) => {
                self.text("tuple<");
                for (position, member) in members.iter().enumerate() {
                    self.separate(position);
                    self.ty(member);
                }
                self.text(">");
            }
            Type::Buffer(buffer) => {
                self.display(format_args!("tensor_buffer<{}, ", buffer.tensor.dtype));
                self.dims(&buffer.tensor.dims);
                for (name, list) in &buffer.parameters {
                    self.text(", ");
                    if !name.is_empty() {
                        self.display(format_args!("{name} = "));
                    }
                    match list.as_slice() {
                        [only] if !name.is_empty() => self.display(only),
                        list => self.dims(list),
                    }
                }
                self.text(">");
            }
        }
    }

    fn tensor_type(&mut self, ty: &TensorType) {
        if ty.shape.is_empty() {
            self.scalar_type(ty.dtype);
        } else {
            self.display(ty);
        }
    }

    fn dims(&mut self, dims: &[Dim]) {
        self.text("[");
        for (position, dim) in dims.iter().enumerate() {
            self.separate(position);
            self.display(dim);
        }
        self.text("]");
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

    fn literal(&mut self, literal: &Literal) {
        match literal {
            Literal::Tensor(constant) => {
                self.tensor_type(&constant.ty);
                self.text("(");
                self.elements(&constant.ty.shape, &constant.data);
                self.text(")");
            }
            Literal::Composite { ty, value } => {
                self.ty(ty);
                self.text("(");
                self.payload(value);
                self.text(")");
            }
        }
    }

    fn payload(&mut self, payload: &Payload) {
        match payload {
            Payload::Elements { shape, data } => self.elements(shape, data),
            Payload::List(items) => {
                self.text("[");
                self.payloads(items);
                self.text("]");
            }
            Payload::Tuple(members) => {
                self.text("(");
                self.payloads(members);
                self.text(")");
            }
            Payload::Dict(pairs) => {
                self.text("{");
                for (position, (key, value)) in pairs.iter().enumerate() {
                    self.text(if position > 0 { ", {" } else { "{" });
                    self.payload(key);
                    self.text(", ");
                    self.payload(value);
                    self.text("}");
                }
                self.text("}");
            }
        }
    }

    fn payloads(&mut self, payloads: &[Payload]) {
        for (position, payload) in payloads.iter().enumerate() {
            self.separate(position);
            self.payload(payload);
        }
    }

    fn elements(&mut self, shape: &[usize], data: &ConstantData) {
        match data {
            ConstantData::Bool(values) => {
                self.list(shape, values, |p, v| p.text(if *v { "true" } else { "false" }))
            }
            ConstantData::Int8(values) => self.list(shape, values, |p, v| p.display(v)),
            ConstantData::UInt8(values) => self.list(shape, values, |p, v| p.display(v)),
            ConstantData::Int16(values) => self.list(shape, values, |p, v| p.display(v)),
            ConstantData::UInt16(values) => self.list(shape, values, |p, v| p.display(v)),
            ConstantData::Int32(values) => self.list(shape, values, |p, v| p.display(v)),
            ConstantData::UInt32(values) => self.list(shape, values, |p, v| p.display(v)),
            ConstantData::Int64(values) => self.list(shape, values, |p, v| p.display(v)),
            ConstantData::UInt64(values) => self.list(shape, values, |p, v| p.display(v)),
            ConstantData::Bf16(values) => {
                self.list(shape, values, |p, v| p.number(number::BRAIN, u64::from(v.to_bits())));
            }
            ConstantData::Fp16(values) => {
                self.list(shape, values, |p, v| p.number(number::HALF, u64::from(v.to_bits())));
            }
            ConstantData::Fp32(values) => {
                self.list(shape, values, |p, v| p.number(number::SINGLE, u64::from(v.to_bits())));
            }
            ConstantData::Fp64(values) => {
                self.list(shape, values, |p, v| p.number(number::DOUBLE, v.to_bits()));
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
    }

    fn number(&mut self, format: number::Format, bits: u64) {
        number::write(&mut self.out, format, bits);
    }

    /// Elements nested to the rank; in one list if they do not fill the shape.
    fn list<T>(&mut self, shape: &[usize], values: &[T], element: impl Fn(&mut Self, &T)) {
        if let ([], [value]) = (shape, values) {
            return element(self, value);
        }
        if values.is_empty() {
            return self.empty(shape);
        }
        // Elements in one sub-list of each dimension, innermost first.
        let mut spans = Vec::with_capacity(shape.len());
        let mut span = 1usize;
        for &extent in shape.iter().rev() {
            span = span.saturating_mul(extent);
            spans.push(span);
        }
        if span != values.len() || spans.is_empty() {
            spans = vec![values.len()];
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
    }

    /// Lists down to the first extent of zero.
    fn empty(&mut self, shape: &[usize]) {
        /// Lists of nothing are not written out beyond this many.
        const MAX_LISTS: usize = 1 << 16;
        let depth = shape.iter().position(|&extent| extent == 0).unwrap_or(0);
        let lists = shape[..depth].iter().fold(1usize, |n, &d| n.saturating_mul(d));
        if lists > MAX_LISTS {
            return self.text("[]");
        }
        self.lists(&shape[..depth]);
    }

    fn lists(&mut self, outer: &[usize]) {
        self.text("[");
        if let Some((&extent, inner)) = outer.split_first() {
            for position in 0..extent {
                self.separate(position);
                self.lists(inner);
            }
        }
        self.text("]");
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
