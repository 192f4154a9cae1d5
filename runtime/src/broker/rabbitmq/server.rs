//! A real server for tests, in a folder of its own.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::broker::conformance::SteppedClock;
use crate::clock::{Clock, SystemClock};

/// How long what a server started may take to end.
const MAPPER_ENDS_WITHIN: Duration = Duration::from_secs(5);

/// How a server is started.
pub(super) struct Launch {
    folder: PathBuf,
    ports: Ports,
    /// Lines of its configuration.
    settings: String,
}

#[derive(Clone, Copy)]
struct Ports {
    amqp: u16,
    tls: u16,
    distribution: u16,
    epmd: u16,
}

impl Launch {
    /// Debian's own script changes the user; this is what it calls.
    pub(super) const PROGRAM: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

    pub(super) fn new(folder: PathBuf, settings: &str) -> Self {
        let [amqp, tls, distribution, epmd] = [(); 4].map(|()| free_port());
        let ports = Ports { amqp, tls, distribution, epmd };
        Self { folder, ports, settings: settings.to_owned() }
    }

    pub(super) fn port(&self) -> u16 {
        self.ports.amqp
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.path("out.log")).unwrap_or_default()
    }

    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes its configuration, and points `command` to it.
    pub(super) fn prepare(&self, command: &mut Command) {
        assert!(
            Path::new(Self::PROGRAM).exists(),
            "there is no rabbitmq-server; install it: apt-get install rabbitmq-server"
        );
        let lines = format!(
            "listeners.tcp.1 = 127.0.0.1:{}\nloopback_users.guest = false\n\
             log.file.level = warning\nlog.console.level = warning\n\
             disk_free_limit.absolute = 50MB\n{}\n",
            self.ports.amqp,
            self.settings.replace("{tls}", &self.ports.tls.to_string())
        );
        fs::write(self.path("rabbitmq.conf"), lines).expect("the folder can be written");
        fs::write(self.path("plugins"), "[].").expect("the folder can be written");
        let log = fs::File::create(self.path("out.log")).expect("the folder can be written");
        self.point(command);
        command.current_dir(&self.folder).stdin(Stdio::null());
        command.stdout(log.try_clone().expect("a file")).stderr(log);
    }

    /// Points a command to the server.
    fn point(&self, command: &mut Command) {
        let Ports { distribution, epmd, .. } = self.ports;
        command
            .env("HOME", &self.folder)
            .env("RABBITMQ_NODENAME", format!("ttg-{distribution}@localhost"))
            .env("RABBITMQ_DIST_PORT", distribution.to_string())
            .env("ERL_EPMD_PORT", epmd.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_MNESIA_BASE", self.path("mnesia"))
            .env("RABBITMQ_LOG_BASE", self.path("log"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", self.path("plugins"))
            .env("RABBITMQ_CONFIG_FILE", self.path("rabbitmq.conf"))
            .env("RABBITMQ_ADVANCED_CONFIG_FILE", self.path("advanced.config"))
            .env("RABBITMQ_CONF_ENV_FILE", self.path("env.conf"))
            .env("RABBITMQ_PID_FILE", self.path("pid"))
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "+S 2:2 +sbwt none +sbwtdcpu none");
    }
}

/// A `rabbitmq-server` of this machine's, which ends with this.
pub struct RabbitServer {
    launch: Launch,
    _folder: TempDir,
    /// Its wall clock, if that is not the machine's.
    clock: Option<SteppedClock>,
    /// The script that started it, which ends when it does.
    script: Option<Child>,
}

impl RabbitServer {
    /// Starts one that knows the user `guest`.
    ///
    /// # Panics
    /// If there is no `rabbitmq-server`, or it does not start.
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// Starts one with these lines in its configuration. `{tls}` is its port for TLS.
    ///
    /// # Panics
    /// If there is no `rabbitmq-server`, or it does not start.
    pub fn start_with(settings: &str) -> Self {
        Self::launched(settings, None)
    }

    /// Starts one that knows the user `guest`, and has a wall clock of its own.
    ///
    /// # Panics
    /// If there is no `rabbitmq-server` or no C compiler, or it does not start.
    pub fn start_by(clock: SteppedClock) -> Self {
        Self::launched("", Some(clock))
    }

    fn launched(settings: &str, clock: Option<SteppedClock>) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let launch = Launch::new(folder.path().to_owned(), settings);
        let mut server = Self { launch, _folder: folder, clock, script: None };
        server.launch();
        server
    }

    /// Starts it again after [`Self::kill`].
    ///
    /// # Panics
    /// If it does not start.
    pub fn launch(&mut self) {
        let mut command = Command::new(Launch::PROGRAM);
        self.launch.prepare(&mut command);
        if let Some(clock) = &self.clock {
            clock.rule(&mut command);
        }
        let mut script = command.spawn().expect("rabbitmq-server can be run");
        while TcpStream::connect(("127.0.0.1", self.port())).is_err() {
            let ended = script.try_wait().is_ok_and(|status| status.is_some());
            assert!(!ended, "rabbitmq-server does not start: {}", self.launch.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        self.script = Some(script);
    }

    /// Where it is, with the user `guest`.
    pub fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}", self.port())
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.launch.port()
    }

    /// Its port for TLS, if its settings have it listen there.
    pub fn tls_port(&self) -> u16 {
        self.launch.ports.tls
    }

    /// The id of its process: of the server, not of the script that started it.
    ///
    /// # Panics
    /// If it never ran.
    pub fn id(&self) -> u32 {
        let id = fs::read_to_string(self.path("pid")).expect("it ran");
        id.trim().parse().expect("a process id")
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
        self.launch.path(name)
    }

    /// Kills it as the kernel does, without a warning.
    ///
    /// # Panics
    /// If the system refuses.
    pub fn kill(&mut self) {
        if let Some(mut script) = self.script.take() {
            let id = i32::try_from(self.id()).ok().and_then(Pid::from_raw);
            kill_process(id.expect("a process id"), Signal::KILL).ok();
            script.wait().expect("a child can be waited for");
        }
    }

    /// Its mapper of nodes refuses to end as long as it knows of one, which it does for a moment after
    /// that was killed.
    fn end_mapper(&self) {
        let port = self.launch.ports.epmd;
        let until = SystemClock.now().after(MAPPER_ENDS_WITHIN);
        while TcpStream::connect(("127.0.0.1", port)).is_ok() && SystemClock.now() < until {
            Command::new("epmd").args(["-port", &port.to_string(), "-kill"]).output().ok();
        }
    }

    /// Asks it something as `rabbitmqctl` does, and returns the answer.
    ///
    /// # Panics
    /// If it cannot be run.
    pub fn ask(&self, words: &[&str]) -> String {
        let mut command = Command::new("/usr/lib/rabbitmq/bin/rabbitmqctl");
        self.launch.point(&mut command);
        let asked = command.arg("-q").args(words).output().expect("rabbitmqctl can be run");
        String::from_utf8_lossy(&[asked.stdout, asked.stderr].concat()).trim_end().to_owned()
    }
}

impl Drop for RabbitServer {
    fn drop(&mut self) {
        self.kill();
        self.end_mapper();
    }
}

/// A port that nobody has now.
fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    listener.local_addr().expect("it is bound").port()
}
