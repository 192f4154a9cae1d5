//! `ttg results`: a job's aggregate.

use ttg_runtime::{Clock, SystemClock, SystemRandomness, WorkerId};

use crate::broker::BrokerUrl;
use crate::cli::ResultsArguments;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::report::{self, JobReport};
use crate::{logging, report::bar};

pub(crate) async fn results(arguments: ResultsArguments) -> Result<Exit, CommandError> {
    logging::start(&arguments.common, None, &bar(true))?;
    let reader = WorkerId::fresh("reader", &SystemRandomness);
    let url = BrokerUrl::of(&arguments.common)?;
    let (broker, job) = url.connect_to_job(reader, &arguments.job).await?;
    let report = JobReport::read(&*broker, &job, SystemClock.wall()).await?;
    report::print(&report, arguments.common.json)?;
    Ok(report.exit())
}
