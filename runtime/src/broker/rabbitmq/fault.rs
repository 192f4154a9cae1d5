//! What goes wrong on the way to the server and there, and what that is to a caller.

use std::time::Duration;

use lapin::ErrorKind;

use super::target::ConnectFault;
use crate::broker::tls::is_of_tls;
use crate::error::BrokerError;

/// Reply codes of AMQP 0-9-1.
const CONTENT_TOO_LARGE: u16 = 311;
const INVALID_PATH: u16 = 402;
const ACCESS_REFUSED: u16 = 403;
const NOT_FOUND: u16 = 404;
const PRECONDITION_FAILED: u16 = 406;
const NOT_ALLOWED: u16 = 530;
const NOT_IMPLEMENTED: u16 = 540;

/// `error` of the server called `broker`.
pub(super) fn of_client(error: lapin::Error, broker: &str) -> BrokerError {
    let (name, detail) = (broker.to_owned(), error.to_string());
    let refused = |detail| BrokerError::Refused { broker: name.clone(), detail };
    match error.kind() {
        ErrorKind::ProtocolError(said) => match said.get_id() {
            INVALID_PATH | ACCESS_REFUSED | NOT_ALLOWED | NOT_IMPLEMENTED => {
                refused(said.get_message().to_string())
            }
            CONTENT_TOO_LARGE => BrokerError::TooLarge { broker: name },
            _ => BrokerError::Unavailable { broker: name, cause: error.into() },
        },
        ErrorKind::AuthProviderError(_) | ErrorKind::InvalidProtocolVersion(_) => refused(detail),
        ErrorKind::IOError(_) if is_of_tls(&detail) => refused(detail),
        ErrorKind::SerialisationError(_) | ErrorKind::NoDefaultRuntime => {
            BrokerError::Unexpected { broker: name, detail }
        }
        _ => BrokerError::Unavailable { broker: name, cause: error.into() },
    }
}

/// Whether `error` says that a queue is not there.
pub(super) fn is_not_there(error: &lapin::Error) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(said) if said.get_id() == NOT_FOUND)
}

pub(super) fn of_connecting(fault: ConnectFault, broker: &str) -> BrokerError {
    match fault {
        ConnectFault::Client(error) => of_client(error, broker),
        ConnectFault::TimedOut => BrokerError::Unavailable {
            broker: broker.to_owned(),
            cause: "it did not answer to a new connection".into(),
        },
    }
}

/// What is said when `what` is declared and is there in another way.
pub(super) fn of_declaring(error: lapin::Error, what: &str, broker: &str) -> BrokerError {
    match error.kind() {
        ErrorKind::ProtocolError(said) if said.get_id() == PRECONDITION_FAILED => {
            let said = said.get_message().to_string();
            if said.contains("invalid arg") {
                let detail = format!(
                    "it does not know what `{what}` needs ({said}): use RabbitMQ 3.10 or newer"
                );
                return BrokerError::Refused { broker: broker.to_owned(), detail };
            }
            let detail = format!(
                "`{what}` exists and is not what TTG makes of it ({said}); delete it, or choose \
                 another --namespace"
            );
            BrokerError::Foreign { broker: broker.to_owned(), detail }
        }
        _ => of_client(error, broker),
    }
}

/// The server did not answer; where it told us that it takes nothing now, that is why.
pub(super) fn of_silence(blocked: bool, within: Duration, broker: &str) -> BrokerError {
    let broker = broker.to_owned();
    if blocked {
        let cause = "it takes no messages: its memory or its disk is nearly full".into();
        return BrokerError::Full { broker, cause };
    }
    BrokerError::Unavailable { broker, cause: format!("no answer within {within:?}").into() }
}

#[cfg(test)]
mod tests {
    use lapin::protocol::AMQPError;

    use super::*;

    #[test]
    fn each_failure_is_one_that_a_caller_can_act_on() {
        let of = |id| {
            let said = AMQPError::from_id(id, "words".into()).expect("a reply code");
            ErrorKind::ProtocolError(said).into()
        };
        for id in [ACCESS_REFUSED, NOT_ALLOWED] {
            assert!(matches!(of_client(of(id), "h"), BrokerError::Refused { .. }));
        }
        assert!(matches!(of_client(of(CONTENT_TOO_LARGE), "h"), BrokerError::TooLarge { .. }));
        for id in [320, 404, PRECONDITION_FAILED, 541] {
            assert!(of_client(of(id), "h").is_transient(), "{id}");
        }
        let foreign = of_declaring(of(PRECONDITION_FAILED), "ttg.tasks", "h");
        assert!(matches!(foreign, BrokerError::Foreign { .. }), "{foreign}");
        assert!(matches!(of_declaring(of(403), "q", "h"), BrokerError::Refused { .. }));
        assert!(matches!(of_silence(true, Duration::ZERO, "h"), BrokerError::Full { .. }));
    }
}
