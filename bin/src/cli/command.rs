//! The commands, in the order in which help lists them.

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Parser, Subcommand};

use super::{
    CancelArguments, CheckArguments, CompletionsArguments, ConfigArguments, DemoArguments,
    DlqArguments, PurgeArguments, ResultsArguments, RunArguments, StatusArguments, SubmitArguments,
    VerifyArguments, WorkArguments,
};

use crate::build;

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
    Verify(VerifyArguments),
    Dlq(DlqArguments),
    Cancel(CancelArguments),
    Purge(PurgeArguments),
    Check(Box<CheckArguments>),
    Config(Box<ConfigArguments>),
    Demo(DemoArguments),
    Completions(CompletionsArguments),
    /// Evaluate what a worker of this program asks for, in a process of its own
    #[command(name = CHILD, hide = true)]
    Child,
}
