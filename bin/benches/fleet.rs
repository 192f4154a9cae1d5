//! How near to the ideal is a fleet of workers on one broker, and how much memory does it take?
//!
//! Each case submits a job and starts its workers as processes of their own, all on this machine and
//! beside the server; what counts is the time from their start to the end of the last. The ideal is
//! the work divided by the slots, with nothing around it. A parameter's work is a pause of its slot, so that
//! many more slots than cores can be had.
//!
//! `cargo bench -p ttg --bench fleet -- redis`, or `rabbitmq`; with a part of a case's name as well,
//! that case alone

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run says so by a panic")]

use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{fs, thread};

use ttg_runtime::broker::{RabbitServer, RedisServer};
use ttg_runtime::{Clock, SystemClock};

/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(50);

struct Case {
    name: &'static str,
    workers: usize,
    /// Slots of each.
    concurrency: usize,
    parameters: u64,
    chunk_size: &'static str,
    /// Of a parameter, in milliseconds.
    work: u64,
}

const CASES: [Case; 5] = [
    Case {
        name: "three workers",
        workers: 3,
        concurrency: 1,
        parameters: 10_000,
        chunk_size: "100",
        work: 1,
    },
    Case {
        name: "1 000 slots of 10 ms",
        workers: 10,
        concurrency: 100,
        parameters: 1_000_000,
        chunk_size: "50",
        work: 10,
    },
    Case {
        name: "1 000 slots of 1 ms",
        workers: 10,
        concurrency: 100,
        parameters: 2_000_000,
        chunk_size: "500",
        work: 1,
    },
    Case {
        name: "ten million",
        workers: 2,
        concurrency: 1,
        parameters: 10_000_000,
        chunk_size: "auto",
        work: 0,
    },
    Case {
        name: "chunks of one parameter",
        workers: 2,
        concurrency: 1,
        parameters: 100_000,
        chunk_size: "1",
        work: 0,
    },
];

enum Server {
    Redis(RedisServer),
    Rabbit(RabbitServer),
}

impl Server {
    fn start(kind: &str) -> Self {
        match kind {
            "redis" => Self::Redis(RedisServer::start()),
            "rabbitmq" => Self::Rabbit(RabbitServer::start()),
            _ => panic!("`{kind}` is no server: redis or rabbitmq"),
        }
    }

    fn url(&self) -> String {
        match self {
            Self::Redis(server) => server.url(),
            Self::Rabbit(server) => server.url(),
        }
    }

    fn id(&self) -> u32 {
        match self {
            Self::Redis(server) => server.id(),
            Self::Rabbit(server) => server.id(),
        }
    }
}

fn main() {
    // Cargo passes `--bench`.
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with("--"));
    let kind = words.next().unwrap_or_else(|| "redis".to_owned());
    let wanted = words.next().unwrap_or_default();
    for case in CASES.iter().filter(|case| case.name.contains(&wanted)) {
        let server = Server::start(&kind);
        case.run(&kind, &server);
    }
}

impl Case {
    fn run(&self, kind: &str, server: &Server) {
        let ttg = |line: &str| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_ttg"));
            command.args(line.split_whitespace()).args(["--broker", &server.url()]);
            command.stdin(Stdio::null()).stderr(Stdio::null());
            command
        };
        let done =
            |line: &str| assert!(ttg(line).stdout(Stdio::null()).status().unwrap().success());
        let Self { parameters, chunk_size, work, concurrency, .. } = self;
        let clock = SystemClock;
        let submitting = clock.now();
        done(&format!(
            "submit --job fleet --parameters {parameters} --chunk-size {chunk_size} --set \
             simulate-work-ms={work}"
        ));
        let submitted = clock.now();
        let line = format!("worker --concurrency {concurrency} --until-complete fleet");
        let mut workers: Vec<_> =
            (0..self.workers).map(|_| ttg(&line).stdout(Stdio::null()).spawn().unwrap()).collect();
        let mut largest = 0;
        while !all_have_ended(&mut workers) {
            let memory = workers.iter().map(|worker| resident_max(worker.id()));
            largest = largest.max(memory.max().unwrap_or(0));
            thread::sleep(LOOK);
        }
        let took = clock.now().since(submitted).as_secs_f64();
        let submitting = submitted.since(submitting).as_secs_f64();
        done("verify fleet");
        let found = ttg("results fleet --json").output().unwrap();
        assert!(
            String::from_utf8_lossy(&found.stdout).contains(&format!("\"count\":{parameters}"))
        );

        let slots = (self.workers * concurrency) as f64;
        let ideal = (parameters * work) as f64 / 1_000.0 / slots;
        let efficiency = if ideal > 0.0 {
            format!("ideal {ideal:.2} s, efficiency {:.2}", ideal / took)
        } else {
            format!("{:.0} parameters/s", *parameters as f64 / took)
        };
        println!(
            "{kind}, {}: submitted in {submitting:.2} s; {} workers of {concurrency} slots: \
             {took:.2} s, {efficiency}; memory: worker {} MiB, server {} MiB",
            self.name,
            self.workers,
            largest >> 10,
            resident_max(server.id()) >> 10,
        );
    }
}

/// Fails if one did not end well.
fn all_have_ended(workers: &mut [Child]) -> bool {
    let ended = workers.iter_mut().map(|worker| worker.try_wait().unwrap());
    let ended: Vec<_> = ended.collect();
    assert!(ended.iter().flatten().all(std::process::ExitStatus::success), "{ended:?}");
    ended.iter().all(Option::is_some)
}

/// The most memory that a process had, in KiB; 0 if it has ended.
fn resident_max(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse().ok()).unwrap_or(0)
}
