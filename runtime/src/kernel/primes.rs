//! Kernel `primes`: 1 for a prime, 0 for any other number. The sum over 0..10^7 is 664 579.

use super::port::{Kernel, KernelError, Slice};
use super::rows::Rows;

/// The kernel `primes`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Primes;

/// The primes below 40: enough as bases to decide every 64-bit number (Sorenson and Webster,
/// "Strong pseudoprimes to twelve prime bases", 2015).
const SMALL: [u64; 12] = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37];

/// Below it the first four of them are enough (Jaeschke, "On strong pseudoprimes to several
/// bases", 1993).
const FOUR_BASES_BELOW: u64 = 3_215_031_751;

impl Primes {
    /// Whether `n` is prime: trial division by small primes, then Miller and Rabin's test with
    /// bases that make it exact.
    pub fn is_prime(n: u64) -> bool {
        for prime in SMALL {
            if n.is_multiple_of(prime) {
                return n == prime;
            }
        }
        if n < 41 * 41 {
            return n > 1;
        }
        let bases = if n < FOUR_BASES_BELOW { &SMALL[..4] } else { &SMALL[..] };
        bases.iter().all(|&base| is_strong_probable_prime(n, base))
    }
}

/// Whether the odd `n` passes the strong test to `base`.
fn is_strong_probable_prime(n: u64, base: u64) -> bool {
    let twos = (n - 1).trailing_zeros();
    let mut power = power_mod(base, (n - 1) >> twos, n);
    if power == 1 || power == n - 1 {
        return true;
    }
    for _ in 1..twos {
        power = multiply_mod(power, power, n);
        if power == n - 1 {
            return true;
        }
    }
    false
}

fn power_mod(mut base: u64, mut exponent: u64, modulus: u64) -> u64 {
    let mut power = 1;
    while exponent > 0 {
        if exponent & 1 == 1 {
            power = multiply_mod(power, base, modulus);
        }
        base = multiply_mod(base, base, modulus);
        exponent >>= 1;
    }
    power
}

/// A 64-bit division is several times as fast as a 128-bit one.
#[expect(clippy::cast_possible_truncation, reason = "a residue of a 64-bit modulus has 64 bits")]
fn multiply_mod(a: u64, b: u64, modulus: u64) -> u64 {
    if u32::try_from(modulus).is_ok() {
        a * b % modulus
    } else {
        (u128::from(a) * u128::from(b) % u128::from(modulus)) as u64
    }
}

impl Kernel for Primes {
    type Options = ();
    type State = ();

    fn name(&self) -> &'static str {
        "primes"
    }

    fn init(&self, (): ()) -> Result<(), KernelError> {
        Ok(())
    }

    fn evaluate(&self, (): &mut (), slice: Slice, rows: &mut Rows) {
        rows.extend(slice.parameters.into_iter().map(|n| f64::from(u8::from(Self::is_prime(n)))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_agrees_with_a_sieve() {
        const END: usize = 200_000;
        let mut composite = vec![false; END];
        for n in 2..END {
            if !composite[n] {
                (n * n..END).step_by(n).for_each(|multiple| composite[multiple] = true);
            }
        }
        for (n, composite) in composite.iter().enumerate() {
            assert_eq!(Primes::is_prime(n as u64), n > 1 && !composite, "{n}");
        }
    }

    #[test]
    fn numbers_that_fool_weaker_tests_do_not_fool_it() {
        // Strong pseudoprimes to the first 4, 9 and 11 prime bases, squares of primes at the
        // borders, and the largest primes of 32 and 64 bits.
        for composite in [3_215_031_751, 3_825_123_056_546_413_051, 41 * 41, 65_521 * 65_521] {
            assert!(!Primes::is_prime(composite), "{composite}");
        }
        for prime in [41, 1_693, 4_294_967_291, 18_446_744_073_709_551_557] {
            assert!(Primes::is_prime(prime), "{prime}");
        }
    }
}
