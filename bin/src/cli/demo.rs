//! The options of the demonstration.

use std::net::SocketAddr;
use std::num::NonZeroU32;

use clap::{Args, ValueEnum};

use super::CommonArguments;
use crate::settings::{Seconds, parse_count, parse_duration};

/// Kill a worker in the middle of a job, and see that the answer is the same
///
/// The same job is run twice by worker processes: once undisturbed, once with one of them killed as
/// the kernel kills (SIGKILL). Both are proven as `ttg verify` does, and compared. Nothing is left
/// behind: without --broker, --data-dir or --start-broker the jobs live in a temporary folder.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ttg demo
  ttg demo --workers 5 --scale medium --kill-at 50%
  ttg demo --scale large --json
  ttg demo --start-broker redis
  ttg demo --listen 127.0.0.1:9464    # for Prometheus; OTEL_EXPORTER_OTLP_ENDPOINT for traces

Exit codes: 0 both runs are proven and equal, 2 wrong usage, 4 they are not, 69 broker unavailable,
78 configuration invalid, 130 / 143 interrupted, 1 anything else.")]
pub(crate) struct DemoArguments {
    /// Worker processes
    #[arg(long, value_name = "N", default_value = "3", value_parser = parse_workers)]
    pub(crate) workers: NonZeroU32,

    /// How much there is to do
    #[arg(long, value_name = "SCALE", default_value = "small")]
    pub(crate) scale: Scale,

    /// When to kill a worker: once so much is done
    #[arg(long, value_name = "PERCENT", default_value = "30%", value_parser = parse_percent)]
    pub(crate) kill_at: Percent,

    /// Chunks that each worker computes at once
    #[arg(long, value_name = "N", default_value = "2", value_parser = parse_count::<NonZeroU32>)]
    pub(crate) concurrency: NonZeroU32,

    /// How long a chunk is a worker's without being renewed
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = parse_duration)]
    pub(crate) lease: Seconds,

    /// Start a server of this kind for the demonstration, in a temporary folder and on a free port of
    /// this machine only; it has to be installed, and ends with the demonstration
    #[arg(long, value_name = "KIND", conflicts_with_all = ["broker", "data_dir"])]
    pub(crate) start_broker: Option<ServerKind>,

    /// Let the first worker serve /metrics, /livez and /readyz here, and each further one at the
    /// next port, such as 127.0.0.1:9464
    #[arg(long, value_name = "ADDR", value_parser = parse_address)]
    pub(crate) listen: Option<SocketAddr>,

    #[command(flatten)]
    pub(crate) common: CommonArguments,
}

/// How much there is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scale {
    /// 1 000 parameters of 100 ms, in chunks of 10
    Small,
    /// 10 000 parameters of 10 ms, in chunks of 100
    Medium,
    /// 10 000 000 parameters of `collatz` at native speed, in chunks of 1 000
    Large,
}

/// Servers that can be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ServerKind {
    /// `redis-server`
    Redis,
    /// `rabbitmq-server`
    Rabbitmq,
}

impl ServerKind {
    /// What starts one.
    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::Redis => "redis-server",
            Self::Rabbitmq => "rabbitmq-server",
        }
    }
}

/// A share of the whole, in percent, strictly between nothing and all.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Percent(pub(crate) f64);

fn parse_percent(text: &str) -> Result<Percent, String> {
    let number = text.strip_suffix('%').unwrap_or(text).parse().ok();
    match number.filter(|percent| (0.0..100.0).contains(percent) && *percent > 0.0) {
        Some(percent) => Ok(Percent(percent)),
        None => Err("write a share between 0% and 100%, such as 30%".to_owned()),
    }
}

fn parse_workers(text: &str) -> Result<NonZeroU32, String> {
    match parse_count::<NonZeroU32>(text)? {
        workers if workers.get() < 2 => Err("one is killed, so at least 2 are needed".to_owned()),
        workers if workers.get() > 64 => Err("one machine runs at most 64".to_owned()),
        workers => Ok(workers),
    }
}

fn parse_address(text: &str) -> Result<SocketAddr, String> {
    match text.parse::<SocketAddr>() {
        Ok(address) if address.port() > 0 => Ok(address),
        _ => Err("write an address of this machine and a port, such as 127.0.0.1:9464".to_owned()),
    }
}
