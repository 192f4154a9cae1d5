//! Kernel `hostile`: values whose sum a running total gets wrong, in two columns.
//!
//! Of every eight parameters, two cancel at 1e308 and two at 1e16 (`wild`) or 1e-300 (`tiny`), so
//! that the sum is of the size of the others: about 1, or subnormal. `end_to_end/hostile.py`
//! computes the same values.

use ttg_runtime::{Kernel, KernelError, Rows, Slice};

/// The kernel `hostile`.
pub(crate) struct Hostile;

impl Kernel for Hostile {
    type Options = ();
    type State = ();

    fn name(&self) -> &'static str {
        "hostile"
    }

    fn columns(&self) -> &[&str] {
        &["wild", "tiny"]
    }

    fn init(&self, (): ()) -> Result<(), KernelError> {
        Ok(())
    }

    fn evaluate(&self, (): &mut (), slice: Slice, rows: &mut Rows) {
        for parameter in slice.parameters {
            // Between 1 and 1.5, with 31 bits: the same for all of an eight.
            let scale = 1.0 + ((parameter / 8 * 2_654_435_761) % (1 << 32)) as f64 / 2_f64.powi(33);
            let (wild, tiny) = match parameter % 8 {
                0 => (1e308 * scale, 1e308 * scale),
                1 => (-1e308 * scale, -1e308 * scale),
                2 => (1e16 * scale, 1e-300 * scale),
                3 => (-1e16 * scale, -1e-300 * scale),
                4 => (1e-308 * scale, 1e-310 * scale),
                5 => (5e-324, 5e-324),
                6 => (scale / 3.0, 3e-317),
                _ => (-0.1, -1e-312),
            };
            rows.push_row(&[wild, tiny]);
        }
    }
}
