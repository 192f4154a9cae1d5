//! How records become bytes: one version byte, then `MessagePack` with named fields. A reader
//! ignores fields that it does not know, so that workers of two builds share one broker.

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

/// The format written by this build.
pub const VERSION: u8 = 1;

/// The most bytes that a record may have. What is longer is set aside unread: lengths inside
/// foreign bytes must not decide how much memory is taken.
pub const RECORD_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Why bytes are not a record.
#[derive(Debug, Error)]
pub enum WireError {
    /// There are no bytes.
    #[error("the record is empty")]
    Empty,
    /// There are more than [`RECORD_BYTES_MAX`].
    #[error("the record has {0} bytes, more than {RECORD_BYTES_MAX}")]
    TooLong(usize),
    /// Another version's format.
    #[error("the record has format version {found}, this build reads version {VERSION}")]
    Version {
        /// The version byte found.
        found: u8,
    },
    /// The version is right, the rest is not.
    #[error("the record does not decode: {0}")]
    Malformed(#[from] rmp_serde::decode::Error),
}

/// The bytes of `record`.
pub fn encode<T: Serialize>(record: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    bytes.push(VERSION);
    let mut serializer = rmp_serde::Serializer::new(&mut bytes).with_struct_map();
    // Our records are plain data, and a Vec takes every write.
    record.serialize(&mut serializer).expect("plain data encodes");
    bytes
}

/// The record that `bytes` hold.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, WireError> {
    if bytes.len() > RECORD_BYTES_MAX {
        return Err(WireError::TooLong(bytes.len()));
    }
    let (&version, body) = bytes.split_first().ok_or(WireError::Empty)?;
    if version != VERSION {
        return Err(WireError::Version { found: version });
    }
    Ok(rmp_serde::from_slice(body)?)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Old {
        a: u64,
    }

    #[derive(Debug, Serialize)]
    struct Newer {
        b: Vec<String>,
        a: u64,
    }

    #[test]
    fn an_older_build_reads_a_newer_record() {
        let bytes = encode(&Newer { b: vec!["new".into()], a: 3 });
        assert_eq!(decode::<Old>(&bytes).unwrap(), Old { a: 3 });
    }

    #[test]
    fn foreign_bytes_are_an_error_and_never_a_panic() {
        assert!(matches!(decode::<Old>(&[]), Err(WireError::Empty)));
        assert!(matches!(decode::<Old>(&[9, 1]), Err(WireError::Version { found: 9 })));
        assert!(matches!(decode::<Old>(&[VERSION, 0xc1]), Err(WireError::Malformed(_))));
        // A map that claims 2^32 - 1 entries.
        let claim = [VERSION, 0xdf, 0xff, 0xff, 0xff, 0xff];
        assert!(matches!(decode::<Old>(&claim), Err(WireError::Malformed(_))));
    }
}
