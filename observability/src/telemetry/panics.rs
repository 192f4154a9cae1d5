//! Panics as log lines. A kernel's panic is ordinary here: a supervisor meets it, and a backtrace
//! among the log lines would only hide what is not.

use std::panic::{self, PanicHookInfo};
use std::thread;

/// From now on a panic of any thread is an `error` line with its payload and place. Until the
/// process logs, panics are printed as before.
pub fn log_panics() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if tracing::dispatcher::has_been_set() {
            log(info);
        } else {
            before(info);
        }
    }));
}

fn log(info: &PanicHookInfo<'_>) {
    let thread = thread::current();
    tracing::error!(
        event = "panic",
        payload = info.payload_as_str().unwrap_or("not a text"),
        location = info.location().map(tracing::field::display),
        thread = thread.name(),
        "a thread panicked"
    );
}
