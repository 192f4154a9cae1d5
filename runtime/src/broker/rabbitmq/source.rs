//! Where deliveries come from. The server pushes, so that credit is a matter of consumers: one is
//! opened for as much as is asked for, and closed when nobody asks any more. What it brought in vain
//! goes back to where it was. The server counts that as it counts deaths; the journal knows better.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use lapin::message::Delivery;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions};
use lapin::types::FieldTable;
use tokio::time::Instant;

use super::holdings::Holdings;
use super::session::Session;
use super::tail::next;
use crate::error::BrokerError;

/// How long a consumer stays open for the next receive.
pub(super) const LINGER: Duration = Duration::from_millis(100);

/// How long the server takes to send what is ready, at most.
const ARRIVAL: Duration = Duration::from_millis(50);

/// A message and the consumer that brought it.
pub(super) struct Arrived {
    pub(super) delivery: Delivery,
    pub(super) consumer: u64,
}

#[derive(Default)]
pub(super) struct Source {
    open: Option<Open>,
    /// What arrived and was not handed out.
    pub(super) waiting: VecDeque<Arrived>,
    /// The session of all that waits.
    session: u64,
    /// Counts consumers.
    number: u64,
    last_asked: Option<Instant>,
    /// Since when nothing arrived although somebody asked.
    empty_since: Option<Instant>,
}

struct Open {
    consumer: lapin::Consumer,
    number: u64,
    prefetch: usize,
}

impl Source {
    /// Forgets what another session brought: the server has given it to others.
    fn enter(&mut self, session: u64) {
        if self.session != session {
            (self.open, self.session) = (None, session);
            self.waiting.clear();
        }
    }

    /// Somebody asks, or did a moment ago.
    pub(super) fn touch(&mut self) {
        self.last_asked = Some(Instant::now());
    }

    pub(super) fn is_idle(&self) -> bool {
        let asked_long_ago = self.last_asked.is_none_or(|asked| asked.elapsed() > LINGER);
        asked_long_ago && (self.open.is_some() || !self.waiting.is_empty())
    }

    /// Waits until something waits here, or `deadline`.
    pub(super) async fn fill(
        &mut self,
        session: &Arc<Session>,
        queue: &str,
        holdings: &Holdings,
        credit: usize,
        deadline: Instant,
    ) -> Result<(), BrokerError> {
        self.enter(session.id);
        holdings.enter(session.id);
        self.last_asked = Some(Instant::now());
        self.collect(session).await?;
        if self.waiting.is_empty() {
            self.open_for(session, queue, holdings, credit).await?;
            let until = deadline.max(Instant::now() + ARRIVAL);
            if let Some(open) = &mut self.open
                && self.waiting.is_empty()
                && let Ok(arrived) = tokio::time::timeout_at(until, next(&mut open.consumer)).await
            {
                let consumer = open.number;
                let delivery = self.arrived(session, arrived)?;
                self.waiting.push_back(Arrived { delivery, consumer });
                self.collect(session).await?;
            }
        }
        self.last_asked = Some(Instant::now());
        if self.waiting.is_empty() {
            self.empty_since.get_or_insert_with(Instant::now);
        } else {
            self.empty_since = None;
        }
        Ok(())
    }

    /// For how long somebody asked in vain.
    pub(super) fn in_vain(&self) -> Duration {
        self.empty_since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    fn arrived(
        &mut self,
        session: &Session,
        arrived: Option<lapin::Result<Delivery>>,
    ) -> Result<Delivery, BrokerError> {
        match arrived {
            Some(Ok(delivery)) => Ok(delivery),
            Some(Err(error)) => {
                self.open = None;
                Err(session.fault(error))
            }
            // The server cancels a consumer when its queue moves or goes.
            None => {
                self.open = None;
                let cause = "the server ended the consumer".into();
                Err(BrokerError::Unavailable { broker: session.shown.clone(), cause })
            }
        }
    }

    /// What has arrived, without waiting.
    async fn collect(&mut self, session: &Session) -> Result<(), BrokerError> {
        while let Some(open) = &mut self.open {
            let consumer = open.number;
            let polled = {
                let mut arriving = std::pin::pin!(next(&mut open.consumer));
                poll_fn(|context| Poll::Ready(arriving.as_mut().poll(context))).await
            };
            let Poll::Ready(arrived) = polled else { break };
            let delivery = self.arrived(session, arrived)?;
            self.waiting.push_back(Arrived { delivery, consumer });
        }
        Ok(())
    }

    /// Makes sure that `credit` can arrive, or about as much.
    async fn open_for(
        &mut self,
        session: &Session,
        queue: &str,
        holdings: &Holdings,
        credit: usize,
    ) -> Result<(), BrokerError> {
        if let Some(open) = &self.open {
            let room = open.prefetch.saturating_sub(holdings.count_of(open.number));
            if room >= credit.div_ceil(2) {
                return Ok(());
            }
        }
        self.close(session).await?;
        if !self.waiting.is_empty() {
            return Ok(());
        }
        // The server counts what a consumer holds against its own prefetch only.
        let prefetch = u16::try_from(credit).unwrap_or(u16::MAX).max(1);
        let qos = session.tasks.basic_qos(prefetch, BasicQosOptions::default());
        session.answer(qos).await?.map_err(|error| session.fault(error))?;
        self.number += 1;
        let tag = format!("ttg-{}", self.number);
        let consuming = session.tasks.basic_consume(
            queue.into(),
            tag.as_str().into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        let consumer = session.answer(consuming).await?.map_err(|error| session.fault(error))?;
        let (number, prefetch) = (self.number, usize::from(prefetch));
        self.open = Some(Open { consumer, number, prefetch });
        Ok(())
    }

    /// Closes the consumer, and gives back what it brought in vain.
    pub(super) async fn close_and_return(&mut self, session: &Session) -> Result<(), BrokerError> {
        self.close(session).await?;
        let requeue = |arrived: Arrived| {
            let options = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
            session.tasks.basic_nack(arrived.delivery.delivery_tag, options)
        };
        session.all_sent(self.waiting.drain(..).map(requeue)).await
    }

    /// Closes the consumer; what it still brought waits here.
    async fn close(&mut self, session: &Session) -> Result<(), BrokerError> {
        self.enter(session.id);
        let Some(open) = &mut self.open else { return Ok(()) };
        let tag = open.consumer.tag();
        let cancelling = session.tasks.basic_cancel(tag, BasicCancelOptions::default());
        session.answer(cancelling).await?.map_err(|error| session.fault(error))?;
        while let Some(open) = &mut self.open {
            match session.answer(next(&mut open.consumer)).await? {
                Some(Ok(delivery)) => {
                    let consumer = open.number;
                    self.waiting.push_back(Arrived { delivery, consumer });
                }
                Some(Err(error)) => return Err(session.fault(error)),
                None => self.open = None,
            }
        }
        Ok(())
    }
}
