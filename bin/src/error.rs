//! What goes wrong for a user: what, why, and what to do.

use std::io;

use thiserror::Error;
use ttg_actors::WorkerError;
use ttg_observability::telemetry::TelemetryError;
use ttg_observability::traces::WrongVariables;
use ttg_runtime::wire::WireError;
use ttg_runtime::{BrokerError, IdError, JobName, KernelError, KernelName, Kernels, OtherSpec};

use crate::exit::Exit;

/// Why a command failed.
#[derive(Debug, Error)]
pub(crate) enum CommandError {
    /// Settings that do not fit, all of them.
    #[error("the settings do not fit: {}", .0.join("; "))]
    Settings(Vec<String>),
    /// `--broker` names a kind that this build does not have.
    #[error("`{0}` is no broker of this build")]
    UnknownBroker(String),
    /// An attempt may take longer than the broker lets anybody hold a chunk.
    #[error(
        "--timeout {timeout:?} is too long for {broker}, which takes a chunk back after a while"
    )]
    TimeoutTooLong {
        /// The timeout.
        timeout: std::time::Duration,
        /// The broker's name.
        broker: &'static str,
        /// The longest that it allows.
        longest: std::time::Duration,
    },
    /// No kernel of that name here.
    #[error("kernel `{name}` is unknown")]
    UnknownKernel {
        /// The name.
        name: KernelName,
        /// What there is.
        known: String,
    },
    /// The kernel does not take these options.
    #[error("kernel `{kernel}` does not take these options")]
    KernelOptions {
        /// Its name.
        kernel: KernelName,
        /// What it said.
        #[source]
        cause: KernelError,
    },
    /// The kernel panicked where it was to say whether it takes the options.
    #[error("kernel `{kernel}` panicked when it was to start: {message}")]
    KernelPanicked {
        /// Its name.
        kernel: KernelName,
        /// The panic's words.
        message: String,
    },
    /// No job of that name.
    #[error("job `{0}` is unknown")]
    UnknownJob(JobName),
    /// A job of that name was cancelled.
    #[error("job `{0}` was cancelled")]
    Cancelled(JobName),
    /// The job still runs.
    #[error("job `{0}` is not finished")]
    NotFinished(JobName),
    /// Jobs that were to be removed, and run.
    #[error("{} runs: nothing was removed", names(.0))]
    StillRunning(Vec<JobName>),
    /// The worker ended in order, and the job has not.
    #[error("the worker ended before job `{0}` did")]
    Unfinished(JobName),
    /// The name is taken by another job.
    #[error("the job was not submitted")]
    OtherSpec(#[source] OtherSpec),
    /// A name is not one.
    #[error(transparent)]
    Name(#[from] IdError),
    /// The broker.
    #[error("{doing}")]
    Broker {
        /// What was tried.
        doing: &'static str,
        /// What it said.
        #[source]
        cause: BrokerError,
    },
    /// The broker cannot keep values.
    #[error("the broker `{0}` cannot keep the values of single parameters")]
    NoValuesHere(&'static str),
    /// The job was submitted without `--values`.
    #[error("job `{0}` keeps no values")]
    NoValues(JobName),
    /// A record of values that an outcome names is not there.
    #[error("values of job `{0}` are missing in the store")]
    ValuesLost(JobName),
    /// The store of a shard is in use.
    #[error("the shard's store could not be opened")]
    NotAlone(#[source] BrokerError),
    /// Stores whose jobs are not the shards of one.
    #[error("the stores do not merge: {0}")]
    Shards(String),
    /// The worker.
    #[error("the worker ended")]
    Worker(#[source] WorkerError),
    /// A process of the demonstration.
    #[error("the demonstration could not start or stop its processes")]
    Demo(#[source] io::Error),
    /// One that failed.
    #[error("`ttg {0}` of the demonstration failed: {1}")]
    DemoStep(&'static str, std::process::ExitStatus),
    /// A server that was to be started.
    #[error("`{program}` could not be started")]
    NoServer {
        /// Which one.
        program: &'static str,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The job was over before a worker could be killed.
    #[error("the job was over before a worker could be killed")]
    DemoTooFast,
    /// A child process whose worker is gone.
    #[error("the worker of this child process is gone")]
    Orphan,
    /// A child process that cannot serve its worker.
    #[error("this command is for the child processes of a worker")]
    Child(#[source] io::Error),
    /// The log.
    #[error("logging could not start")]
    Log(#[source] TelemetryError),
    /// The variables of traces.
    #[error("traces could not start")]
    Traces(#[source] WrongVariables),
    /// The async runtime.
    #[error("the async runtime could not start")]
    Runtime(#[source] io::Error),
    /// The endpoint.
    #[error("could not listen at {address}")]
    Listen {
        /// Where.
        address: std::net::SocketAddr,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// Standard output is gone for another reason than a closed pipe.
    #[error("the result could not be written")]
    Output(#[source] io::Error),
}

impl CommandError {
    /// No kernel of that name among `kernels`.
    pub(crate) fn unknown_kernel(name: KernelName, kernels: &Kernels) -> Self {
        let known: Vec<_> = kernels.names().map(ToString::to_string).collect();
        Self::UnknownKernel { name, known: known.join(", ") }
    }

    /// For `map_err`: a broker's error while `doing` something.
    pub(crate) fn broker(doing: &'static str) -> impl FnOnce(BrokerError) -> Self {
        move |cause| Self::Broker { doing, cause }
    }

    /// The documented exit code.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Settings(_)
            | Self::Log(TelemetryError::Filter { .. })
            | Self::UnknownKernel { .. }
            | Self::KernelOptions { .. }
            | Self::KernelPanicked { .. }
            | Self::UnknownJob(_)
            | Self::Cancelled(_)
            | Self::NotFinished(_)
            | Self::StillRunning(_)
            | Self::OtherSpec(_)
            | Self::Child(_)
            | Self::Shards(_)
            | Self::NoValues(_)
            | Self::Name(_) => Exit::Usage,
            Self::UnknownBroker(_)
            | Self::TimeoutTooLong { .. }
            | Self::Listen { .. }
            | Self::Traces(_)
            | Self::NoValuesHere(_) => Exit::Configuration,
            Self::ValuesLost(_) | Self::NoServer { .. } => Exit::Unavailable,
            Self::Broker { cause, .. } | Self::NotAlone(cause) => exit_of(cause),
            Self::Worker(WorkerError::Broker(cause)) => exit_of(cause),
            Self::Worker(_)
            | Self::Unfinished(_)
            | Self::Orphan
            | Self::Demo(_)
            | Self::DemoStep(..)
            | Self::DemoTooFast
            | Self::Log(_)
            | Self::Runtime(_)
            | Self::Output(_) => Exit::Unexpected,
        }
    }

    /// What the user can do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Settings(_) | Self::Log(TelemetryError::Filter { .. }) => {
                Some("`--help` tells what each option takes".into())
            }
            Self::UnknownBroker(_) => Some(
                "write `--broker embedded:DIR`, or `--data-dir DIR` for short, \
                 `--broker redis://HOST` or `--broker amqp://HOST`; `ttg config` tells where the \
                 setting comes from"
                    .into(),
            ),
            Self::NoServer { program, cause } if cause.kind() == io::ErrorKind::NotFound => {
                Some(format!("install it: `apt-get install {program}`"))
            }
            Self::Traces(_) => Some("mend the variable, or set OTEL_SDK_DISABLED=true".into()),
            Self::TimeoutTooLong { longest, .. } => Some(format!(
                "give chunks {longest:?} at most, and make them smaller with --chunk-size"
            )),
            Self::DemoTooFast => Some("choose another `--scale`, or an earlier `--kill-at`".into()),
            Self::Listen { .. } => {
                Some("`--listen` takes an address of this machine and a free port".into())
            }
            Self::UnknownKernel { known, .. } => Some(format!("this build has: {known}")),
            Self::KernelOptions { .. } => Some("options are given as `--set key=value`".into()),
            Self::KernelPanicked { .. } => {
                Some("mend the kernel, or give it other options: `--set key=value`".into())
            }
            Self::UnknownJob(_) => {
                Some("`ttg status` lists all; check `--broker`, `--data-dir` and `--namespace`".into())
            }
            Self::NotFinished(name) => {
                Some(format!("`ttg worker --until-complete {name}` finishes it"))
            }
            Self::Cancelled(_) => Some("submit it under another name".into()),
            Self::StillRunning(_) => {
                Some("stop it first with `ttg cancel`, or remove it all the same with --force".into())
            }
            Self::OtherSpec(_) => Some(
                "resume it with the options it was submitted with, or give this one another `--job`"
                    .into(),
            ),
            Self::Broker { cause, .. } => broker_hint(cause).map(Into::into),
            Self::NoValuesHere(_) => {
                Some("submit the job without `--values`, or to `--broker embedded:DIR`".into())
            }
            Self::NoValues(_) => Some(
                "submit it under another name with `--values`; its chunks are there: `--format csv`"
                    .into(),
            ),
            Self::ValuesLost(name) => {
                Some(format!("`ttg verify {name}` tells which, and restore the store from a copy"))
            }
            Self::NotAlone(_) => Some(
                "wait for the other process to end, or name a folder for each shard: `--data-dir`"
                    .into(),
            ),
            Self::Shards(_) => {
                Some("name the store of each shard once, each by its own `--broker embedded:DIR`".into())
            }
            Self::Worker(WorkerError::Broker(cause)) => broker_hint(cause).map(Into::into),
            _ => None,
        }
    }
}

fn names(jobs: &[JobName]) -> String {
    let names: Vec<_> = jobs.iter().map(|name| format!("job `{name}`")).collect();
    names.join(" and ")
}

fn exit_of(error: &BrokerError) -> Exit {
    match error {
        BrokerError::Foreign { .. }
        | BrokerError::Refused { .. }
        | BrokerError::TooLarge { .. }
        | BrokerError::Record {
            cause: WireError::Version { .. } | WireError::TooLong(_), ..
        } => Exit::Configuration,
        BrokerError::Unavailable { .. }
        | BrokerError::Full { .. }
        | BrokerError::Corrupt { .. }
        | BrokerError::Record { .. } => Exit::Unavailable,
        BrokerError::JobGone { .. } => Exit::Usage,
        BrokerError::Unexpected { .. } => Exit::Unexpected,
    }
}

fn broker_hint(error: &BrokerError) -> Option<&'static str> {
    match error {
        BrokerError::Full { broker, .. } if broker.starts_with("redis") => Some(
            "give the server more memory, or purge jobs, and run the same command again: it resumes",
        ),
        BrokerError::Foreign { broker, .. } if broker.starts_with("redis") => {
            Some("choose another `--namespace`; nothing was changed in this one")
        }
        BrokerError::Refused { broker, .. } if broker.starts_with("redis") => {
            Some("check user, password, database and TLS in `--broker`; `ttg check` tells more")
        }
        BrokerError::Unavailable { broker, .. } if broker.starts_with("redis") => Some(
            "check host and port in `--broker`, and whether the server speaks TLS: then it is \
                 `rediss://`, else `redis://`",
        ),
        BrokerError::Full { broker, .. } if broker.starts_with("amqp") => Some(
            "give the server more memory or disk, or purge jobs, and run the same command again: it \
             resumes",
        ),
        BrokerError::Foreign { broker, .. } if broker.starts_with("amqp") => {
            Some("choose another `--namespace`; nothing was changed in this one")
        }
        BrokerError::Refused { broker, .. } if broker.starts_with("amqp") => Some(
            "check user, password, virtual host, permissions and TLS in `--broker`; `ttg check` \
             tells more",
        ),
        BrokerError::Unavailable { broker, .. } if broker.starts_with("amqp") => Some(
            "check host and port in `--broker`, and whether the server speaks TLS: then it is \
             `amqps://`, else `amqp://`",
        ),
        BrokerError::Full { .. } => {
            Some("free some space and run the same command again: it resumes")
        }
        BrokerError::Foreign { .. } => {
            Some("choose another `--data-dir`; nothing was changed in this one")
        }
        BrokerError::Refused { .. } => {
            Some("choose a `--data-dir` that is a folder which you may write to")
        }
        BrokerError::Corrupt { .. } => {
            Some("restore the store from a copy, or start with another `--data-dir`")
        }
        BrokerError::Record { cause: WireError::Version { .. }, .. } => {
            Some("use the version of ttg that wrote it; the other jobs of the store are well")
        }
        BrokerError::TooLarge { .. } | BrokerError::Record { cause: WireError::TooLong(_), .. } => {
            Some("submit the job under another name, with a smaller `--chunk-size`")
        }
        BrokerError::Record { .. } => Some(
            "restore the store from a copy, or submit the job under another name; \
             the other jobs of the store are well",
        ),
        _ => None,
    }
}
