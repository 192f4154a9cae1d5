//! The trait that a user implements.

use serde::de::DeserializeOwned;
use thiserror::Error;

use super::options::OptionsError;
use super::rows::Rows;
use crate::chunk::ParameterRange;

/// Why a kernel cannot be used for a job.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KernelError {
    /// The job's options do not fit.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// The kernel's own initialisation failed.
    #[error("kernel `{kernel}` could not start: {reason}")]
    Init {
        /// Which kernel.
        kernel: String,
        /// In its own words.
        reason: String,
    },
}

/// Consecutive parameters to evaluate. Between two slices the runtime sees cancellation, deadline
/// and progress, so slices grow to a few milliseconds of work and no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// The parameters.
    pub parameters: ParameterRange,
    /// Which attempt at the chunk this is, from 1.
    pub attempt: u32,
}

/// An algorithm that is evaluated for independent parameters.
///
/// It must be a pure function of parameter and options: a chunk may be computed twice, anywhere.
///
/// ```
/// use ttg_runtime::kernel::{Kernel, KernelError, Rows, Slice};
///
/// /// The area of a circle, by radius.
/// struct Circle;
///
/// impl Kernel for Circle {
///     type Options = ();
///     type State = ();
///
///     fn name(&self) -> &str {
///         "circle"
///     }
///
///     fn init(&self, (): ()) -> Result<(), KernelError> {
///         Ok(())
///     }
///
///     fn evaluate(&self, _: &mut (), slice: Slice, rows: &mut Rows) {
///         for radius in slice.parameters {
///             rows.push(std::f64::consts::PI * (radius * radius) as f64);
///         }
///     }
/// }
/// ```
pub trait Kernel: Send + Sync + 'static {
    /// The options that `--set key=value` fills; `()` for none. Any struct that derives
    /// [`serde::Deserialize`]; fields with `#[serde(default)]` may be left out, and a key that is
    /// no field is an error before anything is computed.
    type Options: DeserializeOwned;

    /// What one compute slot keeps from slice to slice: tables, buffers, a loaded model.
    type State: Send;

    /// Its name on the command line; a valid [`KernelName`](crate::KernelName).
    fn name(&self) -> &str;

    /// The names of its columns; every parameter has one value in each.
    fn columns(&self) -> &[&str] {
        &["value"]
    }

    /// Makes ready for a job, once per compute slot and job (and again after a panic).
    fn init(&self, options: Self::Options) -> Result<Self::State, KernelError>;

    /// Answers every parameter of `slice`, in order, by a row of values or a failure.
    fn evaluate(&self, state: &mut Self::State, slice: Slice, rows: &mut Rows);
}
