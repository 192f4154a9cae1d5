//! Kernel `reference`: its answers are known, so a whole run can be checked by one number.
//!
//! `value(p) = (7p + 13) mod 1000 + f(p mod 100)`, where `f(n)` is the decimal number written
//! `0.n`: f(5) = 0.5, f(50) = 0.50, f(37) = 0.37.

use std::thread;
use std::time::Duration;

use serde::Deserialize;

use super::port::{Kernel, KernelError, Slice};
use super::rows::Rows;
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::randomness::mix;

/// `value(p)` for the residues of `p` that decide it: both terms repeat every 1000 parameters.
const PERIOD: u64 = 1_000;

/// The kernel `reference`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reference;

/// Its options.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct ReferenceOptions {
    /// Milliseconds to sleep per parameter, in place of work, on average.
    pub simulate_work_ms: f64,
    /// The share of parameters that fail, 0 to 1. A hash of parameter and attempt decides which,
    /// so a test can predict it and a retry can succeed.
    pub simulate_fault_rate: f64,
}

/// The table and the options of one slot.
#[derive(Debug)]
pub struct ReferenceState {
    table: Vec<f64>,
    work: Duration,
    pause: Pause,
    fault_rate: f64,
}

/// The longest lateness that is made up for: who was away for longer was not pausing.
const LATE_MAX: Duration = Duration::from_millis(50);

/// Pauses that are right on average: systems wake late, by a fifth at a millisecond and by far more
/// where slots are many, and what one pause was too long by makes the next of its chunk shorter.
#[derive(Debug, Default)]
struct Pause {
    next: u64,
    /// When the last one should have ended.
    due: Timestamp,
}

impl Pause {
    fn of(&mut self, parameter: u64, length: Duration) {
        if length.is_zero() {
            return;
        }
        let now = SystemClock.now();
        let goes_on = parameter == self.next && now.since(self.due) < LATE_MAX;
        self.due = if goes_on { self.due } else { now }.after(length);
        self.next = parameter.wrapping_add(1);
        let left = self.due.since(now);
        if !left.is_zero() {
            thread::sleep(left);
        }
    }
}

impl Reference {
    /// The kernel's value for `parameter`.
    pub fn value(parameter: u64) -> f64 {
        let whole = (7 * (parameter % 1_000) + 13) % 1_000;
        let n = parameter % 100;
        // A division is rounded correctly, so n / 10 is the number nearest to the decimal 0.n.
        let fraction = if n < 10 { n as f64 / 10.0 } else { n as f64 / 100.0 };
        whole as f64 + fraction
    }

    /// Whether `parameter` fails at `attempt` under `rate`.
    pub fn is_faulty(parameter: u64, attempt: u32, rate: f64) -> bool {
        let hash = mix(mix(parameter) ^ u64::from(attempt));
        ((hash >> 11) as f64) < rate * (1_u64 << 53) as f64
    }
}

impl Kernel for Reference {
    type Options = ReferenceOptions;
    type State = ReferenceState;

    fn name(&self) -> &'static str {
        "reference"
    }

    fn init(&self, options: ReferenceOptions) -> Result<ReferenceState, KernelError> {
        let refuse = |reason: String| KernelError::Init { kernel: "reference".into(), reason };
        let ReferenceOptions { simulate_work_ms: work_ms, simulate_fault_rate: fault_rate } =
            options;
        if !(0.0..=1.0).contains(&fault_rate) {
            return Err(refuse(format!("simulate-fault-rate is {fault_rate}, it is 0 to 1")));
        }
        let work = Duration::try_from_secs_f64(work_ms / 1_000.0)
            .map_err(|why| refuse(format!("simulate-work-ms is {work_ms}: {why}")))?;
        Ok(ReferenceState {
            table: (0..PERIOD).map(Self::value).collect(),
            work,
            pause: Pause::default(),
            fault_rate,
        })
    }

    fn evaluate(&self, state: &mut ReferenceState, slice: Slice, rows: &mut Rows) {
        if state.work.is_zero() && state.fault_rate == 0.0 {
            fill(&state.table, slice, rows);
            return;
        }
        for parameter in slice.parameters {
            state.pause.of(parameter, state.work);
            if Self::is_faulty(parameter, slice.attempt, state.fault_rate) {
                rows.fail("simulated fault");
            } else {
                rows.push(Self::value(parameter));
            }
        }
    }
}

/// Copies whole periods of the table: no division per parameter.
fn fill(table: &[f64], slice: Slice, rows: &mut Rows) {
    let mut next = slice.parameters.start();
    while next < slice.parameters.end() {
        let from = (next % PERIOD) as usize;
        let left = usize::try_from(slice.parameters.end() - next).unwrap_or(usize::MAX);
        let values = &table[from..table.len().min(from.saturating_add(left))];
        rows.extend(values.iter().copied());
        next += values.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::ParameterRange;

    fn slice(start: u64, end: u64) -> Slice {
        Slice { parameters: ParameterRange::new(start, end).unwrap(), attempt: 1 }
    }

    #[test]
    fn the_known_values() {
        let known =
            [(5, 48.5), (50, 363.5), (37, 272.37), (141, 0.41), (998, 999.98), (100, 713.0)];
        for (parameter, value) in known {
            assert_eq!(Reference::value(parameter), value);
        }
        assert_eq!(Reference::value(u64::MAX - 615), Reference::value(1_000));
    }

    #[test]
    fn a_slice_has_the_values_of_its_parameters_wherever_it_starts() {
        let mut state = Reference.init(ReferenceOptions::default()).unwrap();
        for (start, end) in [(0, 1), (999, 1_001), (7, 3_500), (u64::MAX - 20, u64::MAX)] {
            let mut rows = Rows::new(1);
            Reference.evaluate(&mut state, slice(start, end), &mut rows);
            let expected: Vec<_> = (start..end).map(Reference::value).collect();
            assert_eq!(rows.columns()[0], expected);
        }
    }

    #[test]
    fn simulated_faults_are_what_the_hash_says() {
        let options = ReferenceOptions { simulate_fault_rate: 0.25, ..Default::default() };
        let mut state = Reference.init(options).unwrap();
        let mut rows = Rows::new(1);
        Reference.evaluate(&mut state, slice(0, 10_000), &mut rows);
        rows.close(10_000).unwrap();
        let failed = rows.failures().len();
        let expected = (0..10_000).filter(|&p| Reference::is_faulty(p, 1, 0.25)).count();
        assert_eq!(failed, expected);
        assert!((2_200..2_800).contains(&failed), "{failed}");
        assert!(
            (0..10_000)
                .any(|p| { Reference::is_faulty(p, 1, 0.25) && !Reference::is_faulty(p, 2, 0.25) })
        );
        let refused = ReferenceOptions { simulate_fault_rate: 1.5, ..Default::default() };
        assert!(Reference.init(refused).is_err());
    }
}
