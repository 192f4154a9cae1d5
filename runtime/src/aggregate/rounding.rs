//! From exact numbers to the nearest `f64`: one rounding, half to even.

use num_bigint::{BigInt, BigUint, Sign};

/// Bits of a quotient or root before rounding: enough that what is cut off lies below the rounding
/// bit, also for a result that is not subnormal.
const PRECISION: i64 = 66;

/// The exponent of the lowest bit of a subnormal value.
const EXPONENT_MIN: i64 = -1074;

/// The nearest `f64` to `numerator` / `denominator` * 2^`exponent`; zero is always 0.0.
pub(super) fn ratio(numerator: &BigInt, denominator: &BigUint, exponent: i64) -> f64 {
    let magnitude = numerator.magnitude();
    let shift = shift_for(PRECISION, magnitude, denominator);
    let scaled = magnitude << shift;
    let quotient = &scaled / denominator;
    let inexact = &quotient * denominator != scaled;
    let nearest = round(&quotient, exponent - shift, inexact);
    // Not the sign alone: a negative number that rounds to zero is 0.0, too.
    if numerator.sign() == Sign::Minus && nearest > 0.0 { -nearest } else { nearest }
}

/// The nearest `f64` to the root of `numerator` / `denominator` * 2^`exponent`.
pub(super) fn root(numerator: &BigUint, denominator: &BigUint, exponent: i64) -> f64 {
    let shift = shift_for(2 * PRECISION, numerator, denominator);
    // The root halves the exponent.
    let shift = shift + (exponent - shift).rem_euclid(2);
    let scaled = numerator << shift;
    let quotient = &scaled / denominator;
    let root = quotient.sqrt();
    let inexact = &root * &root * denominator != scaled;
    round(&root, (exponent - shift) / 2, inexact)
}

/// By how many bits to shift `numerator` so that the quotient has at least `precision` bits.
fn shift_for(precision: i64, numerator: &BigUint, denominator: &BigUint) -> i64 {
    let bits = |number: &BigUint| number.bits().cast_signed();
    (precision + bits(denominator) - bits(numerator)).max(0)
}

/// The nearest `f64` to (`magnitude` + a part of one if `inexact`) * 2^`exponent`. An inexact
/// magnitude has at least [`PRECISION`] - 1 bits.
fn round(magnitude: &BigUint, exponent: i64, inexact: bool) -> f64 {
    const MANTISSA_BITS: i64 = f64::MANTISSA_DIGITS as i64;
    // The exponent of the result's lowest bit.
    let top = magnitude.bits().cast_signed() + exponent;
    let lowest = (top - MANTISSA_BITS).max(EXPONENT_MIN);
    let dropped = lowest - exponent;
    debug_assert!(dropped > 1 || !inexact, "the quotient is too short");
    let mantissa = if dropped <= 0 {
        magnitude << -dropped
    } else {
        let half = dropped.cast_unsigned() - 1;
        let rest = inexact || magnitude.trailing_zeros().is_some_and(|zeros| zeros < half);
        let kept = magnitude >> dropped;
        let up = magnitude.bit(half) && (rest || kept.bit(0));
        kept + u8::from(up)
    };
    let biased = u64::try_from(lowest - EXPONENT_MIN).expect("at least the minimum");
    let mantissa = u64::try_from(mantissa).expect("53 bits and a carry");
    // The implicit bit of a normal value, and a carry out of the mantissa, count the exponent up.
    let bits = biased.checked_mul(1 << (MANTISSA_BITS - 1)).and_then(|b| b.checked_add(mantissa));
    f64::from_bits(bits.unwrap_or(u64::MAX).min(f64::INFINITY.to_bits()))
}
