//! The way from a worker to a server: whatever passes it can be held up, be late, or break off.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// A way to a server that listens on a port of this machine.
pub(crate) struct Way {
    port: u16,
    road: Arc<Road>,
}

#[derive(Default)]
struct Road {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Nothing passes.
    cut: bool,
    /// How long what passes takes.
    delay: Duration,
    /// Counts resets: a connection of an older one is closed.
    resets: u64,
    /// The ends of the connections, to be closed.
    open: Vec<TcpStream>,
    closed: bool,
}

impl Way {
    /// To the server at `port`, free.
    pub(crate) fn to(server: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let road = Arc::<Road>::default();
        let on = road.clone();
        thread::spawn(move || {
            for arrived in listener.incoming() {
                let Ok(arrived) = arrived else { continue };
                if on.state().closed {
                    return;
                }
                // A server that is away refuses; so does its way.
                let Ok(onward) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                on.join(&arrived, &onward);
            }
        });
        Self { port, road }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// From now on nothing passes, in either direction; nobody is told.
    pub(crate) fn cut(&self) {
        self.road.change(|state| state.cut = true);
    }

    /// From now on what passes is late.
    pub(crate) fn delay(&self, by: Duration) {
        self.road.change(|state| state.delay = by);
    }

    /// What was held up goes on, at once.
    pub(crate) fn mend(&self) {
        self.road.change(|state| (state.cut, state.delay) = (false, Duration::ZERO));
    }

    /// Breaks all connections.
    pub(crate) fn reset(&self) {
        self.road.change(State::close_all);
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.road.change(|state| {
            state.closed = true;
            state.cut = false;
            state.close_all();
        });
        // So that the listener looks.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

impl State {
    fn close_all(&mut self) {
        self.resets += 1;
        for end in self.open.drain(..) {
            end.shutdown(Shutdown::Both).ok();
        }
    }
}

impl Road {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    fn join(self: &Arc<Self>, one: &TcpStream, other: &TcpStream) {
        let again = |end: &TcpStream| end.try_clone().expect("a second handle");
        self.state().open.extend([again(one), again(other)]);
        for (from, to) in [(one, other), (other, one)] {
            from.set_nodelay(true).ok();
            let (road, from, to) = (self.clone(), again(from), again(to));
            thread::spawn(move || road.carry(from, to));
        }
    }

    /// Carries what comes from one end to the other until either is closed.
    fn carry(&self, mut from: TcpStream, mut to: TcpStream) {
        let resets = self.state().resets;
        let mut bytes = vec![0; 64 * 1_024];
        loop {
            match from.read(&mut bytes) {
                Ok(0) => break,
                Ok(count) => {
                    if !self.passes(resets) || to.write_all(&bytes[..count]).is_err() {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        from.shutdown(Shutdown::Both).ok();
        to.shutdown(Shutdown::Both).ok();
    }

    /// Waits until what has come may go on. Returns whether the connection is still there.
    fn passes(&self, resets: u64) -> bool {
        let state = self.state();
        let late = |state: &mut State| !state.delay.is_zero() && state.resets == resets;
        let delay = state.delay;
        let waited = self.changed.wait_timeout_while(state, delay, late);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let held = |state: &mut State| state.cut && state.resets == resets;
        let state = self.changed.wait_while(state, held).unwrap_or_else(PoisonError::into_inner);
        state.resets == resets
    }
}
