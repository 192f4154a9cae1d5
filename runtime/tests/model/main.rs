//! Random operations against an adapter and a plain model of it, side by side: every answer, every
//! delivery, and the progress after every step must be the model's.
//!
//! Works for any [`Harness`]. By a manual clock the model knows what is due and demands exactly
//! that; by a real one it knows it up to the time that calls take, and demands no more.

use proptest::test_runner::{Config, FileFailurePersistence, TestRunner};
use ttg_runtime::broker::conformance::Harness;
use ttg_runtime::broker::{EmbeddedHarness, MemoryHarness, RabbitHarness, RedisHarness};

mod operation;
mod plain;
mod session;

use operation::{Operation, operations};
use session::Session;

#[test]
fn the_memory_broker_does_what_its_model_does() {
    model_holds::<MemoryHarness>(2_000);
}

#[test]
fn the_embedded_broker_does_what_its_model_does() {
    model_holds::<EmbeddedHarness>(200);
}

/// By real time, so that a history takes seconds: few of them, and many at a time.
#[test]
fn the_redis_broker_does_what_its_model_does() {
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| model_holds::<RedisHarness>(3));
        }
    });
}

/// By real time, too.
#[test]
fn the_rabbitmq_broker_does_what_its_model_does() {
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| model_holds::<RabbitHarness>(2));
        }
    });
}

/// Runs `cases` random histories, those first that failed once: proptest keeps them beside this
/// file.
fn model_holds<H: Harness>(cases: u32) {
    let regressions = FileFailurePersistence::WithSource("regressions");
    let config = Config {
        cases,
        source_file: Some(file!()),
        failure_persistence: Some(Box::new(regressions)),
        ..Config::default()
    };
    let run = |history: Vec<Operation>| {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let mut session = Session::<H>::start().await;
            for operation in history {
                session.perform(operation).await;
                session.check_progress().await;
            }
            session.finish().await;
        });
        Ok(())
    };
    if let Err(failed) = TestRunner::new(config).run(&operations(), run) {
        panic!("{failed}");
    }
}
