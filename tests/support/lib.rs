//! What tests of the whole share: folders of their own, processes of `ttg` in them, their reports.
//!
//! Nothing waits by the clock: a test waits for a line of a process, for its end, or for what the
//! store says, and fails at a deadline that no healthy machine meets.

mod family;
mod fleet;
mod http;
mod oracle;
mod process;
mod prometheus;
mod report;
mod sandbox;
mod server;
mod small_disk;
mod store;
mod terminal;

pub use family::{Descendant, adopt_orphans, processes_with};
pub use fleet::Fleet;
pub use http::{Answer, ask, get, metric};
pub use nix::sys::signal::Signal;
pub use oracle::python;
pub use process::{DEADLINE, Ended, Running, peak_memory_of_children, until};
pub use prometheus::{Haste, Prometheus, stack};
pub use report::{Chunks, Parameters, Report, WorkerReport, WorkerShare};
pub use sandbox::Sandbox;
pub use server::Server;
pub use small_disk::SmallDisk;
pub use store::{Store, dead_letters};
pub use terminal::Terminal;
