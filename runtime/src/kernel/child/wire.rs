//! What goes between host and guest: frames over one socket, and a cell of memory that both map to a
//! file descriptor. The cell costs the guest one write of eight bytes a parameter and wakes nobody.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::FileExt;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::chunk::Chunk;
use crate::dead::DeadParameters;
use crate::delivery::Failure;
use crate::kernel::Evaluated;
use crate::outcome::Column;
use crate::values::{Packed, Values};
use crate::wire::{RECORD_BYTES_MAX, decode, encode};

/// From host to guest.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request {
    /// A chunk, or a part of one.
    #[serde(rename = "chunk")]
    pub(super) chunk: Chunk,
    #[serde(rename = "last")]
    pub(super) last_attempt: bool,
}

/// From guest to host.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Reply {
    /// Some of the values of what is completed, in order, ahead of it.
    #[serde(rename = "values")]
    Values(Packed),
    #[serde(rename = "completed")]
    Completed {
        #[serde(rename = "cols")]
        columns: Vec<Column>,
        #[serde(rename = "dead")]
        dead: DeadParameters,
        #[serde(rename = "us")]
        took_us: u64,
    },
    #[serde(rename = "failed")]
    Failed(Failure),
    #[serde(rename = "cancelled")]
    Cancelled,
}

/// Sends what became of an evaluation.
pub(super) fn send_evaluated(mut to: impl Write, evaluated: Evaluated) -> io::Result<()> {
    let reply = match evaluated {
        Evaluated::Completed { columns, dead, took, values } => {
            for (_, piece) in values.pieces() {
                send(&mut to, &Reply::Values(piece))?;
            }
            let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
            Reply::Completed { columns, dead, took_us }
        }
        Evaluated::Failed(failure) => Reply::Failed(failure),
        Evaluated::Cancelled => Reply::Cancelled,
    };
    send(&mut to, &reply)
}

/// Replies put together again.
pub(super) struct Assembly {
    values: Values,
    /// Of the chunk.
    parameters: usize,
}

impl Assembly {
    /// Of the replies about a chunk of so many parameters.
    pub(super) fn of(parameters: usize) -> Self {
        Self { values: Values::new(), parameters }
    }

    /// Takes the next reply. Returns what became of the evaluation, after the last one.
    ///
    /// # Errors
    /// `InvalidData`: more values than parameters, or of other columns than before. A child in which
    /// a kernel ran wild says anything.
    pub(super) fn take(&mut self, reply: Reply) -> io::Result<Option<Evaluated>> {
        Ok(match reply {
            Reply::Values(piece) => {
                let more = piece.unpack();
                let (columns, rows) = (more.len(), more.first().map_or(0, Vec::len));
                let before = self.values.columns().len();
                if self.values.len() + rows > self.parameters || (before != 0 && before != columns)
                {
                    return Err(io::Error::new(ErrorKind::InvalidData, "values of another chunk"));
                }
                self.values.put(self.values.len(), &more);
                None
            }
            Reply::Completed { columns, dead, took_us } => {
                let took = Duration::from_micros(took_us);
                let values = std::mem::take(&mut self.values);
                Some(Evaluated::Completed { columns, dead, took, values })
            }
            Reply::Failed(failure) => Some(Evaluated::Failed(failure)),
            Reply::Cancelled => Some(Evaluated::Cancelled),
        })
    }
}

/// Writes a record behind its length.
pub(super) fn send<T: Serialize>(mut to: impl Write, record: &T) -> io::Result<()> {
    let bytes = encode(record);
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(&bytes)
}

/// Bytes to make room for at a time: a length alone is no reason to take its memory.
const READ_MAX: usize = 64 * 1024;

/// A record that arrives bit by bit.
#[derive(Default)]
pub(super) struct Incoming(Vec<u8>);

impl Incoming {
    /// Reads on. `None` at a clean end before the first byte.
    ///
    /// # Errors
    /// What the reader says; after `WouldBlock`, `TimedOut` or `Interrupted` call again. `InvalidData`
    /// for what is no record, `UnexpectedEof` for half of one.
    pub(super) fn receive<T: DeserializeOwned>(
        &mut self,
        mut from: impl Read,
    ) -> io::Result<Option<T>> {
        loop {
            let missing = self.missing()?;
            if missing == 0 {
                let record = decode(&self.0[4..]);
                self.0.clear();
                return record
                    .map(Some)
                    .map_err(|error| io::Error::new(ErrorKind::InvalidData, error));
            }
            let before = self.0.len();
            self.0.resize(before + missing.min(READ_MAX), 0);
            let read = from.read(&mut self.0[before..]);
            self.0.truncate(before + *read.as_ref().unwrap_or(&0));
            match read? {
                0 if before == 0 => return Ok(None),
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                _ => {}
            }
        }
    }

