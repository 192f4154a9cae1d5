//! What a test that holds on all brokers runs on.

use ttg_runtime::broker::{RabbitSpace, RedisServer};
use ttg_tests::Sandbox;

use crate::sandbox;

/// A broker, and a folder whose processes use it.
pub(crate) trait Place {
    fn start() -> Self;

    fn sandbox(&self) -> Sandbox;
}

/// A folder.
pub(crate) struct Embedded;

impl Place for Embedded {
    fn start() -> Self {
        Self
    }

    fn sandbox(&self) -> Sandbox {
        sandbox()
    }
}

impl Place for RedisServer {
    fn start() -> Self {
        Self::start()
    }

    fn sandbox(&self) -> Sandbox {
        sandbox().on(self.url())
    }
}

impl Place for RabbitSpace {
    fn start() -> Self {
        Self::fresh()
    }

    fn sandbox(&self) -> Sandbox {
        sandbox().on(self.url()).within(self.namespace())
    }
}
