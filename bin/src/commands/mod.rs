//! One file per command.

pub(crate) mod results;
pub(crate) mod run;
