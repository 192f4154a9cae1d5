//! Kernel `faulty`: `value(p) = p`, but for the parameters that its options name.

use std::collections::BTreeSet;

use serde::Deserialize;
use ttg_runtime::{Kernel, KernelError, Rows, Slice};

/// The kernel `faulty`.
pub(crate) struct Faulty;

/// Parameters, separated by `+`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct FaultyOptions {
    panic: String,
    nan: String,
    infinite: String,
}

/// Parameters by what becomes of them.
pub(crate) struct FaultyState {
    panic: BTreeSet<u64>,
    nan: BTreeSet<u64>,
    infinite: BTreeSet<u64>,
}

impl Kernel for Faulty {
    type Options = FaultyOptions;
    type State = FaultyState;

    fn name(&self) -> &'static str {
        "faulty"
    }

    fn init(&self, options: FaultyOptions) -> Result<FaultyState, KernelError> {
        Ok(FaultyState {
            panic: parameters(&options.panic)?,
            nan: parameters(&options.nan)?,
            infinite: parameters(&options.infinite)?,
        })
    }

    fn evaluate(&self, state: &mut FaultyState, slice: Slice, rows: &mut Rows) {
        for parameter in slice.parameters {
            assert!(!state.panic.contains(&parameter), "{parameter} is poison");
            rows.push(if state.nan.contains(&parameter) {
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
