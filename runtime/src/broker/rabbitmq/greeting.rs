//! What a server says of itself before anything is asked of it, and which the client library keeps to
//! itself: a connection of our own that reads the first frame (AMQP 0-9-1, section 4.2.2).

use std::io::{self, Read, Write};
use std::time::Duration;

use amq_protocol::frame::{AMQPFrame, parse_frame};
use amq_protocol::protocol::AMQPClass;
use amq_protocol::protocol::connection::AMQPMethod;
use lapin::tcp::{AMQPUriTcpExt, HandshakeError, TLSConfig};
use lapin::uri::AMQPUri;

/// What a client says first, and its version of the protocol.
const HELLO: &[u8] = b"AMQP\x00\x00\x09\x01";

/// No greeting is as long.
const GREETING_MAX: usize = 1 << 17;

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RabbitGreeting {
    /// What it is; empty if it does not say.
    pub product: String,
    /// Its version; empty if it does not say.
    pub version: String,
}

impl RabbitGreeting {
    /// Whether it has what TTG needs: queues whose dead letters are not lost on the way, which began
    /// with 3.10.
    pub fn is_enough(&self) -> bool {
        let mut numbers = self.version.split('.').map(str::parse::<u32>);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= (3, 10),
            _ => false,
        }
    }
}

/// What the server at `uri` says. Blocks for no longer than about `within` a step.
pub(super) fn greeting(
    uri: &AMQPUri,
    tls: TLSConfig<'_, '_, '_>,
    within: Duration,
) -> io::Result<RabbitGreeting> {
    let unread = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut stream = uri.connect_with_config(tls).map_err(|error| match error {
        HandshakeError::Failure(error) => error,
        HandshakeError::WouldBlock(_) => unread("TLS was not agreed on"),
    })?;
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(within))?;
    stream.set_write_timeout(Some(within))?;
    stream.write_all(HELLO)?;
    stream.flush()?;
    let (mut read, mut chunk) = (Vec::new(), [0; 4_096]);
    loop {
        let length = stream.read(&mut chunk)?;
        read.extend_from_slice(&chunk[..length]);
        if let Ok((_, frame)) = parse_frame(read.as_slice()) {
            return greeting_of(&frame).ok_or_else(|| unread("another frame came first"));
        }
        if length == 0 || read.len() > GREETING_MAX {
            return Err(unread("the greeting does not end"));
        }
    }
}

fn greeting_of(frame: &AMQPFrame) -> Option<RabbitGreeting> {
    let AMQPFrame::Method(_, AMQPClass::Connection(AMQPMethod::Start(start))) = frame else {
        return None;
    };
    let said = |name: &str| {
        let value = start.server_properties.inner().get(name);
        value.and_then(|value| value.as_long_string()).map(ToString::to_string).unwrap_or_default()
    };
    Some(RabbitGreeting { product: said("product"), version: said("version") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        let is_enough = |version: &str| {
            RabbitGreeting { product: "RabbitMQ".to_owned(), version: version.to_owned() }
                .is_enough()
        };
        for version in ["3.10.8", "3.13.7", "4.0.5", "4.2.0-rc.1"] {
            assert!(is_enough(version), "{version}");
        }
        for version in ["", "3.9.29", "3", "words"] {
            assert!(!is_enough(version), "{version}");
        }
    }
}
