//! The commands that look at jobs.

use clap::Args;

use super::CommonArguments;
use crate::recompute::Share;

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

/// Prove a finished job: every parameter in exactly one outcome
///
/// Reads all outcomes and compares them with the job's cut and with what the broker counted. With
/// --recompute it evaluates chunks again, too, and compares each summary to the last bit.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ttg verify collatz-10M
  ttg verify collatz-10M --recompute
  ttg verify nightly --recompute=5% --json

Exit codes: 0 proven, 2 unknown job or one that is not finished, 4 disproved, 69 store unavailable or
damaged, 78 configuration invalid.")]
pub(crate) struct VerifyArguments {
    /// The job's name
    pub(crate) job: String,

    /// Evaluate all chunks again, or so many at random, or so large a share
    #[arg(long, value_name = "all|N|P%", env = "TTG_RECOMPUTE", num_args = 0..=1,
          require_equals = true, default_missing_value = "all")]
    pub(crate) recompute: Option<Share>,

    #[command(flatten)]
    pub(crate) common: CommonArguments,
}
