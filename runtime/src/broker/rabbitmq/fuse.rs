//! Breaks a session before one of its steps, so that tests see what a crash leaves behind. Outside of
//! tests it is nothing.

#[cfg(test)]
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Clone, Default)]
pub(super) struct Fuse {
    /// Steps that are still done.
    #[cfg(test)]
    left: Arc<Mutex<Option<u32>>>,
}

#[cfg(test)]
impl Fuse {
    /// From now on so many steps are done, and no more.
    pub(super) fn burn(&self, steps: u32) {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = Some(steps);
    }

    /// Whether the next step is not to be done.
    pub(super) fn blows(&self) -> bool {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        match left.as_mut() {
            Some(0) => true,
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        }
    }
}

#[cfg(not(test))]
impl Fuse {
    #[expect(clippy::unused_self, reason = "in tests it has something")]
    pub(super) fn blows(&self) -> bool {
        false
    }
}
