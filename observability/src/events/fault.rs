//! What broke around the chunks, and came back.

use std::time::Duration;

use tracing::warn;

use super::Event;
use crate::metrics::{ActorKind, Label, Metrics, RestartReason};

/// A supervisor started an actor again.
#[derive(Debug, Clone, Copy)]
pub struct ActorRestarted<'a> {
    /// Which actor.
    pub actor: ActorKind,
    /// Why.
    pub reason: RestartReason,
    /// What it died of, in words.
    pub error: &'a str,
}

impl Event for ActorRestarted<'_> {
    fn emit(self, metrics: &Metrics) {
        metrics.actor_restarts(self.actor, self.reason).add(1);
        warn!(
            event = "actor_restarted",
            actor = self.actor.as_str(),
            reason = self.reason.as_str(),
            error = self.error,
            "actor restarted"
        );
    }
}

/// The broker does not answer; its return is awaited.
#[derive(Debug, Clone, Copy)]
pub struct BrokerLost<'a> {
    /// The broker, without its secrets.
    pub broker: &'a str,
    /// How it was noticed.
    pub error: &'a str,
}

impl Event for BrokerLost<'_> {
    /// Counts nothing: [`BrokerRecovered`] does, once the outage is over.
    fn emit(self, _: &Metrics) {
        let Self { broker, error } = self;
        warn!(event = "broker_lost", broker, error, "broker lost, waiting for it");
    }
}

/// The broker answers again.
#[derive(Debug, Clone, Copy)]
pub struct BrokerRecovered<'a> {
    /// The broker, without its secrets.
    pub broker: &'a str,
    /// How long it was gone.
    pub outage: Duration,
}

impl Event for BrokerRecovered<'_> {
    fn emit(self, metrics: &Metrics) {
        metrics.broker_reconnects().add(1);
        let outage_seconds = self.outage.as_secs_f64();
        let broker = self.broker;
        warn!(event = "broker_recovered", broker, outage_seconds, "broker is back");
    }
}
