//! Tests of the evaluation, apart for length.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use super::*;
use crate::SystemClock;
use crate::chunk::TraceContext;
use crate::ids::ChunkIndex;
use crate::job::{JobPolicy, JobSpec};
use crate::kernel::{Kernel, KernelError, Kernels};
use crate::randomness::SeededRandomness;

/// Two columns; some parameters are bad, each in its own way.
struct Hostile;

impl Kernel for Hostile {
    type Options = ();
    type State = u64;

    fn name(&self) -> &'static str {
        "hostile"
    }

    fn columns(&self) -> &[&str] {
        &["value", "half"]
    }

    fn init(&self, (): ()) -> Result<u64, KernelError> {
        Ok(0)
    }

    fn evaluate(&self, rounds: &mut u64, slice: Slice, rows: &mut Rows) {
        *rounds += 1;
        for parameter in slice.parameters {
            match parameter {
                1_007 => rows.fail("no root"),
                1_500 => rows.push_row(&[f64::NAN, 1.0]),
                1_900 => panic!("parameter {parameter} is poison"),
                2_100 => rows.push_row(&[1.0]),
                _ => rows.push_row(&[parameter as f64, parameter as f64 / 2.0]),
            }
        }
    }
}

/// Starts once, panics at parameter 900, and starts no more.
struct Once(std::sync::atomic::AtomicBool);

impl Kernel for Once {
    type Options = ();
    type State = ();

    fn name(&self) -> &'static str {
        "once"
    }

    fn init(&self, (): ()) -> Result<(), KernelError> {
        let again = self.0.swap(true, std::sync::atomic::Ordering::Relaxed);
        assert!(!again, "no second start");
        Ok(())
    }

    fn evaluate(&self, (): &mut (), slice: Slice, rows: &mut Rows) {
        for parameter in slice.parameters {
            assert!(parameter != 900, "poison");
            rows.push(1.0);
        }
    }
}

fn chunk(kernel: &str, start: u64, end: u64) -> Chunk {
    let spec = Arc::new(JobSpec {
        parameters: ParameterRange::new(start, end).unwrap(),
        kernel: kernel.parse().unwrap(),
        options: BTreeMap::new(),
        chunk_size: NonZeroU64::new(end - start).unwrap(),
        policy: JobPolicy::default(),
        values: false,
    });
    let job = JobUid::fresh(&SeededRandomness::new(start));
    Chunk::cut(job, &spec, ChunkIndex(0), &TraceContext::default()).unwrap()
}

fn run(chunk: &Chunk, limits: &Limits, scratch: &mut Scratch) -> Evaluated {
    let kernels = Kernels::builtin().with(Hostile).unwrap();
    let kernel = kernels.get(&chunk.spec.kernel).unwrap();
    Evaluation { chunk, kernel: &**kernel, limits, clock: &SystemClock, watch: None }.run(scratch)
}

fn last() -> Limits {
    Limits { last_attempt: true, ..Limits::default() }
}

