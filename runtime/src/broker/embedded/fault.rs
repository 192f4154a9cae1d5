//! What goes wrong inside, and what that is to a caller.

use rusqlite::ErrorCode;
use thiserror::Error;

use crate::error::BrokerError;
use crate::ids::JobUid;
use crate::wire::WireError;

/// A [`BrokerError`] that does not know its broker's name yet.
#[derive(Debug, Error)]
pub(super) enum Fault {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error(transparent)]
    File(#[from] std::io::Error),
    #[error("{0}")]
    Foreign(String),
    #[error("{0}")]
    Corrupt(String),
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    Busy(String),
    #[error("a record of job {job} does not decode: {cause}")]
    Record { job: JobUid, cause: WireError },
    #[error("job {0} is gone")]
    JobGone(JobUid),
    /// It concerns the job with this id, and no other.
    #[error("{fault}")]
    Job { id: i64, fault: Box<Fault> },
}

impl Fault {
    /// This as one that concerns job `id` only.
    pub(super) fn of_job(self, id: i64) -> Self {
        Self::Job { id, fault: Box::new(self) }
    }

    pub(super) fn of(self, broker: &str) -> BrokerError {
        let broker = broker.to_owned();
        match self {
            Self::Sqlite(error) => of_sqlite(error, broker),
            Self::File(error) => of_file(error, broker),
            Self::Foreign(detail) => BrokerError::Foreign { broker, detail },
            Self::Corrupt(detail) => BrokerError::Corrupt { broker, detail },
            Self::Refused(detail) => BrokerError::Refused { broker, detail },
            Self::Busy(detail) => BrokerError::Unavailable { broker, cause: detail.into() },
            Self::Record { job, cause } => BrokerError::Record { job, cause },
            Self::JobGone(job) => BrokerError::JobGone { job },
            Self::Job { fault, .. } => fault.of(&broker),
        }
    }
}

fn of_sqlite(error: rusqlite::Error, broker: String) -> BrokerError {
    let detail = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => BrokerError::Full { broker, cause: error.into() },
        Some(ErrorCode::NotADatabase) => BrokerError::Foreign { broker, detail },
        Some(
            ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied
            | ErrorCode::CannotOpen
            | ErrorCode::NoLargeFileSupport,
        ) => BrokerError::Refused { broker, detail },
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::SystemIoFailure
            | ErrorCode::OutOfMemory
            | ErrorCode::OperationInterrupted
            | ErrorCode::OperationAborted
            | ErrorCode::SchemaChanged,
        ) => BrokerError::Unavailable { broker, cause: error.into() },
        Some(ErrorCode::TooBig) => BrokerError::TooLarge { broker },
        Some(
            ErrorCode::InternalMalfunction
            | ErrorCode::NotFound
            | ErrorCode::ApiMisuse
            | ErrorCode::AuthorizationForStatementDenied
            | ErrorCode::ParameterOutOfRange,
        ) => BrokerError::Unexpected { broker, detail },
        // Tables or values are not what this build wrote.
        _ => BrokerError::Corrupt { broker, detail },
    }
}

fn of_file(error: std::io::Error, broker: String) -> BrokerError {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            BrokerError::Full { broker, cause: error.into() }
        }
        ErrorKind::PermissionDenied
        | ErrorKind::ReadOnlyFilesystem
        | ErrorKind::NotFound
        | ErrorKind::NotADirectory
        | ErrorKind::IsADirectory
        | ErrorKind::AlreadyExists
        | ErrorKind::InvalidInput
        | ErrorKind::InvalidFilename => BrokerError::Refused { broker, detail: error.to_string() },
        _ => BrokerError::Unavailable { broker, cause: error.into() },
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn each_failure_of_sqlite_is_one_that_a_caller_can_act_on() {
        let of = |code| {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            let error = Fault::from(error).of("embedded:x");
            (error.is_transient(), error)
        };
        let passing = [
            ffi::SQLITE_BUSY,
            ffi::SQLITE_LOCKED,
            ffi::SQLITE_IOERR_READ,
            ffi::SQLITE_SCHEMA,
            ffi::SQLITE_ABORT_ROLLBACK,
        ];
        for code in passing {
            assert!(matches!(of(code), (true, BrokerError::Unavailable { .. })));
        }
        assert!(matches!(of(ffi::SQLITE_FULL), (true, BrokerError::Full { .. })));
        assert!(matches!(of(ffi::SQLITE_CORRUPT), (false, BrokerError::Corrupt { .. })));
        assert!(matches!(of(ffi::SQLITE_NOTADB), (false, BrokerError::Foreign { .. })));
        for code in [ffi::SQLITE_READONLY, ffi::SQLITE_PERM, ffi::SQLITE_CANTOPEN] {
            assert!(matches!(of(code), (false, BrokerError::Refused { .. })));
        }
        for code in [ffi::SQLITE_MISUSE, ffi::SQLITE_RANGE, ffi::SQLITE_INTERNAL] {
            assert!(matches!(of(code), (false, BrokerError::Unexpected { .. })));
        }
    }

    #[test]
    fn what_is_too_large_for_sqlite_is_no_damage() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        let error = connection.query_row("SELECT zeroblob(1 << 40)", [], |_| Ok(())).unwrap_err();
        let error = Fault::from(error).of("embedded:x");
        assert!(matches!(error, BrokerError::TooLarge { .. }), "{error}");
        assert!(!error.is_transient());
    }
}
