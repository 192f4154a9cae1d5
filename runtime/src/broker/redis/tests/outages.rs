//! A server that goes away, comes back, forgets, or has no room.

use rustix::process::{Pid, Signal, kill_process};

use super::*;
use crate::broker::{JobState, Renewed};
use crate::clock::{Clock, SystemClock};
use crate::error::BrokerError;

const LEASE: Duration = Duration::from_secs(2);

/// Asks a server that is away until every lease has ended.
async fn outlast_leases(broker: &RedisBroker, job: &JobRecord) {
    let end = SystemClock.now().after(LEASE * 3 / 2);
    while SystemClock.now() < end {
        assert!(broker.progress(job.uid).await.unwrap_err().is_transient());
    }
}

/// Nobody takes over what `a` holds until a lease after the outage; `a` then has it still.
async fn expect_patience(a: &RedisBroker, b: &RedisBroker, held: &Delivery) {
    let taken = insist(async || b.receive(NonZeroU32::MIN, LEASE / 2).await).await;
    assert_eq!(taken, []);
    let renewed = insist(async || a.renew(&[held.receipt]).await).await;
    assert_eq!(renewed, [Renewed::Held]);
    assert_eq!(complete(a, held).await, Committed::First);
}

#[tokio::test]
async fn after_a_restart_of_the_server_everybody_has_what_he_held() {
    let mut server = RedisServer::start_with(&["--appendonly", "yes"]);
    let (a, b) = (connect(&server, "a", LEASE).await, connect(&server, "b", LEASE).await);
    let job = submit(&a, "sweep", 2).await;
    let held = receive(&a, 2, Duration::ZERO).await;
    assert_eq!(complete(&a, &held[0]).await, Committed::First);
    assert_eq!(receive(&b, 1, Duration::ZERO).await, []);
    // Longer than the leases, of which those who wait for the server know nothing.
    server.kill();
    outlast_leases(&b, &job).await;
    server.launch();
    expect_patience(&a, &b, &held[1]).await;
    let progress = b.progress(job.uid).await.unwrap().unwrap();
    assert_eq!(progress.state, JobState::Complete);
    assert_eq!(progress.chunks.redelivered, 0, "nothing is charged");
}

#[tokio::test]
async fn after_a_pause_of_the_server_everybody_has_what_he_held() {
    let server = RedisServer::start();
    let (a, b) = (connect(&server, "a", LEASE).await, connect(&server, "b", LEASE).await);
    let job = submit(&a, "sweep", 1).await;
    let held = receive(&a, 1, Duration::ZERO).await;
    assert_eq!(receive(&b, 1, Duration::ZERO).await, []);
    let server_id = Pid::from_raw(i32::try_from(server.id()).unwrap()).unwrap();
    kill_process(server_id, Signal::STOP).unwrap();
    outlast_leases(&b, &job).await;
    kill_process(server_id, Signal::CONT).unwrap();
    expect_patience(&a, &b, &held[0]).await;
}

#[tokio::test]
async fn a_group_that_is_gone_is_made_again_and_settled_chunks_stay_settled() {
    let server = RedisServer::start();
    let broker = connect(&server, "a", LEASE).await;
    let job = submit(&broker, "sweep", 3).await;
    let first = receive(&broker, 2, Duration::ZERO).await;
    assert_eq!(complete(&broker, &first[0]).await, Committed::First);
    server.ask(&["XGROUP", "DESTROY", "ttg:tasks", "workers"]);
    // What is held is lost, and comes again.
    assert_eq!(broker.renew(&[first[1].receipt]).await.unwrap(), [Renewed::Lost]);
    let again = receive(&broker, 9, Duration::ZERO).await;
    let keys: Vec<_> = again.iter().map(|delivery| delivery.chunk.key.chunk.0).collect();
    assert_eq!(keys, [1, 2]);
    for delivery in &again {
        assert_eq!(complete(&broker, delivery).await, Committed::First);
    }
    let progress = broker.progress(job.uid).await.unwrap().unwrap();
    assert_eq!(progress.state, JobState::Complete);
    assert_eq!((progress.chunks.ready, progress.chunks.in_flight), (0, 0));
}

