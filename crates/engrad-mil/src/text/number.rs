//! Floating-point text: C's hexadecimal form exactly, decimal rounded to nearest even, bit patterns as they are.
//!
//! Own arithmetic on bits: results do not depend on the machine's half-precision instructions.

use std::ops::RangeInclusive;

/// A binary interchange format of at most 64 bits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Format {
    fraction_bits: u32,
    exponent_bits: u32,
}

pub(super) const HALF: Format = Format { fraction_bits: 10, exponent_bits: 5 };
pub(super) const SINGLE: Format = Format { fraction_bits: 23, exponent_bits: 8 };
pub(super) const DOUBLE: Format = Format { fraction_bits: 52, exponent_bits: 11 };
/// bfloat16.
pub(super) const BRAIN: Format = Format { fraction_bits: 7, exponent_bits: 8 };

impl Format {
    const fn width(self) -> u32 {
        1 + self.exponent_bits + self.fraction_bits
    }

    const fn bias(self) -> i64 {
        (1 << (self.exponent_bits - 1)) - 1
    }

    /// Exponents of normal numbers.
    const fn exponents(self) -> RangeInclusive<i64> {
        1 - self.bias()..=self.bias()
    }

    const fn sign(self) -> u64 {
        1 << (self.width() - 1)
    }

    const fn fraction(self) -> u64 {
        (1 << self.fraction_bits) - 1
    }

    const fn infinity(self) -> u64 {
        self.sign() - 1 - self.fraction()
    }

    /// The NaN that `nan` stands for; every other one is written as its bits.
    const fn nan(self) -> u64 {
        self.infinity() | 1 << (self.fraction_bits - 1)
    }
}

/// Appends the canonical text of a number: `0x1.8p-3`, `inf`, `nan`, or the bits of an unusual NaN.
pub(super) fn write(out: &mut String, format: Format, bits: u64) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    if bits & !format.sign() > format.infinity() {
        if bits == format.nan() {
            out.push_str("nan");
        } else {
            out.push_str(&format!("{bits:#x}"));
        }
        return;
    }
    if bits & format.sign() != 0 {
        out.push('-');
    }
    let magnitude = bits & !format.sign();
    if magnitude == format.infinity() {
        return out.push_str("inf");
    }
    if magnitude == 0 {
        return out.push_str("0x0p+0");
    }
    let mut fraction = magnitude & format.fraction();
    let mut exponent = (magnitude >> format.fraction_bits) as i64 - format.bias();
    if magnitude <= format.fraction() {
        let shift = format.fraction_bits - fraction.ilog2();
        fraction = (fraction << shift) & format.fraction();
        exponent = *format.exponents().start() - i64::from(shift);
    }
    out.push_str("0x1");
    if fraction != 0 {
        out.push('.');
        let mut left = fraction << (64 - format.fraction_bits);
        while left != 0 {
            out.push(char::from(DIGITS[(left >> 60) as usize]));
            left <<= 4;
        }
    }
    out.push_str(if exponent < 0 { "p-" } else { "p+" });
    let exponent = exponent.unsigned_abs();
    for power in [1000, 100, 10, 1] {
        if exponent >= power || power == 1 {
            out.push(char::from(DIGITS[(exponent / power % 10) as usize]));
        }
    }
}

/// The bits of a number's text; the error says what is wrong with it.
pub(super) fn read(format: Format, text: &[u8]) -> Result<u64, &'static str> {
    let (sign, magnitude) = match text {
        [b'-', rest @ ..] => (format.sign(), rest),
        rest => (0, rest),
    };
    let bits = match magnitude {
        b"inf" => format.infinity(),
        b"nan" => format.nan(),
        [b'0', b'x' | b'X', digits @ ..] => match hexadecimal(digits)? {
            Hexadecimal::Number(number) => number.round(format).ok_or(TOO_LARGE)?,
            Hexadecimal::Bits(_) if sign != 0 => return Err("a bit pattern takes no sign"),
            Hexadecimal::Bits(bits) => {
                let fits = bits >> (format.width() - 1) <= 1;
                return fits.then_some(bits).ok_or("the bit pattern is wider than the type");
            }
        },
        decimal_digits => decimal(format, decimal_digits)?,
    };
    Ok(sign | bits)
}

