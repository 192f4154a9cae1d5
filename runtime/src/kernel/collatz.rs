//! Kernel `collatz`: how many steps of `n -> n/2` (even) or `3n+1` (odd) lead from the parameter
//! to 1. Uneven work, exact answers: below 10^7 the most is 685, at 8 400 511.

use super::port::{Kernel, KernelError, Slice};
use super::rows::Rows;

/// The kernel `collatz`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Collatz;

impl Collatz {
    /// Steps from `parameter` to 1; `None` for 0, which never gets there, and for a sequence that
    /// leaves the range of 128 bits.
    // One copy for all callers: of inlined ones, the same but for where the linker put them, some took 7 %
    // longer than others, which is more than all that TTG adds to a bare loop.
    #[inline(never)]
    pub fn steps(parameter: u64) -> Option<u64> {
        /// Above it `3n + 1` could leave the range of 64 bits.
        const NARROW_MAX: u64 = (u64::MAX - 1) / 3;
        if parameter == 0 {
            return None;
        }
        let mut n = parameter;
        let mut steps = 0;
        loop {
            let halvings = n.trailing_zeros();
            n >>= halvings;
            steps += u64::from(halvings);
            if n == 1 {
                return Some(steps);
            }
            if n > NARROW_MAX {
                return Self::wide_steps(n.into()).map(|rest| steps + rest);
            }
            n = 3 * n + 1;
            steps += 1;
        }
    }

    #[cold]
    fn wide_steps(mut n: u128) -> Option<u64> {
        let mut steps = 0;
        while n != 1 {
            n = if n.is_multiple_of(2) { n / 2 } else { n.checked_mul(3)?.checked_add(1)? };
            steps += 1;
        }
        Some(steps)
    }
}

impl Kernel for Collatz {
    type Options = ();
    type State = ();

    fn name(&self) -> &'static str {
        "collatz"
    }

    fn init(&self, (): ()) -> Result<(), KernelError> {
        Ok(())
    }

    fn evaluate(&self, (): &mut (), slice: Slice, rows: &mut Rows) {
        for parameter in slice.parameters {
            match Self::steps(parameter) {
                Some(steps) => rows.push(steps as f64),
                None if parameter == 0 => rows.fail("0 never reaches 1"),
                None => rows.fail("the sequence leaves the range of 128 bits"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_step_counts() {
        let known = [(1, 0), (2, 1), (3, 7), (27, 111), (97, 118), (8_400_511, 685)];
        for (parameter, steps) in known {
            assert_eq!(Collatz::steps(parameter), Some(steps));
        }
        assert_eq!(Collatz::steps(0), None);
    }

    #[test]
    fn wide_and_narrow_arithmetic_agree() {
        for parameter in (1..20_000).chain(u64::MAX - 2_000..u64::MAX) {
            assert_eq!(Collatz::steps(parameter), Collatz::wide_steps(parameter.into()));
        }
    }
}
