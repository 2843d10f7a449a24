/// Which products are worth Accelerate's call.
///
/// A rule and not a measurement at run time: what multiplies decides a result's last bits, and those must not depend on
/// what else the machine was doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Fewest multiply-adds: a call wakes the framework's threads and, before it, ours to widen factors.
    pub least_multiply_adds: usize,
    /// Fewest rows and fewest columns: each element of a factor is read, widened to f32 and written once more than by our
    /// own kernels, which pays only if it is then multiplied often enough.
    pub least_side: usize,
}

impl Rule {
    /// Every product.
    pub const ALWAYS: Self = Self { least_multiply_adds: 0, least_side: 0 };

    /// Whether a product of that many rows, columns and inner elements is taken.
    pub fn takes(&self, (rows, columns, inner): (usize, usize, usize)) -> bool {
        let multiply_adds = rows.saturating_mul(columns).saturating_mul(inner);
        multiply_adds >= self.least_multiply_adds && rows.min(columns) >= self.least_side
    }
}

/// An estimate; nothing was timed on a Mac. Published f32 figures of M1 are about 1.5 TFLOP/s by the matrix units and
/// 0.1 TFLOP/s on each of four cores: Accelerate saves some 4 ps per multiply-add.
///
/// * Waking threads twice costs some 30 µs, which 8 million multiply-adds earn.
/// * Widening an element costs some 0.1 ns with all cores. A product of m × n over k widens (m + n) · k elements for
///   m · n · k multiply-adds, so that m · n / (m + n) must exceed 25: 64 on either side leave some room.
impl Default for Rule {
    fn default() -> Self {
        Self { least_multiply_adds: 8 << 20, least_side: 64 }
    }
}

#[cfg(test)]
mod tests {
    use super::Rule;

    #[test]
    fn small_and_narrow_products_stay_and_huge_extents_do_not_overflow() {
        let rule = Rule::default();
        assert!(rule.takes((256, 512, 64)) && !rule.takes((256, 512, 63)));
        assert!(!rule.takes((63, 1 << 20, 1 << 10)) && !rule.takes((1 << 20, 63, 1 << 10)));
        assert!(rule.takes((usize::MAX, usize::MAX, 2)));
        assert!(Rule::ALWAYS.takes((1, 1, 1)));
    }
}
