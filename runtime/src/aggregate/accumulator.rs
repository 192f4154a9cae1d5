//! Adding values fast: one bin per exponent, as in the large superaccumulator of R. M. Neal, "Fast
//! exact summation using small and large superaccumulators" (2015), with the squares beside.

use std::mem;

use super::Aggregate;
use super::extremes::{Extremes, finite_range};

/// As many as there are biased exponents. The last one, of infinities and NaN, stays unused, and
/// spares the bounds check.
const BINS: usize = 1 << 11;

/// The bits of the fraction in an `f64`.
const FRACTION_BITS: u32 = f64::MANTISSA_DIGITS - 1;

/// Additions between two flushes. A square has at most 106 bits, so this many stay below 2^127.
const ADDITIONS_MAX: usize = 1 << 21;

/// Values looked at twice, for the extremes and for the sums: few enough for the L1 cache, and
/// fewer than [`ADDITIONS_MAX`].
const BLOCK: usize = 512;

/// Sums of the values with one exponent, in units that it decides.
#[derive(Clone, Copy, Debug, Default)]
struct Bin {
    mantissas: i128,
    squares: i128,
}

/// What one compute slot adds values into; reused from chunk to chunk. Takes 64 KiB, of which
/// ordinary values use a dozen cache lines.
pub struct Accumulator {
    bins: Box<[Bin; BINS]>,
    /// A bit per bin that is in use, so that taking a small chunk does not walk all bins.
    touched: [u64; BINS / 64],
    /// Additions until the next flush.
    room: usize,
    /// The count and the extremes of all values, the sums of the flushed ones.
    total: Aggregate,
}

impl Default for Accumulator {
    fn default() -> Self {
        Self::new()
    }
}

impl Accumulator {
    /// One without values.
    pub fn new() -> Self {
        let bins = vec![Bin::default(); BINS].into_boxed_slice();
        Self {
            bins: bins.try_into().expect("as many as allocated"),
            touched: [0; BINS / 64],
            room: ADDITIONS_MAX,
            total: Aggregate::default(),
        }
    }

    /// Adds the values of consecutive parameters from `first` (to `u64::MAX` at most). A value that
    /// is not finite stands for a parameter without a value and is skipped. Returns whether none was.
    pub fn add_slice(&mut self, first: u64, values: &[f64]) -> bool {
        let mut all_finite = true;
        for (index, block) in values.chunks(BLOCK).enumerate() {
            let first = first + (index * BLOCK) as u64;
            if let Some(range) = finite_range(block) {
                self.add_block(first, block, range);
            } else {
                all_finite = false;
                for (index, &value) in block.iter().enumerate() {
                    self.add(first + index as u64, value);
                }
            }
        }
        all_finite
    }

    /// Adds one value, unless it is not finite.
    pub fn add(&mut self, parameter: u64, value: f64) {
        if value.is_finite() {
            self.reserve(1);
            self.total.count += 1;
            self.total.admit(Extremes::of(parameter, value));
            self.enter(value);
        }
    }

    /// The summary of what was added since the last take; leaves it empty.
    pub fn take(&mut self) -> Aggregate {
        self.flush();
        mem::take(&mut self.total)
    }

    /// Forgets what was added since the last take.
    pub fn clear(&mut self) {
        self.take();
    }

    fn add_block(&mut self, first: u64, block: &[f64], range: (f64, f64)) {
        self.reserve(block.len());
        self.total.count += block.len() as u64;
        self.total
            .extremes
            .get_or_insert_with(|| Extremes::of(first, block[0]))
            .merge_block(first, block, range);
        for &value in block {
            self.enter(value);
        }
    }

    fn reserve(&mut self, additions: usize) {
        if self.room < additions {
            self.flush();
        }
        self.room -= additions;
    }

    /// Adds a finite value and its square to the bin of its exponent.
    ///
    /// The square is that of the integer mantissa: exact for every value. A pair of v * v and its
    /// remainder by fused multiply-add loses bits when it overflows or underflows, and has no
    /// instruction on baseline x86-64.
    #[inline]
    fn enter(&mut self, value: f64) {
        let bits = value.to_bits();
        let exponent = ((bits >> FRACTION_BITS) & (BINS as u64 - 1)) as usize;
        let fraction = bits & ((1 << FRACTION_BITS) - 1);
        let implicit = u64::from(exponent != 0) << FRACTION_BITS;
        let magnitude = (fraction | implicit).cast_signed();
        // All ones for a negative value: x ^ -1 is -x - 1.
        let sign = bits.cast_signed() >> 63;
        let mantissa = i128::from((magnitude ^ sign) - sign);

        self.touched[exponent / 64] |= 1 << (exponent % 64);
        let bin = &mut self.bins[exponent];
        bin.mantissas += mantissa;
        bin.squares += mantissa * mantissa;
    }

    /// Moves the sums out of the bins.
    fn flush(&mut self) {
        for (index, word) in self.touched.iter_mut().enumerate() {
            let mut bits = mem::take(word);
            while bits != 0 {
                let exponent = index * 64 + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                let bin = mem::take(&mut self.bins[exponent]);
                // Subnormals (0) have the unit of the least normal values (1).
                let position = exponent.saturating_sub(1);
                self.total.sum.add(bin.mantissas, position);
                self.total.squares.add(bin.squares, 2 * position);
            }
        }
        self.room = ADDITIONS_MAX;
    }
}
