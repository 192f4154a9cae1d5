//! The record of an aggregate: some 70 bytes of `MessagePack` for ordinary values, and canonical:
//! equal aggregates, and only they, have equal bytes.

use serde::{Deserialize, Serialize, Serializer};
use serde_bytes::ByteBuf;

use super::extremes::{Extreme, Extremes};
use super::fixed::Fixed;
use super::summary::Aggregate;

/// The bytes of the widest sum: 2^64 values below 2^1024, in units of 2^-1074, and the sign.
const SUM_BYTES_MAX: usize = (64 + 1024 + 1074 + 1_usize).div_ceil(8);

/// The bytes of the widest sum of squares, likewise.
const SQUARES_BYTES_MAX: usize = (64 + 2048 + 2148 + 1_usize).div_ceil(8);

/// How an aggregate is written. The names are short because a job has up to 10^7 records.
#[derive(Serialize, Deserialize)]
pub(super) struct Record {
    /// The count.
    n: u64,
    /// The sum.
    s: ByteBuf,
    /// The sum of squares.
    q: ByteBuf,
    /// The smallest value and its parameter, the largest value and its parameter.
    x: Option<(f64, u64, f64, u64)>,
}

impl Serialize for Aggregate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let flat = |Extremes { min, max }| (min.value, min.parameter, max.value, max.parameter);
        let record = Record {
            n: self.count,
            s: ByteBuf::from(self.sum.to_bytes()),
            q: ByteBuf::from(self.squares.to_bytes()),
            x: self.extremes.map(flat),
        };
        record.serialize(serializer)
    }
}

/// Refuses what no column of values has, as far as a record shows it.
impl TryFrom<Record> for Aggregate {
    type Error = &'static str;

    fn try_from(record: Record) -> Result<Self, Self::Error> {
        let aggregate = Self {
            count: record.n,
            sum: Fixed::from_bytes(&record.s, SUM_BYTES_MAX).ok_or("malformed sum")?,
            squares: Fixed::from_bytes(&record.q, SQUARES_BYTES_MAX).ok_or("malformed squares")?,
            extremes: record.x.map(extremes).transpose()?,
        };
        if aggregate.squares.is_negative() {
            return Err("negative sum of squares");
        }
        if aggregate.extremes.is_some() != (aggregate.count > 0) {
            return Err("extremes without values, or values without extremes");
        }
        if aggregate.count == 0 && aggregate != Self::default() {
            return Err("sums without values");
        }
        Ok(aggregate)
    }
}

fn extremes((low, argmin, high, argmax): (f64, u64, f64, u64)) -> Result<Extremes, &'static str> {
    let extreme = |value: f64, parameter| {
        let canonical = value.is_finite() && !(value == 0.0 && value.is_sign_negative());
        canonical
            .then_some(Extreme { value, parameter })
            .ok_or("an extreme that is not finite, or -0.0")
    };
    let (min, max) = (extreme(low, argmin)?, extreme(high, argmax)?);
    if min.value > max.value {
        return Err("a minimum above the maximum");
    }
    Ok(Extremes { min, max })
}
