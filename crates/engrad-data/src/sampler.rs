//! The order in which training sees windows, and the cursor that resumes it exactly.
//!
//! Each epoch covers every training run once, in windows laid end to end from an offset that changes with the
//! epoch (so that tokens do not always meet the same window edges), in an order drawn from the seed. The order is a
//! keyed permutation computed window by window: nothing is stored, whatever the size of the data, and a position is
//! reached without going through the ones before.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::dataset::{check_sequence, windows_in};
use crate::{Dataset, Error, Result};

/// Where training stands in the data. Saved with a checkpoint; [`Sampler::resume`] goes on from it with the very
/// window that would have come next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    /// Seed of the order.
    pub seed: u64,
    /// Epochs completed.
    pub epoch: u64,
    /// Windows taken in this epoch.
    pub position: u64,
    /// Inputs of a window.
    pub sequence: u64,
    /// Tokens of the training split, to notice other data.
    pub tokens: u64,
}

/// Hands out training windows without end, epoch after epoch.
#[derive(Clone, Debug)]
pub struct Sampler {
    dataset: Arc<Dataset>,
    cursor: Cursor,
    epoch: Epoch,
}

impl Sampler {
    /// Starts at the beginning of the order that `seed` gives. Windows have `sequence + 1` tokens.
    ///
    /// # Errors
    /// [`Error::TooShort`] when no run of training tokens has a window, [`Error::Options`] for a zero `sequence`.
    pub fn new(dataset: Arc<Dataset>, sequence: usize, seed: u64) -> Result<Sampler> {
        let tokens = dataset.train_tokens();
        let cursor = Cursor { seed, epoch: 0, position: 0, sequence: sequence as u64, tokens };
        Self::resume(dataset, sequence, cursor)
    }

    /// Continues from a saved cursor.
    ///
    /// # Errors
    /// [`Error::Cursor`] when the sequence length or the data are not those of the cursor; else as [`Sampler::new`].
    pub fn resume(dataset: Arc<Dataset>, sequence: usize, cursor: Cursor) -> Result<Sampler> {
        check_sequence(sequence)?;
        let differs = |what: &str, saved: u64, now: u64| Error::Cursor {
            problem: format!("it was saved with {what} of {saved}, now it is {now}"),
        };
        if cursor.sequence != sequence as u64 {
            return Err(differs("a sequence length", cursor.sequence, sequence as u64));
        }
        if cursor.tokens != dataset.train_tokens() {
            return Err(differs("a training split", cursor.tokens, dataset.train_tokens()));
        }
        let epoch = Epoch::new(&dataset, sequence, &cursor);
        if epoch.windows == 0 {
            return Err(dataset.too_short("training", dataset.train_runs(), sequence));
        }
        if cursor.position > epoch.windows {
            let problem =
                format!("its position {} is past the {} windows of an epoch", cursor.position, epoch.windows);
            return Err(Error::Cursor { problem });
        }
        Ok(Sampler { dataset, cursor, epoch })
    }

    /// The position before the next window.
    pub fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    /// Windows in the current epoch. May differ by a few between epochs, as the offset does.
    pub fn epoch_windows(&self) -> u64 {
        self.epoch.windows
    }

    /// Inputs of a window; a window has one token more.
    pub fn sequence(&self) -> usize {
        self.cursor.sequence as usize
    }

    /// Writes the next window to `out`, of `sequence + 1` tokens, and moves on.
    ///
    /// # Errors
    /// [`Error::TokenOutOfRange`] when the file was changed behind the map's back; the cursor stays.
    /// [`Error::Options`] when `out` has another length.
    pub fn next_window(&mut self, out: &mut [u32]) -> Result<()> {
        let sequence = self.sequence();
        if out.len() != sequence + 1 {
            return Err(Error::Options(format!("a window has {} tokens, not {}", sequence + 1, out.len())));
        }
        if self.cursor.position >= self.epoch.windows {
            self.cursor.epoch += 1;
            self.cursor.position = 0;
            self.epoch = Epoch::new(&self.dataset, sequence, &self.cursor);
        }
        let mut index = self.epoch.order.place(self.cursor.position);
        for (run, (offset, windows)) in self.dataset.train_runs().iter().zip(&self.epoch.runs) {
            if index < *windows {
                self.dataset.read(run, offset + index * sequence as u64, out)?;
                break;
            }
            index -= windows;
        }
        self.cursor.position += 1;
        Ok(())
    }
}

/// The layout of one epoch.
#[derive(Clone, Debug)]
struct Epoch {
    /// For each run, where its first window begins and how many it has.
    runs: Vec<(u64, u64)>,
    windows: u64,
    order: Permutation,
}

impl Epoch {
    fn new(dataset: &Dataset, sequence: usize, cursor: &Cursor) -> Epoch {
        let key = mix(mix(cursor.seed) ^ cursor.epoch);
        let layout = |len: u64| {
            // A run keeps at least one window, however short it is.
            let slack = len.saturating_sub(sequence as u64 + 1).min(sequence as u64 - 1);
            let offset = mix(key) % (slack + 1);
            (offset, windows_in(len, sequence, offset))
        };
        let runs: Vec<_> = dataset.train_runs().iter().map(|run| layout(run.len)).collect();
        let windows = runs.iter().map(|(_, windows)| windows).sum();
        Epoch { runs, windows, order: Permutation::new(windows, key) }
    }
}

/// A permutation of `0..size`: a Feistel network over the next even power of two, walked until it falls in range.
#[derive(Clone, Debug)]
struct Permutation {
    size: u64,
    half_bits: u32,
    keys: [u64; Permutation::ROUNDS],
}

