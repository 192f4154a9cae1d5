//! Whatever a child, or the worker of one, may send.

use std::time::Duration;

use super::wire::{Assembly, Incoming, Reply, Request, send, send_evaluated};
use crate::chunk::Chunk;
use crate::delivery::{Failure, FailureKind};
use crate::kernel::Evaluated;
use crate::outcome::Outcome;
use crate::values::Values;

/// Parameters of the chunk that is asked about.
const PARAMETERS: usize = 1_000;

/// What the two sides say of `chunk`, each frame behind the other.
pub(crate) fn pipe_samples(chunk: &Chunk, outcome: &Outcome, values: &Values) -> [Vec<u8>; 3] {
    let [mut request, mut completed, mut failed] = <[Vec<u8>; 3]>::default();
    let failure = Failure::new(FailureKind::Killed, Some(chunk.range.start()), "signal 6");
    let evaluated = Evaluated::Completed {
        columns: outcome.columns.clone(),
        dead: outcome.dead.clone(),
        took: Duration::from_micros(outcome.computed_us),
        values: values.clone(),
    };
    send(&mut request, &Request { chunk: chunk.clone(), last_attempt: true })
        .and_then(|()| send_evaluated(&mut completed, evaluated))
        .and_then(|()| send_evaluated(&mut failed, Evaluated::Failed(failure)))
        .and_then(|()| send_evaluated(&mut failed, Evaluated::Cancelled))
        .expect("a vector takes every write");
    [request, completed, failed]
}

/// Reads `bytes` as both sides do, until they end or are refused.
///
/// # Panics
/// If they do harm.
pub(crate) fn read_pipe(bytes: &[u8]) {
    let (mut from, mut incoming) = (bytes, Incoming::default());
    let mut assembly = Assembly::of(PARAMETERS);
    while let Ok(Some(reply)) = incoming.receive::<Reply>(&mut from) {
        if !matches!(assembly.take(reply), Ok(None)) {
            break;
        }
    }
    let (mut from, mut incoming) = (bytes, Incoming::default());
    while let Ok(Some(_)) = incoming.receive::<Request>(&mut from) {}
}
