//! The `ttg` command as its users have it: real processes, a real store, signals and `kill -9`.

mod crashes;
mod damage;
mod dead_letters;
mod exactness;
mod faults;
mod logs;
mod memory;
mod proofs;
mod resuming;
mod rows;
mod signals;
mod submitting;
mod watching;

use ttg_tests::Sandbox;

fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_ttg-under-test"))
}
