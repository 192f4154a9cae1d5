//! What a kernel writes its answers into.

use crate::delivery::FailureKind;

/// One answer for each parameter of a slice, in order: a value in each column, or a failure.
#[derive(Debug)]
pub struct Rows {
    columns: Vec<Vec<f64>>,
    failures: Vec<RowFailure>,
    misuse: Option<String>,
}

/// The failure of one row of the slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RowFailure {
    pub(super) row: usize,
    /// The kernel gave no value, as opposed to one that is not finite.
    pub(super) named: bool,
    pub(super) reason: String,
}

impl RowFailure {
    pub(super) fn kind(&self) -> FailureKind {
        if self.named { FailureKind::Error } else { FailureKind::NotFinite }
    }
}

impl Rows {
    pub(super) fn new(columns: usize) -> Self {
        Self { columns: vec![Vec::new(); columns], failures: Vec::new(), misuse: None }
    }

    pub(super) fn clear(&mut self) {
        self.columns.iter_mut().for_each(Vec::clear);
        self.failures.clear();
        self.misuse = None;
    }

    /// The value of the next parameter, for a kernel with one column.
    #[inline]
    pub fn push(&mut self, value: f64) {
        match self.columns.as_mut_slice() {
            [column] => column.push(value),
            _ => self.wrong_width(1),
        }
    }

    /// The values of the next parameters, for a kernel with one column.
    #[inline]
    pub fn extend(&mut self, values: impl IntoIterator<Item = f64>) {
        match self.columns.as_mut_slice() {
            [column] => column.extend(values),
            _ => self.wrong_width(1),
        }
    }

    /// The values of the next parameter, one a column.
    #[inline]
    pub fn push_row(&mut self, values: &[f64]) {
        if values.len() == self.columns.len() {
            for (column, value) in self.columns.iter_mut().zip(values) {
                column.push(*value);
            }
        } else {
            self.wrong_width(values.len());
        }
    }

    /// The next parameter cannot be evaluated. It is tried again, and dead after the last attempt.
    pub fn fail(&mut self, reason: impl Into<String>) {
        let row = self.len();
        self.failures.push(RowFailure { row, named: true, reason: reason.into() });
        self.columns.iter_mut().for_each(|column| column.push(f64::NAN));
    }

    #[cold]
    fn wrong_width(&mut self, found: usize) {
        let expected = self.columns.len();
        self.misuse.get_or_insert_with(|| {
            format!("the kernel answered with {found} values, it has {expected} columns")
        });
    }

    /// Answers so far.
    pub(super) fn len(&self) -> usize {
        self.columns.first().map_or(0, Vec::len)
    }

    pub(super) fn columns(&self) -> &[Vec<f64>] {
        &self.columns
    }

    /// What the kernel named, and what [`close`](Self::close) or
    /// [`collect_not_finite`](Self::collect_not_finite) found.
    pub(super) fn failures(&self) -> &[RowFailure] {
        &self.failures
    }

    /// Checks that each of `expected` parameters has an answer. In several columns a row fails as
    /// one, so what is not finite has to be known before any column is summed up; in a single one,
    /// whoever sums it up notices, and this spares a pass over the values.
    pub(super) fn close(&mut self, expected: usize) -> Result<(), String> {
        if let Some(misuse) = self.misuse.take() {
            return Err(misuse);
        }
        let found = self.len();
        if found != expected {
            return Err(format!("the kernel answered {found} of {expected} parameters"));
        }
        if self.columns.len() > 1 && !self.columns.iter().all(|column| all_finite(column)) {
            self.collect_not_finite();
        }
        Ok(())
    }

    /// Collects the failures in order: those that the kernel named and the values that are not
    /// finite. A failed row is NaN in all columns.
    #[cold]
    pub(super) fn collect_not_finite(&mut self) {
        let named = std::mem::take(&mut self.failures);
        let mut named = named.into_iter().peekable();
        for row in 0..self.len() {
            if named.peek().is_some_and(|failure| failure.row == row) {
                self.failures.extend(named.next());
                continue;
            }
            let bad = self.columns.iter().map(|column| column[row]).find(|v| !v.is_finite());
            if let Some(value) = bad {
                let reason = format!("the value is {value}");
                self.failures.push(RowFailure { row, named: false, reason });
                self.columns.iter_mut().for_each(|column| column[row] = f64::NAN);
            }
        }
    }
}

/// A finite value times zero is zero, any other NaN: a sum without branches.
fn all_finite(values: &[f64]) -> bool {
    const LANES: usize = 8;
    let (head, tail) = values.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for values in head {
        for (lane, value) in lanes.iter_mut().zip(values) {
            *lane += value * 0.0;
        }
    }
    lanes.iter().sum::<f64>() == 0.0 && tail.iter().all(|value| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_not_finite_is_a_failure_of_its_row_in_all_columns() {
        let mut rows = Rows::new(2);
        for row in 0..40 {
            match row {
                3 => rows.fail("no root"),
                17 => rows.push_row(&[1.0, f64::NEG_INFINITY]),
                39 => rows.push_row(&[f64::NAN, 1.0]),
                _ => rows.push_row(&[1.0, 2.0]),
            }
        }
        rows.close(40).unwrap();
        let failures: Vec<_> = rows.failures().iter().map(|f| (f.row, f.named)).collect();
        assert_eq!(failures, [(3, true), (17, false), (39, false)]);
        for column in rows.columns() {
            assert!([3, 17, 39].iter().all(|&row: &usize| column[row].is_nan()));
            assert_eq!(column.iter().filter(|v| v.is_finite()).count(), 37);
        }
    }

    #[test]
    fn a_kernel_that_answers_too_little_or_too_wide_is_told() {
        let mut rows = Rows::new(1);
        rows.push(1.0);
        assert_eq!(rows.close(2).unwrap_err(), "the kernel answered 1 of 2 parameters");
        rows.clear();
        rows.push_row(&[1.0, 2.0]);
        assert!(rows.close(1).unwrap_err().contains("2 values, it has 1 columns"));
    }
}
