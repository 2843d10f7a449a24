use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use engrad_mil::{text, verify};
use engrad_target::Rule;

use crate::display::print_line;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The code, such as E0009; without one, all codes are listed
    code: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let Some(code) = arguments.code.as_deref() else {
        for rule in text::RULES.iter().chain(verify::RULES) {
            print_line(&format!("{}  {}", rule.code, rule.rule));
        }
        for rule in engrad_target::rules() {
            print_line(&format!("{}  {}", rule.code, rule.title));
        }
        return Ok(ExitCode::SUCCESS);
    };
    let code = code.to_ascii_uppercase();
    let language = text::RULES.iter().chain(verify::RULES).find(|rule| rule.code == code);
    if let Some(rule) = language {
        print_line(&format!("{}: {}\n\nWhat to do: {}.", rule.code, rule.rule, rule.advice));
    } else if let Some(rule) = Rule::with_code(&code) {
        print_line(&rule.to_string());
    } else {
        bail!("there is no code {code}; `engrad mil explain` lists all");
    }
    Ok(ExitCode::SUCCESS)
}
