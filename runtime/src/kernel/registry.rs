//! The kernels that a process can evaluate, by name.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::options;
use super::port::{Kernel, KernelError, Slice};
use super::rows::Rows;
use super::{Collatz, Primes, Reference};
use crate::ids::{IdError, KernelName};

/// A kernel made ready for one job in one compute slot.
pub trait Evaluator: Send {
    /// See [`Kernel::evaluate`].
    fn evaluate(&mut self, slice: Slice, rows: &mut Rows);
}

/// A kernel with its types out of sight.
pub trait RegisteredKernel: Send + Sync {
    /// See [`Kernel::columns`].
    fn columns(&self) -> &[&str];

    /// Gives the options their types and makes ready. See [`Kernel::init`].
    fn open(&self, options: &BTreeMap<String, String>) -> Result<Box<dyn Evaluator>, KernelError>;
}

struct Registered<K>(Arc<K>);

struct Opened<K: Kernel> {
    kernel: Arc<K>,
    state: K::State,
}

impl<K: Kernel> Evaluator for Opened<K> {
    fn evaluate(&mut self, slice: Slice, rows: &mut Rows) {
        self.kernel.evaluate(&mut self.state, slice, rows);
    }
}

impl<K: Kernel<State: 'static>> RegisteredKernel for Registered<K> {
    fn columns(&self) -> &[&str] {
        self.0.columns()
    }

    fn open(&self, options: &BTreeMap<String, String>) -> Result<Box<dyn Evaluator>, KernelError> {
        let state = self.0.init(options::from_pairs(options)?)?;
        Ok(Box::new(Opened { kernel: Arc::clone(&self.0), state }))
    }
}

/// Kernels by name. Cheap to clone.
#[derive(Clone, Default)]
pub struct Kernels(Arc<BTreeMap<KernelName, Arc<dyn RegisteredKernel>>>);

impl Kernels {
    /// No kernels.
    pub fn none() -> Self {
        Self::default()
    }

    /// `reference`, `primes` and `collatz`.
    pub fn builtin() -> Self {
        Self::none()
            .with(Reference)
            .and_then(|kernels| kernels.with(Primes))
            .and_then(|kernels| kernels.with(Collatz))
            .expect("the built-in names are valid")
    }

    /// These and `kernel`, which takes the place of another of its name.
    ///
    /// # Errors
    /// Its name is not a valid one.
    pub fn with<K: Kernel<State: 'static>>(mut self, kernel: K) -> Result<Self, IdError> {
        let name: KernelName = kernel.name().parse()?;
        Arc::make_mut(&mut self.0).insert(name, Arc::new(Registered(Arc::new(kernel))));
        Ok(self)
    }

    /// The kernel called `name`.
    pub fn get(&self, name: &KernelName) -> Option<&Arc<dyn RegisteredKernel>> {
        self.0.get(name)
    }

    /// Their names, in order.
    pub fn names(&self) -> impl Iterator<Item = &KernelName> {
        self.0.keys()
    }
}

impl fmt::Debug for Kernels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_kernels_are_found_and_check_their_options() {
        let kernels = Kernels::builtin();
        let names: Vec<_> = kernels.names().map(KernelName::as_str).collect();
        assert_eq!(names, ["collatz", "primes", "reference"]);
        let reference = kernels.get(&"reference".parse().unwrap()).unwrap();
        assert!(reference.open(&BTreeMap::new()).is_ok());
        let options = BTreeMap::from([("simulate-work".to_owned(), "1".to_owned())]);
        assert!(reference.open(&options).is_err());
        assert!(kernels.get(&"other".parse().unwrap()).is_none());
    }
}
