//! One server for all tests of a run. Tests are processes of their own, so that the first one that
//! needs it starts it, beside a script that ends it when nobody was there for a while.

use std::fs::{self, File};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use super::server::Launch;
use crate::clock::{Clock, SystemClock};
use crate::randomness::{Randomness, SystemRandomness};

/// Ends the server when the lock was free five times in a row.
const GUARD: &str = r#"
"$@" & server=$!
free=0
while kill -0 "$server" 2>/dev/null && [ "$free" -lt 5 ]; do
    sleep 2
    if flock --nonblock --exclusive users true; then free=$((free + 1)); else free=0; fi
done
kill -9 "$(cat pid)" 2>/dev/null
# It refuses as long as it knows of a node, which it does for a moment after that was killed.
for _ in 1 2 3 4 5; do epmd -port "$ERL_EPMD_PORT" -kill >/dev/null 2>&1 && break; sleep 1; done
rm -rf mnesia log place
"#;

/// How long a server may take to start on a busy machine.
const START_WITHIN: Duration = Duration::from_mins(2);

/// A part in the server: a namespace of its own.
pub struct RabbitSpace {
    port: u16,
    namespace: String,
    /// Locked while this is needed.
    _users: File,
}

impl RabbitSpace {
    /// Takes part in the server, starting it if it is not there.
    ///
    /// # Panics
    /// If there is no `rabbitmq-server`, or it does not start.
    #[expect(clippy::zombie_processes, reason = "it outlives this process, and ends by itself")]
    pub fn fresh() -> Self {
        let user = rustix::process::getuid().as_raw();
        let folder = std::env::temp_dir().join(format!("ttg-tests-rabbitmq-{user}"));
        fs::create_dir_all(&folder).expect("a temporary folder");
        let users = locked(folder.join("users"), FlockOperation::LockShared);
        let _starting = locked(folder.join("starting"), FlockOperation::LockExclusive);
        let place = folder.join("place");
        let known = fs::read_to_string(&place).ok().and_then(|port| port.trim().parse().ok());
        if let Some(port) = known.filter(|port| answers(*port)) {
            return Self { port, namespace: namespace(), _users: users };
        }
        let launch = Launch::new(folder, "");
        let mut command = Command::new("sh");
        command.args(["-c", GUARD, "sh", Launch::PROGRAM]);
        launch.prepare(&mut command);
        // It outlives this test, and no terminal's interrupt is for it.
        command.stdin(Stdio::null()).process_group(0);
        command.spawn().expect("sh can be run");
        let deadline = SystemClock.now().after(START_WITHIN);
        while !answers(launch.port()) {
            assert!(
                SystemClock.now() < deadline,
                "rabbitmq-server does not start: {}",
                launch.log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        fs::write(place, launch.port().to_string()).expect("the folder can be written");
        Self { port: launch.port(), namespace: namespace(), _users: users }
    }

    /// Where the server is.
    pub fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}", self.port)
    }

    /// Nobody else's.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }
}

fn namespace() -> String {
    format!("test-{:016x}", SystemRandomness.next_u64())
}

fn locked(path: PathBuf, how: FlockOperation) -> File {
    let file = File::create(path).expect("the folder can be written");
    flock(&file, how).expect("a lock");
    file
}

fn answers(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}
