//! Finding what is there: a store that exists, a job by its name. Looking makes no store.

use std::sync::Arc;

use ttg_runtime::{Broker, JobName, JobRecord, SystemRandomness, WorkerId};

use crate::broker::BrokerUrl;
use crate::cli::CommonArguments;
use crate::error::CommandError;
use crate::shards::{self, Part};

/// The store that the arguments name; `None` if there is none.
pub(crate) async fn store(
    arguments: &CommonArguments,
) -> Result<Option<Arc<dyn Broker>>, CommandError> {
    let reader = WorkerId::fresh("reader", &SystemRandomness);
    BrokerUrl::of(arguments)?.connect_to_read(reader).await
}

/// The job called `name`, and the store that it is in.
pub(crate) async fn job(
    arguments: &CommonArguments,
    name: JobName,
) -> Result<(Arc<dyn Broker>, JobRecord), CommandError> {
    let Some(broker) = store(arguments).await? else {
        return Err(CommandError::UnknownJob(name));
    };
    let job = broker.job(&name).await;
    let job = job.map_err(CommandError::broker("the job could not be looked up"))?;
    Ok((broker, job.ok_or(CommandError::UnknownJob(name))?))
}

/// The job called `name` in every store that the arguments name: one, or all its shards in order.
pub(crate) async fn parts(
    arguments: &CommonArguments,
    name: &JobName,
) -> Result<Vec<Part>, CommandError> {
    let unknown = || CommandError::UnknownJob(name.clone());
    let mut parts = Vec::new();
    for url in BrokerUrl::all_of(arguments)? {
        let reader = WorkerId::fresh("reader", &SystemRandomness);
        let broker = url.connect_to_read(reader).await?.ok_or_else(unknown)?;
        let job = broker.job(name).await;
        let job = job.map_err(CommandError::broker("the job could not be looked up"))?;
        parts.push(Part { store: url.to_string(), broker, job: job.ok_or_else(unknown)? });
    }
    shards::in_order(parts)
}
