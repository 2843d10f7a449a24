//! The rules, one row each, and what a rule reports with.
//!
//! A row names its code, what it guards, the fact behind it, what happens to a program that breaks it, and what to say
//! on families where nobody looked. Codes are stable: a rule that goes leaves its number unused.

mod arguments;
mod data;
mod ops;
mod products;
mod program;
mod shapes;
mod speed;
mod types;
mod weights;

use std::fmt;

use engrad_mil::verify::Place;

use crate::chip::Chip;
use crate::fact::Fact;
use crate::finding::{Finding, Severity};
use crate::view::{FunctionView, OpView, View};

/// What a rule says on families outside its fact's observations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Elsewhere {
    /// The same: the fact is about the language, or nothing suggests a difference.
    Same,
    /// A note that the fact was seen elsewhere.
    Note,
    /// Nothing: other families were looked at, or the fact is contested.
    Silent,
}

/// One rule of the target check.
pub struct Rule {
    /// Stable code.
    pub code: &'static str,
    /// What it guards, in a few words.
    pub title: &'static str,
    /// Id of the fact behind it; table rules name a more precise one in each finding.
    pub fact: &'static str,
    /// What happens to a program that breaks it; a check may lower it for a case that is less certain.
    pub severity: Severity,
    /// What it says on families outside the fact's observations.
    pub elsewhere: Elsewhere,
    pub(crate) check: Check,
}

impl Rule {
    /// The rule of that code.
    pub fn with_code(code: &str) -> Option<&'static Self> {
        rules().iter().find(|rule| rule.code == code)
    }
}

/// What `explain` prints: the rule, what follows, the fact with its scope and sources, what to do.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}.", self.code, self.severity, self.title)?;
        let Some(fact) = Fact::with_id(self.fact) else { return Ok(()) };
        write!(
            f,
            "\n\nFact {} ({}; {}): {}",
            fact.id,
            fact.evidence,
            fact.sources.join(", "),
            fact.statement
        )?;
        if !fact.families.is_empty() {
            let seen: Vec<&str> = fact.families.iter().map(|family| family.name()).collect();
            let elsewhere = match self.elsewhere {
                Elsewhere::Same => "the same",
                Elsewhere::Note => "a note",
                Elsewhere::Silent => "nothing",
            };
            write!(f, "\nSeen on {}; on other families the rule says {elsewhere}.", seen.join(", "))?;
        }
        if let Some(others) = &fact.contradicted {
            write!(f, "\nContradicted: {others}.")?;
        }
        if let Some(advice) = &fact.advice {
            write!(f, "\n\n{advice}")?;
        }
        Ok(())
    }
}

