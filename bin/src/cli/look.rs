//! The commands that look at jobs.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::CommonArguments;
use crate::recompute::Share;

/// Report a job's aggregate
///
/// A job that still runs is reported as far as it is.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ttg results collatz-10M
  ttg results collatz-10M --json | jq .result.max
  ttg results collatz-10M --format csv --output chunks.csv

Exit codes: 0 complete or running, 2 unknown job, 3 finished with dead letters, 69 store
unavailable or damaged, 78 configuration invalid.")]
pub(crate) struct ResultsArguments {
    /// The job's name
    pub(crate) job: String,

    /// The aggregate as a table, or each chunk's: a JSON array, CSV with a row for each chunk and
    /// column, or JSON lines
    #[arg(
        long,
        value_name = "FORMAT",
        env = "TTG_FORMAT",
        default_value = "table",
        conflicts_with = "json"
    )]
    pub(crate) format: ResultsFormat,

    /// Write to this file, which appears when it is whole
    #[arg(long, value_name = "FILE", env = "TTG_OUTPUT")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) common: CommonArguments,
}

/// What is told of a job's results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ResultsFormat {
    /// The aggregate, for people.
    Table,
    /// The chunks, as one array.
    Json,
    /// The chunks, a row for each column of each.
    Csv,
    /// The chunks, an object a line.
    Jsonl,
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
