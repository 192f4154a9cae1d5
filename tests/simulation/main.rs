//! Simulates whole fleets of workers on a broker that fails, in virtual time, by a seed that decides
//! everything. See the README beside this file.

mod bugs;
mod call;
mod chance;
mod checkers;
mod child;
mod clock;
mod command;
mod event;
mod execution;
mod fate;
mod fleet;
mod kernel;
mod nemesis;
mod node;
mod plan;
mod sabotage;
mod scale;
mod story;
mod submission;
mod submitter;
mod tally;
mod weather;
mod wire;
mod witness;
mod world;

use std::process::ExitCode;

fn main() -> ExitCode {
    command::main(std::env::args().skip(1))
}
