use half::f16;

use crate::DType;

/// Number of elements of `range_1d`: those of start, start + step … before end, counted in the arithmetic of the element
/// type.
///
/// # Errors
/// If the step is zero, or a number is not finite.
pub fn range_length(dtype: DType, start: f64, end: f64, step: f64) -> Result<usize, String> {
    let steps = match dtype {
        DType::Fp16 => {
            let [start, end, step] = [start, end, step].map(f16::from_f64);
            f64::from((end - start) / step)
        }
        DType::Fp32 => f64::from((end as f32 - start as f32) / step as f32),
        _ => (end - start) / step,
    };
    if !steps.is_finite() {
        return Err(format!("a range from {start} to {end} by {step} has no end"));
    }
    Ok(steps.ceil().max(0.0) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_those_of_the_element_types_arithmetic() {
        assert_eq!(range_length(DType::Int32, 1.0, 10.0, 3.0), Ok(3));
        assert_eq!(range_length(DType::Int32, 5.0, 0.0, -2.0), Ok(3));
        assert_eq!(range_length(DType::Int32, 5.0, 9.0, -1.0), Ok(0));
        assert_eq!(range_length(DType::Fp16, 0.0, 1.0, 0.1), Ok(10));
        assert!(range_length(DType::Fp32, 0.0, 1.0, 0.0).is_err());
        assert!(range_length(DType::Int32, 0.0, 0.0, 0.0).is_err());
    }
}
