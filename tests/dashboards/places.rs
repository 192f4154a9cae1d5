//! The brokers: each can be away, and come back.

use ttg_tests::{Running, Sandbox, Server};

/// A broker of a test's own, and a folder whose processes use it.
pub(crate) trait Place {
    /// Whether it is a server, which can be away: a file whose lock somebody holds is still read.
    const IS_SERVER: bool;

    fn start() -> Self;

    fn sandbox(&self) -> &Sandbox;

    /// From now on it does not answer, or takes nothing.
    fn leave(&mut self);

    fn come_back(&mut self);

    /// Whether others can go on while `worker` stands still.
    fn is_free_of(&self, _worker: &Running) -> bool {
        true
    }
}

/// A store in a file. Who holds its lock keeps the others out.
pub(crate) struct Embedded {
    sandbox: Sandbox,
    holder: Option<Running>,
}

impl Place for Embedded {
    const IS_SERVER: bool = false;

    fn start() -> Self {
        Self { sandbox: sandbox(), holder: None }
    }

    fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    fn leave(&mut self) {
        self.holder = Some(self.sandbox.store().hold());
    }

    fn come_back(&mut self) {
        self.holder.take();
    }

    fn is_free_of(&self, worker: &Running) -> bool {
        self.sandbox.store().writer() != Some(worker.id())
    }
}

/// A server, and who uses it.
pub(crate) struct Served<S> {
    sandbox: Sandbox,
    server: S,
}

impl<S: Server> Place for Served<S> {
    const IS_SERVER: bool = true;

    fn start() -> Self {
        let server = S::durable();
        Self { sandbox: sandbox().on(server.url_by(server.port())), server }
    }

    fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    fn leave(&mut self) {
        self.server.kill();
    }

    fn come_back(&mut self) {
        self.server.launch();
    }
}

fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_ttg-under-test"))
}
