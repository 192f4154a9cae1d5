//! Where an actor is told things, and how its handling of them is counted.

use std::time::Duration;

use ractor::{ActorCell, ActorRef, Message, RpcReplyPort};
use ttg_observability::metrics::{ActorKind, Metrics};
use ttg_runtime::{Clock, Timestamp};

/// The address of an actor. ractor's mailboxes are unbounded and have no length, so the sender
/// counts what goes in and the actor what it took out; the bound comes from credit.
pub(crate) struct Address<M> {
    actor: ActorRef<M>,
    kind: ActorKind,
    metrics: Metrics,
}

impl<M> Clone for Address<M> {
    fn clone(&self) -> Self {
        Self { actor: self.actor.clone(), kind: self.kind, metrics: self.metrics.clone() }
    }
}

impl<M: Message> Address<M> {
    pub(crate) fn new(actor: ActorRef<M>, kind: ActorKind, metrics: &Metrics) -> Self {
        Self { actor, kind, metrics: metrics.clone() }
    }

    /// Sends `message`. An actor that has ended takes no message: its supervisor knows, and what
    /// follows from it comes from there.
    pub(crate) fn tell(&self, message: M) {
        if self.actor.cast(message).is_ok() {
            self.metrics.mailbox_depth(self.kind).add(1);
        }
    }

    /// Sends what `message` makes after `delay`, unless the actor has ended by then.
    pub(crate) fn tell_after(&self, delay: Duration, message: impl FnOnce() -> M + Send + 'static) {
        let address = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            address.tell(message());
        });
    }

    /// Sends the message that `ask` makes of a reply port, and waits for the reply; `None` if the
    /// actor has ended or does not reply within `wait`.
    pub(crate) async fn ask<R: Send + 'static>(
        &self,
        ask: impl FnOnce(RpcReplyPort<R>) -> M + Send,
        wait: Duration,
    ) -> Option<R> {
        let depth = self.metrics.mailbox_depth(self.kind);
        depth.add(1);
        if let Ok(answer) = self.actor.call(ask, Some(wait)).await {
            return answer.success_or(()).ok();
        }
        depth.sub(1);
        None
    }

    pub(crate) fn cell(&self) -> ActorCell {
        self.actor.get_cell()
    }
}

/// One message being handled, counted when it ends.
pub(crate) struct Handling<'a> {
    kind: ActorKind,
    metrics: &'a Metrics,
    clock: &'a dyn Clock,
    began: Timestamp,
}

impl<'a> Handling<'a> {
    pub(crate) fn begin(kind: ActorKind, metrics: &'a Metrics, clock: &'a dyn Clock) -> Self {
        metrics.mailbox_depth(kind).sub(1);
        metrics.actor_messages(kind).add(1);
        Self { kind, metrics, clock, began: clock.now() }
    }
}

impl Drop for Handling<'_> {
    fn drop(&mut self) {
        let took = self.clock.now().since(self.began);
        self.metrics.actor_handle(self.kind).observe(took);
    }
}
