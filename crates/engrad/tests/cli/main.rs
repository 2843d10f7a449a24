//! The program as a whole, run as a person runs it: commands in, files, text and exit codes out.
//!
//! Every test works in a folder of its own, with a model of 25,000 parameters. Those that want real data read it
//! from `shared/data` beside the project's folder, and say so when it is not there.

mod accelerate;
mod apple;
mod bench;
mod configuration;
mod damage;
mod engine;
mod exchange;
#[cfg(unix)]
mod interruption;
mod learning;
mod log;
mod mil;
mod parity;
mod place;
mod programs;
mod refusals;
mod resume;
