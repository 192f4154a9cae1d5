//! What is asked many times a second reads little, however many chunks wait.

use rusqlite::StatementStatus;

use super::*;
use crate::broker::conformance::{cut, replay};
use crate::broker::embedded::{lease, read, sql, values};

#[tokio::test]
async fn progress_reads_what_is_in_flight_or_delayed_and_not_what_is_ready() {
    let machine = Machine::new();
    let broker = machine.connect("a").await;
    let job = Machine::job(&broker, 200_000).await;
    let chunks = cut(&job);
    broker.publish(&chunks).await.unwrap();
    // Two hundred thousand rows of their own, too.
    let replays: Vec<_> = chunks.iter().map(|chunk| replay(chunk, 1, chunk.range)).collect();
    broker.publish(&replays).await.unwrap();
    machine.clock.advance(Duration::from_secs(1));
    assert_eq!(receive(&broker, 10).await.len(), 10);
    let progress = broker.progress(job.uid).await.unwrap().unwrap();
    assert_eq!((progress.chunks.ready, progress.chunks.in_flight), (399_990, 10));

    let steps = broker.on_writer(|store| {
        let mut steps = 0;
        for (sql, values) in [(read::IN_FLIGHT, &[1][..]), (read::DELAYED, &[1, i64::MAX])] {
            let mut statement = store.connection.prepare(sql)?;
            let count = statement
                .query_row(rusqlite::params_from_iter(values), |row| row.get::<_, i64>(0))?;
            assert!(count <= 10);
            steps += statement.get_status(StatementStatus::VmStep);
        }
        Ok(steps)
    });
    let steps = steps.await.unwrap();
    assert!(steps < 500, "{steps} steps");
}

#[tokio::test]
async fn no_statement_that_is_asked_often_scans_a_table_or_sorts_it() {
    let machine = Machine::new();
    let broker = machine.connect("a").await;
    let due_rows = lease::due_rows_sql();
    let plans = broker.on_writer(move |store| {
        let mut plans = Vec::new();
        for sql in [
            read::IN_FLIGHT,
            read::DELAYED,
            &due_rows,
            lease::IS_ANY_DUE,
            sql::RUNNING_JOB,
            sql::SETTLED_WITHIN,
            sql::REMOVE_TASK,
            values::REMOVE_OTHERS,
            sql::SHORTEN_RUN,
        ] {
            let mut explain = store.connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
            let steps = explain.raw_query();
            plans.extend(steps.mapped(|row| row.get::<_, String>(3)));
        }
        Ok(plans)
    });
    let plans: Vec<_> = plans.await.unwrap().into_iter().map(Result::unwrap).collect();
    assert!(plans.len() > 8, "{plans:?}");
    for step in plans {
        let scans = step.starts_with("SCAN")
            && !step.ends_with("INDEX leased")
            // Of these the first row answers.
            && !step.starts_with("SCAN runs")
            && step != "SCAN CONSTANT ROW";
        assert!(!scans && !step.contains("TEMP B-TREE"), "{step}");
    }
}

#[tokio::test]
async fn a_statement_is_not_planned_anew_for_every_value() {
    let machine = Machine::new();
    let broker = machine.connect("a").await;
    let due_rows = lease::due_rows_sql();
    let planned_anew = broker.on_writer(move |store| {
        let mut planned_anew = 0;
        for sql in [read::IN_FLIGHT, read::DELAYED, &due_rows, lease::IS_ANY_DUE, sql::RUNNING_JOB]
        {
            let mut statement = store.connection.prepare(sql)?;
            for value in 0..10 {
                for parameter in 1..=statement.parameter_count() {
                    statement.raw_bind_parameter(parameter, value)?;
                }
                let mut rows = statement.raw_query();
                while rows.next()?.is_some() {}
            }
            planned_anew += statement.get_status(StatementStatus::RePrepare);
        }
        Ok(planned_anew)
    });
    assert_eq!(planned_anew.await.unwrap(), 0);
}
