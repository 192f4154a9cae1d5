//! One file per command.

pub(crate) mod cancel;
pub(crate) mod check;
pub(crate) mod child;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod dlq;
pub(crate) mod purge;
pub(crate) mod results;
pub(crate) mod run;
pub(crate) mod status;
pub(crate) mod submit;
pub(crate) mod verify;
pub(crate) mod worker;
