//! The commands that look at jobs.

use clap::Args;

use super::CommonArguments;

/// Report a job's aggregate
///
/// A job that still runs is reported as far as it is.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ttg results collatz-10M
  ttg results collatz-10M --json | jq .result.max

Exit codes: 0 complete or running, 2 unknown job, 3 finished with dead letters, 69 store
unavailable or damaged, 78 configuration invalid.")]
pub(crate) struct ResultsArguments {
    /// The job's name
    pub(crate) job: String,
    #[command(flatten)]
    pub(crate) common: CommonArguments,
}
