//! A worker that is wedged: it lives, there is work, and it does nothing.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::Duration;

use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use ttg_tests::{Running, until};

use crate::sandbox;

/// How long a probe waits for its answer, as in the manifest of the worker.
const PROBE_WAITS: Duration = Duration::from_secs(5);

/// Lines of the dispatcher alone: that a chunk was delivered before.
const LOG: &str = "ttg::endpoint=info,[{silent_deliveries}]=debug";

/// The least that a pipe holds: some lines.
const PIPE: i32 = 4_096;

/// Whether the process at `address` passes its probe of life.
fn passes(address: &str) -> bool {
    let mut stream = TcpStream::connect(address).expect("its system accepts");
    stream.set_read_timeout(Some(PROBE_WAITS)).expect("it is not zero");
    stream.write_all(b"GET /livez HTTP/1.0\r\nHost: ttg\r\n\r\n").expect("it has room");
    let mut said = String::new();
    stream.read_to_string(&mut said).is_ok() && said.starts_with("HTTP/1.0 200")
}

#[test]
fn a_worker_whose_dispatcher_is_stuck_in_a_log_that_nobody_reads_fails_its_probe_of_life() {
    let sandbox = sandbox();
    let path = sandbox.path("log");
    mkfifo(&path, Mode::S_IRWXU).expect("the folder is ours");
    let mut command = Command::new("/bin/sh");
    command.args(["-c", r#"exec "$0" worker --listen 127.0.0.1:0 2>log"#]);
    command.arg(env!("CARGO_BIN_EXE_ttg-under-test")).current_dir(sandbox.path("")).env_clear();
    command.env("TTG_LOG_LEVEL", LOG);
    let worker = Running::start(command, "ttg worker 2>log".to_owned());
    let log = File::open(path).expect("it has a writer");
    fcntl(&log, FcntlArg::F_SETPIPE_SZ(PIPE)).expect("a pipe may be small");
    let mut log = BufReader::new(log);
    let mut line = String::new();
    log.read_line(&mut line).expect("it tells where it listens");
    let (_, address) = line.split_once("address=").expect("it tells where it listens");
    let address = address.split(' ').next().expect("it is not empty").to_owned();
    until("it works", || passes(&address).then_some(()));

    let retried = "--max-attempts 4000000 --retry-delay 1ms --kernel deadly --set error=0+1+2+3";
    sandbox
        .ttg(&format!("submit --job stuck --parameters 4 --chunk-size 1 {retried}"))
        .expect_code(0);
    until("it is wedged", || (!passes(&address)).then_some(()));
    let report = sandbox.look("stuck").expect("it was submitted");
    assert_eq!((report.status.as_str(), report.chunks.total), ("running", 4), "{report:#?}");
    assert!(!passes(&address), "it stays so");

    // Once its log is read it goes on.
    thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
    until("it works again", || passes(&address).then_some(()));
    worker.kill();
}
