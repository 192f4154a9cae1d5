//! `ttg results`: a job's aggregate.

use ttg_runtime::{Clock, SystemClock};

use crate::cli::ResultsArguments;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::report::{self, JobReport};
use crate::{logging, lookup, report::bar};

pub(crate) async fn results(arguments: ResultsArguments) -> Result<Exit, CommandError> {
    logging::start(&arguments.common, None, &bar(true))?;
    let (broker, job) = lookup::job(&arguments.common, arguments.job.parse()?).await?;
    let report = JobReport::read(&*broker, &job, SystemClock.wall()).await?;
    report::print(&report, arguments.common.json)?;
    Ok(report.exit())
}
