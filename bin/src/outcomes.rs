//! Reading the outcomes of a job, a page at a time.

use ttg_runtime::broker::OutcomeCursor;
use ttg_runtime::{Broker, JobRecord, Outcome};

use crate::error::CommandError;

/// Outcomes asked for at a time; a page is bounded by bytes, too.
const PAGE: usize = 64;

/// Hands every outcome of `job` to `each`, in the order of their commits.
pub(crate) async fn for_each(
    broker: &dyn Broker,
    job: &JobRecord,
    mut each: impl FnMut(Outcome),
) -> Result<(), CommandError> {
    let mut next = Some(OutcomeCursor::START);
    while let Some(cursor) = next {
        let page = broker.outcomes(job.uid, cursor, PAGE).await;
        let page = page.map_err(CommandError::broker("the outcomes could not be read"))?;
        page.outcomes.into_iter().for_each(&mut each);
        next = page.next;
    }
    Ok(())
}
