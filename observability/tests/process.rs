//! What holds for a whole process, so for a test of its own: one log, one panic hook.

use std::io::{self, Write};
use std::panic;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use ttg_observability::telemetry::{self, log_panics};
use ttg_observability::{Identity, LogConfig, LogFilter, LogFormat, TelemetryError};

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut lines = self.0.lock().expect("no test panics while it writes a line");
        lines.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_panic_is_printed_until_the_process_logs_and_an_error_line_from_then_on() {
    static PRINTED: AtomicUsize = AtomicUsize::new(0);
    panic::set_hook(Box::new(|_| {
        PRINTED.fetch_add(1, Ordering::Relaxed);
    }));
    log_panics();
    let boom = || panic!("parameter {} is \"bad\"", 7);

    panic::catch_unwind(boom).unwrap_err();
    assert_eq!(PRINTED.load(Ordering::Relaxed), 1);

    let buffer = Buffer::default();
    let config = |into: Buffer| {
        let identity = Identity { host: "laptop".to_owned(), ..Identity::default() };
        LogConfig::new(LogFormat::Json, LogFilter::default(), identity).writer(move || into.clone())
    };
    telemetry::init(config(buffer.clone())).unwrap();
    assert!(matches!(
        telemetry::init(config(Buffer::default())),
        Err(TelemetryError::StartedTwice(_))
    ));

    panic::catch_unwind(boom).unwrap_err();
    assert_eq!(PRINTED.load(Ordering::Relaxed), 1, "logged, not printed");
    let bytes = buffer.0.lock().unwrap().clone();
    let line: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(line["level"], "ERROR");
    assert_eq!(line["event"], "panic");
    assert_eq!(line["payload"], "parameter 7 is \"bad\"");
    let location = line["location"].as_str().unwrap();
    assert!(location.contains("process.rs:"), "{location}");
    assert_eq!(line["host"], "laptop");
}
