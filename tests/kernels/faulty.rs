//! Kernel `faulty`: `value(p) = p`, but for what its options name.

use std::collections::BTreeSet;

use serde::Deserialize;
use ttg_runtime::{Kernel, KernelError, Rows, Slice};

/// The kernel `faulty`.
pub(crate) struct Faulty;

/// Parameters, separated by `+`; and what else goes wrong.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct FaultyOptions {
    panic: String,
    nan: String,
    infinite: String,
    /// Every odd parameter is not a number.
    odd: bool,
    /// Already the start panics.
    start: bool,
}

/// Parameters by what becomes of them.
pub(crate) struct FaultyState {
    panic: BTreeSet<u64>,
    nan: BTreeSet<u64>,
    infinite: BTreeSet<u64>,
    odd: bool,
}

impl Kernel for Faulty {
    type Options = FaultyOptions;
    type State = FaultyState;

    fn name(&self) -> &'static str {
        "faulty"
    }

    fn init(&self, options: FaultyOptions) -> Result<FaultyState, KernelError> {
        assert!(!options.start, "no table of primes");
        Ok(FaultyState {
            panic: parameters(&options.panic)?,
            nan: parameters(&options.nan)?,
            infinite: parameters(&options.infinite)?,
            odd: options.odd,
        })
    }

    fn evaluate(&self, state: &mut FaultyState, slice: Slice, rows: &mut Rows) {
        for parameter in slice.parameters {
            assert!(!state.panic.contains(&parameter), "{parameter} is poison");
            let is_odd = state.odd && parameter % 2 == 1;
            rows.push(if is_odd || state.nan.contains(&parameter) {
                f64::NAN
            } else if state.infinite.contains(&parameter) {
                f64::INFINITY
            } else {
                parameter as f64
            });
        }
    }
}

/// The numbers of a list.
pub(crate) fn parameters(list: &str) -> Result<BTreeSet<u64>, KernelError> {
    let numbers = list.split('+').filter(|number| !number.is_empty());
    numbers.map(str::parse).collect::<Result<_, _>>().map_err(|why| KernelError::Init {
        kernel: "faulty".into(),
        reason: format!("`{list}`: {why}"),
    })
}
