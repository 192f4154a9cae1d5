//! TLS with an authority of one's own, certificates of clients, and users who may do little.

use std::time::Duration;

use super::{complete, finish, one, submit};
use crate::broker::conformance::{certificates, job, worker};
use crate::broker::rabbitmq::{RabbitBroker, RabbitConfig, RabbitServer};
use crate::broker::{Broker, Committed};
use crate::error::BrokerError;

fn config(url: String) -> RabbitConfig {
    RabbitConfig {
        url,
        namespace: "ttg".to_owned(),
        authority: None,
        identity: None,
        worker: worker("a"),
        lease: Duration::from_secs(10),
    }
}

#[tokio::test]
async fn a_server_with_tls_is_trusted_by_its_own_authority_and_knows_its_clients() {
    let folder = tempfile::tempdir().expect("a folder");
    certificates(folder.path());
    let file = |name: &str| folder.path().join(name);
    let server = RabbitServer::start_with(&format!(
        "listeners.ssl.1 = 127.0.0.1:{{tls}}\nssl_options.cacertfile = {}\n\
         ssl_options.certfile = {}\nssl_options.keyfile = {}\n\
         ssl_options.verify = verify_peer\nssl_options.fail_if_no_peer_cert = true",
        file("ca.pem").display(),
        file("server.pem").display(),
        file("server.key").display(),
    ));
    let stranger = config(format!("amqps://guest:guest@127.0.0.1:{}", server.tls_port()));
    let nameless = RabbitConfig { authority: Some(file("ca.pem")), ..stranger.clone() };
    let identity = Some((file("client.pem"), file("client.key")));
    let friend = RabbitConfig { identity: identity.clone(), ..nameless.clone() };
    let broker = RabbitBroker::connect(friend.clone()).await.expect("a friend");
    assert!(RabbitBroker::greeting(&friend).await.expect("a greeting").is_enough());
    let job = submit(&broker, "sweep", 1).await;
    assert_eq!(complete(&broker, &one(&broker).await).await, Committed::First);
    finish(&broker, &job).await;

    let stranger = RabbitConfig { identity, ..stranger };
    let refused = RabbitBroker::connect(stranger.clone()).await;
    assert!(matches!(refused, Err(BrokerError::Refused { .. })));
    assert!(RabbitBroker::connect(nameless).await.is_err());
    let missing = RabbitConfig { authority: Some("/nowhere.pem".into()), ..stranger };
    let refused = RabbitBroker::connect(missing).await;
    assert!(matches!(refused, Err(BrokerError::Refused { .. })));
}

#[tokio::test]
async fn a_user_with_few_permissions_does_all_and_one_with_fewer_is_refused() {
    let server = RabbitServer::start();
    server.ask(&["add_user", "ttg", "secret"]);
    let permit = |[configure, write, read]: [&str; 3]| {
        server.ask(&["set_permissions", "ttg", configure, write, read]);
        config(format!("amqp://ttg:secret@127.0.0.1:{}", server.port()))
    };
    // As the README says.
    let (ours, default) = (r"^ttg\.", r"^(ttg\.|amq\.default$)");
    let place = permit([ours, default, ours]);
    let said = RabbitBroker::greeting(&place).await.expect("a greeting");
    assert_eq!((said.product.as_str(), said.is_enough()), ("RabbitMQ", true));
    let broker = RabbitBroker::connect(place).await.expect("connect");
    let job = submit(&broker, "sweep", 2).await;
    finish(&broker, &job).await;
    assert_eq!(broker.purge_all().await.expect("purge"), 1);

    for fewer in [["", default, ours], [ours, ours, ours], [ours, default, ""]] {
        let refused = match RabbitBroker::connect(permit(fewer)).await {
            Ok(broker) => broker.register(&job_of_nobody()).await.map(drop),
            Err(error) => Err(error),
        };
        assert!(matches!(refused, Err(BrokerError::Refused { .. })), "{fewer:?}: {refused:?}");
    }
}

fn job_of_nobody() -> crate::job::JobRecord {
    job("nobody", 1, 1)
}
