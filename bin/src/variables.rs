//! The environment, as the command line reads it.

use std::env;
use std::ffi::OsString;

/// Variables by name. One that is empty counts as not set: that is how manifests leave one out.
pub(crate) struct Variables(Box<LookUp>);

type LookUp = dyn Fn(&str) -> Option<OsString>;

impl Variables {
    /// Those of this process.
    pub(crate) fn of_this_process() -> Self {
        Self(Box::new(|name| env::var_os(name)))
    }

    /// These.
    #[cfg(test)]
    pub(crate) fn of(variables: &[(&str, &str)]) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), OsString::from(value));
        let variables: std::collections::BTreeMap<_, _> = variables.iter().map(owned).collect();
        Self(Box::new(move |name| variables.get(name).cloned()))
    }

    /// Whether it is set, if to nothing.
    pub(crate) fn is_there(&self, name: &str) -> bool {
        (self.0)(name).is_some()
    }

    /// Whether it is set to something.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        (self.0)(name).is_some_and(|value| !value.is_empty())
    }

    /// What it is set to.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let value = (self.0)(name).filter(|value| !value.is_empty())?;
        Some(value.to_string_lossy().into_owned())
    }
}
