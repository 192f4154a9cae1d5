//! What a rule is.

use std::sync::Arc;

use ttg_runtime::broker::JobProgress;
use ttg_runtime::{JobUid, Outcome};

use super::backoff::Backoff;
use super::bits::Bits;
use super::book::Book;
use super::credit::Credits;
use super::drain::Drain;
use super::isolation::Isolation;
use super::poison::Poison;
use super::renewal::Renewal;
use super::silence::Silence;
use crate::event::{Event, Moment};
use crate::plan::Plan;

/// The rule that is broken, and how; or all is well.
pub(crate) type Verdict = Result<(), (&'static str, String)>;

/// Looks on.
pub(crate) trait Checker: Send {
    /// Something happens.
    fn see(&mut self, moment: Moment, event: &Event) -> Verdict;

    /// All has happened.
    fn end(&mut self, _: &End) -> Verdict {
        Ok(())
    }
}

/// What is there at the end.
pub(crate) struct End {
    pub(crate) plan: Arc<Plan>,
    pub(crate) jobs: Vec<EndOfJob>,
}

/// One job's end.
pub(crate) struct EndOfJob {
    /// Which of the plan's.
    pub(crate) number: usize,
    pub(crate) uid: JobUid,
    pub(crate) progress: JobProgress,
    /// By chunk.
    pub(crate) outcomes: Vec<Outcome>,
}

/// Every rule, for simulations of `plan`.
pub(crate) fn all(plan: &Plan) -> Vec<Box<dyn Checker>> {
    vec![
        Box::new(Book::default()),
        Box::new(Silence::default()),
        Box::new(Credits::new(plan)),
        Box::new(Renewal::new(plan)),
        Box::new(Backoff::default()),
        Box::new(Drain::new(plan)),
        Box::new(Poison::new(plan)),
        Box::new(Isolation::default()),
        Box::new(Bits),
    ]
}
