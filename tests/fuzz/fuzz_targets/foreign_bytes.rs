//! Whatever a broker or a child process may hold or say.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ttg_runtime::foreign::read_everything(bytes));
