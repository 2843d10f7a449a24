//! Ways to change the weights of a compiled program.

use std::path::{Path, PathBuf};

use engrad_apple::probe::EvaluateOptions;
use engrad_engine::Surface;

use super::framework::Ready;
use crate::numbers::{agreement, matmul, sample, wide};
use crate::program::Text;
use crate::subject::{Subject, run};
use crate::verdict::{Outcome, ProbeError, Verdict};

type Answer = Result<Verdict, ProbeError>;

const SIDE: usize = 32;

pub(crate) fn patch_input(subject: &Subject<'_>) -> Answer {
    let shape = [1, SIDE, SIDE];
    let text = Text::new().input("x", &shape).input("w", &shape).flags();
    let text =
        text.op(&shape, "y", "matmul", "x = w, y = x, transpose_x = no, transpose_y = no").outputs("y");
    let kernel = subject.compile(&text)?;
    let x = sample(SIDE * SIDE, 1);
    let (mut outputs, mut wanted) = (Vec::new(), Vec::new());
    for seed in [2, 3] {
        let w = sample(SIDE * SIDE, seed);
        outputs.extend(run(&kernel, &[&x, &w])?);
        wanted.push(matmul(&wide(&w), &wide(&x), (SIDE, SIDE, SIDE)));
    }
    Ok(agreement(&outputs, &wanted))
}

/// A program with baked weights, what it gives with them, and what it would give with others.
struct Baked {
    ready: Ready,
    file: PathBuf,
    before: Vec<f32>,
    patched: Vec<u8>,
}

/// The program scales channels by `w`. W1 is 1 everywhere, W2 is 2: bytes that are easy to find in the file.
fn baked(subject: &Subject<'_>) -> Result<Baked, ProbeError> {
    let (shape, channels) = ([1, 64, 1, 32], [1, 64, 1, 1]);
    let text = Text::new().input("x", &shape).numbers("w", &channels, &[1.0; 64]);
    let text = text.op(&shape, "y", "mul", "x = x, y = w").outputs("y");
    let ready = Ready::new(subject, &text, &[&sample(2048, 1)])?;
    let (before, _) = ready.evaluate(&EvaluateOptions::default())?;
    let folder = ready.kernel.folder().join("weights");
    let unreadable = |e: std::io::Error| ProbeError::Unsupported(format!("the program's weight file: {e}"));
    let file = first_file(&folder).map_err(unreadable)?;
    let mut patched = std::fs::read(&file).map_err(unreadable)?;
    // The elements are the last 128 bytes: fp16 1.0 is 0x3c00, 2.0 is 0x4000.
    let elements = patched.len().saturating_sub(128);
    for pair in patched[elements..].chunks_exact_mut(2) {
        pair.copy_from_slice(&0x4000u16.to_le_bytes());
    }
    Ok(Baked { ready, file, before, patched })
}

fn first_file(folder: &Path) -> std::io::Result<PathBuf> {
    let mut entries = std::fs::read_dir(folder)?;
    let entry = entries.next().ok_or(std::io::ErrorKind::NotFound)??;
    Ok(entry.path())
}

impl Baked {
    fn write(&self) -> Result<(), ProbeError> {
        std::fs::write(&self.file, &self.patched)
            .map_err(|e| ProbeError::Unsupported(format!("the program's weight file cannot be written: {e}")))
    }

    fn judge(&self, after: &[f32]) -> Verdict {
        let scaled = self.before.iter().zip(after).all(|(before, after)| 2.0 * before == *after);
        if after == self.before {
            return Verdict::new(Outcome::Fail, "it computes with the weights that it was compiled with");
        }
        match scaled {
            true => Verdict::new(Outcome::Pass, "it computes with the new weights"),
            false => {
                Verdict::new(Outcome::Inconclusive, "it computes with neither the old weights nor the new")
            }
        }
    }

    /// Evaluates with a surface of those bytes as weights buffer.
    fn with_buffer(&self, bytes: &[u8]) -> Answer {
        let surface: Surface = self.ready.kernel.surface_of(bytes.len())?;
        surface.write().bytes_mut()[..bytes.len()].copy_from_slice(bytes);
        let options = EvaluateOptions { weights_buffer: Some(&surface), ..EvaluateOptions::default() };
        let (after, _) = self.ready.evaluate(&options)?;
        Ok(self.judge(&after))
    }
}

pub(crate) fn patch_disk(subject: &Subject<'_>) -> Answer {
    let baked = baked(subject)?;
    baked.write()?;
    let (after, _) = baked.ready.evaluate(&EvaluateOptions::default())?;
    Ok(baked.judge(&after))
}

pub(crate) fn reload(subject: &Subject<'_>) -> Answer {
    let baked = baked(subject)?;
    baked.write()?;
    baked.ready.kernel.reload()?;
    let (after, _) = baked.ready.evaluate(&EvaluateOptions::default())?;
    Ok(baked.judge(&after).text("identifier", baked.ready.kernel.identifier()))
}

pub(crate) fn patch_buffer(subject: &Subject<'_>) -> Answer {
    let baked = baked(subject)?;
    baked.with_buffer(&baked.patched)
}

pub(crate) fn buffer_override(subject: &Subject<'_>) -> Answer {
    let baked = baked(subject)?;
    baked.with_buffer(&baked.patched[baked.patched.len().saturating_sub(128)..])
}

pub(crate) fn instance(subject: &Subject<'_>) -> Answer {
    let baked = baked(subject)?;
    baked.write()?;
    Ok(match baked.ready.kernel.load_instance_with_weight("w", &baked.file.to_string_lossy()) {
        Ok(()) => {
            let (after, _) = baked.ready.evaluate(&EvaluateOptions::default())?;
            baked.judge(&after)
        }
        Err(error) => Verdict::new(Outcome::Fail, error.to_string()),
    })
}