    /// Bytes to come before anything can be said.
    fn missing(&self) -> io::Result<usize> {
        let Some((length, body)) = self.0.split_first_chunk::<4>() else {
            return Ok(4 - self.0.len());
        };
        let length = u32::from_le_bytes(*length) as usize;
        if length == 0 || length > RECORD_BYTES_MAX {
            let what = format!("a frame of {length} bytes");
            return Err(io::Error::new(ErrorKind::InvalidData, what));
        }
        Ok(length - body.len())
    }
}

/// The parameter under evaluation, in memory that both processes hold.
pub(super) struct CursorCell(File);

impl CursorCell {
    /// No parameter: the kernel starts, or rests.
    const NONE: u64 = u64::MAX;

    pub(super) fn new(memory: File) -> Self {
        Self(memory)
    }

    pub(super) fn write(&self, parameter: Option<u64>) -> io::Result<()> {
        self.0.write_all_at(&parameter.unwrap_or(Self::NONE).to_le_bytes(), 0)
    }

    /// `None` also for a cell that cannot be read: then nobody is to blame.
    pub(super) fn read(&self) -> Option<u64> {
        let mut bytes = [0; 8];
        self.0.read_exact_at(&mut bytes, 0).ok()?;
        Some(u64::from_le_bytes(bytes)).filter(|&parameter| parameter != Self::NONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::FailureKind;

    /// Hands out one byte at a time and is not ready in between.
    struct Drip<'a>(&'a [u8], bool);

    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(ErrorKind::WouldBlock.into());
            }
            let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
            buffer[0] = *first;
            self.0 = rest;
            Ok(1)
        }
    }

    #[test]
    fn a_record_may_arrive_in_pieces() {
        let mut bytes = Vec::new();
        let failure = Failure::new(FailureKind::Killed, Some(3), "signal 6");
        send(&mut bytes, &Reply::Failed(failure.clone())).unwrap();
        let (mut incoming, mut drip) = (Incoming::default(), Drip(&bytes, false));
        let reply = loop {
            match incoming.receive::<Reply>(&mut drip) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                other => break other.unwrap().unwrap(),
            }
        };
        assert_eq!(Assembly::of(1).take(reply).unwrap(), Some(Evaluated::Failed(failure)));
        drip.1 = true;
        assert!(incoming.receive::<Reply>(&mut drip).unwrap().is_none());
    }

    #[test]
    fn values_go_ahead_in_pieces_and_are_put_together_again() {
        let mut values = Values::new();
        let column = |from: u32| (from..from + 200_000).map(f64::from).collect::<Vec<_>>();
        values.put(0, &[column(0), column(7)]);
        let completed = Evaluated::Completed {
            columns: Vec::new(),
            dead: DeadParameters::new(),
            took: Duration::from_micros(9),
            values,
        };
        let mut bytes = Vec::new();
        send_evaluated(&mut bytes, completed.clone()).unwrap();
        let (mut from, mut incoming) = (&bytes[..], Incoming::default());
        let (mut assembly, mut replies) = (Assembly::of(200_000), 0);
        let evaluated = loop {
            replies += 1;
            let reply = incoming.receive(&mut from).unwrap().unwrap();
            if let Some(done) = assembly.take(reply).unwrap() {
                break done;
            }
        };
        assert_eq!((evaluated, replies, from.len()), (completed, 5, 0));
    }

    #[test]
    fn more_values_than_parameters_or_of_other_columns_are_errors() {
        let piece = |columns: &[Vec<f64>]| {
            let mut values = Values::new();
            values.put(0, columns);
            let (_, packed) = values.pieces().next().unwrap();
            Reply::Values(packed)
        };
        let one = || piece(&[vec![1.0, 2.0]]);
        let mut assembly = Assembly::of(3);
        assert_eq!(assembly.take(one()).unwrap(), None);
        assert_eq!(assembly.take(one()).unwrap_err().kind(), ErrorKind::InvalidData);
        let two = piece(&[vec![1.0], vec![2.0]]);
        assert_eq!(assembly.take(two).unwrap_err().kind(), ErrorKind::InvalidData);
    }

    #[test]
    fn half_a_record_and_absurd_lengths_are_errors() {
        let receive = |bytes: &[u8]| Incoming::default().receive::<Reply>(bytes).map(drop);
        assert_eq!(receive(&[]).map_err(|error| error.kind()), Ok(()));
        assert_eq!(receive(&[9, 0, 0, 0, 1]).unwrap_err().kind(), ErrorKind::UnexpectedEof);
        assert_eq!(receive(&[0xff; 8]).unwrap_err().kind(), ErrorKind::InvalidData);
        assert_eq!(receive(&[0; 8]).unwrap_err().kind(), ErrorKind::InvalidData);
        assert_eq!(receive(&[2, 0, 0, 0, 1, 0xc1]).unwrap_err().kind(), ErrorKind::InvalidData);
    }
}
