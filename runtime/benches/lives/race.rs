//! What the benches of brokers share: lives of one-parameter chunks (published, leased, committed)
//! through an adapter beside a bare client that does the same operations in the same batches, in
//! turns.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use ttg_runtime::broker::conformance::{cut, job, outcome, worker};
use ttg_runtime::{Broker, Delivery, JobRecord};

pub(crate) const CHUNKS: u64 = 100_000;
pub(crate) const PUBLISH_BATCH: usize = 1_000;
/// No more than the result sink settles at once.
pub(crate) const CREDIT: NonZeroU32 = NonZeroU32::new(1_000).expect("not zero");
const ROUNDS: u32 = 5;

/// Tells the rates of both, and their ratio. Each returns the time inside its calls.
pub(crate) fn race(
    bare_name: &str,
    chunks: u64,
    adapter: &impl AsyncFn(&JobRecord) -> Duration,
    bare: &impl AsyncFn(&JobRecord) -> Duration,
) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let job = job("bench", chunks, 1);
    let mut times = [Vec::new(), Vec::new()];
    for round in 1..=ROUNDS {
        let both = runtime.block_on(async { [adapter(&job).await, bare(&job).await] });
        report(&format!("round {round}"), bare_name, chunks, both);
        times.iter_mut().zip(both).for_each(|(times, time)| times.push(time));
    }
    report("median", bare_name, chunks, times.map(median));
}

#[expect(clippy::print_stdout, reason = "a bench tells its figures")]
fn report(what: &str, bare_name: &str, chunks: u64, times: [Duration; 2]) {
    let [adapter, bare] = times.map(|time| chunks as f64 / time.as_secs_f64());
    let ratio = adapter / bare;
    println!(
        "{what}: adapter {adapter:.0} lives/s, {bare_name} {bare:.0} lives/s, ratio {ratio:.2}"
    );
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Adds how long `work` takes to `total`.
pub(crate) async fn timed<T>(total: &mut Duration, work: impl Future<Output = T>) -> T {
    #[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
    let started = Instant::now();
    let done = work.await;
    *total += started.elapsed();
    done
}

/// The time inside the broker's calls: making chunks and outcomes is not counted, encoding is.
/// `published` is called when all chunks wait.
pub(crate) async fn through(
    broker: &dyn Broker,
    job: &JobRecord,
    published: impl FnOnce(),
) -> Duration {
    broker.register(job).await.expect("register");
    let mut total = Duration::ZERO;
    for batch in cut(job).chunks(PUBLISH_BATCH) {
        let publish = broker.publish(batch);
        timed(&mut total, publish).await.expect("publish");
    }
    published();
    loop {
        let receive = broker.receive(CREDIT, Duration::ZERO);
        let deliveries = timed(&mut total, receive).await.expect("receive");
        if deliveries.is_empty() {
            return total;
        }
        let settle = |delivery: &Delivery| {
            let outcome = outcome(&delivery.chunk, &worker("bench"), &[]);
            (delivery.receipt, outcome)
        };
        let outcomes: Vec<_> = deliveries.iter().map(settle).collect();
        let commit = broker.commit(&outcomes);
        timed(&mut total, commit).await.expect("commit");
    }
}
