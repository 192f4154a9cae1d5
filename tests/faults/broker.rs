//! The brokers, and what can happen to each.

use nix::sys::signal::kill;
use nix::unistd::Pid;
use ttg_runtime::broker::conformance::SteppedClock;
use ttg_runtime::broker::{RabbitServer, RedisServer};
use ttg_tests::{Sandbox, Server, Signal, SmallDisk};

use crate::fault::Fault;

/// A server, and what can be done to it.
pub(crate) trait Fragile: Server {
    /// From now on it has no room for more.
    fn fill(&self);
    fn free(&self);
    /// Its wall clock, if that can be stepped and decides anything while it runs.
    fn clock(&self) -> Option<&SteppedClock>;
}

impl Fragile for RedisServer {
    fn fill(&self) {
        self.ask(&["CONFIG", "SET", "maxmemory", "1"]);
    }

    fn free(&self) {
        self.ask(&["CONFIG", "SET", "maxmemory", "0"]);
    }

    fn clock(&self) -> Option<&SteppedClock> {
        Some(Self::clock(self))
    }
}

impl Fragile for RabbitServer {
    fn fill(&self) {
        self.ask(&["set_vm_memory_high_watermark", "0.000001"]);
    }

    fn free(&self) {
        self.ask(&["set_vm_memory_high_watermark", "0.4"]);
    }

    fn clock(&self) -> Option<&SteppedClock> {
        None
    }
}

/// A broker under test.
pub(crate) struct Backend {
    pub(crate) name: &'static str,
    /// Of a store in a file. `None` where nothing may be mounted. Unmounted before its folder goes.
    disk: Option<SmallDisk>,
    pub(crate) sandbox: Sandbox,
    server: Option<Box<dyn Fragile>>,
    /// Whether the server was killed, and is not there.
    away: bool,
}

impl Backend {
    pub(crate) fn embedded() -> Self {
        let sandbox = sandbox();
        let disk = SmallDisk::mount(sandbox.path(".ttg"));
        Self { name: "embedded", sandbox, server: None, away: false, disk }
    }

    pub(crate) fn redis() -> Self {
        Self::served("redis", RedisServer::start_by(SteppedClock::new(), &["--appendonly", "yes"]))
    }

    pub(crate) fn rabbitmq() -> Self {
        Self::served("rabbitmq", RabbitServer::durable())
    }

    fn served(name: &'static str, server: impl Fragile + 'static) -> Self {
        let sandbox = sandbox().on(server.url_by(server.port()));
        Self { name, sandbox, server: Some(Box::new(server)), away: false, disk: None }
    }

    pub(crate) fn server(&self) -> Option<&dyn Fragile> {
        self.server.as_deref()
    }

    /// What can happen here.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        let file = self.server.is_none();
        let befalls = |fault: &Fault| match fault {
            Fault::NoRoom => !file || self.disk.is_some(),
            Fault::ClockForward | Fault::ClockBack => {
                self.server().is_some_and(|server| server.clock().is_some())
            }
            fault => !file || fault.befalls_a_file(),
        };
        Fault::ALL.into_iter().filter(befalls).collect()
    }

    pub(crate) fn kill(&mut self) {
        if let Some(server) = &mut self.server
            && !self.away
        {
            server.kill();
            self.away = true;
        }
    }

    pub(crate) fn launch(&mut self) {
        if let Some(server) = &mut self.server
            && self.away
        {
            server.launch();
            self.away = false;
        }
    }

    /// The wall clock of a server that has one of its own.
    ///
    /// # Panics
    /// If there is none.
    pub(crate) fn clock(&self) -> &SteppedClock {
        self.server()
            .and_then(|server| server.clock())
            .expect("nothing is stepped where there is none")
    }

    pub(crate) fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    pub(crate) fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        if let Some(server) = &self.server
            && !self.away
        {
            let process = i32::try_from(server.process()).expect("process ids are small");
            kill(Pid::from_raw(process), signal).expect("a child can be signalled");
        }
    }

    pub(crate) fn fill(&self) {
        match (&self.server, &self.disk) {
            (Some(server), _) if !self.away => server.fill(),
            (None, Some(disk)) => disk.fill(),
            _ => {}
        }
    }

    pub(crate) fn free(&self) {
        match (&self.server, &self.disk) {
            (Some(server), _) if !self.away => server.free(),
            (None, Some(disk)) => disk.free(),
            _ => {}
        }
    }
}

pub(crate) fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_ttg-under-test"))
}
