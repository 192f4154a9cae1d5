//! The options of whoever computes.

use std::net::SocketAddr;
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

/// When a worker ends.
#[derive(Debug, Args)]
pub(crate) struct EndArguments {
    /// End when this job is complete; it may be submitted later
    #[arg(long, value_name = "JOB", env = "TTG_UNTIL_COMPLETE")]
    pub(crate) until_complete: Option<String>,

    /// End when there was nothing to do for this long
    #[arg(long, value_name = "TIME", env = "TTG_IDLE_TIMEOUT", value_parser = parse_duration)]
    pub(crate) idle_timeout: Option<Seconds>,
}

/// How to be watched.
#[derive(Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct ListenArguments {
    /// Serve /metrics, /livez and /readyz here, such as 0.0.0.0:9464
    #[arg(long, value_name = "ADDR", env = "TTG_LISTEN")]
    pub(crate) listen: Option<SocketAddr>,
}
