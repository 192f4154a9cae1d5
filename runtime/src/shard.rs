//! A slice of a job that one process computes in a store of its own.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::chunk::ParameterRange;

/// Slice `index`, from 0, of `count` slices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "(u64, u64)", into = "(u64, u64)")]
pub struct Shard {
    index: u64,
    count: u64,
}

impl Shard {
    /// `None` unless `index` is below `count`.
    pub fn new(index: u64, count: u64) -> Option<Self> {
        (index < count).then_some(Self { index, count })
    }

    /// Which one, from 0.
    pub fn index(self) -> u64 {
        self.index
    }

    /// Of how many.
    pub fn count(self) -> u64 {
        self.count
    }

    /// Its parameters of `whole`: the slices are contiguous, hold every parameter once, and differ by
    /// at most one in length. `None` if it has none, since there are more slices than parameters.
    pub fn slice(self, whole: ParameterRange) -> Option<ParameterRange> {
        let bound = |index: u64| {
            let offset = u128::from(index) * u128::from(whole.len()) / u128::from(self.count);
            // At most the length, since the index is at most the count.
            whole.start() + u64::try_from(offset).unwrap_or(whole.len())
        };
        ParameterRange::new(bound(self.index), bound(self.index + 1)).ok()
    }
}

/// Why a text is no shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write it as I/W with I from 0 and below W, for example 0/3")]
pub struct ShardError;

impl FromStr for Shard {
    type Err = ShardError;
    fn from_str(text: &str) -> Result<Self, ShardError> {
        let (index, count) = text.split_once('/').ok_or(ShardError)?;
        let number = |text: &str| text.parse::<u64>().map_err(|_| ShardError);
        Self::new(number(index)?, number(count)?).ok_or(ShardError)
    }
}

impl TryFrom<(u64, u64)> for Shard {
    type Error = ShardError;
    fn try_from((index, count): (u64, u64)) -> Result<Self, ShardError> {
        Self::new(index, count).ok_or(ShardError)
    }
}

impl From<Shard> for (u64, u64) {
    fn from(shard: Shard) -> Self {
        (shard.index, shard.count)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

/// What a job is a shard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardOf {
    /// Which one.
    #[serde(rename = "shard")]
    pub shard: Shard,
    /// The parameters of all shards together.
    #[serde(rename = "whole")]
    pub whole: ParameterRange,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ten_thousand_in_three() {
        let whole = ParameterRange::new(0, 10_000).unwrap();
        let slice = |index| Shard::new(index, 3).unwrap().slice(whole).unwrap().to_string();
        assert_eq!([0, 1, 2].map(slice), ["0..3333", "3333..6666", "6666..10000"]);
    }

    #[test]
    fn what_is_no_shard_does_not_parse() {
        for bad in ["", "3", "3/3", "0/0", "-1/3", "1/", "/3", "1/2/3", "a/b"] {
            assert_eq!(bad.parse::<Shard>(), Err(ShardError), "{bad}");
        }
        assert_eq!("2/3".parse(), Ok(Shard { index: 2, count: 3 }));
    }

    proptest! {
        #[test]
        fn the_slices_hold_every_parameter_once(start: u64, len in 1_u64.., count in 1..200_u64) {
            let end = start.saturating_add(len);
            prop_assume!(start < end);
            let whole = ParameterRange::new(start, end).unwrap();
            let mut next = start;
            for index in 0..count {
                if let Some(slice) = Shard::new(index, count).unwrap().slice(whole) {
                    prop_assert_eq!(slice.start(), next);
                    prop_assert!(slice.len().abs_diff(whole.len() / count) <= 1);
                    next = slice.end();
                }
            }
            prop_assert_eq!(next, end);
        }
    }
}
