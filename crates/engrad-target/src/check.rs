//! Runs the rules over a program.

use engrad_mil::Program;
use engrad_mil::text::Reading;
use engrad_mil::verify::Place;

use crate::chip::Chip;
use crate::finding::Finding;
use crate::rules::{Check, Report, rules};
use crate::view::View;

/// Every place where `program` breaks a rule of `chip`, ordered by function and operation, then by rule. An empty list
/// says that nothing known speaks against the program, not that it has been tried.
pub fn check(program: &Program, chip: &'static Chip) -> Vec<Finding> {
    run(&View::new(program), chip)
}

/// [`check`] of a program that was read from `text`, and whether the text is written as the program's version wants.
pub fn check_text(text: &str, reading: &Reading, chip: &'static Chip) -> Vec<Finding> {
    run(&View::new(&reading.program).with_text(text, &reading.source), chip)
}

fn run(view: &View<'_>, chip: &'static Chip) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in rules() {
        let mut report = Report::new(rule, chip, &mut findings);
        match rule.check {
            Check::Program(check) => check(view, chip, &mut report),
            Check::Function(check) => view.functions.iter().for_each(|f| check(f, chip, &mut report)),
            Check::Op(check) => {
                for function in &view.functions {
                    function
                        .ops
                        .iter()
                        .filter(|op| op.name != "const")
                        .for_each(|op| check(function, op, chip, &mut report));
                }
            }
        }
    }
    findings.sort_by_key(|finding| (function_of(finding.place), finding.op, finding.code));
    findings
}

/// The position of the function that a place is in; `None` for the program itself, which comes first.
fn function_of(place: Place) -> Option<usize> {
    match place {
        Place::Program => None,
        Place::Function(f)
        | Place::Opset(f)
        | Place::Input(f, _)
        | Place::Op(f, _)
        | Place::Result(f, ..)
        | Place::Argument(f, ..)
        | Place::Output(f, _) => Some(f),
    }
}
