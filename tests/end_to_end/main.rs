//! The `ttg` command as its users have it: real processes, a real store, signals and `kill -9`.

mod crashes;
mod damage;
mod exactness;
mod faults;
mod logs;
mod memory;
mod resuming;
mod signals;
mod watching;

use ttg_tests::Sandbox;

fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_ttg-under-test"))
}
