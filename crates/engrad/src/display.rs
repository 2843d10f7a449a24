//! What people see: errors, progress, events. Runs on threads that the training loop never waits for.

use std::fs::File;
use std::io::{IsTerminal, Read, Seek, SeekFrom, Write, stdout};
use std::path::Path;
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use engrad_train::trainer::{Event, Milliseconds, Summary};
use indicatif::{ProgressBar, ProgressStyle};

/// No event of the log is longer, samples of text included.
const LONGEST_EVENT: u64 = 1 << 20;

/// An error with its causes as one line, control characters removed.
pub(crate) fn one_line(error: &anyhow::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    for cause in error.chain() {
        let text = cause.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        // Transparent wrappers repeat their cause word for word.
        if parts.last().is_none_or(|last| !last.ends_with(&text)) {
            parts.push(text);
        }
    }
    parts.join(": ").chars().filter(|c| !c.is_control()).collect()
}

/// A line on standard output; a reader that has gone away is not an error.
pub(crate) fn print_line(line: &str) {
    let _ = writeln!(stdout(), "{line}");
}

/// Text without a line end, shown at once.
pub(crate) fn print_piece(text: &str) {
    let mut out = stdout();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

/// A bar for work counted in `total` units; invisible when standard error is no terminal.
pub(crate) fn progress_bar(total: u64, what: &str) -> ProgressBar {
    let bar = ProgressBar::new(total);
    let style = ProgressStyle::with_template("{msg} {wide_bar} {percent}% {eta}");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar.set_message(what.to_owned());
    bar
}

/// Consumes a run's events on a thread of its own: a progress bar on a terminal, plain lines otherwise, and JSON
/// lines to a file.
pub(crate) fn consume(events: Receiver<Event>, log: &Path) -> Result<JoinHandle<()>> {
    let mut file = open_log(log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut show = Show::new();
    Ok(std::thread::spawn(move || {
        for event in events {
            if let Ok(mut line) = serde_json::to_string(&event) {
                line.push('\n');
                // One call for the whole line, so that a killed process leaves no half of one. A full disk must not
                // end the run; the checkpoint will report it.
                let _ = file.write_all(line.as_bytes());
            }
            show.event(&event);
        }
        if let Some(bar) = show.bar {
            bar.finish_and_clear();
        }
    }))
}

/// The log, open for appending after its last whole line: a crash of the system may have torn one.
fn open_log(path: &Path) -> std::io::Result<File> {
    let mut file = File::options().create(true).read(true).append(true).open(path)?;
    let length = file.metadata()?.len();
    let tail_start = length.saturating_sub(LONGEST_EVENT);
    file.seek(SeekFrom::Start(tail_start))?;
    let mut tail = Vec::new();
    (&file).take(LONGEST_EVENT).read_to_end(&mut tail)?;
    match tail.iter().rposition(|&byte| byte == b'\n') {
        Some(last) => file.set_len(tail_start + last as u64 + 1)?,
        // No line end in so many bytes is no log of ours: it is left as it is, on a line of its own.
        None if tail_start > 0 => file.write_all(b"\n")?,
        None => file.set_len(0)?,
    }
    Ok(file)
}

struct Show {
    bar: Option<ProgressBar>,
    terminal: bool,
    steps: u64,
}

impl Show {
    fn new() -> Self {
        Self { bar: None, terminal: stdout().is_terminal(), steps: 0 }
    }

    fn line(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| print_line(line)),
            None => print_line(line),
        }
    }

    fn event(&mut self, event: &Event) {
        match event {
            Event::Started { parameters, step, steps, sequence, batch, accumulation, classes, engine } => {
                self.steps = *steps;
                self.line(&format!(
                    "{:.1}M parameters, {} × {sequence} tokens per step, {classes} token ids in use, {engine}",
                    *parameters as f64 / 1e6,
                    batch * accumulation
                ));
                if *step > 0 {
                    self.line(&format!("resumed after step {step}"));
                }
                if self.terminal {
                    let bar = ProgressBar::new(*steps).with_position(*step);
                    let style = ProgressStyle::with_template("{pos}/{len} {wide_bar} {eta} left  {msg}");
                    if let Ok(style) = style {
                        bar.set_style(style);
                    }
                    bar.enable_steady_tick(Duration::from_millis(500));
                    self.bar = Some(bar);
                }
            }
            Event::Step {
                step,
                loss,
                learning_rate,
                gradient_norm,
                tokens_per_second,
                gflops,
                milliseconds,
                ..
            } => {
                let line = step_line(
                    *loss,
                    *learning_rate,
                    *gradient_norm,
                    *tokens_per_second,
                    *gflops,
                    milliseconds,
                );
                match &self.bar {
                    Some(bar) => {
                        bar.set_position(*step);
                        bar.set_message(line);
                    }
                    None => self.line(&format!("step {step}/{}  {line}", self.steps)),
                }
            }
            Event::Validation { step, loss, best } => {
                let mark = if *best { "  (best)" } else { "" };
                self.line(&format!("step {step}  validation loss {loss:.4}{mark}"));
            }
            Event::Sample { step, text } => {
                self.line(&format!("step {step}  sample: {}", text.replace('\n', " ")))
            }
            Event::Checkpoint { step, path } => self.line(&format!("step {step}  checkpoint {path}")),
            Event::Warning { message } => self.line(&format!("warning: {message}")),
            Event::Finished(summary) => {
                if let Some(bar) = self.bar.take() {
                    bar.finish_and_clear();
                }
                summary_lines(summary).iter().for_each(|line| print_line(line));
            }
        }
    }
}

fn step_line(
    loss: f64,
    learning_rate: f64,
    gradient_norm: Option<f64>,
    tokens_per_second: f64,
    gflops: f64,
    ms: &Milliseconds,
) -> String {
    let norm = gradient_norm.map_or("not finite".to_owned(), |n| format!("{n:.3}"));
    format!(
        "loss {loss:.4}  lr {learning_rate:.2e}  grad {norm}  {tokens_per_second:.0} tok/s  {gflops:.0} GFLOP/s  \
         {:.0} ms (engine {:.0}, host {:.0}, data {:.1}, waiting {:.0})",
        ms.total, ms.engine, ms.host, ms.data, ms.waiting
    )
}

fn summary_lines(summary: &Summary) -> Vec<String> {
    let mut lines = Vec::new();
    let ended = if summary.stopped { "stopped" } else { "finished" };
    lines.push(format!(
        "{ended} after step {}: {} tokens in {:.1} s ({:.0} tok/s)",
        summary.step, summary.tokens, summary.seconds, summary.tokens_per_second
    ));
    if let (Some(first), Some(last)) = (summary.first_loss, summary.last_loss) {
        lines.push(format!("training loss {first:.4} → {last:.4}"));
    }
    if let Some((step, loss)) = summary.best_validation {
        lines.push(format!("best validation loss {loss:.4} at step {step}"));
    }
    if summary.skipped > 0 {
        lines.push(format!("{} updates skipped for gradients that were not finite", summary.skipped));
    }
    lines
}
