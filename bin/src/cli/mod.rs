//! The command line as it is written: raw values, checked in `settings`. `command` lists the
//! commands; `compute`, `demo`, `look`, `dlq` and `manage` are theirs, `job`, `worker` and `everywhere` the options
//! that they share.

mod command;
mod compute;
mod demo;
mod dlq;
mod everywhere;
mod job;
mod look;
mod machine;
mod manage;
mod progress;
mod shard;
mod worker;

pub(crate) use command::{CHILD, Cli, Command};
pub(crate) use compute::{RunArguments, SubmitArguments, WorkArguments};
pub(crate) use demo::{DemoArguments, Scale, ServerKind};
pub(crate) use dlq::{DlqArguments, DlqCommand, DlqJobArguments};
pub(crate) use everywhere::{CommonArguments, LogFormat, UNNAMED};
pub(crate) use job::JobArguments;
pub(crate) use look::{ResultsArguments, ResultsFormat, StatusArguments, VerifyArguments};
pub(crate) use machine::{CheckArguments, CompletionsArguments, ConfigArguments};
pub(crate) use manage::{CancelArguments, PurgeArguments};
pub(crate) use progress::ProgressArguments;
pub(crate) use shard::ShardArguments;
pub(crate) use worker::{EndArguments, ListenArguments, WorkerArguments};
