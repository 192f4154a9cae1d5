//! Panics that nobody planned: ractor catches them and a supervisor restarts their actor, so that
//! they would pass unseen.

use std::panic;
use std::sync::{Mutex, PoisonError};

static FOUND: Mutex<Option<String>> = Mutex::new(None);

/// Notes the first panic that goes by the panic hook; planned ones do not.
pub(crate) fn watch() {
    panic::set_hook(Box::new(|found| {
        let mut first = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| found.to_string());
    }));
}

/// What was noted since.
pub(crate) fn take() -> Option<String> {
    FOUND.lock().unwrap_or_else(PoisonError::into_inner).take()
}
