//! `--chunk-size auto`: what a parameter costs decides how many make a chunk.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use ttg_runtime::kernel::{Evaluated, Evaluation, Limits, RegisteredKernel, Scratch};
use ttg_runtime::{
    Chunk, ChunkIndex, Clock, JobSpec, JobUid, ParameterRange, SystemClock, Timestamp, TraceContext,
};

/// How long the kernel is sampled at most.
const SAMPLE: Duration = Duration::from_millis(10);

/// A sample that took this long is enough: a thousand times what reading the clock takes.
const SAMPLE_ENOUGH: Duration = Duration::from_micros(200);

/// The next sample has at most so many times as many parameters.
const SAMPLE_GROWTH: u64 = 16;

/// The work that a chunk aims at: far above what a delivery costs, far below a lease.
const CHUNK_WORK: Duration = Duration::from_millis(500);

/// Chunks per slot at least, so that the slots end together: with `n` chunks a slot, the last one
/// idles about `1/2n` of the time.
const CHUNKS_PER_SLOT: u64 = 40;

/// Chunks per job at most.
const CHUNKS_MAX: u64 = 100_000;

/// Without a sample: this many chunks per job.
const CHUNKS_UNSAMPLED: u64 = 10_000;

/// Parameters per chunk at most, unless that makes too many chunks: it bounds an outcome in which
/// every parameter is dead for a reason of its own.
const CHUNK_PARAMETERS_MAX: u64 = 1 << 20;

/// Parameters per chunk at most if their values are kept, likewise: a column of them is one record.
const CHUNK_VALUES_MAX: u64 = 100_000;

/// A job's kernel being sampled, beside what else has to be done at the start.
pub(crate) struct Sample {
    parameters: u64,
    most: u64,
    limits: Limits,
    begun: mpsc::Receiver<Timestamp>,
    answered: mpsc::Receiver<Duration>,
}

impl Sample {
    /// Begins to sample the kernel of `spec`, whose own chunk size is not looked at.
    pub(crate) fn begin(spec: &JobSpec, kernel: &Arc<dyn RegisteredKernel>) -> Self {
        let (begins, begun) = mpsc::channel();
        let (answers, answered) = mpsc::channel();
        let limits = Limits::default();
        let sampler = Sampler {
            spec: Arc::new(spec.clone()),
            kernel: Arc::clone(kernel),
            limits: limits.clone(),
            begins,
            answers,
        };
        let thread = thread::Builder::new().name("ttg-sample".to_owned());
        // Without the thread there are no answers: the size is then chosen without a sample.
        thread.spawn(|| sampler.run()).ok();
        let (parameters, most) = (spec.parameters.len(), most(spec));
        Self { parameters, most, limits, begun, answered }
    }

    /// The chunk size for a job that is worked on in `slots` slots.
    pub(crate) fn chunk_size(self, slots: u32) -> NonZeroU64 {
        choose(self.parameters, self.most, slots, self.cost())
    }

    /// What one parameter costs; `None` if the kernel fails on the first ones. What it has not
    /// answered in time is taken for slow.
    pub(crate) fn cost(&self) -> Option<Duration> {
        // Until the thread has a CPU: how busy the machine is says nothing of the kernel.
        let deadline = self.begun.recv().ok()?.after(SAMPLE);
        let mut cost = None;
        loop {
            let left = deadline.since(SystemClock.now());
            match self.answered.recv_timeout(left) {
                Ok(answer) => cost = Some(answer),
                Err(mpsc::RecvTimeoutError::Disconnected) => return cost,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    self.limits.cancel.set();
                    return cost.or(Some(SAMPLE));
                }
            }
        }
    }
}

/// The chunk size for a kernel that is not at hand.
pub(crate) fn unsampled(spec: &JobSpec) -> NonZeroU64 {
    choose(spec.parameters.len(), most(spec), 1, None)
}

/// Parameters per chunk at most.
fn most(spec: &JobSpec) -> u64 {
    if spec.values { CHUNK_VALUES_MAX } else { CHUNK_PARAMETERS_MAX }
}

fn choose(parameters: u64, most: u64, slots: u32, cost: Option<Duration>) -> NonZeroU64 {
    let size = match cost {
        None => parameters / CHUNKS_UNSAMPLED,
        Some(cost) => {
            let by_time = CHUNK_WORK.as_nanos() / cost.as_nanos().max(1);
            let by_slots = parameters / (u64::from(slots.max(1)) * CHUNKS_PER_SLOT);
            u64::try_from(by_time).unwrap_or(u64::MAX).min(by_slots)
        }
    };
    let size = size.min(most).max(parameters.div_ceil(CHUNKS_MAX));
    NonZeroU64::new(size).unwrap_or(NonZeroU64::MIN)
}

