//! `ttg results`: a job's aggregate.

use ttg_runtime::{Clock, JobName, SystemClock, SystemRandomness, WorkerId};

use crate::broker::BrokerUrl;
use crate::cli::ResultsArguments;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::report::{self, JobReport};
use crate::{logging, report::bar};

pub(crate) async fn results(arguments: ResultsArguments) -> Result<Exit, CommandError> {
    logging::start(&arguments.common, None, &bar(true))?;
    let name: JobName = arguments.job.parse()?;
    let url = BrokerUrl::of(&arguments.common)?;
    let reader = WorkerId::fresh("reader", &SystemRandomness);
    let Some(broker) = url.connect_to_read(reader).await? else {
        return Err(CommandError::UnknownJob(name));
    };
    let job = broker.job(&name).await;
    let job = job
        .map_err(CommandError::broker("the job could not be looked up"))?
        .ok_or(CommandError::UnknownJob(name))?;
    let report = JobReport::read(&*broker, &job, SystemClock.wall()).await?;
    report::print(&report, arguments.common.json)?;
    Ok(report.exit())
}
