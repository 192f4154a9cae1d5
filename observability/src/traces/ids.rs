//! The ids of a chunk's spans, derived from what every process knows of the chunk: so all who work on
//! it write into one trace without a word between them, and a delivery can point to the one before it,
//! though that one's process was killed and told nothing.

use std::fmt;

/// The trace of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChunkTrace(u128);

/// A span and its trace. Neither number is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanIds {
    /// The trace.
    pub trace: u128,
    /// The span.
    pub span: u64,
}

/// What an attempt consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    QueueWait = 1,
    Dispatch = 2,
    Compute = 3,
    Settle = 4,
}

/// One bijection of 64 bits for each `word`, that of `SplitMix64`: neighbours become strangers, which
/// samplers by ratio rely on, and no two become one.
fn mix(state: u64, word: u64) -> u64 {
    let mut z = (state ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn halves(number: u128) -> [u64; 2] {
    [number >> 64, number & u128::from(u64::MAX)]
        .map(|half| u64::try_from(half).expect("half of 128 bits are 64"))
}

impl ChunkTrace {
    /// Of the chunk with this index and generation, of the job with this uid.
    pub fn of(job: [u8; 16], chunk: u64, generation: u32) -> Self {
        let [high, low] = halves(u128::from_be_bytes(job));
        let half = |seed, side| mix(mix(mix(seed, side), chunk), u64::from(generation));
        let trace = (u128::from(half(high, 1)) << 64) | u128::from(half(low, 2));
        Self(trace.max(1))
    }

    /// The trace's number.
    pub fn id(self) -> u128 {
        self.0
    }

    /// The attempt that the delivery number `delivery` makes, from 0: each delivery of a chunk ends as
    /// one failure, one silence or one give-back, so that their sum numbers the next one.
    pub fn attempt(self, delivery: u64) -> SpanIds {
        let [high, low] = halves(self.0);
        let span = mix(mix(high, low.rotate_left(32)), delivery);
        SpanIds { trace: self.0, span: span.max(1) }
    }
}

impl SpanIds {
    pub(super) fn stage(self, stage: Stage) -> Self {
        Self { span: mix(mix(self.span, 0), stage as u64).max(1), ..self }
    }

    /// The trace in 32 hexadecimal digits.
    pub fn trace_id(self) -> impl fmt::Display {
        Hex { number: self.trace, width: 32 }
    }

    /// The span in 16 hexadecimal digits.
    pub fn span_id(self) -> impl fmt::Display {
        Hex { number: self.span.into(), width: 16 }
    }
}

struct Hex {
    number: u128,
    width: usize,
}

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:01$x}", self.number, self.width)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const JOB: [u8; 16] = [7; 16];

    /// Workers of two builds must agree: these numbers never change.
    #[test]
    fn ids_are_the_same_in_every_build() {
        let attempt = ChunkTrace::of(JOB, 17, 0).attempt(1);
        assert_eq!(attempt.trace_id().to_string(), "724f7c7e579d119e1766961b74de0570");
        assert_eq!(attempt.span_id().to_string(), "dc1701396a1811f9");
    }

    #[test]
    fn everything_that_tells_two_spans_apart_does() {
        let traces = [
            ChunkTrace::of(JOB, 17, 0),
            ChunkTrace::of(JOB, 18, 0),
            ChunkTrace::of(JOB, 17, 1),
            ChunkTrace::of([8; 16], 17, 0),
        ];
        let spans = traces.into_iter().flat_map(|trace| {
            (0..3).map(move |delivery| trace.attempt(delivery)).flat_map(|attempt| {
                let stages = [Stage::QueueWait, Stage::Dispatch, Stage::Compute, Stage::Settle];
                stages.map(|stage| attempt.stage(stage)).into_iter().chain([attempt])
            })
        });
        let spans: Vec<_> = spans.collect();
        assert_eq!(spans.len(), 4 * 3 * 5);
        assert_eq!(spans.iter().map(|ids| ids.span).collect::<HashSet<_>>().len(), spans.len());
        assert_eq!(spans.iter().map(|ids| ids.trace).collect::<HashSet<_>>().len(), 4);
    }

    /// What samplers by ratio look at: the lower half, without its first bit.
    #[test]
    fn the_chunks_of_a_job_are_spread_evenly() {
        let below = |chunk: &u64| {
            let id = ChunkTrace::of(JOB, *chunk, 0).id();
            (id & u128::from(u64::MAX >> 1)) < u128::from(u64::MAX >> 1) / 10
        };
        let sampled = (0..10_000).filter(below).count();
        assert!((900..1_100).contains(&sampled), "{sampled} of a tenth of 10 000");
    }

    #[test]
    fn a_short_id_is_padded() {
        let ids = SpanIds { trace: 1, span: 1 };
        assert_eq!(ids.trace_id().to_string(), "00000000000000000000000000000001");
        assert_eq!(ids.span_id().to_string(), "0000000000000001");
    }
}
