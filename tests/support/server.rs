//! The servers of brokers, which a test can kill and start again.

use ttg_runtime::broker::{RabbitServer, RedisServer};

/// A program that serves a broker, started by a test; it ends with the value.
pub trait Server {
    /// One that has what it had when it is killed and started again.
    fn durable() -> Self
    where
        Self: Sized;

    /// Where it listens.
    fn port(&self) -> u16;

    /// The broker's URL for who comes by another port of this machine.
    fn url_by(&self, port: u16) -> String;

    /// Its process.
    fn process(&self) -> u32;

    /// Ends it by -9.
    fn kill(&mut self);

    /// Starts it again.
    fn launch(&mut self);
}

macro_rules! server {
    ($server:ty, $durable:expr, $url:literal) => {
        impl Server for $server {
            fn durable() -> Self {
                $durable
            }

            fn port(&self) -> u16 {
                Self::port(self)
            }

            fn url_by(&self, port: u16) -> String {
                format!($url, port = port)
            }

            fn process(&self) -> u32 {
                self.id()
            }

            fn kill(&mut self) {
                Self::kill(self);
            }

            fn launch(&mut self) {
                Self::launch(self);
            }
        }
    };
}

server!(RedisServer, RedisServer::start_with(&["--appendonly", "yes"]), "redis://127.0.0.1:{port}");
server!(RabbitServer, RabbitServer::start(), "amqp://guest:guest@127.0.0.1:{port}");
