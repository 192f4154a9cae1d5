//! The summary of one column.

use num_bigint::{BigInt, BigUint};
use serde::Deserialize;

use super::extremes::{Extreme, Extremes};
use super::fixed::Fixed;
use super::rounding;

/// The unit of [`Aggregate::sum`] is two to this power: that of the least subnormal.
const SUM_EXPONENT: i64 = -1074;

/// The unit of [`Aggregate::squares`] is two to this power.
const SQUARES_EXPONENT: i64 = 2 * SUM_EXPONENT;

/// Summary of one column. Mergeable in any order; equal inputs give equal bits, in memory and
/// encoded. The default is the summary of no value.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(try_from = "super::encoding::Record")]
pub struct Aggregate {
    pub(super) count: u64,
    pub(super) sum: Fixed,
    pub(super) squares: Fixed,
    /// None exactly if `count` is 0.
    pub(super) extremes: Option<Extremes>,
}

/// The only floats inside are the extremes, and they are finite.
impl Eq for Aggregate {}

impl Aggregate {
    /// How many values, at most 2^64 - 1.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Makes this the summary of both columns.
    pub fn merge(&mut self, other: &Self) {
        // Saturation is as free of order as addition.
        self.count = self.count.saturating_add(other.count);
        self.sum.merge(&other.sum);
        self.squares.merge(&other.squares);
        if let Some(extremes) = other.extremes {
            self.admit(extremes);
        }
    }

    pub(super) fn admit(&mut self, extremes: Extremes) {
        match &mut self.extremes {
            Some(known) => known.merge(extremes),
            none => *none = Some(extremes),
        }
    }

    /// The exact sum rounded once, half to even, as Python's `math.fsum`: 0.0 (never -0.0) without
    /// values, infinite if it rounds beyond the largest `f64`.
    pub fn sum(&self) -> f64 {
        rounding::ratio(&self.sum.to_integer(), &BigUint::from(1_u8), SUM_EXPONENT)
    }

    /// The exact mean rounded once; `None` without values.
    pub fn mean(&self) -> Option<f64> {
        let count = self.divisor()?;
        Some(rounding::ratio(&self.sum.to_integer(), &count, SUM_EXPONENT))
    }

    /// The exact variance of the values as a population, rounded once: infinite if beyond the
    /// largest `f64`, `None` without values.
    pub fn variance(&self) -> Option<f64> {
        let (numerator, denominator) = self.exact_variance()?;
        Some(rounding::ratio(&numerator.into(), &denominator, SQUARES_EXPONENT))
    }

    /// The root of the exact variance (not of the rounded one) rounded once; `None` without values.
    pub fn stddev(&self) -> Option<f64> {
        let (numerator, denominator) = self.exact_variance()?;
        Some(rounding::root(&numerator, &denominator, SQUARES_EXPONENT))
    }

    /// The smallest value.
    pub fn min(&self) -> Option<Extreme> {
        self.extremes.map(|extremes| extremes.min)
    }

    /// The largest value.
    pub fn max(&self) -> Option<Extreme> {
        self.extremes.map(|extremes| extremes.max)
    }

    fn divisor(&self) -> Option<BigUint> {
        (self.count > 0).then(|| BigUint::from(self.count))
    }

    /// (n Q - S^2) / n^2 in units of 2^[`SQUARES_EXPONENT`].
    fn exact_variance(&self) -> Option<(BigUint, BigUint)> {
        let count = self.divisor()?;
        let sum = self.sum.to_integer();
        let numerator = BigInt::from(count.clone()) * self.squares.to_integer() - &sum * &sum;
        // Negative (Cauchy, Schwarz) is only what a foreign record claims.
        let numerator = numerator.to_biguint().unwrap_or_default();
        Some((numerator, &count * &count))
    }
}