impl Permutation {
    /// Four rounds make a permutation that no statistic of a training run could tell from a random one.
    const ROUNDS: usize = 4;

    fn new(size: u64, key: u64) -> Permutation {
        let bits = u64::BITS - size.saturating_sub(1).leading_zeros();
        let mut keys = [0; Self::ROUNDS];
        for (round, round_key) in keys.iter_mut().enumerate() {
            *round_key = mix(key.wrapping_add(round as u64 + 1));
        }
        Permutation { size, half_bits: bits.div_ceil(2).max(1), keys }
    }

    /// Where `index` goes; `index` must be below the size. The walk ends, since it stays on a cycle that holds
    /// `index` itself, and takes under four steps on average, since the power of two is below four times the size.
    fn place(&self, index: u64) -> u64 {
        let mask = (1 << self.half_bits) - 1;
        let mut value = index;
        loop {
            let (mut left, mut right) = (value >> self.half_bits, value & mask);
            for key in self.keys {
                (left, right) = (right, left ^ (mix(right ^ key) & mask));
            }
            value = left << self.half_bits | right;
            if value < self.size {
                return value;
            }
        }
    }
}

/// The finaliser of SplitMix64: a bijection of u64 that spreads every bit over all.
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn sampler(tokens: u32, sequence: usize, seed: u64) -> Sampler {
        let dataset = Dataset::from_ids((0..tokens).collect(), Vec::new(), tokens).unwrap();
        Sampler::new(Arc::new(dataset), sequence, seed).unwrap()
    }

    fn take(sampler: &mut Sampler, count: usize) -> Vec<Vec<u32>> {
        let mut window = vec![0; sampler.sequence() + 1];
        let mut windows = Vec::new();
        for _ in 0..count {
            sampler.next_window(&mut window).unwrap();
            windows.push(window.clone());
        }
        windows
    }

    #[test]
    fn order_is_a_permutation_for_every_size() {
        for size in (1..70).chain([255, 256, 257, 1000]) {
            let order = Permutation::new(size, 42 + size);
            assert_eq!((0..size).map(|index| order.place(index)).collect::<BTreeSet<_>>().len() as u64, size);
        }
        Permutation::new(u64::MAX, 1).place(u64::MAX - 1);
    }

    #[test]
    fn resumed_sampler_yields_the_same_windows_across_epochs() {
        let mut whole = sampler(103, 10, 7);
        let expected = take(&mut whole, 45);
        for stop in [0, 1, 9, 10, 11, 30] {
            let mut first = sampler(103, 10, 7);
            let mut windows = take(&mut first, stop);
            let saved = serde_json::to_string(first.cursor()).unwrap();
            let cursor: Cursor = serde_json::from_str(&saved).unwrap();
            let mut second = Sampler::resume(first.dataset.clone(), 10, cursor).unwrap();
            windows.extend(take(&mut second, 45 - stop));
            assert_eq!(windows, expected, "stopped after {stop}");
            assert_eq!(second.cursor(), whole.cursor());
        }
    }

    #[test]
    fn epoch_sees_every_window_once_in_another_order_each_time() {
        let mut sampler = sampler(1000, 10, 1);
        let mut orders = Vec::new();
        for _ in 0..2 {
            let count = sampler.epoch_windows() as usize;
            assert!((98..=99).contains(&count));
            let order: Vec<u32> = take(&mut sampler, count).iter().map(|window| window[0]).collect();
            assert_eq!(order.iter().collect::<BTreeSet<_>>().len(), count, "a window came twice");
            // Laid end to end: all starts are equal modulo the sequence length.
            assert_eq!(order.iter().map(|start| start % 10).collect::<BTreeSet<_>>().len(), 1);
            assert!(!order.is_sorted());
            orders.push(order);
            sampler.next_window(&mut [0; 11]).unwrap();
            sampler.cursor.position = 0;
        }
        assert_ne!(orders[0], orders[1]);
    }

    #[test]
    fn windows_are_consecutive_tokens() {
        for window in take(&mut sampler(103, 10, 3), 30) {
            assert!(window.windows(2).all(|pair| pair[1] == pair[0] + 1));
        }
    }

    #[test]
    fn seeds_give_different_orders() {
        assert_ne!(take(&mut sampler(500, 4, 1), 20), take(&mut sampler(500, 4, 2), 20));
    }

    #[test]
    fn data_of_exactly_one_window_is_enough_and_less_is_an_error() {
        assert_eq!(take(&mut sampler(11, 10, 1), 3).len(), 3);
        let dataset = Arc::new(Dataset::from_ids((0..10).collect(), Vec::new(), 10).unwrap());
        let error = Sampler::new(dataset, 10, 1).unwrap_err().to_string();
        assert!(error.contains("the training split has no run of 11 tokens (longest: 10)"), "{error}");
    }

    #[test]
    fn cursor_of_other_data_or_length_is_refused() {
        let sampler = sampler(103, 10, 7);
        let resume = |change: &dyn Fn(&mut Cursor)| {
            let mut cursor = sampler.cursor().clone();
            change(&mut cursor);
            Sampler::resume(sampler.dataset.clone(), 10, cursor)
        };
        assert!(resume(&|_| ()).is_ok());
        assert!(resume(&|cursor| cursor.sequence = 11).is_err());
        assert!(resume(&|cursor| cursor.tokens = 102).is_err());
        assert!(resume(&|cursor| cursor.position = 1000).is_err());
    }
}
