//! The way to the broker and back, on which everything goes wrong that can.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::oneshot;
use ttg_runtime::broker::{
    Beat, Capabilities, Committed, GiveBack, JobProgress, MemoryBroker, Nack, OutcomeCursor,
    OutcomePage, Published, Registered, Renewed, Settled,
};
use ttg_runtime::{
    Broker, BrokerError, Chunk, Credit, Delivery, JobName, JobRecord, JobUid, Outcome, Receipt,
};

use crate::call::{Answer, Call};
use crate::event::Event;
use crate::fate::{Fate, Lost};
use crate::node::Node;

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// One node's connection.
pub(crate) struct Wire {
    pub(crate) node: Arc<Node>,
    pub(crate) broker: MemoryBroker,
}

fn unavailable(why: &'static str) -> BrokerError {
    BrokerError::Unavailable { broker: "memory".into(), cause: why.into() }
}

impl Wire {
    /// Makes a call, if the node can; never returns to a dead one.
    async fn carry(&self, call: Call) -> Result<Answer, BrokerError> {
        let node = &self.node;
        node.going().await;
        let call = match node.world.sabotage {
            Some(sabotage) => sabotage.of_worker(call),
            None => call,
        };
        node.world.see(&Event::Called { worker: &node.id, call: &call });
        let fate = Fate::choose(node, &call);
        let mut answer = if fate.full {
            tokio::time::sleep(fate.there + fate.back).await;
            Err(BrokerError::Full {
                broker: "memory".into(),
                cause: "as chance will have it".into(),
            })
        } else {
            self.request(&call, &fate).await
        };
        node.going().await;
        if let (Call::Receive(credit, _), Ok(Answer::Deliveries(deliveries))) = (&call, &mut answer)
            && deliveries.len() < credit.get() as usize
            && node.chance.happens(node.world.weather().copied)
        {
            deliveries.extend(node.world.copy_of_a_delivery());
        }
        if fate.panics {
            // Not by the panic hook, which reports bugs.
            std::panic::resume_unwind(Box::new("the adapter panics".to_owned()));
        }
        node.world.see(&Event::Told { worker: &node.id, call: &call, answer: &answer });
        answer
    }

    async fn request(&self, call: &Call, fate: &Fate) -> Result<Answer, BrokerError> {
        let (reply, answer) = oneshot::channel();
        let request = Request {
            node: Arc::clone(&self.node),
            broker: self.broker.clone(),
            call: call.clone(),
            fate: fate.clone(),
        };
        // What is on its way arrives, whatever becomes of its sender.
        tokio::spawn(request.travel(reply));
        let wait = match call {
            Call::Receive(_, wait) => *wait + PATIENCE,
            _ => PATIENCE,
        };
        match tokio::time::timeout(wait, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(unavailable("the connection was reset")),
            Err(_) => {
                self.node.trouble("no answer in time");
                Err(unavailable("no answer in time"))
            }
        }
    }
}

/// A call on its way.
struct Request {
    node: Arc<Node>,
    broker: MemoryBroker,
    call: Call,
    fate: Fate,
}

impl Request {
    async fn travel(self, mut reply: oneshot::Sender<Result<Answer, BrokerError>>) {
        let (world, worker) = (&self.node.world, &self.node.id);
        if self.fate.late {
            self.node.trouble("late request");
        }
        tokio::time::sleep(self.fate.there).await;
        if world.is_down() {
            self.node.trouble("broker is down");
            return;
        }
        if self.node.is_cut_off() || self.fate.lost == Some(Lost::Request) {
            self.node.trouble("request lost");
            return reply.closed().await;
        }
        let Some(answer) = self.perform(&mut reply).await else {
            return;
        };
        world.carried_out(worker, &self.call, &answer);
        if let Some(again) = self.fate.again {
            tokio::spawn(self.clone_for_later().arrive_again(again));
        }
        if self.fate.late {
            self.node.trouble("late answer");
        }
        if self.fate.lost.is_none() {
            tokio::time::sleep(self.fate.back).await;
        }
        if self.fate.lost == Some(Lost::Answer) || self.node.is_cut_off() {
            self.node.trouble("answer lost");
            return reply.closed().await;
        }
        // Its caller may have given up.
        drop(reply.send(answer));
    }

    /// `None` if the connection was lost before it was carried out.
    async fn perform(
        &self,
        reply: &mut oneshot::Sender<Result<Answer, BrokerError>>,
    ) -> Option<Result<Answer, BrokerError>> {
        let waits = matches!(self.call, Call::Receive(..));
        let closed = async {
            reply.closed().await;
            // A caller that gave up has closed its connection, and one that died, too, unless its
            // machine did.
            if self.node.died_silently() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            () = self.node.world.goes_down(), if waits => {
                self.node.trouble("broker is down");
                None
            }
            () = closed, if waits => None,
            answer = self.carry_out() => Some(answer),
        }
    }

