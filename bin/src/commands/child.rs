//! The hidden command of a worker's child processes.

use std::io;

use ttg_runtime::{Kernels, kernel};

use crate::error::CommandError;
use crate::exit::Exit;

/// Serves the worker that started this process. Signals are caught by then and do nothing: when this
/// process ends is its worker's to say.
pub(crate) fn child(kernels: Kernels) -> Result<Exit, CommandError> {
    // A panic is told by the worker, as the failure that it is.
    std::panic::set_hook(Box::new(|_| {}));
    kernel::serve(kernels).map(|()| Exit::Success).map_err(|cause| match cause.kind() {
        // Its worker is gone.
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => CommandError::Orphan,
        _ => CommandError::Child(cause),
    })
}
