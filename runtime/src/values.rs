//! The values of single parameters, which a job keeps if it is asked to (`--values`): apart from
//! outcomes, stored before them, in records of bounded size.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use thiserror::Error;

use crate::chunk::{IdempotencyKey, ParameterRange};
use crate::randomness::Randomness;

/// The most bytes that the record of some values has, all in all.
pub const VALUES_RECORD_BYTES_MAX: usize = 1024 * 1024;

/// What of it is left for values; key, range and lengths need less than the rest.
const PAYLOAD_BYTES_MAX: usize = VALUES_RECORD_BYTES_MAX - 16 * 1024;

const VALUE_BYTES: usize = size_of::<f64>();

/// The values of consecutive parameters, in columns. NaN stands for a parameter that is dead, since a
/// value is finite.
#[derive(Clone, Default)]
pub struct Values {
    columns: Vec<Vec<f64>>,
}

impl Values {
    /// None, in no columns.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// For how many parameters.
    pub fn len(&self) -> usize {
        self.columns.first().map_or(0, Vec::len)
    }

    /// How many bytes they have.
    pub fn bytes(&self) -> usize {
        self.len() * self.columns.len() * VALUE_BYTES
    }

    /// Each column's, in the kernel's order.
    pub fn columns(&self) -> &[Vec<f64>] {
        &self.columns
    }

    /// Adds those of more parameters, from place `at` on; what was passed over is dead. The columns
    /// are as many as before, and equally long.
    pub fn put(&mut self, at: usize, columns: &[Vec<f64>]) {
        if self.columns.is_empty() {
            self.columns.resize_with(columns.len(), Vec::new);
        }
        debug_assert_eq!(self.columns.len(), columns.len(), "a kernel's columns are constant");
        self.fill_to(at);
        for (column, more) in self.columns.iter_mut().zip(columns) {
            column.extend_from_slice(more);
        }
    }

    /// Calls what is missing up to `len` parameters dead.
    pub fn fill_to(&mut self, len: usize) {
        for column in &mut self.columns {
            debug_assert!(column.len() <= len, "values come in ascending order");
            column.resize(len, f64::NAN);
        }
    }

    /// In pieces of bounded size, each with the place of its first parameter.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = (usize, Packed)> {
        let rows = PAYLOAD_BYTES_MAX / VALUE_BYTES / self.columns.len().max(1);
        // A kernel with more columns than fit has a record for each parameter.
        let rows = rows.max(1);
        (0..self.len()).step_by(rows).map(move |at| {
            let end = self.len().min(at + rows);
            (at, Packed(self.columns.iter().map(|column| pack(&column[at..end])).collect()))
        })
    }

    /// The records that keep these values, of the parameters of `range`, as evaluation `id` of a chunk.
    pub fn records(
        &self,
        key: IdempotencyKey,
        id: ValuesId,
        range: ParameterRange,
    ) -> Vec<ValuesRecord> {
        let record = |(part, (at, packed)): (usize, (usize, Packed))| {
            let start = range.start() + at as u64;
            let range = ParameterRange::new(start, start + packed.len() as u64);
            let at = ValuesAt { key, id, part: u32::try_from(part).unwrap_or(u32::MAX) };
            ValuesRecord { at, range: range.expect("a piece is not empty"), columns: packed }
        };
        self.pieces().enumerate().map(record).collect()
    }
}

/// To the bit, so that a dead parameter equals a dead parameter.
impl PartialEq for Values {
    fn eq(&self, other: &Self) -> bool {
        let bits = |values: &Self| -> Vec<Vec<u64>> {
            let column = |column: &Vec<f64>| column.iter().map(|value| value.to_bits()).collect();
            values.columns.iter().map(column).collect()
        };
        bits(self) == bits(other)
    }
}

impl Eq for Values {}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Values of {} parameters in {} columns", self.len(), self.columns.len())
    }
}

/// Equally long columns of values as bytes, the lowest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<ByteBuf>", into = "Vec<ByteBuf>")]
pub(crate) struct Packed(Vec<Vec<u8>>);

impl Packed {
    fn len(&self) -> usize {
        self.0.first().map_or(0, Vec::len) / VALUE_BYTES
    }

    pub(crate) fn unpack(&self) -> Vec<Vec<f64>> {
        let column = |bytes: &Vec<u8>| {
            let (values, _) = bytes.as_chunks::<VALUE_BYTES>();
            values.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect()
        };
        self.0.iter().map(column).collect()
    }
}

