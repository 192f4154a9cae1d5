//! Whether the RabbitMQ server is there, lets TTG do its work, and takes what it is given.

use ttg_runtime::broker::{RabbitBroker, RabbitGreeting};
use ttg_runtime::{Broker, BrokerError, JobUid, SystemRandomness, WorkerId};

use super::store::failed;
use crate::broker::ServerPlace;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::report::Finding;
use crate::settings::{JobSettings, LEASE_UNUSED};

const VERSION: &str = "version";

pub(crate) async fn rabbit(place: &ServerPlace, job: Option<&JobSettings>) -> Vec<Finding> {
    let checker = WorkerId::fresh("check", &SystemRandomness);
    let config = place.rabbit_config(checker, LEASE_UNUSED);
    // Before it is connected to: an older server does not know what is asked of it, and says so in other
    // words.
    let greeting = RabbitBroker::greeting(&config).await;
    if let Ok(server) = &greeting
        && !server.is_enough()
    {
        return vec![too_old(server)];
    }
    match RabbitBroker::connect(config).await {
        Ok(broker) => vec![
            usable(&broker).await,
            version(greeting),
            writable(&broker).await,
            timeout(&broker, job),
        ],
        Err(error) => {
            let doing = "the broker could not be reached";
            vec![failed("broker", &CommandError::broker(doing)(error))]
        }
    }
}

/// Connecting made what is missing, with the permissions that it takes; this reads and asks.
async fn usable(broker: &dyn Broker) -> Finding {
    const CHECK: &str = "broker";
    let doing = "the broker could not be used";
    let nobody = JobUid::fresh(&SystemRandomness);
    let asked = async {
        broker.cancel(nobody).await?;
        broker.jobs().await
    };
    match asked.await {
        Ok(_) => Finding::ok(CHECK, "the server can be used".to_owned()),
        Err(error) => failed(CHECK, &CommandError::broker(doing)(error)),
    }
}

fn version(greeting: Result<RabbitGreeting, BrokerError>) -> Finding {
    match greeting {
        Ok(server) => Finding::ok(VERSION, format!("{} {}", server.product, server.version)),
        Err(error) => {
            let doing = "the server did not tell its version";
            failed(VERSION, &CommandError::broker(doing)(error))
        }
    }
}

fn too_old(server: &RabbitGreeting) -> Finding {
    let found = format!("the server says that it is `{}` {}", server.product, server.version);
    let remedy = "use RabbitMQ 3.10 or newer".to_owned();
    Finding::error(VERSION, found, Some(remedy), Exit::Configuration)
}

/// A server that is short of memory or disk takes connections, and no messages.
async fn writable(broker: &dyn Broker) -> Finding {
    const CHECK: &str = "alarms";
    // Of a job that is not there: the letter comes back.
    let nobody = JobUid::fresh(&SystemRandomness);
    match broker.cancel(nobody).await {
        Ok(_) => Finding::ok(CHECK, "the server takes messages".to_owned()),
        Err(error) => failed(CHECK, &CommandError::broker("the server takes no messages")(error)),
    }
}

fn timeout(broker: &dyn Broker, job: Option<&JobSettings>) -> Finding {
    const CHECK: &str = "timeout";
    let timeout = job.map(|job| job.policy.timeout);
    match (timeout, broker.capabilities().longest_attempt) {
        (Some(timeout), Some(longest)) if timeout > longest => {
            let found = format!("--timeout {timeout:?} is longer than {longest:?}");
            let remedy =
                "the server takes back what is held for half an hour: smaller chunks".to_owned();
            Finding::error(CHECK, found, Some(remedy), Exit::Configuration)
        }
        _ => {
            Finding::ok(CHECK, "an attempt ends before the server takes its chunk back".to_owned())
        }
    }
}
