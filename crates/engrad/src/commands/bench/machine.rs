use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, bail};
use engrad_kernels::{Precision, register_peak};
use engrad_train::Buffer;
use rayon::ThreadPool;
use rayon::prelude::*;
use serde_json::{Value, json};

/// Pieces of two milliseconds that a peak is the best of.
const PIECES: usize = 16;
/// Times a peak is measured again before a figure above it is refused: another process may have had the cores.
const SECOND_LOOKS: usize = 10;
/// Elements of each of the memory measurement's four arrays: together far more than any cache holds.
const ARRAY: usize = 16 << 20;
/// Elements of an array that a thread works on at a time.
const PIECE: usize = 1 << 14;

const PRECISIONS: [(&str, Precision); 3] =
    [("f32", Precision::F32), ("bf16", Precision::Bf16), ("int8", Precision::Int8)];

/// What this machine does at most with the threads in use, measured in this process.
#[derive(Debug)]
pub(super) struct Machine {
    pool: Arc<ThreadPool>,
    /// Operations per second on registers, by precision.
    peaks: Vec<(Precision, Option<f64>)>,
    /// Bytes per second, in the optimiser's pattern.
    memory: Option<f64>,
}

impl Machine {
    /// Measures the register peaks of a pool.
    pub(super) fn measure(pool: Arc<ThreadPool>) -> Self {
        let peak = |precision| pool.install(|| register_peak(precision, PIECES));
        let peaks = PRECISIONS.iter().map(|(_, precision)| (*precision, peak(*precision))).collect();
        Self { pool, peaks, memory: None }
    }

    fn peak(&self, precision: Precision) -> Option<f64> {
        self.peaks.iter().find(|(p, _)| *p == precision).and_then(|(_, peak)| *peak)
    }

    /// The share of the register peak that `operations` in `milliseconds` are; `None` if there is no peak to compare, or the
    /// products are not this processor's.
    ///
    /// The peak is looked at again first, close to what it is compared with. A share above 1 cannot be: the clock, the
    /// operations or the peak are wrong. Measured while others used the cores a peak is low, so there are some more
    /// looks; if they do not help the figure is refused.
    pub(super) fn share(
        &mut self,
        what: &str,
        precision: impl Into<Option<Precision>>,
        operations: f64,
        milliseconds: f64,
    ) -> Result<Option<f64>> {
        let reached = operations / milliseconds * 1e3;
        if !reached.is_finite() {
            bail!("{what}: {operations} operations in {milliseconds} ms is no speed");
        }
        let Some(precision) = precision.into() else { return Ok(None) };
        for _ in 0..SECOND_LOOKS {
            let again = self.pool.install(|| register_peak(precision, PIECES));
            for (_, peak) in self.peaks.iter_mut().filter(|(p, _)| *p == precision) {
                *peak = peak.zip(again).map(|(before, now)| before.max(now));
            }
            if self.peak(precision).is_none_or(|peak| reached <= peak) {
                break;
            }
        }
        let Some(peak) = self.peak(precision) else { return Ok(None) };
        if reached > peak {
            bail!(
                "{what}: {:.1} GFLOP/s is above the {:.1} that the processor reaches on registers, which cannot be; nothing \
                 is reported",
                reached / 1e9,
                peak / 1e9
            );
        }
        Ok(Some(reached / peak))
    }

    /// Measures the memory's bandwidth in the optimiser's own pattern: one array read, three read and written, with an
    /// addition each.
    pub(super) fn measure_memory(&mut self) -> Result<f64> {
        let mut arrays = (0..3).map(|_| Buffer::zeros(ARRAY)).collect::<Result<Vec<_>, _>>()?;
        let mut added = Buffer::zeros(ARRAY)?;
        added.fill(1.0);
        let [a, b, c] = &mut arrays[..] else { bail!("three arrays") };
        let mut best = f64::INFINITY;
        for _ in 0..5 {
            let started = Instant::now();
            self.pool.install(|| {
                let written =
                    a.par_chunks_mut(PIECE).zip(b.par_chunks_mut(PIECE)).zip(c.par_chunks_mut(PIECE));
                written.zip(added.par_chunks(PIECE)).for_each(|(((a, b), c), added)| {
                    for (((a, b), c), added) in a.iter_mut().zip(b).zip(c).zip(added) {
                        *a += added;
                        *b += added;
                        *c += added;
                    }
                });
            });
            best = best.min(started.elapsed().as_secs_f64());
        }
        let bandwidth = (7 * size_of::<f32>() * ARRAY) as f64 / best;
        self.memory = Some(bandwidth);
        Ok(bandwidth)
    }

    pub(super) fn to_json(&self) -> Value {
        let peaks: serde_json::Map<String, Value> = PRECISIONS
            .iter()
            .map(|(name, precision)| ((*name).to_owned(), json!(self.peak(*precision).map(|p| p / 1e9))))
            .collect();
        json!({
            "register_peak_gflops": peaks,
            "memory_gb_per_second": self.memory.map(|bytes| bytes / 1e9),
        })
    }
}

/// The process's largest resident memory so far, where the system tells (Linux).
pub(super) fn peak_resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_above_the_peak_is_refused() {
        let pool = Arc::new(rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap());
        let mut machine = Machine { pool, peaks: vec![(Precision::F32, Some(1e9))], memory: None };
        // A thousand operations a second: far below any peak, whatever else the processor does.
        let share = machine.share("x", Precision::F32, 1e3, 1e3).unwrap();
        assert!(share.is_some_and(|share| share > 0.0 && share < 1e-3), "{share:?}");
        assert_eq!(machine.share("x", Precision::Int8, 5e8, 1e3).unwrap(), None);
        assert!(machine.share("x", Precision::F32, 1.0, 0.0).is_err());
        if register_peak(Precision::F32, 1).is_some() {
            let message = machine.share("x", Precision::F32, 1e18, 1e3).unwrap_err().to_string();
            assert!(message.contains("cannot be"), "{message}");
        }
    }
}
