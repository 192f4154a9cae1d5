//! The options of whoever computes.

use std::num::NonZeroU32;

use clap::Args;

use crate::settings::{Seconds, parse_count, parse_duration};

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