struct Sampler {
    spec: Arc<JobSpec>,
    kernel: Arc<dyn RegisteredKernel>,
    limits: Limits,
    begins: mpsc::Sender<Timestamp>,
    answers: mpsc::Sender<Duration>,
}

impl Sampler {
    /// Evaluates one parameter, then more and more until that was enough work, it is cancelled, the
    /// space ends or the kernel fails. A panic ends the thread, and with it the sample.
    fn run(self) {
        if self.begins.send(SystemClock.now()).is_err() {
            return;
        }
        let space = self.spec.parameters;
        let mut scratch = Scratch::new();
        let (mut next, mut count) = (space.start(), 1_u64);
        while let Ok(range) = ParameterRange::new(next, space.end().min(next.saturating_add(count)))
        {
            let mut spec = (*self.spec).clone();
            spec.parameters = range;
            spec.chunk_size = NonZeroU64::new(range.len()).unwrap_or(NonZeroU64::MIN);
            let uid = JobUid::from([0; 16]);
            let trace = TraceContext::default();
            let Some(chunk) = Chunk::cut(uid, &Arc::new(spec), ChunkIndex(0), &trace) else {
                return;
            };
            let kernel = &*self.kernel;
            let evaluation = Evaluation {
                chunk: &chunk,
                kernel,
                limits: &self.limits,
                clock: &SystemClock,
                watch: None,
            };
            let Evaluated::Completed { took, .. } = evaluation.run(&mut scratch) else {
                return;
            };
            let cost = took.div_f64(range.len() as f64);
            if self.answers.send(cost).is_err() || took >= SAMPLE_ENOUGH {
                return;
            }
            // As many as are enough, going by these: at least twice and at most so many times as many.
            let growth = SAMPLE_ENOUGH.as_micros() / took.as_micros().max(1);
            let growth = u64::try_from(growth).unwrap_or(SAMPLE_GROWTH).clamp(2, SAMPLE_GROWTH);
            (next, count) = (range.end(), range.len().saturating_mul(growth));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(parameters: u64, slots: u32, cost: Duration) -> u64 {
        choose(parameters, CHUNK_PARAMETERS_MAX, slots, Some(cost)).get()
    }

    #[test]
    fn a_sample_has_its_time_from_when_it_begins_however_late() {
        let (begins, begun) = mpsc::channel();
        let (answers, answered) = mpsc::channel();
        let limits = Limits::default();
        let sample = Sample { parameters: 9, most: 9, limits, begun, answered };
        let long_ago = Timestamp::since_boot(Duration::ZERO);
        begins.send(long_ago).unwrap();
        assert_eq!(sample.cost(), Some(SAMPLE), "no answer in time: slow");
        // A thread needs a moment to begin.
        let sampler = thread::spawn(move || {
            begins.send(SystemClock.now()).unwrap();
            answers.send(Duration::from_micros(7)).unwrap();
        });
        assert_eq!(sample.cost(), Some(Duration::from_micros(7)));
        sampler.join().unwrap();
    }

    #[test]
    fn a_chunk_is_half_a_second_of_work_within_bounds() {
        assert_eq!(size(10_000_000, 2, Duration::from_millis(10)), 100, "raised to 100 000 chunks");
        assert_eq!(size(1_000_000, 2, Duration::from_millis(10)), 50, "half a second");
        assert_eq!(size(10_000, 2, Duration::from_micros(1)), 125, "40 chunks a slot");
        assert_eq!(size(10_000, 2, Duration::from_mins(1)), 1, "a slow kernel");
        assert_eq!(size(1_000_000_000, 2, Duration::from_nanos(2)), 1 << 20, "bounded records");
        assert_eq!(size(5, 64, Duration::ZERO), 1);
        assert_eq!(choose(1_000_000, CHUNK_PARAMETERS_MAX, 2, None).get(), 100, "without a sample");
        assert_eq!(choose(5, CHUNK_PARAMETERS_MAX, 2, None).get(), 1);
    }

    #[test]
    fn chunks_are_never_more_than_the_limit_on_spaces_of_any_size() {
        for parameters in [1, 99_999, 100_001, 1 << 40, u64::MAX] {
            let size = size(parameters, 2, Duration::from_secs(1));
            assert!(parameters.div_ceil(size) <= CHUNKS_MAX);
        }
    }
}
