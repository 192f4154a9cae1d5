//! Kernel `hostile`: values whose sum a running total gets wrong, in two columns.
//!
//! Of every eight parameters, two cancel at 1e308, two at 1e16, and what is left is tiny. The
//! second column is what is left alone. `end_to_end/hostile.py` computes the same values.

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
        &["wild", "mild"]
    }

    fn init(&self, (): ()) -> Result<(), KernelError> {
        Ok(())
    }

    fn evaluate(&self, (): &mut (), slice: Slice, rows: &mut Rows) {
        for parameter in slice.parameters {
            // Between 1 and 1.5, with 31 bits: the same for all of an eight.
            let scale = 1.0 + ((parameter / 8 * 2_654_435_761) % (1 << 32)) as f64 / 2_f64.powi(33);
            let mild = scale / 3.0;
            let wild = match parameter % 8 {
                0 => 1e308 * scale,
                1 => -1e308 * scale,
                2 => 1e-308 * scale,
                3 => 5e-324,
                4 => 1e16 * scale,
                5 => -1e16 * scale,
                6 => mild,
                _ => -0.1,
            };
            rows.push_row(&[wild, mild]);
        }
    }
}
