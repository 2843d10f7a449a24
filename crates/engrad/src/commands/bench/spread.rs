use std::time::Instant;

use anyhow::Result;
use serde_json::{Value, json};

/// Durations of one thing done several times, in milliseconds.
#[derive(Debug, Clone, Default)]
pub(super) struct Spread(pub(super) Vec<f64>);

impl Spread {
    pub(super) fn time<T>(&mut self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let started = Instant::now();
        let done = work()?;
        self.0.push(started.elapsed().as_secs_f64() * 1e3);
        Ok(done)
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }

    /// The middle one; of an even number, the mean of the middle two.
    pub(super) fn median(&self) -> f64 {
        let sorted = self.sorted();
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => f64::NAN,
            n if n % 2 == 1 => sorted[middle],
            _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
        }
    }

    pub(super) fn best(&self) -> f64 {
        self.0.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// Median, extremes, and the median distance from the median.
    pub(super) fn to_json(&self) -> Value {
        if self.0.is_empty() {
            return Value::Null;
        }
        let median = self.median();
        let distances = Self(self.0.iter().map(|run| (run - median).abs()).collect());
        json!({
            "median": median,
            "min": self.best(),
            "max": self.0.iter().copied().fold(0.0, f64::max),
            "deviation": distances.median(),
            "runs": self.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Spread;

    #[test]
    fn one_slow_run_moves_neither_median_nor_deviation() {
        let spread = Spread(vec![1.0, 3.0, 2.0, 1000.0, 2.5]);
        let json = spread.to_json();
        assert_eq!((spread.median(), spread.best()), (2.5, 1.0));
        assert_eq!((json["max"].as_f64(), json["deviation"].as_f64()), (Some(1000.0), Some(0.5)));
        assert_eq!(Spread(vec![1.0, 2.0]).median(), 1.5);
        assert!(Spread::default().to_json().is_null());
    }
}
