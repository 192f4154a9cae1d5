//! A real server for tests, in a folder of its own.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::broker::conformance::SteppedClock;

/// A `redis-server` of this machine's, which ends with this.
pub struct RedisServer {
    folder: TempDir,
    port: u16,
    arguments: Vec<String>,
    /// The port of the master that it watches, if it is a sentinel.
    watches: Option<u16>,
    /// Its wall clock, if that is not the machine's.
    clock: Option<SteppedClock>,
    process: Option<Child>,
}

impl RedisServer {
    /// Starts one that keeps nothing on disk.
    ///
    /// # Panics
    /// If there is no `redis-server`, or it does not start.
    pub fn start() -> Self {
        Self::start_with(&["--appendonly", "no"])
    }

    /// Starts one with these arguments; its folder is its own.
    ///
    /// # Panics
    /// If there is no `redis-server`, or it does not start.
    pub fn start_with(arguments: &[&str]) -> Self {
        Self::launched(arguments, None, None)
    }

    /// Starts one with these arguments, and a wall clock of its own.
    ///
    /// # Panics
    /// If there is no `redis-server` or no C compiler, or it does not start.
    pub fn start_by(clock: SteppedClock, arguments: &[&str]) -> Self {
        Self::launched(arguments, None, Some(clock))
    }

    /// Starts a sentinel that watches `master`, under the name `main`.
    ///
    /// # Panics
    /// If there is no `redis-server`, or it does not start.
    pub fn sentinel_of(master: &Self) -> Self {
        Self::launched(&[], Some(master.port), None)
    }

    fn launched(arguments: &[&str], watches: Option<u16>, clock: Option<SteppedClock>) -> Self {
        let mut server = Self {
            folder: TempDir::new().expect("a temporary folder"),
            port: free_port(),
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            watches,
            clock,
            process: None,
        };
        server.launch();
        server
    }

    /// Starts it again after [`Self::kill`].
    ///
    /// # Panics
    /// If it does not start.
    pub fn launch(&mut self) {
        // Another process may take a port that was free.
        for _ in 0..5 {
            self.spawn();
            if self.answers() {
                return;
            }
        }
        let log = fs::read_to_string(self.path("redis.log")).unwrap_or_default();
        panic!("redis-server does not start: {log}");
    }

    fn spawn(&mut self) {
        let mut command = Command::new("redis-server");
        if let Some(master) = self.watches {
            self.configure_sentinel(master);
            command.args(["sentinel.conf", "--sentinel"]);
        } else {
            command
                .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", ""])
                .args(["--logfile", "redis.log"])
                .args(&self.arguments);
        }
        if let Some(clock) = &self.clock {
            clock.rule(&mut command);
        }
        command
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let process = command.spawn().unwrap_or_else(|error| {
            panic!("redis-server cannot be run ({error}); install it: apt-get install redis-server")
        });
        self.process = Some(process);
    }

    fn configure_sentinel(&self, master: u16) {
        let port = self.port;
        let lines = format!(
            "port {port}\nbind 127.0.0.1\nlogfile redis.log\n\
             sentinel monitor main 127.0.0.1 {master} 1\n\
             sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 3000\n"
        );
        fs::write(self.path("sentinel.conf"), lines).expect("the folder can be written");
    }

    /// Whether it answers before it ends.
    fn answers(&mut self) -> bool {
        loop {
            let ended = self
                .process
                .as_mut()
                .is_none_or(|process| process.try_wait().is_ok_and(|status| status.is_some()));
            if ended {
                self.port = free_port();
                return false;
            }
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process id.
    ///
    /// # Panics
    /// If it was killed.
    pub fn id(&self) -> u32 {
        self.process.as_ref().expect("it runs").id()
    }

    /// Its wall clock.
    ///
    /// # Panics
    /// If that is the machine's.
    pub fn clock(&self) -> &SteppedClock {
        self.clock.as_ref().expect("it was started by one")
    }

    /// The path of `name` in its folder.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Kills it as the kernel does, without a warning.
    ///
    /// # Panics
    /// If the system refuses.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("a child can be killed");
            process.wait().expect("a child can be waited for");
        }
    }

    /// Asks it something in its own words, and returns its answer as `redis-cli` shows it.
    ///
    /// # Panics
    /// If it does not answer.
    pub fn ask(&self, words: &[&str]) -> String {
        let asked = Command::new("redis-cli")
            .args(["-p", &self.port.to_string()])
            .args(words)
            .output()
            .expect("redis-cli can be run");
        String::from_utf8_lossy(&asked.stdout).trim_end().to_owned()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            process.kill().ok();
            process.wait().ok();
        }
    }
}

/// A port that nobody has now.
pub(super) fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    listener.local_addr().expect("it is bound").port()
}