const NOT_A_NUMBER: &str = "this is not a number";
const TOO_LARGE: &str = "the number is too large for the type";

/// `mantissa · 2^exponent`, plus something smaller than one unit of the mantissa if `inexact`.
struct Number {
    mantissa: u64,
    exponent: i64,
    inexact: bool,
}

impl Number {
    /// Bits of the nearest number of the format, ties to even; `None` beyond its largest.
    fn round(&self, format: Format) -> Option<u64> {
        let Some(lead) = self.mantissa.checked_ilog2() else {
            return Some(0);
        };
        let fraction_bits = i64::from(format.fraction_bits);
        let exponent = self.exponent + i64::from(lead);
        if exponent > *format.exponents().end() {
            return None;
        }
        let unit = exponent.max(*format.exponents().start()) - fraction_bits;
        let shift = unit - self.exponent;
        let units = match shift {
            ..=0 => self.mantissa << shift.unsigned_abs(),
            1..=64 => {
                let shift = shift as u32;
                let kept = self.mantissa.checked_shr(shift).unwrap_or(0);
                let half = 1u64 << (shift - 1);
                let dropped = self.mantissa & (half | (half - 1));
                let up = dropped > half || (dropped == half && (self.inexact || kept & 1 == 1));
                kept + u64::from(up)
            }
            _ => 0,
        };
        // A carry out of the fraction raises the exponent field by itself, from subnormal to normal too.
        let field = unit + fraction_bits - format.exponents().start();
        let bits = units + ((field as u64) << format.fraction_bits);
        Some(bits).filter(|&b| b < format.infinity())
    }
}

enum Hexadecimal {
    Number(Number),
    Bits(u64),
}

/// What follows `0x`: digits with a binary exponent, or a plain bit pattern.
fn hexadecimal(text: &[u8]) -> Result<Hexadecimal, &'static str> {
    let mut number = Number { mantissa: 0, exponent: 0, inexact: false };
    let mut digits = 0usize;
    let mut point = false;
    let mut rest = text;
    while let [byte, tail @ ..] = rest {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            b'.' if !point => {
                point = true;
                rest = tail;
                continue;
            }
            _ => break,
        };
        digits += 1;
        if number.mantissa >> 60 == 0 {
            number.mantissa = number.mantissa << 4 | u64::from(digit);
            number.exponent -= if point { 4 } else { 0 };
        } else {
            number.inexact |= digit != 0;
            number.exponent += if point { 0 } else { 4 };
        }
        rest = tail;
    }
    match rest {
        _ if digits == 0 => Err(NOT_A_NUMBER),
        [] if point => Err("a hexadecimal number with a point needs an exponent such as p-3"),
        [] if number.exponent != 0 => Err("the bit pattern is wider than the type"),
        [] => Ok(Hexadecimal::Bits(number.mantissa)),
        [b'p' | b'P', power @ ..] => {
            let power = std::str::from_utf8(power).map_err(|_| NOT_A_NUMBER)?;
            // Powers beyond a thousand million are beyond every format, whatever the digits.
            let power = power.parse::<i64>().map_err(|_| NOT_A_NUMBER)?.clamp(-(1 << 40), 1 << 40);
            number.exponent += power;
            Ok(Hexadecimal::Number(number))
        }
        _ => Err(NOT_A_NUMBER),
    }
}

/// Decimal text; the 16-bit formats are reached through double precision.
fn decimal(format: Format, text: &[u8]) -> Result<u64, &'static str> {
    if !matches!(text, [b'0'..=b'9' | b'.', ..]) {
        return Err(NOT_A_NUMBER);
    }
    let text = std::str::from_utf8(text).map_err(|_| NOT_A_NUMBER)?;
    if format.width() == 32 {
        let value = text.parse::<f32>().map_err(|_| NOT_A_NUMBER)?;
        return value.is_finite().then_some(u64::from(value.to_bits())).ok_or(TOO_LARGE);
    }
    let value = text.parse::<f64>().map_err(|_| NOT_A_NUMBER)?;
    if !value.is_finite() {
        return Err(TOO_LARGE);
    }
    let bits = value.to_bits();
    if format.width() == 64 {
        return Ok(bits);
    }
    let (field, fraction) = ((bits >> 52) as i64, bits & ((1 << 52) - 1));
    let hidden = u64::from(field != 0) << 52;
    Number { mantissa: hidden | fraction, exponent: field.max(1) - 1075, inexact: false }
        .round(format)
        .ok_or(TOO_LARGE)
}

