//! What people and programs are told: `job` is a job's report, `status` what it does now, `jobs` what
//! a store holds; `text`, `table`, `screen` and `progress` show them.

mod check;
mod chunks;
mod config;
mod demo;
mod job;
mod jobs;
mod number;
mod output;
mod progress;
mod reading;
mod screen;
mod status;
mod table;
mod text;
mod throughput;
mod values;

pub(crate) use check::{CheckReport, Finding};
pub(crate) use chunks::{ChunkRows, RowFormat};
pub(crate) use config::{ConfigLine, ConfigReport};
pub(crate) use demo::{DemoReport, DemoRun, Killed};
pub(crate) use job::{JobReport, Status, progress};
pub(crate) use jobs::JobsReport;
pub(crate) use number::{counted, grouped};
pub(crate) use output::{
    Reader, causes, failure, note, print, print_either, print_json, print_text, usage, write,
};
pub(crate) use progress::{ProgressView, bar};
pub(crate) use screen::Screen;
pub(crate) use status::{ALIVE, JobStatus};
pub(crate) use values::ValueRows;
