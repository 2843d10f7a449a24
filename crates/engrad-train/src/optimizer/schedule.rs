/// Learning rate by step: linear warm-up, then a cosine down to a fraction of the peak, then constant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// Highest learning rate.
    pub peak: f64,
    /// Steps of warm-up.
    pub warmup: u64,
    /// Step at which the cosine reaches its end.
    pub end: u64,
    /// Fraction of the peak at the end.
    pub floor: f64,
}

impl Schedule {
    /// The rate of a step, counted from zero.
    pub fn rate(&self, step: u64) -> f64 {
        if step < self.warmup {
            return self.peak * (step + 1) as f64 / self.warmup as f64;
        }
        let span = self.end.saturating_sub(self.warmup).max(1) as f64;
        let done = ((step - self.warmup) as f64 / span).min(1.0);
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * done).cos());
        self.peak * (self.floor + (1.0 - self.floor) * cosine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warms_up_peaks_and_ends_at_the_floor() {
        let schedule = Schedule { peak: 1.0, warmup: 4, end: 14, floor: 0.1 };
        assert_eq!((schedule.rate(0), schedule.rate(3), schedule.rate(4)), (0.25, 1.0, 1.0));
        assert!((schedule.rate(9) - 0.55).abs() < 1e-12);
        assert!((schedule.rate(14) - 0.1).abs() < 1e-12);
        assert!((schedule.rate(1000) - 0.1).abs() < 1e-12);
    }

    #[test]
    fn no_warm_up_and_no_span_do_not_divide_by_zero() {
        assert!((Schedule { peak: 1.0, warmup: 0, end: 0, floor: 0.1 }).rate(0).is_finite());
    }
}
