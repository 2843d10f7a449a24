//! Runs the rules over a program.

use engrad_mil::Program;

use crate::chip::Chip;
use crate::finding::Finding;
use crate::rules::{Check, Report, rules};
use crate::view::View;

/// Every place where `program` breaks a rule of `chip`, ordered by function and operation, then by rule. An empty list
/// says that nothing known speaks against the program, not that it has been tried.
pub fn check(program: &Program, chip: &'static Chip) -> Vec<Finding> {
    let view = View::new(program);
    let mut findings = Vec::new();
    for rule in rules() {
        let mut report = Report::new(rule, chip, &mut findings);
        match rule.check {
            Check::Program(check) => check(&view, chip, &mut report),
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
    let place = |f: &Finding| {
        view.functions.iter().position(|v| Some(v.name) == f.function.as_deref()).map_or(0, |i| i + 1)
    };
    findings.sort_by_cached_key(|f| (place(f), f.op.map_or(0, |op| op + 1), f.code));
    findings
}
