//! The options of commands that show progress.

use std::num::NonZeroU64;

use clap::Args;

use crate::settings::parse_count;

/// How to tell of progress.
#[derive(Debug, Args)]
#[command(next_help_heading = "Progress")]
pub(crate) struct ProgressArguments {
    /// Without a terminal: log the progress after every N parameters, at most once a second
    /// [default: every 5 seconds]
    #[arg(long, value_name = "N", env = "TTG_PROGRESS_EVERY",
          value_parser = parse_count::<NonZeroU64>)]
    pub(crate) progress_every: Option<NonZeroU64>,
}
