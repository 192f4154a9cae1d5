//! Reading and proving the values that a job keeps, a record at a time.

use ttg_runtime::broker::OutcomeCursor;
use ttg_runtime::{
    Accumulator, Aggregate, Broker, JobRecord, Outcome, ParameterRange, ValuesAt, ValuesRecord,
};

use crate::error::CommandError;
use crate::proof::Findings;

/// Outcomes asked for at a time; a page is bounded by bytes, too.
const PAGE: usize = 64;

/// What comes up in reading values: the records of one outcome after the other.
pub(crate) enum Kept<'a> {
    Record(&'a Outcome, ValuesRecord),
    /// One that the outcome names and that is not there.
    Missing(&'a Outcome),
    /// All of this outcome's came up.
    End(&'a Outcome),
}

/// Whether to read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Go,
    Stop,
}

/// Hands the values of `job` to `each`, outcomes in the order of their commits. Memory does not grow
/// with the job.
pub(crate) async fn for_each(
    broker: &dyn Broker,
    job: &JobRecord,
    mut each: impl FnMut(Kept<'_>) -> Next,
) -> Result<(), CommandError> {
    let mut next = Some(OutcomeCursor::START);
    while let Some(cursor) = next {
        let page = broker.outcomes(job.uid, cursor, PAGE).await;
        let page = page.map_err(CommandError::broker("the outcomes could not be read"))?;
        let mut places: Vec<(&Outcome, Option<ValuesAt>)> = Vec::new();
        for outcome in &page.outcomes {
            let kept = outcome.values.iter();
            places.extend(kept.flat_map(|kept| {
                let at = |part| ValuesAt { key: outcome.key, id: kept.id, part };
                (0..kept.records).map(move |part| (outcome, Some(at(part))))
            }));
            places.push((outcome, None));
        }
        let mut records = Vec::new().into_iter();
        for (at, (outcome, place)) in places.iter().enumerate() {
            if place.is_some() && records.len() == 0 {
                let wanted: Vec<_> = places[at..].iter().filter_map(|(_, place)| *place).collect();
                let read = broker.values(&wanted).await;
                let read = read.map_err(CommandError::broker("the values could not be read"))?;
                records = read.into_iter();
            }
            let kept = match place.map(|_| records.next().flatten()) {
                Some(Some(record)) => Kept::Record(outcome, record),
                Some(None) => Kept::Missing(outcome),
                None => Kept::End(outcome),
            };
            if each(kept) == Next::Stop {
                return Ok(());
            }
        }
        next = page.next;
    }
    Ok(())
}

/// Compares values with the outcomes that name them. Memory: a record.
#[derive(Default)]
pub(crate) struct ValuesProof {
    /// Values that were compared.
    pub(crate) parameters: u64,
    sums: Vec<Accumulator>,
    next: Option<u64>,
    is_bad: bool,
}

impl ValuesProof {
    pub(crate) fn take(&mut self, kept: Kept<'_>, findings: &mut Findings) {
        match kept {
            Kept::Record(outcome, record) => self.add(outcome, &record, findings),
            Kept::Missing(outcome) => self.tell(outcome, "are not all there", findings),
            Kept::End(outcome) => self.end(outcome, findings),
        }
    }

    fn add(&mut self, outcome: &Outcome, record: &ValuesRecord, findings: &mut Findings) {
        let expected = self.next.unwrap_or(outcome.range.start());
        let columns = record.columns();
        if record.range.start() != expected
            || !outcome.range.covers(record.range)
            || columns.len() != outcome.columns.len()
        {
            return self.tell(outcome, "are not those of its parameters and columns", findings);
        }
        self.next = Some(record.range.end());
        self.sums.resize_with(columns.len(), Accumulator::new);
        for (sum, values) in self.sums.iter_mut().zip(&columns) {
            sum.add_slice(record.range.start(), values);
        }
        if columns.iter().any(|values| !is_dead_where(outcome, record.range, values)) {
            self.tell(outcome, "are not missing where its parameters are dead", findings);
        }
    }

    fn end(&mut self, outcome: &Outcome, findings: &mut Findings) {
        let sums: Vec<Aggregate> = self.sums.iter_mut().map(Accumulator::take).collect();
        let whole = self.next.take() == Some(outcome.range.end());
        if outcome.completed() > 0 && !whole {
            self.tell(outcome, "are not all there", findings);
        } else if whole && !sums.iter().eq(outcome.columns.iter().map(|column| &column.aggregate)) {
            self.tell(outcome, "do not add up to its summary", findings);
        }
        self.parameters += if self.is_bad { 0 } else { outcome.completed() };
        *self = Self { parameters: self.parameters, ..Self::default() };
    }

    /// One finding an outcome is enough.
    fn tell(&mut self, outcome: &Outcome, what: &str, findings: &mut Findings) {
        if !std::mem::replace(&mut self.is_bad, true) {
            findings.add(format!("the values of the outcome {} {what}", outcome.key));
        }
    }
}

/// Whether exactly the dead parameters of `range` have no value.
fn is_dead_where(outcome: &Outcome, range: ParameterRange, values: &[f64]) -> bool {
    let mut dead = 0;
    for (run, _) in outcome.dead.runs() {
        let (from, to) = (run.start().max(range.start()), run.end().min(range.end()));
        for parameter in from..to {
            let place = usize::try_from(parameter - range.start()).unwrap_or(usize::MAX);
            if values.get(place).is_none_or(|value| !value.is_nan()) {
                return false;
            }
            dead += 1;
        }
    }
    values.iter().filter(|value| value.is_nan()).count() == dead
}
