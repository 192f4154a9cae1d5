//! Kernels: the user's algorithms. `port` is the trait to implement, `evaluation` runs it over a
//! chunk, `execution` is where that happens (a port), `child` keeps a process apart for what may end
//! it, the rest are the built-in kernels.

pub(crate) mod child;
mod collatz;
mod evaluation;
mod execution;
mod options;
mod placement;
mod port;
mod primes;
mod reference;
mod registry;
mod rows;
mod threads;

pub use child::{AskChild, ChildCommand, NoAnswer, Order, evaluate as evaluate_in_child, serve};
pub use collatz::Collatz;
pub use evaluation::{Cancel, Evaluated, Evaluation, Limits, Scratch};
pub use execution::{Assignment, Execution, Reports, Slot, SlotReport};
pub use options::OptionsError;
pub use port::{Kernel, KernelError, Slice};
pub use primes::Primes;
pub use reference::{Reference, ReferenceOptions};
pub use registry::{Evaluator, Kernels, RegisteredKernel};
pub use rows::Rows;
pub use threads::ThreadExecution;
