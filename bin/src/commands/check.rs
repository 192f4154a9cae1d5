//! `ttg check`: look whether a job could be computed here, and what to mend.

use std::num::NonZeroU64;

use ttg_runtime::Kernels;

use crate::aliases;
use crate::broker::BrokerUrl;
use crate::cli::CheckArguments;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::report::{self, CheckReport, Finding};
use crate::settings::{JobSettings, WorkerSettings};
use crate::variables::Variables;
use crate::{logging, preflight, report::bar};

/// Parameters to look at if none are given.
const PARAMETERS: NonZeroU64 = NonZeroU64::new(1_000).expect("it is not zero");

pub(crate) async fn check(
    mut arguments: CheckArguments,
    kernels: Kernels,
) -> Result<Exit, CommandError> {
    logging::start(&arguments.common, None, &bar(true))?;
    if arguments.job.range.is_none() {
        arguments.job.parameters.get_or_insert(PARAMETERS);
    }
    let mut findings = Vec::new();
    match BrokerUrl::of(&arguments.common) {
        Ok(BrokerUrl::Redis(place)) => {
            let job = JobSettings::try_from(&arguments.job).ok();
            findings.extend(preflight::redis(&place, job.as_ref()).await);
        }
        Ok(BrokerUrl::Rabbit(place)) => {
            let job = JobSettings::try_from(&arguments.job).ok();
            findings.extend(preflight::rabbit(&place, job.as_ref()).await);
        }
        Ok(BrokerUrl::Embedded(dir)) => {
            findings.push(preflight::store(&dir).await);
            findings.extend(preflight::disk(&preflight::nearest(&dir)));
        }
        Err(error) => {
            findings.push(Finding::error("store", error.to_string(), error.hint(), error.exit()));
        }
    }
    findings.push(preflight::clock());
    let invalid = |error: &CommandError| {
        Finding::error("settings", error.to_string(), error.hint(), Exit::Configuration)
    };
    match WorkerSettings::try_from(&arguments.worker) {
        Ok(settings) => {
            findings.push(preflight::concurrency(settings));
            findings.push(preflight::open_files(settings));
        }
        Err(error) => findings.push(invalid(&error)),
    }
    match JobSettings::try_from(&arguments.job) {
        Ok(settings) => findings.push(preflight::kernel(settings, &kernels)),
        Err(error) => findings.push(invalid(&error)),
    }
    for variable in aliases::injected(&Variables::of_this_process()) {
        let found = format!("{variable} is ignored: Kubernetes made it for a service");
        let remedy = "set `enableServiceLinks: false` in the pod";
        findings.push(Finding::warning("environment", found, remedy));
    }
    let report = CheckReport::new(findings);
    if arguments.common.json {
        report::print_json(&report)?;
    } else {
        report::print_text(&report.text())?;
    }
    Ok(report.exit())
}
