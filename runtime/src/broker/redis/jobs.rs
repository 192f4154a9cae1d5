//! The registry of jobs, and the removal of what they left.

use super::adapter::RedisBroker;
use super::scripts;
use super::wire;
use crate::error::BrokerError;
use crate::ids::JobName;
use crate::job::JobRecord;
use crate::wire::decode;

impl RedisBroker {
    /// The jobs, and those whose record does not decode.
    pub(super) async fn read_jobs(
        &self,
        name: Option<&JobName>,
    ) -> Result<Vec<Result<JobRecord, BrokerError>>, BrokerError> {
        let mut call = self.link.call(&scripts::JOBS);
        if let Some(name) = name {
            call.arg(name.as_str());
        }
        let mut rows: Vec<(u64, String, Vec<u8>)> = self.link.run(&call).await?;
        rows.sort();
        Ok(rows.into_iter().filter_map(|(_, uid, record)| job_of(&uid, &record)).collect())
    }

    pub(super) fn job_gone(&self, uid: &redis::Value) -> BrokerError {
        let uid = redis::from_redis_value_ref::<String>(uid).ok();
        match uid.as_deref().and_then(wire::uid_of) {
            Some(job) => BrokerError::JobGone { job },
            None => BrokerError::Unexpected {
                broker: self.link.shown().to_owned(),
                detail: "a publish was answered by no number".to_owned(),
            },
        }
    }

    /// Removes bit by bit what a cancelled or purged job left.
    pub(super) async fn sweep(&self, uid: &str) -> Result<(), BrokerError> {
        let (mut part, mut from) = ("moved".to_owned(), "0".to_owned());
        loop {
            let mut call = self.link.call(&scripts::SWEEP);
            call.arg(uid).arg(&part).arg(&from);
            let next: Vec<String> = self.link.run(&call).await?;
            match <[String; 2]>::try_from(next) {
                Ok(next) => [part, from] = next,
                Err(_) => return Ok(()),
            }
        }
    }

    pub(super) async fn forget(&self, uid: &str) -> Result<bool, BrokerError> {
        let mut call = self.link.call(&scripts::FORGET);
        call.arg(uid);
        let known = self.link.run::<i64>(&call).await? == 1;
        if known {
            self.sweep(uid).await?;
        }
        Ok(known)
    }

    pub(super) async fn forget_all(&self) -> Result<u64, BrokerError> {
        // What an earlier purge was interrupted in.
        let mut question = redis::cmd("SMEMBERS");
        question.arg(self.link.key("purging"));
        for uid in self.link.query::<Vec<String>>(&question).await? {
            self.sweep(&uid).await?;
        }
        let mut purged = 0;
        let mut question = redis::cmd("HVALS");
        question.arg(self.link.key("jobs"));
        for uid in self.link.query::<Vec<String>>(&question).await? {
            purged += u64::from(self.forget(&uid).await?);
        }
        self.link.run::<i64>(&self.link.call(&scripts::CLEAR)).await?;
        Ok(purged)
    }
}

/// `None` if not even the uid is one.
pub(super) fn job_of(uid: &str, record: &[u8]) -> Option<Result<JobRecord, BrokerError>> {
    let job = wire::uid_of(uid)?;
    Some(decode(record).map_err(|cause| BrokerError::Record { job, cause }))
}
