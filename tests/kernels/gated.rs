//! Kernel `gated`: `value(p) = p`, each parameter in its time: a test decides how far a job comes.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use serde::Deserialize;
use ttg_runtime::{Kernel, KernelError, Rows, Slice};

/// How often it looks whether it may go on.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What a parameter takes, so that no worker reads ahead.
const WORK: Duration = Duration::from_millis(100);

/// The kernel `gated`.
pub(crate) struct Gated;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct GatedOptions {
    /// A file with a number in it: parameters below it go on, others wait, as all do without a file.
    gate: PathBuf,
}

impl Kernel for Gated {
    type Options = GatedOptions;
    type State = GatedOptions;

    fn name(&self) -> &'static str {
        "gated"
    }

    fn init(&self, options: GatedOptions) -> Result<GatedOptions, KernelError> {
        Ok(options)
    }

    fn evaluate(&self, options: &mut GatedOptions, slice: Slice, rows: &mut Rows) {
        for parameter in slice.parameters {
            while parameter >= options.open_below() {
                thread::sleep(LOOK_EVERY);
            }
            thread::sleep(WORK);
            rows.push(parameter as f64);
        }
    }
}

impl GatedOptions {
    fn open_below(&self) -> u64 {
        let text = fs::read_to_string(&self.gate).unwrap_or_default();
        text.trim().parse().unwrap_or(0)
    }
}