#[test]
fn a_chunk_is_evaluated_whole_whatever_its_size() {
    let mut scratch = Scratch::new();
    for end in [1, 2, 3, 5_000, 12_345] {
        let chunk = chunk("collatz", 1, end + 1);
        match run(&chunk, &Limits::default(), &mut scratch) {
            Evaluated::Completed { columns, dead, .. } => {
                assert_eq!(columns.len(), 1);
                assert_eq!(columns[0].aggregate.count(), end);
                assert!(dead.is_empty());
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_bad_parameter_fails_the_attempt_and_leaves_nothing_behind() {
    let mut scratch = Scratch::new();
    let bad = chunk("hostile", 1_000, 1_100);
    let expected = Failure::new(FailureKind::Error, Some(1_007), "no root");
    assert_eq!(run(&bad, &Limits::default(), &mut scratch), Evaluated::Failed(expected));
    // The same job goes on in the same slot: the failed attempt's values are not in its sum.
    let mut good = chunk("hostile", 0, 10);
    good.key = bad.key;
    match run(&good, &Limits::default(), &mut scratch) {
        Evaluated::Completed { columns, .. } => assert_eq!(columns[0].aggregate.count(), 10),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_last_attempt_buries_the_bad_parameters_alone() {
    let chunk = chunk("hostile", 0, 3_000);
    match run(&chunk, &last(), &mut Scratch::new()) {
        Evaluated::Completed { columns, dead, .. } => {
            assert!(columns.iter().all(|column| column.aggregate.count() == 2_996));
            let dead: Vec<_> =
                dead.runs().map(|(r, why)| (r.start(), r.len(), why.kind, &*why.message)).collect();
            let expected = [
                (1_007, 1, FailureKind::Error, "no root"),
                (1_500, 1, FailureKind::NotFinite, "the value is NaN"),
                (1_900, 1, FailureKind::Panic, "parameter 1900 is poison"),
                (
                    2_100,
                    1,
                    FailureKind::Kernel,
                    "the kernel answered with 1 values, it has 2 columns",
                ),
            ];
            assert_eq!(dead, expected);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_panic_before_the_last_attempt_reaches_the_caller_and_names_where() {
    let chunk = chunk("hostile", 1_900, 1_901);
    let mut scratch = Scratch::new();
    let panic = catch_unwind(AssertUnwindSafe(|| {
        run(&chunk, &Limits::default(), &mut scratch);
    }))
    .unwrap_err();
    let expected = Failure::new(FailureKind::Panic, Some(1_900), "parameter 1900 is poison");
    assert_eq!(scratch.panicked(&*panic), expected);
}

#[test]
fn a_cancelled_chunk_ends_at_its_slice() {
    let limits = Limits::default();
    limits.cancel.set();
    let chunk = chunk("collatz", 1, 1_000_000);
    assert_eq!(run(&chunk, &limits, &mut Scratch::new()), Evaluated::Cancelled);
}

#[test]
fn an_attempt_beyond_the_timeout_fails_and_the_last_one_goes_on() {
    let mut chunk = chunk("collatz", 1, 100_000);
    let mut spec = (*chunk.spec).clone();
    spec.policy.timeout = Duration::ZERO;
    chunk.spec = Arc::new(spec);
    match run(&chunk, &Limits::default(), &mut Scratch::new()) {
        Evaluated::Failed(failure) => {
            assert_eq!((failure.kind, failure.parameter), (FailureKind::Timeout, Some(2)));
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(run(&chunk, &last(), &mut Scratch::new()), Evaluated::Completed { .. }));
}

#[test]
fn refused_options_fail_the_attempt_and_kill_the_chunk_at_the_last() {
    let mut chunk = chunk("collatz", 1, 100);
    let mut spec = (*chunk.spec).clone();
    spec.options.insert("depth".into(), "1".into());
    chunk.spec = Arc::new(spec);
    assert!(matches!(
        run(&chunk, &Limits::default(), &mut Scratch::new()),
        Evaluated::Failed(Failure { kind: FailureKind::Kernel, .. })
    ));
    match run(&chunk, &last(), &mut Scratch::new()) {
        Evaluated::Completed { columns, dead, .. } => {
            assert!(columns.is_empty());
            assert_eq!(dead.count(), 99);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn slices_grow_to_a_few_milliseconds_and_shrink_again() {
    let slice = |len| ParameterRange::new(0, len).unwrap();
    assert_eq!(paced(1, slice(1), Duration::ZERO), 2);
    assert_eq!(paced(64, slice(64), SLICE_TARGET), 64);
    assert_eq!(paced(64, slice(64), SLICE_TARGET * 3), 32);
    assert_eq!(paced(1, slice(1), SLICE_TARGET * 3), 1);
    assert_eq!(paced(SLICE_PARAMETERS_MAX, slice(SLICE_PARAMETERS_MAX), Duration::ZERO), 2_048);
    // The short slice at the end of a chunk says nothing.
    assert_eq!(paced(64, slice(3), Duration::ZERO), 64);
}

#[test]
fn a_kernel_that_cannot_start_again_keeps_what_is_done_and_buries_the_rest() {
    let kernels = Kernels::none().with(Once(false.into())).unwrap();
    let chunk = chunk("once", 0, 1_000);
    let kernel = kernels.get(&chunk.spec.kernel).unwrap();
    let limits = last();
    let evaluation = Evaluation {
        chunk: &chunk,
        kernel: &**kernel,
        limits: &limits,
        clock: &SystemClock,
        watch: None,
    };
    let mut scratch = Scratch::new();
    let Evaluated::Completed { columns, dead, .. } = evaluation.run(&mut scratch) else {
        panic!("the last attempt settles");
    };
    let completed = columns[0].aggregate.count();
    assert!((1..=900).contains(&completed), "{completed}");
    assert_eq!(completed + dead.count(), 1_000);
    let why = dead.runs().next().unwrap().1;
    assert_eq!((why.kind, &*why.message), (FailureKind::Panic, "no second start"));
    // The next chunk finds nothing of this one in the slot.
    let Evaluated::Completed { columns, dead, .. } = evaluation.run(&mut scratch) else {
        panic!("the last attempt settles");
    };
    assert_eq!((columns.len(), dead.count()), (0, 1_000));
}

/// Evaluates `chunk` keeping its values.
fn kept(mut chunk: Chunk, watch: Option<&dyn Fn(u64)>) -> (Vec<Column>, DeadParameters, Values) {
    Arc::make_mut(&mut chunk.spec).values = true;
    let kernels = Kernels::builtin().with(Hostile).unwrap();
    let kernel = kernels.get(&chunk.spec.kernel).unwrap();
    let (clock, limits) = (&SystemClock, &last());
    let evaluation = Evaluation { chunk: &chunk, kernel: &**kernel, limits, clock, watch };
    match evaluation.run(&mut Scratch::new()) {
        Evaluated::Completed { columns, dead, values, .. } => (columns, dead, values),
        other => panic!("{other:?}"),
    }
}

#[test]
fn kept_values_are_those_of_the_summaries_and_only_the_dead_have_none() {
    let watch: &dyn Fn(u64) = &|_| {};
    for watch in [None, Some(watch)] {
        let (columns, dead, values) = kept(chunk("hostile", 0, 3_000), watch);
        assert_eq!((values.len(), dead.count()), (3_000, 4));
        for (column, values) in columns.iter().zip(values.columns()) {
            let mut sum = Accumulator::new();
            sum.add_slice(0, values);
            assert_eq!(sum.take(), column.aggregate);
            for (run, _) in dead.runs() {
                let places =
                    usize::try_from(run.start()).unwrap()..usize::try_from(run.end()).unwrap();
                assert!(values[places].iter().all(|value| value.is_nan()));
            }
            assert_eq!(values.iter().filter(|value| value.is_nan()).count(), 4);
        }
    }
    let Evaluated::Completed { values, .. } =
        run(&chunk("hostile", 0, 10), &last(), &mut Scratch::new())
    else {
        panic!("the last attempt settles");
    };
    assert!(values.is_empty(), "unless it is asked to, nothing is kept");
}
