//! TLS with an authority of one's own, and users who may do little.

use super::*;
use crate::broker::JobState;
use crate::broker::conformance::certificates;
use crate::error::BrokerError;

const LEASE: Duration = Duration::from_secs(10);

/// What a user of the server needs, as the README says.
const RIGHTS: &str = "~ttg:* +@read +@write +@scripting +@connection +info +time";

#[tokio::test]
async fn a_server_with_tls_is_trusted_by_its_own_authority_alone() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let port = super::super::server::free_port().to_string();
    let server = RedisServer::start_with(&[
        "--tls-port",
        &port,
        "--tls-cert-file",
        &file("server.pem"),
        "--tls-key-file",
        &file("server.key"),
        "--tls-ca-cert-file",
        &file("ca.pem"),
        "--tls-auth-clients",
        "no",
    ]);
    let url = format!("rediss://127.0.0.1:{port}");
    let stranger = RedisConfig { url, ..config(&server, "a", LEASE) };
    let friend = RedisConfig { authority: Some(file("ca.pem").into()), ..stranger.clone() };
    let broker = RedisBroker::connect(friend).await.unwrap();
    submit(&broker, "sweep", 1).await;
    let deliveries = receive(&broker, 1, PATIENCE).await;
    assert_eq!(complete(&broker, &deliveries[0]).await, Committed::First);
    let refused = RedisBroker::connect(stranger.clone()).await;
    assert!(matches!(refused, Err(BrokerError::Refused { .. })));
    let missing = RedisConfig { authority: Some("/nowhere.pem".into()), ..stranger };
    let refused = RedisBroker::connect(missing).await;
    assert!(matches!(refused, Err(BrokerError::Refused { .. })));
}

/// The user `ttg` with these rights.
fn user(server: &RedisServer, rights: &str) -> RedisConfig {
    server.ask(&["ACL", "DELUSER", "ttg"]);
    let line = format!("ACL SETUSER ttg on >secret {rights}");
    assert_eq!(server.ask(&line.split(' ').collect::<Vec<_>>()), "OK");
    let url = format!("redis://ttg:secret@127.0.0.1:{}", server.port());
    RedisConfig { url, ..config(server, "a", LEASE) }
}

#[tokio::test]
async fn a_user_with_few_rights_does_all_and_one_with_fewer_is_refused() {
    let server = RedisServer::start();
    let broker = RedisBroker::connect(user(&server, RIGHTS)).await.unwrap();
    let job = submit(&broker, "sweep", 2).await;
    for delivery in receive(&broker, 2, PATIENCE).await {
        assert_eq!(complete(&broker, &delivery).await, Committed::First);
    }
    broker.miss_dead(Duration::ZERO, LEASE).await.unwrap();
    let progress = broker.progress(job.uid).await.unwrap().unwrap();
    assert_eq!(progress.state, JobState::Complete);
    assert_eq!(broker.purge_all().await.unwrap(), 1);

    for missing in ["+info", "~ttg:*", "+@connection"] {
        let refused = RedisBroker::connect(user(&server, &RIGHTS.replace(missing, ""))).await;
        assert!(matches!(refused, Err(BrokerError::Refused { .. })), "{missing}");
    }
    let reader = RedisBroker::connect(user(&server, &RIGHTS.replace("+@write", ""))).await.unwrap();
    let refused = reader.register(&job).await;
    assert!(matches!(refused, Err(BrokerError::Refused { .. })), "{refused:?}");
}
