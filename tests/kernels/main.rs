//! The `ttg` command that the tests start: the built-in kernels and those that misbehave. A user's
//! own kernels come to the command line the same way.

mod deadly;
mod faulty;
mod gated;
mod hostile;

use std::process::ExitCode;

use ttg_runtime::Kernels;

fn main() -> ExitCode {
    let kernels = Kernels::builtin()
        .with(faulty::Faulty)
        .and_then(|kernels| kernels.with(deadly::Deadly))
        .and_then(|kernels| kernels.with(gated::Gated))
        .and_then(|kernels| kernels.with(hostile::Hostile))
        .expect("the names are valid");
    ttg::main(kernels)
}
