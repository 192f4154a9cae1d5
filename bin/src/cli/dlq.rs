//! The commands of dead letters.

use clap::{Args, Subcommand};

use super::CommonArguments;

/// List, retry or drop the dead letters of a job: parameters whose attempts are used up
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ttg dlq list nightly
  ttg dlq retry nightly && ttg worker --until-complete nightly
  ttg dlq drop nightly --json

Exit codes: 0 done, 2 unknown job, or one that is not finished, 69 store unavailable or damaged, 78
configuration invalid.")]
pub(crate) struct DlqArguments {
    #[command(subcommand)]
    pub(crate) command: DlqCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DlqCommand {
    /// Show them by reason, with the command that reproduces one
    List(DlqJobArguments),
    /// Publish them again as new chunks, for workers to compute; what completes is dead no more
    Retry(DlqJobArguments),
    /// Give them up: they stay dead, and are neither listed nor tried again
    Drop(DlqJobArguments),
}

/// Whose.
#[derive(Debug, Args)]
pub(crate) struct DlqJobArguments {
    /// The job's name
    pub(crate) job: String,
    #[command(flatten)]
    pub(crate) common: CommonArguments,
}
