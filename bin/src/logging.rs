//! Logs of a command, beside its progress bar.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use indicatif::ProgressBar;
use ttg_observability::telemetry::{self, Identity, LogConfig, LogFilter};
use ttg_runtime::WorkerId;

use crate::aliases;
use crate::cli::{CommonArguments, LogFormat};
use crate::error::CommandError;
use crate::variables::Variables;

/// Starts the log. Lines go above `bar`, so that neither garbles the other.
pub(crate) fn start(
    arguments: &CommonArguments,
    worker: Option<&WorkerId>,
    bar: &ProgressBar,
) -> Result<(), CommandError> {
    let default = if bar.is_hidden() { "info" } else { "warn" };
    let wanted = arguments.log_level.as_deref().unwrap_or(default);
    // First as it was given, so that an error shows the user's words.
    let mut filter: LogFilter = wanted.parse().map_err(CommandError::Log)?;
    // The actor library opens a span around every actor, whose number says nothing to a user; those
    // of HTTP tell of every frame.
    if !wanted.contains(['=', ',']) {
        let quiet = "ractor=warn,h2=warn,hyper_util=warn,tonic=warn,tower=warn";
        filter = format!("{wanted},{quiet}").parse().map_err(CommandError::Log)?;
    }
    let format = match arguments.log_format {
        LogFormat::Text => telemetry::LogFormat::Text,
        LogFormat::Json => telemetry::LogFormat::Json,
    };
    let identity = identity(arguments, worker);
    let bar = bar.clone();
    let config = LogConfig::new(format, filter, identity)
        .colour(io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .writer(move || AboveBar(bar.clone()));
    telemetry::init(config).map_err(CommandError::Log)?;
    telemetry::log_panics();
    for variable in aliases::injected(&Variables::of_this_process()) {
        tracing::warn!(
            variable,
            "ignored: Kubernetes made this variable for a service of its name"
        );
    }
    Ok(())
}

/// Who this process is.
pub(crate) fn identity(arguments: &CommonArguments, worker: Option<&WorkerId>) -> Identity {
    Identity {
        worker: worker.map(ToString::to_string),
        host: host_name(),
        pod: arguments.pod_name.clone(),
        node: arguments.node_name.clone(),
    }
}

/// The machine's name; in a pod, the pod's.
pub(crate) fn host_name() -> String {
    let name = std::fs::read_to_string(Path::new("/proc/sys/kernel/hostname"));
    name.map_or_else(|_| "localhost".to_owned(), |name| name.trim().to_owned())
}

struct AboveBar(ProgressBar);

impl Write for AboveBar {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write(line))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
