//! The commands that look at jobs.

use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};

use super::CommonArguments;
use crate::recompute::Share;
use crate::settings::{Seconds, parse_duration};

/// Tell what jobs there are, or what one does
///
/// Without JOB a table of all jobs. With JOB its progress: parameters, chunks that are ready, in
/// flight (held by a worker) and delayed (waiting for another attempt), each worker's share and
/// rate, the throughput of the last minute and the time left.
#[derive(Debug, Args)]
#[command(after_help = "With --json one object: that of `ttg results`, or without JOB
{\"broker\": …, \"jobs\": [{\"job\": …, \"status\": …, \"age_seconds\": …}]}.

--watch shows it again every --interval: on a terminal in place, elsewhere a line each time, with
--json an object each time. It ends with the job, or by Ctrl-C, which the job does not notice.

Examples:
  ttg status
  ttg status nightly --watch
  ttg status nightly --watch --interval 1m >> nightly.log
  ttg status --json | jq -r '.jobs[] | select(.status == \"running\") | .job'

Exit codes: 0 told (with --watch: complete), 2 unknown job (with --watch: or cancelled), 3 finished
with dead letters, 69 store unavailable or damaged, 78 configuration invalid, 130 / 143 interrupted
while watching.")]
pub(crate) struct StatusArguments {
    /// The job's name; without it, all jobs
    pub(crate) job: Option<String>,

    /// Show it again and again until the job ends
    #[arg(long, env = "TTG_WATCH", value_parser = BoolishValueParser::new())]
    pub(crate) watch: bool,

    /// How often --watch looks, at least 100ms
    #[arg(long, value_name = "TIME", env = "TTG_INTERVAL", default_value = "1s",
          value_parser = parse_duration)]
    pub(crate) interval: Seconds,

    #[command(flatten)]
    pub(crate) common: CommonArguments,
}

/// Report a job's aggregate
///
/// A job that still runs is reported as far as it is. Several --broker embedded:DIR or --data-dir
/// merge the shards of a job, to the last bit; chunks keep the number that they have in their shard.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ttg results collatz-10M
  ttg results collatz-10M --json | jq .result.max
  ttg results collatz-10M --format csv --output chunks.csv
  ttg results nightly --values --format csv | head
  ttg results reference-0-10000 --data-dir a --data-dir b --data-dir c    # merge three shards

Exit codes: 0 complete or running, 2 unknown job or shards that do not merge, 3 finished with dead
letters, 69 store unavailable or damaged, 78 configuration invalid.")]
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

    /// Each parameter's value instead, of a job that was submitted with --values: a row for each
    /// parameter once, in the order in which chunks were done, and those without a value last
    #[arg(long, conflicts_with = "json")]
    pub(crate) values: bool,

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
/// Reads all outcomes and compares them with the job's cut and with what the broker counted, and the
/// values, where they are kept, with the outcomes. With
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