/// How a rule is run: once for a program, for each function, or for each operation that is not a `const`.
pub(crate) enum Check {
    Program(fn(&View<'_>, &'static Chip, &mut Report<'_>)),
    Function(fn(&FunctionView<'_>, &'static Chip, &mut Report<'_>)),
    Op(fn(&FunctionView<'_>, &OpView<'_>, &'static Chip, &mut Report<'_>)),
}

/// Collects the findings of one rule on one chip.
pub(crate) struct Report<'a> {
    rule: &'static Rule,
    chip: &'static Chip,
    findings: &'a mut Vec<Finding>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(rule: &'static Rule, chip: &'static Chip, findings: &'a mut Vec<Finding>) -> Self {
        Self { rule, chip, findings }
    }

    /// A finding about the whole program.
    pub(crate) fn program(&mut self, message: impl Into<String>) -> Draft<'_> {
        let Rule { code, fact, severity, elsewhere, .. } = *self.rule;
        let finding = Finding {
            code,
            severity,
            fact,
            chip: &self.chip.name,
            place: Place::Program,
            function: None,
            op: None,
            op_name: None,
            value: None,
            message: message.into(),
            advice: None,
        };
        Draft { finding, elsewhere, chip: self.chip, findings: self.findings }
    }

    /// A finding about a function.
    pub(crate) fn function(&mut self, function: &FunctionView<'_>, message: impl Into<String>) -> Draft<'_> {
        let mut draft = self.program(message);
        draft.finding.function = Some(function.name.to_owned());
        draft.finding.place = Place::Function(function.index);
        draft
    }

    /// A finding about a value: an input, or a result of its operation.
    pub(crate) fn value(
        &mut self,
        function: &FunctionView<'_>,
        value: usize,
        message: impl Into<String>,
    ) -> Draft<'_> {
        let producer = function.producer(value).map(|op| (op.index, op.name.to_owned()));
        let mut draft = self.function(function, message);
        if let Some(value) = function.values.get(value) {
            draft.finding.value = Some(value.name.to_owned());
            draft.finding.place = value.place;
        }
        if let Some((index, name)) = producer {
            draft.finding.op = Some(index);
            draft.finding.op_name = Some(name);
        }
        draft
    }

    /// A finding about an operation, known by its first result.
    pub(crate) fn op(
        &mut self,
        function: &FunctionView<'_>,
        op: &OpView<'_>,
        message: impl Into<String>,
    ) -> Draft<'_> {
        let mut draft = self.function(function, message);
        draft.finding.place = Place::Op(function.index, op.index);
        draft.finding.op = Some(op.index);
        draft.finding.op_name = Some(op.name.to_owned());
        draft.finding.value = function.result(op).map(|v| v.name.to_owned());
        draft
    }
}

/// A finding that can still be made more precise; it is filed when it is dropped.
pub(crate) struct Draft<'a> {
    finding: Finding,
    elsewhere: Elsewhere,
    chip: &'static Chip,
    findings: &'a mut Vec<Finding>,
}

impl Draft<'_> {
    /// Another fact than the rule's.
    pub(crate) fn fact(mut self, id: &'static str) -> Self {
        self.finding.fact = id;
        self
    }

    /// Another severity than the rule's.
    pub(crate) fn severity(mut self, severity: Severity) -> Self {
        self.finding.severity = severity;
        self
    }

    /// A more precise place.
    pub(crate) fn place(mut self, place: Place) -> Self {
        self.finding.place = place;
        self
    }

    /// More precise advice than the fact's.
    pub(crate) fn advice(mut self, advice: impl Into<String>) -> Self {
        self.finding.advice = Some(advice.into());
        self
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        let mut finding = self.finding.clone();
        let Some(fact) = Fact::with_id(finding.fact) else { return };
        if !fact.covers(self.chip.family) {
            match self.elsewhere {
                Elsewhere::Same => {}
                Elsewhere::Silent => return,
                Elsewhere::Note => {
                    let seen: Vec<&str> = fact.families.iter().map(|f| f.name()).collect();
                    finding.severity = Severity::Note;
                    finding.message.push_str(&format!(
                        " (seen on {}, not known on {})",
                        seen.join(", "),
                        self.chip.family
                    ));
                }
            }
        }
        finding.message = one_line(&finding.message);
        if finding.advice.is_none() {
            finding.advice.clone_from(&fact.advice);
        }
        self.findings.push(finding);
    }
}

/// A message as one line of bounded length: names and texts of programs are hostile.
fn one_line(message: &str) -> String {
    const MOST: usize = 400;
    let mut line: String =
        message.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST + 1).collect();
    if line.chars().count() > MOST {
        line.pop();
        line.push('…');
    }
    line
}

/// Every rule, by code.
pub fn rules() -> &'static [Rule] {
    RULES
}

macro_rules! rule_table {
    ($( $code:ident $severity:ident $fact:ident $elsewhere:ident $level:ident($check:path) $title:literal; )*) => {
        static RULES: &[Rule] = &[ $( Rule {
            code: stringify!($code),
            title: $title,
            fact: stringify!($fact),
            severity: Severity::$severity,
            elsewhere: Elsewhere::$elsewhere,
            check: Check::$level($check),
        }, )* ];
    };
}