fn pack(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

impl TryFrom<Vec<ByteBuf>> for Packed {
    type Error = BadValues;
    fn try_from(columns: Vec<ByteBuf>) -> Result<Self, BadValues> {
        let packed = Self(columns.into_iter().map(ByteBuf::into_vec).collect());
        let length = packed.len() * VALUE_BYTES;
        if length == 0 || packed.0.iter().any(|column| column.len() != length) {
            return Err(BadValues);
        }
        Ok(packed)
    }
}

impl From<Packed> for Vec<ByteBuf> {
    fn from(packed: Packed) -> Self {
        packed.0.into_iter().map(ByteBuf::from).collect()
    }
}

/// Bytes that are no columns of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the values are not equally long columns, one value for each parameter")]
pub struct BadValues;

/// One evaluation whose values were stored. Of a chunk that was evaluated more than once, those count
/// that its outcome names, so that no parameter has two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ValuesId(u64, u64);

impl ValuesId {
    /// A fresh one of 128 random bits.
    pub fn fresh(randomness: &dyn Randomness) -> Self {
        Self(randomness.next_u64(), randomness.next_u64())
    }

    /// As 16 bytes.
    pub fn to_bytes(self) -> [u8; 16] {
        (u128::from(self.0) << 64 | u128::from(self.1)).to_be_bytes()
    }
}

/// The values that belong to an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptValues {
    /// Whose they are.
    #[serde(rename = "id")]
    pub id: ValuesId,
    /// How many records they are; none if every parameter is dead.
    #[serde(rename = "records")]
    pub records: u32,
}

/// Which record of values: at most one is stored for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ValuesAt {
    /// The chunk.
    #[serde(rename = "key")]
    pub key: IdempotencyKey,
    /// The evaluation of it.
    #[serde(rename = "id")]
    pub id: ValuesId,
    /// From 0, in the order of the parameters.
    #[serde(rename = "part")]
    pub part: u32,
}

/// Some values of a chunk; at most [`VALUES_RECORD_BYTES_MAX`] long unless it is of one parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawRecord")]
pub struct ValuesRecord {
    /// Which one this is.
    #[serde(rename = "at")]
    pub at: ValuesAt,
    /// The parameters that it speaks of, all of them.
    #[serde(rename = "range")]
    pub range: ParameterRange,
    #[serde(rename = "cols")]
    columns: Packed,
}

impl ValuesRecord {
    /// How many bytes its values have.
    pub fn payload_bytes(&self) -> usize {
        self.columns.0.iter().map(Vec::len).sum()
    }

    /// Each column's values, in the kernel's order; NaN for a parameter that is dead.
    pub fn columns(&self) -> Vec<Vec<f64>> {
        self.columns.unpack()
    }
}

#[derive(Deserialize)]
struct RawRecord {
    at: ValuesAt,
    range: ParameterRange,
    cols: Packed,
}

impl TryFrom<RawRecord> for ValuesRecord {
    type Error = BadValues;
    fn try_from(raw: RawRecord) -> Result<Self, BadValues> {
        let RawRecord { at, range, cols: columns } = raw;
        if columns.len() as u64 == range.len() {
            Ok(Self { at, range, columns })
        } else {
            Err(BadValues)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{ChunkIndex, Generation, JobUid};
    use crate::randomness::SeededRandomness;
    use crate::wire;

    fn key() -> IdempotencyKey {
        IdempotencyKey {
            job: JobUid::from([3; 16]),
            chunk: ChunkIndex(5),
            generation: Generation(0),
        }
    }

    #[test]
    fn records_are_bounded_and_hold_every_parameter_once() {
        for (count, columns) in [(1, 1), (1_000, 2), (300_000, 1), (100_000, 7)] {
            let mut values = Values::new();
            let column: Vec<f64> = (0..count).map(f64::from).collect();
            values.put(0, &vec![column; columns]);
            let range = ParameterRange::new(10, 10 + u64::try_from(count).unwrap()).unwrap();
            let id = ValuesId::fresh(&SeededRandomness::new(1));
            let mut read = Values::new();
            for (part, record) in values.records(key(), id, range).into_iter().enumerate() {
                let bytes = wire::encode(&record);
                assert!(bytes.len() <= VALUES_RECORD_BYTES_MAX, "{} bytes", bytes.len());
                let record: ValuesRecord = wire::decode(&bytes).unwrap();
                assert_eq!((record.at.part as usize, record.at.key), (part, key()));
                assert_eq!(record.range.start(), 10 + read.len() as u64);
                read.put(read.len(), &record.columns());
            }
            assert_eq!(read, values);
        }
    }

    #[test]
    fn what_is_passed_over_is_dead() {
        let mut values = Values::new();
        values.put(2, &[vec![1.0], vec![2.0]]);
        values.put(4, &[vec![3.0], vec![4.0]]);
        values.fill_to(6);
        let alive: Vec<_> = values.columns()[1].iter().map(|value| !value.is_nan()).collect();
        assert_eq!(alive, [false, false, true, false, true, false]);
        assert_eq!(Values::new().len(), 0);
    }

    #[test]
    fn records_whose_columns_do_not_fit_their_range_do_not_decode() {
        let mut values = Values::new();
        values.put(0, &[vec![1.0, 2.0]]);
        let id = ValuesId::fresh(&SeededRandomness::new(1));
        let range = ParameterRange::new(0, 2).unwrap();
        let mut record = values.records(key(), id, range).remove(0);
        record.range = ParameterRange::new(0, 3).unwrap();
        assert!(wire::decode::<ValuesRecord>(&wire::encode(&record)).is_err());
        for columns in [vec![], vec![vec![]], vec![vec![0; 7]], vec![vec![0; 8], vec![0; 16]]] {
            let bytes = wire::encode(&Packed(columns));
            assert!(wire::decode::<Packed>(&bytes).is_err());
        }
    }
}
