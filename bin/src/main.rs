//! The `ttg` command.
fn main() {}
