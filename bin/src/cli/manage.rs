//! The commands that end and remove jobs.

use clap::{ArgGroup, Args};

use super::CommonArguments;

/// Stop a job and keep what it has
///
/// Its chunks are dropped, and workers stop computing them within a third of their lease. Its
/// outcomes stay, for `ttg results`. A job that is complete is left as it is; a cancelled one
/// cannot be resumed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ttg cancel nightly
  ttg cancel nightly --json

Exit codes: 0 cancelled, or complete already, 2 unknown job, 69 store unavailable or damaged, 78
configuration invalid.")]
pub(crate) struct CancelArguments {
    /// The job's name
    pub(crate) job: String,
    #[command(flatten)]
    pub(crate) common: CommonArguments,
}

/// Remove jobs and all that they left
///
/// Nothing is asked. A job that still runs is refused: cancel it first, or say --force. The store's
/// file keeps its size and fills its gaps.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("which").required(true).args(["jobs", "all"])))]
#[command(after_help = "Examples:
  ttg purge nightly
  ttg purge monday tuesday --force
  ttg purge --all --data-dir /tmp/trial

Exit codes: 0 removed, 2 unknown job or one that runs (then nothing is removed), 69 store
unavailable or damaged, 78 configuration invalid.")]
pub(crate) struct PurgeArguments {
    /// The jobs' names
    #[arg(value_name = "JOB")]
    pub(crate) jobs: Vec<String>,

    /// All jobs of this store, also those whose record is damaged
    #[arg(long)]
    pub(crate) all: bool,

    /// Those that run, too
    #[arg(long)]
    pub(crate) force: bool,

    #[command(flatten)]
    pub(crate) common: CommonArguments,
}
