//! The command line as it is written: raw values, checked in `settings`. `compute` and `look` are the
//! commands, `job`, `worker` and `common` the options that they share.

mod common;
mod compute;
mod job;
mod look;
mod machine;
mod manage;
mod progress;
mod worker;

pub(crate) use common::{CommonArguments, LogFormat};
pub(crate) use compute::{RunArguments, SubmitArguments, WorkArguments};
pub(crate) use job::JobArguments;
pub(crate) use look::{ResultsArguments, StatusArguments};
pub(crate) use machine::{CheckArguments, CompletionsArguments, ConfigArguments};
pub(crate) use manage::{CancelArguments, PurgeArguments};
pub(crate) use progress::ProgressArguments;
pub(crate) use worker::{EndArguments, WorkerArguments};

use crate::build;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Parser, Subcommand};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// The command that a worker starts its child processes with.
pub(crate) const CHILD: &str = "child-of-a-worker";

/// Evaluates an algorithm for millions of independent parameters, exactly once each, whatever dies.
#[derive(Debug, Parser)]
#[command(name = "ttg", version = build::LONG, styles = STYLES, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(Box<RunArguments>),
    Submit(Box<SubmitArguments>),
    Worker(WorkArguments),
    Status(StatusArguments),
    Results(ResultsArguments),
    Cancel(CancelArguments),
    Purge(PurgeArguments),
    Check(Box<CheckArguments>),
    Config(Box<ConfigArguments>),
    Completions(CompletionsArguments),
    /// Evaluate what a worker of this program asks for, in a process of its own
    #[command(name = CHILD, hide = true)]
    Child,
}