    async fn carry_out(&self) -> Result<Answer, BrokerError> {
        let Some(sabotage) = self.node.world.sabotage else {
            return self.call.perform(&self.broker).await;
        };
        match sabotage.of_broker(&self.call) {
            Ok(call) => {
                let mut answer = call.perform(&self.broker).await?;
                sabotage.of_answer(&mut answer);
                Ok(answer)
            }
            Err(answer) => Ok(answer),
        }
    }

    fn clone_for_later(&self) -> Self {
        Self {
            node: Arc::clone(&self.node),
            broker: self.broker.clone(),
            call: self.call.clone(),
            fate: self.fate.clone(),
        }
    }

    /// A copy of the request that the network kept.
    async fn arrive_again(self, later: Duration) {
        tokio::time::sleep(later).await;
        if !self.node.world.is_down() {
            let answer = self.carry_out().await;
            self.node.world.carried_out(&self.node.id, &self.call, &answer);
        }
    }
}

/// Unpacks the answer to a call of its kind.
macro_rules! carried {
    ($carried:expr, $kind:path) => {
        match $carried.await? {
            $kind(answer) => Ok(answer),
            _ => Err(unavailable("an answer to another call")),
        }
    };
}

#[async_trait]
impl Broker for Wire {
    fn capabilities(&self) -> Capabilities {
        self.broker.capabilities()
    }
    async fn register(&self, job: &JobRecord) -> Result<Registered, BrokerError> {
        carried!(self.carry(Call::Register(Arc::new(job.clone()))), Answer::Registered)
    }
    async fn job(&self, name: &JobName) -> Result<Option<JobRecord>, BrokerError> {
        carried!(self.carry(Call::Job(name.clone())), Answer::Job)
    }
    async fn jobs(&self) -> Result<Vec<JobRecord>, BrokerError> {
        self.broker.jobs().await
    }
    async fn publish(&self, chunks: &[Chunk]) -> Result<Published, BrokerError> {
        carried!(self.carry(Call::Publish(chunks.into())), Answer::Published)
    }
    async fn receive(&self, credit: Credit, wait: Duration) -> Result<Vec<Delivery>, BrokerError> {
        carried!(self.carry(Call::Receive(credit, wait)), Answer::Deliveries)
    }
    async fn renew(&self, receipts: &[Receipt]) -> Result<Vec<Renewed>, BrokerError> {
        carried!(self.carry(Call::Renew(receipts.into())), Answer::Renewed)
    }
    async fn commit(&self, outcomes: &[(Receipt, Outcome)]) -> Result<Vec<Committed>, BrokerError> {
        carried!(self.carry(Call::Commit(outcomes.into())), Answer::Committed)
    }
    async fn nack(&self, nacks: &[Nack]) -> Result<Vec<Settled>, BrokerError> {
        carried!(self.carry(Call::Nack(nacks.into())), Answer::Settled)
    }
    async fn give_back(&self, returns: &[GiveBack]) -> Result<Vec<Settled>, BrokerError> {
        carried!(self.carry(Call::GiveBack(returns.into())), Answer::Settled)
    }
    async fn give_back_strays(&self, held: &[Receipt]) -> Result<u64, BrokerError> {
        carried!(self.carry(Call::Strays(held.into())), Answer::Strays)
    }
    async fn progress(&self, job: JobUid) -> Result<Option<JobProgress>, BrokerError> {
        carried!(self.carry(Call::Progress(job)), Answer::Progress)
    }
    async fn outcomes(
        &self,
        job: JobUid,
        cursor: OutcomeCursor,
        limit: usize,
    ) -> Result<OutcomePage, BrokerError> {
        self.broker.outcomes(job, cursor, limit).await
    }
    async fn cancel(&self, job: JobUid) -> Result<bool, BrokerError> {
        self.broker.cancel(job).await
    }
    async fn purge(&self, job: JobUid) -> Result<bool, BrokerError> {
        self.broker.purge(job).await
    }
    async fn beat(&self, beat: &Beat) -> Result<(), BrokerError> {
        self.carry(Call::Beat(Arc::new(beat.clone()))).await.map(drop)
    }
    async fn beats(&self, within: Duration) -> Result<Vec<Beat>, BrokerError> {
        self.broker.beats(within).await
    }
    async fn flush(&self) -> Result<(), BrokerError> {
        self.carry(Call::Flush).await.map(drop)
    }
}