#[tokio::test]
async fn without_room_leases_are_kept_and_outcomes_wait() {
    let server = RedisServer::start();
    let (a, b) = (connect(&server, "a", LEASE).await, connect(&server, "b", LEASE).await);
    submit(&a, "sweep", 2).await;
    let held = receive(&a, 2, Duration::ZERO).await;
    server.ask(&["CONFIG", "SET", "maxmemory", "1"]);
    let outcome = outcome(&held[0].chunk, &a.worker, &[]);
    let refused = a.commit(&[(held[0].receipt, outcome)]).await;
    assert!(matches!(refused, Err(BrokerError::Full { .. })));
    let receipts = [held[0].receipt, held[1].receipt];
    assert_eq!(a.renew(&receipts).await.unwrap(), [Renewed::Held; 2]);
    let back = crate::broker::GiveBack { receipt: receipts[1], retry_in: Duration::ZERO };
    assert_eq!(a.give_back(&[back]).await.unwrap(), [crate::broker::Settled::Applied]);
    server.ask(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(complete(&a, &held[0]).await, Committed::First);
    assert_eq!(receive(&b, 2, PATIENCE).await.len(), 1);
}

#[tokio::test]
async fn what_no_waiting_can_mend_is_refused_at_once() {
    let server = RedisServer::start_with(&["--requirepass", "right"]);
    let with = |url: String| RedisConfig { url, ..config(&server, "a", LEASE) };
    let port = server.port();
    for (url, refused) in [
        (format!("redis://:wrong@127.0.0.1:{port}"), true),
        (format!("redis://127.0.0.1:{port}"), true),
        (format!("redis://nobody:right@127.0.0.1:{port}"), true),
        (format!("redis://:right@127.0.0.1:{port}/99"), true),
        (format!("redis://:right@127.0.0.1:{port}/3"), false),
    ] {
        let connected = RedisBroker::connect(with(url.clone())).await;
        match connected {
            Ok(_) => assert!(!refused, "{url}"),
            Err(error) => {
                assert!(
                    refused && matches!(error, BrokerError::Refused { .. }),
                    "{url}: {error:?}"
                );
            }
        }
    }
    server.ask(&["-a", "right", "CONFIG", "SET", "maxmemory", "1gb"]);
    server.ask(&["-a", "right", "CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    let evicting = RedisBroker::connect(with(format!("redis://:right@127.0.0.1:{port}"))).await;
    assert!(matches!(evicting, Err(BrokerError::Refused { .. })));
}

#[tokio::test]
async fn what_a_lost_reply_left_behind_comes_back_uncharged() {
    let server = RedisServer::start();
    let lease = Duration::from_mins(1);
    let (a, b) = (connect(&server, "a", lease).await, connect(&server, "b", lease).await);
    submit(&a, "sweep", 3).await;
    let held = receive(&a, 1, Duration::ZERO).await;
    // The same as a receive of which nobody heard.
    let mut lost = a.link.call(&super::super::scripts::RECEIVE);
    lost.arg("a").arg(1).arg(60_000);
    a.link.run::<super::super::wire::Received>(&lost).await.unwrap();
    server.ask(&["CLIENT", "KILL", "TYPE", "normal"]);
    // Two are left: one that waited, and the stray.
    let mut again = Vec::new();
    while again.len() < 2 {
        again.extend(insist(async || a.receive(NonZeroU32::MIN, PATIENCE).await).await);
    }
    let uncharged = |delivery: &Delivery| delivery.chunk.counters.silent_deliveries == 0;
    assert!(again.iter().all(|delivery| uncharged(delivery) && !delivery.suspect));
    assert_eq!(again[1].chunk.counters.give_backs, 1);
    for delivery in held.iter().chain(&again) {
        assert_eq!(complete(&a, delivery).await, Committed::First);
    }
    assert_eq!(insist(async || b.receive(NonZeroU32::MIN, Duration::ZERO).await).await, []);
}

#[tokio::test]
async fn a_server_that_still_reads_its_log_is_waited_for() {
    let mut server = RedisServer::start_with(&["--appendonly", "yes", "--key-load-delay", "300"]);
    // It answers after every thousandth or so.
    server.ask(&["EVAL", "for key = 1, 6000 do redis.call('SET', key, 'x') end", "0"]);
    server.kill();
    server.launch();
    assert!(server.ask(&["GET", "0"]).starts_with("LOADING"), "it takes a while");
    let broker = connect(&server, "a", Duration::from_secs(30)).await;
    submit(&broker, "sweep", 1).await;
}
