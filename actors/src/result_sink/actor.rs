//! The result sink's wiring.

use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use ttg_observability::events::{
    BrokerLost, BrokerRecovered, ChunkCompleted, ChunkDead, ChunkDropped, ChunkFailed,
    ChunkGivenBack, DuplicateDropped, Event, LeaseLost,
};
use ttg_observability::metrics::ActorKind;
use ttg_runtime::broker::{Committed, Settled};
use ttg_runtime::{BrokerError, Failure, KeptValues, Outcome, Timestamp, ValuesId, ValuesRecord};

use super::messages::ResultSinkMsg;
use super::state::{BATCH_MAX, Batch, Gathered, on_flush, on_settle};
use crate::address::{Address, Handling};
use crate::attempt::{Attempt, Ended};
use crate::chunk_name::ChunkName;
use crate::config::Wiring;
use crate::dispatcher::DispatcherMsg;
use crate::error::Fault;
use crate::stats::WorkerCounts;

/// The pause after a call that failed, doubled up to [`RETRY_MAX`].
const RETRY: Duration = Duration::from_millis(100);

/// The longest such pause.
const RETRY_MAX: Duration = Duration::from_secs(2);

/// So many bytes of values are worth a call: small records share one, large ones hold up nobody for
/// long.
const VALUES_BYTES_ENOUGH: usize = 4 * 1024 * 1024;

/// The result sink.
pub(crate) struct ResultSink(pub(crate) Arc<Wiring>);

#[derive(Default)]
pub(crate) struct State {
    gathered: Gathered,
    /// The newest dispatcher; it passes over ids that only an older one knew.
    reply_to: Option<Address<DispatcherMsg>>,
}

impl Actor for ResultSink {
    type Msg = ResultSinkMsg;
    type State = State;
    type Arguments = ();

    async fn pre_start(
        &self,
        _: ActorRef<ResultSinkMsg>,
        (): (),
    ) -> Result<State, ActorProcessingErr> {
        Ok(State::default())
    }

    async fn handle(
        &self,
        myself: ActorRef<ResultSinkMsg>,
        message: ResultSinkMsg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let ports = &self.0.ports;
        let _handling = Handling::begin(ActorKind::ResultSink, &ports.metrics, &*ports.clock);
        match message {
            ResultSinkMsg::Settle { settlements, urgency, reply_to } => {
                state.reply_to = Some(reply_to);
                let myself = Address::new(myself, ActorKind::ResultSink, &ports.metrics);
                match on_settle(&mut state.gathered, settlements, urgency, ports.clock.now()) {
                    // Behind what is in the mailbox already, which so joins the batch.
                    Some(Duration::ZERO) => myself.tell(ResultSinkMsg::Flush),
                    Some(wait) => myself.tell_after(wait, || ResultSinkMsg::Flush),
                    None => {}
                }
            }
            ResultSinkMsg::Flush => self.flush(state).await?,
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        _: ActorRef<ResultSinkMsg>,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        self.flush(state).await?;
        Ok(())
    }
}

impl ResultSink {
    async fn flush(&self, state: &mut State) -> Result<(), Fault> {
        let ports = &self.0.ports;
        let jitter = || ports.randomness.fraction();
        while let Some(mut batch) = on_flush(&mut state.gathered, ports.clock.now(), jitter) {
            self.keep_values(&mut batch).await?;
            self.commit(&batch).await?;
            self.nack(&batch).await?;
            self.give_back(&batch).await?;
            if let Some(dispatcher) = &state.reply_to {
                dispatcher.tell(DispatcherMsg::Settled(batch.ids));
            }
        }
        Ok(())
    }

    /// Stores the values of a batch and names them in its outcomes. Should this end in between, they
    /// are never read: another evaluation of their chunk has a name of its own.
    async fn keep_values(&self, batch: &mut Batch) -> Result<(), Fault> {
        let randomness = &*self.0.ports.randomness;
        let (mut records, mut bytes) = (Vec::new(), 0);
        let values = std::mem::take(&mut batch.values);
        for ((_, outcome), values) in batch.commits.iter_mut().zip(values) {
            if values.is_empty() {
                continue;
            }
            let id = ValuesId::fresh(randomness);
            let own = values.records(outcome.key, id, outcome.range);
            let count = u32::try_from(own.len()).unwrap_or(u32::MAX);
            outcome.values = Some(KeptValues { id, records: count });
            for record in own {
                bytes += record.payload_bytes();
                records.push(record);
                if bytes >= VALUES_BYTES_ENOUGH || records.len() >= BATCH_MAX {
                    self.store_values(&std::mem::take(&mut records)).await?;
                    bytes = 0;
                }
            }
        }
        self.store_values(&records).await
    }

    async fn store_values(&self, records: &[ValuesRecord]) -> Result<(), Fault> {
        if records.is_empty() {
            return Ok(());
        }
        let broker = &self.0.ports.broker;
        self.insist(|| broker.store_values(records)).await
    }

    async fn commit(&self, batch: &Batch) -> Result<(), Fault> {
        let outcomes = &batch.commits;
        if outcomes.is_empty() {
            return Ok(());
        }
        let broker = &self.0.ports.broker;
        let answers = self.insist(|| broker.commit(outcomes)).await?;
        let mut counts = WorkerCounts::default();
        for (((_, outcome), told_by), answer) in
            outcomes.iter().zip(&batch.told_by.commits).zip(answers)
        {
            match answer {
                Committed::First => {
                    counts.chunks += u64::from(!outcome.is_dead());
                    counts.dead_chunks += u64::from(outcome.is_dead());
                    counts.parameters += outcome.completed();
                    counts.dead_parameters += outcome.dead.count();
                }
                Committed::Duplicate => counts.duplicates += 1,
                Committed::Dropped => {}
            }
            self.tell_of_commit(outcome, answer, told_by.as_deref());
        }
        self.0.stats.add_commits(counts);
        Ok(())
    }

