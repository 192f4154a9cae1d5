//! The way to the server: a session, made anew when it is needed, at growing intervals while the
//! server is away.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::fuse::Fuse;
use super::session::Session;
use super::target::Target;
use super::topology::Names;
use crate::error::BrokerError;
use crate::randomness::{Randomness, SystemRandomness};

/// The pause after the first attempt to connect that fails, and the longest one, before jitter.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);

pub(super) struct Link {
    target: Target,
    pub(super) names: Names,
    /// What the server's tools call our connections.
    name: String,
    patience: Duration,
    pub(super) fuse: Fuse,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    session: Option<Arc<Session>>,
    /// Attempts to connect since the last that succeeded.
    failed: u32,
    not_before: Option<Instant>,
}

impl Link {
    pub(super) fn new(target: Target, names: Names, name: String, patience: Duration) -> Self {
        Self { target, names, name, patience, fuse: Fuse::default(), state: Mutex::default() }
    }

    pub(super) fn shown(&self) -> &str {
        &self.target.shown
    }

    /// The present session, if it lives.
    pub(super) async fn session(&self) -> Result<Arc<Session>, BrokerError> {
        let mut state = self.state.lock().await;
        if let Some(session) = &state.session {
            if session.is_alive() {
                return Ok(Arc::clone(session));
            }
            // One half may live, and hold what it should not.
            if let Some(ended) = state.session.take() {
                ended.close().await;
            }
        }
        // Callers queue here, so that a server that is away is not asked by all of them at once.
        if let Some(not_before) = state.not_before {
            tokio::time::sleep_until(not_before).await;
        }
        let Self { target, names, name, patience, fuse, .. } = self;
        match Session::open(target, names, name, *patience, fuse.clone()).await {
            Ok(session) => {
                let session = Arc::new(session);
                state.session = Some(Arc::clone(&session));
                (state.failed, state.not_before) = (0, None);
                Ok(session)
            }
            Err(error) => {
                state.failed = state.failed.saturating_add(1);
                state.not_before = Some(Instant::now() + jittered(state.failed));
                Err(error)
            }
        }
    }

    /// Ends the present session.
    #[cfg(any(test, feature = "conformance"))]
    pub(super) async fn cut(&self) {
        let session = self.state.lock().await.session.take();
        if let Some(session) = session {
            session.close().await;
        }
    }
}

/// The pause after so many failures, less up to a half of it.
fn jittered(failures: u32) -> Duration {
    let doubled = PAUSE_MIN.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(PAUSE_MAX);
    doubled.mul_f64(1.0 - SystemRandomness.fraction() / 2.0)
}
