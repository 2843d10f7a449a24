use serde::{Deserialize, Serialize};

/// Good updates in a row after which a dynamic scale doubles.
const GROWTH_INTERVAL: u32 = 500;
/// Bounds of a dynamic scale.
const RANGE: (f32, f32) = (1.0, 16_777_216.0);

/// Factor on the loss before the backward pass, taken out again before the update, so that small cotangents stay
/// within fp16 (arXiv 1710.03740; ane-numerics: small products are dropped whole by the engine).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum LossScale {
    /// Always the same.
    Fixed {
        /// The factor.
        scale: f32,
    },
    /// Halved when gradients are not finite (that step is skipped), doubled after many good steps.
    Dynamic {
        /// The factor now.
        scale: f32,
        /// Good steps since the last change.
        good: u32,
    },
}

impl LossScale {
    /// A dynamic scale at its usual start, 2¹⁶.
    pub fn dynamic() -> Self {
        Self::Dynamic { scale: 65_536.0, good: 0 }
    }

    /// The factor now.
    pub fn factor(&self) -> f32 {
        match *self {
            Self::Fixed { scale } | Self::Dynamic { scale, .. } => scale,
        }
    }

    /// Takes note of one step.
    pub fn observe(&mut self, finite: bool) {
        if let Self::Dynamic { scale, good } = self {
            if !finite {
                (*scale, *good) = ((*scale / 2.0).max(RANGE.0), 0);
            } else if good.saturating_add(1) >= GROWTH_INTERVAL {
                (*scale, *good) = ((*scale * 2.0).min(RANGE.1), 0);
            } else {
                *good += 1;
            }
        }
    }

    /// Whether another non-finite step could go better.
    pub fn can_shrink(&self) -> bool {
        matches!(self, Self::Dynamic { scale, .. } if *scale > RANGE.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_on_overflow_and_doubles_after_a_good_run() {
        let mut scale = LossScale::Dynamic { scale: 1024.0, good: 0 };
        scale.observe(false);
        assert_eq!(scale.factor(), 512.0);
        (0..GROWTH_INTERVAL).for_each(|_| scale.observe(true));
        assert_eq!(scale.factor(), 1024.0);
    }

    #[test]
    fn a_fixed_scale_stays() {
        let mut scale = LossScale::Fixed { scale: 256.0 };
        scale.observe(false);
        assert_eq!(scale.factor(), 256.0);
    }
}
