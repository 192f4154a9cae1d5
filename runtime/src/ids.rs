//! Identities. Each is a type of its own, so that a call site cannot swap two of them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::randomness::Randomness;

/// Why a text is not an identity.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IdError {
    /// The text has no characters, or too many.
    #[error("{what} must have 1 to {longest} characters, `{given}` has {}", given.chars().count())]
    Length {
        /// What the text was to be.
        what: &'static str,
        /// The most characters it may have.
        longest: usize,
        /// The text.
        given: String,
    },
    /// The text has a character that is not allowed.
    #[error(
        "{what} `{given}` may hold letters, digits, `-`, `_` and `.` only, and starts with a letter or digit"
    )]
    Character {
        /// What the text was to be.
        what: &'static str,
        /// The text.
        given: String,
    },
    /// The text is not 32 hexadecimal digits.
    #[error("`{0}` is not a job uid: it has 32 hexadecimal digits")]
    Uid(String),
}

/// Names become keys, queue names and labels, so they keep to what all of those allow.
fn check_name(what: &'static str, longest: usize, given: &str) -> Result<(), IdError> {
    if given.is_empty() || given.len() > longest {
        return Err(IdError::Length { what, longest, given: given.to_owned() });
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !given.starts_with(|c: char| c.is_ascii_alphanumeric()) || !given.chars().all(allowed) {
        return Err(IdError::Character { what, given: given.to_owned() });
    }
    Ok(())
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $what:literal, $longest:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                check_name($what, $longest, text)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                check_name($what, $longest, &text)?;
                Ok(Self(text))
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name_type!(
    /// What a user calls a job. A new submission under an old name resumes it.
    JobName, "a job name", 64
);
name_type!(
    /// What a kernel is called on the command line and in messages.
    KernelName, "a kernel name", 64
);
name_type!(
    /// One worker process: pod or host name and a fresh incarnation, so that a restart under the
    /// same pod name is another worker and never inherits the leases of the first.
    WorkerId, "a worker id", 320
);

impl WorkerId {
    /// A fresh incarnation of `host`. Characters that names may not hold become `-`.
    pub fn fresh(host: &str, randomness: &dyn Randomness) -> Self {
        let clean: String =
            host.chars()
                .map(|c| {
                    if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' }
                })
                .take(253)
                .collect();
        let clean = clean.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
        let stem = if clean.is_empty() { "worker" } else { clean };
        Self(format!("{stem}-{:08x}", randomness.next_u64() >> 32))
    }
}

/// The identity of one submission. Messages, keys and records carry it, so that what a purged job
/// left behind cannot touch a new job of the same name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "serde_bytes::ByteBuf", into = "serde_bytes::ByteBuf")]
pub struct JobUid([u8; 16]);

impl JobUid {
    /// A fresh uid of 128 random bits.
    pub fn fresh(randomness: &dyn Randomness) -> Self {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&randomness.next_u64().to_be_bytes());
        bytes[8..].copy_from_slice(&randomness.next_u64().to_be_bytes());
        Self(bytes)
    }

    /// The 16 bytes as stored.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl From<[u8; 16]> for JobUid {
    fn from(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl TryFrom<serde_bytes::ByteBuf> for JobUid {
    type Error = IdError;
    fn try_from(bytes: serde_bytes::ByteBuf) -> Result<Self, IdError> {
        <[u8; 16]>::try_from(bytes.as_slice())
            .map(Self)
            .map_err(|_| IdError::Uid(format!("{} bytes", bytes.len())))
    }
}

impl From<JobUid> for serde_bytes::ByteBuf {
    fn from(uid: JobUid) -> Self {
        Self::from(uid.0.to_vec())
    }
}

impl FromStr for JobUid {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let wrong = || IdError::Uid(text.to_owned());
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        u128::from_str_radix(text, 16).map(|n| Self(n.to_be_bytes())).map_err(|_| wrong())
    }
}

impl fmt::Display for JobUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for JobUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JobUid({self})")
    }
}

macro_rules! number_type {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number_type!(
    /// A chunk's number within its job, from 0 in parameter order.
    ChunkIndex(u64)
);
number_type!(
    /// 0 for the original cut; each replay of dead parameters is one higher.
    Generation(u32)
);
number_type!(
    /// One compute slot of a worker, from 0.
    SlotId(u32)
);
number_type!(
    /// One handing-over of a chunk to this worker; counts up within the process.
    DeliveryId(u64)
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::randomness::SeededRandomness;

    #[test]
    fn a_name_keeps_to_what_keys_and_queues_allow() {
        assert!("sweep-2026.11_a".parse::<JobName>().is_ok());
        for bad in ["", "-x", "a b", "a/b", "ä", &"x".repeat(65)] {
            assert!(bad.parse::<JobName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn two_incarnations_of_one_pod_are_two_workers() {
        let randomness = SeededRandomness::new(1);
        let first = WorkerId::fresh("ttg-worker-0", &randomness);
        let second = WorkerId::fresh("ttg-worker-0", &randomness);
        assert_ne!(first, second);
        assert!(first.as_str().starts_with("ttg-worker-0-"));
        assert!(WorkerId::fresh("-höst name", &randomness).as_str().parse::<WorkerId>().is_ok());
    }

    #[test]
    fn a_uid_prints_and_parses() {
        let uid = JobUid::fresh(&SeededRandomness::new(7));
        assert_eq!(uid.to_string().parse::<JobUid>().unwrap(), uid);
        assert!("12".parse::<JobUid>().is_err());
        assert!("+0000000000000000000000000000000".parse::<JobUid>().is_err());
    }
}
