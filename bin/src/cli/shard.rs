//! The option of static mode.

use clap::Args;
use ttg_runtime::Shard;

/// Which part of a job.
#[derive(Debug, Args)]
#[command(next_help_heading = "Static mode")]
pub(crate) struct ShardArguments {
    /// Compute slice I of W, from 0, in a store that nobody else opens meanwhile: .ttg/shard-I-of-W,
    /// or the folder that --data-dir names. `ttg results` merges the stores of all slices
    #[arg(long, value_name = "I/W", env = "TTG_SHARD")]
    pub(crate) shard: Option<Shard>,
}
