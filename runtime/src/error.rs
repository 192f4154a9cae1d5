//! Errors that a caller can act on.

use thiserror::Error;

use crate::ids::JobUid;
use crate::wire::WireError;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a broker did not do what it was asked to.
#[derive(Debug, Error)]
pub enum BrokerError {
    /// The broker or its store cannot be reached, or did not answer in time. Try again.
    #[error("broker `{broker}` is unavailable")]
    Unavailable {
        /// Which broker, without secrets.
        broker: String,
        /// What happened.
        #[source]
        cause: Cause,
    },
    /// The broker has no room for more. Hold what is unsettled and try again.
    #[error("broker `{broker}` has no room left")]
    Full {
        /// Which broker, without secrets.
        broker: String,
        /// What happened.
        #[source]
        cause: Cause,
    },
    /// What is stored there was not written by this system, or by a newer version of it.
    #[error("`{broker}` does not hold a store of this version: {detail}")]
    Foreign {
        /// Which broker, without secrets.
        broker: String,
        /// What was found.
        detail: String,
    },
    /// The store is damaged.
    #[error("`{broker}` is damaged: {detail}")]
    Corrupt {
        /// Which broker, without secrets.
        broker: String,
        /// What was found.
        detail: String,
    },
    /// A stored record does not decode: it is damaged, or of another version. It concerns this job
    /// only.
    #[error("a record of job {job} does not decode")]
    Record {
        /// Whose record.
        job: JobUid,
        /// What is wrong with it.
        #[source]
        cause: WireError,
    },
    /// A record is larger than the broker can hold; trying again cannot help.
    #[error("broker `{broker}` cannot hold a record of that size")]
    TooLarge {
        /// Which broker, without secrets.
        broker: String,
    },
    /// The job was purged or cancelled, or never existed.
    #[error("job {job} is unknown or was cancelled")]
    JobGone {
        /// Which job.
        job: JobUid,
    },
    /// Settings or permissions are wrong; trying again cannot help.
    #[error("broker `{broker}` refused: {detail}")]
    Refused {
        /// Which broker, without secrets.
        broker: String,
        /// What it said.
        detail: String,
    },
    /// A fault of this system's own; trying again in this process cannot help.
    #[error("broker `{broker}` failed as nobody expected: {detail}")]
    Unexpected {
        /// Which broker, without secrets.
        broker: String,
        /// What happened.
        detail: String,
    },
}

impl BrokerError {
    /// Whether the same call can succeed later with nothing changed by a person: the one question
    /// of the retry policy.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Full { .. })
    }
}
