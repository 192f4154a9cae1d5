//! The options of a job.

use std::num::{NonZeroU32, NonZeroU64};

use clap::builder::BoolishValueParser;
use clap::{ArgAction, ArgGroup, Args};

use crate::settings::{ChunkSize, Seconds};
use crate::settings::{parse_chunk_size, parse_count, parse_duration, parse_pair, parse_range};

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

    /// An option of the kernel; may be repeated, and replaces the same key in `TTG_SET`, which holds
    /// options separated by white space
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_pair, action = ArgAction::Append)]
    pub(crate) set: Vec<(String, String)>,

    /// What the variable of `--set` holds. A flag of its own, since clap drops a variable whose
    /// flag is given.
    #[arg(long, value_name = "PAIRS", env = "TTG_SET", hide = true)]
    pub(crate) set_defaults: Option<String>,

    /// What variables of the earlier system say, for kernel `reference` only.
    #[arg(long, value_name = "KEY=VALUE", hide = true, value_parser = parse_pair,
          action = ArgAction::Append)]
    pub(crate) set_reference: Vec<(String, String)>,

    /// Parameters per chunk, or `auto`: about half a second of work, at least 40 chunks a slot
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

    /// How long one attempt at a chunk may take; at the last attempt, each of its parameters
    #[arg(long, value_name = "TIME", env = "TTG_TIMEOUT", default_value = "10m",
          value_parser = parse_duration)]
    pub(crate) timeout: Seconds,

    /// Keep the value of every parameter, for `ttg results --values`; chunks have at most 1 048 576
    /// parameters then
    #[arg(long, env = "TTG_VALUES", value_parser = BoolishValueParser::new())]
    pub(crate) values: bool,

    /// The job's name: the same name with the same options resumes a job [default: a fresh one]
    #[arg(long, value_name = "NAME", env = "TTG_JOB")]
    pub(crate) job: Option<String>,
}
