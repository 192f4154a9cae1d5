//! What goes wrong on the way to the server and there, and what that is to a caller.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::broker::tls::is_of_tls;
use crate::error::BrokerError;

/// Whether the connection that `error` came by is of no more use.
pub(super) fn ends_connection(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_unrecoverable_error()
        || error.is_connection_dropped()
        || matches!(
            error.kind(),
            ErrorKind::Parse
                | ErrorKind::Server(
                    // A failover made another server the one to write to.
                    ServerErrorKind::ReadOnly
                        | ServerErrorKind::MasterDown
                        | ServerErrorKind::Moved
                )
        )
}

/// The node of a cluster that has what was asked for, if `error` says so. The host is empty where the
/// node that was asked does not know by which name it is reached.
pub(super) fn moved_to(error: &RedisError) -> Option<(String, u16)> {
    // Beside the address is the slot.
    let (address, _) = error.redirect_node()?;
    let (host, port) = address.rsplit_once(':')?;
    Some((host.to_owned(), port.parse().ok()?))
}

/// Whether the consumer group is missing.
pub(super) fn is_no_group(error: &RedisError) -> bool {
    error.code() == Some("NOGROUP")
}

/// `error` of the server called `broker`.
pub(super) fn of_redis(error: RedisError, broker: &str) -> BrokerError {
    let (broker, detail) = (broker.to_owned(), error.to_string());
    match error.kind() {
        ErrorKind::AuthenticationFailed
        | ErrorKind::InvalidClientConfig
        | ErrorKind::Server(ServerErrorKind::NoPerm | ServerErrorKind::CrossSlot) => {
            return BrokerError::Refused { broker, detail };
        }
        // Scripts say it in words where the user may not do what they do.
        ErrorKind::Server(ServerErrorKind::ResponseError)
            if ["switch database", "ACL failure", "can't run this command"]
                .iter()
                .any(|words| detail.contains(words)) =>
        {
            return BrokerError::Refused { broker, detail };
        }
        ErrorKind::Io if is_of_tls(&detail) => return BrokerError::Refused { broker, detail },
        ErrorKind::Io
        | ErrorKind::Parse
        | ErrorKind::Server(
            ServerErrorKind::BusyLoading
            | ServerErrorKind::Moved
            | ServerErrorKind::Ask
            | ServerErrorKind::TryAgain
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::MasterDown
            | ServerErrorKind::ReadOnly,
        ) => return BrokerError::Unavailable { broker, cause: error.into() },
        _ => {}
    }
    match error.code() {
        // It cannot write its log or its snapshot: mostly, the disk is full.
        Some("OOM" | "MISCONF") => BrokerError::Full { broker, cause: error.into() },
        Some("NOAUTH" | "WRONGPASS" | "NOPERM" | "DENIED") => {
            BrokerError::Refused { broker, detail }
        }
        Some("WRONGTYPE") => BrokerError::Foreign { broker, detail },
        Some("NOGROUP" | "NOREPLICAS" | "BUSY" | "UNBLOCKED") => {
            BrokerError::Unavailable { broker, cause: error.into() }
        }
        _ if error.is_io_error() || error.is_connection_dropped() => {
            BrokerError::Unavailable { broker, cause: error.into() }
        }
        _ => BrokerError::Unexpected { broker, detail },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_is_one_that_a_caller_can_act_on() {
        let of = |code: &str| {
            let error = redis::make_extension_error(code.to_owned(), Some("words".to_owned()));
            let error = of_redis(error, "redis://h");
            (error.is_transient(), error)
        };
        for code in ["OOM", "MISCONF"] {
            assert!(matches!(of(code), (true, BrokerError::Full { .. })));
        }
        for code in ["NOAUTH", "WRONGPASS", "DENIED"] {
            assert!(matches!(of(code), (false, BrokerError::Refused { .. })));
        }
        assert!(matches!(of("WRONGTYPE"), (false, BrokerError::Foreign { .. })));
        for code in ["NOGROUP", "NOREPLICAS", "BUSY"] {
            assert!(matches!(of(code), (true, BrokerError::Unavailable { .. })));
        }
        assert!(matches!(of("ERR"), (false, BrokerError::Unexpected { .. })));
    }
}
