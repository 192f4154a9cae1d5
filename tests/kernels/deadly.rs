//! Kernel `deadly`: `value(p) = p`, but for the parameters that its options name: those take the
//! process down or do not come back.

use std::collections::BTreeSet;
use std::hint::black_box;
use std::path::PathBuf;
use std::time::Duration;
use std::{process, thread};

use serde::Deserialize;
use ttg_runtime::{Kernel, KernelError, Rows, Slice};

use crate::faulty::parameters;

/// The kernel `deadly`.
pub(crate) struct Deadly;

/// Parameters, separated by `+`, by what they do.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(crate) struct DeadlyOptions {
    abort: String,
    exit: String,
    overflow: String,
    hang: String,
    hog: String,
    panic: String,
    error: String,
    /// A file: once it is there, the kernel is mended and all are well.
    mended_by: PathBuf,
    /// Microseconds of work per parameter.
    work_us: u64,
}

#[derive(Clone, Copy)]
enum Deed {
    Abort,
    Exit,
    Overflow,
    Hang,
    Hog,
    Panic,
    Error,
}

/// Parameters by what they do.
pub(crate) struct DeadlyState {
    deeds: Vec<(Deed, BTreeSet<u64>)>,
    work: Duration,
}

impl Kernel for Deadly {
    type Options = DeadlyOptions;
    type State = DeadlyState;

    fn name(&self) -> &'static str {
        "deadly"
    }

    fn init(&self, options: DeadlyOptions) -> Result<DeadlyState, KernelError> {
        let lists = [
            (Deed::Abort, options.abort),
            (Deed::Exit, options.exit),
            (Deed::Overflow, options.overflow),
            (Deed::Hang, options.hang),
            (Deed::Hog, options.hog),
            (Deed::Panic, options.panic),
            (Deed::Error, options.error),
        ];
        let mended = options.mended_by.exists();
        let lists = lists.into_iter().filter(|_| !mended);
        let deeds = lists.map(|(deed, list)| Ok((deed, parameters(&list)?)));
        let work = Duration::from_micros(options.work_us);
        Ok(DeadlyState { deeds: deeds.collect::<Result<_, KernelError>>()?, work })
    }

    fn evaluate(&self, state: &mut DeadlyState, slice: Slice, rows: &mut Rows) {
        for parameter in slice.parameters {
            if !state.work.is_zero() {
                thread::sleep(state.work);
            }
            let deed = state.deeds.iter().find(|(_, whose)| whose.contains(&parameter));
            match deed.map(|(deed, _)| *deed) {
                None => rows.push(parameter as f64),
                Some(Deed::Error) => rows.fail("no root"),
                Some(deed) => do_it(deed, parameter),
            }
        }
    }
}

fn do_it(deed: Deed, parameter: u64) -> ! {
    match deed {
        Deed::Exit =>
        {
            #[expect(clippy::disallowed_methods, reason = "what a kernel must not do, either")]
            process::exit(7)
        }
        Deed::Hang => loop {
            thread::sleep(Duration::from_secs(1));
        },
        Deed::Hog => loop {
            // Leaked bit by bit, so that the system refuses in the end, or kills.
            black_box(vec![1_u8; 64 << 20].leak());
        },
        Deed::Overflow => {
            black_box(descend(parameter));
            process::abort()
        }
        Deed::Panic | Deed::Error => panic!("{parameter} is poison"),
        Deed::Abort => process::abort(),
    }
}

/// Deeper than any stack.
#[expect(unconditional_recursion, reason = "that is what it is for")]
fn descend(depth: u64) -> u64 {
    black_box(descend(black_box(depth + 1)) + depth)
}
