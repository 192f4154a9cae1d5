//! What is looked at before a job: the store and its disk, the kernel, this machine.

mod disk;
mod kernel;
mod machine;
mod rabbit;
mod redis;
mod store;

pub(crate) use disk::disk;
pub(crate) use kernel::kernel;
pub(crate) use machine::{clock, concurrency, open_files};
pub(crate) use rabbit::rabbit;
pub(crate) use redis::redis;
pub(crate) use store::{nearest, store};
