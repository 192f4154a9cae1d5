//! Randomness as a port: uids, incarnations and jitter come from the operating system in a
//! worker and from one seed in a simulation.

use std::sync::Mutex;
use std::sync::PoisonError;

/// A source of random bits.
pub trait Randomness: Send + Sync {
    /// 64 fresh bits.
    fn next_u64(&self) -> u64;

    /// A fraction in `[0, 1)`.
    fn fraction(&self) -> f64 {
        // 53 bits are what an f64 holds exactly.
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// The operating system's entropy.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemRandomness;

impl Randomness for SystemRandomness {
    fn next_u64(&self) -> u64 {
        // Linux's getrandom cannot fail once the machine has booted.
        getrandom::u64().expect("the operating system has entropy")
    }
}

/// A sequence that its seed decides: `SplitMix64` (Steele, Lea, Flood, 2014).
#[derive(Debug)]
pub struct SeededRandomness(Mutex<u64>);

impl SeededRandomness {
    /// The sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }
}

impl Randomness for SeededRandomness {
    fn next_u64(&self) -> u64 {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(*state)
    }
}

/// The finaliser of `SplitMix64`: spreads the bits of `n` over all 64.
pub fn mix(n: u64) -> u64 {
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_the_sequence() {
        let (a, b) = (SeededRandomness::new(42), SeededRandomness::new(42));
        for _ in 0..100 {
            assert_eq!(a.next_u64(), b.next_u64());
            let fraction = a.fraction();
            assert!((0.0..1.0).contains(&fraction));
            b.next_u64();
        }
    }
}
