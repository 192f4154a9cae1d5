//! A connection on a thread of its own, told what to do through a bounded channel, so that no
//! wait for a disk or a lock stops the async runtime.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::sync::{mpsc, oneshot};

use super::fault::Fault;
use crate::error::BrokerError;

/// Commands that wait before callers do.
const QUEUE: usize = 64;

type Command<S> = Box<dyn FnOnce(&mut S) + Send>;

/// Runs commands on `S`, one after the other. Dropping it ends the thread, after what is queued.
pub(super) struct Lane<S> {
    commands: Option<mpsc::Sender<Command<S>>>,
    thread: Option<JoinHandle<()>>,
    broker: Arc<str>,
}

impl<S: 'static> Lane<S> {
    /// Starts the thread, and on it `open`.
    pub(super) async fn start(
        name: &str,
        broker: Arc<str>,
        open: impl FnOnce() -> Result<S, Fault> + Send + 'static,
    ) -> Result<Self, BrokerError> {
        let (commands, mut queue) = mpsc::channel::<Command<S>>(QUEUE);
        let (opened, ready) = oneshot::channel();
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            let mut store = match open() {
                Ok(store) => store,
                Err(fault) => return drop(opened.send(Err(fault))),
            };
            if opened.send(Ok(())).is_err() {
                return;
            }
            while let Some(command) = queue.blocking_recv() {
                command(&mut store);
            }
        });
        let thread = thread.map_err(|error| Fault::from(error).of(&broker))?;
        let lane = Self { commands: Some(commands), thread: Some(thread), broker };
        lane.answer(ready).await?;
        Ok(lane)
    }

    /// Runs `command` when its turn comes. If the caller goes away meanwhile it runs all the same.
    pub(super) async fn call<R: Send + 'static>(
        &self,
        command: impl FnOnce(&mut S) -> Result<R, Fault> + Send + 'static,
    ) -> Result<R, BrokerError> {
        let (reply, answer) = oneshot::channel();
        let command: Command<S> = Box::new(move |store| {
            // Nobody waits for it any more: it is done all the same.
            drop(reply.send(command(store)));
        });
        if let Some(commands) = &self.commands {
            // A failure shows as a missing answer.
            drop(commands.send(command).await);
        }
        self.answer(answer).await
    }

    async fn answer<R>(
        &self,
        answer: oneshot::Receiver<Result<R, Fault>>,
    ) -> Result<R, BrokerError> {
        match answer.await {
            Ok(result) => result.map_err(|fault| fault.of(&self.broker)),
            Err(_) => Err(BrokerError::Unexpected {
                broker: self.broker.to_string(),
                detail: "the thread of its store has ended".to_owned(),
            }),
        }
    }
}

impl<S> Drop for Lane<S> {
    /// Waits for the thread: when this returns, the store is closed.
    fn drop(&mut self) {
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            // A panic there was reported there.
            drop(thread.join());
        }
    }
}
