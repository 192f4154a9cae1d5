//! Runs code with a log of its own and returns its lines.
//!
//! Every test that logs does it in here: a log that is missing on one thread while another has one
//! would let `tracing` cache that nobody listens.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use super::{Identity, LogConfig, LogFormat, subscriber};

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) fn identity() -> Identity {
    Identity {
        worker: Some("ttg-worker-7d4-x2k9f-3f9a1c".to_owned()),
        host: "kind-worker2".to_owned(),
        pod: Some("ttg-worker-7d4-x2k9f".to_owned()),
        node: Some("kind-worker2".to_owned()),
    }
}

/// Everything is logged, at one point of time.
pub(crate) fn capture(format: LogFormat, identity: Identity, work: impl FnOnce()) -> Vec<String> {
    let filter = "trace".parse().unwrap();
    capture_with(LogConfig::new(format, filter, identity), work)
}

pub(crate) fn capture_with(config: LogConfig, work: impl FnOnce()) -> Vec<String> {
    let buffer = Buffer::default();
    let into = buffer.clone();
    let mut config = config.writer(move || into.clone());
    config.now = || SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_323_045_006);
    tracing::subscriber::with_default(subscriber(config), work);
    let bytes = buffer.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
}
