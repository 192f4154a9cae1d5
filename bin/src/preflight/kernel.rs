//! Whether the kernel starts and evaluates.

use std::num::NonZeroU64;

use ttg_runtime::{JobSpec, Kernels};

use crate::chunking::Sample;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::report::Finding;
use crate::settings::JobSettings;
use crate::submission::check_start;

const CHECK: &str = "kernel";

/// Evaluates the first parameters of the job, for the moment that a submission takes, too.
pub(crate) fn kernel(settings: JobSettings, kernels: &Kernels) -> Finding {
    let name = settings.kernel.clone();
    let Some(kernel) = kernels.get(&name) else {
        let known: Vec<_> = kernels.names().map(ToString::to_string).collect();
        let known = known.join(", ");
        return failed(&CommandError::UnknownKernel { name, known });
    };
    if let Err(error) = check_start(&**kernel, &settings) {
        return failed(&error);
    }
    let start = settings.parameters.start();
    let spec = JobSpec {
        parameters: settings.parameters,
        kernel: settings.kernel,
        options: settings.options,
        chunk_size: NonZeroU64::MIN,
        policy: settings.policy,
        values: false,
    };
    let Some(cost) = Sample::begin(&spec, kernel).cost() else {
        let found = format!("`{name}` starts and fails on one of the parameters from {start} on");
        let remedy = "`ttg run` with a few parameters from there on tells why";
        return Finding::warning(CHECK, found, remedy);
    };
    let micros = cost.as_secs_f64() * 1e6;
    Finding::ok(CHECK, format!("`{name}` starts; a parameter takes {micros:.3} µs"))
}

fn failed(error: &CommandError) -> Finding {
    let mut found = error.to_string();
    if let Some(cause) = std::error::Error::source(error) {
        found += &format!(": {cause}");
    }
    Finding::error(CHECK, found, error.hint(), Exit::Configuration)
}
