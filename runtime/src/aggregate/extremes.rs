//! The smallest and the largest value, and where they are.

/// A smallest or largest value of a column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extreme {
    /// The value, finite; never -0.0, which counts as 0.0.
    pub value: f64,
    /// The smallest parameter that has this value.
    pub parameter: u64,
}

impl Extreme {
    fn is_below(self, other: Self) -> bool {
        (self.value, self.parameter) < (other.value, other.parameter)
    }

    fn is_above(self, other: Self) -> bool {
        (other.value, self.parameter) < (self.value, other.parameter)
    }
}

/// Both extremes of at least one value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Extremes {
    pub(super) min: Extreme,
    pub(super) max: Extreme,
}

impl Extremes {
    /// Those of one finite value.
    pub(super) fn of(parameter: u64, value: f64) -> Self {
        let only = Extreme { value: positive_zero(value), parameter };
        Self { min: only, max: only }
    }

    pub(super) fn merge(&mut self, other: Self) {
        if other.min.is_below(self.min) {
            self.min = other.min;
        }
        if other.max.is_above(self.max) {
            self.max = other.max;
        }
    }

    /// Merges those of `block`, the values of the parameters from `first`, whose least and
    /// greatest value are `range`. Looks for their places only if they can be new extremes.
    pub(super) fn merge_block(&mut self, first: u64, block: &[f64], range: (f64, f64)) {
        #[expect(clippy::float_cmp, reason = "looks for this very value")]
        let located = |value| {
            let index = block.iter().take_while(|&&other| other != value).count();
            Self::of(first + index as u64, value)
        };
        let (low, high) = range;
        if Self::of(first, low).min.is_below(self.min) {
            self.merge(located(low));
        }
        if Self::of(first, high).max.is_above(self.max) {
            self.merge(located(high));
        }
    }
}

/// The least and the greatest of `block`; `None` if one of its values is not finite, or there is
/// none.
pub(super) fn finite_range(block: &[f64]) -> Option<(f64, f64)> {
    // Lanes of plain comparisons become vector instructions; `f64::min`, with its care for NaN, does
    // not.
    const LANES: usize = 8;
    let mut low = [f64::INFINITY; LANES];
    let mut high = [f64::NEG_INFINITY; LANES];
    let mut zero = [0.0; LANES];
    let (rows, rest) = block.as_chunks::<LANES>();
    for row in rows {
        for lane in 0..LANES {
            let value = row[lane];
            low[lane] = if value < low[lane] { value } else { low[lane] };
            high[lane] = if value > high[lane] { value } else { high[lane] };
            // Infinity times zero is NaN, and NaN stays.
            zero[lane] += value * 0.0;
        }
    }
    let finite = !zero.iter().any(|zero| zero.is_nan()) && rest.iter().all(|v| v.is_finite());
    let low = low.iter().chain(rest).copied().fold(f64::INFINITY, f64::min);
    let high = high.iter().chain(rest).copied().fold(f64::NEG_INFINITY, f64::max);
    (finite && !block.is_empty()).then(|| (positive_zero(low), positive_zero(high)))
}

fn positive_zero(value: f64) -> f64 {
    // -0.0 + 0.0 is 0.0.
    value + 0.0
}