    fn tell_of_commit(&self, outcome: &Outcome, answer: Committed, told_by: Option<&Attempt>) {
        let metrics = &self.0.ports.metrics;
        let name = ChunkName::new(&outcome.key, told_by.map(Attempt::span));
        let chunk = name.in_events();
        match answer {
            Committed::First if outcome.is_dead() => {
                let dead = outcome.dead.count();
                ChunkDead { chunk, dead, error: &first_death(outcome) }.emit(metrics);
            }
            Committed::First => ChunkCompleted {
                chunk,
                completed: outcome.completed(),
                dead: outcome.dead.count(),
                error: &first_death(outcome),
                duration: outcome.computed_for(),
            }
            .emit(metrics),
            Committed::Duplicate => DuplicateDropped { chunk }.emit(metrics),
            Committed::Dropped => {
                ChunkDropped { chunk, reason: "its job is unknown or cancelled" }.emit(metrics);
            }
        }
        self.tell(
            told_by,
            &match answer {
                Committed::First => Ended::Committed(outcome),
                Committed::Duplicate => Ended::Duplicate,
                Committed::Dropped => Ended::Dropped,
            },
        );
    }

    fn tell(&self, told_by: Option<&Attempt>, ended: &Ended<'_>) {
        let Wiring { config, ports, .. } = &*self.0;
        if let Some((attempt, traces)) = told_by.zip(ports.traces.as_ref()) {
            attempt.tell(traces, &config.worker, ended, ports.clock.now());
        }
    }

    async fn nack(&self, batch: &Batch) -> Result<(), Fault> {
        if batch.nacks.is_empty() {
            return Ok(());
        }
        let (broker, metrics) = (&self.0.ports.broker, &self.0.ports.metrics);
        let answers = self.insist(|| broker.nack(&batch.nacks)).await?;
        let nacks = batch.nacks.iter().zip(&batch.attempts).zip(&batch.told_by.nacks);
        for (((nack, (failures, max_attempts)), told_by), answer) in nacks.zip(answers) {
            let told_by = told_by.as_deref();
            let name = ChunkName::new(&nack.receipt.key, told_by.map(Attempt::span));
            let chunk = name.in_events();
            match answer {
                Settled::Applied => {
                    let failed = ChunkFailed {
                        chunk,
                        failures: *failures,
                        max_attempts: *max_attempts,
                        retry_in: nack.retry_in,
                        error: &nack.failure.to_string(),
                    };
                    failed.emit(metrics);
                    self.tell(told_by, &Ended::Nacked(&nack.failure, nack.retry_in));
                }
                Settled::Stale => {
                    self.0.stats.add_leases_lost(1);
                    LeaseLost { chunk }.emit(metrics);
                    self.tell(told_by, &Ended::Stale);
                }
            }
        }
        Ok(())
    }

    async fn give_back(&self, batch: &Batch) -> Result<(), Fault> {
        if batch.give_backs.is_empty() {
            return Ok(());
        }
        let (broker, metrics) = (&self.0.ports.broker, &self.0.ports.metrics);
        let call = || broker.give_back(&batch.give_backs);
        let answers = self.insist(call).await?;
        let backs = batch.give_backs.iter().zip(&batch.told_by.give_backs);
        for ((back, told_by), answer) in backs.zip(answers) {
            let told_by = told_by.as_deref();
            let name = ChunkName::new(&back.receipt.key, told_by.map(Attempt::span));
            let chunk = name.in_events();
            let reason = if back.retry_in.is_zero() { "unfinished" } else { "kernel is not here" };
            match answer {
                Settled::Applied => {
                    ChunkGivenBack { chunk, reason }.emit(metrics);
                    self.tell(told_by, &Ended::GivenBack(reason));
                }
                Settled::Stale => {
                    self.0.stats.add_leases_lost(1);
                    LeaseLost { chunk }.emit(metrics);
                    self.tell(told_by, &Ended::Stale);
                }
            }
        }
        Ok(())
    }

    /// Makes a call until it succeeds or says that it never will. Outcomes are held meanwhile and
    /// their leases renewed; nothing is charged for an outage.
    async fn insist<T, F>(&self, mut call: impl FnMut() -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, BrokerError>>,
    {
        let ports = &self.0.ports;
        let broker = ports.broker.capabilities().name;
        let mut pause = RETRY;
        let mut lost_since: Option<Timestamp> = None;
        loop {
            let began = ports.clock.now();
            self.0.health.settling.begins(began);
            let answer = call().await;
            self.0.health.settling.ends(answer.is_ok());
            let now = ports.clock.now();
            match answer {
                Ok(answer) => {
                    if let Some(since) = lost_since {
                        BrokerRecovered { broker, outage: now.since(since) }.emit(&ports.metrics);
                    }
                    return Ok(answer);
                }
                Err(error) if error.is_transient() => {
                    if lost_since.is_none() {
                        lost_since = Some(began);
                        BrokerLost { broker, error: &error.to_string() }.emit(&ports.metrics);
                    }
                    tokio::time::sleep(pause.mul_f64(1.0 + ports.randomness.fraction())).await;
                    pause = (pause * 2).min(RETRY_MAX);
                }
                Err(error) => return Err(Fault::Broker(Arc::new(error))),
            }
        }
    }
}

/// What the first dead parameter of an outcome died of; nothing without one.
fn first_death(outcome: &Outcome) -> String {
    let first = outcome.dead.runs().next();
    first.map_or_else(String::new, |(run, why)| {
        Failure::new(why.kind, Some(run.start()), why.message.as_str()).to_string()
    })
}
