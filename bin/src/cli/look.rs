//! The commands that look at jobs.

use clap::Args;
use clap::builder::BoolishValueParser;

use super::CommonArguments;
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
