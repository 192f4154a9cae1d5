//! The commands that submit and compute.

use clap::Args;
use clap::builder::BoolishValueParser;

use super::{
    CommonArguments, EndArguments, JobArguments, ListenArguments, ProgressArguments,
    ShardArguments, WorkerArguments,
};

/// Submit a job, work on it and report, in one process
///
/// The job is kept in an embedded store, so the same command with the same --job resumes it after
/// a crash, and a job that is complete is only reported.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ttg run --parameters 10000000
  ttg run --kernel collatz --range 1..10000000 --job collatz-10M
  ttg run --parameters 10000 --set simulate-work-ms=1 --concurrency 8 --json
  ttg run --parameters 10000 --shard 0/3    # and 1/3 and 2/3, wherever you like

Exit codes: 0 complete, 2 wrong usage or another job of this name, 3 finished with dead
letters, 69 store unavailable or damaged, 78 configuration invalid, 130 / 143 interrupted (run
it again to resume), 1 anything else.")]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) job: JobArguments,
    #[command(flatten)]
    pub(crate) shard: ShardArguments,
    #[command(flatten)]
    pub(crate) worker: WorkerArguments,
    #[command(flatten)]
    pub(crate) progress: ProgressArguments,
    #[command(flatten)]
    pub(crate) listen: ListenArguments,
    #[command(flatten)]
    pub(crate) common: CommonArguments,
}

/// Split a job and publish it, for workers to compute
///
/// Workers start on the first chunk, not after the last. A submission that was interrupted is
/// completed by the same command with the same --job: only what is missing is published.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ttg submit --parameters 10000000 --job nightly
  ttg submit --kernel collatz --range 1..10000000 --job collatz-10M --wait --json

Exit codes: 0 submitted (with --wait: complete), 2 wrong usage or another job of this name, 3
finished with dead letters, 69 store unavailable or damaged, 78 configuration invalid, 130 / 143
interrupted (the job goes on; run it again to wait on), 1 anything else.")]
pub(crate) struct SubmitArguments {
    #[command(flatten)]
    pub(crate) job: JobArguments,

    /// Wait until the job is complete, and report it
    #[arg(long, env = "TTG_WAIT", value_parser = BoolishValueParser::new())]
    pub(crate) wait: bool,

    #[command(flatten)]
    pub(crate) progress: ProgressArguments,
    #[command(flatten)]
    pub(crate) listen: ListenArguments,
    #[command(flatten)]
    pub(crate) common: CommonArguments,
}

/// Work on the jobs of a store until stopped
///
/// Any number of workers share a store, come and go. SIGTERM or SIGINT ends one at the end of its
/// kernels' slices and gives back what is unfinished; a second signal ends it at once.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ttg worker --data-dir /var/lib/ttg
  ttg worker --until-complete collatz-10M --concurrency 4
  ttg worker --idle-timeout 5m --json

Exit codes: 0 drained, idle or complete, 2 wrong usage or a job that was cancelled, 3 the awaited
job finished with dead letters, 69 store unavailable, 78 configuration invalid, 130 / 143 a
second signal, 1 anything else.")]
pub(crate) struct WorkArguments {
    #[command(flatten)]
    pub(crate) end: EndArguments,
    #[command(flatten)]
    pub(crate) worker: WorkerArguments,
    #[command(flatten)]
    pub(crate) listen: ListenArguments,
    #[command(flatten)]
    pub(crate) common: CommonArguments,
}
