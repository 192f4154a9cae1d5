//! Of four workers two are killed and one stands still for longer than its lease. It comes back and
//! changes nothing that is settled; what it did in vain is counted.

use ttg_tests::{Report, Running, Sandbox, Signal, WorkerReport, until};

use crate::sandbox;

const WORKER: &str = "worker --until-complete shared --lease 1s --concurrency 2 --log-format json \
                      --json";

/// A second of work for four workers: 80 chunks of 100 ms, each a slice that nothing cuts short.
const ONE_SLICE: (u64, &str) = (80, "--chunk-size 1 --set simulate-work-ms=100");

/// As much in 10 000 chunks, so that each of them writes all the time.
const BUSY: (u64, &str) = (10_000, "--chunk-size 1 --set simulate-work-ms=1");

/// Eight chunks of half a second, in slices of 4 ms.
const HALF_SECONDS: &str =
    "submit --parameters 1000 --chunk-size 125 --set simulate-work-ms=4 --job";

/// A worker at work.
struct AtWork {
    running: Running,
    id: String,
}

fn start<const N: usize>(sandbox: &Sandbox) -> [AtWork; N] {
    let running = [(); N].map(|()| sandbox.start(WORKER));
    running.map(|mut running| {
        let id = running.worker_id();
        AtWork { running, id }
    })
}

/// Starts four workers on `job`, and returns when each has committed a chunk.
fn four_at_work(sandbox: &Sandbox, (parameters, options): (u64, &str)) -> [AtWork; 4] {
    let line = format!("submit --job shared --parameters {parameters} {options}");
    sandbox.ttg(&line).expect_code(0);
    let workers = start(sandbox);
    sandbox.until("shared", |report| report.workers.len() == 4);
    workers
}

/// How many chunks the store says that `worker` holds.
fn held_by(sandbox: &Sandbox, worker: &AtWork) -> u64 {
    let count = sandbox.store().query(&format!(
        "SELECT count(*) FROM tasks JOIN workers ON workers.id = owner WHERE name = '{}'",
        worker.id
    ));
    count.trim().parse().expect("it is a number")
}

/// Freezes `worker` inside or outside of a transaction that writes, in either case with chunks in
/// its hands. Returns how many.
fn freeze(sandbox: &Sandbox, worker: &AtWork, inside: bool) -> u64 {
    let store = sandbox.store();
    until("it is caught in the right place", || {
        worker.running.freeze();
        if inside == (store.writer() == Some(worker.running.id())) {
            let held = held_by(sandbox, worker);
            if held > 0 {
                return Some(held);
            }
        }
        worker.running.thaw();
        None
    })
}

fn kill(worker: AtWork) {
    let killed = worker.running.kill();
    assert_eq!(killed.signal, Some(Signal::SIGKILL as i32), "{killed:#?}");
}

/// Waits for the worker's end with a complete job.
fn completes(worker: AtWork) -> WorkerReport {
    let report = worker.running.end().expect_code(0).worker_report();
    assert_eq!(report.status, "complete", "{report:#?}");
    report
}

/// What the store says of `job`, which must be complete and right to the last bit, none of its chunks
/// charged.
fn right(sandbox: &Sandbox, job: &str, parameters: u64) -> Report {
    let report = sandbox.look(job).expect("it was submitted");
    report.assert_complete(parameters, 0);
    let calm = sandbox.ttg(&format!("run --parameters {parameters} --json")).expect_code(0);
    assert_eq!(report.result.get(), calm.report().result.get());
    for outcome in sandbox.store().outcomes(job).values() {
        assert_eq!(outcome.attempt, 1, "{outcome:#?}");
    }
    report
}

#[test]
fn what_a_frozen_worker_commits_when_others_have_ended_the_job_is_dropped_and_counted() {
    let sandbox = sandbox();
    let [frozen, first, second, survivor] = four_at_work(&sandbox, ONE_SLICE);
    let held = freeze(&sandbox, &frozen, false);
    kill(first);
    kill(second);
    let survivor = completes(survivor);
    let before = right(&sandbox, "shared", ONE_SLICE.0);
    assert_eq!(before.chunks.duplicates_dropped, 0, "{before:#?}");
    assert!(before.chunks.redelivered >= held, "{before:#?}");
    assert!(survivor.redelivered >= held, "{survivor:#?}");

    frozen.running.thaw();
    let frozen = completes(frozen);
    assert!(frozen.duplicates_dropped >= 1, "a slice was under way: {frozen:#?}");
    assert!(frozen.duplicates_dropped + frozen.leases_lost >= held, "{held} held: {frozen:#?}");
    let after = right(&sandbox, "shared", ONE_SLICE.0);
    assert_eq!(after.chunks.duplicates_dropped, frozen.duplicates_dropped, "{after:#?}");
    assert_eq!(after.columns.get(), before.columns.get());
}

