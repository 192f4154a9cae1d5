//! The command line as it is written: raw values, checked in `settings`.

use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::builder::styling::{AnsiColor, Styles};
use clap::{ArgAction, ArgGroup, Args, Parser, Subcommand, ValueEnum};

use crate::settings::{ChunkSize, Seconds};
use crate::settings::{parse_chunk_size, parse_count, parse_duration, parse_pair, parse_range};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Evaluates an algorithm for millions of independent parameters, exactly once each, whatever dies.
#[derive(Debug, Parser)]
#[command(name = "ttg", version, styles = STYLES, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(Box<RunArguments>),
    Results(ResultsArguments),
}

/// Submit a job, work on it and report, in one process
///
/// The job is kept in an embedded store, so the same command with the same --job resumes it after
/// a crash, and a job that is complete is only reported.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ttg run --parameters 10000000
  ttg run --kernel collatz --range 1..10000000 --job collatz-10M
  ttg run --parameters 10000 --set simulate-work-ms=1 --concurrency 8 --json

Exit codes: 0 complete, 2 wrong usage or another job of this name, 3 finished with dead
letters, 69 store unavailable or damaged, 78 configuration invalid, 130 / 143 interrupted (run
it again to resume), 1 anything else.")]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) job: JobArguments,
    #[command(flatten)]
    pub(crate) worker: WorkerArguments,
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

/// What to compute.
#[derive(Debug, Args)]
#[command(next_help_heading = "Job")]
#[command(group(ArgGroup::new("space").required(true).args(["parameters", "range"])))]
pub(crate) struct JobArguments {
    /// Evaluate parameters 0 to N-1
    #[arg(long, value_name = "N", env = "TTG_PARAMETERS", value_parser = parse_count::<NonZeroU64>,
          allow_negative_numbers = true)]
    pub(crate) parameters: Option<NonZeroU64>,

    /// Evaluate parameters A to B-1; `TTG_RANGE` wins over `TTG_PARAMETERS`
    #[arg(long, value_name = "A..B", env = "TTG_RANGE", value_parser = parse_range)]
    pub(crate) range: Option<ttg_runtime::ParameterRange>,

    /// The algorithm
    #[arg(long, value_name = "NAME", env = "TTG_KERNEL", default_value = "reference")]
    pub(crate) kernel: String,

    /// An option of the kernel; may be repeated, and replaces the same key in `TTG_SET`, which
    /// holds options separated by white space
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_pair, action = ArgAction::Append)]
    pub(crate) set: Vec<(String, String)>,

    /// What the variable of `--set` holds. A flag of its own, since clap drops a variable whose
    /// flag is given.
    #[arg(long, value_name = "PAIRS", env = "TTG_SET", hide = true)]
    pub(crate) set_defaults: Option<String>,

    /// Parameters per chunk, or `auto`: about half a second of work, at least 20 chunks a slot
    #[arg(long, value_name = "N", env = "TTG_CHUNK_SIZE", default_value = "auto",
          value_parser = parse_chunk_size)]
    pub(crate) chunk_size: ChunkSize,

    /// Failed attempts at a chunk before its bad parameters are dead
    #[arg(long, value_name = "N", env = "TTG_MAX_ATTEMPTS", default_value = "3",
          value_parser = parse_count::<NonZeroU32>)]
    pub(crate) max_attempts: NonZeroU32,

    /// Deliveries of a chunk that may end without a word before it is given up
    #[arg(long, value_name = "N", env = "TTG_MAX_DELIVERIES", default_value = "20",
          value_parser = parse_count::<NonZeroU32>)]
    pub(crate) max_deliveries: NonZeroU32,

    /// The wait before the second attempt; later ones grow from it
    #[arg(long, value_name = "TIME", env = "TTG_RETRY_DELAY", default_value = "1s",
          value_parser = parse_duration)]
    pub(crate) retry_delay: Seconds,

    /// How long one attempt at a chunk may take; seen between slices of its work, and not at the
    /// last attempt, which keeps what is good
    #[arg(long, value_name = "TIME", env = "TTG_TIMEOUT", default_value = "10m",
          value_parser = parse_duration)]
    pub(crate) timeout: Seconds,

    /// The job's name: the same name with the same options resumes a job [default: a fresh one]
    #[arg(long, value_name = "NAME", env = "TTG_JOB")]
    pub(crate) job: Option<String>,
}

/// How to work.
#[derive(Debug, Args)]
#[command(next_help_heading = "Worker")]
pub(crate) struct WorkerArguments {
    /// Chunks to compute at once [default: the CPUs that this process may use]
    #[arg(long, value_name = "N", env = "TTG_CONCURRENCY",
          value_parser = parse_count::<NonZeroU32>)]
    pub(crate) concurrency: Option<NonZeroU32>,

    /// How long a chunk is this worker's without being renewed
    #[arg(long, value_name = "TIME", env = "TTG_LEASE", default_value = "10s",
          value_parser = parse_duration)]
    pub(crate) lease: Seconds,
}

/// Where and how to speak.
#[derive(Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct CommonArguments {
    /// Where jobs are kept
    #[arg(long, value_name = "URL", env = "TTG_BROKER", default_value = "embedded:.ttg")]
    pub(crate) broker: String,

    /// Short for --broker embedded:DIR; `TTG_DATA_DIR` wins over `TTG_BROKER`
    #[arg(long, value_name = "DIR", env = "TTG_DATA_DIR", conflicts_with = "broker")]
    pub(crate) data_dir: Option<PathBuf>,

    /// Print one JSON object on standard output
    #[arg(long, env = "TTG_JSON", value_parser = BoolishValueParser::new())]
    pub(crate) json: bool,

    /// The form of log lines on standard error
    #[arg(long, value_name = "FORMAT", env = "TTG_LOG_FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,

    /// What to log: error, warn, info, debug, trace, or directives such as `ttg_actors=debug,warn`
    /// [default: info; warn beside a progress bar]
    #[arg(long, value_name = "LEVEL", env = "TTG_LOG_LEVEL")]
    pub(crate) log_level: Option<String>,

    /// The pod that this process runs in, for its log lines; Kubernetes' downward API knows
    #[arg(long, value_name = "NAME", env = "POD_NAME", hide = true)]
    pub(crate) pod_name: Option<String>,

    /// The node that the pod runs on, likewise
    #[arg(long, value_name = "NAME", env = "NODE_NAME", hide = true)]
    pub(crate) node_name: Option<String>,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}
