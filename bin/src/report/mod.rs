//! What people and programs are told: `job` is a job's report, `text` and `progress` show it.

mod chunks;
mod job;
mod number;
mod output;
mod progress;
mod text;

pub(crate) use chunks::{ChunkRows, RowFormat};
pub(crate) use job::{JobReport, Status, progress};
pub(crate) use number::{counted, grouped};
pub(crate) use output::{failure, note, print, print_either, print_json, usage, write};
pub(crate) use progress::{ProgressView, bar};
