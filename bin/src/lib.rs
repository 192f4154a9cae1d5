//! The command line of TTG, for any set of kernels.
//!
//! ```no_run
//! use std::process::ExitCode;
//! use ttg_runtime::Kernels;
//!
//! fn main() -> ExitCode {
//!     ttg::main(Kernels::builtin()) // and .with(YourKernel)
//! }
//! ```

mod aliases;
mod awaiting;
mod broker;
mod build;
mod chunking;
mod cli;
mod commands;
mod dead_letters;
mod endpoint;
mod error;
mod exit;
mod kept_values;
mod local_server;
mod logging;
mod lookup;
mod metered;
mod outcomes;
mod precedence;
mod preflight;
mod proof;
mod publisher;
mod recompute;
mod report;
mod settings;
mod shards;
mod signals;
mod submission;
mod traces;
mod variables;
mod worker;

use std::process::ExitCode;

use ttg_runtime::Kernels;

use crate::cli::{Cli, Command};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::precedence::Setting;
use crate::signals::Signals;
use crate::traces::TracesOfProcess;

/// Runs the command line of this process with `kernels`, and says how it ended.
pub fn main(kernels: Kernels) -> ExitCode {
    let (cli, settings) = match precedence::parse() {
        Ok(parsed) => parsed,
        Err(error) => return report::usage(&error),
    };
    match run(cli, settings, kernels) {
        Ok(exit) => exit.into(),
        Err(error) => report::failure(&error),
    }
}

fn run(cli: Cli, settings: Vec<Setting>, kernels: Kernels) -> Result<Exit, CommandError> {
    // What waits needs one thread, and what computes has its own. Were this another than the one that the
    // command is awaited on, each message between the two would cost a switch, on a CPU that computes.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CommandError::Runtime)?;
    let traces = TracesOfProcess::default();
    let exit = match cli.command {
        Command::Run(arguments) => {
            runtime.block_on(commands::run::run(*arguments, kernels, &traces))
        }
        Command::Submit(arguments) => {
            runtime.block_on(commands::submit::submit(*arguments, kernels, &traces))
        }
        Command::Worker(arguments) => {
            runtime.block_on(commands::worker::worker(arguments, kernels, &traces))
        }
        Command::Child => {
            let _signals = runtime.block_on(async { Signals::catch() });
            commands::child::child(kernels)
        }
        Command::Verify(arguments) => {
            runtime.block_on(commands::verify::verify(arguments, kernels))
        }
        Command::Dlq(arguments) => runtime.block_on(commands::dlq::dlq(arguments, &traces)),
        Command::Status(arguments) => runtime.block_on(commands::status::status(arguments)),
        Command::Cancel(arguments) => runtime.block_on(commands::cancel::cancel(arguments)),
        Command::Purge(arguments) => runtime.block_on(commands::purge::purge(arguments)),
        Command::Check(arguments) => runtime.block_on(commands::check::check(*arguments, kernels)),
        Command::Config(arguments) => commands::config::config(&arguments, settings),
        Command::Demo(arguments) => runtime.block_on(commands::demo::demo(arguments)),
        Command::Completions(arguments) => commands::completions::completions(&arguments),
        Command::Results(arguments) => runtime.block_on(commands::results::results(arguments)),
    };
    traces.end(&runtime);
    // What still computes after a second signal is not waited for.
    runtime.shutdown_background();
    exit
}
