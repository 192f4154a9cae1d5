//! The commands about this machine and this command line.

use clap::Args;
use clap_complete::Shell;

use super::{
    CommonArguments, EndArguments, JobArguments, ListenArguments, ProgressArguments,
    ShardArguments, WorkerArguments,
};

/// Look whether a job could be computed here, and what to mend
///
/// Looks at the store, its disk, the settings and this machine, and evaluates the first parameters of
/// the kernel for a moment. Makes no store and leaves no trace in one.
#[derive(Debug, Args)]
#[command(after_help = "With --json one object:
{\"status\": \"ok|warning|error\", \"findings\": [{\"check\": …, \"level\": …, \"found\": …, \"remedy\": …}]}.

Examples:
  ttg check
  ttg check --kernel collatz --range 1..10000000 --data-dir /var/lib/ttg
  ttg check --json | jq -r '.findings[] | select(.level != \"ok\") | .remedy'

Exit codes: 0 ready (perhaps with warnings), 69 store unavailable or damaged, 78 configuration
invalid.")]
pub(crate) struct CheckArguments {
    #[command(flatten)]
    pub(crate) job: JobArguments,
    #[command(flatten)]
    pub(crate) worker: WorkerArguments,
    #[command(flatten)]
    pub(crate) common: CommonArguments,
}

/// Tell what every option is set to, and by what
///
/// Takes the options of `ttg run` and `ttg worker` and does nothing with them. Order: a flag, then
/// its TTG_ variable, then a variable of the earlier system, then the default. A variable that is
/// empty counts as not set. Secrets are hidden.
#[derive(Debug, Args)]
#[command(
    after_help = "Variables of the earlier system: QUEUE_BACKEND (redis, rabbitmq or embedded) makes
--broker, with REDIS_HOST and REDIS_PORT, or RABBITMQ_HOST, _PORT, _USER, _PASSWORD and _VHOST;
TOTAL_PARAMETERS is --parameters, CHUNK_SIZE --chunk-size, BATCH_SIZE --progress-every,
IDLE_TIMEOUT_SECONDS --idle-timeout, LOG_LEVEL --log-level, LOG_FORMAT --log-format, POD_NAME and
NODE_NAME the fields of log lines; JOB_COMPLETION_INDEX, or else WORKER_ID, with TOTAL_WORKERS makes
--shard; SIMULATE_WORK_MS and SIMULATE_FAULT_RATE are options of kernel
reference. A value such as tcp://10.0.0.1:6379, which Kubernetes makes, is ignored.

Examples:
  ttg config
  TTG_LEASE=30s ttg config --concurrency 4
  ttg config --json | jq -r '.settings[] | select(.source != \"default\") | .name'

Exit codes: 0 told, 2 an option that cannot be read."
)]
pub(crate) struct ConfigArguments {
    #[command(flatten)]
    pub(crate) job: JobArguments,
    #[command(flatten)]
    pub(crate) shard: ShardArguments,
    #[command(flatten)]
    pub(crate) worker: WorkerArguments,
    #[command(flatten)]
    pub(crate) end: EndArguments,
    #[command(flatten)]
    pub(crate) progress: ProgressArguments,
    #[command(flatten)]
    pub(crate) listen: ListenArguments,
    #[command(flatten)]
    pub(crate) common: CommonArguments,
}

/// Print what completes commands and options in your shell
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ttg completions bash > ~/.local/share/bash-completion/completions/ttg
  ttg completions zsh > ~/.zfunc/_ttg        # with ~/.zfunc in fpath
  ttg completions fish > ~/.config/fish/completions/ttg.fish")]
pub(crate) struct CompletionsArguments {
    /// Which shell
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}
