//! Exit codes. Scripts and Kubernetes' `podFailurePolicy` rely on them.

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The job is complete, or the command did what it was asked to.
    Success,
    /// An error that nobody expected.
    Unexpected,
    /// Wrong usage, an unknown job, or a job of this name with another specification.
    Usage,
    /// The job is finished, with dead letters.
    DeadLetters,
    /// `verify` disproved the job.
    Disproved,
    /// The broker or its store is unavailable.
    Unavailable,
    /// The configuration is invalid: trying again cannot help.
    Configuration,
    /// SIGINT ended it before the job's end.
    Interrupted,
    /// SIGTERM or SIGHUP ended it before the job's end.
    Terminated,
}

impl Exit {
    /// The process's exit code.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Unexpected => 1,
            Self::Usage => 2,
            Self::DeadLetters => 3,
            Self::Disproved => 4,
            Self::Unavailable => 69,
            Self::Configuration => 78,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