/// Two workers, one of them frozen until the other has taken over all that it held and computes it.
/// Returns how many that were, too.
fn one_taken_over(sandbox: &Sandbox) -> (AtWork, AtWork, u64) {
    sandbox.ttg(&format!("{HALF_SECONDS} early")).expect_code(0);
    let [frozen, survivor] = start(sandbox);
    sandbox.until("early", |report| report.workers.len() == 2);
    let held = freeze(sandbox, &frozen, false);
    until("its chunks are taken over", || (held_by(sandbox, &frozen) == 0).then_some(()));
    (frozen, survivor, held)
}

#[test]
fn a_frozen_worker_that_comes_back_gives_up_what_others_took_over_and_works_on() {
    let sandbox = sandbox();
    let (frozen, survivor, held) = one_taken_over(&sandbox);
    sandbox.ttg(&format!("{HALF_SECONDS} shared")).expect_code(0);
    let id = frozen.id.clone();
    frozen.running.thaw();

    let both = [completes(frozen), completes(survivor)];
    let [frozen, survivor] = &both;
    assert!(frozen.leases_lost >= 1, "{both:#?}");
    let dropped = frozen.duplicates_dropped + survivor.duplicates_dropped;
    assert!(frozen.leases_lost + survivor.leases_lost + dropped >= held, "{held} held: {both:#?}");
    let early = right(&sandbox, "early", 1_000);
    assert!(early.chunks.redelivered >= held, "{early:#?}");
    assert_eq!(early.chunks.duplicates_dropped, dropped, "{early:#?}");
    let shared = right(&sandbox, "shared", 1_000);
    assert!(shared.workers.iter().any(|share| share.id == id), "{shared:#?}");
}

#[test]
fn a_frozen_worker_that_is_told_to_end_gives_back_nothing_that_others_hold() {
    let sandbox = sandbox();
    let (frozen, survivor, held) = one_taken_over(&sandbox);
    frozen.running.signal(Signal::SIGTERM);
    frozen.running.thaw();
    let left = frozen.running.end().expect_code(0).worker_report();
    assert_eq!(left.status, "drained", "{left:#?}");
    assert!(left.leases_lost + left.duplicates_dropped >= held, "{held} held: {left:#?}");

    sandbox.ttg(&format!("{HALF_SECONDS} shared")).expect_code(0);
    let survivor = completes(survivor);
    assert_eq!(survivor.leases_lost, 0, "it keeps what it took over: {survivor:#?}");
    right(&sandbox, "early", 1_000);
    right(&sandbox, "shared", 1_000);
}

#[test]
fn a_worker_frozen_inside_of_a_transaction_holds_up_the_others_and_costs_them_nothing() {
    let sandbox = sandbox();
    let [frozen, first, second, mut survivor] = four_at_work(&sandbox, BUSY);
    freeze(&sandbox, &frozen, true);
    kill(first);
    // Longer than it waits for its store. That is told, and it waits on; its leases end.
    survivor.running.until_line(r#""event":"broker_lost""#);
    let before = sandbox.look("shared").expect("it was submitted");
    assert_eq!(before.status, "running", "{before:#?}");
    kill(second);
    frozen.running.thaw();
    survivor.running.until_line(r#""event":"broker_recovered""#);
    let both = [completes(frozen), completes(survivor)];
    right(&sandbox, "shared", BUSY.0);
    assert!(both.iter().all(|worker| worker.chunks > 20), "they work on: {both:#?}");
}

#[test]
fn a_worker_killed_inside_of_a_transaction_leaves_the_store_to_the_others() {
    let sandbox = sandbox();
    let [victim, other, first, second] = four_at_work(&sandbox, BUSY);
    freeze(&sandbox, &victim, true);
    kill(victim);
    kill(other);
    completes(first);
    completes(second);
    let report = right(&sandbox, "shared", BUSY.0);
    assert_eq!(report.chunks.duplicates_dropped, 0, "{report:#?}");
}
