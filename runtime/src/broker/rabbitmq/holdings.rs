//! What this consumer was handed and has not settled. It is the server's word that counts: when the
//! session ends, so does all of it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::wire::Task;
use crate::delivery::Receipt;

/// One delivery.
#[derive(Clone)]
pub(super) struct Holding {
    /// As it was delivered, the server's own count included.
    pub(super) task: Task,
    /// Which of the session's consumers brought it.
    pub(super) consumer: u64,
    /// Nobody was handed its chunk before, so that nobody else can have settled it.
    pub(super) pristine: bool,
}

#[derive(Default)]
pub(super) struct Holdings(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    session: u64,
    /// By the delivery's tag.
    held: HashMap<u64, Holding>,
}

impl Holdings {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on the session is this one.
    pub(super) fn enter(&self, session: u64) {
        let mut inner = self.inner();
        if inner.session != session {
            *inner = Inner { session, held: HashMap::new() };
        }
    }

    pub(super) fn insert(&self, session: u64, tag: u64, holding: Holding) -> Receipt {
        let key = holding.task.chunk.key;
        self.enter(session);
        self.inner().held.insert(tag, holding);
        Receipt { key, token: [session, tag] }
    }

    /// Takes a delivery out, if it is the session's and not settled yet.
    pub(super) fn take(&self, session: u64, receipt: &Receipt) -> Option<(u64, Holding)> {
        let [of, tag] = receipt.token;
        let mut inner = self.inner();
        let is_held = inner.session == session
            && of == session
            && inner.held.get(&tag).is_some_and(|held| held.task.chunk.key == receipt.key);
        let holding = if is_held { inner.held.remove(&tag) } else { None };
        holding.map(|holding| (tag, holding))
    }

    pub(super) fn has(&self, session: u64, receipt: &Receipt) -> bool {
        let [of, tag] = receipt.token;
        let inner = self.inner();
        inner.session == session
            && of == session
            && inner.held.get(&tag).is_some_and(|held| held.task.chunk.key == receipt.key)
    }

    /// Whether it is held, and nobody was handed its chunk before.
    pub(super) fn is_pristine(&self, session: u64, receipt: &Receipt) -> bool {
        self.has(session, receipt)
            && self.inner().held.get(&receipt.token[1]).is_some_and(|held| held.pristine)
    }

    /// Puts back what could not be settled.
    pub(super) fn put_back(&self, session: u64, tag: u64, holding: Holding) {
        let mut inner = self.inner();
        if inner.session == session {
            inner.held.insert(tag, holding);
        }
    }

    /// How many of a consumer's deliveries are held.
    pub(super) fn count_of(&self, consumer: u64) -> usize {
        self.inner().held.values().filter(|held| held.consumer == consumer).count()
    }

    /// Receipts of all but `held`.
    pub(super) fn all_but(&self, session: u64, held: &[Receipt]) -> Vec<Receipt> {
        let inner = self.inner();
        if inner.session != session {
            return Vec::new();
        }
        let receipt = |(tag, holding): (&u64, &Holding)| Receipt {
            key: holding.task.chunk.key,
            token: [session, *tag],
        };
        inner.held.iter().map(receipt).filter(|receipt| !held.contains(receipt)).collect()
    }
}
