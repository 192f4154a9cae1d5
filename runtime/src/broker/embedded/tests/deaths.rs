//! Consumers that die, of which the operating system tells at once.

use std::fs::{self, File};

use super::*;
use crate::broker::Settled;
use crate::broker::conformance::cut;
use crate::error::BrokerError;

/// What `kill -9` leaves of a consumer: its leases, and its lock file, which nobody holds.
fn kill(machine: &Machine, broker: EmbeddedBroker, name: &str) {
    drop(broker);
    File::create(lock_file(machine, name)).unwrap();
}

fn lock_file(machine: &Machine, name: &str) -> std::path::PathBuf {
    let file = format!("workers/{name}.lock");
    machine.folder.path().join(file)
}

#[tokio::test]
async fn the_chunks_of_a_dead_consumer_are_taken_over_at_once_as_suspects() {
    let machine = Machine::new();
    let (a, b) = (machine.connect("a").await, machine.connect("b").await);
    let job = Machine::job(&a, 3).await;
    a.publish(&cut(&job)).await.unwrap();
    let held = receive(&a, 2).await;
    assert_eq!(receive(&b, 2).await.len(), 1);
    kill(&machine, a, "a");

    // By the clock of the leases no time passes.
    let wait = Duration::from_secs(20);
    let taken = b.receive(NonZeroU32::new(9).unwrap(), wait).await.unwrap();
    let keys = |deliveries: &[Delivery]| -> Vec<_> {
        deliveries.iter().map(|delivery| delivery.chunk.key).collect()
    };
    assert_eq!(keys(&taken), keys(&held));
    for delivery in &taken {
        assert!(delivery.suspect);
        assert_eq!(delivery.chunk.counters.silent_deliveries, 1);
    }
    assert!(!lock_file(&machine, "a").exists());
    let progress = b.progress(job.uid).await.unwrap().unwrap();
    assert_eq!(progress.chunks.redelivered, 2);
}

#[tokio::test]
async fn a_consumer_that_left_in_order_is_as_gone_as_a_dead_one() {
    let machine = Machine::new();
    let (a, b) = (machine.connect("a").await, machine.connect("b").await);
    let job = Machine::job(&a, 1).await;
    a.publish(&cut(&job)).await.unwrap();
    assert_eq!(receive(&a, 1).await.len(), 1);
    assert!(lock_file(&machine, "a").exists());
    drop(a);
    assert!(!lock_file(&machine, "a").exists());
    assert_eq!(receive(&b, 1).await.len(), 1);
}

#[tokio::test]
async fn a_consumer_that_lives_keeps_its_leases_while_others_look() {
    let machine = Machine::new();
    let (a, b) = (machine.connect("a").await, machine.connect("b").await);
    let job = Machine::job(&a, 1).await;
    a.publish(&cut(&job)).await.unwrap();
    let held = receive(&a, 1).await;
    // The first receive of a consumer that finds nothing looks for dead ones.
    assert_eq!(receive(&b, 1).await, []);
    let returns = [crate::broker::GiveBack { receipt: held[0].receipt, retry_in: Duration::ZERO }];
    assert_eq!(a.give_back(&returns).await.unwrap(), [Settled::Applied]);
    assert!(!receive(&b, 1).await[0].suspect);
}

#[tokio::test]
async fn two_living_consumers_do_not_share_an_id() {
    let machine = Machine::new();
    let a = machine.connect("a").await;
    let config = config(machine.folder.path(), "a", &machine.clock);
    let second = EmbeddedBroker::connect(config).await.err().unwrap();
    assert!(matches!(second, BrokerError::Refused { .. }), "{second}");
    assert!(second.to_string().contains("worker `a`"), "{second}");
    drop(a);
    machine.connect("a").await;
}

#[tokio::test]
async fn the_files_of_the_dead_do_not_pile_up_and_long_names_fit() {
    let machine = Machine::new();
    let long = "x".repeat(300);
    let broker = machine.connect(&long).await;
    let workers = machine.folder.path().join("workers");
    for n in 0..5 {
        File::create(workers.join(format!("killed-{n}.lock"))).unwrap();
    }
    let other = machine.connect("other").await;
    assert_eq!(fs::read_dir(&workers).unwrap().count(), 2);
    drop((broker, other));
    assert_eq!(fs::read_dir(&workers).unwrap().count(), 0);
}

#[tokio::test]
async fn workers_that_are_gone_and_forgotten_leave_no_rows() {
    let machine = Machine::new();
    for n in 0..5 {
        machine.connect(&format!("short-lived-{n}")).await;
    }
    let living = machine.connect("living").await;
    machine.clock.advance(Duration::from_hours(25));
    let other = machine.connect("other").await;
    let rows = other.on_writer(|store| {
        let count = "SELECT count(*) FROM workers";
        Ok(store.connection.query_row(count, [], |row| row.get::<_, i64>(0))?)
    });
    assert_eq!(rows.await.unwrap(), 2);
    drop(living);
}

#[tokio::test]
async fn a_restart_of_the_machine_voids_its_leases_and_waits() {
    let machine = Machine::new();
    machine.clock.advance(Duration::from_hours(1_000));
    let a = machine.connect("a").await;
    let job = Machine::job(&a, 3).await;
    a.publish(&cut(&job)).await.unwrap();
    let held = receive(&a, 2).await;
    let returns =
        [crate::broker::GiveBack { receipt: held[1].receipt, retry_in: Duration::from_hours(1) }];
    assert_eq!(a.give_back(&returns).await.unwrap(), [Settled::Applied]);
    drop(a);

    let machine = machine.reboot();
    let a = machine.connect("a").await;
    let mut deliveries = receive(&a, 9).await;
    deliveries.sort_by_key(|delivery| delivery.chunk.key);
    let seen: Vec<_> = deliveries
        .iter()
        .map(|delivery| {
            let counters = delivery.chunk.counters;
            (delivery.suspect, counters.silent_deliveries, delivery.waited)
        })
        .collect();
    let zero = Duration::ZERO;
    assert_eq!(seen, [(true, 1, zero), (false, 0, zero), (false, 0, zero)]);
}
