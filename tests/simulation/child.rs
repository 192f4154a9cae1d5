//! A child process in virtual time: what ends or hangs it costs the parameter under its cursor.

use std::panic::{AssertUnwindSafe, catch_unwind};

use ttg_runtime::kernel::{
    AskChild, Evaluated, Evaluation, Limits, NoAnswer, RegisteredKernel, Scratch,
};
use ttg_runtime::{Chunk, Clock, FailureKind};

use crate::kernel::{Fatal, MeteredClock};

/// The children of one attempt.
pub(crate) struct PlannedChild<'a> {
    pub(crate) kernel: &'a dyn RegisteredKernel,
    pub(crate) clock: &'a MeteredClock<'a>,
}

impl AskChild for PlannedChild<'_> {
    fn ask(&mut self, part: Chunk, last_attempt: bool) -> Result<Evaluated, NoAnswer> {
        let mut scratch = Scratch::new();
        let evaluation = Evaluation {
            chunk: &part,
            kernel: self.kernel,
            limits: &Limits { last_attempt, ..Limits::default() },
            clock: self.clock,
            watch: Some(&|_| {}),
        };
        let result = catch_unwind(AssertUnwindSafe(|| evaluation.run(&mut scratch)));
        let Some((parameter, fatal, _)) = self.clock.meter.take_fatal() else {
            return Ok(result.unwrap_or_else(|panic| Evaluated::Failed(scratch.panicked(&*panic))));
        };
        let (kind, message) = match fatal {
            Fatal::Kill => (FailureKind::Killed, "it ends its process"),
            Fatal::Hang => {
                // An attempt has its timeout as a whole, and in the last one each parameter has.
                let timeout = part.spec.policy.timeout;
                let spent = self.clock.now().since(self.clock.began);
                let waits = if last_attempt { timeout } else { timeout.saturating_sub(spent) };
                self.clock.meter.add(waits);
                (FailureKind::Timeout, "it does not come back")
            }
        };
        Err(NoAnswer::Lost { kind, message: message.into(), cursor: Some(parameter) })
    }
}