#[cfg(test)]
mod tests {
    use half::f16;

    use super::*;

    fn text(format: Format, bits: u64) -> String {
        let mut out = String::new();
        write(&mut out, format, bits);
        out
    }

    #[test]
    fn every_half_comes_back_from_its_text() {
        for bits in 0..=u64::from(u16::MAX) {
            for format in [HALF, BRAIN] {
                let text = text(format, bits);
                assert_eq!(read(format, text.as_bytes()), Ok(bits), "{text}");
            }
        }
    }

    #[test]
    fn singles_come_back_from_their_text() {
        let spread = (0..20_000u32).map(|i| i.wrapping_mul(0x9E37_79B9));
        let edges =
            [0, 1, 0x7f_ffff, 0x80_0000, 0x7f7f_ffff, 0x7f80_0000, 0x7f80_0001, 0x7fc0_0000, 0xffc0_0000];
        for bits in spread.chain(edges).map(u64::from) {
            let text = text(SINGLE, bits);
            assert_eq!(read(SINGLE, text.as_bytes()), Ok(bits), "{text}");
        }
    }

    #[test]
    fn doubles_come_back_from_their_text() {
        let spread = (0..20_000u64).map(|i| i.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let edges = [0, 1, 1 << 52, f64::MAX.to_bits(), f64::INFINITY.to_bits(), f64::NAN.to_bits() | 1];
        for bits in spread.chain(edges) {
            let text = text(DOUBLE, bits);
            assert_eq!(read(DOUBLE, text.as_bytes()), Ok(bits), "{text}");
        }
        assert_eq!(read(DOUBLE, b"0.1"), Ok(0.1f64.to_bits()));
    }

    #[test]
    fn text_is_that_of_the_compiler() {
        for (value, expected) in [
            (0.125, "0x1p-3"),
            (1.0, "0x1p+0"),
            (-0.0, "-0x0p+0"),
            (10000.0, "0x1.388p+13"),
            (5.960_464_5e-8, "0x1p-24"),
            (f32::NEG_INFINITY, "-inf"),
            (f32::NAN, "nan"),
        ] {
            assert_eq!(text(HALF, u64::from(f16::from_f32(value).to_bits())), expected);
        }
        assert_eq!(text(SINGLE, u64::from(0.091_632_88f32.to_bits())), "0x1.77540ap-4");
        assert_eq!(text(SINGLE, 1), "0x1p-149");
        assert_eq!(text(HALF, 0x7e01), "0x7e01");
    }

    #[test]
    fn halves_round_to_even_once_and_never_to_infinity() {
        for (text, bits) in [
            ("0x1.002p+0", 0x3c00),
            ("0x1.006p+0", 0x3c02),
            ("0x1.00200000000000000001p+0", 0x3c01),
            ("0x1p-25", 0),
            ("0x1.8p-25", 1),
            ("0x0.ffep-14", 0x400),
            ("65504", 0x7bff),
            ("65519.9", 0x7bff),
            ("0x3c00", 0x3c00),
            ("1e-5", 0xa8),
            ("0x1p-999999999999999", 0),
        ] {
            assert_eq!(read(HALF, text.as_bytes()), Ok(bits), "{text}");
        }
        for text in ["65520", "0x1p+16", "0x1.ffep+15", "1e999", "0x1p+99999999999999999"] {
            assert!(read(HALF, text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn malformed_numbers_are_refused() {
        for text in [
            "", "-", "0x", "0x.", "0x1p", "0x1.8", "0x1pz", "1e", "--1", "infinity", "NaN", "+1", "0x10000",
            "-0x3c00",
        ] {
            assert!(read(HALF, text.as_bytes()).is_err(), "{text}");
        }
    }
}