rule_table! {
    // The program as a text.
    T0001 Refused L01 Same Program(program::version) "the program version is one that the chip's systems take";
    T0002 Refused L02 Same Program(program::opset_of_version) "the operation set belongs to the program version";
    T0003 Refused L02 Same Function(program::opset) "the operation set is one that the chip's systems take";
    T0004 Refused L03 Same Program(program::scalar_form) "scalars are written in the form of the program version";
    T0005 Refused L06 Same Function(program::empty_body) "a function computes something";
    T0006 Refused L07 Same Function(program::constant_output) "no output is a constant";
    T0007 Refused L08 Same Function(program::state_under_ios19) "state parameters come with an operation set that has them";
    T0008 Refused L04 Same Function(program::static_shapes) "every extent is known at compile time";
    T0009 Refused L09 Same Function(program::float_outputs) "several outputs are all floats";
    T0010 Refused C04 Note Program(program::procedures) "a program holds no more functions than load";
    T0011 Refused C13 Same Program(program::operations) "a program holds no more operations than can be planned";
    T0012 Refused C13 Same Program(program::size) "a program is no larger than can be loaded";
    T0013 Note W07 Same Program(program::weights) "weights stay below what failed to compile for somebody";
    T0014 Slow C15 Silent Function(program::branches) "few branches join in one operation";
    T0015 Note C63 Same Function(program::port_order) "ports are declared in the order of their names";
    T0016 Note L13 Same Function(program::literal_arguments) "attributes are named constants";

    // Element types.
    T0101 Refused E06 Same Function(types::ports) "the element type of a port is one that the route takes";
    T0102 Refused E05 Same Op(types::intermediates) "the element type between operations is one that the engine computes with";
    T0103 Refused E13 Same Function(types::constants) "the element type of a constant is one that the compiler takes";
    T0104 WrongResults W08 Same Function(types::fp16_range) "constants fit fp16";
    T0105 WrongResults N01 Same Op(types::epsilon) "an epsilon does not vanish in fp16";

    // Ranks and extents.
    T0201 Refused L05 Same Function(shapes::rank) "tensors have at most five dimensions";
    T0202 Refused C34 Same Function(shapes::extents) "no dimension exceeds the family's maximum";
    T0203 Refused C34 Same Op(shapes::contraction) "no matrix product contracts over more than the family's maximum";
    T0204 Refused C33 Same Op(shapes::matmul_rank) "matmul operands have at most four dimensions";
    T0205 Refused R02 Same Op(shapes::empty_slice) "no slice is empty";

    // Operations and their arguments.
    T0301 Refused O01 Same Op(ops::refused) "the family has the operation";
    T0302 Note O01 Same Op(ops::limited) "the family has the operation without limits";
    T0303 Note O18 Same Op(ops::unknown) "the operation appears in public probes";
    T0304 Refused C22 Same Op(arguments::required) "arguments with defaults are written out";
    T0305 Refused R01 Same Op(arguments::constant) "attributes are constants";
    T0306 Refused R03 Note Function(ops::state_contract) "states are read, updated and written once";
    T0307 Refused R07 Same Function(ops::only_movement) "a function does more than reshape, slice or tile";
    T0308 Refused R04 Same Function(ops::merged_heads) "a product with merged heads is not the only output";
    T0309 Refused R05 Note Function(ops::split_matmul_softmax_tile) "split, matmul, softmax and tile do not meet in one function";
    T0310 Note R06 Same Function(ops::slice_of_input) "a large function does not take slice_by_index of its inputs";
    T0311 Note O04 Silent Op(ops::pad_mode) "pads are constant where there is no texture engine";
    T0312 Note C25 Same Op(ops::gelu) "gelu is accepted";
    T0313 Note C26 Same Op(ops::softmax_extent) "a softmax axis is a power of two";
    T0314 WrongResults C27 Note Op(ops::attention_mask) "attention takes no mask";
    T0315 Note C28 Same Op(ops::attention_length) "attention is short enough for the native form";
    T0316 Refused R10 Same Op(ops::prelu_rank) "prelu has at least three dimensions";
    T0317 Refused C38 Note Op(ops::reduction_times_zero) "no reduction is multiplied by zero";
    T0318 Refused C39 Note Op(ops::square_then_activation) "a square of awkward width does not feed an activation";
    T0319 Refused C40 Note Op(ops::wide_concat) "no concatenation makes very wide rows";
    T0320 Note C41 Same Op(ops::norm_channels) "local response normalisation spans few channels";

    // Convolutions, pools and weights.
    T0401 Refused C35 Same Op(products::kernel_width) "convolution kernels are narrow enough";
    T0402 Refused R08 Same Op(products::groups) "groups divide the channels";
    T0403 Refused R09 Same Op(products::volumetric) "convolutions have at most two spatial dimensions";
    T0404 Refused C29 Note Op(products::input_channels) "convolutions read fewer than 32,000 channels";
    T0405 Refused C31 Same Op(products::dynamic_weight) "a convolution with a run-time weight has batch 1 and one group";
    T0406 Refused C36 Same Op(products::pool_window) "pooling windows are small enough";
    T0407 Refused C37 Same Op(products::factors) "strides and tiling factors are products of 2 and 3";
    T0408 Refused W03 Same Op(weights::blockwise_operand) "a blockwise weight does not feed a product directly";
    T0409 WrongResults C47 Note Function(weights::blockwise) "weights are not blockwise-quantized";
    T0410 Refused W04 Same Op(weights::reshaped_constexpr) "a decompressed weight is used as it is";
    T0411 Refused W02 Silent Function(weights::zero_point) "quantized weights are symmetric";
    T0412 Slow W06 Same Op(weights::streamed) "a layer's weights fit the streaming buffer";
    T0413 Note C24 Silent Op(products::bias) "a convolution has no bias of its own";
    T0414 Note C30 Silent Op(products::batch) "products have batch 1";
    T0415 Note C45 Same Function(products::chain) "fewer than 20 convolutions follow each other";
    T0416 Note C48 Silent Function(weights::int8) "weights are not int8";

    // Values.
    T0501 Note C66 Same Function(data::product_range) "results of products stay below 32768";
    T0502 WrongResults C64 Silent Op(data::width_slice) "slices along the width begin at 0";
    T0503 WrongResults C65 Silent Op(data::concat_of_width_slices) "width slices are not concatenated";
    T0504 Note C68 Same Op(data::long_sum) "sums are short enough to be exact";
    T0505 WrongResults C69 Note Op(data::round) "nothing is rounded beyond 1024";
    T0506 Note N07 Same Function(data::tables) "activations are exact";
    T0507 Note C80 Same Op(data::exp) "exp stays finite";
    T0508 Note N08 Same Op(data::mean_of_squares) "squares stay finite";
    T0509 Note C72 Silent Op(data::odd_inner_dimension) "inner dimensions are multiples of 32";
    T0510 Note C67 Silent Function(data::transposed_products) "products are not fed by transposes";

    // Surfaces and speed.
    T0601 Note C61 Same Function(speed::padded_rows) "rows of ports fill whole 64-byte lines";
    T0602 Note S02 Same Function(speed::small_surfaces) "ports fill the smallest surface";
    T0603 Slow S03 Same Function(speed::fp32_ports) "ports are fp16";
    T0604 Slow C76 Same Op(speed::resident_operand) "right-hand operands stay resident";
    T0605 Slow C75 Silent Op(speed::working_set) "an operation's working set fits the cache";
    T0606 Slow C74 Silent Op(speed::slow_extent) "no product has an extent of 5120";
}
