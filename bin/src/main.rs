//! The `ttg` command with the built-in kernels.

use std::process::ExitCode;

use ttg_runtime::Kernels;

fn main() -> ExitCode {
    ttg::main(Kernels::builtin())
}
